"""The final outcome of a violation's appeals, as a label: what the highest decided level said, how often it errs."""

import numpy as np
import polars as pl

from gne_analytics.evidence.types import Estimate, Interval
from gne_analytics.metrics.definitions import LEVEL_ORDER, OUTCOME_ALGEBRA
from gne_analytics.strategy.estimate import NORMAL, wilson
from gne_analytics.strategy.identify import effective

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


def appeal_error(cases: pl.DataFrame, level: float = 0.95) -> Estimate | None:
    """Return how often an audit disagrees with the final decision of an appeal; None where no appeal was audited.

    Args:
        cases: the case table; those with ``decided_violating`` and ``audit_violating`` tell, each standing for
            1 / ``audit_prob`` decided appeals.
        level: of the Wilson interval on the effective number of labels.
    """
    both = cases.filter(pl.col("decided_violating").is_not_null() & pl.col("audit_violating").is_not_null())
    if both.is_empty():
        return None
    weight = (1 / both["audit_prob"]).to_numpy()
    wrong = (both["decided_violating"] - both["audit_violating"]).abs().to_numpy()
    share = float(np.average(wrong, weights=weight))
    lo, hi = wilson(np.array([share]), np.array([effective(weight)]), NORMAL.inv_cdf(0.5 + level / 2))
    interval = Interval(lo=float(lo[0]), hi=float(hi[0]), level=level, method="Wilson")
    return Estimate(value=share, interval=interval, n=both.height)
