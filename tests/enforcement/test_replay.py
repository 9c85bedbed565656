"""Replay: firings, the strictest action, what no rule could judge, and how rules overlap."""

from datetime import date
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gne_analytics.enforcement.replay import overlap, replay
from gne_analytics.errors import DataError
from gne_analytics.policy.files import PolicySet, from_files
from gne_analytics.policy.model import Action

HEAD = 'id: p\nrevision: "7"\nowner: o\ntitle: t\nseverity: low\nclauses: [{id: c, text: t}]\nrules:\n'


def policy_set(*rules: str) -> PolicySet:
    return from_files({"policies/p.yaml": HEAD + "".join(f"- {{clause: c, {rule}}}\n" for rule in rules)})


def rule(
    name: str, threshold: float, action: str = "warn", more: str = "", status: str = "live", detector: str = "d"
) -> str:
    parts = [f"id: {name}, status: {status}, detector: {detector}, threshold: {{default: {threshold}}}"]
    return ", ".join([*parts, f"action: {action}, points: 2", *([more] if more else [])])


def cases(*scores: float | None, detector: str = "d", **columns: list[object]) -> pl.DataFrame:
    ids = [f"k{i}" for i in range(len(scores))]
    base: dict[str, list[object]] = {"case_id": ids, "detector": [detector] * len(ids), "score": list(scores)}
    return pl.DataFrame(base | columns, schema_overrides={"score": pl.Float64}).with_columns(
        event_date=date(2026, 11, 1)
    )


def test_the_strictest_action_decides_and_the_others_are_kept() -> None:
    done = replay(
        policy_set(rule("mild", 0.2), rule("strict", 0.5, "remove"), rule("middle", 0.3, "demote")),
        cases(0.9, 0.4, 0.1),
    )
    assert done.decisions.select("case_id", "action", "rule_id").rows() == [
        ("k0", "remove", "strict"),
        ("k1", "demote", "middle"),
        ("k2", None, None),
    ]
    assert done.firings.group_by("case_id").len().sort("case_id").rows() == [("k0", 3), ("k1", 2)]


def test_actions_are_ordered_from_warn_to_terminate() -> None:
    names = ["warn", "demote", "restrict", "remove", "suspend", "terminate"]
    for milder, stricter in pairwise(names):
        done = replay(policy_set(rule("a", 0.1, stricter), rule("b", 0.1, milder)), cases(0.5))
        assert done.decisions["action"].to_list() == [stricter]


def test_a_firing_carries_all_that_a_backtest_needs() -> None:
    policies = policy_set(rule("r", 0.5, "remove", 'human_review: "score < 0.8"'))
    (firing,) = replay(policies, cases(0.6)).firings.rows(named=True)
    assert firing == {
        "case_id": "k0",
        "rule_id": "r",
        "policy_id": "p",
        "clause_id": "c",
        "policy_revision": "7",
        "action": "remove",
        "review": True,
        "threshold": 0.5,
        "override_id": None,
        "points": 2,
    }


def test_of_equally_strict_firings_the_automatic_one_decides() -> None:
    done = replay(policy_set(rule("a", 0.1, "remove", "human_review: always"), rule("b", 0.1, "remove")), cases(0.5))
    assert done.decisions.select("rule_id", "review").row(0) == ("b", False)


def test_only_the_asked_for_statuses_act() -> None:
    policies = policy_set(
        rule("shadowed", 0.1, status="shadow"),
        rule("drafted", 0.1, status="draft"),
        rule("gone", 0.1, status="retired"),
    )
    assert replay(policies, cases(0.5)).firings.is_empty()
    assert replay(policies, cases(0.5), statuses=("live", "shadow")).firings["rule_id"].to_list() == ["shadowed"]


def test_cases_without_a_score_are_untouched_and_counted() -> None:
    frame = pl.concat([cases(0.9, None, float("nan")), cases(0.9, detector="other").with_columns(case_id=pl.lit("k9"))])
    done = replay(policy_set(rule("r", 0.5)), frame)
    assert done.untouched_no_score == 3
    assert done.no_score == {"r": 3}
    assert done.decisions.height == 4
    assert done.firings["case_id"].to_list() == ["k0"]


def test_an_exemption_expires_by_the_cases_day_or_by_the_one_given() -> None:
    policies = policy_set(rule("r", 0.5, more="exemptions: [{id: e, match: \"tier = 'gold'\", expires: 2026-11-15}]"))
    frame = cases(0.9, tier=["gold"])
    assert replay(policies, frame).firings.is_empty()
    assert replay(policies, frame, at=date(2026, 11, 16)).firings.height == 1


def test_a_rule_without_a_threshold_fires_on_its_when_alone() -> None:
    policies = policy_set("id: r, status: live, when: [\"market = 'ID'\"], action: warn")
    assert replay(policies, cases(None, None, market=["ID", "TH"])).decisions["action"].to_list() == ["warn", None]


def test_a_missing_column_is_a_data_error() -> None:
    with pytest.raises(DataError, match="no column 'detector'"):
        replay(policy_set(rule("r", 0.5)), pl.DataFrame({"case_id": ["a"], "score": [0.5]}))


def test_overlap_tells_what_only_this_rule_does() -> None:
    done = replay(
        policy_set(rule("mild", 0.2), rule("strict", 0.5, "remove"), rule("twin", 0.5, "remove")), cases(0.9, 0.3, 0.3)
    )
    assert {
        row["rule_id"]: (row["cases"], row["alone"], row["decisive"]) for row in overlap(done.firings).rows(named=True)
    } == {
        "mild": (3, 2, 2),
        "strict": (1, 0, 0),
        "twin": (1, 0, 0),
    }


def naive(rules: list[tuple[str, float, Action]], score: float | None) -> tuple[str, str] | None:
    fired = [(action, name) for name, threshold, action in rules if score is not None and score >= threshold]
    if not fired:
        return None
    strictest = max(fired, key=lambda firing: firing[0].strictness)[0]
    return strictest.value, next(name for action, name in fired if action is strictest)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 10), st.sampled_from(list(Action))), min_size=1, max_size=5),
    st.lists(st.none() | st.integers(0, 10), min_size=1, max_size=12),
)
def test_replay_agrees_with_a_naive_one(drawn: list[tuple[int, Action]], scores: list[int | None]) -> None:
    rules = [(f"r{i}", n / 10, action) for i, (n, action) in enumerate(drawn)]
    frame = cases(*(None if s is None else s / 10 for s in scores))
    done = replay(policy_set(*(rule(name, threshold, action.value) for name, threshold, action in rules)), frame)
    found = [
        None if action is None else (action, name) for action, name in done.decisions.select("action", "rule_id").rows()
    ]
    assert found == [naive(rules, score) for score in frame["score"]]
