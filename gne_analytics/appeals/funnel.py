"""The funnel: from violations to appeals to decisions to reversals, at each level."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from gne_analytics.errors import DataError
from gne_analytics.metrics.cases import case_frame
from gne_analytics.metrics.definitions import DECIDED, OVERTURNED
from gne_analytics.metrics.intervals import rate
from gne_analytics.metrics.observations import observe
from gne_analytics.tables.record import Record

_STAGES: tuple[tuple[str, str, str, str], ...] = (
    ("first", "violations", "all", "all"),
    ("first", "appealed", "appealed", "all"),
    ("first", "decided", "first_decided", "appealed"),
    ("first", "overturned", "first_overturned", "first_decided"),
    ("second", "appealed", "again", "first_decided"),
    ("second", "decided", "second_decided", "again"),
    ("second", "overturned", "second_overturned", "second_decided"),
)
"""Level, stage, the rows that reach it, the rows that could have."""


def funnel(record: Record, by: Sequence[str] = ()) -> pl.DataFrame:
    """Count the violations that reach each stage of an appeal.

    Returns, for each group of ``by`` (dimensions of the violations), a row per stage in order: level (first, second),
    stage, n (violations that reach it), of (those that could), share with lo and hi (95 %, clustered by the record's
    unit), matured (share of ``of`` old enough for the appeal to have come; young ones hold the share down).
    A second level that nobody used is left out. A record without appeals is a DataError.
    """
    if not record.has("appeals"):
        raise DataError(f"{record.name}: the funnel needs the appeals table; map one in source.yaml.")
    cases = case_frame(record)
    for column in by:
        if column not in cases.columns:
            raise DataError.missing_column("violations", column, record.dims("violations"), "funnel")
    old = observe(record, "appeal_rate").frame.select(violation_id=pl.col("id"), matured=pl.col("matured"))
    rows = cases.join(old, on="violation_id", how="left").with_columns(
        all=pl.lit(value=True),
        appealed=pl.col("filed_at").is_not_null(),
        first_decided=pl.col("first").is_in(DECIDED).fill_null(value=False),
        first_overturned=pl.col("first").is_in(OVERTURNED).fill_null(value=False),
        again=pl.col("second").is_not_null(),
        second_decided=pl.col("second").is_in(DECIDED).fill_null(value=False),
        second_overturned=pl.col("second").is_in(OVERTURNED).fill_null(value=False),
        matured=pl.col("matured").fill_null(value=False),
    )
    if not by:
        return _stages(rows, record.unit)
    parts = [
        _stages(group, record.unit).select(
            *(pl.lit(v, rows.schema[c]).alias(c) for c, v in zip(by, key, strict=True)), pl.all()
        )
        for key, group in rows.group_by(by, maintain_order=True)
    ]
    return pl.concat(parts).sort(by, maintain_order=True)


def _stages(rows: pl.DataFrame, unit: str | None) -> pl.DataFrame:
    used = _STAGES if rows["again"].any() else _STAGES[:4]
    who = None
    if unit is not None and unit in rows.columns:
        who = rows[unit].fill_null("").rank("dense").cast(pl.Int64).to_numpy() - 1
    found = []
    for level, stage, reached, could in used:
        base = rows[could].to_numpy()
        k = rows[reached].to_numpy()[base].astype(float)
        share = rate(k, np.ones(len(k)), None if who is None else who[base])
        found.append(
            {
                "level": level,
                "stage": stage,
                "n": int(k.sum()),
                "of": len(k),
                "share": share.value,
                "lo": share.interval.lo if share.interval else None,
                "hi": share.interval.hi if share.interval else None,
                "matured": float(rows["matured"].to_numpy()[base].mean()) if base.any() else None,
            }
        )
    floats = dict.fromkeys(("share", "lo", "hi", "matured"), pl.Float64)
    return pl.DataFrame(found, schema_overrides=floats)
