from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gne_analytics.policy.checks import run_tests
from gne_analytics.policy.files import load
from gne_analytics.policy.model import Status
from gne_analytics.simulate import default_policies, simulate
from gne_analytics.simulate.catalogue import POLICY_OF
from gne_analytics.tables.source import open_source

DEMO = Path(__file__).parents[2] / "data" / "demo"
SEED = 7


@pytest.fixture(scope="module")
def demo():
    return simulate("demo", SEED)


def test_data_demo_is_what_the_simulator_makes(demo):
    for name, frame in demo.tables.items():
        assert_frame_equal(pl.read_parquet(DEMO / f"{name}.parquet"), frame)
    assert load(DEMO / "policy").hash == demo.policies.hash


def test_data_demo_is_small_whole_and_without_its_truth():
    files = [p for p in DEMO.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < 3_000_000
    assert not {"incidents.json", "latent.parquet", "world.json"} & {p.name for p in files}
    record = open_source(DEMO)
    assert record.rejects.is_empty()
    assert 20_000 < record.violations.height <= 26_000
    assert record.appeals.height > 4_000


def test_the_data_dictionary_names_every_column_and_no_other():
    words = {line.split("`")[1] for line in (DEMO / "README.md").read_text().splitlines() if line.startswith("| `")}
    columns = {c for p in DEMO.glob("*.parquet") for c in pl.read_parquet_schema(p)}
    files = {p.name + ("/" if p.is_dir() else "") for p in DEMO.iterdir()} - {"README.md"}
    assert words == columns | files


def test_the_shipped_policy_set_has_the_breadth_that_a_demo_needs():
    policies = default_policies()
    rules = [rule for _, rule in policies.rules()]
    assert len(policies.policies) >= 6
    assert len(rules) >= 12
    assert any(rule.status is Status.SHADOW for rule in rules)
    assert any(policy.protected for policy in policies.policies.values())
    assert any(rule.exemptions for rule in rules)
    for policy in policies.policies.values():
        assert policy.tests
        assert all(c.includes and c.excludes and c.examples for c in policy.clauses)
        assert policy.notice is not None
        template = policy.notice.template
        assert {n.language for n in policies.notices.values() if n.template == template} == {
            "en",
            "id",
            "vi",
            "th",
            "es",
        }


def test_every_rule_reads_a_detector_of_its_own_policy_and_every_detector_has_a_rule():
    read = {rule.detector: policy.id for policy, rule in default_policies().rules()}
    assert read == POLICY_OF


def test_the_shipped_policy_sets_own_tests_pass():
    assert [str(result) for result in run_tests(default_policies()) if not result.passed] == []


def test_the_story_has_six_failings_and_one_launch(demo):
    kinds = [p.kind for p in demo.truth.incidents]
    failings = ["detector_error", "threshold", "clause_scope", "notice_unclear", "seller_abuse", "taxonomy_gap"]
    assert kinds == [*failings, "new_segment"]
    assert {p.policy for p in demo.truth.incidents} >= {"counterfeit", "prohibited-goods"}
