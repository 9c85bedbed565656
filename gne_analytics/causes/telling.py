"""From a claim to a cause: counts, effect, onset, status, mechanism, and the evidence of every figure."""

import math
from collections.abc import Iterator
from datetime import date
from hashlib import blake2b

import numpy as np
import polars as pl

from gne_analytics.causes.cells import NEW, STANDARD, VANISHED, is_version
from gne_analytics.causes.changes import match_changes
from gne_analytics.causes.context import MechanismContext
from gne_analytics.causes.cube import Cube, Mask
from gne_analytics.causes.decompose import Part, Split, leave_out
from gne_analytics.causes.disjoint import Kept
from gne_analytics.causes.kinds import is_batch, moved_beyond
from gne_analytics.causes.mechanism import type_mechanism
from gne_analytics.causes.onset import Onset, find_onset
from gne_analytics.causes.rising import rising_themes
from gne_analytics.causes.season import comes_back
from gne_analytics.causes.verify import LEVEL, Claim, dominant_units
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import (
    Cause,
    CauseKind,
    Counts,
    Decomposition,
    Estimate,
    Interval,
    RisingTheme,
    Shift,
)
from gne_analytics.metrics.definitions import METRICS, HigherIs
from gne_analytics.metrics.intervals import Difference
from gne_analytics.metrics.observations import Observations
from gne_analytics.metrics.windows import segment_mask, window_mask

HAS_A_PAST = 30
"""Baseline rows without which a version's own rate can show no step."""
IN_SAMPLE = "in sample, not held out"
KINDS = {STANDARD: CauseKind.RATE_SHIFT, NEW: CauseKind.NEW_SEGMENT, VANISHED: CauseKind.VANISHED_SEGMENT}


def cause_id(shift: Shift, segment: Segment, what: str = "") -> str:
    """The id of a segment's part in a shift; ``what`` tells a changed mix from a rate that moved there."""
    named = f"{shift.id}|{segment}" + (f"|{what}" if what else "")
    return "C" + blake2b(named.encode(), digest_size=5).hexdigest()


def counts_in(cube: Cube, rows: Mask, side: int) -> Counts:
    """Count k, n and units of some leaves on one side."""
    n, k = (cube.n1, cube.k1) if side else (cube.n0, cube.k0)
    units = 0 if cube.unit is None else int(np.unique(cube.unit[rows & (n > 0)]).size)
    return Counts(k=round(float(k[rows].sum())), n=round(float(n[rows].sum())), units=units)


def tell_cause(
    obs: Observations, shift: Shift, cube: Cube, kept: Kept, part: Part, rank: int, whole: Decomposition,
    split: Split | None, store: EvidenceStore,
) -> Cause:  # fmt: skip
    """Make the cause of a claim: its counts, effect, onset and status, every figure recorded as evidence."""
    claim, segment = kept.claim, kept.claim.segment
    told = (
        kept.rows if segment.depth else np.ones(cube.size, dtype=bool)
    )  # everything is all rows, whatever it explains
    before, after = counts_in(cube, told, 0), counts_in(cube, told, 1)
    kind = _kind(claim, cube.take(kept.rows), shift)
    effect = _effect(claim.effect(), before, after, _method(obs, claim))
    volume = kind in (CauseKind.NEW_SEGMENT, CauseKind.VANISHED_SEGMENT)
    onset = onset_of(obs, shift, segment, before, volume)
    lost, share = leave_out(cube, told), whole.causes[part.id]
    evidence = _evidence(obs, shift, segment, before, after, effect, lost, share, split, onset, store)
    return Cause(
        id=part.id, shift_id=shift.id, rank=rank, segment=segment, kind=kind,
        status="confirmed" if claim.confirmed else "candidate",
        status_reason="" if claim.confirmed else _why_candidate(obs, claim),
        before=before, after=after, effect=effect, leave_out=finite(lost), contribution=share, e_value=claim.e,
        error_level=LEVEL, onset=onset.day if onset else None, onset_interval=(onset.lo, onset.hi) if onset else None,
        same_rows=claim.found.same_rows, runners_up=claim.found.runners_up, evidence=evidence,
    )  # fmt: skip


def onset_of(obs: Observations, shift: Shift, segment: Segment, before: Counts, volume: bool) -> Onset | None:
    """Find a segment's onset; where it names a version that hardly was before, that of its cases of any version.

    Not before the segment's first row.
    """
    past = Segment.of({d: v for d, v in segment.items() if not is_version(d)})
    if volume or past == segment or before.n >= HAS_A_PAST:
        return find_onset(obs, segment, shift.baseline, shift.focus, volume=volume)
    found = find_onset(obs, past, shift.baseline, shift.focus)
    windows = window_mask(shift.baseline, obs.frame, obs.paths) | window_mask(shift.focus, obs.frame, obs.paths)
    first = obs.frame.filter(windows & segment_mask(segment, obs.paths))["event_date"].min()
    if found is None or not isinstance(first, date):
        return found
    return Onset(max(found.day, first), max(found.lo, first), max(found.hi, first))


def add_why(
    obs: Observations, shift: Shift, cause: Cause, changes: pl.DataFrame | None, context: MechanismContext | None,
    store: EvidenceStore,
) -> Cause:  # fmt: skip
    """Add what it really is where it is no failing, the changes that fit, the themes that rose, and the mechanism."""
    cause = cause.model_copy(update={"kind": kind_of(obs, shift, cause, context)})
    if not _may_fail(shift, cause.effect.value):
        return cause  # it holds the shift back, and not to the worse: nothing failed there
    onset = Onset(cause.onset, *cause.onset_interval) if cause.onset and cause.onset_interval else None
    cases = context.cases if context else None
    matched = match_changes(obs, shift, cause.segment, onset, changes, cases, rising=cause.effect.value >= 0)
    risen = rising_themes(shift, cause.segment, onset, context)
    known = changes is not None and not changes.is_empty()
    typed = type_mechanism(
        shift,
        cause.segment,
        cause.kind,
        onset,
        matched,
        changes_known=known,
        context=context,
        store=store,
        rising=cause.effect.value >= 0,
    )
    return cause.model_copy(
        update={
            "changes": matched, "mechanism": typed.mechanism, "mechanism_reasons": typed.reasons,
            "rivals": typed.rivals, "owner": typed.owner, "levers": typed.levers, "rising_themes": risen,
            "evidence": (*cause.evidence, *_evidence_of(risen, cause, store)),
        }
    )  # fmt: skip


def _evidence_of(risen: tuple[RisingTheme, ...], cause: Cause, store: EvidenceStore) -> Iterator[str]:
    for theme in risen:
        yield store.add(theme.label, "name", filter=str(cause.segment), tool="causes.rising").id
        for counts, when in ((theme.before, "before the onset"), (theme.after, "since the onset")):
            yield store.add(
                counts.rate, "rate", numerator=counts.k, denominator=counts.n, filter=str(cause.segment),
                tool="causes.rising", arguments={"theme": theme.theme_id or theme.label, "when": when},
            ).id  # fmt: skip


def _may_fail(shift: Shift, effect: float) -> bool:
    """Whether a segment moved with the shift, or to what is worse whatever the shift did."""
    meaning = METRICS[shift.metric].higher_is if shift.metric in METRICS else HigherIs.NEUTRAL
    worse = {HigherIs.WORSE: effect > 0, HigherIs.BETTER: effect < 0}.get(meaning, False)
    return worse or effect * shift.delta.value >= 0


def kind_of(obs: Observations, shift: Shift, cause: Cause, context: MechanismContext | None) -> CauseKind:
    """What a cause is: a correction run, a season, a move of the whole platform, or as the search found it."""
    if is_batch(shift, cause.segment, context):
        return CauseKind.BATCH_CORRECTION
    if cause.kind not in (CauseKind.RATE_SHIFT, CauseKind.PLATFORM_EVENT):
        return cause.kind
    if comes_back(obs, shift, cause.segment):
        return CauseKind.SEASONALITY
    if not cause.segment.depth and shift.scope.depth and moved_beyond(obs, shift, context):
        return CauseKind.PLATFORM_EVENT
    return cause.kind


def finite(value: float) -> float:
    """The value, zero where it is not finite."""
    return value if math.isfinite(value) else 0.0


def _kind(claim: Claim, cell: Cube, shift: Shift) -> CauseKind:
    if not claim.segment.depth and (not shift.scope.depth or shift.platform_event):
        return CauseKind.PLATFORM_EVENT
    if claim.actor and dominant_units(cell).any():
        return CauseKind.ONE_ACTOR
    return KINDS[claim.found.kind]


def _method(obs: Observations, claim: Claim) -> str:
    if not obs.has_unit:
        return "in sample, dispersion over time"
    return "held-out units, clustered by unit" if claim.has_held_out else IN_SAMPLE


def _effect(difference: Difference, before: Counts, after: Counts, method: str) -> Estimate:
    if not math.isfinite(difference.se):
        return Estimate(value=difference.value, n=before.n + after.n)
    estimate = difference.estimate(before.n + after.n, method)
    lo, hi = (estimate.interval.lo, estimate.interval.hi) if estimate.interval else (-1.0, 1.0)
    return Estimate(value=estimate.value, interval=Interval(lo=lo, hi=hi, method=method), n=estimate.n)


def _why_candidate(obs: Observations, claim: Claim) -> str:
    if not obs.has_unit:
        weak = " It is not beyond what periods differ by themselves." if claim.found.weak else ""
        return "Without a unit of independence it cannot be verified on held-out units." + weak
    return _why_unverified(claim) + ("" if claim.has_held_out else f" Its effect is {IN_SAMPLE}.")


def _why_unverified(claim: Claim) -> str:
    if claim.actor:
        return "One unit carries it; without that unit nothing is left to verify."
    if claim.thin:
        return "Too few independent units lie in it to verify it."
    if not claim.folds:
        return "Only all units together show it; neither fold of them does by itself."
    if len(claim.related) < 2:
        return "Only one half of the units shows it; the other, by itself, does not."
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
