"""What a canary is judged by: a metric's rows by seller and day, as far as their outcomes are known."""

from collections.abc import Mapping
from datetime import date, timedelta
from types import MappingProxyType

import numpy as np
import polars as pl

from gne_analytics.errors import DataError, did_you_mean
from gne_analytics.evidence.segment import Segment
from gne_analytics.metrics.cases import case_frame
from gne_analytics.metrics.cohorts import mature_age
from gne_analytics.metrics.definitions import METRICS
from gne_analytics.metrics.observations import DAY, observe
from gne_analytics.metrics.windows import segment_mask
from gne_analytics.policy.predicates import PATHS
from gne_analytics.strategy.population import Population, build_population
from gne_analytics.tables.record import Record

WRONGFUL, MISSED, OVERTURNED = "wrongful_enforcement", "missed_violations", "overturned_enforcement"
OF_CASES: Mapping[str, str] = MappingProxyType(
    {
        WRONGFUL: "cases enforced that their audit calls legitimate, of audited cases by 1 / audit_prob",
        MISSED: "cases left up that their audit calls violating, of audited cases by 1 / audit_prob",
        OVERTURNED: "cases enforced and overturned in the end, of all cases; a floor, since few appeal",
    }
)
"""Metrics over all cases that were scored or enforced: their denominator is the same under either arm's policy."""


def seller_rows(
    record: Record,
    metric: str,
    scope: Segment = Segment({}),  # noqa: B008
    population: Population | None = None,
) -> tuple[pl.DataFrame, date]:
    """Return a metric's rows (unit, event_date, k, n, squares) and the day from which outcomes are not yet known.

    Rows from that day on are left out, mature or not, so that every week that is in it is whole. ``squares`` sums the
    squared weights. A record without a unit, or without what the metric needs, is a DataError.

    Args:
        record: after launch, or before it for a plan.
        metric: a name of ``METRICS`` or of ``OF_CASES``.
        scope: the rows that count, e.g. one policy's.
        population: the record's case table, where it is built already.
    """
    if record.unit is None:
        raise DataError(f"{record.name} names no unit; map seller_id in source.yaml, since a canary needs sellers.")
    if metric in OF_CASES:
        rows, until = _of_cases(record, metric, scope, population or build_population(record))
    elif metric in METRICS:
        seen = observe(record, metric, scope).frame
        young = seen.filter(~pl.col("matured"))["event_date"].min()
        until = min(young, record.as_of.date()) if isinstance(young, date) else record.as_of.date()
        rows = seen.with_columns(squares=pl.col("n"))
    else:
        raise DataError(f"There is no metric {metric!r}{did_you_mean(metric, [*METRICS, *OF_CASES])}.")
    kept = rows.filter(pl.col("event_date") < until, pl.col("unit").is_not_null())
    return kept.select("unit", "event_date", pl.col("k", "n", "squares").cast(pl.Float64)), until


def violation_rows(record: Record, scope: Segment) -> tuple[pl.DataFrame, date]:
    """Return the violations of a scope as rows without hits, for the traffic alone, and the day after the last."""
    rows = record.violations.filter(segment_mask(scope, PATHS)) if scope.depth else record.violations
    rows = rows.filter(pl.col(str(record.unit)).is_not_null())
    one = pl.lit(1.0)
    return rows.select(
        pl.col(str(record.unit)).cast(pl.String).alias("unit"), "event_date",
        k=pl.lit(None, pl.Float64), n=one, squares=one,
    ), record.as_of.date()  # fmt: skip


def _of_cases(record: Record, metric: str, scope: Segment, population: Population) -> tuple[pl.DataFrame, date]:
    cases = _within(population.cases, scope)
    if metric == OVERTURNED:
        if record.appeals.is_empty():
            raise DataError(f"{metric} is off: the record has no appeals.")
        hit, weight = pl.col("enforced") & (pl.col("decided_violating") == 0), pl.lit(1.0)
        wait = _appeals_take(record)
    else:
        if record.audits.is_empty():
            raise DataError(f"{metric} is off: the record has no audits.")
        cases = cases.filter(pl.col("audit_violating").is_not_null() & (pl.col("audit_prob") > 0))
        wrong = 1 - pl.col("audit_violating")
        hit = pl.when(pl.col("enforced")).then(wrong if metric == WRONGFUL else 0.0)
        hit = hit.otherwise(0.0 if metric == WRONGFUL else pl.col("audit_violating"))
        weight = 1 / pl.col("audit_prob")
        wait = _audits_take(record, population)
    rows = cases.select(
        "unit", "event_date", k=hit.fill_null(False).cast(pl.Float64) * weight, n=weight, squares=weight**2
    )
    return rows, (record.as_of - timedelta(days=wait)).date()


def _within(cases: pl.DataFrame, scope: Segment) -> pl.DataFrame:
    unknown = [d for d in scope.dimensions if d not in cases.columns]
    if unknown:
        raise DataError.missing_column("cases", unknown[0], cases.columns, f"scope {scope}")
    return cases.filter(segment_mask(scope, PATHS)) if scope.depth else cases


def _appeals_take(record: Record) -> float:
    """Return the days after which decided appeals are complete, by the record's own delays."""
    rows = case_frame(record)
    return _age(rows, pl.col("settled_at"), pl.col("decided_at"), record)


def _audits_take(record: Record, population: Population) -> float:
    """Return the days after which audits are complete."""
    audits, cases = record.audits, population.cases
    at = [
        audits.join(cases.select(by, "assessed_at").drop_nulls(by), on=by).select("audited_at", "assessed_at")
        for by in ("case_id", "violation_id")
        if by in audits.columns
    ]
    return _age(pl.concat(at), pl.col("audited_at"), pl.col("assessed_at"), record) if at else 0.0


def _age(rows: pl.DataFrame, event: pl.Expr, start: pl.Expr, record: Record) -> float:
    delays = rows.select(
        delay=(event - start).dt.total_seconds() / DAY,
        seen_for=(pl.lit(record.as_of) - start).dt.total_seconds() / DAY,
    )
    ages = mature_age(delays).to_numpy()
    return float(np.max(ages)) if ages.size else 0.0
