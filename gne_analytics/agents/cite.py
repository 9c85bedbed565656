"""From results to evidence: every number of a result that prose may show, recorded once and at hand by name.

The ``record_*`` functions add a result's evidence and return the result with its ids filled in. The store is
idempotent, so recording twice changes nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date

from gne_analytics.agents.phrases import capital, spell_segment, spell_window
from gne_analytics.evidence.days import are_years
from gne_analytics.evidence.proposals import Backtest, Outcome, Proposal
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import Evidence, EvidenceStore, Scalar
from gne_analytics.evidence.types import (
    Cause,
    Counts,
    Estimate,
    LabelSource,
    MatchedChange,
    Period,
    Shift,
    Theme,
    Window,
)


@dataclass(frozen=True)
class ShiftCited:
    """The evidence of a shift."""

    baseline: Evidence
    focus: Evidence
    scope: Evidence | None
    before: Evidence
    after: Evidence
    delta: Evidence


@dataclass(frozen=True)
class CauseCited:
    """The evidence of a cause."""

    segment: Evidence
    before: Evidence
    after: Evidence
    effect: Evidence
    leave_out: Evidence
    contribution: Evidence
    error_level: Evidence
    onset: Evidence | None
    onset_from: Evidence | None
    onset_to: Evidence | None
    same_rows: tuple[Evidence, ...]


@dataclass(frozen=True)
class ChangeCited:
    """The evidence of a change that fits a cause."""

    name: Evidence
    at: Evidence
    did: Evidence | None
    placebo: Evidence | None


@dataclass(frozen=True)
class ThemeCited:
    """The evidence of a theme."""

    label: Evidence
    size: Evidence
    folded: Evidence
    units: Evidence
    overturn: Evidence | None


@dataclass(frozen=True)
class BacktestCited:
    """The evidence of a backtest."""

    cases: Evidence
    affected: Evidence
    coverage: Evidence
    unidentified: Evidence
    released: Evidence
    new: Evidence
    rerouted: Evidence
    outcomes: tuple["OutcomeCited", ...]
    guardrails: tuple[Evidence, ...]


@dataclass(frozen=True)
class OutcomeCited:
    """The evidence of one outcome of a backtest."""

    outcome: Outcome
    name: Evidence
    size: Evidence
    today: Evidence | None
    proposed: Evidence | None


Cited = ShiftCited | CauseCited | ChangeCited | ThemeCited | BacktestCited | OutcomeCited


def ids(cited: Cited) -> tuple[str, ...]:
    """Ids of all evidence in a cited result, each once, in order."""
    return tuple(dict.fromkeys(e.id for e in _walk(cited)))


def _walk(value: object) -> Iterable[Evidence]:
    if isinstance(value, Evidence):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _walk(item)
    elif isinstance(value, Cited):
        for field in fields(value):
            yield from _walk(getattr(value, field.name))


def cite_shift(store: EvidenceStore, shift: Shift) -> ShiftCited:
    """Record what a shift says."""
    return ShiftCited(
        baseline=_window(store, shift.baseline),
        focus=_window(store, shift.focus),
        scope=store.add(spell_segment(shift.scope), "name") if shift.scope.depth else None,
        before=_rate(
            store, shift.before, shift.metric, _rows(shift.scope, shift.baseline), shift.label_source, "shifts"
        ),
        after=_rate(store, shift.after, shift.metric, _rows(shift.scope, shift.focus), shift.label_source, "shifts"),
        delta=_points(store, shift.delta, shift.metric, _rows(shift.scope, shift.focus), shift.label_source, "shifts"),
    )


def cite_cause(store: EvidenceStore, cause: Cause, shift: Shift) -> CauseCited:
    """Record what a cause says; ``shift`` gives the metric, the windows and the label source."""
    where = Segment.of({**dict(shift.scope.items()), **dict(cause.segment.items())})
    source, metric = shift.label_source, shift.metric
    rows = _rows(where, shift.focus)
    lo, hi = cause.onset_interval or (None, None)
    spans = [w for w in (shift.baseline, shift.focus) if isinstance(w, Period)]
    yearly = are_years([d for d in (cause.onset, lo, hi, *(e for s in spans for e in (s.start, s.end))) if d])
    part = Estimate(value=cause.contribution, n=cause.after.n)
    without = Estimate(value=cause.leave_out, n=shift.after.n)
    return CauseCited(
        segment=store.add(spell_segment(cause.segment), "name"),
        before=_rate(store, cause.before, metric, _rows(where, shift.baseline), source, "explain"),
        after=_rate(store, cause.after, metric, rows, source, "explain"),
        effect=_points(
            store, cause.effect, metric, rows, source, "explain", contrast="focus against baseline, mix held"
        ),
        leave_out=_points(store, without, metric, f"not ({rows})", source, "leave_out", contrast="with and without"),
        contribution=_points(store, part, metric, rows, source, "decompose"),
        error_level=store.add(cause.error_level, "constant", tool="e-BH"),
        onset=_date(store, cause.onset, yearly=yearly),
        onset_from=_date(store, lo, yearly=yearly),
        onset_to=_date(store, hi, yearly=yearly),
        same_rows=tuple(store.add(spell_segment(s), "name") for s in cause.same_rows),
    )


def cite_change(store: EvidenceStore, change: MatchedChange, metric: str) -> ChangeCited:
    """Record a change that fits a cause, with its difference in differences and the placebo."""
    rows = f"scope of change {change.change_id}"
    contrast = "inside the change's scope against outside"

    def did(estimate: Estimate | None, tool: str) -> Evidence | None:
        if estimate is None:
            return None
        return _points(store, estimate, metric, rows, LabelSource.RECORD, tool, contrast=contrast)

    return ChangeCited(
        name=store.add(change.change_id, "name"),
        at=store.add(change.at, "date"),
        did=did(change.did, "difference_in_differences"),
        placebo=did(change.placebo, "placebo"),
    )


def cite_theme(store: EvidenceStore, theme: Theme) -> ThemeCited:
    """Record what a theme says; its label is a name, so that words from outside stay marked as such."""
    rows = f"theme_id = '{theme.id}'"
    overturn = None
    if theme.overturn is not None:
        overturn = store.add(
            theme.overturn.value,
            "rate",
            denominator=theme.overturn.n or None,
            interval=theme.overturn.interval,
            filter=rows,
            tool="themes",
            arguments={"metric": "overturn_rate"},
        )
    return ThemeCited(
        label=store.add(theme.label, "name", tool=theme.named_by),
        size=store.add(theme.size, "count", filter=rows, tool="themes"),
        folded=store.add(theme.folded, "count", filter=f"{rows}, near-duplicates folded", tool="themes"),
        units=store.add(theme.units, "count", filter=f"units of {rows}", tool="themes"),
        overturn=overturn,
    )


def cite_backtest(store: EvidenceStore, test: Backtest) -> BacktestCited:
    """Record what a backtest says."""
    known = test.identification
    flow = {"released": test.flow.released, "new": test.flow.new, "rerouted": test.flow.rerouted}

    def count(value: int, rows: str) -> Evidence:
        return store.add(value, "count", filter=rows, tool="backtest", arguments={"proposal": test.proposal_id})

    return BacktestCited(
        cases=count(test.cases, "all cases replayed"),
        affected=count(known.total, "cases that fare otherwise"),
        coverage=store.add(
            known.coverage if known.total else None,
            "rate",
            numerator=known.total - known.unidentified - known.modelled,
            denominator=known.total,
            filter="affected cases whose truth is known or estimable",
            tool="backtest",
            arguments={"proposal": test.proposal_id, "metric": "coverage"},
        ),
        unidentified=count(known.unidentified + known.modelled, "affected cases whose truth is not known"),
        **{name: count(value, f"flow: {name}") for name, value in flow.items()},
        outcomes=tuple(_outcome(store, o, test.proposal_id) for o in test.outcomes),
        guardrails=tuple(
            count(sum(g.verdict == v for g in test.guardrails), f"guardrails: {v}")
            for v in ("pass", "fail", "cannot_tell")
        ),
    )


def record_shift(store: EvidenceStore, shift: Shift) -> Shift:
    """Add a shift's evidence and return the shift with the ids filled in."""
    return shift.model_copy(update={"evidence": ids(cite_shift(store, shift))})


def record_cause(store: EvidenceStore, cause: Cause, shift: Shift) -> Cause:
    """Add a cause's evidence and return the cause with the ids filled in, after those it had."""
    changes = [i for c in cause.changes for i in ids(cite_change(store, c, shift.metric))]
    return cause.model_copy(update={"evidence": _joined(cause.evidence, ids(cite_cause(store, cause, shift)), changes)})


def record_theme(store: EvidenceStore, theme: Theme) -> Theme:
    """Add a theme's evidence and return the theme with the ids filled in."""
    return theme.model_copy(update={"evidence": ids(cite_theme(store, theme))})


def record_backtest(store: EvidenceStore, test: Backtest) -> Backtest:
    """Add a backtest's evidence and return the backtest with the ids filled in, after those it had."""
    return test.model_copy(update={"evidence": _joined(test.evidence, ids(cite_backtest(store, test)))})


def record_proposal(store: EvidenceStore, proposal: Proposal, test: Backtest | None = None) -> Proposal:
    """Return the proposal with the evidence ids of its edits and of its backtest filled in, after those it had."""
    of_edits = [i for edit in proposal.edits for i in edit.evidence]
    of_test = ids(cite_backtest(store, test)) if test else ()
    return proposal.model_copy(update={"evidence": _joined(proposal.evidence, of_edits, of_test)})


def _joined(*groups: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(i for group in groups for i in group))


def _rows(scope: Segment, window: Window) -> str:
    return " & ".join(str(part) for part in (scope, window) if str(part) != "all") or "all"


def _window(store: EvidenceStore, window: Window) -> Evidence:
    return store.add(spell_window(window), "name")


def _date(store: EvidenceStore, day: date | None, *, yearly: bool = False) -> Evidence | None:
    """A day, or the year that it stands for."""
    if day is None:
        return None
    return store.add(str(day.year), "name") if yearly else store.add(day, "date")


def _rate(store: EvidenceStore, counts: Counts, metric: str, rows: str, source: LabelSource, tool: str) -> Evidence:
    return store.add(
        counts.rate,
        "rate",
        numerator=counts.k,
        denominator=counts.n,
        filter=rows,
        tool=tool,
        arguments={"metric": metric, "units": counts.units},
        label_source=source,
    )


def _points(
    store: EvidenceStore,
    estimate: Estimate,
    metric: str,
    rows: str,
    source: LabelSource,
    tool: str,
    contrast: str = "",
) -> Evidence:
    arguments: dict[str, Scalar] = {"metric": metric}
    if contrast:
        arguments["contrast"] = contrast
    return store.add(
        estimate.value,
        "points",
        denominator=estimate.n or None,
        interval=estimate.interval,
        filter=rows,
        tool=tool,
        arguments=arguments,
        label_source=source,
    )


_UNITS = {"cost": "money", "money": "money", "share": "points", "rate": "points", "points": "points"}
_LEVELS = {"points": "rate"}


def _outcome(store: EvidenceStore, outcome: Outcome, proposal_id: str) -> OutcomeCited:
    """The size of the difference stands unsigned, since prose says which way; bounds take the interval's place."""
    unit = _UNITS.get(outcome.unit, "count")
    arguments: dict[str, Scalar] = {"proposal": proposal_id, "outcome": outcome.name}

    def level(value: float | None, which: str) -> Evidence | None:
        if value is None:
            return None
        return store.add(
            value,
            _LEVELS.get(unit, unit),
            filter=which,
            tool="backtest",
            arguments=arguments,
            label_source=outcome.label_source,
        )

    return OutcomeCited(
        outcome=outcome,
        name=store.add(capital(outcome.name.replace("_", " ")), "name"),
        size=store.add(
            outcome.difference.value,
            unit,
            denominator=outcome.difference.n or None,
            interval=outcome.difference.interval or outcome.bounds,
            filter="proposed less today's",
            tool="backtest",
            arguments=arguments,
            label_source=outcome.label_source,
        ),
        today=level(outcome.today, "today's set"),
        proposed=level(outcome.proposed, "proposed set"),
    )
