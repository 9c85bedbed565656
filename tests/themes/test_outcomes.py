"""Which themes overturn, and by what: the planted signs are verified, drawn ones are not."""

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import numpy as np
import polars as pl
import pytest

from gne_analytics.tables.derived import FOLDS, fold_of
from gne_analytics.themes import Themes, outcomes
from gne_analytics.themes.outcomes import HELD_OUT, UNDECIDED, Outcomes, ThemeOutcome, theme_outcomes
from gne_analytics.themes.places import Places
from gne_analytics.themes.views import bare_facts


@pytest.fixture(scope="module")
def ended(voices: Themes) -> Outcomes:
    return voices.outcomes()


def about(ended: Outcomes, word: str) -> ThemeOutcome:
    return next(t for t in ended.themes if word in t.label)


def test_the_theme_that_overturns_and_the_one_that_is_upheld_are_told(ended: Outcomes) -> None:
    assert about(ended, "logo").tends == "overturned"
    assert about(ended, "rule").tends == "upheld"


def test_evidence_and_a_term_tell_overturned_from_upheld_inside_a_theme(ended: Outcomes) -> None:
    signs = {(s.kind, s.value): s.effect.value for s in about(ended, "logo").signs}
    assert signs["evidence", "photo"] > 0.2
    kindly = [v for (kind, value), v in signs.items() if kind == "term" and value in ("kindly", "quickly")]
    assert [abs(v) > 0.2 for v in kindly] == [True]
    assert not [s for t in ended.themes for s in t.signs if s.name == "colour"]
    assert not about(ended, "rule").signs


def test_a_signs_counts_are_those_of_held_out_sellers(ended: Outcomes, voices: Themes) -> None:
    logo = about(ended, "logo")
    sign = next(s for s in logo.signs if s.kind == "evidence" and s.value == "photo")
    rows = voices.rows(logo.theme_id).filter(pl.col("fold") >= HELD_OUT)
    having = rows.filter(pl.col("evidence").list.contains("photo"))
    assert (sign.having.n, sign.having.k) == (having.height, having["overturned"].sum())
    assert sign.lacking.n == rows.height - having.height


class Named:
    """A theme by its id alone."""

    def __init__(self, name: str) -> None:
        self.id = self.label = name


def judged(**columns: object) -> Outcomes:
    """The outcomes of two themes of 600 texts, of which a TH one is overturned thrice as often as one from elsewhere.

    TH is the only market with enough texts to be looked at.
    """
    rng = np.random.default_rng(1)
    n = 1200
    big = rng.random(n) < 0.6
    units = rng.integers(0, 400, n)
    texts = bare_facts(pl.DataFrame({"id": [f"A{i}" for i in range(n)], "unit": [f"S{u}" for u in units]}))
    texts = texts.with_columns(
        group=pl.Series(["t1", "t2"] * (n // 2)), overturned=pl.Series(rng.random(n) < np.where(big, 0.6, 0.2)),
        fold=pl.Series(units % FOLDS), market=pl.Series(np.where(big, "TH", rng.choice(list("abcdefghijklmnop"), n))),
    ).with_columns(**columns)  # fmt: skip
    rows = texts.select("id", group=pl.lit(0, pl.Int64))
    places = cast("Places", SimpleNamespace(corpus=SimpleNamespace(rows=rows, texts=("word",))))
    return theme_outcomes("seller_text", [Named("t1"), Named("t2")], places, texts)


def test_a_value_that_alone_has_enough_texts_is_looked_at() -> None:
    assert [[(s.kind, s.value) for s in t.signs] for t in judged().themes] == [[("segment", "TH")]] * 2


def test_a_text_of_which_no_evidence_is_known_neither_has_nor_lacks_any() -> None:
    photo = pl.when(pl.col("market") == "TH").then(pl.lit(["photo"])).otherwise(pl.lit([], pl.List(pl.String)))
    ended = judged(evidence=pl.when(pl.int_range(pl.len()) % 4 > 1).then(photo))
    whole, half = (next(s for s in ended.signs if s.kind == kind) for kind in ("segment", "evidence"))
    assert half.value == "photo"
    assert 0.4 < (half.having.n + half.lacking.n) / (whole.having.n + whole.lacking.n) < 0.6


def test_what_differs_in_one_half_of_the_sellers_only_is_not_told() -> None:
    one, late = pl.col("group") == "t1", pl.col("fold") >= HELD_OUT
    turned = judged(overturned=pl.when(late).then(one).otherwise(~one) ^ (pl.int_range(pl.len()) % 5 == 0))
    assert [t.tends for t in turned.themes] == ["", ""]
    there = pl.col("market") == "TH"
    lot = pl.Series(np.random.default_rng(6).random(1200) < 0.4)
    ended = judged(overturned=pl.when(late).then(there).otherwise(lot))
    assert not [s for t in ended.themes for s in t.signs] + list(ended.signs)


def test_without_stored_folds_a_sellers_texts_are_all_in_one_half(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(outcomes, "fold_of", lambda unit: asked.append(unit) or fold_of(unit))
    judged(fold=pl.lit(None, pl.Int64))
    assert asked
    assert all(unit.startswith("S") for unit in asked)


def test_outcomes_drawn_by_lot_have_no_signs(voices: Themes) -> None:
    assert voices.about is not None
    told = 0
    for seed in range(5):
        lot = pl.Series("overturned", np.random.default_rng(seed).random(voices.about.height) < 0.4)
        ended = replace(voices, about=voices.about.with_columns(lot)).outcomes()
        told += sum(bool(t.tends) + len(t.signs) for t in ended.themes) + len(ended.signs)
    assert told <= 1


def test_texts_without_an_outcome_give_a_note(voices: Themes) -> None:
    assert replace(voices, about=None).outcomes().notes == (UNDECIDED,)


def test_a_reader_is_told_why_an_interval_without_nought_may_be_no_verified_difference(ended: Outcomes) -> None:
    assert "the searching half of the sellers shows it first" in ended.summary()
    assert not any("Not judged" in note for note in ended.notes)


def test_themes_with_too_few_decided_texts_are_counted(voices: Themes, ended: Outcomes) -> None:
    assert voices.about is not None
    first = ended.themes[0].theme_id
    theirs = voices.assignments.filter(pl.col("theme_id") == first)["id"]
    decided = pl.when(~pl.col("id").is_in(theirs.to_list())).then("overturned").alias("overturned")
    few = replace(voices, about=voices.about.with_columns(decided)).outcomes()
    assert few.of(first) is None
    assert any(note.endswith(f"decided texts: 1 of {len(voices.themes)} themes.") for note in few.notes)


def test_a_level_of_the_hierarchy_is_asked_as_the_fitted_themes_are(voices: Themes) -> None:
    assert {t.theme_id for t in voices.outcomes(2).themes} == {n.id for n in voices.at(2)}


def test_hostile_labels_are_escaped(ended: Outcomes) -> None:
    evil = ended.model_copy(update={"notes": ("<script>",)})
    assert "<script>" not in evil._repr_html_()
