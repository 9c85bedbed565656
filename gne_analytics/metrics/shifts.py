"""Shifts: which policy x metric series moved beyond chance, each tested once, false discoveries controlled over all."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Period, Shift
from gne_analytics.metrics.definitions import WATCHED, available
from gne_analytics.metrics.discoveries import benjamini_hochberg
from gne_analytics.metrics.observations import Observations, mature, measure_shift, observe, unrankable
from gne_analytics.metrics.series import SERIES_DIMENSION, Series, scanned
from gne_analytics.tables.record import Record

LEVEL = 0.02
"""False-discovery level over all series that were looked at."""
PLATFORM_SHARE = 0.6
"""A move that so large a share of the policies makes at once is one event of the platform."""
CHOSEN = "The windows are the pair with the strongest difference, so the size and its interval flatter."
PLAINEST = "It shows most plainly in one part of these rows."
IN_PART_ONLY = "Over all these rows the change is within chance; it shows in one part of them."


def find_shifts(
    record: Record, *, metrics: Sequence[str] | None = None, level: float = LEVEL, seed: int = 0,
    scope: Segment = Segment({}),  # noqa: B008
) -> list[Shift]:  # fmt: skip
    """Return what moved beyond chance, strongest first; one test per policy x metric series and one per metric overall.

    ``metrics`` defaults to the watched ones that the record allows. Immature weeks are left out. A move that nearly all
    policies make at once is told by the overall series, whose id the others carry as ``platform_event``; an overall
    move that single policies explain is left to them. With a ``scope`` only its rows are looked at; where that is one
    policy, its series stays one of all that are tested.
    """
    watched = [m for m in available(record) if m in WATCHED]
    one_policy = scope.dimensions == (SERIES_DIMENSION,) and len(scope.values(SERIES_DIMENSION)) == 1
    looked_at = Segment({}) if one_policy else scope
    found = shifts_in([observe(record, metric, looked_at) for metric in metrics or watched], level=level, seed=seed)
    return [s for s in found if s.scope == scope] if one_policy else found


def shifts_in(observed: Sequence[Observations], *, level: float = LEVEL, seed: int = 0) -> list[Shift]:
    """Return what moved beyond chance in some metrics' observations, as `find_shifts` does for a record."""
    rng = np.random.default_rng(seed)
    series = [s for one in observed for s in scanned(mature(one)[0], rng)]
    passed = benjamini_hochberg([s.found.p for s in series]) <= level
    shifts: list[tuple[Series, Shift]] = []
    for one, significant in zip(series, passed, strict=True):
        if significant:
            shift = _shift(one)
            if not unrankable(shift.before, shift.after):
                shifts.append((one, shift))
    told = _tell_platform_events(shifts, series)
    return sorted(told, key=lambda s: (s.platform_event not in (None, s.id), -s.e_value, s.id))


def e_of_p(p: float) -> float:
    """Turn a p-value into an e-value by the mixture calibrator (Vovk and Wang, 2021)."""
    p = min(max(p, 1e-300), 1 - 1e-9)
    log_p = float(np.log(p))
    return (1 - p + p * log_p) / (p * log_p**2)


def _shift(series: Series) -> Shift:
    scoped = series.observations.within(series.scope)
    baseline, focus = series.periods()
    shift = measure_shift(scoped, baseline, focus)
    flags = [*shift.flags, CHOSEN, *series.flags]
    if series.strongest.depth:
        beyond_chance = shift.delta.interval is not None and not shift.delta.interval.lo <= 0 <= shift.delta.interval.hi
        flags.append(PLAINEST if beyond_chance else IN_PART_ONLY)
    return shift.model_copy(
        update={
            "e_value": e_of_p(series.found.p), "significant": True, "strongest": series.strongest,
            "flags": tuple(flags),
        }
    )  # fmt: skip


def _tell_platform_events(shifts: list[tuple[Series, Shift]], series: Sequence[Series]) -> list[Shift]:
    out: list[Shift] = []
    for one, shift in shifts:
        if one.scope.depth:
            continue
        peers = [s for s in series if s.metric == one.metric and s.scope.depth]
        parts = [
            (o, s)
            for o, s in shifts
            if o.metric == one.metric and o.scope.depth and o.found.z * one.found.z > 0 and _at_once(s, shift)
        ]
        if peers and len(peers) >= 3 and _share_that_moved(one, peers) >= PLATFORM_SHARE:
            flag = "Nearly all policies moved alike at once: an event of the platform, told once."
            out.append(shift.model_copy(update={"platform_event": shift.id, "flags": (*shift.flags, flag)}))
            for _, moved in parts:
                out.append(moved.model_copy(update={"platform_event": shift.id}))
        elif not parts:
            out.append(shift)
    told = {s.id for s in out}
    return [*out, *(s for o, s in shifts if o.scope.depth and s.id not in told)]


def _at_once(part: Shift, whole: Shift) -> bool:
    if not isinstance(part.focus, Period) or not isinstance(whole.focus, Period):
        return False
    overlap = min(part.focus.end, whole.focus.end) - max(part.focus.start, whole.focus.start)
    return overlap > timedelta(0)


def _share_that_moved(whole: Series, peers: Sequence[Series]) -> float:
    """The share of policies whose rate moved the overall series' way, by two standard errors, in its windows."""
    baseline, focus = whole.periods()
    sign = np.sign(whole.found.z)
    moved = looked_at = 0
    for peer in peers:
        shift = measure_shift(peer.observations.within(peer.scope), baseline, focus)
        if unrankable(shift.before, shift.after) or shift.delta.interval is None:
            continue
        looked_at += 1
        edge = shift.delta.interval.lo if sign > 0 else -shift.delta.interval.hi
        moved += edge > 0
    return moved / looked_at if looked_at >= 3 else 0.0
