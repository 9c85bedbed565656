"""Open a source and walk the loop: shifts, causes, themes, proposals, backtests, a run that is kept.

What one stage needs of another is a frame that is handed over here; the stages do not know each other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from gne_analytics.errors import DataError, PolicyError, did_you_mean
from gne_analytics.evidence.proposals import Backtest, Proposal
from gne_analytics.evidence.segment import MISSING, Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Cause, Edit, Shift
from gne_analytics.tables.contract import TABLES
from gne_analytics.workspace.asking import check_not_empty, values_held
from gne_analytics.workspace.changes import Change, change_of, edits_of
from gne_analytics.workspace.handover import in_scope, mechanism_context, themes_by_violation

if TYPE_CHECKING:
    from datetime import date

    from gne_analytics.agents.model import Model
    from gne_analytics.agents.session import Budget, ModelSession
    from gne_analytics.causes.context import MechanismContext
    from gne_analytics.causes.explain import Explanation
    from gne_analytics.enforcement.replay import Replay
    from gne_analytics.evidence.claims import Finding
    from gne_analytics.metrics.judged import Unjudged
    from gne_analytics.policy.files import PolicySet
    from gne_analytics.strategy.audits import AuditPlan
    from gne_analytics.strategy.canary import CanaryPlan
    from gne_analytics.strategy.identify import Label
    from gne_analytics.strategy.monitor import Monitor
    from gne_analytics.strategy.propose import Answer
    from gne_analytics.strategy.retire import Retirement
    from gne_analytics.strategy.study import Study
    from gne_analytics.strategy.wording import Judgement
    from gne_analytics.tables.record import Record
    from gne_analytics.themes.births import Update
    from gne_analytics.themes.crossed import Crossed
    from gne_analytics.themes.embedders import Embedder
    from gne_analytics.themes.fit import Themes
    from gne_analytics.themes.lineage import Refit
    from gne_analytics.themes.model import ThemeModel
    from gne_analytics.themes.weeks import ThemeWeeks
    from gne_analytics.workspace.explained import Explained
    from gne_analytics.workspace.run import Run
    from gne_analytics.workspace.traded import Traded

Watcher = Callable[[str, int, int], None]
"""Told of progress: stage, steps done, steps in all."""


REPLAY = "replay of rules over enforced cases"
"""The capability of a record without which no policy set can be replayed over it."""


def unwatched(stage: str, done: int, total: int) -> None:
    """Tell nobody."""


def open(  # noqa: A001 - gne.open is the front door
    path: str | Path, *, policies: str | Path | None = None, seed: int = 0, strict: bool = False, embedder: str = "auto"
) -> Workspace:
    """Open a source: read and sift its tables, load its policy set.

    Args:
        path: a ``source.yaml`` or a folder that holds one.
        policies: a policy set other than the one the source names.
        seed: of every random draw made from here on.
        strict: one rejected row is an error.
        embedder: what reads texts for themes: auto, e5, use, ngrams, or openai:MODEL, which sees them redacted.

    Raises:
        DataError: a table is at fault. PolicyError: the policy set is.
    """
    from gne_analytics.policy.files import load
    from gne_analytics.tables.source import open_source

    record = open_source(path, strict=strict)
    folder = Path(policies) if policies else record.policies
    return Workspace(record, load(folder) if folder else None, seed=seed, path=Path(path), embedder=embedder)


@dataclass
class Workspace:
    """A record with its policy set, and the evidence gathered so far."""

    record: Record
    policies: PolicySet | None = None
    seed: int = 0
    path: Path | None = None
    embedder: str | Embedder = "auto"
    """What reads texts for themes; see `themes.fit_themes`."""
    model: Model | None = None
    """A language model; where None, the one that the environment configures, if any."""
    store: EvidenceStore = field(default_factory=EvidenceStore)
    said: pl.DataFrame | None = field(default=None, repr=False)
    """What sellers said, by violation (`handover.themes_by_violation`); known once their themes are fitted."""
    _themes: dict[str, Themes] = field(default_factory=dict, repr=False)
    _explained: dict[str, Explained] = field(default_factory=dict, repr=False)
    _scopes: dict[str, Segment] = field(default_factory=dict, repr=False)
    _traded: dict[tuple[str, int], Traded | None] = field(default_factory=dict, repr=False)
    _study: Study | None = field(default=None, repr=False)

    def shifts(
        self,
        *,
        baseline: str | None = None,
        focus: str | None = None,
        metric: str | None = None,
        scope: str | None = None,
    ) -> list[Shift]:
        """Return what moved beyond chance, strongest first; with two windows named, the shift between them.

        Windows are written ``2013``, ``2026-10``, ``2026-W40``, ``2026-10-01..2026-11-01`` or ``market=TH``.
        """
        from gne_analytics.metrics.observations import make_shift, observe
        from gne_analytics.metrics.shifts import find_shifts
        from gne_analytics.metrics.windows import parse_window

        within = self._scope_of(scope)
        self._check_scope(within)
        if (baseline is None) != (focus is None):
            raise DataError("Name both --baseline and --focus, or neither.")
        if baseline is not None and focus is not None:
            observed = observe(self.record, metric or "overturn_rate", within)
            before, after = (parse_window(w, observed.values) for w in (baseline, focus))
            check_not_empty(self.record, before, after)
            return [make_shift(observed, before, after)]
        return find_shifts(self.record, metrics=[metric] if metric else None, seed=self.seed, scope=within)

    def unjudged(self, *, metric: str | None = None, scope: str | None = None) -> Unjudged:
        """Return which metrics cannot be judged over time, and why: too few rows, weeks or sellers, nothing decided."""
        from gne_analytics.metrics.judged import unjudged

        return unjudged(self.record, [metric] if metric else None, self._scope_of(scope))

    def explain(self, shift: Shift) -> Explained:
        """Return where and why a shift happened: causes verified on held-out units, and the exact decomposition.

        It displays itself in a notebook, and its pieces are methods (`Explained`). Themes of the appeals that were
        fitted before help to tell the mechanism.
        """
        if not isinstance(shift, Shift):
            raise DataError(
                f"explain takes one shift, such as ws.shifts()[0], not {type(shift).__name__}; "
                "ws.explain_all takes a list of them."
            )
        if shift.id not in self._explained:
            self.explain_all([shift])
        return self._explained[shift.id]

    def explain_all(self, shifts: Sequence[Shift]) -> list[Explained]:
        """Explain several shifts together: one false-discovery control over all their claims; see `explain`."""
        from gne_analytics.causes.explain import explain_all
        from gne_analytics.metrics.observations import observe
        from gne_analytics.workspace.explained import Explained

        asked = [(observe(self.record, s.metric, s.scope), s) for s in shifts]
        told = explain_all(asked, changes=self.record.changes, context=self._context(), store=self.store)
        found = [Explained.of(e, self.record, self.store) for e in told]
        self.heed(shifts)
        self._explained |= {e.shift.id: e for e in found}
        return found

    def heed(self, shifts: Sequence[Shift]) -> None:
        """Keep in mind which rows shifts are about, so that edits for their causes hold to these rows."""
        self._scopes |= {s.id: s.scope for s in shifts}

    def themes(self, view: str = "appeals", *, progress: Watcher = unwatched) -> Themes:
        """Cluster what people say: ``appeals``, ``rationale``, ``violations`` or ``signals``.

        Beside the themes: ``tree`` and ``at`` (coarser and finer ones), ``cards``, ``rows``, ``outcomes``.
        """
        from gne_analytics.themes.fit import fit_themes
        from gne_analytics.themes.views import about_texts, texts_of, view_named

        view = view_named(view)
        if view not in self._themes:
            found = fit_themes(
                texts_of(self.record, view),
                view,
                embedder=self.embedder,
                seed=self.seed,
                cache_dir=self.cache,
                progress=lambda done, total: progress(f"embedding {view}", done, total),
            )
            self._themes[view] = replace(found, about=about_texts(self.record, view))
        return self._themes[view]

    def theme_weeks(self, view: str = "appeals", *, progress: Watcher = unwatched) -> ThemeWeeks:
        """Return the share of each week's sellers who spoke of each theme; see `themes.theme_weeks`."""
        from gne_analytics.themes.views import texts_of
        from gne_analytics.themes.weeks import theme_weeks

        return theme_weeks(self.themes(view, progress=progress), texts_of(self.record, view))

    def update_themes(
        self, model: ThemeModel | str | Path, *, since: date | None = None, progress: Watcher = unwatched
    ) -> Update:
        """Give the record's texts the themes of a saved model, and let new ones be born; see `themes.update`.

        ``model`` is a folder that ``themes.save`` wrote, or a model; ``since`` leaves out texts of earlier days.
        """
        from gne_analytics.themes.births import update

        model, texts = self._model_and_texts(model, since)
        return update(model, texts, cache_dir=self.cache, progress=partial(progress, f"embedding {model.view}"))

    def refit_themes(
        self, model: ThemeModel | str | Path, *, since: date | None = None, progress: Watcher = unwatched
    ) -> Refit:
        """Fit the record's themes anew under the ids that a saved model gave them; see `themes.refit`.

        From then on the workspace's themes of that view are these. Arguments are those of `update_themes`.
        """
        from gne_analytics.themes.lineage import refit
        from gne_analytics.themes.views import about_texts

        model, texts = self._model_and_texts(model, since)
        again = refit(model, texts, cache_dir=self.cache, progress=partial(progress, f"embedding {model.view}"))
        again = replace(again, themes=replace(again.themes, about=about_texts(self.record, model.view)))
        self._themes[model.view] = again.themes
        return again

    def crossed(self, one: str = "appeals", other: str = "rationale") -> Crossed:
        """Say what one view holds where the other says something: what do sellers say where reviewers say X?"""
        from gne_analytics.themes.crossed import cross

        return cross(self.themes(one), self.themes(other))

    def crossed_rows(self, crossed: Crossed, rank: int = 1) -> pl.DataFrame:
        """Return the violations behind a pair of crossed views, with both texts redacted; ``rank`` 1 is the surest."""
        from gne_analytics.workspace.behind import texts_of_pair

        if not 1 <= rank <= len(crossed.pairs):
            raise DataError(f"There is no pair {rank}; the views crossed have {len(crossed.pairs):,}, counted from 1.")
        one, other = (self.themes(view).assignments for view in (crossed.one, crossed.other))
        return texts_of_pair(self.record, crossed, crossed.pairs[rank - 1], one, other)

    def propose(self, causes: Sequence[Cause] | None = None) -> list[Proposal]:
        """Return typed edits for causes, each judged by its backtest; without causes, for those of the shifts found."""
        return list(self.answer(causes).proposals)

    def answer(self, causes: Sequence[Cause] | None = None) -> Answer:
        """Answer causes: with proposals where an edit of policy can mend them, else with a referral to their owner."""
        from gne_analytics.strategy.propose import answer

        if causes is None:
            causes = [c for e in self.explain_all(self.shifts()) for c in e.causes]
        within = [in_scope(c, self._scopes.get(c.shift_id, Segment({}))) for c in causes]
        return answer(
            within, self.record, self._needed_policies(), store=self.store, seed=self.seed, study=self._replayed()
        )

    def proposal(self, edits: Sequence[Edit | Mapping[str, object]]) -> Proposal:
        """Make a proposal of edits of one policy that somebody thought of: with a title, a way back, its owner.

        It is judged like any other, on half of the sellers; a list of edits is judged on all of them.

        Raises:
            PolicyError: edits of several policies, or one that may relax a protected policy.
        """
        from gne_analytics.strategy.judged import new_proposal

        made = edits_of(edits)
        policies = dict.fromkeys(e.policy for e in made)
        if len(policies) != 1:
            raise PolicyError(f"A proposal is of one policy's edits, and these name {len(policies)}; part them.")
        return new_proposal(made, self._needed_policies().policy(made[0].policy), self._replayed(), (), ())

    def backtest(
        self,
        proposal: Change,
        *,
        label: Label = "final_decision",
        target: Literal["retrospective", "prospective"] = "retrospective",
    ) -> Backtest:
        """Replay a proposal, or a list of edits, over the record with truth accounting.

        ``target="prospective"`` asks for sellers and weeks to come, of which the record is one draw.
        """
        from gne_analytics.strategy.backtest import backtest

        return backtest(
            change_of(proposal),
            self.record,
            self._needed_policies(),
            store=self.store,
            label=label,
            target=target,
            seed=self.seed,
            study=self._replayed(),
        )

    def frontier(self, policy: str, rule: str, by: str | Sequence[str] = (), **more: Any) -> Traded:
        """Return what one rule's thresholds can trade, segment by segment; it displays itself in a notebook."""
        from gne_analytics.strategy.frontier import frontier
        from gne_analytics.workspace.traded import Traded

        names = (by,) if isinstance(by, str) else tuple(by)
        return Traded.of(frontier(self._replayed(), policy=policy, rule=rule, by=names, store=self.store, **more))

    def frontier_beside(self, proposal: Change, *, points: int = 9) -> Traded | None:
        """Return the frontier of the rule whose threshold a proposal moves, the proposal marked; None if it moves none.

        Asked again it is at hand. Errors are those of `strategy.frontier_beside`.
        """
        from gne_analytics.strategy.moved import frontier_beside
        from gne_analytics.workspace.traded import Traded

        proposal = self._as_proposal(proposal)
        key = (proposal.id, points)
        if key not in self._traded:
            found = frontier_beside(proposal, self._replayed(), store=self.store, points=points)
            self._traded[key] = Traded.of(found, self.backtest(proposal)) if found else None
        return self._traded[key]

    def retirement(self) -> Retirement:
        """Return how much of each rule is its own, and which could go; see `strategy.retirement`."""
        from gne_analytics.strategy.retire import retirement

        return retirement(self._replayed(), store=self.store)

    def funnel(self, by: Sequence[str] = ()) -> pl.DataFrame:
        """Count the violations that reach each stage of an appeal; see `appeals.funnel`."""
        from gne_analytics.appeals.funnel import funnel

        return funnel(self.record, by)

    def counterexamples(self, proposal: Change, *, limit: int = 20) -> pl.DataFrame:
        """Return real cases that a change fixes, breaks or leaves wrong; see `strategy.counterexamples`."""
        from gne_analytics.strategy.counterexamples import counterexamples

        return counterexamples(
            change_of(proposal), self.record, self._needed_policies(), limit=limit, study=self._replayed()
        )

    def losing_sellers(self, proposal: Change, *, limit: int = 10) -> pl.DataFrame:
        """Return the sellers with the most cases that fare worse under a change; see `strategy.losing_sellers`."""
        from gne_analytics.strategy.losing import losing_sellers

        return losing_sellers(
            change_of(proposal), self.record, self._needed_policies(), limit=limit, study=self._replayed()
        )

    def audit_plan(self, proposal: Change, *, budget: int | None = None) -> AuditPlan:
        """Return the audits that would settle a change; see `strategy.audit_plan`."""
        from gne_analytics.strategy.audits import audit_plan

        return audit_plan(
            change_of(proposal), self.record, self._needed_policies(), budget=budget, study=self._replayed()
        )

    def canary_plan(self, proposal: Change, *, start: date | None = None) -> CanaryPlan:
        """Return who sees a proposal first, by a stated hash, what is watched and for how long."""
        from gne_analytics.strategy.launch import plan_canary

        cases = self._replayed().population
        made = self._as_proposal(proposal)
        return plan_canary(made, self.record, self._needed_policies(), start=start, population=cases)

    def watch(self, canary: CanaryPlan | Monitor) -> Monitor:
        """Look at a canary for every week that has become mature; hand the result in again with a later record."""
        from gne_analytics.strategy.monitor import Monitor, follow

        return follow(canary if isinstance(canary, Monitor) else Monitor(plan=canary), self.record)

    def score_wording(self, proposal: Change) -> list[Judgement]:
        """Score every clause that a proposal rewords on its own held-out labelled examples, with the model if any."""
        from gne_analytics.agents.judging import BUDGET, clause_judge
        from gne_analytics.policy.edits import applied
        from gne_analytics.strategy.wording import reworded, score_wording

        edits = proposal.edits if isinstance(proposal, Proposal) else edits_of(proposal)
        today = self._needed_policies()
        judge = clause_judge(self.model_session(BUDGET))
        return [score_wording(old, new, judge) for old, new in reworded(today, applied(today, edits))]

    def run(
        self,
        runs: str | Path = "runs",
        *,
        baseline: str | None = None,
        focus: str | None = None,
        metric: str | None = None,
        scope: str | None = None,
        fresh: bool = False,
        progress: Watcher = unwatched,
    ) -> Run:
        """Run the whole loop and keep it as one immutable folder; the same inputs again return the folder kept."""
        from gne_analytics.workspace.loop import Question, run_loop

        question = Question(baseline=baseline, focus=focus, metric=metric, scope=scope)
        return run_loop(self, Path(runs), question, fresh=fresh, progress=progress)

    def approve(self, proposal: Proposal, *, by: str, why: str, runs: str | Path = "runs") -> str:
        """Sign a proposal of this workspace's run; see `Run.approve`."""
        return self.run(runs).approve(proposal.id, by=by, why=why)

    def release(self, *, to: str | Path, by: str, runs: str | Path = "runs") -> Path:
        """Write the approved proposals of this workspace's run as final configs; see `Run.release`."""
        return self.run(runs).release(to=to, by=by)

    @property
    def cache(self) -> Path:
        """Where embeddings are kept by content: ``GNE_CACHE``, else the user's cache folder."""
        home = os.environ.get("GNE_CACHE")
        return Path(home) if home else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "gne_analytics"

    def describe(self) -> str:
        """Say what was opened: rows, rejects, policy set."""
        held = "no policy set"
        if self.policies is not None:
            rules = sum(1 for _ in self.policies.rules())
            held = f"{len(self.policies.policies)} policies with {rules} rules"
        counts = ", ".join(f"{self.record.table(t).height:,} {t}" for t in TABLES if self.record.has(t))
        as_of = f"{self.record.as_of:%Y-%m-%d}"
        return f"{self.record.name}: {counts}; {self.record.rejects.height:,} rows rejected; as of {as_of}; {held}."

    def text_of(self, result: Explanation | Shift | Proposal | Backtest) -> str:
        """Tell a result in plain words, every figure from its evidence."""
        from gne_analytics.agents.summary import full_text

        return full_text(self._findings_of(result), self.store)

    def replay(self) -> Replay | None:
        """Replay today's policy set over the record; None where there is no set, or no scores to replay it on.

        Overrides that tie on a real row and predicates on columns that the record lacks are PolicyErrors.
        """
        return self._replayed().today if self.policies is not None and self.record.can(REPLAY) else None

    def check_policies(self) -> str:
        """Run the policies' own tests and replay the set; a test that fails is a PolicyError that names it."""
        from gne_analytics.policy.checks import run_tests

        if self.policies is None:
            return "No policy set to test."
        results = run_tests(self.policies)
        failed = [str(r) for r in results if not r.passed]
        if failed:
            raise PolicyError(f"{len(failed)} of {len(results)} policy tests fail: {'; '.join(failed)}")
        replayed = "replayed over the record" if self.replay() else "not replayed: the record has no scores"
        return f"{len(results)} policy tests pass; the set was {replayed}."

    def verify(self, release: str | Path, *, by: str) -> str:
        """Say whether a release is in force and what moved since, and write that in the ledger."""
        from gne_analytics.release.verify import verify

        return verify(Path(release), self.record, by=by)

    def model_session(self, budget: Budget | None = None) -> ModelSession | None:
        """Return a session with the model, None where none is configured and the narrator works alone."""
        from gne_analytics.agents.session import DEFAULT_BUDGET, ModelSession

        budget = budget or DEFAULT_BUDGET
        if self.model is not None:
            return ModelSession(self.model, budget, cache_dir=self.cache / "model")
        return ModelSession.from_env(budget=budget, cache_dir=self.cache / "model")

    def _findings_of(self, result: Explanation | Shift | Proposal | Backtest) -> list[Finding]:
        from gne_analytics.agents.narrate_proposals import backtest_finding, proposal_finding
        from gne_analytics.agents.narrator import narrate, shift_finding

        if isinstance(result, Shift):
            return [shift_finding(result, None, self.store)]
        if isinstance(result, Backtest):
            return [backtest_finding(result, self.store)]
        if isinstance(result, Proposal):
            return [proposal_finding(result, None, self.store)]
        return narrate([result.shift], [result], [], [], [], self.store)

    def _model_and_texts(self, model: ThemeModel | str | Path, since: date | None) -> tuple[ThemeModel, pl.DataFrame]:
        from gne_analytics.themes.model import ThemeModel, load
        from gne_analytics.themes.views import texts_of

        held = model if isinstance(model, ThemeModel) else load(Path(model), self.cache)
        texts = texts_of(self.record, held.view)
        return held, texts if since is None else texts.filter(pl.col("event_date") >= since)

    def _scope_of(self, text: str | None) -> Segment:
        from gne_analytics.metrics.segments import parse_segment

        return parse_segment(text, partial(values_held, self.record)) if text else Segment({})

    def _check_scope(self, scope: Segment) -> None:
        known = {*self.record.dims("violations"), *self.record.dims("signals")}
        for dimension, values in scope.items():
            if dimension not in known:
                raise DataError(f"The record has no dimension {dimension!r}{did_you_mean(dimension, known)}.")
            held = values_held(self.record, dimension)
            for value in values:
                if value != MISSING and not any(h == value or h.startswith(f"{value}/") for h in held):
                    raise DataError(f"No row has {dimension}={value}{did_you_mean(value, held)}.")

    def _as_proposal(self, change: Change) -> Proposal:
        return change if isinstance(change, Proposal) else self.proposal(change)

    def _replayed(self) -> Study:
        from gne_analytics.strategy.study import open_study

        if self._study is None:
            self._study = open_study(self.record, self._needed_policies())
        return self._study

    def _needed_policies(self) -> PolicySet:
        if self.policies is None:
            raise PolicyError("The source names no policy set; add `policies: <folder>` to it, or give --policies.")
        return self.policies

    def _context(self) -> MechanismContext:
        themes = self._themes.get("seller_text")
        if themes is not None and self.said is None:
            self.said = themes_by_violation(self.record, themes.themes, themes.assignments)
        return mechanism_context(self.record, self.said)
