"""What the record's traffic is worth: how alike a seller's rows are, and how many independent rows come in a span."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import NormalDist

import numpy as np
import polars as pl

from gne_analytics.metrics.intervals import Floats
from gne_analytics.strategy.sequence import NUISANCE, spent

ASSUMED = 0.1
"""The correlation of a seller's rows where the record does not tell."""
LEAST = 0.01
"""A correlation estimated below this is taken for this."""
REPEATERS, REPEATS = 30, 100
"""Sellers with several rows, and rows beyond each seller's first, without which the record does not tell."""
LARGEST = 50
"""Rows for which one seller counts at most in the correlation, so that no giant decides it."""
CAP_QUANTILE = 0.65
"""The quantile of sellers' effective rows above which none weighs more."""
MOST_WEEKS = 52


@dataclass(frozen=True)
class Traffic:
    """Rows of sellers in spans that end with the record, each seller's rows worth n / (1 + (n - 1) rho)."""

    hits: bool
    """Whether the metric itself is known, and not its rows alone."""
    baseline: float
    """The rate over all sellers, each weighing as its rows are worth; the share that varies most where unknown."""
    correlation: float
    measured: bool
    """Whether the correlation is the record's own or assumed."""
    sellers: tuple[int, ...]
    """Sellers with rows in the last 1, 2, ... weeks."""
    rows: tuple[float, ...]
    effective: tuple[float, ...]
    """Independent rows that those are worth, none weighing more than the cap."""
    caps: tuple[float, ...]

    def design_effect(self, week: int) -> float:
        """Return how many rows of so many weeks are worth one independent row."""
        return self.rows[week - 1] / self.effective[week - 1]


def correlation(k: Floats, n: Floats) -> float | None:
    """Return the intra-seller correlation of rows by the analysis of variance, within [0, 1]; None with too few.

    ``k`` hits of ``n`` rows a seller. ``(MSB - MSW) / (MSB + (n0 - 1) MSW)``: Ridout, Demetrio and Firth (1999).

    Example:
        >>> correlation(np.array([1.0]), np.array([2.0])) is None
        True
    """
    p, n = k[n > 0] / n[n > 0], np.minimum(n[n > 0], LARGEST)
    m, total = n.size, float(n.sum())
    if (n >= 2).sum() < REPEATERS or total - m < REPEATS:
        return None
    mean = float((n * p).sum()) / total
    between = float((n * (p - mean) ** 2).sum()) / (m - 1)
    within = float((n * p * (1 - p)).sum()) / (total - m)
    size = (total - float((n**2).sum()) / total) / (m - 1)
    scale = between + (size - 1) * within
    return min(max((between - within) / scale, 0.0), 1.0) if scale > 0 else None


def effective_rows(n: Floats, rho: float) -> Floats:
    """Return how many independent rows a seller's rows are worth (Kish 1965)."""
    return np.where(n > 0, n / (1 + (np.maximum(n, 1) - 1) * rho), 0.0)


def caps_of(spans: Sequence[Floats]) -> tuple[float, ...]:
    """Return what one seller may weigh at most after 1, 2, ... weeks, from sellers' effective rows of such spans."""
    own = [max(1.0, float(np.quantile(e[e > 0], CAP_QUANTILE))) if (e > 0).any() else 1.0 for e in spans]
    return tuple(np.maximum.accumulate(own).round(4).tolist())


def traffic_of(rows: pl.DataFrame, end: date, most: int = MOST_WEEKS) -> Traffic | None:
    """Measure the traffic of a metric's rows before a day; None when there are none.

    Args:
        rows: ``unit``, ``event_date``, ``k`` (null: not known), ``n``, ``squares`` (the sum of squared weights).
        end: the day after the last one whose outcomes are known.
        most: weeks to look back at most.
    """
    rows = rows.filter(pl.col("unit").is_not_null(), pl.col("event_date") < end, pl.col("n") > 0)
    if rows.is_empty():
        return None
    hits = rows["k"].null_count() == 0
    whole = by_unit(rows)
    rate, n = whole["rate"].to_numpy(), whole["rows"].to_numpy()
    own = correlation(rate * n, n) if hits else None
    rho = ASSUMED if own is None else max(own, LEAST)
    worth = effective_rows(n, rho)
    spans = [effective_rows(rows_in(rows, end, t), rho) for t in range(1, min(most, _weeks(rows, end)) + 1)]
    caps = caps_of(spans)
    return Traffic(
        hits=hits,
        baseline=float((worth * rate).sum() / worth.sum()) if hits else 0.5,
        correlation=rho,
        measured=own is not None,
        sellers=tuple(e.size for e in spans),
        rows=tuple(float(rows_in(rows, end, t).sum()) for t in range(1, len(spans) + 1)),
        effective=tuple(float(np.minimum(e, c).sum()) for e, c in zip(spans, caps, strict=True)),
        caps=caps,
    )


def by_unit(rows: pl.DataFrame) -> pl.DataFrame:
    """Sum rows to one of each unit: ``unit``, ``rate`` in [0, 1] and ``rows``, the count or Kish's number of them."""
    total = rows.group_by("unit").agg(pl.col("k", "n", "squares").sum()).sort("unit")
    return total.select("unit", rate=pl.col("k") / pl.col("n"), rows=pl.col("n") ** 2 / pl.col("squares"))


def rows_in(rows: pl.DataFrame, end: date, weeks: int) -> Floats:
    """Return each seller's rows in the weeks before a day, of sellers that have any."""
    inside = rows.filter(pl.col("event_date") >= end - timedelta(days=7 * weeks))
    return by_unit(inside)["rows"].to_numpy()


def _weeks(rows: pl.DataFrame, end: date) -> int:
    first = rows["event_date"].min()
    return max(1, (end - first).days // 7) if isinstance(first, date) else 1


def weeks_needed(
    traffic: Traffic, difference: float, *, share: float, baseline: float, level: float, power: float = 0.8
) -> int | None:
    """Return the weeks after which a monitor finds a difference with the given power; None if the record has fewer.

    Counts the price of looking every week, by the interval's own width: ``sqrt(2 log(1 / error))`` standard errors,
    and the normal quantile of the power beside it.
    """
    p = min(max(baseline, 0.01), 0.99)
    q = min(max(p + difference, 0.01), 0.99)
    for week, rows in enumerate(traffic.effective, start=1):
        error = spent(week, week, level) * (1 - NUISANCE) / 2
        reach = math.sqrt(2 * math.log(1 / error)) + NormalDist().inv_cdf(power)
        variance = max(p * (1 - p), q * (1 - q)) / (share * (1 - share) * rows) if rows else math.inf
        if reach * math.sqrt(variance) <= abs(difference):
            return week
    return None
