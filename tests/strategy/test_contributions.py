"""Proposals without ballast: what each edit brings by itself, counted by hand."""

import polars as pl
import pytest

from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Edit
from gne_analytics.strategy.contributions import contributions, loss_of, minimal

RULES = """- {id: r, clause: c, status: live, detector: d, action: remove, threshold: {default: 0.4}}
- {id: other, clause: c, status: live, detector: d, action: warn, when: ["market = 'C'"], threshold: {default: 0.9}}
"""
OBJECTIVES = "default: {cost: {wrongful_enforcement: 3, missed_violation: 1, review: 0.5}}"


def override(name, market, value):
    return Edit(
        kind="add_override", policy="p", rule="r", new={"id": name, "match": f"market = '{market}'", "value": value}
    )


GOOD = [override("a", "A", 0.6), override("b", "B", 0.5)]
IDLE = Edit(kind="add_exemption", policy="p", rule="r", new={"id": "x", "match": "market = 'Z'"})


@pytest.fixture(scope="module")
def market(small_market, draw_cases):
    return small_market(draw_cases(6, 500), RULES, objectives=OBJECTIVES)


def by_hand(cases, thresholds):
    """Return the loss of lifting thresholds from 0.4 in some markets."""
    freed = [c for c in cases if 0.4 <= c["score"] < thresholds.get(c["market"], 0.4)]
    return sum(1 if c["violating"] else -3 for c in freed)


def test_edits_that_bring_next_to_nothing_are_dropped_and_the_others_stay(market):
    assert by_hand(market.half(0), {"A": 0.6}) < 0 > by_hand(market.half(0), {"B": 0.5})
    assert minimal([*GOOD, IDLE], market.study) == tuple(GOOD)
    assert minimal([IDLE, *GOOD[:1]], market.study) == tuple(GOOD[:1])


def test_an_edit_with_a_gain_of_its_own_too_small_to_be_worth_a_line_is_dropped(small_market, draw_cases):
    cases = draw_cases(6, 3_000)
    harmless = (pl.col("market") == "B") & (pl.col("score") >= 0.5) & ~pl.col("violating")
    few = cases.filter(harmless)["case_id"].head(6)
    tagged = cases.with_columns(
        language=pl.when(pl.col("case_id").is_in(few.implode())).then(pl.lit("few")).otherwise(pl.lit("x"))
    )
    market = small_market(tagged, RULES, objectives=OBJECTIVES)
    small = Edit(kind="add_exemption", policy="p", rule="r", new={"id": "x", "match": "language = 'few'"})
    gain, whole = (-loss_of(edits, market.study, on="search").low for edits in ([small], [*GOOD, small]))
    assert 0 < gain < 0.05 * whole
    assert minimal([small, *GOOD], market.study) == tuple(GOOD)


def test_an_edit_that_does_harm_beside_the_others_is_dropped(market):
    harm = Edit(kind="add_exemption", policy="p", rule="r", new={"id": "x", "match": "market = 'C' AND score >= 0.6"})
    assert sum(1 if c["violating"] else -3 for c in market.half(0) if c["market"] == "C" and c["score"] >= 0.6) > 0
    assert minimal([harm, *GOOD], market.study) == tuple(GOOD)


def test_one_edit_is_kept_whatever_it_brings(market):
    assert minimal([IDLE], market.study) == (IDLE,)


def test_each_edit_says_what_it_brings_alone_and_what_the_others_bring_without_it(market):
    store = EvidenceStore()
    found, cited = contributions(GOOD, market.study, store)
    hand = [by_hand(market.half(1), t) for t in ({"A": 0.6}, {"B": 0.5})]
    assert [c.alone.value for c in found] == hand
    assert [c.without.value for c in found] == hand[::-1]
    assert [c.edit for c in found] == [0, 1]
    assert {store.get(e).value for e in cited} == set(hand)
    assert contributions(GOOD[:1], market.study, store) == ((), ())


def test_the_loss_counts_reviews_at_their_price(market):
    review = Edit(kind="set_human_review", policy="p", rule="r", old=None, new="score < 0.5")
    found = loss_of([review], market.study, on="confirm")
    cases = [c for c in market.half(1) if 0.4 <= c["score"] < 0.5]
    worst, best = sum(c["violating"] for c in cases), -3 * sum(not c["violating"] for c in cases)
    assert (found.low, found.high) == (best + 0.5 * len(cases), worst + 0.5 * len(cases))
