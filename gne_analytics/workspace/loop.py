"""The loop as a run: shifts, themes, causes, proposals, findings and what is written of them, stage by stage."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import polars as pl
from pydantic import TypeAdapter

from gne_analytics import __version__
from gne_analytics.agents.cite import record_backtest, record_cause, record_proposal, record_shift, record_theme
from gne_analytics.agents.naming import gloss_themes, name_themes
from gne_analytics.agents.narrator import narrate
from gne_analytics.agents.wording import word
from gne_analytics.atomic import write_json, write_whole
from gne_analytics.causes.explain import Explanation
from gne_analytics.errors import DataError, ModelError
from gne_analytics.evidence.claims import Finding
from gne_analytics.evidence.proposals import Backtest, Proposal, Recommendation
from gne_analytics.evidence.segment import Frozen
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Shift, Theme
from gne_analytics.metrics.judged import Unjudged
from gne_analytics.strategy.propose import Referral
from gne_analytics.themes.cards import ThemeCard
from gne_analytics.themes.hierarchy import Hierarchy
from gne_analytics.themes.outcomes import Outcomes
from gne_analytics.workspace.folder import PartialRun, partial_run, run_key
from gne_analytics.workspace.handover import themes_by_violation
from gne_analytics.workspace.run import Run, open_run

if TYPE_CHECKING:
    from gne_analytics.agents.session import ModelSession, Provenance
    from gne_analytics.workspace.session import Watcher, Workspace

T = TypeVar("T")
EXPLAINED = 12
"""So many shifts are explained, strongest first; the rest are listed."""
THEME_VIEWS = ("seller_text", "reviewer_rationale", "signals")
"""Views that every run clusters, where the record has them."""
VERDICT_ORDER = (
    Recommendation.RECOMMEND,
    Recommendation.EXPERIMENT,
    Recommendation.CANNOT_TELL,
    Recommendation.REFUSE,
)
"""Proposals are told in this order: first what may be signed."""
NO_ASSIGNMENTS = pl.DataFrame(schema={"id": pl.String, "theme_id": pl.String, "folded_into": pl.String})


@dataclass(frozen=True)
class Question:
    """What a run was asked; all empty: find the shifts yourself."""

    baseline: str | None = None
    focus: str | None = None
    metric: str | None = None
    scope: str | None = None


@dataclass(frozen=True)
class Said:
    """The themes of one view and which text is in which."""

    themes: tuple[Theme, ...]
    assignments: pl.DataFrame
    notes: tuple[str, ...] = ()
    tree: Hierarchy | None = None
    cards: tuple[ThemeCard, ...] = ()
    outcomes: Outcomes | None = None
    spots: pl.DataFrame | None = None
    """The map (`Themes.spots`)."""


class _Kept(Frozen):
    themes: tuple[Theme, ...]
    notes: tuple[str, ...]
    tree: Hierarchy | None = None
    cards: tuple[ThemeCard, ...] = ()
    outcomes: Outcomes | None = None


@dataclass(frozen=True)
class Proposals:
    """What is proposed, how it fared on the record, and what no edit can mend."""

    proposals: tuple[Proposal, ...] = ()
    backtests: tuple[Backtest, ...] = ()
    referrals: tuple[Referral, ...] = ()


@dataclass(frozen=True)
class Told:
    """The findings, and how their prose came about."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()


def reader_language() -> str:
    """The language that a model translates labels into: GNE_LANGUAGE, else English."""
    return os.environ.get("GNE_LANGUAGE", "en")


def run_loop(ws: Workspace, runs: Path, question: Question, *, fresh: bool, progress: Watcher) -> Run:
    """Run the loop below ``runs`` and return it; the same inputs return the run that is there."""
    name = re.sub(r"[^a-z0-9]+", "-", ws.record.name.lower()).strip("-") or "run"
    session = ws.model_session()
    inputs = {
        "source": ws.record.source_hash,
        "policies": ws.policies.hash if ws.policies else None,
        "version": __version__,
        "seed": ws.seed,
        "embedder": ws.embedder if isinstance(ws.embedder, str) else ws.embedder.id,
        "narrator": session.model.name if session else "deterministic",
        "language": reader_language() if session else None,
        **asdict(question),
    }
    key = run_key(inputs)
    with partial_run(runs, name, key, fresh=fresh) as part:
        if part is None:
            return open_run(runs / f"{name}-{key[:8]}")
        evidence = part.stages / "evidence.json"
        store = EvidenceStore.from_json(evidence.read_text(encoding="utf-8")) if evidence.exists() else EvidenceStore()
        work = replace(ws, store=store, _themes=dict(ws._themes), _explained={}, _traded={})
        _Walk(work, part, question, session, progress).all()
        return open_run(part.finish(_manifest(work, inputs), datetime.now(UTC)))


def _manifest(ws: Workspace, inputs: Mapping[str, object]) -> dict[str, object]:
    from importlib.metadata import version

    libraries = {name: version(name) for name in ("polars", "bertopic", "pydantic", "plotly")}
    return {
        "name": ws.record.name,
        "inputs": dict(inputs),
        "source_path": str(ws.path.resolve()) if ws.path else None,
        "policies_path": str(ws.policies.path.resolve()) if ws.policies and ws.policies.path else None,
        "as_of": ws.record.as_of.isoformat(),
        "timezone": ws.record.timezone,
        "rows": {t: ws.record.table(t).height for t in ("violations", "appeals", "assessments", "audits", "signals")},
        "rejected": ws.record.rejects.height,
        "libraries": libraries,
        "status": "draft",
    }


@dataclass(frozen=True)
class _Walk:
    """One walk over the stages; each is loaded where an earlier attempt finished it."""

    ws: Workspace
    part: PartialRun
    question: Question
    session: ModelSession | None
    progress: Watcher

    def all(self) -> None:
        shifts = self._stage("shifts", self._shifts, list[Shift])
        self.ws.heed(shifts)
        said = {view: self._said(view) for view in THEME_VIEWS if self._has(view)}
        self.ws.said = _by_violation(self.ws, said.get("seller_text"))
        explanations = self._stage("explanations", lambda: self._explain(shifts), list[Explanation])
        offered = self._stage("proposals", lambda: self._propose(explanations), Proposals)
        told = self._stage("findings", lambda: self._tell(shifts, explanations, said, offered), Told)
        self.progress("report", 0, 1)
        from gne_analytics.workspace.writing import write_run

        write_run(self.part.folder, self.ws, asdict(self.question), shifts, explanations, said, offered, told)
        self.progress("report", 1, 1)

    def _stage(self, name: str, compute: Callable[[], T], kind: type[T]) -> T:
        adapter = TypeAdapter(kind)

        def save(folder: Path, result: T) -> None:
            write_whole(folder / "evidence.json", self.ws.store.to_json())
            write_whole(folder / f"{name}.json", adapter.dump_json(result, indent=1).decode() + "\n")

        def load(folder: Path) -> T:
            return adapter.validate_json((folder / f"{name}.json").read_bytes())

        return self.part.stage(name, compute, save, load)

    def _shifts(self) -> list[Shift]:
        self.progress("shifts", 0, 1)
        found = self.ws.shifts(**asdict(self.question))
        self.progress("shifts", 1, 1)
        return [record_shift(self.ws.store, s) for s in found]

    def _has(self, view: str) -> bool:
        from gne_analytics.themes.views import texts_of

        try:
            texts_of(self.ws.record, view)
        except DataError:
            return False
        return True

    def _named(self, themes: Sequence[Theme]) -> tuple[Sequence[Theme], tuple[str, ...]]:
        """Themes as a model names and translates them; as they are where none is configured."""
        if self.session is None:
            return themes, ()
        named, notes = name_themes(themes, self.session)
        told, more = gloss_themes(named, self.session, reader_language())
        return told, (*notes, *more)

    def _said(self, view: str) -> Said:
        def compute() -> Said:
            self.progress(f"themes of {view}", 0, 1)
            try:
                found = self.ws.themes(view, progress=self.progress)
            except (DataError, ModelError) as fault:  # no word in any text, an endpoint that fails: the rest goes on
                return Said((), NO_ASSIGNMENTS, (str(fault),))
            themes, notes = self._named(found.themes)
            self.progress(f"themes of {view}", 1, 1)
            recorded = tuple(record_theme(self.ws.store, t) for t in themes)
            return Said(
                recorded,
                found.with_leaves(),
                (*found.notes, *notes),
                found.tree.named(recorded),
                tuple(c.model_copy(update={"theme": t}) for c, t in zip(found.cards, recorded, strict=True)),
                found.outcomes().named(recorded),
                found.spots(),
            )

        def save(folder: Path, said: Said) -> None:
            write_whole(folder / "evidence.json", self.ws.store.to_json())
            said.assignments.write_parquet(folder / f"themes_{view}.parquet")
            if said.spots is not None:
                said.spots.write_parquet(folder / f"map_{view}.parquet")
            kept = _Kept(themes=said.themes, notes=said.notes, tree=said.tree, cards=said.cards, outcomes=said.outcomes)
            write_json(folder / f"themes_{view}.json", kept.model_dump(mode="json"))

        def load(folder: Path) -> Said:
            kept = TypeAdapter(_Kept).validate_json((folder / f"themes_{view}.json").read_bytes())
            spots = folder / f"map_{view}.parquet"
            return Said(
                kept.themes,
                pl.read_parquet(folder / f"themes_{view}.parquet"),
                kept.notes,
                kept.tree,
                kept.cards,
                kept.outcomes,
                pl.read_parquet(spots) if spots.exists() else None,
            )

        return self.part.stage(f"themes_{view}", compute, save, load)

    def _explain(self, shifts: Sequence[Shift]) -> list[Explanation]:
        own = [s for s in shifts if s.platform_event in (None, s.id)][:EXPLAINED]
        self.progress("causes", 0, len(own))
        explanations: list[Explanation] = [
            e.model_copy(update={"causes": tuple(record_cause(self.ws.store, c, e.shift) for c in e.causes)})
            for e in self.ws.explain_all(own)
        ]
        self.progress("causes", len(own), max(len(own), 1))
        return explanations

    def _propose(self, explanations: Sequence[Explanation]) -> Proposals:
        if self.ws.policies is None:
            return Proposals()
        self.progress("proposals", 0, 1)
        self.ws.replay()  # a set that cannot be replayed is an error now, not when the first cause asks
        found = self.ws.answer([c for e in explanations for c in e.causes])
        store, tests = self.ws.store, []
        ordered = sorted(found.proposals, key=lambda p: VERDICT_ORDER.index(p.recommendation))
        for done, proposal in enumerate(ordered):
            self.progress("backtests", done, len(ordered))
            if proposal.experiment is None:  # words cannot be replayed
                tests.append(record_backtest(store, self.ws.backtest(proposal)))
        self.progress("proposals", 1, 1)
        by_id = {t.proposal_id: t for t in tests}
        proposals = tuple(record_proposal(store, p, by_id.get(p.id)) for p in ordered)
        return Proposals(proposals, tuple(tests), found.referrals)

    def _tell(
        self,
        shifts: Sequence[Shift],
        explanations: Sequence[Explanation],
        said: Mapping[str, Said],
        offered: Proposals,
    ) -> Told:
        self.progress("findings", 0, 1)
        themes = [t for view in said.values() for t in view.themes]
        asked = self.question
        quiet = Unjudged() if shifts else self.ws.unjudged(metric=asked.metric, scope=asked.scope)
        findings = narrate(shifts, explanations, themes, offered.proposals, offered.backtests, self.ws.store, quiet)
        notes = tuple(note for view in said.values() for note in view.notes)
        if self.session is not None:
            findings = word(findings, self.session, self.ws.store)
            notes = (*notes, _by_model(self.session.provenance))
        self.progress("findings", 1, 1)
        return Told(tuple(findings), notes)


def _by_violation(ws: Workspace, said: Said | None) -> pl.DataFrame | None:
    return themes_by_violation(ws.record, said.themes, said.assignments) if said else None


def _by_model(part: Provenance) -> str:
    asked = f"{part.requests} requests, {part.cached} answers from the cache, {part.tokens:,} tokens"
    failed = f"; failures: {'; '.join(part.failures)}" if part.failures else ""
    return f"{part.model} at {part.endpoint or 'no address'} had a part in the words ({asked}{failed})."
