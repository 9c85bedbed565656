"""The calendar and the folds, derived once at ingest and stored, so that no engine derives them differently."""

import hashlib

import polars as pl

from gne_analytics.tables.contract import Grain

FOLDS = 64
SALT = "gne-fold-1"


def with_calendar(frame: pl.DataFrame, time: str, grain: Grain, zone: str) -> pl.DataFrame:
    """Add event_date, event_week (ISO Monday), event_month and event_year of a UTC time, in the reporting zone.

    A grain coarser than a week has no week: event_week is null then.
    """
    day = pl.col(time).dt.convert_time_zone(zone).dt.date()
    monday = pl.col("event_date") - pl.duration(days=pl.col("event_date").dt.weekday().cast(pl.Int64) - 1)
    has_week = grain.coarseness <= Grain.WEEK.coarseness
    return frame.with_columns(event_date=day).with_columns(
        event_week=monday.cast(pl.Date) if has_week else pl.lit(None, dtype=pl.Date),
        event_month=pl.col("event_date").dt.month_start(),
        event_year=pl.col("event_date").dt.year().cast(pl.Int32),
    )


def fold_of(unit: str) -> int:
    """The fold, 0 to 63, of one unit: the first 8 bytes of blake2b(salt + unit), big-endian, modulo 64.

    Example:
        >>> fold_of("seller-1") == fold_of("seller-1")
        True
    """
    digest = hashlib.blake2b((SALT + unit).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % FOLDS


def with_folds(frame: pl.DataFrame, unit: str) -> pl.DataFrame:
    """Add the stored fold of every row's unit; a row without a unit has none."""
    units = frame[unit].unique().drop_nulls().sort()
    folds = pl.DataFrame(
        {unit: units, "fold": pl.Series([fold_of(u) for u in units], dtype=pl.UInt8)},
        schema={unit: pl.String, "fold": pl.UInt8},
    )
    return frame.drop("fold", strict=False).join(folds, on=unit, how="left", maintain_order="left")
