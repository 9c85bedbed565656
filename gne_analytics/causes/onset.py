"""Onset: the day a segment changed, with an interval, by the likelihood of one step in its rate or its volume."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Period, Window
from gne_analytics.metrics.intervals import Floats, Ints
from gne_analytics.metrics.observations import Observations
from gne_analytics.metrics.windows import segment_mask

DROP = 3.68
"""The log-likelihood that a 95 % interval of a change point gives away: Hansen (2000), 7.35 / 2, not chi-squared's."""

BLOCKS = (7, 14)
"""Days over which rows are taken together besides, to see how much they differ beyond chance."""


@dataclass(frozen=True)
class Onset:
    """First day of the new level, with a 95 % interval of days."""

    day: date
    lo: date
    hi: date


def find_onset(
    obs: Observations, segment: Segment, baseline: Window, focus: Window, *, volume: bool = False
) -> Onset | None:
    """Find the day on which a segment's rate (or volume, for a new or vanished one) took its step.

    One change point between the start of the baseline and the end of the focus, binomial (or Poisson share of all
    rows) likelihood over days, or over years or months where dates are coarser; the likelihood is divided by the
    overdispersion left after the step, of days, weeks or fortnights, whichever is most: sellers act in bursts. None
    for windows that are segments, or where nothing steps.
    """
    if not isinstance(baseline, Period) or not isinstance(focus, Period):
        return None
    start, end = min(baseline.start, focus.start), max(baseline.end, focus.end)
    bin_of = {"day": "event_date", "month": "event_month", "year": "event_year"}[obs.grain]
    between, inside = pl.col("event_date").is_between(start, end, closed="left"), segment_mask(segment, obs.paths)
    bin_in = pl.date(pl.col("event_year"), 1, 1) if bin_of == "event_year" else pl.col(bin_of)
    rows = obs.frame.lazy().filter(between if volume else between & inside)
    hits = pl.when(inside).then("n").otherwise(0) if volume else pl.col("k")
    daily = rows.select(k=hits, n="n", bin=bin_in).collect()
    daily = daily.group_by("bin").agg(pl.col("k", "n").sum()).filter(pl.col("n") > 0).sort("bin")
    if daily.height < 2:
        return None
    k, n = daily["k"].to_numpy().astype(float), daily["n"].to_numpy().astype(float)
    days: list[date] = daily["bin"].to_list()
    block = np.array([(day - days[0]).days for day in days]) if bin_of == "event_date" else None
    gain, dispersion = _profile(k, n, block)
    if not gain.size or gain.max() < 2 * dispersion:
        return None
    best = int(np.argmax(gain))
    close = np.flatnonzero(gain >= gain[best] - DROP * dispersion)
    lo, hi = days[int(close[0])] + timedelta(days=1), days[int(close[-1]) + 1]
    if bin_of != "event_date":
        lo = days[int(close[0]) + 1]
    return Onset(days[best + 1], min(lo, days[best + 1]), hi)


def _profile(k: Floats, n: Floats, day: Ints | None = None) -> tuple[Floats, float]:
    """Log-likelihood gain of a step after each bin, and the overdispersion left after the best one."""
    ck, cn = np.cumsum(k)[:-1], np.cumsum(n)[:-1]
    K, N = float(k.sum()), float(n.sum())  # noqa: N806
    gain = _loglik(ck, cn) + _loglik(K - ck, N - cn) - float(_loglik(np.array([K]), np.array([N]))[0])
    best = int(np.argmax(gain))
    rate = np.where(np.arange(k.size) <= best, ck[best] / cn[best], (K - ck[best]) / (N - cn[best]))
    residual, variance = k - n * rate, n * rate * (1 - rate)
    spread = [_pearson(residual, variance)]
    for length in BLOCKS if day is not None else ():
        block = np.asarray(day) // length
        spread.append(_pearson(*(np.bincount(block, x).astype(np.float64) for x in (residual, variance))))
    return gain, max(1.0, *spread)


def _pearson(residual: Floats, variance: Floats) -> float:
    live = variance > 0
    squares = residual[live] ** 2 / np.maximum(variance[live], 0.25)
    return float(squares.sum()) / max(int(live.sum()) - 2, 1)


def _loglik(k: Floats, n: Floats) -> Floats:
    p = np.clip(k / np.maximum(n, 1e-9), 1e-9, 1 - 1e-9)
    return np.asarray(k * np.log(p) + (n - k) * np.log(1 - p))
