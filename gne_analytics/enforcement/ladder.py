"""The penalty ladder, replayed per seller over time: points, milestones, consequences.

Live points at a moment are the points of the violations younger than the window and not reversed by then, each in
full or fading evenly to zero (``decay: linear``). A milestone is reached when a violation lifts the live points from
below it to it or above; after they fall below, it can be reached again.
"""

from dataclasses import dataclass
from typing import Final

import polars as pl

from gne_analytics.errors import DataError
from gne_analytics.policy.model import Ladder

UNITS: Final = {"seller": "seller_id", "account": "account_id"}
"""Whose points are added, by the ladder's ``per``."""
DAY: Final = 86_400_000_000
"""Microseconds in a day."""
ROUNDING: Final = 9
"""Decimals that live points keep, so that a sum of fading points meets a milestone it equals."""


@dataclass(frozen=True)
class LadderReplay:
    """What a ladder did to every seller of a record."""

    points: pl.DataFrame
    """unit, at, points, live: one row per violation that carries points, live points just after it."""
    milestones: pl.DataFrame
    """unit, at, live, milestone, consequence, until (null: until lifted): one row per milestone reached."""
    standing: pl.DataFrame
    """unit, peak, highest (milestone or null), consequence: one row per seller."""

    def __repr__(self) -> str:
        return f"LadderReplay({self.standing.height} units, {self.milestones.height} milestones reached)"


def replay(ladder: Ladder, violations: pl.DataFrame) -> LadderReplay:
    """Replay a ladder over violations or over decisions with their seller, time and points.

    Args:
        ladder: the ladder.
        violations: ``seller_id`` (or ``account_id``, by ``ladder.per``), ``decided_at``, ``points``; ``reversed_at``
            gives points back where the ladder says so; rows with a ``parent_violation_id`` count with their parent.
    """
    unit = UNITS[ladder.per]
    for needed in (unit, "decided_at", "points"):
        if needed not in violations.columns:
            raise DataError.missing_column("violations", needed, violations.columns)
    counted = _counted(ladder, violations, unit)
    live = _live(ladder, counted)
    milestones = _milestones(ladder, live)
    order = {m.id: i for i, m in enumerate(ladder.milestones)}
    highest = milestones.with_columns(rank=pl.col("milestone").replace_strict(order, return_dtype=pl.Int32))
    highest = highest.sort("unit", "rank", "at").group_by("unit", maintain_order=True).last()
    standing = live.group_by("unit").agg(peak=pl.col("live").max()).sort("unit")
    standing = standing.join(
        highest.select("unit", pl.col("milestone").alias("highest"), "consequence"), on="unit", how="left"
    )
    return LadderReplay(live.select("unit", "at", "points", "live"), milestones, standing.sort("unit"))


def _counted(ladder: Ladder, violations: pl.DataFrame, unit: str) -> pl.DataFrame:
    """Return unit, at, points and end (when they stop to count) of the violations that carry points."""
    frame = violations.filter(pl.col("points").fill_null(0) > 0, pl.col(unit).is_not_null())
    if "parent_violation_id" in frame.columns:
        frame = frame.filter(pl.col("parent_violation_id").is_null())
    at = pl.col("decided_at").cast(pl.Datetime("us", "UTC") if _zoned(frame, "decided_at") else pl.Datetime("us"))
    end = at + pl.duration(days=ladder.window_days)
    if ladder.return_on_reversal and "reversed_at" in frame.columns:
        end = pl.min_horizontal(end, pl.col("reversed_at").cast(frame.select(at).dtypes[0]))
    counted = frame.select(
        pl.col(unit).alias("unit"), at.alias("at"), pl.col("points").cast(pl.Float64), end.alias("end")
    )
    return counted.filter(pl.col("end") > pl.col("at")).sort("unit", "at", maintain_order=True)


def _live(ladder: Ladder, counted: pl.DataFrame) -> pl.DataFrame:
    """Add the live points just before and just after each violation, by running sums over what starts and what ends."""
    start = counted.with_row_index("row").select("unit", "at", "points", "row", begun=pl.col("at"), ends=pl.lit(False))
    ends = counted.select(
        "unit",
        pl.col("end").alias("at"),
        -pl.col("points"),
        row=pl.lit(None, pl.UInt32),
        begun=pl.col("at"),
        ends=pl.lit(True),
    )
    stream = pl.concat([start, ends]).sort("unit", "at", pl.col("ends").not_(), "row", maintain_order=True)
    first = pl.col("begun").min().over("unit")
    days = (pl.col("at") - first).dt.total_microseconds() / DAY
    begun = (pl.col("begun") - first).dt.total_microseconds() / DAY
    total = pl.col("points").cum_sum().over("unit")
    live = total
    if ladder.decay == "linear":  # sum of p (1 - (t - t0) / window) over the live ones, from two running sums
        live = total - (days * total - (pl.col("points") * begun).cum_sum().over("unit")) / ladder.window_days
    after = stream.with_columns(live=live.round(ROUNDING)).filter(~pl.col("ends"))
    return after.with_columns(before=(pl.col("live") - pl.col("points")).round(ROUNDING)).sort("row")


def _milestones(ladder: Ladder, live: pl.DataFrame) -> pl.DataFrame:
    parts = []
    for milestone in ladder.milestones:
        reached = live.filter(pl.col("before") < milestone.points, pl.col("live") >= milestone.points)
        days = None if milestone.days is None else pl.duration(days=milestone.days)
        parts.append(
            reached.select(
                "unit",
                "at",
                "live",
                milestone=pl.lit(milestone.id),
                consequence=pl.lit(milestone.consequence.value),
                until=pl.lit(None, live.schema["at"]) if days is None else pl.col("at") + days,
            )
        )
    return pl.concat(parts).sort("unit", "at", "live", maintain_order=True)


def _zoned(frame: pl.DataFrame, column: str) -> bool:
    return getattr(frame.schema[column], "time_zone", None) is not None
