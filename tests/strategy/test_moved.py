"""The threshold that a proposal moves, and its rule's frontier on the cases that the proposal is judged on."""

from datetime import date

import pytest

from gne_analytics.errors import PolicyError
from gne_analytics.evidence.proposals import Proposal
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Edit, EditKind
from gne_analytics.strategy.frontier import frontier
from gne_analytics.strategy.moved import dimension_moved, first_moved, frontier_beside, threshold_set

RULE = """- {id: r, clause: c, status: live, detector: d, action: remove,
   threshold: {default: 0.6, overrides: [{id: b, match: "market = 'B'", value: 0.7}]}}
- {id: plain, clause: c, status: live, detector: d, action: warn, when: ["market = 'C'"]}
"""


def edit(kind=EditKind.SET_THRESHOLD, rule="r", **more):
    return Edit(kind=kind, policy="p", rule=rule, **more)


def override(match, value=0.8):
    return edit(EditKind.ADD_OVERRIDE, new={"id": "o", "match": match, "value": value})


def proposal(*edits, since=None):
    return Proposal(id="P-1", title="", policy="p", policy_base="", edits=edits, since=since)


@pytest.fixture(scope="module")
def market(small_market, draw_cases):
    return small_market(draw_cases(1, 300), RULE)


@pytest.mark.parametrize(
    ("made", "value"),
    [
        (edit(new=0.8), 0.8),
        (override("market = 'A'"), 0.8),
        (edit(EditKind.SET_POINTS, new=8), None),
        (edit(EditKind.ADD_EXEMPTION, new={"id": "e", "match": "market = 'A'"}), None),
        (edit(new=True), None),
    ],
)
def test_only_edits_of_a_threshold_set_one(made, value):
    assert threshold_set(made) == value


def test_the_first_edit_that_moves_a_threshold_is_found_behind_others():
    exempt = edit(EditKind.SET_POINTS, new=8)
    assert first_moved([exempt, edit(new=0.8), edit(new=0.9)]) == edit(new=0.8)
    assert first_moved([exempt]) is None


@pytest.mark.parametrize(
    ("made", "by"),
    [
        (override("market = 'A'"), ("market",)),
        (override("market = 'A' AND language = 'vi'"), ()),
        (override("NOT market = 'A'"), ()),
        (edit(EditKind.SET_OVERRIDE, item="b", old=0.7, new=0.8), ("market",)),
        (edit(new=0.8), ()),
    ],
)
def test_the_frontier_goes_by_the_one_dimension_that_an_override_names(market, made, by):
    assert dimension_moved(made, market.policies) == by


def test_a_proposals_frontier_is_its_rules_own_since_the_proposals_day(market):
    days = market.study.population.cases["event_date"].unique().sort()
    since = days[days.len() // 3]
    assert isinstance(since, date)
    store = EvidenceStore()
    found = frontier_beside(proposal(override("market = 'A'"), since=since), market.study, store=store, points=4)
    same = frontier(market.study, policy="p", rule="r", by=("market",), store=store, since=since, points=4)
    assert found.table.equals(same.table)
    assert {test.since for test in found.backtests} == {since}


def test_where_no_segment_has_cases_enough_the_whole_rule_is_traded(market):
    found = frontier_beside(proposal(override("object_id = 'x'")), market.study, store=EvidenceStore(), points=3)
    assert found.by == ()
    assert found.table.height > 1


def test_a_proposal_that_moves_no_threshold_has_no_frontier_and_a_rule_without_one_is_refused(market):
    store = EvidenceStore()
    assert frontier_beside(proposal(edit(EditKind.SET_POINTS, new=8)), market.study, store=store) is None
    with pytest.raises(PolicyError, match="has no threshold"):
        frontier_beside(proposal(edit(rule="plain", new=0.8)), market.study, store=store)
