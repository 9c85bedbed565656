"""The final outcome of a violation's appeals, as a label: what the highest decided level said."""

import polars as pl

VIOLATING = {"upheld": 1.0, "modified": 1.0, "partially_overturned": 1.0, "overturned": 0.0}
"""Outcomes that settle whether there was a violation; a wrong action on a real violation is still a violation."""

LEVELS = {"1": 1, "2": 2, "out_of_court": 3}


def final_outcomes(appeals: pl.DataFrame) -> pl.DataFrame:
    """Return violation_id, outcome, violating (1, 0 or null) and provisional, one row per appealed violation.

    The highest decided level speaks; a pending or withdrawn higher level leaves the lower one, marked provisional.
    """
    level = pl.lit(1)
    if "level" in appeals.columns:
        level = pl.col("level").cast(pl.String).replace_strict(LEVELS, default=1)
    frame = appeals.with_columns(
        order=level, violating=pl.col("outcome").cast(pl.String).replace_strict(VIOLATING, default=None)
    ).sort("violation_id", "order", "filed_at", "appeal_id")
    decided = pl.col("violating").is_not_null()
    return frame.group_by("violation_id", maintain_order=True).agg(
        outcome=pl.col("outcome").filter(decided).last(),
        violating=pl.col("violating").filter(decided).last(),
        provisional=pl.col("order").max() > pl.col("order").filter(decided).max().fill_null(0),
    )
