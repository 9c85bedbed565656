"""What `gne canary` prints: who sees a proposal first and what is watched, or one JSON document of it."""

import json

import pytest

from gne_analytics.strategy.canary import CanaryPlan
from gne_analytics.testing.results import a_proposal
from gne_analytics.testing.runs import write_a_run

ID = a_proposal().id


@pytest.fixture
def run(tmp_path, source):
    write_a_run(tmp_path / "run", source=source, policies=source / "policy")
    return tmp_path / "run"


def test_the_plan_is_told_with_its_margins_and_the_vectors_of_its_hash(gne, run):
    said = gne("canary", run, ID)
    assert said.code == 0, said.err
    assert f"20.0 % of all values of seller_id see {ID} first" in said.out
    assert "wrongful enforcement" in said.out
    assert "'seller-1'" in said.out


def test_json_is_the_plan_itself_so_that_a_launch_can_repeat_it(gne, run):
    plan = CanaryPlan.model_validate(json.loads(gne("canary", run, ID, "--json").out))
    assert plan.proposal == ID
    assert plan.vectors[0] == plan.vector("seller-1")


def test_an_unknown_proposal_and_a_run_without_its_source_are_told_in_one_line(gne, run, tmp_path):
    said = gne("canary", run, "p-3f9a2c72")
    assert (said.code, "Traceback" in said.err) == (2, False)
    assert ID in said.err
    write_a_run(tmp_path / "bare")
    assert "of which source" in gne("canary", tmp_path / "bare", ID).err
