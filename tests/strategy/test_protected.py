"""Protected policies: no family of edits relaxes them, whoever makes the edits and whichever policy they name."""

import polars as pl
import pytest

from gne_analytics.errors import PolicyError
from gne_analytics.evidence.proposals import Recommendation
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Edit, EditKind
from gne_analytics.strategy import backtest
from gne_analytics.strategy.protected import check_protected, refuse_relaxed, relaxes

RULES = """- {id: r, clause: c, status: live, detector: d, action: demote, points: 3,
   threshold: {default: 0.6,
     overrides: [{id: a, match: "market = 'A'", value: 0.5}, {id: b, match: "market = 'B'", value: 0.7}]},
   exemptions: [{id: e, match: "market = 'E'"}]}
- {id: seen, clause: c, status: live, detector: d, action: remove, threshold: {default: 0.9},
   human_review: "score < 0.95"}
- {id: shadow, clause: c, status: shadow, detector: d, action: remove, threshold: {default: 0.5}}
"""
NEW = {"id": "n", "clause": "c", "status": "live", "detector": "d", "threshold": {"default": 0.5}, "action": "remove"}

RELAXING = {
    "a higher threshold": {"kind": "set_threshold", "old": 0.6, "new": 0.61},
    "a higher override": {"kind": "set_override", "item": "a", "old": 0.5, "new": 0.55},
    "an override above another": {"kind": "add_override", "new": {"id": "x", "match": "market = 'C'", "value": 0.55}},
    "an override without the threshold it stood above": {
        "kind": "remove_override", "item": "a", "old": {"id": "a", "match": "market = 'A'", "value": 0.5}
    },
    "an exemption": {"kind": "add_exemption", "new": {"id": "x", "match": "market = 'ZZ'"}},
    "a review": {"kind": "set_human_review", "old": None, "new": "score < 0.2"},
    "a milder action": {"kind": "set_action", "old": "demote", "new": "warn"},
    "fewer points": {"kind": "set_points", "old": 3, "new": 2},
    "retirement": {"kind": "set_status", "old": "live", "new": "retired"},
    "a shadow": {"kind": "set_status", "old": "live", "new": "shadow"},
    "no rule": {"kind": "remove_rule", "old": {"id": "r"}},
    "no clause": {"kind": "remove_clause", "rule": None, "clause": "c", "old": {"id": "c", "text": "t"}},
    "other words": {"kind": "edit_clause", "rule": None, "clause": "c", "old": {"text": "t"}, "new": {"text": "u"}},
    "other proof": {"kind": "set_evidence", "rule": None, "old": [], "new": ["photo"]},
    "a person before a milder rule": {"kind": "set_threshold", "rule": "seen", "old": 0.9, "new": 0.5},
    "a new rule that asks a person": {"kind": "add_rule", "rule": "n", "new": {**NEW, "human_review": "always"}},
    "a person before a milder rule, an exemption less": {
        "kind": "remove_exemption", "rule": "seen", "item": "x", "old": {"id": "x", "match": "market = 'E'"}
    },
    "an edit of a rule that is not there": {"kind": "set_threshold", "rule": "gone", "old": 0.9, "new": 0.1},
    "a value that is no number": {"kind": "set_threshold", "old": 0.6, "new": "low"},
}  # fmt: skip
STRICTER = {
    "a lower threshold": {"kind": "set_threshold", "old": 0.6, "new": 0.3},
    "a lower override": {"kind": "set_override", "item": "b", "old": 0.7, "new": 0.6},
    "an override below all": {"kind": "add_override", "new": {"id": "x", "match": "market = 'C'", "value": 0.4}},
    "an override less, above all": {
        "kind": "remove_override", "item": "b", "old": {"id": "b", "match": "market = 'B'", "value": 0.7}
    },
    "an exemption less": {"kind": "remove_exemption", "item": "e", "old": {"id": "e", "match": "market = 'E'"}},
    "no review": {"kind": "set_human_review", "rule": "seen", "old": "score < 0.95", "new": None},
    "a stricter action": {"kind": "set_action", "old": "demote", "new": "suspend"},
    "more points": {"kind": "set_points", "old": 3, "new": 4},
    "a shadow rule goes live": {"kind": "set_status", "rule": "shadow", "old": "shadow", "new": "live"},
    "a new rule": {"kind": "add_rule", "rule": "n", "new": NEW},
    "a new clause": {"kind": "add_clause", "rule": None, "clause": "z", "new": {"id": "z", "text": "t"}},
    "other words to the seller": {"kind": "edit_notice", "rule": None, "item": "x.en", "old": "a", "new": "b"},
}  # fmt: skip


@pytest.fixture(scope="module")
def guarded(small_market, draw_cases):
    return small_market(draw_cases(5, 200), RULES, protected=True)


def edit(fields):
    return Edit(**{"policy": "p", "rule": "r", **fields})


def test_every_kind_of_edit_is_judged():
    assert {EditKind(f["kind"]) for f in (*RELAXING.values(), *STRICTER.values())} == set(EditKind)


@pytest.mark.parametrize("name", RELAXING)
def test_what_may_relax_a_protected_policy_is_refused(guarded, name):
    assert relaxes(edit(RELAXING[name]), guarded.policies)
    with pytest.raises(PolicyError, match="protected"):
        refuse_relaxed([edit(RELAXING[name])], guarded.policies)


@pytest.mark.parametrize("name", STRICTER)
def test_what_makes_a_protected_policy_stricter_is_not_refused(guarded, name):
    assert not relaxes(edit(STRICTER[name]), guarded.policies)
    refuse_relaxed([edit(STRICTER[name])], guarded.policies)


@pytest.mark.parametrize(
    "name", [n for n, f in STRICTER.items() if EditKind(f["kind"]) not in {"add_clause", "edit_notice"}]
)
def test_what_is_called_stricter_leaves_no_case_less_enforced(guarded, name):
    flows = guarded.study.flows([edit(STRICTER[name])])
    assert not flows.filter(
        (pl.col("alpha") < 0) | ((pl.col("reviews") > 0) & (pl.col("state_today") != "nothing"))
    ).height
    assert check_protected(guarded.study.flows([edit(STRICTER[name])]), guarded.policies) == ()


@pytest.mark.parametrize(
    "name", ["a higher threshold", "a higher override", "retirement", "a person before a milder rule"]
)
def test_a_backtest_never_recommends_what_relaxes_a_protected_policy(guarded, name):
    store = EvidenceStore()
    found = backtest([edit(RELAXING[name])], guarded.record, guarded.policies, store=store, study=guarded.study)
    assert found.recommendation is Recommendation.REFUSE
    assert [g.verdict for g in found.guardrails if g.name == "protected_policy"] == ["fail"]


def test_an_edit_of_an_open_policy_that_takes_a_case_from_a_protected_one_is_seen(quiet):
    flows = quiet.study.today.decisions.filter(policy_id="child-safety")
    assert flows.height
    clause = quiet.policies.policy("counterfeit").clauses[0].id
    rule = {**NEW, "id": "louder", "clause": clause, "detector": "minor_safety", "action": "suspend",
            "threshold": {"default": 0.1}, "human_review": "always"}  # fmt: skip
    louder = Edit(kind="add_rule", policy="counterfeit", rule="louder", new=rule)
    assert not quiet.policies.policy("counterfeit").protected
    (found,) = check_protected(quiet.study.flows([louder]), quiet.policies)
    assert found.verdict == "fail"
    assert 0 < found.difference.value <= flows.height


def test_whatever_leaves_a_protected_case_less_enforced_fails(guarded):
    states = {
        "a released case": ("automatic", "nothing", -1, 0, False),
        "a case that a person still had to decide": ("review", "nothing", 0, -1, False),
        "a milder action": ("automatic", "automatic", 0, 0, True),
        "as before": ("automatic", "automatic", 0, 0, False),
    }
    for name, (before, after, alpha, beta, milder) in states.items():
        flows = pl.DataFrame(
            {
                "policy_today": ["p"] * 2, "state_today": [before] * 2, "state_proposed": [after] * 2,
                "alpha": [alpha] * 2, "beta": [beta] * 2, "milder": [milder] * 2,
            }
        )  # fmt: skip
        found = check_protected(flows, guarded.policies)
        assert [g.difference.value for g in found] == ([] if name == "as before" else [2.0]), name
