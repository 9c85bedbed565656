"""The flow of every case from today's policy to the proposed one, and what it does to the chance of enforcement.

A policy leaves a case in one of three states: nothing, enforced automatically, or sent to a person. The person's answer
is read from the log where the log holds one, and is unknown otherwise.
"""

import polars as pl

from gne_analytics.evidence.proposals import Flow
from gne_analytics.policy.model import Action

NOTHING, AUTOMATIC, REVIEW = "nothing", "automatic", "review"
FLOWS = ("kept", "released", "new", "rerouted", "untouched")


def flow_of(cases: pl.DataFrame, today: pl.DataFrame, proposed: pl.DataFrame) -> pl.DataFrame:
    """Join two replays to the case table.

    Adds ``state_``, ``rule_`` and ``policy_`` ``today`` and ``proposed``, ``flow`` (one of ``FLOWS``), ``alpha``
    and ``beta`` (how the chance of enforcement changes, see ``estimate``), ``reviews`` (-1, 0, 1), ``affected`` (the
    decision or the need for a review changes) and ``milder`` (still acted on, by a milder action).
    """
    frame = cases.join(_state(today, "today"), on="case_id", how="left").join(
        _state(proposed, "proposed"), on="case_id", how="left"
    )
    frame = frame.with_columns(pl.col("state_today", "state_proposed").fill_null(NOTHING))
    before, after = chance("state_today"), chance("state_proposed")
    reviews = (pl.col("state_proposed") == REVIEW).cast(pl.Int8) - (pl.col("state_today") == REVIEW).cast(pl.Int8)
    frame = frame.with_columns(alpha=after[0] - before[0], beta=after[1] - before[1], reviews=reviews)
    moved = (pl.col("alpha") != 0) | (pl.col("beta") != 0)
    acts_today, acts_then = pl.col("state_today") != NOTHING, pl.col("state_proposed") != NOTHING
    return frame.with_columns(
        affected=moved | (reviews != 0),
        milder=(pl.col("strictness_proposed") < pl.col("strictness_today")).fill_null(False),
        flow=pl.when(acts_today & acts_then & (moved | (reviews != 0)))
        .then(pl.lit("rerouted"))
        .when(acts_today & acts_then)
        .then(pl.lit("kept"))
        .when(acts_then)
        .then(pl.lit("new"))
        .when(acts_today & moved)
        .then(pl.lit("released"))
        .when(acts_today)
        .then(pl.lit("rerouted"))
        .otherwise(pl.lit("untouched")),
    ).drop("strictness_today", "strictness_proposed")


def _state(decisions: pl.DataFrame, name: str) -> pl.DataFrame:
    nothing = pl.when(pl.col("action").is_null()).then(pl.lit(NOTHING))
    strictness = pl.col("action").replace_strict(
        {a.value: a.strictness for a in Action}, default=None, return_dtype=pl.Int8
    )
    return decisions.select(
        "case_id",
        nothing.when(pl.col("review")).then(pl.lit(REVIEW)).otherwise(pl.lit(AUTOMATIC)).alias(f"state_{name}"),
        pl.col("rule_id").alias(f"rule_{name}"),
        strictness.alias(f"strictness_{name}"),
        pl.col("policy_id").alias(f"policy_{name}"),
    )


def chance(state: str) -> tuple[pl.Expr, pl.Expr]:
    """Return (alpha, beta): enforced for certain, and enforced if an unknown reviewer says so."""
    enforced_by_person = pl.col("enforced") & pl.col("human").fill_null(False)
    passed_by_person = ~pl.col("enforced") & (pl.col("state_today") == REVIEW)
    review = pl.col(state) == REVIEW
    certain = (pl.col(state) == AUTOMATIC) | (review & enforced_by_person)
    open_ = review & ~enforced_by_person & ~passed_by_person
    return certain.cast(pl.Int8), open_.cast(pl.Int8)


def count_flow(frame: pl.DataFrame) -> Flow:
    """Count cases by flow."""
    counts = dict(frame.group_by("flow").agg(pl.len()).iter_rows())
    return Flow(**{name: int(counts.get(name, 0)) for name in FLOWS})
