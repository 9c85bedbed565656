"""Season: a move that came before, at the same step of a cycle, is no news; the record's own history tells it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Period, Shift
from gne_analytics.metrics.intervals import Floats, Ints
from gne_analytics.metrics.observations import Observations
from gne_analytics.metrics.windows import segment_mask

Bools: TypeAlias = npt.NDArray[np.bool_]
SHORTEST = 3
"""Weeks of the shortest cycle."""
PLAIN = 3.3
"""Standard errors by which the same step of earlier cycles must stand above the rest of them."""
EXPLAINS = 0.5
"""Part of the move that earlier cycles must have shown."""
EACH = 0.3
"""Part of it that every one of them must have shown."""
MIN_ROWS = 8.0
"""Rows that a cycle's step needs to be looked at."""
YEAR = 52
APART = 1.5
"""A cycle must be so many times as long as what comes back in it."""
RUNS = (1, 2, 3)
"""Weeks of a peak that may lie within a longer focus."""
IDLE = 0.35
"""Outside of the peak the focus may then stand this part of the peak's height above the base, at most."""


@dataclass(frozen=True)
class Season:
    """A cycle in which the move came before."""

    cycle: str
    """Its length in words: ``month``, ``year`` or a count of weeks."""
    times: int
    """How many earlier cycles showed it."""
    lift: float
    """How far the rate stood above the rest of the cycle then, on the mean."""


@dataclass(frozen=True)
class _Weeks:
    """A segment's weeks, counted from the start of the focus: k and n, and each week's calendar."""

    index: Ints
    k: Floats
    n: Floats
    month: Ints
    of_month: Ints
    focus: int
    """Weeks that the focus holds."""


def comes_back(obs: Observations, shift: Shift, segment: Segment) -> Season | None:
    """Return the cycle in which a segment's move came before: each time, and by as much. None where none did.

    Cycles of three weeks to half of the history, of a calendar month and of a year are tried. Of each, the weeks at the
    focus's step in earlier cycles are held against the other weeks of them: the difference must stand clear of what
    weeks differ by, hold half of the move, and show in every earlier cycle (two at least; of a year one).
    """
    if not isinstance(shift.focus, Period) or not isinstance(shift.baseline, Period) or obs.grain != "day":
        return None
    weeks = _weeks(obs, segment, shift.focus)
    if weeks is None:
        return None
    sign = float(np.sign(shift.delta.value))
    best: tuple[float, Season] | None = None
    for now in _peaks(weeks, sign):
        for name, phase, cycle, least in _cycles(weeks, int(now.sum())):
            found = _held_against(weeks, now, phase, cycle, least, sign)
            if found is not None and (best is None or found[0] > best[0]):
                best = found[0], Season(name, found[1], found[2])
    return best[1] if best else None


def _peaks(weeks: _Weeks, sign: float) -> Iterator[Bools]:
    """The weeks that may come back: all of the focus, and a run in it outside of which it is as before."""
    focus = weeks.index >= 0
    yield focus
    then = ~focus
    if not then.any() or not weeks.n[then].sum():
        return
    base = float(weeks.k[then].sum() / weeks.n[then].sum())
    for length in RUNS:
        runs = [focus & (weeks.index >= s) & (weeks.index < s + length) for s in range(weeks.focus - length + 1)]
        runs = [r for r in runs if weeks.n[r].sum() and weeks.n[focus & ~r].sum()]
        if not runs or length >= weeks.focus:
            continue
        high = max(runs, key=lambda r: sign * (_rate(weeks, r) - base) * float(weeks.n[r].sum()) ** 0.5)
        up, idle = sign * (_rate(weeks, high) - base), sign * (_rate(weeks, focus & ~high) - base)
        if up > 0 and idle <= IDLE * up:
            yield high


def _rate(weeks: _Weeks, mask: Bools) -> float:
    return float(weeks.k[mask].sum() / weeks.n[mask].sum())


def _weeks(obs: Observations, segment: Segment, focus: Period) -> _Weeks | None:
    inside = segment_mask(segment, obs.paths) & (pl.col("event_date") < focus.end)
    rows = obs.frame.lazy().filter(inside).select("event_date", "k", "n").collect()
    if rows.is_empty():
        return None
    offset = (pl.col("event_date") - pl.lit(focus.start)).dt.total_days().floordiv(7)
    counted = rows.group_by(index=offset).agg(pl.col("k").sum(), pl.col("n").sum()).sort("index")
    starts = counted.select(pl.lit(focus.start) + pl.duration(days=pl.col("index") * 7 + 3)).to_series()
    index = counted["index"].to_numpy().astype(np.int64)
    return _Weeks(
        index, counted["k"].to_numpy().astype(float), counted["n"].to_numpy().astype(float),
        (starts.dt.year() * 12 + starts.dt.month()).to_numpy().astype(np.int64),
        ((starts.dt.day() - 1) // 7).to_numpy().astype(np.int64),
        max(1, -((focus.start - focus.end) // timedelta(days=7))),
    )  # fmt: skip


def _cycles(weeks: _Weeks, long: int) -> Iterator[tuple[str, Ints, Ints, int]]:
    """Every cycle to try: its name, each week's step and cycle, and how many earlier cycles it must have come in."""
    history = int(-weeks.index.min())
    for length in range(max(SHORTEST, ceil(APART * long)), history // 2 + 1):
        if length < YEAR - 1:
            yield f"{length} weeks", weeks.index % length, weeks.index // length, 2
    if long <= 2:
        yield "month", weeks.of_month, weeks.month, 2
    if history > YEAR + long:
        yield "year", weeks.index % YEAR, weeks.index // YEAR, 1


def _held_against(
    weeks: _Weeks, now: Bools, phase: Ints, cycle: Ints, least: int, sign: float
) -> tuple[float, int, float] | None:
    """z, number and mean of the lifts that the focus's steps had in earlier cycles, where they account for its own."""
    then = weeks.index < 0
    steps = np.unique(phase[now])
    same, other = then & np.isin(phase, steps), then & ~np.isin(phase, steps)
    n1, n0, own = float(weeks.n[same].sum()), float(weeks.n[other].sum()), float(weeks.n[now].sum())
    if min(n1, n0, own) < 2 * MIN_ROWS:
        return None
    base, high = float(weeks.k[other].sum()) / n0, float(weeks.k[same].sum()) / n1
    lift = sign * (high - base)
    move = sign * (float(weeks.k[now].sum()) / own - base)
    if move <= 0 or lift < EXPLAINS * move:
        return None
    rate = np.where(same, high, base)
    variance = np.maximum(weeks.n * rate * (1 - rate), 0.25)
    spread = float((((weeks.k - weeks.n * rate) ** 2 / variance)[then]).sum()) / max(int(then.sum()) - 2, 1)
    se = np.sqrt(max(spread, 1.0) * (_smooth(high, n1) / n1 + _smooth(base, n0) / n0))
    if lift < PLAIN * se:
        return None
    lifts = []
    for one in np.unique(cycle[same]):
        of_it = same & (cycle == one)
        rows = float(weeks.n[of_it].sum())
        if rows >= MIN_ROWS:
            lifts.append(sign * (float(weeks.k[of_it].sum()) / rows - base))
    if len(lifts) < least or min(lifts) < EACH * move:
        return None
    return float(lift / se), len(lifts), float(lift)


def _smooth(p: float, n: float) -> float:
    q = (p * n + 0.5) / (n + 1)
    return q * (1 - q)
