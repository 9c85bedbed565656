"""The benchmark of themes measures what it says, on inputs of a known answer."""

import numpy as np
from sklearn.metrics import adjusted_rand_score

from benchmarks.themes import scored
from benchmarks.themes_ours import cluster, composed
from benchmarks.themes_scale import many_vectors
from gne_analytics.themes.embedders import unit_length


def kernels(each=40, themes=6, seed=0):
    rng = np.random.default_rng(seed)
    label = np.repeat([f"t{i}" for i in range(themes)], each)
    centre = rng.normal(size=(themes, 32))
    noise = 0.2 * rng.normal(size=(len(label), 32))
    return unit_length((centre[np.repeat(np.arange(themes), each)] + noise).astype(np.float32)), label


def test_many_vectors_lie_between_texts_of_their_own_label():
    read, label = kernels()
    vectors, own = many_vectors(read, label, 2_000)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    centre = np.stack([vectors[own == t].mean(axis=0) for t in range(6)])
    assert np.mean((vectors @ centre.T).argmax(axis=1) == own) > 0.95


def test_what_is_not_fitted_joins_the_theme_that_it_belongs_to(monkeypatch):
    monkeypatch.setattr("benchmarks.themes_ours.FIT_TEXTS", 400)
    vectors, own = many_vectors(*kernels(), 2_000)
    labels = cluster(vectors)
    assert len(labels) == 2_000
    assert adjusted_rand_score(own[400:], labels[400:]) > 0.9


def test_composed_texts_are_short_and_nearly_all_distinct():
    texts = [" ".join(f"w{i}x{j}" for j in range(14)) for i in range(200)]
    made = composed(texts, 1_000)
    assert len(set(made)) > 990
    assert max(len(t.split()) for t in made) <= 22
    assert made == composed(texts, 1_000)


def test_agreement_is_the_mean_over_seeds():
    truth = np.array([0, 0, 1, 1])
    told = scored(truth, [np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])])
    assert told["ari"] == (1 + adjusted_rand_score(truth, [0, 1, 0, 1])) / 2
    assert told["themes"] == 2
