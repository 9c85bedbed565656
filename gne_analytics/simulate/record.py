"""The tables of the record, cut at its last day as a real extract is."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from gne_analytics.policy.files import PolicySet
from gne_analytics.simulate import texts
from gne_analytics.simulate.arrivals import Calendar
from gne_analytics.simulate.catalogue import REVIEWERS_PER_QUEUE
from gne_analytics.simulate.draws import Floats, Knobs, Noise
from gne_analytics.simulate.enforce import contents, facts, notice_text
from gne_analytics.simulate.outcomes import DAY, Level, proofs

SUBJECT = ("market", "language", "category", "object_type", "object_id", "seller_id", "seller_tier", "account_type")
FINAL_FOR = {"overturned", "partially_overturned"}


@dataclass(frozen=True)
class Happened:
    """Everything about the cases that the tables are cut from, row by row in the same order."""

    cases: pl.DataFrame
    """Attributes, score, case_id, queue, reviewer."""
    decided: pl.DataFrame
    """The decision's columns, from ``enforce``, and parent."""
    violating: np.ndarray[tuple[int], np.dtype[np.bool_]]
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
        """The record's last second."""
        return self.calendar.weeks * 7 * DAY

    def when(self, seconds: Floats) -> pl.Series:
        """Seconds since the start as UTC times; nan is null."""
        whole = pl.Series(seconds, dtype=pl.Float64).fill_nan(None).floor().cast(pl.Int64) * 1_000_000
        return (whole + int(self.calendar.start.timestamp() * 1_000_000)).cast(pl.Datetime("us", "UTC"))


def violations(h: Happened, revisions: Mapping[str, list[tuple[int, str]]], templates: pl.DataFrame) -> pl.DataFrame:
    """The violations table: enforced cases decided before the record ends."""
    d = h.decided
    inside = (d["enforced"] & (d["decided_seconds"] < h.end)).to_numpy()
    rows = np.flatnonzero(inside)
    cases, decided = h.cases[rows], d[rows]
    noise = h.noise.kept(rows)
    content = contents(cases, noise)
    reversed_at, source, reason = reversals(h, rows)
    corrected = h.corrected_at[rows]
    violation_id = cases.select(pl.lit("V") + pl.col("case_id").str.slice(1)).to_series()
    seen = facts(decided["clause_id"], content["brand"], noise.uniform("facts"))
    frame = pl.DataFrame(
        {
            "violation_id": violation_id,
            "decided_at": h.when(decided["decided_seconds"].to_numpy()),
            "policy_id": decided["policy_id"],
            "case_id": cases["case_id"],
            "parent_violation_id": decided.select(pl.lit("V") + pl.col("parent").str.slice(1)).to_series(),
            "clause_id": decided["clause_id"],
            "rule_id": decided["rule_id"],
            "policy_revision": _revision(decided["policy_id"], cases["week"], revisions),
        }
    ).hstack(cases.select(*SUBJECT, "detector", "detector_version", "score"))
    reviewed = decided["reviewed"]
    frame = frame.hstack(
        [
            pl.Series("threshold_at_decision", _thresholds(decided, cases, noise, h.knobs.kept(rows))),
            decided["source_type"],
            (decided["source_type"] == "own_initiative").alias("automated_detection"),
            pl.select(pl.when(reviewed).then(pl.lit("partially")).otherwise(pl.lit("fully"))).to_series().alias("automated_decision"),
            pl.select(pl.when(reviewed).then(cases["reviewer"])).to_series().alias("reviewer_id"),
            pl.select(pl.when(reviewed).then(cases["queue"])).to_series().alias("queue"),
            decided["action"],
            decided["points"].cast(pl.Float64),
            templates["template_id"].gather(rows).alias("template_id"),
            templates["template_version"].gather(rows).alias("template_version"),
            content["content_text"],
            pl.Series("facts", seen, dtype=pl.String),
            pl.Series("exposure", np.floor(noise.heavy("exposure", 180.0, 1.6))),
            pl.Series("exposure_unit", ["views"] * len(rows), dtype=pl.String),
            decided["policy_id"].is_in(["misleading-listing", "undisclosed-ads", "misleading-health-claims"]).alias("correction_allowed"),
            h.when(np.where(corrected < h.end, corrected, np.nan)).alias("corrected_at"),
            h.when(np.where(reversed_at < h.end, reversed_at, np.nan)).alias("reversed_at"),
            pl.Series("reversal_source", np.where(reversed_at < h.end, source, None).tolist(), dtype=pl.String),
            pl.Series("reversal_reason", np.where(reversed_at < h.end, reason, None).tolist(), dtype=pl.String),
        ]
    )  # fmt: skip
    text = notice_text(h.policies, frame.select("template_id", "language", "clause_id", "facts", "action"))
    return frame.with_columns(notice_text=pl.Series(text, dtype=pl.String)).sort("decided_at", "violation_id")


def reversals(h: Happened, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[Floats, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """When, by whom and why each enforced case was taken back; nan and None where it was not."""
    decided = h.decided["decided_seconds"].to_numpy()[rows]
    first, second = _won(h.first)[rows], _won(h.second)[rows]
    at = np.where(second, h.second.decided_at[rows], np.where(first, h.first.decided_at[rows], np.nan))
    source = np.where(first | second, "appeal", None).astype(object)
    reason = np.where(first | second, "appeal decided for the recipient", None).astype(object)
    noise, knobs = h.noise.kept(rows), h.knobs.kept(rows)
    itself = noise.uniform("reversal.own") < np.where(h.violating[rows], 0.002, 0.03)
    own_at = decided + noise.heavy("reversal.delay", 0.6 * DAY, 2.27)
    kind = noise.uniform("reversal.kind")
    earlier = itself & ~(at < own_at)
    at = np.where(earlier, own_at, at)
    source[earlier] = np.where(kind < 0.85, "own_initiative", np.where(kind < 0.97, "error", "court"))[earlier]
    reason[earlier] = "quality check found no violation"
    batch = (noise.uniform("reversal.batch") < knobs["batch"]) & ~(at < knobs["batch_at"])
    at = np.where(batch, knobs["batch_at"], at)
    source[batch], reason[batch] = "batch", "one correction run over the rule's recent decisions"
    return at, source, reason


def assessments(h: Happened, violation_of: pl.DataFrame) -> pl.DataFrame:
    """The assessments table: every scored case over the logging floor, enforced or not."""
    outcome = pl.when(pl.col("reviewed") & pl.col("enforced")).then(pl.lit("confirmed"))
    outcome = outcome.when("reviewed").then(pl.lit("rejected"))
    return (
        h.cases.select("case_id", "detector", "detector_version", "score", *SUBJECT)
        .hstack([h.when(h.cases["seconds"].to_numpy()).alias("assessed_at")])
        .hstack(h.decided.select(review_outcome=outcome))
        .join(violation_of, on="case_id", how="left", maintain_order="left")
        .sort("assessed_at", "case_id")
    )


def appeals(h: Happened, violation_of: pl.DataFrame, campaigns: Mapping[str, str]) -> pl.DataFrame:
    """The appeals table over both levels; what the record's end cuts off is pending or not there."""
    known = h.cases["case_id"].is_in(violation_of["case_id"].implode()).to_numpy()
    parts = []
    for number, level in (("1", h.first), ("2", h.second)):
        rows = np.flatnonzero(known & level.filed & (level.filed_at < h.end) & h.decided["enforced"].to_numpy())
        parts.append(_level(h, number, level, rows, campaigns))
    return pl.concat(parts).sort("filed_at", "appeal_id")


def _level(
    h: Happened, number: str, level: Level, rows: np.ndarray[tuple[int], np.dtype[np.int64]], campaigns: Mapping[str, str]
) -> pl.DataFrame:
    cases, decided = h.cases[rows], h.decided[rows]
    noise, knobs = h.noise.kept(rows), h.knobs.kept(rows)
    outcome = [o if at < h.end else "pending" for o, at in zip(np.array(level.outcome, dtype=object)[rows], level.decided_at[rows], strict=True)]
    struck = noise.uniform("corrupt") < knobs["corrupt"]
    outcome = ["overturned" if bad and o == "upheld" else o for bad, o in zip(struck, outcome, strict=True)]
    decided_at = np.where(struck, level.filed_at[rows], level.decided_at[rows])
    pushes = {reason: values for reason, values in knobs.starting("say_").items()}
    wrong = noise.uniform("appeal.proof") < np.clip(0.12 + knobs["wrong_evidence"], 0, 0.97)
    content = contents(cases, noise)
    written: list[tuple[str | None, str | None, list[str], str | None]] = []
    proof = noise.uniform(f"proof.{number}")
    for i, (case_id, policy, language, brand, product) in enumerate(
        zip(cases["case_id"], decided["policy_id"], cases["seller_language"], content["brand"], content["product"], strict=True)
    ):
        chance = random.Random(f"{h.seed}/{case_id}/{number}")  # noqa: S311 - a simulation
        pushed = {reason: float(v[i]) for reason, v in pushes.items() if v[i] > 0}
        weights = texts.reason_weights(policy, bool(h.violating[rows[i]]), pushed)
        reasons = chance.choices(list(weights), list(weights.values()), k=2)
        reasons = reasons[: 1 if chance.random() < 0.75 else 2]
        slots = _slots(chance, brand, product)
        campaign = campaigns.get(str(cases["origin"][i])) if number == "1" and knobs["paste"][i] > 0 else None
        if campaign and chance.random() < knobs["paste"][i]:
            text: str | None = texts.paste(language, slots, chance, campaign)
        else:
            text = texts.compose(language, reasons, slots, chance)
        code = texts.CODES.get(reasons[0], "other") if chance.random() < 0.85 else "other"
        evidence = proofs(policy, bool(wrong[i]) and number == "1", float(proof[i]))
        note = texts.reviewer_note(outcome[i], "evidence" if wrong[i] and outcome[i] == "upheld" else reasons[0], chance)
        written.append((None if chance.random() < 0.08 else code, text, evidence, note))
    pending = np.array([o == "pending" for o in outcome], dtype=bool)
    reviewer = (noise.uniform(f"appeal.reviewer.{number}") * REVIEWERS_PER_QUEUE * 2).astype(np.int64) + 1
    human = level.human[rows] & ~pending
    return pl.DataFrame(
        {
            "appeal_id": cases.select(pl.lit("A") + pl.col("case_id").str.slice(1) + pl.lit(f"-{number}")).to_series(),
            "violation_id": cases.select(pl.lit("V") + pl.col("case_id").str.slice(1)).to_series(),
            "filed_at": h.when(level.filed_at[rows]),
            "outcome": pl.Series(outcome, dtype=pl.String),
            "level": pl.Series([number] * len(rows), dtype=pl.String),
            "reason_code": pl.Series([w[0] for w in written], dtype=pl.String),
            "reason_text": pl.Series([w[1] for w in written], dtype=pl.String),
            "language": cases["seller_language"],
            "evidence": pl.Series([w[2] for w in written], dtype=pl.List(pl.String)),
            "decided_at": h.when(np.where(pending, np.nan, decided_at)),
            "decided_by_human": pl.Series([None if p else bool(x) for p, x in zip(pending, human, strict=True)], dtype=pl.Boolean),
            "reviewer_id": pl.Series([f"appeals-r{r}" if x else None for r, x in zip(reviewer, human, strict=True)], dtype=pl.String),
            "queue": pl.Series([f"appeals-{p}" for p in decided["policy_id"]], dtype=pl.String),
            "outcome_reason": pl.Series([w[3] for w in written], dtype=pl.String),
        }
    )


def _slots(chance: random.Random, brand: str, product: str) -> dict[str, str]:
    day = timedelta(days=chance.randrange(300))
    return {
        "brand": brand,
        "product": product,
        "order": f"{chance.choice('ABKTX')}{chance.randrange(10**6, 10**8)}",
        "n": str(chance.randrange(1, 9)),
        "year": str(chance.randrange(2012, 2026)),
        "date": f"{(Calendar(1).start + day):%d/%m/%Y}",
        "price": str(chance.choice((9, 15, 25, 40, 99, 120, 250))),
    }


def _thresholds(decided: pl.DataFrame, cases: pl.DataFrame, noise: Noise, knobs: Knobs) -> Floats:
    """The threshold of each decision; a faulty feed writes one that the score never reached."""
    spoilt = noise.uniform("corrupt") < knobs["corrupt"]
    impossible = np.minimum(cases["score"].to_numpy() + 0.3, 1.0).round(3)
    return np.where(spoilt, impossible, decided["threshold"].to_numpy())


def _won(level: Level) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return level.filed & np.array([o in FINAL_FOR for o in level.outcome], dtype=bool)


def _revision(policy: pl.Series, week: pl.Series, revisions: Mapping[str, list[tuple[int, str]]]) -> pl.Series:
    steps = pl.DataFrame(
        [(p, w, r) for p, found in revisions.items() for w, r in found],
        schema={"policy": pl.String, "week": pl.Int64, "policy_revision": pl.String},
        orient="row",
    ).sort("week")
    asked = pl.DataFrame({"policy": policy, "week": week.cast(pl.Int64)}).with_row_index("_row")
    found = asked.sort("week").join_asof(steps, on="week", by="policy", check_sortedness=False).sort("_row")
    return found["policy_revision"]
