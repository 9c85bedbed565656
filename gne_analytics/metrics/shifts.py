"""Shifts: which policy x metric series moved beyond chance, each tested once, false discoveries controlled over all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from gne_analytics.evidence.segment import MISSING, Segment
from gne_analytics.evidence.types import Period, Shift
from gne_analytics.metrics.definitions import WATCHED, available
from gne_analytics.metrics.intervals import Ints
from gne_analytics.metrics.observations import Observations, mature, measure_shift, observe, unrankable
from gne_analytics.metrics.scan import Scan, scan, window_pairs
from gne_analytics.tables.record import Record

LEVEL = 0.05
"""False-discovery level over all series that were looked at (Benjamini-Yekutieli: they overlap)."""
MIN_SERIES = 150
WEEKS = (4, 8, 13)
COARSE = (1, 2, 3)
SERIES_DIMENSION = "policy_id"
PLATFORM_SHARE = 0.6
"""A move that so large a share of the policies makes at once is one event of the platform."""


MOST_SLICES = 60
MIN_SLICE = 60
MOST_VALUES = 100
"""A dimension with more values than that is not looked at value by value."""
NEARLY_WHOLE = 0.9
CHOSEN = "The windows are the pair with the strongest difference, so the size and its interval flatter."
PLAINEST = "It shows most plainly in one part of these rows, which is named as the strongest."
IN_PART_ONLY = "Over all these rows the change is within chance; it shows in one part of them, named as the strongest."


@dataclass(frozen=True)
class _Series:
    metric: str
    scope: Segment
    observations: Observations
    found: Scan
    starts: tuple[date, ...]
    end: date
    strongest: Segment

    def periods(self) -> tuple[Period, Period]:
        edges = (*self.starts, self.end)
        pair = self.found.pair
        return (
            Period(start=edges[pair.a], end=edges[pair.b]),
            Period(start=edges[pair.b], end=edges[pair.c]),
        )


def find_shifts(
    record: Record, *, metrics: Sequence[str] | None = None, level: float = LEVEL, seed: int = 0
) -> list[Shift]:
    """Return what moved beyond chance, strongest first; one test per policy x metric series and one per metric overall.

    ``metrics`` defaults to the watched ones that the record allows. Immature weeks are left out. A move that nearly all
    policies make at once is told by the overall series, whose id the others carry as ``platform_event``; an overall
    move that single policies explain is left to them.
    """
    rng = np.random.default_rng(seed)
    watched = [m for m in available(record) if m in WATCHED]
    series = [s for metric in metrics or watched for s in _series_of(record, metric, rng)]
    passed = benjamini_yekutieli([s.found.p for s in series], level)
    shifts: list[tuple[_Series, Shift]] = []
    for one, significant in zip(series, passed, strict=True):
        if significant:
            shift = _shift(one)
            if not unrankable(shift.before, shift.after):
                shifts.append((one, shift))
    told = _tell_platform_events(shifts, series)
    return sorted(told, key=lambda s: (s.platform_event not in (None, s.id), -s.e_value, s.id))


def benjamini_yekutieli(p: Sequence[float], level: float) -> list[bool]:
    """Return which hypotheses are rejected at a false-discovery level, under any dependence (2001)."""
    m = len(p)
    if not m:
        return []
    penalty = float((1 / np.arange(1, m + 1)).sum())
    order = np.argsort(p, kind="stable")
    below = np.asarray(p)[order] <= level * np.arange(1, m + 1) / (m * penalty)
    last = int(np.flatnonzero(below).max()) + 1 if below.any() else 0
    chosen = set(order[:last].tolist())
    return [i in chosen for i in range(m)]


def e_of_p(p: float) -> float:
    """Turn a p-value into an e-value by the mixture calibrator (Vovk and Wang, 2021)."""
    p = min(max(p, 1e-300), 1 - 1e-9)
    log_p = float(np.log(p))
    return (1 - p + p * log_p) / (p * log_p**2)


def _series_of(record: Record, metric: str, rng: np.random.Generator) -> list[_Series]:
    whole, _ = mature(observe(record, metric))
    if whole.frame.height < MIN_SERIES:
        return []
    starts, end, bins = _bins(whole)
    lengths = WEEKS if whole.grain == "day" else COARSE
    if len(starts) < 3:
        return []
    pairs = window_pairs(len(starts), lengths=lengths)
    scopes = [Segment({})]
    if SERIES_DIMENSION in whole.dims:
        sizes = whole.frame[SERIES_DIMENSION].value_counts().filter(pl.col("count") >= MIN_SERIES)
        values = sorted(sizes[SERIES_DIMENSION].to_list())
        scopes += [Segment.of({SERIES_DIMENSION: v}) for v in values] if len(values) > 1 else []
    out = []
    codes, values_of = whole.unit_codes, _slicing(whole)
    k, n = whole.frame["k"].to_numpy().astype(float), whole.frame["n"].to_numpy().astype(float)
    for scope in scopes:
        rows = (
            np.flatnonzero((whole.frame[SERIES_DIMENSION] == scope.values(SERIES_DIMENSION)[0]).to_numpy())
            if scope.depth
            else np.arange(k.size)
        )
        unit = None if codes is None else np.unique(codes[rows], return_inverse=True)[1].astype(np.int64)
        slices = _slices(values_of, rows)
        parts = [r for _, r in slices]
        found = scan(k[rows], n[rows], bins[rows], unit, len(starts), pairs, rng, parts)
        if found is not None:
            strongest = Segment({}) if found.slice is None else slices[found.slice][0]
            out.append(_Series(metric, scope, whole, found, starts, end, strongest))
    return out


def _slicing(obs: Observations) -> list[tuple[str, tuple[str, ...], Ints]]:
    """Each dimension to slice by: its values (of a path its first part) and each row's code.

    What an appeal says of itself is left out: it tells why, not where.
    """
    out = []
    for dimension in obs.dims:
        if dimension == SERIES_DIMENSION or dimension.startswith("appeal_"):
            continue
        column = obs.frame[dimension]
        if dimension in obs.paths:
            column = column.str.split("/").list.first()
        values = column.unique().sort()
        if 1 < len(values) <= MOST_VALUES:
            codes = column.replace_strict(values, pl.int_range(len(values), eager=True), return_dtype=pl.Int64)
            out.append((dimension, tuple(values.to_list()), codes.to_numpy().astype(np.int64)))
    return out


def _slices(values_of: Sequence[tuple[str, tuple[str, ...], Ints]], rows: Ints) -> list[tuple[Segment, Ints]]:
    """The parts of a series that are large enough to look at and are not nearly all of it; the largest ones.

    Of several names of the same rows the first dimension's is kept.
    """
    sized: list[tuple[int, Segment, Ints]] = []
    seen: set[bytes] = set()
    for dimension, values, codes in values_of:
        own = codes[rows]
        counts = np.bincount(own, minlength=len(values))
        for code in np.flatnonzero((counts >= MIN_SLICE) & (counts <= NEARLY_WHOLE * rows.size)):
            if values[code] == MISSING:
                continue
            place = np.flatnonzero(own == code)
            if (key := place.tobytes()) not in seen:
                seen.add(key)
                sized.append((-place.size, Segment.of({dimension: values[code]}), place))
    sized.sort(key=lambda s: (s[0], str(s[1])))
    return [(segment, place) for _, segment, place in sized[:MOST_SLICES]]


def _bins(obs: Observations) -> tuple[tuple[date, ...], date, Ints]:
    """Starts of all bins (weeks; months or years where dates are coarser), the end of the last, and each row's bin."""
    if obs.grain == "day":
        column, every = pl.col("event_week"), "1w"
    elif obs.grain == "month":
        column, every = pl.col("event_month"), "1mo"
    else:
        column, every = pl.date(pl.col("event_year"), 1, 1), "1y"
    start = obs.frame.select(column.alias("bin")).to_series()
    span = pl.select(pl.date_range(start.min(), start.max(), every)).to_series()  # type: ignore[arg-type]
    starts: list[date] = span.to_list()
    place = {day: i for i, day in enumerate(starts)}
    codes = start.replace_strict(place, return_dtype=pl.Int64).to_numpy().astype(np.int64)
    last: date = pl.Series([starts[-1]]).dt.offset_by(every)[0]
    return tuple(starts), last, codes


def _shift(series: _Series) -> Shift:
    scoped = series.observations.within(series.scope)
    baseline, focus = series.periods()
    shift = measure_shift(scoped, baseline, focus)
    flags = [*shift.flags, CHOSEN]
    if series.strongest.depth:
        beyond_chance = shift.delta.interval is not None and not shift.delta.interval.lo <= 0 <= shift.delta.interval.hi
        flags.append(PLAINEST if beyond_chance else IN_PART_ONLY)
    return shift.model_copy(
        update={
            "e_value": e_of_p(series.found.p), "significant": True, "strongest": series.strongest,
            "flags": tuple(flags),
        }
    )  # fmt: skip


def _tell_platform_events(shifts: list[tuple[_Series, Shift]], series: Sequence[_Series]) -> list[Shift]:
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


def _share_that_moved(whole: _Series, peers: Sequence[_Series]) -> float:
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
