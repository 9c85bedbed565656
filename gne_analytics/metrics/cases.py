"""From the record to one metric's observations: violations with what became of their appeals, or signals."""

from datetime import timedelta

import polars as pl

from gne_analytics.errors import DataError
from gne_analytics.evidence.segment import Segment
from gne_analytics.metrics.cohorts import mature_age
from gne_analytics.metrics.definitions import DECIDED, LEVEL_ORDER, REPEAT_DAYS, Metric, Wait, metric_named, why_off
from gne_analytics.metrics.observations import Observations
from gne_analytics.metrics.windows import segment_mask
from gne_analytics.tables.contract import TABLES, Grain
from gne_analytics.tables.record import Record

DAY = 86_400.0


def observe(record: Record, metric: str, scope: Segment = Segment({})) -> Observations:  # noqa: B008
    """Return one metric's rows, k of n, over the rows of a scope.

    Violations are cohorts by the date of their decision; an account action's children do not count beside it. Rows too
    young for their outcome to be known are marked not matured. A metric that the record's columns do not allow is a
    DataError that names the column.
    """
    definition = metric_named(metric)
    if reason := why_off(record, definition):
        raise DataError(reason)
    rows = case_frame(record) if definition.table == "violations" else record.table(definition.table)
    unknown = [d for d in scope.dimensions if d not in rows.columns]
    if unknown:
        raise DataError.missing_column(definition.table, unknown[0], rows.columns, f"scope {scope}")
    paths = _paths(definition.table)
    rows = rows.filter(segment_mask(scope, paths) & definition.rows)
    table = TABLES[definition.table]
    dims = record.dims(definition.table)
    if definition.by_appeal:
        dims = [*dims, *(c for c in _appeal_dims(record) if c in rows.columns)]
    unit = record.unit if record.unit is not None and record.unit in rows.columns else None
    frame = rows.select(
        pl.col(table.id).alias("id"),
        definition.hit.cast(pl.Int64).alias("k"),
        pl.lit(1, pl.Int64).alias("n"),
        "event_date", "event_week", "event_month", "event_year",
        (pl.col(unit) if unit else pl.lit(None, pl.String)).cast(pl.String).alias("unit"),
        (pl.col("fold") if unit else pl.lit(None, pl.UInt8)).alias("fold"),
        _matured(record, definition, rows).alias("matured"),
        *dims,
    )  # fmt: skip
    known = frozenset(d for d in dims if d.removeprefix("appeal_") in TABLES["appeals"].columns or d in table.columns)
    return Observations.from_frame(
        frame, dims=tuple(dims), metric=metric, label_source=definition.label_source, paths=paths & set(dims),
        unit=unit, scope=scope, source_hash=record.source_hash, known_dims=known,
    )  # fmt: skip


def case_frame(record: Record) -> pl.DataFrame:
    """Return violations, each with what became of its appeals.

    Adds filed_at (of its first appeal), final, final_level, provisional (a higher level is pending or was withdrawn),
    first, second (outcomes by level), settled_at and settled_filed_at (of the appeal that decided), repeats, and the
    dimensions of the deciding appeal under ``appeal_``. An account action's children are left out.
    """
    rows = record.violations
    if "parent_violation_id" in rows.columns:
        known = rows["violation_id"].implode()
        rows = rows.filter(~pl.col("parent_violation_id").is_in(known).fill_null(False))
    rows = rows.with_columns(_repeats(rows).alias("repeats"))
    missing = [c for c in ("reversed_at", "corrected_at") if c not in rows.columns]
    rows = rows.with_columns(pl.lit(None, pl.Datetime("us", "UTC")).alias(c) for c in missing)
    return rows.join(_appeal_summary(record), on="violation_id", how="left", maintain_order="left")


def _appeal_summary(record: Record) -> pl.DataFrame:
    appeals = record.appeals
    level = pl.col("level") if "level" in appeals.columns else pl.lit("1")
    when = pl.col("decided_at") if "decided_at" in appeals.columns else pl.lit(None, pl.Datetime("us", "UTC"))
    own = [c for c in record.dims("appeals") if c not in ("level", "outcome")]
    ranked = appeals.select(
        "violation_id",
        "filed_at",
        "outcome",
        when.alias("settled_at"),
        level.fill_null("1").alias("level"),
        level.fill_null("1").replace_strict(dict(LEVEL_ORDER), default=1, return_dtype=pl.Int64).alias("rank"),
        pl.col("outcome").is_in(list(DECIDED)).alias("decided"),
        *(pl.col(c).alias(_prefixed(c)) for c in own),
    ).sort("violation_id", "rank", "filed_at")
    decided = (
        ranked.filter("decided")
        .group_by("violation_id", maintain_order=True)
        .agg(
            pl.col("outcome").last().alias("final"),
            pl.col("level").last().alias("final_level"),
            pl.col("rank").last().alias("final_rank"),
            pl.col("settled_at").last(),
            pl.col("filed_at").last().alias("settled_filed_at"),
            *(pl.col(_prefixed(c)).last() for c in own),
        )
    )
    each = ranked.group_by("violation_id", maintain_order=True).agg(
        pl.col("filed_at").min(),
        pl.col("rank").max().alias("highest"),
        pl.col("outcome").filter(pl.col("rank") == 1).last().alias("first"),
        pl.col("outcome").filter(pl.col("rank") == 2).last().alias("second"),
        pl.col("settled_at").filter((pl.col("rank") == 1) & pl.col("decided")).last().alias("first_settled_at"),
        pl.col("settled_at").filter((pl.col("rank") == 2) & pl.col("decided")).last().alias("second_settled_at"),
    )
    return (
        each.join(decided, on="violation_id", how="left")
        .with_columns(provisional=(pl.col("highest") > pl.col("final_rank")).fill_null(False))
        .drop("highest", "final_rank")
    )


def _prefixed(column: str) -> str:
    return column if column.startswith("appeal_") else f"appeal_{column}"


def _appeal_dims(record: Record) -> list[str]:
    return [_prefixed(c) for c in record.dims("appeals") if c not in ("level", "outcome")]


def _paths(table: str) -> frozenset[str]:
    return frozenset(c.name for c in TABLES[table] if c.path)


def _repeats(rows: pl.DataFrame) -> pl.Series:
    if "seller_id" not in rows.columns:
        return pl.repeat(False, rows.height, eager=True)
    ordered = rows.select("seller_id", "decided_at", row=pl.int_range(pl.len())).sort("seller_id", "decided_at", "row")
    same = ordered.with_columns(gap=pl.col("decided_at").shift(-1).over("seller_id") - pl.col("decided_at"))
    hit = same.with_columns(repeats=(pl.col("gap") <= timedelta(days=REPEAT_DAYS)).fill_null(False))
    return hit.sort("row")["repeats"]


def _matured(record: Record, definition: Metric, rows: pl.DataFrame) -> pl.Series:
    """Whether each row's cohort is complete. Coarse grains have no delay curve: all of it is mature."""
    grain = record.grain.get(definition.table, Grain.INSTANT)
    if definition.wait is Wait.NOTHING or grain.coarseness > Grain.WEEK.coarseness:
        return pl.repeat(True, rows.height, eager=True)
    start = pl.col(TABLES[definition.table].time)
    age = (pl.lit(record.as_of) - start).dt.total_seconds() / DAY
    if definition.wait is Wait.REPEAT:
        return rows.select((age >= REPEAT_DAYS).alias("matured")).to_series()
    event = {
        Wait.FILED: "filed_at",
        Wait.DECIDED: "first_settled_at",
        Wait.DECIDED_FIRST: "first_settled_at",
        Wait.DECIDED_SECOND: "second_settled_at",
        Wait.REVERSED: "reversed_at",
        Wait.CORRECTED: "corrected_at",
    }[definition.wait]
    delays = rows.select(
        ((pl.col(event) - start).dt.total_seconds() / DAY).alias("delay"),
        age.alias("seen_for"),
        *(["market"] if "market" in rows.columns else []),
    )
    if delays["delay"].null_count() == delays.height:
        return pl.repeat(True, rows.height, eager=True)
    needed = mature_age(delays, "market")
    return (delays["seen_for"] >= needed).fill_null(False)
