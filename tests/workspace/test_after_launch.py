from datetime import timedelta

import pytest

from gne_analytics.errors import DataError
from gne_analytics.evidence.proposals import Proposal
from gne_analytics.evidence.types import Edit, EditKind
from gne_analytics.policy.edits import applied
from gne_analytics.strategy.canary import CanaryPlan
from gne_analytics.strategy.monitor import Monitor
from gne_analytics.strategy.wording import score_wording
from gne_analytics.tables import record_from_frames
from gne_analytics.testing.frames import START, appeals_frame, violations_frame
from gne_analytics.testing.models import FunctionModel
from gne_analytics.testing.policies import small_policy_set
from gne_analytics.workspace import Workspace
from gne_analytics.workspace.writing import _canary

RAISE = Edit(kind=EditKind.SET_THRESHOLD, policy="counterfeit", rule="logo-match", old=0.7, new=0.8)
REWORD = Edit(
    kind=EditKind.EDIT_CLAUSE, policy="counterfeit", clause="counterfeit.logo",
    old={"excludes": ["second-hand originals", "licensed accessories"]}, new={"excludes": ["second-hand originals"]},
)  # fmt: skip


def proposal(*edits):
    return Proposal(id="P-1", title="", policy="counterfeit", policy_base="", edits=edits)


@pytest.fixture(scope="module")
def workspace():
    violations = violations_frame(3_000, sellers=400, weeks=16)
    record = record_from_frames({"violations": violations, "appeals": appeals_frame(violations)})
    return Workspace(record, small_policy_set())


def test_a_canary_is_planned_kept_as_json_and_watched_again(workspace):
    start = (START + timedelta(days=42)).date()
    plan = workspace.canary_plan(proposal(RAISE), start=start)
    kept = CanaryPlan.model_validate_json(plan.model_dump_json())
    monitor = workspace.watch(kept)
    assert monitor.looks
    assert workspace.watch(Monitor.model_validate_json(monitor.model_dump_json())) == monitor


def test_a_run_keeps_the_plan_of_a_canary_or_why_there_is_none(workspace):
    told = _canary(workspace, proposal(RAISE))
    assert told["vectors"][0]["unit"] == "seller-1"
    bare = Workspace(record_from_frames({"violations": violations_frame(200).drop("seller_id")}), small_policy_set())
    assert "seller_id" in _canary(bare, proposal(RAISE))["off"]
    with pytest.raises(DataError, match="seller_id"):
        bare.canary_plan(proposal(RAISE))


def test_wording_is_scored_for_reworded_clauses_alone_and_refused_on_two_examples(workspace, monkeypatch):
    monkeypatch.delenv("GNE_MODEL", raising=False)
    assert workspace.score_wording(proposal(RAISE)) == []
    (found,) = workspace.score_wording([REWORD])
    assert (found.clause, found.verdict) == ("counterfeit.logo", "not_scored")
    assert found == score_wording(*_both("counterfeit.logo"), None)


def test_a_configured_model_reads_the_wordings(workspace, monkeypatch, tmp_path):
    monkeypatch.setenv("GNE_CACHE", str(tmp_path))  # an answer of an earlier run is not asked for again
    monkeypatch.setattr("gne_analytics.strategy.wording.MIN_HOLDOUT", 1)
    monkeypatch.setattr("gne_analytics.strategy.wording.MIN_EACH", 0)
    model = FunctionModel(lambda material: {"violating": "copy" in material["case"]})
    asking = Workspace(workspace.record, small_policy_set(), model=model)
    (found,) = asking.score_wording([REWORD])
    assert found.judge == "function"
    assert len(model.asked) == 2 * found.holdout > 0


def _both(clause):
    sets = small_policy_set(), applied(small_policy_set(), [REWORD])
    return (next(c for p in s.policies.values() for c in p.clauses if c.id == clause) for s in sets)
