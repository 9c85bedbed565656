"""The ledger: the append-only record of who proposed, approved, rejected, released and verified, beside the policy set.

``ledger.ndjson`` holds one entry a line, each with the hash of the one before; ``ledger.head`` holds the length and the
last hash, so that a cut end shows too. Whoever can rewrite both files can rewrite history: keep the folder in git, and
compare the head that every release's manifest quotes (that of just before its own entry). A write that was cut off
leaves an unfinished last line beyond the head: it is ignored, and the next write takes it away.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import blake2b
from pathlib import Path

from pydantic import ValidationError

from gne_analytics.atomic import write_whole
from gne_analytics.errors import DataError, PolicyError
from gne_analytics.evidence.proposals import Backtest, Proposal
from gne_analytics.evidence.segment import Frozen
from gne_analytics.evidence.store import EvidenceStore

LEDGER, HEAD, LOCK = "ledger.ndjson", "ledger.head", "ledger.lock"
GENESIS = "0" * 32
Clock = Callable[[], datetime]


def now() -> datetime:
    """The clock of the ledger; tests and replays hand in their own."""
    return datetime.now(UTC)


class Act(StrEnum):
    """What an entry records."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    RELEASED = "released"
    ROLLED_BACK = "rolled_back"
    VERIFIED = "verified"


class Subject(Frozen):
    """What a decision is bound to: a proposal, the policy base it edits and the evidence that was seen."""

    proposal_id: str
    base: str
    evidence: str


class Entry(Frozen):
    """One line of the ledger."""

    seq: int
    act: Act
    subject: Subject
    who: str
    at: datetime
    why: str = ""
    prev: str
    """Hash of the entry before; zeros for the first."""
    hash: str = ""
    """Hash of this entry without this field."""

    def sealed(self) -> "Entry":
        """Return the entry with its own hash filled in."""
        return self.model_copy(update={"hash": self.digest()})

    def digest(self) -> str:
        """The hash that the entry should carry."""
        return _hash(self.model_dump(mode="json", exclude={"hash"}))


class Ledger:
    """An append-only, hash-chained record of decisions in one folder.

    Example:
        >>> from tempfile import mkdtemp
        >>> ledger = Ledger.beside(mkdtemp())
        >>> seen = Subject(proposal_id="p1", base="b", evidence="e")
        >>> ledger.append(Act.APPROVED, seen, who="ip-policy", why="fewer wrongful removals").seq
        1
        >>> ledger.approvers(seen)
        ('ip-policy',)
    """

    def __init__(self, path: Path, clock: Clock = now) -> None:
        self.path = path
        self._clock = clock

    @classmethod
    def beside(cls, policies: str | Path, clock: Clock = now) -> "Ledger":
        """The ledger of a policy set's folder; the file need not exist yet."""
        return cls(Path(policies) / LEDGER, clock)

    def append(self, act: Act, subject: Subject, *, who: str, why: str = "") -> Entry:
        """Write one entry at the end and return it; two writers wait for each other.

        A broken chain is a DataError: nothing is added to a record that was changed.
        """
        return self.append_all(act, [subject], who=who, why=why)[0]

    def append_all(self, act: Act, subjects: Sequence[Subject], *, who: str, why: str = "") -> tuple[Entry, ...]:
        """Write one entry for each subject, all or none where the write fails; a crash may leave the first of them."""
        return self._append(act, subjects, who, why)

    def _append(
        self, act: Act, subjects: Sequence[Subject], who: str, why: str, *, once: bool = False
    ) -> tuple[Entry, ...]:
        person = " ".join(who.split())
        if not person:
            raise PolicyError(f"Nobody is named for {act.value!r}; say who decides, with by= or --by.")
        with self._locked():
            entries = list(self.entries())
            old = len(entries)
            if once:
                known = {e.subject for e in entries if e.act is act}
                subjects = [s for s in dict.fromkeys(subjects) if s not in known]
            for subject in subjects:
                prev = entries[-1].hash if entries else GENESIS
                at = self._clock().astimezone(UTC)
                line = Entry(seq=len(entries) + 1, act=act, subject=subject, who=person, at=at, why=why, prev=prev)
                entries.append(line.sealed())
            self._write(entries[old:])
            return tuple(entries[old:])

    def entries(self) -> tuple[Entry, ...]:
        """All entries, checked; a changed, missing or cut entry is a DataError that names its line.

        An unfinished line beyond the head, left by a write that was cut off, is no entry.
        """
        head = self._read_head()  # before the file, which a writer changes first
        if not self.path.exists():
            if head and head[0]:
                raise DataError(f"{self.path} is gone, but {HEAD} is there; restore it from the policy set's history.")
            return ()
        entries = tuple(self._parsed())
        self._compare_with_head(entries, head)
        return entries

    def check(self) -> str:
        """Check the whole chain and say so in a sentence; a fault, or a folder that is not there, is a DataError."""
        if not self.path.parent.is_dir():
            raise DataError(f"{self.path.parent} is no folder; give the folder of a policy set.")
        entries = self.entries()
        torn = (
            " An unfinished line at its end is ignored; the next entry replaces it."
            if self._whole_and_torn()[1]
            else ""
        )
        if not entries:
            return f"{self.path} holds no entries yet.{torn}"
        noun = "entry" if len(entries) == 1 else "entries"
        return f"{self.path} is whole: {len(entries)} {noun}, head {entries[-1].hash}.{torn}"

    @property
    def head(self) -> str:
        """Hash of the last entry; zeros for an empty ledger."""
        entries = self.entries()
        return entries[-1].hash if entries else GENESIS

    def record_proposed(self, subjects: Sequence[Subject], *, who: str = "gne_analytics") -> tuple[Entry, ...]:
        """Write the proposals of a run that the ledger does not hold yet; the same ones again add nothing."""
        return self._append(Act.PROPOSED, subjects, who, "", once=True)

    def approvers(self, subject: Subject) -> tuple[str, ...]:
        """Who signed this proposal on this base with this evidence, each person once, in the order of signing.

        Approvals of another base or other evidence are stale and do not count; a rejection or a rollback clears those
        before it.
        """
        signed: dict[str, str] = {}
        for entry in self.entries():
            if entry.act in {Act.REJECTED, Act.ROLLED_BACK} and entry.subject.proposal_id == subject.proposal_id:
                signed.clear()
            elif entry.act is Act.APPROVED and entry.subject == subject:
                signed.setdefault(entry.who.casefold(), entry.who)
        return tuple(signed.values())

    def stale_approvers(self, subject: Subject) -> tuple[str, ...]:
        """Who signed the same proposal, but on another base or other evidence."""
        current = {w.casefold() for w in self.approvers(subject)}
        signed = (
            e.who for e in self.entries() if e.act is Act.APPROVED and e.subject.proposal_id == subject.proposal_id
        )
        return tuple(dict.fromkeys(w for w in signed if w.casefold() not in current))

    def standing(self, proposal_id: str) -> Act | None:
        """The last thing that happened to a proposal, if anything."""
        acts = [e.act for e in self.entries() if e.subject.proposal_id == proposal_id]
        return acts[-1] if acts else None

    @property
    def _head_path(self) -> Path:
        return self.path.with_name(HEAD)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_name(LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _write(self, fresh: Sequence[Entry]) -> None:
        if not fresh:
            return
        lines = "".join(f"{_line(e)}\n" for e in fresh)
        if fresh[0].seq == 1 and not self._head_path.exists():
            self._write_head(0, GENESIS)
        with self.path.open("ab") as file:
            whole = len(self._whole_and_torn()[0])
            file.truncate(whole)
            try:
                file.write(lines.encode())
                file.flush()
                os.fsync(file.fileno())
                self._write_head(fresh[-1].seq, fresh[-1].hash)
            except OSError:
                os.truncate(self.path, whole)
                raise

    def _write_head(self, entries: int, last: str) -> None:
        write_whole(self._head_path, json.dumps({"entries": entries, "hash": last}) + "\n")

    def _whole_and_torn(self) -> tuple[bytes, bytes]:
        """The finished lines, and what a write that was cut off left behind them."""
        held = self.path.read_bytes() if self.path.exists() else b""
        end = held.rfind(b"\n") + 1
        return held[:end], held[end:]

    def _parsed(self) -> Iterator[Entry]:
        prev = GENESIS
        text = self._whole_and_torn()[0].decode("utf-8", "replace").removesuffix("\n")
        lines = text.split("\n") if text else []  # never splitlines: a reason may hold a Unicode line separator
        for number, line in enumerate(lines, start=1):
            try:
                entry = Entry.model_validate_json(line)
            except ValidationError:
                raise DataError(
                    f"{self.path}, line {number} is no entry; restore it from the policy set's history."
                ) from None
            sealed = entry.hash == entry.digest() and line == _line(entry)  # to the byte: 12:00 for T12:00 is a change
            if entry.prev != prev or entry.seq != number or not sealed:
                raise DataError(
                    f"{self.path}, line {number} was changed, moved or follows a missing line; "
                    "restore the file from the policy set's history."
                )
            prev = entry.hash
            yield entry

    def _read_head(self) -> tuple[int, str] | None:
        if not self._head_path.exists():
            return None
        try:
            head = json.loads(self._head_path.read_text(encoding="utf-8"))
            return int(head["entries"]), str(head["hash"])
        except (ValueError, KeyError, TypeError):
            raise DataError(f"{self._head_path} is unreadable; restore it from the policy set's history.") from None

    def _compare_with_head(self, entries: Sequence[Entry], head: tuple[int, str] | None) -> None:
        """The file may run ahead of the head by an append that was interrupted, never lag behind it."""
        if head is None:
            if entries:
                raise DataError(f"{self._head_path} is missing; restore it from the policy set's history.")
            return
        count, last = head
        if len(entries) < count:
            cut = f"{self.path} ends after line {len(entries)}, but held {count}"
            raise DataError(f"{cut}; restore it from the policy set's history.")
        if count < 0 or (entries[count - 1].hash if count else GENESIS) != last:
            raise DataError(f"{self.path} does not match {HEAD}; restore both from the policy set's history.")


def _line(entry: Entry) -> str:
    return json.dumps(entry.model_dump(mode="json"), ensure_ascii=False)


def subject_of(proposal: Proposal, backtest: Backtest | None, store: EvidenceStore) -> Subject:
    """What a decision on a proposal is bound to: its id, its base, and a hash of all that its reader saw.

    The hash covers the proposal, its backtest and the evidence that both cite, by content.
    """
    cited = (*proposal.evidence, *(backtest.evidence if backtest else ()))
    seen = {
        "proposal": proposal.model_dump(mode="json"),
        "backtest": backtest.model_dump(mode="json") if backtest else None,
        "evidence": [store.get(i).model_dump(mode="json") for i in dict.fromkeys(cited) if i in store],
    }
    return Subject(proposal_id=proposal.id, base=proposal.policy_base, evidence=_hash(seen))


def _hash(content: object) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=16).hexdigest()
