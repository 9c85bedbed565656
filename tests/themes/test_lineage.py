"""A refit: ids and names live on, and what is born, dies, parts or joins is said."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from gne_analytics.errors import DataError
from gne_analytics.evidence.types import Theme
from gne_analytics.testing.embedders import Counting
from gne_analytics.themes import Themes, assign, fit_themes, load, refit, save
from gne_analytics.themes.embedders import Ngrams, Vectors, unit_length
from gne_analytics.themes.graph import GraphClusterer, adjusted_rand
from gne_analytics.themes.lineage import STEADY, Refit, Steady, _name_of


class ByWord:
    """A clusterer that is told the theme of each text, in the order in which it will see them."""

    def __init__(self, frame: pl.DataFrame, column: str) -> None:
        from gne_analytics.themes.texts import corpus

        found = corpus(frame, "signals")
        rows = found.rows.join(frame.select(pl.col("id"), column), on="id").drop_nulls("group").unique("group")
        self.labels_ = rows.sort("group")[column].to_numpy().astype(np.int64)

    def fit(self, X: Vectors, y: object = None) -> "ByWord":  # noqa: N803
        return self


def numbered(complaints: pl.DataFrame) -> pl.DataFrame:
    order = ["invoice", "logo", "rule", "money"]
    return complaints.with_columns(
        apart=pl.col("subject").replace_strict({s: i for i, s in enumerate(order)}, return_dtype=pl.Int64),
        joined=pl.col("subject").replace_strict({s: i // 2 for i, s in enumerate(order)}, return_dtype=pl.Int64),
    )


def fitted(frame: pl.DataFrame, column: str) -> Themes:
    return fit_themes(frame, "signals", embedder="ngrams", clusterer=ByWord(frame, column), centre_languages=False)


def matched(before: Themes, after: Themes, frame: pl.DataFrame) -> Refit:
    from gne_analytics.themes.lineage import match
    from gne_analytics.themes.model import read
    from gne_analytics.themes.texts import corpus

    found = corpus(frame, "signals")
    placed = read(before.model, found)
    named = {theme.id: i for i, theme in enumerate(before.themes)}
    rows = found.rows.join(before.assignments.select("id", "theme_id"), on="id").drop_nulls("group").unique("group")
    old = np.array([named[t] for t in rows.sort("group")["theme_id"]])
    return match(before.model, after, found, placed, old)


@pytest.fixture(scope="module")
def frame(complaints: pl.DataFrame) -> pl.DataFrame:
    return numbered(complaints[::2])


def test_themes_found_again_keep_ids_and_given_names(frame: pl.DataFrame) -> None:
    before = fitted(frame, "apart")
    named = tuple(t.model_copy(update={"label": f"name {t.id}", "named_by": "a model"}) for t in before.themes)
    before = replace(before, themes=named, model=replace(before.model, themes=named))
    turned = frame.with_columns(apart=3 - pl.col("apart"))
    refitted = matched(before, fitted(turned, "apart"), frame)
    assert refitted.lineage.kept_share == 1
    assert {t.id: t.label for t in refitted.themes.themes} == {t.id: f"name {t.id}" for t in before.themes}
    assert refitted.themes.assignments.equals(before.assignments)


def test_a_theme_that_parts_is_a_split_and_its_larger_part_keeps_the_id(frame: pl.DataFrame) -> None:
    before = fitted(frame, "joined")
    lineage = matched(before, fitted(frame, "apart"), frame).lineage
    assert set(lineage.splits) == {t.id for t in before.themes} == set(lineage.kept)
    assert all(old in parts and len(parts) == 2 for old, parts in lineage.splits.items())
    assert lineage.births == lineage.deaths == ()


def test_themes_that_join_are_a_merge_and_no_death(frame: pl.DataFrame) -> None:
    lineage = matched(fitted(frame, "apart"), fitted(frame, "joined"), frame).lineage
    assert sorted(len(olds) for olds in lineage.merges.values()) == [2, 2]
    assert lineage.deaths == ()
    assert lineage.kept_share == 0.5
    assert "2 of 4 themes kept their id" in lineage.summary()


def test_what_nobody_said_before_is_a_birth_with_a_number_never_given_and_what_ended_a_death(
    frame: pl.DataFrame,
) -> None:
    before = fit_themes(frame.filter(pl.col("subject") != "money"), "signals", embedder="ngrams")
    again = refit(before.model, frame.filter(pl.col("subject") != "logo"))
    of = again.themes.assignments.join(frame, on="id")
    new = set(of.filter(pl.col("subject") == "money")["theme_id"]) & set(again.lineage.births)
    assert new
    assert not set(again.lineage.births) & {t.id for t in before.themes}
    gone = before.assignments.join(frame, on="id").filter(pl.col("subject") == "logo")["theme_id"].unique()
    assert set(again.lineage.deaths) & set(gone)
    third = refit(again.themes.model, frame)
    assert not set(third.lineage.births) & ({t.id for t in before.themes} | {t.id for t in again.themes.themes})


def test_the_same_texts_again_change_nothing(frame: pl.DataFrame) -> None:
    before = fit_themes(frame, "signals", embedder="ngrams")
    again = refit(before.model, frame)
    assert again.lineage.kept_share == 1
    assert again.themes.assignments.select("id", "theme_id").equals(before.assignments.select("id", "theme_id"))
    shuffled = refit(before.model, frame.sample(fraction=1, shuffle=True, seed=3))
    assert shuffled.themes.assignments.equals(again.themes.assignments)


def test_a_refit_of_a_saved_model_is_that_of_the_fitted_one_and_assigns_under_its_ids(
    frame: pl.DataFrame, tmp_path: Path
) -> None:
    before = fit_themes(frame.filter(pl.col("subject") != "money"), "signals", embedder="ngrams")
    save(before.model, tmp_path)
    again = refit(load(tmp_path), frame)
    assert again.themes.assignments.equals(refit(before.model, frame).themes.assignments)
    save(again.themes.model, tmp_path)
    found = assign(load(tmp_path), frame)
    agree = found.join(again.themes.assignments, on="id").select(
        (pl.col("theme_id") == pl.col("theme_id_right")).mean()
    )
    assert agree.item() > 0.9
    assert load(tmp_path).next_number == again.themes.model.next_number > len(before.themes)


def test_a_refit_reads_only_texts_that_the_cache_has_not_seen(frame: pl.DataFrame, tmp_path: Path) -> None:
    reader = Counting()
    known = frame.filter(pl.col("subject") != "money")
    before = fit_themes(known, "signals", embedder=reader, cache_dir=tmp_path)
    reader.asked.clear()
    refit(before.model, frame, embedder=reader, cache_dir=tmp_path)
    texts = [t for t in reader.asked if len(t.split()) > 1]  # single words are read for the terms
    assert texts
    assert len(texts) == len(set(texts))
    assert not set(texts) & set(known["text"])


def test_a_refit_without_a_word_or_with_another_embedder_says_so(frame: pl.DataFrame) -> None:
    before = fit_themes(frame.head(30), "signals", embedder="ngrams")
    with pytest.raises(DataError, match="holds a word"):
        refit(before.model, pl.DataFrame({"id": ["a"], "text": ["!!"]}))
    with pytest.raises(DataError, match="fitted with the embedder"):
        refit(before.model, frame, embedder=_Other())


def test_a_refit_on_three_texts_survives(frame: pl.DataFrame) -> None:
    before = fit_themes(frame, "signals", embedder="ngrams")
    again = refit(before.model, frame.head(3))
    assert len(again.themes.themes) == 1
    assert again.lineage.before == len(before.themes)


class _Other(Ngrams):
    id = "other"


def test_refitted_themes_have_cards_with_their_steadiness_and_a_tree(frame: pl.DataFrame) -> None:
    again = refit(fitted(frame, "apart").model, frame).themes
    assert {c.theme.id for c in again.cards} == {t.id for t in again.themes}
    assert any(c.stability is not None for c in again.cards)
    assert again.tree.counts[again.tree.fitted] == len(again.themes)


def test_where_the_old_themes_no_longer_hold_the_nearest_of_the_good_cuts_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gne_analytics.themes.graph.STRIDE", 1)
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(12, 24))  # each of two kernels, of which some are a theme as good
    kernels = np.repeat(centres, 2, axis=0) + 0.25 * rng.normal(size=(24, 24))
    vectors = unit_length(np.repeat(kernels, 15, axis=0) + 0.25 * rng.normal(size=(360, 24)))
    found = GraphClusterer().fit(vectors).partition_
    assert found is not None
    rival = next(c for c in found.cuts if c.themes > found.chosen.themes)
    assert STEADY * found.chosen.silhouette <= rival.silhouette < found.chosen.silhouette
    monkeypatch.setattr(Steady, "_holds", lambda *_: False)
    assert adjusted_rand(Steady(rival.labels, 0).fit(vectors).labels_, rival.labels) == 1
    assert adjusted_rand(Steady(found.chosen.labels, 0).fit(vectors).labels_, found.chosen.labels) == 1


def test_a_name_of_terms_ends_when_one_of_its_words_is_said_no_more() -> None:
    theme = Theme(id="v-01", view="v", label="invoice, supplier", terms=("invoice", "supplier"), size=5, folded=5)
    assert _name_of(theme, ["the invoice of my supplier"]) == {"label": "invoice, supplier", "named_by": "terms"}
    assert _name_of(theme, ["the invoice of my seller"]) == {}
    given = theme.model_copy(update={"named_by": "a model"})
    assert _name_of(given, ["nothing of it"])["label"] == "invoice, supplier"
