"""Cases: violations, each with what became of its appeals; the frame that the metrics are expressions over."""

from datetime import timedelta

import polars as pl

from gne_analytics.metrics.definitions import DECIDED, LEVEL_ORDER, REPEAT_DAYS
from gne_analytics.tables.contract import TABLES
from gne_analytics.tables.record import Record


def case_frame(record: Record) -> pl.DataFrame:
    """Return violations, each with what became of its appeals; an account action's children are left out.

    Adds filed_at, said and proof (of its first appeal: date, text, evidence), final, final_level, provisional (a higher
    level is pending or was withdrawn), first, second (outcomes by level), settled_at and settled_filed_at (of the
    appeal that decided), repeats, and the dimensions of the deciding appeal under ``appeal_``.
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
        (pl.col("reason_text") if "reason_text" in appeals.columns else pl.lit(None, pl.String)).alias("said"),
        (pl.col("evidence") if "evidence" in appeals.columns else pl.lit(None, pl.List(pl.String))).alias("proof"),
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
        pl.col("rank").filter(pl.col("outcome") != "dismissed").max().alias("highest"),
        pl.col("said", "proof").first(),
        _settled(1).alias("first"),
        _settled(2).alias("second"),
        pl.col("settled_at").filter((pl.col("rank") == 1) & pl.col("decided")).last().alias("first_settled_at"),
        pl.col("settled_at").filter((pl.col("rank") == 2) & pl.col("decided")).last().alias("second_settled_at"),
    )
    return (
        each.join(decided, on="violation_id", how="left")
        .with_columns(provisional=(pl.col("highest") > pl.col("final_rank")).fill_null(False))
        .drop("highest", "final_rank")
    )


def _settled(level: int) -> pl.Expr:
    """The outcome of the last appeal of a level that was decided, else of the last."""
    own = pl.col("rank") == level
    decided = pl.col("outcome").filter(own & pl.col("decided")).last()
    return pl.coalesce(decided, pl.col("outcome").filter(own).last())


def _prefixed(column: str) -> str:
    return column if column.startswith("appeal_") else f"appeal_{column}"


def appeal_dims(record: Record) -> list[str]:
    """The appeals' dimensions, as `case_frame` names them."""
    return [_prefixed(c) for c in record.dims("appeals") if c not in ("level", "outcome")]


def path_dims(table: str) -> frozenset[str]:
    """The dimensions of a table whose values are paths."""
    return frozenset(c.name for c in TABLES[table] if c.path)


def _repeats(rows: pl.DataFrame) -> pl.Series:
    if "seller_id" not in rows.columns:
        return pl.repeat(False, rows.height, eager=True)
    ordered = rows.select("seller_id", "decided_at", row=pl.int_range(pl.len())).sort("seller_id", "decided_at", "row")
    same = ordered.with_columns(gap=pl.col("decided_at").shift(-1).over("seller_id") - pl.col("decided_at"))
    hit = same.with_columns(repeats=(pl.col("gap") <= timedelta(days=REPEAT_DAYS)).fill_null(False))
    return hit.sort("row")["repeats"]
