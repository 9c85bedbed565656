"""Two views crossed: the planted pair is found, one seller is one vote, and nothing is found in noise."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.stats import false_discovery_control, fisher_exact

from gne_analytics.errors import DataError
from gne_analytics.evidence.types import Estimate
from gne_analytics.themes import Themes
from gne_analytics.themes.crossed import PAIRS, Crossed, Pair, _pairs, cross


def other_view(voices: Themes, *, linked: float) -> Themes:
    """The reviewers' view of the same violations: the theme of the seller's text, or one drawn by lot."""
    assert voices.about is not None
    rng = np.random.default_rng(2)
    names = [t.id.replace("seller_text", "reviewer_rationale") for t in voices.themes]
    own = voices.assignments["theme_id"].str.replace("seller_text", "reviewer_rationale").to_numpy()
    drawn = np.where(rng.random(len(own)) < linked, own, rng.choice(names, len(own)))
    themes = tuple(t.model_copy(update={"id": n}) for t, n in zip(voices.themes, names, strict=True))
    held = voices.assignments.with_columns(theme_id=pl.Series(drawn))
    return replace(voices, view="reviewer_rationale", themes=themes, assignments=held)


def test_what_sellers_say_where_reviewers_say_it_is_found(voices: Themes) -> None:
    crossed = cross(voices, other_view(voices, linked=0.5))
    meeting = {(p.one[-2:], p.other[-2:]) for p in crossed.pairs if p.sure and p.lift.value > 1}
    assert meeting == {("01", "01"), ("02", "02"), ("03", "03")}
    assert crossed.sentences()[0].startswith("Where reviewers say “")
    assert crossed.counts().height == 3


def test_views_that_have_nothing_to_do_with_each_other_make_no_sentence(voices: Themes) -> None:
    crossed = cross(voices, other_view(voices, linked=0.0))
    assert not crossed.sentences()
    assert "No pair" in crossed.summary()


def test_pairs_are_tested_as_fishers_exact_test_would_and_adjusted_together() -> None:
    table = np.array([[12, 3, 1], [2, 9, 6]])
    cells = [(a, b) for (a, b), n in np.ndenumerate(table) for _ in range(n)]
    votes = pl.DataFrame(cells, schema=["one", "other"], orient="row").select(
        pl.format("a{}", "one").alias("one"), pl.format("b{}", "other").alias("other")
    )
    pairs = {(p.one, p.other): p for p in _pairs(votes, {f"{s}{i}": "" for s in "ab" for i in range(3)})}
    p = []
    for (a, b), k in np.ndenumerate(table):
        rest, column = table[a].sum() - k, table[:, b].sum() - k
        two = [[k, rest], [column, table.sum() - k - rest - column]]
        p.append(min(1.0, 2 * min(fisher_exact(two, side).pvalue for side in ("less", "greater"))))
        assert pairs[f"a{a}", f"b{b}"].elsewhere == pytest.approx(rest / (rest + two[1][1]))
    q = [pairs[f"a{a}", f"b{b}"].q for a, b in np.ndindex(*table.shape)]
    assert q == pytest.approx(false_discovery_control(p))


def test_no_theme_of_the_other_view_hides_the_rest() -> None:
    def pair(one: int, other: str, lift: float) -> Pair:
        told = Estimate(value=lift, n=100)
        names = {"one": f"a{one}", "other": other, "one_label": "", "other_label": ""}
        return Pair(**names, k=9, n_one=20, n_other=20, n=100, expected=4.0, lift=told, q=0.001)

    pairs = (*(pair(i, "loud", 9 - i) for i in range(PAIRS + 2)), pair(0, "quiet", 2))
    crossed = Crossed(one="x", other="y", pairs=pairs, violations=1, sellers=1, tested=9)
    assert [p.other for p in crossed.strongest()] == ["loud"] * PAIRS + ["quiet"]
    assert len(crossed.strongest(3)) == 3


def test_one_loud_seller_is_one_vote(voices: Themes) -> None:
    assert voices.about is not None
    loud = replace(voices, about=voices.about.with_columns(unit=pl.lit("S1")))
    assert max(p.k for p in cross(loud, other_view(loud, linked=1.0)).pairs) == 1


def test_copies_of_a_pair_do_not_make_it_surer_than_its_votes(voices: Themes) -> None:
    crossed = cross(voices, other_view(voices, linked=0.5))
    assert all(p.k <= min(p.n_one, p.n_other) for p in crossed.pairs)
    for pair in crossed.pairs:
        assert pair.lift.interval is not None
        assert pair.lift.interval.lo <= pair.lift.value <= pair.lift.interval.hi


def test_a_view_crossed_with_itself_or_without_a_record_is_refused(voices: Themes) -> None:
    with pytest.raises(DataError, match="crossed with itself"):
        cross(voices, voices)
    with pytest.raises(DataError, match="no record stands behind"):
        cross(voices, replace(other_view(voices, linked=1.0), about=None))


def test_views_of_different_violations_are_refused(voices: Themes) -> None:
    assert voices.about is not None
    other = replace(
        other_view(voices, linked=1.0), about=voices.about.with_columns(violation_id=pl.lit("elsewhere") + pl.col("id"))
    )
    with pytest.raises(DataError, match="no violation in common"):
        cross(voices, other)
