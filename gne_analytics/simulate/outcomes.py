"""What becomes of an enforcement: appeals over two levels, corrections, reversals. All in seconds since the start.

Every draw belongs to a case, whether it is enforced or not, so that another policy set meets the same sellers in the
same mood.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from gne_analytics.simulate.catalogue import MARKETS, WRONG_EVIDENCE
from gne_analytics.simulate.draws import Bools, Floats, Knobs, Noise, logistic, logit
from gne_analytics.simulate.shipped import default_policies

DAY = 86_400.0
TIER_MOOD = {"new": -0.25, "preferred": 0.25, "brand_authorised": 0.35, "licensed_pharmacy": 0.2}
MARKET_MOOD = {m: 0.25 * (-1) ** i * (i % 4) / 3 for i, m in enumerate(MARKETS)}
ACTION_MOOD = {"warn": -0.9, "demote": -0.5, "restrict": 0.0, "remove": 0.15, "suspend": 0.9, "terminate": 1.2}
SPLIT = 0.58
"""How often the recipient wins where a clause can be read both ways."""
CURABLE = ("misleading-listing", "undisclosed-ads", "misleading-health-claims")


@dataclass(frozen=True)
class Level:
    """One level of appeal for every case; ``filed`` says which cases have it."""

    filed: Bools
    filed_at: Floats
    decided_at: Floats
    outcome: list[str]
    human: Bools


@dataclass(frozen=True)
class Sides:
    """What the outcome stages may know of a case."""

    violating: Bools
    forgotten: Bools


def appeal(
    cases: pl.DataFrame,
    enforced: pl.DataFrame,
    truth: Sides,
    decided_at: Floats,
    noise: Noise,
    knobs: Knobs,
    rate: float,
) -> tuple[Level, Level, Floats]:
    """Return both levels and the time of correction (nan: never) of every case."""
    legit = ~truth.violating
    mood = (
        logit(rate)
        + np.where(legit, 1.35, -0.25)
        + _mood(cases["seller_tier"], TIER_MOOD)
        + _mood(cases["market"], MARKET_MOOD)
        + _mood(enforced["action"], ACTION_MOOD)
        + cases["appeal_bias"].to_numpy()
        + knobs["appeal_lift"]
        + np.where(legit, 0.0, knobs["appeal_lift_violating"])
    )
    child = enforced["parent"].is_not_null().to_numpy()
    # A child row is contested through its account, hardly ever by itself.
    filed = (noise.uniform("appeal.filed") < logistic(mood)) & (~child | (noise.uniform("appeal.child") < 0.1))
    corrected_at = _corrections(cases, truth, decided_at, noise, knobs)
    first_at = decided_at + np.minimum(noise.heavy("appeal.delay", 1.1 * DAY, 1.2), 29.5 * DAY)
    first_end = first_at + noise.heavy("appeal.decision", 1.3 * DAY, 0.95)
    overturned = _first_level(truth, brought_wrong_proof(noise, knobs), noise, knobs)
    outcome = _shade(overturned, corrected_at < first_end, noise, "first")
    first = Level(filed, first_at, first_end, outcome, noise.uniform("appeal.human") < 0.9)
    second = _second_level(cases, truth, first, noise, knobs)
    return first, second, corrected_at


def _first_level(truth: Sides, wrong_proof: Bools, noise: Noise, knobs: Knobs) -> Bools:
    right = np.where(truth.violating, 0.06, 0.84 - 0.12 * wrong_proof)
    right = np.where(truth.forgotten, np.maximum(right, 0.97 * (knobs["certain"] > 0)), right)
    right = np.where(truth.violating, right, right * (1 - np.clip(knobs["missed_at_first"], 0, 1)))
    coin = np.clip(knobs["coin"], 0, 1)
    return noise.uniform("appeal.first") < right * (1 - coin) + SPLIT * coin


def _second_level(cases: pl.DataFrame, truth: Sides, first: Level, noise: Noise, knobs: Knobs) -> Level:
    twice = [p.id for p in default_policies().policies.values() if p.appeal.levels > 1]
    two_levels = cases["policy"].is_in(twice).to_numpy()
    open_ = first.filed & two_levels & np.array([o in {"upheld", "modified"} for o in first.outcome])
    keen = logistic(np.where(truth.violating, -2.7, -0.2) + knobs["second_level"])
    filed = open_ & (noise.uniform("second.filed") < keen)
    filed_at = first.decided_at + np.minimum(noise.heavy("second.delay", 0.9 * DAY, 1.0), 14.5 * DAY)
    end = filed_at + noise.heavy("second.decision", 3.0 * DAY, 0.8)
    coin = 0.6 * np.clip(knobs["coin"], 0, 1)
    right = np.where(truth.violating, 0.04, 0.80) * (1 - coin) + SPLIT * coin
    outcome = _shade(noise.uniform("second.outcome") < right, np.zeros(len(filed), dtype=bool), noise, "second")
    return Level(filed, filed_at, end, outcome, np.ones(len(filed), dtype=bool))


def _shade(overturned: Bools, cured: Bools, noise: Noise, level: str) -> list[str]:
    """Turn yes and no into the outcomes that a record has."""
    u = noise.uniform(f"{level}.shade")
    outcome = np.where(overturned, "overturned", "upheld").astype(object)
    outcome[overturned & (u < 0.05)] = "partially_overturned"
    outcome[~overturned & (u < 0.03)] = "modified"
    outcome[(u > 0.985)] = "withdrawn"
    outcome[(u > 0.965) & (u <= 0.985)] = "dismissed"
    outcome[cured & ~overturned] = "cured"
    return [str(o) for o in outcome]


def _corrections(cases: pl.DataFrame, truth: Sides, decided_at: Floats, noise: Noise, knobs: Knobs) -> Floats:
    curable = cases["policy"].is_in(CURABLE).to_numpy()
    chance = np.where(truth.violating, 0.42, 0.12) * (1 - np.clip(knobs["cure_drop"], 0, 1))
    cured = curable & (noise.uniform("cure") < chance)
    return np.where(cured, decided_at + noise.heavy("cure.delay", 1.0 * DAY, 0.8), np.nan)


def brought_wrong_proof(noise: Noise, knobs: Knobs) -> Bools:
    """Whether the first appeal of a case comes with proof that nobody asked for."""
    return noise.uniform("appeal.proof") < np.clip(0.12 + knobs["wrong_evidence"], 0, 0.97)


def proofs(policy: str, wrong: bool, u: float) -> list[str]:
    """The kinds of evidence that come with an appeal."""
    asked = default_policies().policies[policy].appeal.evidence
    if wrong:
        return list(WRONG_EVIDENCE[: 1 + int(u * 2)])
    if u < 0.22:
        return []
    return [asked[int(u * 97) % len(asked)]] + (["product_photo"] if u > 0.8 else [])


def _mood(values: pl.Series, table: dict[str, float]) -> Floats:
    return values.replace_strict(table, default=0.0, return_dtype=pl.Float64).fill_null(0.0).to_numpy()
