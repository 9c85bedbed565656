"""Redundant rules, with their overlap counted by hand."""

import polars as pl
import pytest

from gne_analytics.evidence.proposals import Recommendation
from gne_analytics.evidence.render import render
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.policy.edits import applied
from gne_analytics.strategy import backtest
from gne_analytics.strategy.retire import MAKES_MILDER, retirement

RULES = """- {id: wide, clause: c, status: live, detector: d, action: remove, threshold: {default: 0.6}}
- {id: inside, clause: c, status: live, detector: d, action: remove, when: ["market = 'A'"], threshold: {default: 0.7}}
- {id: twin, clause: c, status: live, detector: d, action: remove, when: ["market = 'A'"], threshold: {default: 0.7}}
- {id: loud, clause: c, status: live, detector: d, action: suspend, threshold: {default: 0.9}}
- {id: wrong, clause: c, status: live, detector: d, action: warn, when: ["market = 'B'"], threshold: {default: 0.3}}
- {id: idle, clause: c, status: live, detector: d, action: warn, threshold: {default: 1.0}}
- {id: past, clause: c, status: retired, detector: d, action: warn, threshold: {default: 0.1}}
"""


@pytest.fixture(scope="module")
def market(small_market, draw_cases):
    cases = draw_cases(4, 500, slope=1.4, markets=("A", "B"))
    harmless = (pl.col("market") == "B") & (pl.col("score") < 0.6)
    return small_market(cases.with_columns(violating=pl.col("violating") & ~harmless), RULES)


@pytest.fixture(scope="module")
def found(market):
    return retirement(market.study, store=EvidenceStore())


def row(found, rule):
    return found.table.row(by_predicate=pl.col("rule") == rule, named=True)


def test_overlap_and_what_a_rule_alone_catches_are_as_counted_by_hand(market, found):
    fires = {
        "wide": pl.col("score") >= 0.6, "inside": (pl.col("score") >= 0.7) & (pl.col("market") == "A"),
        "loud": pl.col("score") >= 0.9, "wrong": (pl.col("score") >= 0.3) & (pl.col("market") == "B"),
    }  # fmt: skip
    for rule, mask in fires.items():
        assert row(found, rule)["cases"] == market.cases.filter(mask).height
    only = market.cases.filter(fires["wrong"], pl.col("score") < 0.6)
    assert (row(found, "wrong")["alone"], row(found, "wrong")["decisive"]) == (only.height, only.height)
    assert (row(found, "inside")["nearest"], row(found, "inside")["shared"]) == ("twin", row(found, "inside")["cases"])
    assert "past" not in found.table["rule"]


def test_the_wrongful_share_is_of_what_only_the_rule_catches_on_the_sellers_not_searched(market, found):
    only = [c for c in market.half(1) if c["market"] == "B" and 0.3 <= c["score"] < 0.6]
    assert row(found, "wrong")["freed"] == len(only)
    assert row(found, "wrong")["wrongful"] == pytest.approx(sum(not c["violating"] for c in only) / len(only))
    wide = [c for c in market.half(1) if c["market"] == "A" and 0.6 <= c["score"] < 0.7]
    assert row(found, "wide")["wrongful"] == pytest.approx(sum(not c["violating"] for c in wide) / len(wide))


def test_rules_that_bring_nothing_or_harm_are_proposed_and_no_other(found):
    assert {p.edits[0].rule for p in found.proposals} == {"inside", "twin", "wrong", "idle"}
    assert {r["why"] for r in found.table.iter_rows(named=True) if r["rule"] == "loud"} == {MAKES_MILDER}
    assert "raises the loss" in row(found, "wide")["why"]


def test_of_rules_that_cover_each_other_one_stays(small_market, draw_cases):
    twins = "".join(
        f"- {{id: {name}, clause: c, status: live, detector: d, action: remove, threshold: {{default: 0.6}}}}\n"
        for name in ("one", "two")
    )
    market = small_market(draw_cases(4, 200, slope=1.6), twins)
    assert [p.edits[0].rule for p in retirement(market.study, store=EvidenceStore()).proposals] == ["one"]


def test_a_proposal_to_retire_is_judged_by_its_backtest_and_can_be_taken_back(market, found):
    verdicts = {p.edits[0].rule: p.recommendation for p in found.proposals}
    assert verdicts["wrong"] is Recommendation.RECOMMEND
    assert verdicts["inside"] is Recommendation.CANNOT_TELL
    for proposal, test in zip(found.proposals, found.backtests, strict=True):
        again = backtest(proposal, market.record, market.policies, store=EvidenceStore(), study=market.study)
        assert (again.recommendation, again.outcomes) == (test.recommendation, test.outcomes)
        there = applied(market.policies, proposal.edits)
        assert applied(there, proposal.rollback).files == market.policies.files


def test_every_sentence_of_a_retirement_is_a_claim(market):
    store = EvidenceStore()
    for proposal in retirement(market.study, store=store).proposals:
        assert all(render(sentence, store) for sentence in proposal.rationale)


def test_rules_of_a_protected_policy_stay(small_market, draw_cases):
    market = small_market(draw_cases(4, 200), RULES, protected=True)
    found = retirement(market.study, store=EvidenceStore())
    assert found.proposals == ()
    assert set(found.table["why"]) == {"its policy is protected"}
    assert repr(found) == "6 live rules; to retire: none."
