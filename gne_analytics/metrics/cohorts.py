"""Maturity: how old a cohort must be before its rate is complete, by the record's own delay curve."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from gne_analytics.metrics.intervals import Floats

COMPLETE = 0.95
SHRINK = 200.0
"""So many events of its own weigh a group's curve as much as the pooled one."""
MIN_EVENTS = 50


@dataclass(frozen=True)
class DelayCurve:
    """The share of events that have happened by each age in days, corrected for what is still to come."""

    ages: Floats
    done: Floats
    events: int

    def age_at(self, share: float = COMPLETE) -> float:
        """The age in days at which a share of all events has happened; 0 when nothing is known."""
        if not self.ages.size:
            return 0.0
        return float(self.ages[min(int(np.searchsorted(self.done, share)), self.ages.size - 1)])

    def at(self, age: Floats) -> Floats:
        """The share done at some ages."""
        if not self.ages.size:
            return np.ones_like(age)
        place = np.searchsorted(self.ages, age, side="right") - 1
        return np.where(place >= 0, self.done[np.maximum(place, 0)], 0.0)


def delay_curve(delay: Floats, seen_for: Floats) -> DelayCurve:
    """Estimate the delay distribution from events seen within each row's time under observation.

    Recent rows show short delays only; the reverse-time product-limit estimator (Lynden-Bell, 1971) corrects for that
    truncation. ``delay`` and ``seen_for`` are in days, whole days count; rows with delay over seen_for are left out.
    """
    usable = np.isfinite(delay) & (delay >= 0) & (delay <= seen_for)
    d, c = np.floor(delay[usable]), np.floor(seen_for[usable])
    if not d.size:
        return DelayCurve(np.empty(0), np.empty(0), 0)
    ages, counts = np.unique(d, return_counts=True)
    below = np.searchsorted(np.sort(d), ages, side="right")
    gone = np.searchsorted(np.sort(c), ages, side="left")
    at_risk = np.maximum(below - gone, counts)
    keep = 1 - counts / at_risk
    keep[0] = 1.0  # the first age holds all that is left
    done = np.concatenate([np.cumprod(keep[::-1])[::-1][1:], [1.0]])
    return DelayCurve(ages, done, int(d.size))


def mature_age(rows: pl.DataFrame, by: str | None = None) -> pl.Series:
    """Return per row the age in days at which its cohort is complete.

    ``rows`` holds ``delay`` (days to the event, null where none) and ``seen_for`` (days observed). Groups of
    ``by`` have curves of their own, drawn back to the pooled one where they have few events.
    """
    pooled = _curve(rows)
    age = pooled.age_at()
    if by is None or by not in rows.columns or pooled.events < MIN_EVENTS:
        return pl.Series("mature_age", np.full(rows.height, age))
    ages: dict[str | None, float] = {}
    for (value,), group in rows.group_by(by):
        own = _curve(group)
        weight = own.events / (own.events + SHRINK)
        ages[value if value is None else str(value)] = weight * own.age_at() + (1 - weight) * age
    keys = rows[by].cast(pl.String).to_list()
    return pl.Series("mature_age", [ages.get(k, age) for k in keys], dtype=pl.Float64)


def _curve(rows: pl.DataFrame) -> DelayCurve:
    happened = rows.filter(pl.col("delay").is_not_null())
    return delay_curve(happened["delay"].cast(pl.Float64).to_numpy(), happened["seen_for"].cast(pl.Float64).to_numpy())
