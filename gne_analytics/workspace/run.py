"""A run that is kept: read its findings, causes and proposals, decide on them, release what was approved."""

from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import polars as pl
from pydantic import TypeAdapter, ValidationError

from gne_analytics.atomic import read_json
from gne_analytics.errors import DataError, did_you_mean
from gne_analytics.evidence.claims import Finding
from gne_analytics.evidence.proposals import Backtest, Proposal, Recommendation
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Cause, Shift, Theme
from gne_analytics.workspace.folder import MANIFEST

if TYPE_CHECKING:
    from gne_analytics.release.ledger import Ledger
    from gne_analytics.strategy.canary import CanaryPlan
    from gne_analytics.themes.cards import ThemeCard
    from gne_analytics.themes.crossed import Crossed
    from gne_analytics.themes.hierarchy import Hierarchy
    from gne_analytics.themes.outcomes import Outcomes
    from gne_analytics.themes.weeks import ThemeWeeks

T = TypeVar("T")
BEHIND = "Its series, siblings, rival descriptions with their counts and example rows"
"""What a report shows of the first causes of a shift, and no other file of a run holds."""


@dataclass(frozen=True)
class Run:
    """One immutable folder of results; nothing is read before it is asked for."""

    path: Path
    manifest: dict[str, object] = field(repr=False)

    @cached_property
    def store(self) -> EvidenceStore:
        """The evidence that every claim of the run cites."""
        return EvidenceStore.from_json((self.path / "evidence.json").read_text(encoding="utf-8"))

    @cached_property
    def shifts(self) -> list[Shift]:
        """What moved beyond chance."""
        return self._read("shifts", list[Shift])

    @cached_property
    def causes(self) -> list[Cause]:
        """Where and why, over all shifts."""
        return self._read("causes", list[Cause])

    @cached_property
    def themes(self) -> list[Theme]:
        """What sellers and users say, over all views."""
        return self._read("themes", list[Theme])

    @cached_property
    def theme_cards(self) -> "list[ThemeCard]":
        """What is known of each theme; none in a run of an older version."""
        from gne_analytics.themes.cards import ThemeCard

        return self._read_if_there("theme_cards", list[ThemeCard])

    @cached_property
    def theme_trees(self) -> "list[Hierarchy]":
        """The themes of each view from coarse to fine; none in a run of an older version."""
        from gne_analytics.themes.hierarchy import Hierarchy

        return self._read_if_there("theme_trees", list[Hierarchy])

    @cached_property
    def theme_outcomes(self) -> "list[Outcomes]":
        """Which themes of each view overturn, and what tells; none in a run of an older version."""
        from gne_analytics.themes.outcomes import Outcomes

        return self._read_if_there("theme_outcomes", list[Outcomes])

    @cached_property
    def theme_crossed(self) -> "list[Crossed]":
        """What sellers say where reviewers say something, only the pairs that are beyond chance.

        All pairs are in the table ``crossed``. None in a run of an older version.
        """
        from gne_analytics.themes.crossed import Crossed

        return self._read_if_there("theme_crossed", list[Crossed])

    def theme_weeks(self, view: str) -> "ThemeWeeks | None":
        """Return the themes of a view over weeks; None where no text has a day, or in a run of an older version."""
        from gne_analytics.themes.weeks import ThemeWeeks

        held = self.path / "tables" / f"weeks_{view}.parquet"
        labels = {t.id: t.shown for t in self.themes if t.view == view}
        return ThemeWeeks(view, pl.read_parquet(held), labels) if held.exists() else None

    @cached_property
    def proposals(self) -> list[Proposal]:
        """What it proposes."""
        return self._read("proposals", list[Proposal])

    @cached_property
    def backtests(self) -> list[Backtest]:
        """What each proposal would have done."""
        return self._read("backtests", list[Backtest])

    @cached_property
    def findings(self) -> list[Finding]:
        """The findings as claims that cite evidence."""
        return self._read("findings", list[Finding])

    @cached_property
    def stages_off(self) -> dict[str, str]:
        """Stages that this source could not have, with what would turn them on."""
        return self._read("stages_off", dict[str, str])

    @property
    def report(self) -> Path:
        """The report, one HTML file."""
        return self.path / "report.html"

    def table(self, name: str) -> pl.DataFrame:
        """Return a table of the run by name, e.g. ``series``."""
        tables = {p.stem: p for p in (self.path / "tables").glob("*.parquet")}
        if name not in tables:
            raise DataError(f"{self.path} has no table {name!r}{did_you_mean(name, tables)}.")
        return pl.read_parquet(tables[name])

    def proposal(self, proposal_id: str) -> Proposal:
        """Return a proposal by id; the start of an id is enough where it is the only one."""
        hits = [p for p in self.proposals if p.id == proposal_id] or [
            p for p in self.proposals if len(proposal_id) >= 4 and p.id.startswith(proposal_id)
        ]
        if len(hits) != 1:
            known = [p.id for p in self.proposals]
            raise DataError(f"{self.path.name} has no proposal {proposal_id!r}{did_you_mean(proposal_id, known)}.")
        return hits[0]

    def backtest(self, proposal_id: str) -> Backtest | None:
        """Return the backtest of a proposal, None where a replay cannot judge it."""
        return next((b for b in self.backtests if b.proposal_id == proposal_id), None)

    def summary(self) -> str:
        """What moved, why, what it proposes and how sure it is, in plain text."""
        from gne_analytics.agents.summary import summary

        return summary(self.findings, self.store)

    def dossier(self, cause_id: str) -> str:
        """Everything the run says of one cause."""
        from gne_analytics.agents.summary import full_text
        from gne_analytics.workspace.writing import DETAILED

        causes = {c.id: c for c in self.causes}
        if cause_id not in causes:
            raise DataError(f"{self.path.name} has no cause {cause_id!r}{did_you_mean(cause_id, causes)}.")
        told = full_text([f for f in self.findings if f.cause_id == cause_id], self.store)
        cause = causes[cause_id]
        where = f"stand in {self.report}, under this cause"
        if cause.rank > DETAILED:
            where = "are not kept in this run; gne explain SOURCE --html FILE shows them of every cause"
        return "\n".join([told, *_rivals_of(cause), "", f"{BEHIND} {where}."])

    def evaluate(self) -> str:
        """Check every claim of the run again and say how many stand."""
        from gne_analytics.evidence.claims import check_template

        claims = [c for f in self.findings for c in (f.title, *f.claims)]
        faults = [fault for c in claims for fault in check_template(c.template, self.store, words=False)]
        listed = "".join(f"\n- {fault}" for fault in faults)
        return f"{len(claims):,} claims, {len(self.store):,} pieces of evidence, {len(faults):,} faults.{listed}"

    def approve(self, proposal_id: str, *, by: str, why: str) -> str:
        """Sign a proposal in the ledger beside the policy set, bound to its base and its evidence."""
        return self._decide("approve", proposal_id, by, why)

    def reject(self, proposal_id: str, *, by: str, why: str) -> str:
        """Turn a proposal down in the ledger."""
        return self._decide("reject", proposal_id, by, why)

    def release(self, *, to: str | Path, by: str) -> Path:
        """Write the approved proposals as final configs, patch and evidence pack; refuse what is not fully signed."""
        from gne_analytics.release.export import release

        self._ledger()
        return release(
            self.path, self.policies_path, self.proposals, self.backtests, self.findings, self.store, to=Path(to), by=by
        )

    def canary_plan(self, proposal_id: str, *, start: date | None = None) -> "CanaryPlan":
        """Return who sees a proposal first, what is watched and for how long, from the source that the run was made of.

        Raises:
            DataError: no such proposal, the source is gone, or its record allows no canary.
        """
        from gne_analytics.workspace.session import open as open_source

        proposal = self.proposal(proposal_id)
        source = self.manifest.get("source_path")
        if not isinstance(source, str):
            raise DataError(f"{self.path.name} does not say of which source it was made, so no canary can be planned.")
        return open_source(source, policies=self.policies_path).canary_plan(proposal, start=start)

    @property
    def policies_path(self) -> Path:
        """The folder of the policy set that the proposals were made against."""
        path = self.manifest.get("policies_path")
        if not isinstance(path, str):
            raise DataError(f"{self.path.name} was made without a policy set, so there is nothing to decide on.")
        return Path(path)

    def _ledger(self) -> "Ledger":
        """The ledger beside the policy set, with what this run proposes written in it before the first decision."""
        from gne_analytics.release.ledger import Ledger, subject_of

        if not self.policies_path.is_dir():
            raise DataError(f"The policy set {self.policies_path} of {self.path.name} is gone; restore the folder.")
        ledger = Ledger.beside(self.policies_path)
        ledger.record_proposed([subject_of(p, self.backtest(p.id), self.store) for p in self.proposals])
        return ledger

    def _decide(self, verb: str, proposal_id: str, by: str, why: str) -> str:
        from gne_analytics.release.ledger import Act, subject_of

        proposal = self.proposal(proposal_id)
        subject = subject_of(proposal, self.backtest(proposal.id), self.store)
        ledger = self._ledger()
        ledger.append(Act.APPROVED if verb == "approve" else Act.REJECTED, subject, who=by, why=why)
        if verb == "reject":
            return f"Proposal {proposal.id} is rejected by {by}."
        signed = len(ledger.approvers(subject))
        missing = max(proposal.approvals_needed - signed, 0)
        rest = "it can be released" if not missing else f"{missing} more approval by another person is needed"
        against = proposal.recommendation is not Recommendation.RECOMMEND
        warning = " Note: its backtest does not recommend it; see the report." if against else ""
        return f"Proposal {proposal.id} is approved by {by}; {rest}.{warning}"

    def _read_if_there(self, name: str, kind: type[list[T]]) -> list[T]:
        return self._read(name, kind) if (self.path / f"{name}.json").exists() else []

    def _read(self, name: str, kind: type[T]) -> T:
        try:
            return TypeAdapter(kind).validate_python(read_json(self.path / f"{name}.json"))
        except ValidationError as fault:
            raise DataError(f"{self.path / name}.json does not fit this version: {fault.errors()[0]['msg']}.") from None

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(self.summary())}</pre>"


def _rivals_of(cause: Cause) -> list[str]:
    """The other descriptions of a cause's rows, one a line."""
    near = [f"  {s} (nearly the same rows)" for s in cause.same_rows]
    others = [f"  {s} (overlaps)" for s in cause.runners_up if s not in cause.same_rows]
    return ["", "Rival descriptions", *near, *others] if near or others else []


def open_run(path: str | Path) -> Run:
    """Open the folder of a finished run."""
    manifest = read_json(Path(path) / MANIFEST)
    if not isinstance(manifest, dict):
        raise DataError(f"{path} is not the folder of a run.")
    return Run(Path(path), manifest)
