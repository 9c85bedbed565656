"""Emerging themes: what users, rights holders and authorities report more than before, and no policy catches."""

from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gne_analytics.errors import DataError
from gne_analytics.metrics.intervals import wilson

RECENT_WEEKS = 4
BASELINE_WEEKS = 12
MIN_RECENT = 8
"""Recent reports under which nothing is called rising."""
UNCAUGHT = 0.5
"""Share of recent reports without a violation from which a theme points at a gap."""


def emerging(
    signals: pl.DataFrame,
    as_of: date,
    *,
    by: str = "theme_id",
    recent_weeks: int = RECENT_WEEKS,
    baseline_weeks: int = BASELINE_WEEKS,
    since: date | None = None,
) -> pl.DataFrame:
    """Compare each theme's recent volume of signals with the weeks before.

    Args:
        signals: event_date, violation_id (null: no policy caught it) and the ``by`` column, one row per report;
            rows folded into another one of their reporter should be left out.
        as_of: the last day of the record, which closes the recent window.
        by: theme_id, or any dimension.
        recent_weeks: weeks of the recent window.
        baseline_weeks: weeks before it; with none of them in the record, nothing can be rising.
        since: the record's first day, before which nobody counted.

    Returns:
        one row per value, rising gaps first: recent, baseline (counts), weekly (baseline mean), ratio of weekly volumes
        with lo and hi, uncaught (recent reports without a violation), uncaught_share, rising, gap. The interval is
        that of a ratio of counts, widened by the overdispersion of the weekly baseline; at 95 % divided over all values
        (Bonferroni), since every theme is looked at. ``hi`` is infinite where the baseline is empty.
    """
    for column in ("event_date", "violation_id", by):
        if column not in signals.columns:
            raise DataError.missing_column("signals", column, signals.columns, "emerging")
    end = as_of + timedelta(days=1)
    turn = end - timedelta(weeks=recent_weeks)
    if since is not None:  # weeks before the record began are not empty weeks
        baseline_weeks = max(min(baseline_weeks, (turn - since).days // 7), 0)
    start = turn - timedelta(weeks=baseline_weeks)
    rows = signals.filter(pl.col(by).is_not_null() & (pl.col("event_date") >= start) & (pl.col("event_date") < end))
    late = pl.col("event_date") >= turn
    week = ((pl.col("event_date") - pl.lit(start)).dt.total_days() // 7).cast(pl.Int64)
    counts = rows.group_by(by).agg(
        recent=late.sum().cast(pl.Int64),
        baseline=(~late).sum().cast(pl.Int64),
        uncaught=(late & pl.col("violation_id").is_null()).sum().cast(pl.Int64),
        weeks=week.filter(~late),
    )
    level = 1 - 0.05 / max(counts.height, 1)
    reach = [
        _ratio(recent, np.bincount(weeks, minlength=max(baseline_weeks, 2)), recent_weeks, level)
        for recent, weeks in counts.select("recent", "weeks").iter_rows()
    ]
    numbers = {name: pl.Series([r[i] for r in reach], dtype=pl.Float64) for i, name in enumerate(("ratio", "lo", "hi"))}
    found = counts.drop("weeks").with_columns(
        **numbers,
        weekly=pl.col("baseline") / max(baseline_weeks, 1),
        uncaught_share=pl.when(pl.col("recent") > 0).then(pl.col("uncaught") / pl.col("recent")),
    )
    rising = (pl.col("lo") > 1) & (pl.col("recent") >= MIN_RECENT) & (baseline_weeks > 0)
    found = found.with_columns(
        rising=rising, gap=rising & (pl.col("uncaught_share") >= UNCAUGHT).fill_null(value=False)
    )
    columns = (by, "recent", "baseline", "weekly", "ratio", "lo", "hi", "uncaught", "uncaught_share", "rising", "gap")
    return found.select(columns).sort(["gap", "rising", "lo", by], descending=[True, True, True, False])


def _ratio(recent: int, weekly: NDArray[np.int64], recent_weeks: int, level: float) -> tuple[float, float, float]:
    """Weekly volume now over weekly volume before, by the conditional binomial of two counts."""
    before = int(weekly.sum())
    mean = before / len(weekly)
    widened = max(1.0, float(weekly.var(ddof=1)) / mean) if before else 1.0
    share = wilson(recent, recent + before, level=level, deff=widened)
    weeks = len(weekly) / recent_weeks
    odds = [p / (1 - p) * weeks if p < 1 else float("inf") for p in (share.lo, share.hi)]
    return (recent / before * weeks if before else float("inf")), odds[0], odds[1]
