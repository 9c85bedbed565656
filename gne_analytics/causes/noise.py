"""How restless cells are between periods, where no unit of independence tells how rows hang together."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from gne_analytics.evidence.types import Period, Shift
from gne_analytics.metrics.observations import Observations

DEFAULT_NOISE = 0.01
"""Variance share between periods that is assumed where the record is too short to measure it."""


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
        cells = cells.sort(dimension, clock)  # sums in one order, the same bytes
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
