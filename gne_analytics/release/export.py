"""What leaves the software: drafts with every run, a release when named people signed, and the way back.

A release is a folder: ``configs/`` (the whole updated policy set), ``release.patch``, ``evidence/`` (what its signers
saw), ``README.md`` and ``manifest.json`` with a hash of every file. It is built beside its place, renamed when whole.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from gne_analytics.atomic import write_json, write_whole
from gne_analytics.errors import DataError, PolicyError
from gne_analytics.evidence.claims import Finding
from gne_analytics.evidence.proposals import Backtest, Proposal, Recommendation
from gne_analytics.evidence.segment import Frozen
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Edit
from gne_analytics.policy.checks import run_tests
from gne_analytics.policy.edits import applied, inverse
from gne_analytics.policy.files import PolicySet, load
from gne_analytics.policy.patch import diff
from gne_analytics.release.ledger import Act, Clock, Ledger, Subject, now, subject_of
from gne_analytics.release.pack import Papers, markdown, write_pack

CONFIGS, PATCH, ROLLBACK_PATCH, MANIFEST = "configs", "release.patch", "rollback.patch", "manifest.json"
PROPOSED, PROPOSED_PATCH, DRAFT = "proposed", "proposed.patch", "DRAFT.md"
DRAFT_MARK = "# DRAFT, approved by nobody: the config as it would be. Apply proposed.patch only once it is signed."


class Signed(Frozen):
    """One proposal in a release: what was decided on, and who signed."""

    subject: Subject
    title: str
    approved_by: tuple[str, ...]
    edits: tuple[Edit, ...]


class Manifest(Frozen):
    """What a release is, so that a machine can check it and a rollback can find its way."""

    kind: str = "release"
    at: datetime
    released_by: str
    policies_path: str
    """The policy set's folder on the machine that released."""
    base: str
    """Hash of the policy set before."""
    result: str
    """Hash of the policy set in ``configs/``."""
    ledger_head: str
    """Hash of the ledger's last entry when the folder was made; the entry of the release itself follows it."""
    proposals: tuple[Signed, ...]
    undo: tuple[Edit, ...]
    """The inverse edits, in the order in which to apply them."""
    left_out: Mapping[str, str] = {}
    """Proposal id -> why it is not part of the release."""
    files: Mapping[str, str]
    """Relative path -> SHA-256."""


@dataclass(frozen=True)
class _Choice:
    proposal: Proposal
    subject: Subject
    approved_by: tuple[str, ...]

    @property
    def signed(self) -> Signed:
        return Signed(
            subject=self.subject, title=self.proposal.title, approved_by=self.approved_by, edits=self.proposal.edits
        )


def patch_of(policies: PolicySet, proposal: Proposal) -> str:
    """Return the unified patch of one proposal, as ``git apply`` takes it in the policy set's folder."""
    return diff(policies, applied(policies, proposal.edits))


def write_proposed(
    folder: Path,
    policies: PolicySet,
    proposals: Sequence[Proposal],
    include: frozenset[Recommendation] = frozenset({Recommendation.RECOMMEND}),
) -> tuple[str, ...]:
    """Write ``proposed/`` (the set as it would be, marked draft) and ``proposed.patch``; return the ids that are in it.

    In are the recommended proposals, in their order; one that no longer fits after those before it is named in DRAFT.md
    and left out. The patch holds the edits alone, without the mark.
    """
    after, chosen, left = _together(policies, [p for p in proposals if p.recommendation in include])
    target = folder / PROPOSED
    for name, text in after.files.items():
        changed = policies.files.get(name) != text
        write_whole(target / name, _marked(name, text) if changed else text)
    left |= {p.id: f"not recommended ({p.recommendation.value})" for p in proposals if p.recommendation not in include}
    lines = [
        "# DRAFT",
        "",
        "Nobody has approved this. It shows the policy set as it would be with these proposals:",
        "",
    ]
    lines += [f"- {p.id}: {markdown(p.title)}" for p in chosen] or ["- none: the set is unchanged"]
    lines += [f"- left out, {why}: {i}" for i, why in left.items()]
    lines += [
        "",
        "`proposed.patch` holds the edits without this mark; `git apply` takes it in the policy set's folder.",
    ]
    write_whole(target / DRAFT, "\n".join(lines) + "\n")
    write_whole(folder / PROPOSED_PATCH, diff(policies, after))
    return tuple(p.id for p in chosen)


def release(
    run: Path,
    policies_path: Path,
    proposals: Sequence[Proposal],
    backtests: Sequence[Backtest],
    findings: Sequence[Finding],
    store: EvidenceStore,
    *,
    to: Path,
    by: str,
    clock: Clock = now,
) -> Path:
    """Write every fully approved proposal of a run as a release and return its folder.

    PolicyError, and nothing written, when none is fully approved, when the policy set is no longer the one that was
    judged, when edits collide, when a test of a policy fails, or when ``to`` holds something already.
    """
    policies, ledger = load(policies_path), Ledger.beside(policies_path, clock)
    choices, left = _approved(proposals, backtests, store, policies, ledger)
    edits = [e for c in choices for e in c.proposal.edits]
    after = applied(policies, edits)
    _refuse_failing_tests(after)
    subjects, note = [c.subject for c in choices], f"written to {to.name}"
    if _holds_already(to, policies, after, choices):
        unlogged = [s for s in subjects if not _logged(ledger, s, note)]  # a crash between the folder and its entry
        ledger.append_all(Act.RELEASED, unlogged, who=by, why=note)
        return to
    with _new_folder(to) as part:
        after.save(part / CONFIGS)
        write_whole(part / PATCH, diff(policies, after))
        ids = {c.proposal.id for c in choices}
        papers = Papers(
            run=run.name,
            base=policies.hash,
            proposals=tuple(c.proposal for c in choices),
            approved_by={c.proposal.id: c.approved_by for c in choices},
            left_out=left,
            backtests=tuple(b for b in backtests if b.proposal_id in ids),
            findings=tuple(f for f in findings if not f.proposal_id or f.proposal_id in ids),
            decisions=tuple(e for e in ledger.entries() if e.subject.proposal_id in ids),
        )
        write_pack(part, papers, store)
        manifest = Manifest(
            at=clock(),
            released_by=by,
            policies_path=str(policies_path.resolve()),
            base=policies.hash,
            result=after.hash,
            ledger_head=ledger.head,
            proposals=tuple(c.signed for c in choices),
            undo=inverse(edits, policies),
            left_out=left,
            files=_hashes(part),
        )
        write_json(part / MANIFEST, manifest.model_dump(mode="json"))
    with _gone_on_failure(to):
        ledger.append_all(Act.RELEASED, subjects, who=by, why=note)
    return to


def rollback(release: Path, *, to: Path, by: str, why: str, policies: Path | None = None, clock: Clock = now) -> Path:
    """Write the configs without a release, with the patch that leads there, and say so in the ledger.

    Where the policy set stands as the release left it, or was never changed, the result has the very bytes of before;
    where others wrote since, the release's edits are undone and their work stays. ``policies`` names the set where it
    has moved. The release's own files are checked against its manifest first.
    """
    manifest = read_manifest(release)
    folder = policies or Path(manifest.policies_path)
    current, ledger = load(folder), Ledger.beside(folder, clock)
    applied_here = current.hash != manifest.base
    after = applied(current, manifest.undo) if applied_here else current
    if current.hash == manifest.result and after.hash != manifest.base:
        raise PolicyError(f"{release} cannot be undone to the byte; take its files from the policy set's history.")
    with _new_folder(to) as part:
        after.save(part / CONFIGS)
        write_whole(part / ROLLBACK_PATCH, diff(current if applied_here else load(release / CONFIGS), after))
        told = {"kind": "rollback", "of": release.name, "at": clock().isoformat(), "by": by, "why": why}
        told |= {"result": after.hash, "ledger_head": ledger.head}
        write_json(part / MANIFEST, {**told, "files": _hashes(part)})
    with _gone_on_failure(to):
        ledger.append_all(Act.ROLLED_BACK, [s.subject for s in manifest.proposals], who=by, why=why)
    return to


def read_manifest(release: Path) -> Manifest:
    """Read a release's manifest and check every file of it by its hash; DataError names the first that differs."""
    path = release / MANIFEST
    if not path.exists():
        raise DataError(f"{release} holds no {MANIFEST}; give the folder of a release.")
    try:
        manifest = Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except ValueError:
        raise DataError(f"{path} is no manifest of a release; give the folder of a release.") from None
    for name, digest in manifest.files.items():
        file = release / name
        if not file.is_file() or sha256(file.read_bytes()).hexdigest() != digest:
            raise DataError(f"{file} is not as it was released; restore the folder, or release again.")
    return manifest


def _approved(
    proposals: Sequence[Proposal],
    backtests: Sequence[Backtest],
    store: EvidenceStore,
    policies: PolicySet,
    ledger: Ledger,
) -> tuple[list[_Choice], dict[str, str]]:
    """Split the proposals into those with every approval they need, on this base and evidence, and the rest."""
    tests = {b.proposal_id: b for b in backtests}
    choices: list[_Choice] = []
    left: dict[str, str] = {}
    for proposal in proposals:
        subject = subject_of(proposal, tests.get(proposal.id), store)
        signed = ledger.approvers(subject)
        needed = approvals_needed(proposal, policies)
        if not signed:
            stale = ledger.stale_approvers(subject)
            named = f"; {', '.join(stale)} signed it on another base or other evidence" if stale else ""
            left[proposal.id] = f"nobody has approved it as it stands{named}"
        elif len(signed) < needed:
            left[proposal.id] = f"approved by {', '.join(signed)}, but it needs {needed} different people"
        else:
            choices.append(_Choice(proposal, subject, signed))
    if not choices:
        why = "; ".join(f"{i}: {reason}" for i, reason in left.items()) or "the run proposes nothing"
        raise PolicyError(f"There is nothing to release ({why}); approve a proposal first, with gne approve.")
    moved = [c.proposal.id for c in choices if c.proposal.policy_base != policies.hash]
    if moved:
        raise PolicyError(
            f"{policies.path} has changed since {moved[0]} was judged, so its approval no longer holds; "
            "run again on the policy set as it is and approve anew."
        )
    return choices, left


def approvals_needed(proposal: Proposal, policies: PolicySet) -> int:
    """How many different people must sign: what the proposal says, and two for a protected or critical policy."""
    touched = {proposal.policy, *(e.policy for e in proposal.edits)}
    return max([proposal.approvals_needed, *(policies.policy(p).approvals_needed for p in touched)])


def _refuse_failing_tests(after: PolicySet) -> None:
    failed = [t for t in run_tests(after) if not t.passed]
    if failed:
        raise PolicyError(
            f"Nothing is released while a policy test fails: {failed[0]}; mend the policy, its test or the proposal."
        )


def _together(policies: PolicySet, proposals: Sequence[Proposal]) -> tuple[PolicySet, list[Proposal], dict[str, str]]:
    """Apply proposals one after the other; one that collides with those before it is left out with the reason."""
    chosen: list[Proposal] = []
    left: dict[str, str] = {}
    for proposal in proposals:
        try:
            policies = applied(policies, proposal.edits)
            chosen.append(proposal)
        except PolicyError as error:
            left[proposal.id] = f"it does not fit beside those above ({error})"
    return policies, chosen, left


def _marked(name: str, text: str) -> str:
    """Mark a changed file as a draft, below the line that names its schema."""
    if not name.endswith(".yaml"):
        return text
    first, newline, rest = text.partition("\n")
    return f"{first}{newline}{DRAFT_MARK}\n{rest}" if first.startswith("#") else f"{DRAFT_MARK}\n{text}"


def _holds_already(to: Path, before: PolicySet, after: PolicySet, choices: Sequence[_Choice]) -> bool:
    """Whether ``to`` is this very release already, whole."""
    if not (to / MANIFEST).exists():
        return False
    try:
        held = read_manifest(to)
    except DataError:
        return False
    same = [s.subject for s in held.proposals] == [c.subject for c in choices]
    return same and (held.base, held.result) == (before.hash, after.hash)


def _logged(ledger: Ledger, subject: Subject, note: str) -> bool:
    """Whether the ledger holds this release of a subject, not rolled back since."""
    held = False
    for entry in ledger.entries():
        if entry.act is Act.ROLLED_BACK and entry.subject.proposal_id == subject.proposal_id:
            held = False
        held = held or (entry.act is Act.RELEASED and entry.subject == subject and entry.why == note)
    return held


@contextmanager
def _gone_on_failure(folder: Path) -> Iterator[None]:
    """Take a folder that was just made away again when the ledger cannot say that it was."""
    try:
        yield
    except Exception:
        shutil.rmtree(folder, ignore_errors=True)
        raise


@contextmanager
def _new_folder(to: Path) -> Iterator[Path]:
    """Build a folder beside its place and rename it when whole; on any failure nothing is left behind."""
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise DataError(f"{to} is there already and not empty; give a new folder with --to.")
    to.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{to.name}.", dir=to.parent))
    try:
        yield part
        part.chmod(0o755)
        part.replace(to)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): sha256(p.read_bytes()).hexdigest() for p in files}
