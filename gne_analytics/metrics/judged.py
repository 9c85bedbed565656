"""Whether a metric can be judged over time at all, and if not what there is too little of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from gne_analytics.evidence.segment import Segment
from gne_analytics.metrics.definitions import WATCHED, available, metric_named, why_off
from gne_analytics.metrics.observations import mature, observe
from gne_analytics.metrics.scan import MIN_UNITS
from gne_analytics.metrics.series import MIN_SERIES
from gne_analytics.tables.record import Record

MIN_STEPS = 3
"""Steps of time, weeks or coarser ones, without which there is no before and after to look for."""


@dataclass(frozen=True)
class Unjudged:
    """The metrics that cannot be judged over time, each with the reason."""

    reasons: Mapping[str, str] = field(default_factory=dict)
    everything: bool = False
    """Whether no metric at all can be judged."""

    def sentences(self) -> tuple[str, ...]:
        """Say of each metric why it cannot be judged."""
        return tuple(f"The {m.replace('_', ' ')} cannot be judged: {why}." for m, why in self.reasons.items())


def unjudged(record: Record, metrics: Sequence[str] | None = None, scope: Segment = Segment({})) -> Unjudged:  # noqa: B008
    """Return which metrics cannot be judged over time, and why: too few rows, weeks or units, nothing decided.

    ``metrics`` defaults to the watched ones that the record allows. The bounds are those of `find_shifts`.
    """
    asked = metrics or [m for m in available(record) if m in WATCHED]
    found = {m: why_off(record, m) or _too_little(record, m, scope) for m in asked}
    reasons = {m: why for m, why in found.items() if why}
    return Unjudged(reasons, everything=len(reasons) == len(asked))


def _too_little(record: Record, metric: str, scope: Segment) -> str:
    """Say what there is too little of, with the figures; empty where there is enough."""
    known, young = mature(observe(record, metric, scope))
    rows = known.frame.filter(pl.col("event_date").is_not_null())
    what, held = metric_named(metric).denominator, int(rows["n"].sum())
    if not held:
        whose = f"; {young:,} are too young for their outcome to be known" if young else ""
        return f"there are no {what}{whose}"
    if held < MIN_SERIES:
        return f"there are {held:,} {what}, and it takes {MIN_SERIES}"
    step, name = {"day": ("event_week", "week"), "month": ("event_month", "month")}.get(
        known.grain, ("event_year", "year")
    )
    steps = rows[step].n_unique()
    if steps < MIN_STEPS:
        return f"its rows lie in {steps} {name}{'s' if steps > 1 else ''}, and it takes {MIN_STEPS}"
    if known.unit is not None and (sizes := rows.drop_nulls("unit").group_by("unit").agg(pl.col("n").sum())).height:
        alone = int(rows.filter(pl.col("unit").is_null())["n"].sum())
        weigh = held**2 / (float((sizes["n"].cast(pl.Float64) ** 2).sum()) + alone)
        if weigh < MIN_UNITS:
            takes = f"and it takes {MIN_UNITS:.0f} on either side"
            if sizes.height == 1:
                return f"all its rows belong to one {known.unit.removesuffix('_id')}, {takes}"
            whose = f"its rows belong to {sizes.height:,} values of {known.unit}"
            return f"{whose}, which weigh as much as {weigh:.1f} of one size, {takes}"
    return ""
