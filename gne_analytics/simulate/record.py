"""What happened, and the violations and assessments that a real extract would hold of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from gne_analytics.policy.files import PolicySet
from gne_analytics.simulate.arrivals import Calendar
from gne_analytics.simulate.draws import Bools, Floats, Ints, Knobs, Noise
from gne_analytics.simulate.enforce import contents, facts, notice_text
from gne_analytics.simulate.outcomes import CURABLE, DAY, Level

SUBJECT = ("market", "language", "category", "object_type", "object_id", "seller_id", "seller_tier", "account_type")
VIOLATION_ID = pl.lit("V") + pl.col("case_id").str.slice(1)
WON = ("overturned", "partially_overturned")
REASONS = {
    "appeal": "appeal decided for the recipient",
    "own_initiative": "quality check found no violation",
    "error": "enforced by mistake",
    "court": "order of a court",
    "batch": "one correction run over the rule's recent decisions",
}


@dataclass(frozen=True)
class Happened:
    """Everything about the cases that the tables are cut from, row by row in the same order."""

    cases: pl.DataFrame
    """Attributes, score, case_id, queue, reviewer."""
    decided: pl.DataFrame
    """The decision's columns, from ``enforce``, and parent."""
    violating: Bools
    first: Level
    second: Level
    corrected_at: Floats
    noise: Noise
    knobs: Knobs
    policies: PolicySet
    calendar: Calendar
    seed: int

    @property
    def end(self) -> float:
        """The record's last second; what would come later is not in it."""
        return self.calendar.weeks * 7 * DAY

    @property
    def enforced(self) -> Bools:
        """Which cases became a violation within the record."""
        inside = self.decided["enforced"] & (self.decided["decided_seconds"] < self.end)
        return np.asarray(inside.to_numpy(), dtype=np.bool_)

    def when(self, seconds: Floats) -> pl.Series:
        """Seconds since the start as UTC times; null for nan and for what lies after the end."""
        inside = np.where(seconds < self.end, seconds, np.nan)
        whole = pl.Series(inside, dtype=pl.Float64).fill_nan(None).floor().cast(pl.Int64) * 1_000_000
        return (whole + int(self.calendar.start.timestamp() * 1_000_000)).cast(pl.Datetime("us", "UTC"))


def violations(h: Happened, revisions: Mapping[str, list[tuple[int, str]]], templates: pl.DataFrame) -> pl.DataFrame:
    """The violations table: enforced cases decided before the record ends."""
    rows = np.flatnonzero(h.enforced)
    cases, decided, noise = h.cases[rows], h.decided[rows], h.noise.kept(rows)
    content = contents(cases, noise)
    reversed_at, source = reversals(h, rows)
    human = pl.col("reviewed")
    frame = (
        cases.select("case_id", *SUBJECT, "detector", "detector_version", "score", "week", "reviewer", "queue")
        .hstack(decided.drop("case_id"))
        .hstack(templates[rows].select("template_id", "template_version"))
        .hstack(content.select("content_text"))
        .with_columns(
            decided_at=h.when(decided["decided_seconds"].to_numpy()),
            threshold=pl.Series(_thresholds(decided, cases, noise, h.knobs.kept(rows))),
            facts=pl.Series(facts(decided["clause_id"], content["brand"], noise.uniform("facts")), dtype=pl.String),
            exposure=pl.Series(np.floor(noise.heavy("exposure", 180.0, 1.6))),
            corrected_at=h.when(h.corrected_at[rows]),
            reversed_at=h.when(reversed_at),
            source=source,
            policy_revision=_revision(decided["policy_id"], cases["week"], revisions),
        )
    )
    frame = frame.select(
        VIOLATION_ID.alias("violation_id"),
        "decided_at",
        "policy_id",
        "case_id",
        (pl.lit("V") + pl.col("parent").str.slice(1)).alias("parent_violation_id"),
        "clause_id",
        "rule_id",
        "policy_revision",
        *SUBJECT,
        "detector",
        "detector_version",
        "score",
        pl.col("threshold").alias("threshold_at_decision"),
        "source_type",
        (pl.col("source_type") == "own_initiative").alias("automated_detection"),
        pl.when(human).then(pl.lit("partially")).otherwise(pl.lit("fully")).alias("automated_decision"),
        pl.when(human).then("reviewer").alias("reviewer_id"),
        pl.when(human).then("queue").alias("queue"),
        "action",
        pl.col("points").cast(pl.Float64),
        "template_id",
        "template_version",
        "content_text",
        "facts",
        "exposure",
        pl.lit("views").alias("exposure_unit"),
        pl.col("policy_id").is_in(CURABLE).alias("correction_allowed"),
        "corrected_at",
        "reversed_at",
        pl.when(pl.col("reversed_at").is_not_null()).then("source").alias("reversal_source"),
    ).with_columns(reversal_reason=pl.col("reversal_source").replace_strict(REASONS, return_dtype=pl.String))
    text = notice_text(h.policies, frame.select("template_id", "language", "clause_id", "facts", "action"))
    return frame.with_columns(notice_text=pl.Series(text, dtype=pl.String)).sort("decided_at", "violation_id")


def reversals(h: Happened, rows: Ints) -> tuple[Floats, pl.Series]:
    """When and by whom each enforced case was taken back; nan where it was not."""
    noise, knobs = h.noise.kept(rows), h.knobs.kept(rows)
    appealed = np.where(_won(h.second)[rows], h.second.decided_at[rows], np.inf)
    appealed = np.where(_won(h.first)[rows], h.first.decided_at[rows], appealed)
    itself = noise.uniform("reversal.own") < np.where(h.violating[rows], 0.004, 0.045)
    own_at = h.decided["decided_seconds"].to_numpy()[rows] + noise.heavy("reversal.delay", 0.6 * DAY, 2.27)
    own = np.where(itself, own_at, np.inf)
    batch = np.where(noise.uniform("reversal.batch") < knobs["batch"], knobs["batch_at"], np.inf)
    at = np.minimum(np.minimum(appealed, own), batch)
    kind = noise.uniform("reversal.kind")
    source = np.where(kind < 0.85, "own_initiative", np.where(kind < 0.97, "error", "court"))
    source = np.where(at == appealed, "appeal", np.where(at == own, source, "batch"))
    return np.where(np.isinf(at), np.nan, at), pl.Series(source.tolist(), dtype=pl.String)


def assessments(h: Happened) -> pl.DataFrame:
    """The assessments table: every scored case over the logging floor, enforced or not."""
    confirmed = pl.when(pl.col("enforced")).then(pl.lit("confirmed")).otherwise(pl.lit("rejected"))
    return (
        h.cases.select("case_id", "detector", "detector_version", "score", *SUBJECT)
        .hstack([h.when(h.cases["seconds"].to_numpy()).alias("assessed_at"), pl.Series("inside", h.enforced)])
        .hstack(h.decided.select("reviewed", "enforced"))
        .with_columns(
            review_outcome=pl.when("reviewed").then(confirmed), violation_id=pl.when("inside").then(VIOLATION_ID)
        )
        .filter(pl.col("assessed_at").is_not_null())  # null: after the record's end
        .drop("inside", "reviewed", "enforced")
        .sort("assessed_at", "case_id")
    )


def _thresholds(decided: pl.DataFrame, cases: pl.DataFrame, noise: Noise, knobs: Knobs) -> Floats:
    """The threshold of each decision; a faulty feed writes one that the score never reached."""
    spoilt = noise.uniform("corrupt") < knobs["corrupt"]
    impossible = np.minimum(cases["score"].to_numpy() + 0.3, 1.0).round(3)
    return np.where(spoilt, impossible, decided["threshold"].to_numpy())


def _won(level: Level) -> Bools:
    return np.asarray(level.filed & np.isin(np.array(level.outcome, dtype=str), WON), dtype=np.bool_)


def _revision(policy: pl.Series, week: pl.Series, revisions: Mapping[str, list[tuple[int, str]]]) -> pl.Series:
    """The revision of each policy that was in force in each week."""
    steps = pl.DataFrame(
        [(p, w, r) for p, found in revisions.items() for w, r in found],
        schema={"policy": pl.String, "week": pl.Int64, "policy_revision": pl.String},
        orient="row",
    ).sort("week")
    asked = pl.DataFrame({"policy": policy, "week": week.cast(pl.Int64)}).with_row_index("_row")
    found = asked.sort("week").join_asof(steps, on="week", by="policy", check_sortedness=False).sort("_row")
    return found["policy_revision"]
