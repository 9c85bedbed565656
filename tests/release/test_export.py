import json
import shutil
import subprocess
from datetime import UTC, datetime

import pytest

from gne_analytics.atomic import write_json
from gne_analytics.errors import DataError, PolicyError
from gne_analytics.evidence.claims import Claim, Finding, FindingKind
from gne_analytics.evidence.proposals import Proposal, Recommendation
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Edit, EditKind
from gne_analytics.policy.files import load
from gne_analytics.release.export import approvals_needed, patch_of, read_manifest, release, rollback, write_proposed
from gne_analytics.release.ledger import Act, Ledger, subject_of
from gne_analytics.testing.policies import write_policy_set
from gne_analytics.workspace import open_run

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def clock():
    return NOON


def threshold(old=0.7, new=0.705):
    return Edit(
        kind=EditKind.SET_THRESHOLD, policy="counterfeit", rule="logo-match", old=old, new=new, reason="too low"
    )


def propose(policies, proposal_id="p1", policy="counterfeit", edit=None, **more):
    given = {"recommendation": Recommendation.RECOMMEND, "edits": (edit or threshold(),)} | more
    return Proposal(id=proposal_id, title="Raise it", policy=policy, policy_base=policies.hash, **given)


class Desk:
    """A policy set on disk, a run with one proposal, and the people who sign."""

    def __init__(self, root):
        self.root = root
        self.policies_path = write_policy_set(root / "policy")
        self.policies = load(self.policies_path)
        self.ledger = Ledger.beside(self.policies_path, clock)
        self.store = EvidenceStore()
        rose = self.store.add(0.03, "points", filter="=cmd|' /C calc'!A0")
        title = Claim(template=f"It rose by {rose.ref('points')}")
        self.findings = [Finding(id="f1", kind=FindingKind.SHIFT, title=title, claims=(title,))]
        self.proposals = [propose(self.policies)]

    def sign(self, *people, proposal=None):
        seen = subject_of(proposal or self.proposals[0], None, self.store)
        for who in people:
            self.ledger.append(Act.APPROVED, seen, who=who)

    def release(self, name="out", by="ada"):
        return release(
            self.root / "runs" / "demo-1",
            self.policies_path,
            self.proposals,
            [],
            self.findings,
            self.store,
            to=self.root / name,
            by=by,
            clock=clock,
        )

    def acts(self):
        return [e.act.value for e in self.ledger.entries()]

    def git_apply(self, patch):
        done = subprocess.run(
            ["git", "apply", "-"],  # noqa: S607
            input=patch,
            text=True,
            cwd=self.policies_path,
            env={"PATH": "/usr/bin:/bin", "GIT_CEILING_DIRECTORIES": str(self.root)},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture
def desk(tmp_path) -> Desk:
    return Desk(tmp_path)


def test_a_signed_proposal_becomes_configs_patch_and_evidence(desk):
    desk.sign("ada")
    out = desk.release()
    changed = load(out / "configs")
    assert changed.policy("counterfeit").rule("logo-match").threshold.default == 0.705
    assert "# the 2025 audit" in (out / "configs/policies/counterfeit.yaml").read_text()
    for name in (
        "release.patch",
        "README.md",
        "evidence/evidence.json",
        "evidence/findings.md",
        "evidence/decisions.json",
    ):
        assert (out / name).stat().st_size > 0
    assert "It rose by 3.0 points" in (out / "evidence/findings.md").read_text()
    assert desk.acts() == ["approved", "released"]


def test_the_release_leaves_the_policy_set_itself_untouched(desk):
    desk.sign("ada")
    desk.release()
    assert load(desk.policies_path).hash == desk.policies.hash


def test_the_patch_applies_with_git_and_gives_the_configs(desk):
    desk.sign("ada")
    out = desk.release()
    desk.git_apply((out / "release.patch").read_text())
    assert load(desk.policies_path).hash == load(out / "configs").hash == read_manifest(out).result


def test_the_manifest_holds_hashes_head_and_signatures(desk):
    desk.sign("ada")
    manifest = read_manifest(desk.release())
    assert manifest.ledger_head == desk.ledger.entries()[-1].prev
    assert manifest.proposals[0].approved_by == ("ada",)
    assert (manifest.base, manifest.at) == (desk.policies.hash, NOON)


def test_a_changed_file_of_a_release_is_found(desk):
    desk.sign("ada")
    out = desk.release()
    (out / "configs/ladder.yaml").write_text("per: seller\n")
    with pytest.raises(DataError, match=r"ladder\.yaml is not as it was released"):
        read_manifest(out)


def test_without_an_approval_nothing_leaves(desk):
    with pytest.raises(PolicyError, match="nobody has approved it as it stands"):
        desk.release()
    assert not (desk.root / "out").exists()
    assert desk.acts() == []


def test_an_approval_of_other_evidence_does_not_count(desk):
    desk.sign("ada", proposal=desk.proposals[0].model_copy(update={"title": "Another title"}))
    with pytest.raises(PolicyError, match="ada signed it on another base or other evidence"):
        desk.release()


def test_a_changed_base_is_refused_in_a_sentence(desk):
    desk.sign("ada")
    path = desk.policies_path / "policies/counterfeit.yaml"
    path.write_text(path.read_text() + "# a late remark\n")
    with pytest.raises(PolicyError, match="has changed since p1 was judged"):
        desk.release()


def critical(policies):
    edit = Edit(kind=EditKind.SET_POINTS, policy="child-safety", rule="csam-hash", old=100, new=90)
    return propose(policies, "p9", "child-safety", edit)


@pytest.mark.parametrize("people", [("ada",), ("ada", "Ada ")])
def test_a_protected_policy_needs_two_different_people(desk, people):
    desk.proposals = [critical(desk.policies)]
    desk.sign(*people)
    with pytest.raises(PolicyError, match="needs 2 different people"):
        desk.release()
    desk.sign("eve")
    assert desk.release().exists()


def test_the_policies_of_all_edits_decide_how_many_must_sign(desk):
    mixed = propose(desk.policies, edits=(threshold(), critical(desk.policies).edits[0]))
    assert approvals_needed(mixed, desk.policies) == 2
    assert approvals_needed(desk.proposals[0], desk.policies) == 1


def test_a_failing_policy_test_keeps_the_release_back(desk):
    loose = Edit(kind=EditKind.SET_THRESHOLD, policy="counterfeit", rule="logo-match", old=0.7, new=0.97)
    desk.proposals = [propose(desk.policies, edit=loose)]
    desk.sign("ada")
    with pytest.raises(PolicyError, match="while a policy test fails: counterfeit: a plain copy is removed"):
        desk.release()
    assert not (desk.root / "out").exists()
    assert desk.acts() == ["approved"]


def test_what_was_signed_against_the_backtest_says_so_in_the_release(desk):
    desk.sign("ada")
    assert "against the backtest" not in (desk.release() / "README.md").read_text()
    desk.proposals = [propose(desk.policies, "p2", recommendation=Recommendation.REFUSE)]
    desk.sign("ada")
    text = (desk.release("other") / "README.md").read_text()
    assert "**Signed against the backtest**, by which it is not recommended." in text


def test_what_is_not_signed_is_left_out_and_said_so(desk):
    other = Edit(kind=EditKind.SET_POINTS, policy="counterfeit", rule="logo-match", old=8, new=6)
    desk.proposals.append(propose(desk.policies, "p2", edit=other))
    desk.sign("ada")
    manifest = read_manifest(desk.release())
    assert [s.subject.proposal_id for s in manifest.proposals] == ["p1"]
    assert "nobody has approved" in manifest.left_out["p2"]


def test_releasing_again_to_the_same_place_changes_nothing(desk):
    desk.sign("ada")
    first = desk.release()
    before = {p: p.read_bytes() for p in first.rglob("*") if p.is_file()}
    assert desk.release() == first
    assert {p: p.read_bytes() for p in first.rglob("*") if p.is_file()} == before
    assert desk.acts() == ["approved", "released"]


def test_a_folder_with_something_else_is_not_written_over(desk):
    desk.sign("ada")
    (desk.root / "out").mkdir()
    (desk.root / "out" / "mine.txt").write_text("keep me")
    with pytest.raises(DataError, match="not empty"):
        desk.release()
    assert [p.name for p in (desk.root / "out").iterdir()] == ["mine.txt"]


def test_a_failure_half_way_leaves_nothing_behind(desk, monkeypatch):
    desk.sign("ada")

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr("gne_analytics.release.export.write_pack", full)
    with pytest.raises(OSError, match="No space"):
        desk.release()
    assert sorted(p.name for p in desk.root.iterdir()) == ["policy"]
    assert desk.acts() == ["approved"]


def test_a_rollback_of_an_applied_release_gives_the_first_bytes_again(desk):
    before = {n: (desk.policies_path / n).read_bytes() for n in desk.policies.files}
    desk.sign("ada")
    out = desk.release()
    desk.git_apply((out / "release.patch").read_text())
    back = rollback(out, to=desk.root / "back", by="eve", why="appeals rose", clock=clock)
    assert {n: (back / "configs" / n).read_bytes() for n in before} == before
    desk.git_apply((back / "rollback.patch").read_text())
    assert load(desk.policies_path).hash == desk.policies.hash
    assert desk.acts() == ["approved", "released", "rolled_back"]
    assert desk.ledger.entries()[-1].why == "appeals rose"


def test_a_rollback_before_the_release_was_applied_gives_the_base(desk):
    desk.sign("ada")
    back = rollback(desk.release(), to=desk.root / "back", by="eve", why="second thoughts", clock=clock)
    assert load(back / "configs").hash == desk.policies.hash
    assert "0.705" in (back / "rollback.patch").read_text()


def test_a_rollback_keeps_what_others_wrote_since(desk):
    desk.sign("ada")
    out = desk.release()
    desk.git_apply((out / "release.patch").read_text())
    path = desk.policies_path / "policies/counterfeit.yaml"
    path.write_text(path.read_text() + "# a late remark\n")
    text = (
        rollback(out, to=desk.root / "back", by="eve", why="x", clock=clock) / "configs/policies/counterfeit.yaml"
    ).read_text()
    assert "a late remark" in text
    assert "0.705" not in text


def test_a_rollback_clears_the_approvals_so_that_a_new_release_needs_new_ones(desk):
    desk.sign("ada")
    rollback(desk.release(), to=desk.root / "back", by="eve", why="x", clock=clock)
    with pytest.raises(PolicyError, match="nobody has approved"):
        desk.release("again")


def test_a_moved_policy_set_can_be_named(desk):
    desk.sign("ada")
    out = desk.release()
    moved = desk.root / "elsewhere"
    shutil.move(desk.policies_path, moved)
    back = rollback(out, to=desk.root / "back", by="eve", why="x", policies=moved, clock=clock)
    assert load(back / "configs").hash == desk.policies.hash


def test_the_draft_is_marked_and_its_patch_is_not(desk):
    assert write_proposed(desk.root / "run", desk.policies, desk.proposals) == ("p1",)
    drafted = (desk.root / "run/proposed/policies/counterfeit.yaml").read_text()
    assert "# DRAFT" in drafted.splitlines()[1]
    patch = (desk.root / "run/proposed.patch").read_text()
    assert "DRAFT" not in patch
    assert patch == patch_of(desk.policies, desk.proposals[0])
    desk.git_apply(patch)
    mark = next(line for line in drafted.splitlines(keepends=True) if line.startswith("# DRAFT"))
    assert (desk.policies_path / "policies/counterfeit.yaml").read_text() == drafted.replace(mark, "")


def test_a_draft_can_be_loaded_as_a_policy_set(desk):
    write_proposed(desk.root / "run", desk.policies, desk.proposals)
    assert load(desk.root / "run/proposed").policy("counterfeit").rule("logo-match").threshold.default == 0.705


def test_a_draft_holds_recommended_proposals_only(desk):
    refused = [propose(desk.policies, recommendation=r) for r in Recommendation if r is not Recommendation.RECOMMEND]
    assert write_proposed(desk.root / "run", desk.policies, refused) == ()
    assert (desk.root / "run/proposed.patch").read_text() == ""
    assert "the set is unchanged" in (desk.root / "run/proposed/DRAFT.md").read_text()


def test_two_proposals_for_one_place_do_not_both_enter_the_draft(desk):
    rival = propose(desk.policies, "p2", edit=threshold(new=0.8))
    assert write_proposed(desk.root / "run", desk.policies, [*desk.proposals, rival]) == ("p1",)
    assert "does not fit beside those above" in (desk.root / "run/proposed/DRAFT.md").read_text()


def test_reasons_that_cite_evidence_are_written_out_in_the_readme(desk):
    n = desk.store.add(412, "count").ref()
    edit = threshold().model_copy(update={"reason": f"{n} wrongful removals"})
    desk.proposals = [propose(desk.policies, edit=edit)]
    desk.sign("ada")
    assert "412 wrongful removals" in (desk.release() / "README.md").read_text()


def test_hostile_text_is_shown_as_text_in_the_pack(desk):
    desk.proposals = [propose(desk.policies).model_copy(update={"title": "<script>x</script> [a](http://b)"})]
    desk.sign("=ada")
    out = desk.release()
    assert "<script>" not in (out / "README.md").read_text()
    assert "](http" not in (out / "README.md").read_text()
    assert (
        "\"'=cmd" in (out / "evidence/evidence.csv").read_text()
        or ",'=cmd" in (out / "evidence/evidence.csv").read_text()
    )
    assert json.loads((out / "evidence/decisions.json").read_text())[0]["who"] == "=ada"


@pytest.mark.parametrize("act", ["release", "rollback"])
def test_a_folder_that_the_ledger_cannot_tell_of_does_not_stay(desk, monkeypatch, act):
    desk.sign("ada")
    if act == "rollback":
        out = desk.release("first")

    def full(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr(Ledger, "append_all", full)
    with pytest.raises(OSError, match="No space"):
        desk.release() if act == "release" else rollback(out, to=desk.root / "out", by="eve", why="x", clock=clock)
    assert not (desk.root / "out").exists()


def test_nothing_is_said_to_be_released_when_the_folder_cannot_be_put_in_place(desk, monkeypatch):
    desk.sign("ada")

    def refuse(*_):
        raise OSError("Read-only")

    monkeypatch.setattr("gne_analytics.release.export.write_json", refuse)
    with pytest.raises(OSError, match="Read-only"):
        desk.release()
    assert desk.acts() == ["approved"]


def test_a_release_that_crashed_before_its_entry_is_entered_when_it_is_asked_for_again(desk, monkeypatch):
    desk.sign("ada")
    with monkeypatch.context() as crash:
        crash.setattr(Ledger, "append_all", lambda *_, **__: ())
        desk.release()
    assert desk.acts() == ["approved"]
    desk.release()
    desk.release()
    assert desk.acts() == ["approved", "released"]


def test_a_run_enters_its_proposals_before_the_first_decision_once(desk):
    path = desk.root / "runs" / "demo-1"
    write_json(path / "manifest.json", {"policies_path": str(desk.policies_path)})
    write_json(path / "proposals.json", [p.model_dump(mode="json") for p in desk.proposals])
    write_json(path / "backtests.json", [])
    write_json(path / "findings.json", [])
    (path / "evidence.json").write_text(desk.store.to_json())
    run = open_run(path)
    assert run.proposals
    assert desk.acts() == []
    run.approve("p1", by="ada", why="fewer wrongful removals")
    run.release(to=desk.root / "out", by="ada")
    assert desk.acts() == ["proposed", "approved", "released"]
