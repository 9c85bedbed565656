"""The public verb: which segments moved a metric, how much each holds of the shift, and how sure that is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from html import escape

import numpy as np
import polars as pl

from gne_analytics.causes.baseline import Baseline, fit_baseline
from gne_analytics.causes.cells import NEW, STANDARD, VANISHED, Lattice, Residuals, is_version
from gne_analytics.causes.context import MechanismContext
from gne_analytics.causes.cube import Cube, Mask, build_cube
from gne_analytics.causes.decompose import Part, Split, decompose, leave_out
from gne_analytics.causes.mechanism import match_changes, type_mechanism
from gne_analytics.causes.onset import Onset, find_onset
from gne_analytics.causes.screen import screen
from gne_analytics.causes.search import SAME_ROWS, jaccard, pursue
from gne_analytics.causes.verify import LEVEL, Claim, cross_fit, dominant_units, e_bh
from gne_analytics.evidence.segment import Frozen, Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import (
    Cause,
    CauseKind,
    Counts,
    Decomposition,
    Estimate,
    Interval,
    Period,
    Shift,
)
from gne_analytics.metrics.intervals import Difference, rate_difference
from gne_analytics.metrics.observations import Observations, mature, unrankable

DEFAULT_NOISE = 0.01
"""Variance share between periods that is assumed where the record is too short to measure it."""
MATERIAL = 0.05
"""A segment that holds less than this part of the shift, either way of counting, is not worth a line."""
BATCH_SHARE = 0.4
"""So much of a segment's reversals at one instant, or marked as a batch, is one correction run."""
MAINLY = 0.5
"""A mix effect of so large a part of the shift is told as a finding of its own."""
STILL_THERE = 3.0
"""A claim must stand so many standard errors from zero after the claims before it are taken out."""

KINDS = {STANDARD: CauseKind.RATE_SHIFT, NEW: CauseKind.NEW_SEGMENT, VANISHED: CauseKind.VANISHED_SEGMENT}


class Explanation(Frozen):
    """What explains a shift: causes in order of rank, the exact decomposition, and what was not looked at and why."""

    shift: Shift
    causes: tuple[Cause, ...]
    decomposition: Decomposition
    dimensions: tuple[str, ...]
    """The dimensions that were searched."""
    refused: Mapping[str, str]
    """Dimension -> why it may not explain."""
    baseline_model: str = ""
    notes: tuple[str, ...] = ()
    """Plain sentences, without figures, on what limits this."""

    def summary(self) -> str:
        """One line per cause, then what is left: text that a policy owner can paste."""
        s = self.shift
        head = (
            f"{s.metric}{f' ({s.scope})' if s.scope.depth else ''}: {s.before.rate:.1%} of {s.before.n:,} -> "
            f"{s.after.rate:.1%} of {s.after.n:,} ({100 * s.delta.value:+.1f} points), {s.baseline} to {s.focus}"
        )
        lines = [head]
        lines += [
            f"{c.rank}. {c.segment} [{c.kind}, {c.status}]: {c.before.k} of {c.before.n} -> {c.after.k} of "
            f"{c.after.n}; leaving it out removes {100 * c.leave_out:.1f} points, contribution "
            f"{100 * c.contribution:+.1f}; {c.mechanism}"
            for c in self.causes
        ]
        if not self.causes:
            lines.append("No segment stands out beyond chance.")
        mix = sum(m.contribution for m in self.decomposition.mix)
        lines.append(f"Mix {100 * mix:+.1f} points, not explained {100 * self.decomposition.residual:+.1f} points.")
        return "\n".join([*lines, *self.notes])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{c.rank}</td><td>{escape(str(c.segment))}</td><td>{c.kind}</td><td>{c.status}</td>"
            f"<td>{100 * c.effect.value:+.1f}</td><td>{100 * c.leave_out:+.1f}</td><td>{100 * c.contribution:+.1f}</td>"
            f"<td>{c.before.n:,} / {c.after.n:,}</td><td>{c.mechanism}</td></tr>"
            for c in self.causes
        )
        head = "".join(
            f"<th>{h}</th>"
            for h in ("", "segment", "kind", "status", "effect", "leave out", "contribution", "n before / after", "why")
        )
        caption = escape(self.summary().splitlines()[0])
        return f"<table><caption>{caption}; points</caption><tr>{head}</tr>{rows}</table>"


def explain(
    obs: Observations,
    shift: Shift,
    *,
    changes: pl.DataFrame | None = None,
    context: MechanismContext | None = None,
    store: EvidenceStore,
    depth: int = 4,
    shifts_tested: int = 1,
) -> Explanation:
    """Find where and why a shift happened, on ``obs``, the shift's metric over its scope.

    Search and verification swap halves of the units; without a unit nothing is more than a candidate. ``changes`` are
    matched by scope and onset; ``context`` types the mechanism. ``shifts_tested`` widens the false-discovery control
    to all shifts explained together. A rate over 1, or too few rows, is not explained but said.
    """
    obs, _ = mature(obs)
    dims, refused = screen(obs, shift)
    if unrankable(shift.before, shift.after) or not dims:
        note = "Not explained: a rate lies over one or rests on too few rows." if dims else "No dimension may explain."
        return Explanation(
            shift=shift, causes=(), dimensions=dims, refused=refused, notes=(note,),
            decomposition=Decomposition(delta=shift.delta.value, causes={}, mix=(), residual=shift.delta.value),
        )  # fmt: skip
    sides = obs.sides(shift.baseline, shift.focus)
    cube = build_cube(obs.frame.with_columns(side=sides), dims, unit=obs.has_unit, paths=obs.paths)
    baseline = fit_baseline(cube)
    notes: list[str] = []
    if obs.has_unit:
        claims = cross_fit(cube, depth=depth)
        _confirm(claims, shifts_tested)
        claims += _pooled(cube, baseline, claims, depth)
        noise = 0.0
    else:
        noise = period_noise(obs, dims, shift)
        claims = [Claim(found) for found in pursue(cube, baseline, noise=noise, depth=depth)]
        notes.append("The source declares no unit of independence, so no cause is more than a candidate.")
    kept = _disjoint(cube, baseline, claims, noise)
    parts = [Part(_cause_id(shift, k.claim.segment), k.rows, k.claim.found.kind, k.effect) for k in kept]
    decomposition, _ = decompose(cube, baseline, parts, mix=False)
    kept, parts = _material(cube, kept, parts, decomposition)
    decomposition, splits = decompose(cube, baseline, parts)
    ranked = sorted(
        zip(kept, parts, strict=True),
        key=lambda pair: (not pair[0].claim.confirmed, -abs(decomposition.causes[pair[1].id])),
    )
    causes = [
        _why(
            obs,
            shift,
            _cause(obs, shift, cube, k, part, rank, decomposition, splits.get(part.id), store),
            changes,
            context,
            store,
        )
        for rank, (k, part) in enumerate(ranked, start=1)
    ]
    if told := _mix_cause(shift, cube, baseline, decomposition, len(causes) + 1, store):
        causes.append(told)
    return Explanation(
        shift=shift, causes=tuple(causes), decomposition=decomposition, dimensions=dims, refused=refused,
        baseline_model=baseline.kind, notes=tuple(notes),
    )  # fmt: skip


def period_noise(obs: Observations, dims: Sequence[str], shift: Shift) -> float:
    """Estimate how much a cell's rate varies between periods beyond sampling (rho), from the record before the focus.

    Method of moments over value x period cells, each period's overall level taken out; the default where the record
    before the focus has fewer than three periods.
    """
    if not isinstance(shift.focus, Period):
        return DEFAULT_NOISE
    clock = {"year": "event_year", "month": "event_month"}.get(obs.grain, "event_week")
    history = obs.frame.filter(pl.col("event_date") < shift.focus.start)
    if history[clock].n_unique() < 3 or history["n"].sum() == 0:
        return DEFAULT_NOISE
    excess, weight = 0.0, 0.0
    for dimension in dims:
        cells = history.group_by(dimension, clock).agg(pl.col("k").sum(), pl.col("n").sum()).filter(pl.col("n") >= 10)
        cells = cells.with_columns(
            mean=pl.col("k").sum().over(dimension) / pl.col("n").sum().over(dimension)
            + pl.col("k").sum().over(clock) / pl.col("n").sum().over(clock)
            - pl.col("k").sum() / pl.col("n").sum()
        ).filter(pl.len().over(dimension) >= 3)
        if cells.is_empty():
            continue
        k, n = cells["k"].to_numpy().astype(float), cells["n"].to_numpy().astype(float)
        p = np.clip(cells["mean"].to_numpy(), 0.02, 0.98)
        periods = cells.height / max(cells[dimension].n_unique(), 1)
        lost = max(1 - 1 / periods, 0.5)
        pq = p * (1 - p)
        excess += float((n * ((k / n - p) ** 2 / lost - pq / n)).sum())
        weight += float((n * pq).sum())
    return float(np.clip(excess / weight, 0.002, 0.05)) if weight else DEFAULT_NOISE


@dataclass(frozen=True)
class _Kept:
    claim: Claim
    rows: Mask
    effect: float


def _pooled(cube: Cube, baseline: Baseline, claims: Sequence[Claim], depth: int) -> list[Claim]:
    """Segments that only all units together show: too small for halves to find, so never more than candidates."""
    weight = cube.n0 + cube.n1
    taken = [cube.mask(c.segment) for c in claims]
    found = pursue(cube, baseline, depth=depth)
    return [
        Claim(one) for one in found
        if all(jaccard(cube.mask(one.segment), rows, weight) < SAME_ROWS for rows in taken)
    ]  # fmt: skip


def _confirm(claims: Sequence[Claim], shifts_tested: int) -> None:
    passed = e_bh([c.e for c in claims], LEVEL, tests=len(claims) * max(shifts_tested, 1))
    for claim, ok in zip(claims, passed, strict=True):
        claim.confirmed = ok and len(claim.related) == 2 and not claim.thin and not claim.actor


def _disjoint(cube: Cube, baseline: Baseline, claims: Sequence[Claim], noise: float) -> list[_Kept]:
    """Order claims and keep those that still say something once the ones before them are taken out."""
    residuals = Residuals(cube, baseline, noise)
    lattice = Lattice(residuals, depth=0)
    order = sorted(claims, key=lambda c: (not c.confirmed, -c.e, -c.found.score, str(c.segment)))
    kept: list[_Kept] = []
    weight = cube.n0 + cube.n1
    for claim in order:
        rows = cube.mask(claim.segment)
        size = float(weight[rows].sum())
        overlap = max((float(weight[rows & k.rows].sum()) / size for k in kept), default=0.0) if size else 1.0
        versioned = any(is_version(d) for d in claim.segment.dimensions)
        effect, variance, kind = lattice.measure_rows(rows, versioned=versioned)
        gone = not math.isfinite(variance) or effect * claim.found.effect <= 0 or kind != claim.found.kind
        if kept and (gone or overlap > 0.5 or effect**2 < STILL_THERE**2 * variance):
            continue
        if not math.isfinite(variance):
            continue
        kept.append(_Kept(claim, rows, effect))
        residuals.take_out(rows, effect, kind)
    return kept


def _mix_cause(
    shift: Shift, cube: Cube, baseline: Baseline, whole: Decomposition, rank: int, store: EvidenceStore
) -> Cause | None:
    """Tell a shift that is mainly a changed mix: the dimension that changed, and its value that pulled hardest."""
    total = sum(m.contribution for m in whole.mix)
    interval = shift.delta.interval
    clear = interval is not None and not interval.lo <= 0 <= interval.hi
    searched = {a.dimension for a in cube.axes if not is_version(a.dimension)}
    named = [m for m in whole.mix if m.dimension in searched and m.contribution * whole.delta > 0]
    if not named or not clear or total * whole.delta <= 0 or abs(total) < MAINLY * abs(whole.delta):
        return None
    top = max(named, key=lambda m: abs(m.contribution))
    axis = next(a for a in cube.axes if a.dimension == top.dimension)
    known = axis.codes >= 0
    w0, w1, n, expected = (
        np.bincount(axis.codes[known], x[known], axis.size)
        for x in (
            cube.n0 / cube.n0.sum(), cube.n1 / cube.n1.sum(), cube.n0 + cube.n1, (cube.n0 + cube.n1) * baseline.p,
        )
    )  # fmt: skip
    pull = (w1 - w0) * (expected / np.maximum(n, 1e-9) - baseline.rate) * np.sign(whole.delta)
    segment = Segment.of({top.dimension: axis.values[int(np.argmax(pull))]})
    rows = cube.mask(segment)
    before, after = _counts(cube, rows, 0), _counts(cube, rows, 1)
    lost = _finite(leave_out(cube, rows))
    change = rate_difference(cube.k0[rows], cube.n0[rows], cube.k1[rows], cube.n1[rows], None)
    effect = change.estimate(before.n + after.n, "two-sample") if before.n and after.n else Estimate(value=0.0)
    ids = [store.add(str(segment), "name", tool="causes.explain").id]
    for value, what in ((lost, "leave_out"), (top.contribution, "mix over the dimension"), (total, "mix")):
        ids.append(store.add(value, "points", filter=str(segment), tool="causes.explain", arguments={"what": what}).id)
    return Cause(
        id=_cause_id(shift, segment), shift_id=shift.id, rank=rank, segment=segment, kind=CauseKind.MIX_SHIFT,
        status="candidate", status_reason="The mix changed, which moves the rate though no rate need have changed.",
        before=before, after=after, effect=effect, leave_out=lost, contribution=top.contribution, evidence=tuple(ids),
    )  # fmt: skip


def _material(
    cube: Cube, kept: Sequence[_Kept], parts: Sequence[Part], whole: Decomposition
) -> tuple[list[_Kept], list[Part]]:
    """Keep what is confirmed or holds a part of the shift that is worth a line."""
    least = MATERIAL * abs(whole.delta)
    worth = [
        (k, p)
        for k, p in zip(kept, parts, strict=True)
        if k.claim.confirmed or max(abs(whole.causes[p.id]), abs(leave_out(cube, k.rows))) >= least
    ]
    return [k for k, _ in worth], [p for _, p in worth]


def _cause_id(shift: Shift, segment: Segment) -> str:
    return "C" + blake2b(f"{shift.id}|{segment}".encode(), digest_size=5).hexdigest()


def _counts(cube: Cube, rows: Mask, side: int) -> Counts:
    n, k = (cube.n1, cube.k1) if side else (cube.n0, cube.k0)
    units = 0 if cube.unit is None else int(np.unique(cube.unit[rows & (n > 0)]).size)
    return Counts(k=round(float(k[rows].sum())), n=round(float(n[rows].sum())), units=units)


def _cause(
    obs: Observations, shift: Shift, cube: Cube, kept: _Kept, part: Part, rank: int, whole: Decomposition,
    split: Split | None, store: EvidenceStore,
) -> Cause:  # fmt: skip
    claim, segment = kept.claim, kept.claim.segment
    before, after = _counts(cube, kept.rows, 0), _counts(cube, kept.rows, 1)
    kind = _kind(claim, cube.take(kept.rows), shift)
    effect = _effect(claim.effect(), before, after, verified=obs.has_unit)
    volume = kind in (CauseKind.NEW_SEGMENT, CauseKind.VANISHED_SEGMENT)
    onset = find_onset(obs, segment, shift.baseline, shift.focus, volume=volume)
    lost, share = leave_out(cube, kept.rows), whole.causes[part.id]
    evidence = _evidence(obs, shift, segment, before, after, effect, lost, share, split, onset, store)
    return Cause(
        id=part.id, shift_id=shift.id, rank=rank, segment=segment, kind=kind,
        status="confirmed" if claim.confirmed else "candidate",
        status_reason="" if claim.confirmed else _why_candidate(obs, claim),
        before=before, after=after, effect=effect, leave_out=_finite(lost), contribution=share, e_value=claim.e,
        error_level=LEVEL, onset=onset.day if onset else None, onset_interval=(onset.lo, onset.hi) if onset else None,
        same_rows=claim.found.same_rows, evidence=evidence,
    )  # fmt: skip


def _why(
    obs: Observations, shift: Shift, cause: Cause, changes: pl.DataFrame | None, context: MechanismContext | None,
    store: EvidenceStore,
) -> Cause:  # fmt: skip
    """Add the changes that fit, and the mechanism."""
    if _is_batch(shift, cause.segment, context):
        cause = cause.model_copy(update={"kind": CauseKind.BATCH_CORRECTION})
    matched = match_changes(obs, shift, cause.segment, cause.onset, changes)
    known = changes is not None and not changes.is_empty()
    typed = type_mechanism(
        shift, cause.segment, cause.kind, cause.onset, matched, changes_known=known, context=context, store=store
    )
    return cause.model_copy(
        update={
            "changes": matched, "mechanism": typed.mechanism, "mechanism_reasons": typed.reasons,
            "rivals": typed.rivals, "owner": typed.owner, "levers": typed.levers,
        }
    )  # fmt: skip


def _is_batch(shift: Shift, segment: Segment, context: MechanismContext | None) -> bool:
    """Whether the segment's reversals came in one run: by source, or at one instant."""
    cases = (
        context.rows(context.cases, Segment.of({**dict(shift.scope.items()), **dict(segment.items())}))
        if context
        else None
    )
    if shift.metric != "reversal_rate" or cases is None or "reversed_at" not in cases.columns:
        return False
    if isinstance(shift.focus, Period):
        cases = cases.filter((pl.col("event_date") >= shift.focus.start) & (pl.col("event_date") < shift.focus.end))
    reversed_ = cases.filter(pl.col("reversed_at").is_not_null())
    if reversed_.height < 10:
        return False
    at_once = float(reversed_["reversed_at"].value_counts()["count"].max()) / reversed_.height  # type: ignore[arg-type]
    batch = reversed_.filter(pl.col("reversal_source") == "batch").height if "reversal_source" in cases.columns else 0
    return max(at_once, batch / reversed_.height) > BATCH_SHARE


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def _kind(claim: Claim, cell: Cube, shift: Shift) -> CauseKind:
    if not claim.segment.depth and (not shift.scope.depth or shift.platform_event):
        return CauseKind.PLATFORM_EVENT
    if claim.actor and dominant_units(cell).any():
        return CauseKind.ONE_ACTOR
    return KINDS[claim.found.kind]


def _effect(difference: Difference, before: Counts, after: Counts, *, verified: bool) -> Estimate:
    if not math.isfinite(difference.se):
        return Estimate(value=difference.value, n=before.n + after.n)
    method = "held-out units, clustered by unit" if verified else "in sample, dispersion over time"
    estimate = difference.estimate(before.n + after.n, method)
    lo, hi = (estimate.interval.lo, estimate.interval.hi) if estimate.interval else (-1.0, 1.0)
    return Estimate(value=estimate.value, interval=Interval(lo=lo, hi=hi, method=method), n=estimate.n)


def _why_candidate(obs: Observations, claim: Claim) -> str:
    if not obs.has_unit:
        return "The source declares no unit of independence, so it cannot be verified on held-out units."
    if claim.actor:
        return "One unit carries it; without that unit nothing is left to verify."
    if claim.thin:
        return "Too few independent units lie in it to verify it."
    if not claim.folds:
        return "Only all units together show it; neither fold of them does by itself."
    if len(claim.related) < 2:
        return "Only one fold of the units shows it."
    return "The held-out units do not show it beyond the error level."


def _evidence(
    obs: Observations, shift: Shift, segment: Segment, before: Counts, after: Counts, effect: Estimate, lost: float,
    share: float, split: Split | None, onset: Onset | None, store: EvidenceStore,
) -> tuple[str, ...]:  # fmt: skip
    where = str(segment) if not shift.scope.depth else f"{shift.scope} & {segment}"

    def add(value: float | str, unit: str, **more: object) -> str:
        return store.add(
            value, unit, filter=where, tool="causes.explain", label_source=obs.label_source,
            data_hash=obs.source_hash, **more,  # type: ignore[arg-type]
        ).id  # fmt: skip

    ids = [add(str(segment), "name")]
    for counts, window in ((before, shift.baseline), (after, shift.focus)):
        ids.append(add(counts.n, "count", arguments={"window": str(window)}))
        if counts.n:
            ids.append(
                add(counts.rate, "rate", numerator=counts.k, denominator=counts.n, arguments={"window": str(window)})
            )
    ids.append(add(effect.value, "points", denominator=effect.n, interval=effect.interval,
                   arguments={"what": "effect"}))  # fmt: skip
    ids.append(add(lost, "points", arguments={"what": "leave_out"}))
    ids.append(add(share, "points", arguments={"what": "contribution"}))
    if split:
        ids.append(add(split.what_it_is, "points", arguments={"what": "contribution: what it is"}))
        ids.append(add(split.how_much, "points", arguments={"what": "contribution: how much there is of it"}))
    if onset:
        ids.append(add(onset.day.isoformat(), "date", arguments={"what": "onset"}))
    return tuple(ids)
