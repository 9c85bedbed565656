"""What is true of a case and what the detectors say of it."""

from collections.abc import Callable

import numpy as np
import polars as pl

from gne_analytics.simulate.catalogue import DETECTORS, QUEUES, REVIEWERS_PER_QUEUE, WRONG_QUEUE
from gne_analytics.simulate.draws import Bools, Draws, Floats, Knobs, Noise, logistic

LOGGING_FLOOR = 0.40
"""Scores below this are not kept by the marketplace's log, as in real ones."""
LEGIT_MEAN, LEGIT_SD = -0.6, 0.9
MARKET_SPREAD, CATEGORY_SPREAD = 0.25, 0.15
CANARY, FULL = 0.25, 0.70


def rollout_weeks(draws: Draws, weeks: int, fixed: dict[str, int]) -> dict[str, int]:
    """The week in which each detector's new version goes from canary to most of the traffic."""
    drawn = draws.stream("detector.rollout").integers(weeks // 5, weeks - 2, len(DETECTORS))
    return {d.name: fixed.get(d.name, int(w)) for d, w in zip(DETECTORS, drawn, strict=True)}


def with_versions(cases: pl.DataFrame, noise: Noise, rollouts: dict[str, int]) -> pl.DataFrame:
    """Add detector_version: the new one has a quarter of the traffic before its rollout, most of it after."""
    rolled = cases["week"] >= cases["detector"].replace_strict(rollouts)
    new = pl.Series(noise.uniform("version")) < rolled.cast(pl.Float64) * (FULL - CANARY) + CANARY
    old_name = {d.name: d.versions[0] for d in DETECTORS}
    new_name = {d.name: d.versions[1] for d in DETECTORS}
    return cases.with_columns(
        detector_version=pl.when(new)
        .then(pl.col("detector").replace_strict(new_name))
        .otherwise(pl.col("detector").replace_strict(old_name))
    )


def with_queues(cases: pl.DataFrame, noise: Noise) -> pl.DataFrame:
    """Add the queue and the reviewer that a case would go to; teams of a policy share its work at random."""
    count = pl.col("policy").replace_strict({p: len(q) for p, q in QUEUES.items()}, return_dtype=pl.Int64)
    names = {f"{p}:{i}": q for p, queues in QUEUES.items() for i, q in enumerate(queues)}
    return (
        cases.with_columns(_u=pl.Series(noise.uniform("queue")))
        .with_columns(_place=(pl.col("_u") * count).floor().cast(pl.Int64).cast(pl.String))
        .with_columns(queue=pl.concat_str(["policy", "_place"], separator=":").replace_strict(names))
        .drop("_u", "_place")
    )


def reroute(cases: pl.DataFrame, noise: Noise, knobs: Knobs) -> tuple[pl.DataFrame, Bools]:
    """Send the cases that a routing incident struck to the wrong queue; return which."""
    struck = noise.uniform("reroute") < knobs["reroute"]
    return cases.with_columns(
        queue=pl.when(pl.Series(struck)).then(pl.lit(WRONG_QUEUE)).otherwise(pl.col("queue"))
    ), struck


def reviewers(cases: pl.DataFrame, noise: Noise) -> pl.Series:
    """The reviewer of each case within its queue."""
    number = (pl.Series(noise.uniform("reviewer")) * REVIEWERS_PER_QUEUE).floor().cast(pl.Int64) + 1
    return cases.select(pl.concat_str(["queue", number.rename("n").cast(pl.String)], separator="-r"))["queue"]


def latent_truth(cases: pl.DataFrame, noise: Noise, knobs: Knobs) -> tuple[Bools, Bools]:
    """Whether a case truly violates, and whether it only looks so because a clause forgot its sellers."""
    looks = noise.uniform("latent") < logistic(cases["prevalence"].to_numpy())
    forgotten = looks & (noise.uniform("forgotten") < knobs["made_legit"])
    return looks & ~forgotten, forgotten


def scores(cases: pl.DataFrame, looks: Bools, noise: Noise, knobs: Knobs, draws: Draws) -> Floats:
    """Detector scores in [0, 1], three decimals, as the detectors log them."""
    separation = cases["detector"].replace_strict({d.name: d.separation for d in DETECTORS}).to_numpy()
    place = _offsets(cases["market"], lambda m: market_offset(draws, m)) + _offsets(
        cases["category"], lambda c: float(draws.normal(f"score.category.{c}", 1)[0]) * CATEGORY_SPREAD
    )
    mean = np.where(looks, LEGIT_MEAN + separation, LEGIT_MEAN + place + knobs["legit_score"])
    return np.round(logistic(mean + LEGIT_SD * noise.normal("score")), 3)


def market_offset(draws: Draws, market: str) -> float:
    """How much higher (in logits) legitimate goods of a market score, for all time."""
    return float(draws.normal(f"score.market.{market}", 1)[0]) * MARKET_SPREAD


def _offsets(values: pl.Series, offset: Callable[[str], float]) -> Floats:
    drawn = {str(v): offset(str(v)) for v in values.unique().sort()}
    return values.replace_strict(drawn, return_dtype=pl.Float64).to_numpy()
