"""The final outcome of a violation's appeals, as a label: what the highest decided level said."""

import polars as pl

from gne_analytics.metrics.definitions import LEVEL_ORDER, OUTCOME_ALGEBRA

VIOLATING = {
    outcome: float(meaning.violation) for outcome, meaning in OUTCOME_ALGEBRA.items() if meaning.violation is not None
}
"""Outcomes that settle whether there was a violation; a wrong action on a real violation is still a violation."""


def final_outcomes(appeals: pl.DataFrame) -> pl.DataFrame:
    """Return violation_id, outcome, violating (1, 0 or null) and provisional, one row per appealed violation.

    The highest decided level speaks; a pending or withdrawn higher level leaves the lower one, marked provisional.
    """
    level = pl.lit(1, pl.Int64)
    if "level" in appeals.columns:
        level = pl.col("level").replace_strict(dict(LEVEL_ORDER), default=1, return_dtype=pl.Int64)
    violating = pl.col("outcome").replace_strict(VIOLATING, default=None, return_dtype=pl.Float64)
    frame = appeals.with_columns(order=level, violating=violating)
    decided = pl.col("violating").is_not_null()
    return (
        frame.sort("violation_id", "order", "filed_at", "appeal_id")
        .group_by("violation_id", maintain_order=True)
        .agg(
            outcome=pl.col("outcome").filter(decided).last(),
            violating=pl.col("violating").filter(decided).last(),
            provisional=(pl.col("order").max() > pl.col("order").filter(decided).max()).fill_null(False),
        )
    )
