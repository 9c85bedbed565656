"""`gne demo`: the whole loop on the demo marketplace, from the record to a signed release and back."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from gne_analytics.atomic import read_json
from gne_analytics.cli import run_command
from gne_analytics.evidence.claims import check_template
from gne_analytics.policy.files import load
from gne_analytics.release.traceable import untraced
from gne_analytics.workspace import open_run
from gne_analytics.workspace.writing import KINDS

GNE = Path(sys.executable).with_name("gne")
pytestmark = pytest.mark.xdist_group("demo")


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run `gne demo` once: the folder it worked in, and what it printed."""
    out = tmp_path_factory.mktemp("demo")
    said = subprocess.run([str(GNE), "demo", "--out", str(out)], capture_output=True, text=True, check=False)  # noqa: S603
    assert said.returncode == 0, said.stderr
    return out, said.stdout


@pytest.fixture
def run(demo):
    """The run of the demo."""
    return open_run(next((demo[0] / "runs").glob("demo-*")))


def test_it_says_what_moved_why_what_it_proposes_how_sure_it_is_and_where_all_lies(demo, run):
    said = demo[1].upper()
    places = [said.index(h) for h in ("WHAT MOVED", "WHY", "WHAT IT PROPOSES", "HOW SURE", "WHERE IT LIES")]
    assert places == sorted(places)
    for path in re.findall(r"^- \w+: +(\S+?)[:,]?(?: |$)", demo[1].partition("WHERE IT LIES")[2], re.MULTILINE):
        assert Path(path).exists(), path


def test_something_is_confirmed_something_is_recommended_and_it_was_released(demo, run):
    assert [c for c in run.causes if c.status == "confirmed"]
    recommended = [p.id for p in run.proposals if p.recommendation == "recommend"]
    assert recommended
    manifest = read_json(demo[0] / "release" / "manifest.json")
    assert {p["subject"]["proposal_id"] for p in manifest["proposals"]} <= set(recommended)
    assert (demo[0] / "release" / "release.patch").read_text()


def test_no_digit_of_the_report_lacks_its_evidence(run):
    assert untraced(run.report.read_text(encoding="utf-8"), run.store) == ()


def test_every_claim_stands(run):
    faults = [
        f
        for x in run.findings
        for c in (x.title, *x.claims)
        for f in check_template(c.template, run.store, words=False)
    ]
    assert faults == []


def test_every_json_of_the_run_fits_its_schema(run):
    for name in KINDS:
        jsonschema.validate(
            read_json(run.path / f"{name}.json"), read_json(run.path / "schemas" / f"{name}.schema.json")
        )


def test_contributions_add_up_to_the_shift(run):
    for parts in read_json(run.path / "decompositions.json").values():
        total = sum(parts["causes"].values()) + sum(m["contribution"] for m in parts["mix"]) + parts["residual"]
        assert total == pytest.approx(parts["delta"], abs=1e-9)


def test_no_proposal_touches_a_protected_policy(demo, run):
    policies = load(demo[0] / "source" / "policy").policies
    assert not [p.id for p in run.proposals if policies[p.policy].protected]


def test_the_patch_applies_to_the_policy_set_and_gives_the_released_configs(demo, tmp_path):
    shutil.copytree(demo[0] / "source" / "policy", tmp_path / "policy")
    patch = (demo[0] / "release" / "release.patch").resolve()
    subprocess.run(["git", "apply", str(patch)], cwd=tmp_path / "policy", check=True)  # noqa: S603, S607
    assert load(tmp_path / "policy").hash == load(demo[0] / "release" / "configs").hash


def test_the_drafts_are_marked_as_drafts(run):
    assert "approved" in (run.path / "proposed" / "DRAFT.md").read_text()
    assert "draft" in (run.path / "manifest.json").read_text()


def test_the_ledger_is_whole_and_a_rollback_gives_the_first_bytes(demo, tmp_path, capsys):
    policy = demo[0] / "source" / "policy"
    assert run_command(["ledger", "check", str(policy)]) == 0
    assert "whole" in capsys.readouterr().out
    before = load(policy).hash
    back = ["rollback", str(demo[0] / "release"), "--to", str(tmp_path / "back"), "--by", "owner", "--why", "a test"]
    assert run_command(back) == 0
    assert load(tmp_path / "back" / "configs").hash == before


def test_a_proposal_can_be_rejected_and_the_answer_is_kept(demo, run, capsys):
    last = run.proposals[-1]
    assert run_command(["reject", str(run.path), last.id, "--by", "owner", "--why", "not now"]) == 0
    lines = (demo[0] / "source" / "policy" / "ledger.ndjson").read_text().splitlines()
    assert [x for x in map(json.loads, lines) if x["act"] == "rejected" and x["subject"]["proposal_id"] == last.id]


def test_digest_eval_and_investigate_read_the_run(run, capsys):
    assert run_command(["digest", str(run.path)]) == 0
    assert run_command(["eval", str(run.path)]) == 0
    assert " 0 faults" in capsys.readouterr().out
    assert run_command(["investigate", str(run.path), run.causes[0].id]) == 0
    assert capsys.readouterr().out.strip()
