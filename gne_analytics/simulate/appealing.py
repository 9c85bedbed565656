"""The appeals table: levels, words, proof, and what the record's end leaves undecided."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from gne_analytics.simulate import texts
from gne_analytics.simulate.catalogue import REVIEWERS_PER_QUEUE
from gne_analytics.simulate.draws import Floats, Ints
from gne_analytics.simulate.enforce import contents
from gne_analytics.simulate.outcomes import Level, brought_wrong_proof, proofs
from gne_analytics.simulate.record import VIOLATION_ID, Happened

PRICES = (9, 15, 25, 40, 99, 120, 250)


@dataclass(frozen=True)
class Words:
    """What an appeal says and what the reviewer wrote."""

    code: str | None
    text: str | None
    evidence: list[str]
    note: str | None


def appeals(h: Happened, campaigns: Mapping[str, str]) -> pl.DataFrame:
    """The appeals of both levels. ``campaigns`` holds the pasted text of each organised stream of cases."""
    parts = []
    for number, level in (("1", h.first), ("2", h.second)):
        rows = np.flatnonzero(h.enforced & level.filed & (level.filed_at < h.end))
        parts.append(_level(h, number, level, rows, campaigns if number == "1" else {}))
    return pl.concat(parts).sort("filed_at", "appeal_id")


def _level(h: Happened, number: str, level: Level, rows: Ints, campaigns: Mapping[str, str]) -> pl.DataFrame:
    noise, knobs = h.noise.kept(rows), h.knobs.kept(rows)
    spoilt = noise.uniform("corrupt") < knobs["corrupt"]
    decided_at = np.where(spoilt, level.filed_at[rows], level.decided_at[rows])
    outcome = [
        "pending" if at >= h.end else "overturned" if bad and level.outcome[row] == "upheld" else level.outcome[row]
        for row, at, bad in zip(rows, decided_at, spoilt, strict=True)
    ]
    words = _words(h, number, rows, outcome, campaigns)
    reviewer = np.floor(noise.uniform(f"appeal.reviewer.{number}") * 2 * REVIEWERS_PER_QUEUE) + 1
    decided = decided_at < h.end
    frame = h.cases[rows].select("case_id", language="seller_language", policy="policy").with_columns(
        filed_at=h.when(level.filed_at[rows]),
        decided_at=h.when(decided_at),
        outcome=pl.Series(outcome, dtype=pl.String),
        human=pl.Series(level.human[rows]),
        decided=pl.Series(decided),
        reviewer=pl.Series(reviewer).cast(pl.Int64).cast(pl.String),
        reason_code=pl.Series([w.code for w in words], dtype=pl.String),
        reason_text=pl.Series([w.text for w in words], dtype=pl.String),
        evidence=pl.Series([w.evidence for w in words], dtype=pl.List(pl.String)),
        outcome_reason=pl.Series([w.note for w in words], dtype=pl.String),
    )  # fmt: skip
    return frame.select(
        (pl.lit("A") + pl.col("case_id").str.slice(1) + pl.lit(f"-{number}")).alias("appeal_id"),
        VIOLATION_ID.alias("violation_id"),
        "filed_at",
        "outcome",
        pl.lit(number).alias("level"),
        "reason_code",
        "reason_text",
        "language",
        "evidence",
        "decided_at",
        pl.when("decided").then("human").alias("decided_by_human"),
        pl.when(pl.col("decided") & pl.col("human"))
        .then(pl.lit("appeals-r") + pl.col("reviewer"))
        .alias("reviewer_id"),
        (pl.lit("appeals-") + pl.col("policy")).alias("queue"),
        "outcome_reason",
    )


def _words(h: Happened, number: str, rows: Ints, outcome: list[str], campaigns: Mapping[str, str]) -> list[Words]:
    noise, knobs = h.noise.kept(rows), h.knobs.kept(rows)
    cases = h.cases[rows]
    subject = cases.select("case_id", "policy", "seller_language", "stream").hstack(contents(cases, noise))
    pushes = knobs.starting("say_")
    wrong = brought_wrong_proof(noise, knobs) & (number == "1")
    proof = noise.uniform(f"proof.{number}")
    written = []
    for i, (case_id, policy, language, stream, brand, product, _) in enumerate(subject.iter_rows()):
        chance = random.Random(f"{h.seed}/{case_id}/{number}")  # noqa: S311 - a simulation
        weights = texts.reason_weights(policy, bool(h.violating[rows[i]]), _pushed(pushes, i))
        reasons = chance.choices(list(weights), list(weights.values()), k=1 if chance.random() < 0.75 else 2)
        slots = _slots(chance, brand, product)
        if stream in campaigns and chance.random() < knobs["paste"][i]:
            text: str | None = texts.paste(language, slots, chance, campaigns[stream])
        else:
            text = texts.compose(language, reasons, slots, chance)
        about = "evidence" if wrong[i] and outcome[i] == "upheld" else reasons[0]
        written.append(
            Words(
                code=texts.reason_code(reasons[0], chance),
                text=text,
                evidence=proofs(policy, bool(wrong[i]), float(proof[i])),
                note=texts.reviewer_note(outcome[i], about, chance),
            )
        )
    return written


def _pushed(pushes: Mapping[str, Floats], row: int) -> dict[str, float]:
    return {reason: float(turned[row]) for reason, turned in pushes.items() if turned[row] > 0}


def _slots(chance: random.Random, brand: str, product: str) -> dict[str, str]:
    day = timedelta(days=chance.randrange(300))
    return {
        "brand": brand,
        "product": product,
        "order": f"{chance.choice('ABKTX')}{chance.randrange(10**6, 10**8)}",
        "n": str(chance.randrange(2, 9)),
        "year": str(chance.randrange(2012, 2026)),
        "date": f"{texts.FIRST_DAY + day:%d/%m/%Y}",
        "price": str(chance.choice(PRICES)),
    }
