"""The clusterer, against planted groups and an independent oracle."""

import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from gne_analytics.themes import graph
from gne_analytics.themes.embedders import Vectors, unit_length
from gne_analytics.themes.graph import GraphClusterer, adjusted_rand, nearest, partition, settle, shared_neighbour_graph


def blobs(groups: int, each: int, noise: float = 0.25, seed: int = 0) -> tuple[Vectors, np.ndarray]:
    rng = np.random.default_rng(seed)
    centres = unit_length(rng.normal(size=(groups, 32)))
    truth = np.repeat(np.arange(groups), each)
    return unit_length(centres[truth] + noise * rng.normal(size=(len(truth), 32)) / 2), truth


@pytest.mark.parametrize("groups", [5, 12])
def test_planted_groups_are_found_without_being_told_how_many(groups: int) -> None:
    vectors, truth = blobs(groups, 40)
    assert adjusted_rand_score(truth, GraphClusterer().fit(vectors).labels_) > 0.9


def test_the_same_rows_and_seed_give_the_same_themes() -> None:
    vectors, _ = blobs(6, 30)
    assert np.array_equal(GraphClusterer(seed=3).fit(vectors).labels_, GraphClusterer(seed=3).fit(vectors).labels_)


@pytest.mark.parametrize("n", [400, 2000])
def test_where_nothing_parts_the_texts_the_cut_is_unsure_and_of_the_usual_number(n: int) -> None:
    cut = partition(unit_length(np.random.default_rng(1).normal(size=(n, 64))))
    assert cut.unsure
    assert 0.4 < cut.chosen.themes / (graph.EXPECTED * n**0.25) < 2.5


def test_groups_that_lie_clearly_apart_outweigh_the_usual_number() -> None:
    vectors, _ = blobs(100, 20, noise=0.1)  # the usual number is 16
    assert 90 <= partition(vectors).chosen.themes <= 110


def test_blocks_change_no_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, _ = blobs(6, 30)
    whole = shared_neighbour_graph(vectors)
    monkeypatch.setattr(graph, "_BLOCK", 7)
    assert np.allclose((shared_neighbour_graph(vectors) - whole).toarray(), 0, atol=1e-6)


def test_an_edge_weighs_the_root_of_shared_neighbours_and_likeness() -> None:
    vectors, _ = blobs(4, 10)
    index, cosine = nearest(vectors, 5)
    around = [{i, *row} for i, row in enumerate(index.tolist())]
    weights = shared_neighbour_graph(vectors, 5)
    for i, (row, likeness) in enumerate(zip(index.tolist(), cosine.tolist(), strict=True)):
        for j, alike in zip(row, likeness, strict=True):
            jaccard = len(around[i] & around[j]) / len(around[i] | around[j])
            assert weights[i, j] == pytest.approx((jaccard * max(alike, 0)) ** 0.5, abs=1e-6)
            assert weights[j, i] == pytest.approx(weights[i, j])


def test_a_text_that_is_near_to_all_costs_no_matrix_of_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    n = 4000
    hub = np.zeros((n, 1), dtype=np.int64), np.ones((n, 1), dtype=np.float32)
    hub[0][0] = 1
    monkeypatch.setattr(graph, "nearest", lambda vectors, k: hub)
    tracemalloc.start()
    shared_neighbour_graph(np.ones((n, 2), dtype=np.float32))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * n * n


@pytest.mark.parametrize("groups", [40, 90])
def test_many_small_groups_are_told_apart(groups: int) -> None:
    vectors, truth = blobs(groups, 20, noise=0.15)
    assert adjusted_rand_score(truth, GraphClusterer().fit(vectors).labels_) > 0.85


def test_the_chosen_cut_says_how_steady_it_is() -> None:
    chosen = partition(blobs(6, 40, noise=0.1)[0]).chosen
    assert chosen.agreement > 0.95


def test_neighbours_agree_with_a_full_sort() -> None:
    vectors, _ = blobs(4, 20)
    index, _ = nearest(vectors, 5)
    full = vectors @ vectors.T
    np.fill_diagonal(full, -2)
    assert [set(r) for r in index] == [set(r) for r in np.argsort(-full, axis=1)[:, :5]]


def test_neighbours_among_many_points_are_nearly_the_exact_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    low = rng.normal(size=(3000, 40)) @ rng.normal(size=(40, 128)) + 0.3 * rng.normal(size=(3000, 128))
    vectors = unit_length(low)
    exact, cosine = nearest(vectors)
    monkeypatch.setattr(graph, "EXACT_UP_TO", 500)
    index, found = nearest(vectors)
    assert not (index == np.arange(3000)[:, None]).any()
    assert np.mean([len(set(a) & set(b)) / 15 for a, b in zip(exact, index, strict=True)]) > 0.9
    assert (np.sort(found, axis=1) <= np.sort(cosine, axis=1) + 1e-5).all()


def test_agreement_is_the_adjusted_rand_index() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, 300), rng.integers(0, 4, 300)
    assert adjusted_rand(a, b) == pytest.approx(adjusted_rand_score(a, b))
    assert adjusted_rand(a, a) == 1


def test_outliers_and_tiny_themes_join_the_nearest() -> None:
    vectors, truth = blobs(3, 10, noise=0.05)
    labels = truth.copy()
    labels[0], labels[10] = -1, 99
    settled = settle(vectors, labels)
    assert adjusted_rand_score(truth, settled) == 1
    assert set(settled) == {0, 1, 2}


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_a_handful_of_texts_is_clustered_too(n: int) -> None:
    assert len(GraphClusterer().fit(blobs(1, n)[0]).labels_) == n


def test_equal_vectors_make_one_theme() -> None:
    assert set(GraphClusterer().fit(np.ones((30, 4), dtype=np.float32) / 2).labels_) == {0}


def test_the_order_of_the_rows_means_nothing_to_the_clusterer() -> None:
    rng = np.random.default_rng(0)
    vectors = unit_length(rng.normal(size=(20, 16))[np.repeat(np.arange(20), 30)] + 0.9 * rng.normal(size=(600, 16)))
    order = rng.permutation(len(vectors))
    one, other = GraphClusterer().fit(vectors), GraphClusterer().fit(vectors[order])
    assert adjusted_rand(one.labels_[order], other.labels_) == 1
    assert one.partition_ is not None
    assert one.partition_.chosen in one.partition_.cuts
