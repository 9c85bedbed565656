"""The case table: every case once, enforced or not, with what the log did, what appeals and audits say, unit and fold.

Its rows are the union of assessments (the population that a lower threshold would reach) and of violations without an
assessment. Authority and court cases stay out. Attributes are as stored at the decision.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from gne_analytics.errors import DataError
from gne_analytics.strategy.outcomes import final_outcomes
from gne_analytics.tables.record import Record

AUTHORITY = r"(?i)authorit|court|legal.?order|government"
"""Source types (and reversal sources) of cases that a policy owner cannot decide otherwise."""

ATTRIBUTES = (
    "market", "language", "category", "object_type", "object_id", "seller_id", "seller_tier", "account_type",
    "detector", "detector_version",
)  # fmt: skip
"""Columns of the contract that are known at the decision, in both tables."""

AFTER = frozenset((
    "policy_id", "rule_id", "clause_id", "policy_revision", "action", "automated_decision", "automated_detection",
    "queue", "points", "template_id", "template_version", "source_type", "correction_allowed", "violation_id",
    "reversal_source", "reversal_reason", "parent_violation_id", "exposure_unit", "threshold_at_decision",
    "reviewer_id", "review_outcome", "event_date", "event_week", "event_month", "event_year", "fold", "score",
))  # fmt: skip
"""Dimensions that enforcement itself makes; no predicate may name them."""

LOGGED = ("policy_id", "rule_id", "clause_id", "policy_revision", "action", "reviewer_id", "automated_decision")
"""What the log did with a case."""


@dataclass(frozen=True)
class Population:
    """The case table, the scores behind it, and what had to be left out or settled to make them."""

    cases: pl.DataFrame
    """One row per case: case_id, violation_id, assessed_at, event_date, score, attributes, enforced, human, logged_*,
    appealed, decided_violating (1, 0, null), provisional, audit_violating (mean of its audits), audit_prob, unit, fold,
    part (0: the sellers to search on, 1: those to confirm on)."""
    scores: pl.DataFrame
    """One row per case and detector, as a replay reads it: case_id, assessed_at, event_date, score, attributes."""
    attributes: tuple[str, ...]
    """Columns that a predicate may name."""
    unit: str | None
    as_of: datetime
    left_out: Mapping[str, int]
    """Reason -> rows: authority cases, children of an account action, further violations of one case."""
    score_conflicts: int
    """Cases whose violation and assessment give different scores; the assessment's holds."""


def build_population(record: Record) -> Population:
    """Build the case table of a record; DataError when there is neither a violation nor an assessment."""
    if record.violations.is_empty() and record.assessments.is_empty():
        raise DataError(f"{record.name}: no violations and no assessments, so there is nothing to replay.")
    enforced, out, left_out = _violations(record)
    attributes = _attributes(record)
    scores, conflicts = _scores(enforced, record.assessments.join(out, on="case_id", how="anti"), attributes)
    log = enforced.select(
        "case_id",
        "violation_id",
        _human(enforced.columns),
        *[pl.col(c).alias(f"logged_{c}") for c in LOGGED if c in enforced.columns],
    )
    first = scores.sort("logged", "score", "detector", descending=[True, True, False], nulls_last=True)
    cases = (
        first.unique("case_id", keep="first", maintain_order=True).drop("logged").join(log, on="case_id", how="left")
    )
    cases = cases.with_columns(enforced=pl.col("violation_id").is_not_null())
    cases = _halves(_audits(_appeals(cases, record), record.audits), record.unit).sort("case_id")
    return Population(
        cases,
        scores.drop("logged").sort("case_id", "detector"),
        attributes,
        record.unit,
        record.as_of,
        left_out,
        conflicts,
    )


def _attributes(record: Record) -> tuple[str, ...]:
    """Return the columns known at the decision: the contract's, and the source's own dimensions."""
    own = [c for table in ("assessments", "violations") if record.has(table) for c in record.dims(table)]
    present = set(record.violations.columns) | set(record.assessments.columns)
    return tuple(dict.fromkeys(c for c in (*ATTRIBUTES, *own) if c in present and c not in AFTER))


def _violations(record: Record) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, int]]:
    """Keep one enforcement per case; return the cases that go as a whole (authority, account action's children) too."""
    frame = record.violations
    own_case = pl.format("violation:{}", pl.col("violation_id"))
    frame = frame.with_columns(case_id=pl.coalesce("case_id", own_case) if "case_id" in frame.columns else own_case)
    authority, child = pl.lit(False), pl.lit(False)
    for column in ("source_type", "reversal_source"):
        if column in frame.columns:
            authority = authority | pl.col(column).cast(pl.String).str.contains(AUTHORITY).fill_null(False)
    if "parent_violation_id" in frame.columns:
        child = pl.col("parent_violation_id").is_in(frame["violation_id"].implode()).fill_null(False)
    out = frame.filter(authority | child).select("case_id").unique()
    left_out = {
        "authority or court": frame.filter(authority).height,
        "child of an account action": frame.filter(child).height,
    }
    frame = frame.join(out, on="case_id", how="anti")
    first = frame.sort("decided_at", "violation_id").unique("case_id", keep="first", maintain_order=True)
    left_out["further violation of one case"] = frame.height - first.height
    return first, out, left_out


def _scores(enforced: pl.DataFrame, assessments: pl.DataFrame, attributes: tuple[str, ...]) -> tuple[pl.DataFrame, int]:
    """Unite both tables, a row per case and detector: the assessment's score holds, the violation's attributes do."""
    wanted = {
        **dict.fromkeys(attributes, pl.String),
        "detector": pl.String,
        "score": pl.Float64,
        "event_date": pl.Date,
        "fold": pl.UInt8,
    }
    left = _with(enforced, wanted).select("case_id", pl.col("decided_at").alias("assessed_at"), *wanted)
    right = _with(assessments, wanted).select("case_id", "assessed_at", *wanted)
    both = right.join(
        left.select("case_id", "detector", pl.col("score").alias("logged_score")), on=["case_id", "detector"]
    )
    conflicts = int((both["score"] - both["logged_score"]).abs().gt(1e-9).sum())
    alone = left.join(right, on=["case_id", "detector"], how="anti")
    alone = alone.filter(pl.col("detector").is_not_null() | ~pl.col("case_id").is_in(right["case_id"].implode()))
    kept = [c for c in attributes if c not in ("detector", "detector_version")]
    settled = pl.concat([right, alone], how="vertical_relaxed").join(
        left.select("case_id", *kept, logged_detector="detector"), on="case_id", how="left", suffix="_logged"
    )
    return settled.with_columns(
        *[pl.coalesce(f"{c}_logged", c).alias(c) for c in kept],
        logged=(pl.col("logged_detector") == pl.col("detector")).fill_null(False),
    ).drop(*[f"{c}_logged" for c in kept], "logged_detector"), conflicts


def _with(frame: pl.DataFrame, columns: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    """Add absent columns as null."""
    return frame.with_columns(pl.lit(None, dtype).alias(c) for c, dtype in columns.items() if c not in frame.columns)


def _human(columns: list[str]) -> pl.Expr:
    """Say whether a person took the logged decision; null where the log does not tell."""
    by_name = pl.col("reviewer_id").is_not_null() if "reviewer_id" in columns else pl.lit(None, pl.Boolean)
    if "automated_decision" in columns:
        automated = pl.col("automated_decision").cast(pl.String)
        by_name = pl.when(automated.is_not_null()).then(automated != "fully").otherwise(by_name)
    return by_name.alias("human")


def _appeals(cases: pl.DataFrame, record: Record) -> pl.DataFrame:
    """Attach the final outcome of each violation's appeals."""
    final = final_outcomes(record.appeals).rename({"violating": "decided_violating"})
    return cases.join(final, on="violation_id", how="left").with_columns(
        appealed=pl.col("violation_id").is_in(final["violation_id"].implode()).fill_null(False),
        provisional=pl.col("provisional").fill_null(False),
    )


def _audits(cases: pl.DataFrame, audits: pl.DataFrame) -> pl.DataFrame:
    """Attach audits by case, else by violation; two audits of one case are averaged."""
    if audits.is_empty():
        return cases.with_columns(audit_violating=pl.lit(None, pl.Float64), audit_prob=pl.lit(None, pl.Float64))
    by_violation = cases.filter(pl.col("violation_id").is_not_null()).select("violation_id", own_case="case_id")
    frame = audits.select(
        *[c if c in audits.columns else pl.lit(None, pl.String).alias(c) for c in ("case_id", "violation_id")],
        pl.col("violating").cast(pl.Float64),
        "audit_prob",
    ).join(by_violation, on="violation_id", how="left")
    known = cases.select("case_id")
    frame = frame.with_columns(case_id=pl.coalesce("own_case", "case_id")).join(known, on="case_id", how="semi")
    mean = frame.group_by("case_id").agg(
        audit_violating=pl.col("violating").mean(), audit_prob=pl.col("audit_prob").mean()
    )
    return cases.join(mean, on="case_id", how="left")


def _halves(cases: pl.DataFrame, unit: str | None) -> pl.DataFrame:
    """Split into a half to search on and one to confirm on: by the unit's fold, else the earlier and the later half."""
    if unit and "fold" in cases.columns:
        part = (pl.col("fold") >= 32).cast(pl.Int8)
        return cases.with_columns(unit=pl.col(unit).cast(pl.String), part=part)
    later = pl.col("event_date").rank("ordinal") > pl.len() / 2
    return cases.with_columns(unit=pl.lit(None, pl.String), fold=pl.lit(None, pl.UInt8), part=later.cast(pl.Int8))
