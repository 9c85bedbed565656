"""How large a part of the texts each theme has, by segment and period: what causes and dashboards ask of themes."""

from collections.abc import Sequence

import polars as pl

from gne_analytics.errors import DataError
from gne_analytics.metrics.intervals import wilson


def theme_rates(assignments: pl.DataFrame, frame: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Return the share of each theme among the texts of each group of rows.

    Args:
        assignments: of ``Themes``; rows folded into another one of their seller do not count again.
        frame: id and the columns to group by (dimensions, event_week), one row per text.
        by: those columns.

    Returns:
        the by columns, theme_id, k (texts of the theme), n (texts of the group), share, lo and hi (Wilson, 95 %).
        A theme that a group does not hold stands there with k = 0, so that series have no holes.
    """
    for column in ("id", *by):
        if column not in frame.columns:
            raise DataError.missing_column("texts", column, frame.columns, "theme_rates")
    votes = assignments.filter(pl.col("theme_id").is_not_null() & pl.col("folded_into").is_null())
    rows = votes.select("id", "theme_id").join(frame.select(pl.col("id").cast(pl.String), *by), on="id")
    groups = rows.group_by(by).len("n") if by else rows.select(n=pl.len().cast(pl.UInt32))
    grid = groups.join(rows.select("theme_id").unique(), how="cross")
    counts = rows.group_by([*by, "theme_id"]).len("k")
    full = grid.join(counts, on=[*by, "theme_id"], how="left", nulls_equal=True).with_columns(
        pl.col("k").fill_null(0).cast(pl.Int64), pl.col("n").cast(pl.Int64)
    )
    reach = [wilson(k, n) for k, n in full.select("k", "n").iter_rows()]
    return (
        full.with_columns(
            share=pl.col("k") / pl.col("n"),
            lo=pl.Series([i.lo for i in reach], dtype=pl.Float64),
            hi=pl.Series([i.hi for i in reach], dtype=pl.Float64),
        )
        .select(*by, "theme_id", "k", "n", "share", "lo", "hi")
        .sort([*by, "theme_id"])
    )
