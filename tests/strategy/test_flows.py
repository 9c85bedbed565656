import polars as pl
import pytest

from gne_analytics.strategy.flows import count_flow, flow_of

AUTO, REVIEW, NOTHING = ("remove", False), ("remove", True), (None, False)


def flow(today, then, *, enforced=True, human=None):
    cases = pl.DataFrame(
        {"case_id": ["c"], "enforced": [enforced], "human": [human]}, schema_overrides={"human": pl.Boolean}
    )

    def decisions(state):
        return pl.DataFrame(
            {"case_id": ["c"], "action": [state[0]], "rule_id": ["r"], "policy_id": ["p"], "review": [state[1]]},
            schema_overrides={"action": pl.String},
        )

    return flow_of(cases, decisions(today), decisions(then)).row(0, named=True)


@pytest.mark.parametrize(
    ("today", "then", "log", "want"),
    [
        (AUTO, AUTO, {}, ("kept", 0, 0, 0, False)),
        (NOTHING, NOTHING, {"enforced": False}, ("untouched", 0, 0, 0, False)),
        (AUTO, NOTHING, {}, ("released", -1, 0, 0, True)),
        (NOTHING, AUTO, {"enforced": False}, ("new", 1, 0, 0, True)),
        (AUTO, REVIEW, {"human": False}, ("rerouted", -1, 1, 1, True)),
        (NOTHING, REVIEW, {"enforced": False}, ("new", 0, 1, 1, True)),
        (REVIEW, NOTHING, {"human": True}, ("released", -1, 0, -1, True)),
        (REVIEW, NOTHING, {"enforced": False}, ("rerouted", 0, 0, -1, True)),
        (REVIEW, NOTHING, {"human": False}, ("released", 0, -1, -1, True)),
        (REVIEW, AUTO, {"enforced": False}, ("rerouted", 1, 0, -1, True)),
        (REVIEW, AUTO, {"human": True}, ("rerouted", 0, 0, -1, True)),
        (REVIEW, REVIEW, {"human": False}, ("kept", 0, 0, 0, False)),
    ],
)
def test_a_flow_says_how_the_chance_of_enforcement_and_the_need_for_review_change(today, then, log, want):
    found = flow(today, then, **log)
    assert tuple(found[k] for k in ("flow", "alpha", "beta", "reviews", "affected")) == want


def test_flows_are_counted_by_name():
    frame = pl.DataFrame({"flow": ["kept", "kept", "new"]})
    assert count_flow(frame).model_dump() == {"kept": 2, "released": 0, "new": 1, "rerouted": 0, "untouched": 0}
