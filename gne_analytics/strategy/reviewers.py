"""How human reviewers decide, learnt from reviewed cases: what a reroute to review would do."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from gne_analytics.strategy.estimate import Rate, Reviewers, wilson
from gne_analytics.strategy.flows import REVIEW
from gne_analytics.strategy.identify import MIN_LABELS, effective

REACH = 0.95
"""The share of rerouted cases whose score must lie among those of reviewed ones."""


def reviewer_rates(reviewed: pl.DataFrame, appealed: pl.DataFrame, *, min_labels: int = MIN_LABELS) -> Reviewers:
    """Estimate the chance that a reviewer enforces a legitimate case, and a violation, from audits of reviewed cases.

    Both sides of their work must be audited: what they enforced and what they let pass. With fewer than ``min_labels``
    effective labels on either side neither is told, and results are bounded. Appeals tell nothing of it, since what
    passed has none; how often their decisions disagree with audits is told beside, at any number of labels.

    Args:
        reviewed: rows of the case table with ``state_today``; those in review are used.
        appealed: rows among which decided appeals that were audited too tell how appeals err.
        min_labels: effective audit labels needed on either side.
    """
    errors = (_error(appealed, decided=0), _error(appealed, decided=1))
    reviewed = reviewed.filter(pl.col("state_today") == REVIEW)
    enforced = _side(reviewed.filter(pl.col("enforced") & pl.col("human").fill_null(False)), min_labels)
    passed = _side(reviewed.filter(~pl.col("enforced")), min_labels)
    if enforced is None or passed is None:
        return Reviewers(None, None, *errors)
    (n1, violating1, labels1), (n0, violating0, labels0) = enforced, passed
    return Reviewers(
        _ratio(n1, 1 - violating1, labels1, n0, 1 - violating0, labels0),
        _ratio(n1, violating1, labels1, n0, violating0, labels0),
        *errors,
    )


def like(touched: pl.DataFrame, cases: pl.DataFrame, attributes: Sequence[str]) -> pl.DataFrame:
    """Return the reviewed cases that tell how people would decide the touched ones: same rules, segment, score band.

    The segment is what the touched cases have in common: in each attribute, none but their values. Reviewed cases whose
    scores do not reach across the touched ones' band tell nothing of it, so then none are returned.
    """
    found = cases.filter(
        pl.col("state_today") == REVIEW,
        pl.col("rule_today").is_in(touched["rule_proposed"].unique().implode()),
        pl.col("score").is_between(touched["score"].min(), touched["score"].max()),
        same_segment(touched, attributes),
    )
    reached = touched.filter(pl.col("score").is_between(found["score"].min(), found["score"].max()))
    return found if reached.height >= REACH * touched.height else found.clear()


def same_segment(touched: pl.DataFrame, attributes: Sequence[str]) -> pl.Expr:
    """Say of a case whether it has, in each attribute that names no single thing, a value of the touched cases."""
    own = [
        pl.col(name).is_in(touched[name].unique().implode(), nulls_equal=True)
        for name in attributes
        if not name.endswith("_id")
    ]
    return pl.all_horizontal(pl.lit(True), *own)


def _side(cases: pl.DataFrame, min_labels: int) -> tuple[float, float, float] | None:
    """Return cases, share violating and effective labels."""
    found = _share(cases.filter(pl.col("audit_violating").is_not_null()), pl.col("audit_violating"))
    return None if found is None or found.labels < min_labels else (float(cases.height), found.value, found.labels)


def _error(cases: pl.DataFrame, decided: int) -> Rate | None:
    """Return how often audits contradict appeals that were decided one way; None where none was audited."""
    both = cases.filter(pl.col("decided_violating") == decided, pl.col("audit_violating").is_not_null())
    return _share(both, (pl.col("audit_violating") - decided).abs())


def _share(audited: pl.DataFrame, of: pl.Expr) -> Rate | None:
    if audited.is_empty():
        return None
    weights = (1 / audited["audit_prob"]).to_numpy()
    return Rate(float(np.average(audited.select(of).to_series().to_numpy(), weights=weights)), effective(weights))


def _ratio(n1: float, p1: float, labels1: float, n0: float, p0: float, labels0: float) -> Rate | None:
    """Return n1 p1 / (n1 p1 + n0 p0) with the labels that give a share the same variance (delta method)."""
    a, b = n1 * p1, n0 * p0
    if a + b == 0:
        return None
    lo, hi = wilson(np.array([p1, p0]), np.array([labels1, labels0]), 1.0)
    spread = (hi - lo) / 2  # one standard error, never zero
    variance = ((n1 * b * spread[0]) ** 2 + (n0 * a * spread[1]) ** 2) / (a + b) ** 4
    value = a / (a + b)
    return Rate(value, max(1.0, max(value * (1 - value), 1e-4) / max(float(variance), 1e-12)))
