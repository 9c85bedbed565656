"""The hierarchy: nested, whole at every level, the same again; and the map that it is drawn on."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from gne_analytics.errors import DataError
from gne_analytics.themes import Themes, fit_themes


@pytest.fixture(scope="module")
def themes(complaints: pl.DataFrame) -> Themes:
    return fit_themes(complaints, "seller_text", embedder="ngrams")


def test_every_level_holds_every_text_once(themes: Themes, complaints: pl.DataFrame) -> None:
    for index in range(len(themes.tree.levels)):
        level = themes.tree.level(index)
        leaves = [leaf for node in level for leaf in node.leaves]
        assert len(leaves) == len(set(leaves))
        assert sum(node.size for node in level) == complaints.height


def test_levels_are_nested_and_run_from_coarse_to_fine(themes: Themes) -> None:
    tree = themes.tree
    assert list(tree.counts) == sorted(tree.counts)
    for index in range(1, len(tree.levels)):
        above = [set(n.leaves) for n in tree.level(index - 1)]
        assert all(sum(set(n.leaves) <= a for a in above) == 1 for n in tree.level(index))


def test_one_level_is_the_fitted_one(themes: Themes) -> None:
    fitted = themes.tree.level(themes.tree.fitted)
    assert {n.id: n.size for n in fitted} == {t.id: t.size for t in themes.themes}
    assert {n.id: n.label for n in fitted} == {t.id: t.label for t in themes.themes}


def test_parents_hold_their_children(themes: Themes) -> None:
    tree = themes.tree
    for node in tree.nodes:
        children = tree.children(node.id)
        assert all(set(c.leaves) < set(node.leaves) for c in children)
        if children:
            assert sum(c.size for c in children) == node.size


def test_the_same_texts_in_another_order_give_the_same_tree_and_map(themes: Themes, complaints: pl.DataFrame) -> None:
    again = fit_themes(complaints.sample(fraction=1, shuffle=True, seed=3), "seller_text", embedder="ngrams")
    assert again.tree == themes.tree
    assert again.spots().equals(themes.spots())


def test_rows_of_a_node_are_those_of_its_leaves(themes: Themes) -> None:
    for node in themes.at(2):
        rows = themes.rows(node.id)
        assert rows.height == node.size
        assert rows["similarity"].is_sorted(descending=True)
    with pytest.raises(DataError, match="there is no theme"):
        themes.rows("nothing")


def test_only_a_fitted_theme_has_a_card(themes: Themes) -> None:
    others = [node for node in themes.tree.by_id.values() if node.id not in {t.id for t in themes.themes}]
    assert others
    for node in others:
        with pytest.raises(DataError, match=r"no fitted theme .* rows"):
            themes.card(node.id)


def test_themes_keep_apart_on_the_map(themes: Themes) -> None:
    spots = themes.spots()
    xy, own = spots.select("x", "y").to_numpy(), spots["theme_id"].to_numpy()
    middle = {t.id: xy[own == t.id].mean(axis=0) for t in themes.themes}
    names = list(middle)
    nearest = np.array([[np.hypot(*(p - middle[n])) for n in names] for p in xy]).argmin(axis=1)
    assert (np.array(names)[nearest] == own).mean() > 0.9


def test_only_exemplars_carry_their_text_on_the_map(themes: Themes) -> None:
    told = themes.spots()["exemplar"].drop_nulls().to_list()
    assert 0 < len(told) <= 3 * len(themes.themes)
    assert set(told) <= {text for t in themes.themes for text in t.exemplars}


def test_a_limit_keeps_every_exemplar(themes: Themes) -> None:
    few, all_of_them = themes.spots(limit=10), themes.spots()
    assert few.height < 10 + 3 * len(themes.themes) + 1
    assert few["exemplar"].drop_nulls().len() == all_of_them["exemplar"].drop_nulls().len()


@pytest.mark.parametrize("texts", [["one text"], ["same", "same", "same"], ["a b", "c d", "e f"], ["🙂", "word"]])
def test_few_texts_have_a_tree_and_a_map(texts: list[str]) -> None:
    frame = pl.DataFrame({"id": [str(i) for i in range(len(texts))], "text": texts})
    found = fit_themes(frame, "seller_text", embedder="ngrams")
    assert found.tree.counts[found.tree.fitted] == len(found.themes)
    assert found.spots().height >= 1
    assert len(found.cards) == len(found.themes)
    assert found.outcomes().notes


def test_themes_without_their_texts_say_so(themes: Themes) -> None:
    with pytest.raises(DataError, match="keep no texts"):
        replace(themes, places=None).at(3)


def test_renamed_themes_rename_the_tree(themes: Themes) -> None:
    new = [t.model_copy(update={"label": f"named {t.id}"}) for t in themes.themes]
    named = themes.tree.named(new)
    assert {n.label for n in named.level(named.fitted)} == {t.label for t in new}
