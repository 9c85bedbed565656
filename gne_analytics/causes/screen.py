"""Which dimensions may explain a shift: none that restates the outcome, the time, a row's id or a unit's name."""

import numpy as np
import polars as pl

from gne_analytics.evidence.segment import MISSING, Segment
from gne_analytics.evidence.types import Shift
from gne_analytics.metrics.observations import Observations

TOO_TELLING = 0.9
"""A column that removes so much of the outcome's, or of time's, uncertainty is a copy of it."""
ROWS_PER_VALUE = 2.0
POST_DECISION = frozenset(
    {
        "outcome", "outcome_reason", "determination", "reversed_at", "reversal_source", "reversal_reason",
        "corrected_at", "appeal_outcome", "appeal_outcome_reason", "appeal_decided_at", "violating",
    }
)  # fmt: skip
"""Columns of the contract that are known only afterwards; refused by name, whatever role they came with."""
PEOPLE = frozenset({"reviewer_id", "appeal_reviewer_id"})
SAID = frozenset({"appeal_reason_code"})
"""What the seller says of a case follows from what happened to it: a clue to why, no place where."""
SAMPLE = 20_000
ROWS_LOOKED_AT = 1_000
"""So many rows tell of most dimensions that they have more than one value."""
MOST_DIMENSIONS = 64
"""Among more, chance alone makes too many segments, and no table of counts holds them."""
TOO_MANY = "There are more dimensions than chance lets tell apart; give the source fewer, and the others role ignore."
SHARED = 0.5
"""Of two segments compared, a dimension in whose values they agree on less than this restates which of them it is."""


def screen(obs: Observations, shift: Shift) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the dimensions that may explain the shift, and each refused one with its reason in a sentence."""
    if len(obs.dims) > MOST_DIMENSIONS:
        return (), dict.fromkeys(obs.dims, TOO_MANY)
    if not obs.dims:
        return (), {}
    sides = obs.sides(shift.baseline, shift.focus)
    both = obs.frame.select(obs.dims).filter(sides.is_not_null())
    whole = obs.frame.sample(SAMPLE, seed=0) if obs.frame.height > SAMPLE else obs.frame
    named = {d for w in (shift.baseline, shift.focus) if isinstance(w, Segment) for d in w.dimensions}
    allowed: list[str] = []
    refused: dict[str, str] = {}
    for dimension in obs.dims:
        reason = _reason(obs, both, whole, dimension, named)
        if not reason and named and _tells_side(both, sides.drop_nulls(), dimension):
            reason = "It goes with what the windows compare: the two sides share few of its values."
        if reason:
            refused[dimension] = reason
        else:
            allowed.append(dimension)
    return tuple(allowed), refused


def _reason(obs: Observations, rows: pl.DataFrame, whole: pl.DataFrame, dimension: str, named: set[str]) -> str:
    """Why a dimension may not explain, by the rows of both windows and a sample of all; nothing where it may."""
    if dimension in named:
        return "It is what the windows compare."
    if dimension in POST_DECISION:
        return "It is known only after the decision."
    if dimension in SAID:
        return "It is what sellers say of a case, which speaks for a mechanism, not for a place."
    if dimension in PEOPLE:
        return "It names single people; findings about reviewers are made per queue."
    if rows[dimension].head(ROWS_LOOKED_AT).n_unique() < 2 and rows[dimension].n_unique() < 2:
        empty = rows.height > 0 and rows[dimension][0] == MISSING
        return "It is empty in every one of these rows." if empty else "It has one value only in these rows."
    if whole.height >= 20 and whole[dimension].n_unique() * ROWS_PER_VALUE > whole.height:
        return "Its values are nearly unique, so that it names rows."
    if obs.has_unit and _names_units(whole, dimension):
        return "Its values name single units of independence."
    if _tells_outcome(whole, dimension):
        return "It is nearly a function of the outcome."
    if dimension not in obs.known_dims and _tells_time(whole, dimension, obs.grain):
        return "It is nearly a function of time."
    return ""


def _tells_side(rows: pl.DataFrame, sides: pl.Series, dimension: str) -> bool:
    """Whether two compared segments share so few of a dimension's values that it cannot tell why they differ."""
    counted = rows.select(pl.col(dimension), side=sides).group_by(dimension).agg(
        there=(pl.col("side") == 0).sum(), here=(pl.col("side") == 1).sum()
    )  # fmt: skip
    shares = [counted[side] / max(int(counted[side].sum()), 1) for side in ("there", "here")]
    return bool(sum(min(pair) for pair in zip(*(s.to_list() for s in shares), strict=True)) < SHARED)


def _names_units(rows: pl.DataFrame, dimension: str) -> bool:
    known = rows.filter(pl.col("unit").is_not_null())
    if known.is_empty() or known[dimension].n_unique() < 20:
        return False
    per_value = known.group_by(dimension).agg(pl.col("unit").n_unique())["unit"].mean()
    per_unit = known.group_by("unit").agg(pl.col(dimension).n_unique())[dimension].mean()
    rows_per_unit = known.height / known["unit"].n_unique()
    return float(per_value or 0) < 1.5 and float(per_unit or 0) < 1.5 and rows_per_unit >= 1.5  # type: ignore[arg-type]


def _tells_outcome(rows: pl.DataFrame, dimension: str) -> bool:
    """Whether the value removes nearly all uncertainty of the outcome, beyond what many values do by luck."""
    cells = rows.group_by(dimension).agg(pl.col("k").sum(), pl.col("n").sum()).filter(pl.col("n") > 0)
    k, n = cells["k"].to_numpy().astype(float), cells["n"].to_numpy().astype(float)
    total = n.sum()
    if total <= 0 or (k > n).any() or not 0 < k.sum() < total:
        return False
    whole = _entropy(np.array([k.sum(), total - k.sum()]) / total)
    smooth = np.clip((k + 0.5) / (n + 1), 1e-9, 1 - 1e-9)  # a value seen once tells little
    within = float((n / total * -(smooth * np.log2(smooth) + (1 - smooth) * np.log2(1 - smooth))).sum())
    return within < (1 - TOO_TELLING) * whole


def _tells_time(rows: pl.DataFrame, dimension: str, grain: str) -> bool:
    """Whether the value nearly tells the year (year grain), else the month: a clock in disguise.

    A version that changes once or twice does not: it tells an era, not a month.
    """
    clock = "event_year" if grain == "year" else "event_month"
    known = rows.filter(pl.col(clock).is_not_null())
    bins = known[clock].n_unique()
    if bins < 3:
        return False
    joint = known.group_by(dimension, clock).agg(pl.len().cast(pl.Float64).alias("n"))
    values = int(joint[dimension].n_unique())
    if values < bins / 2:
        return False
    of_time = _entropy(joint.group_by(clock).agg(pl.col("n").sum())["n"].to_numpy() / known.height)
    both = _entropy(joint["n"].to_numpy() / known.height)
    of_value = _entropy(joint.group_by(dimension).agg(pl.col("n").sum())["n"].to_numpy() / known.height)
    luck = (values - 1) * (bins - 1) / (2 * np.log(2) * known.height)  # Miller-Madow: what noise alone would tell
    told = of_time + of_value - both - min(luck, of_time)
    return bool(told > TOO_TELLING * of_time)


def _entropy(shares: "np.typing.NDArray[np.float64]") -> float:
    p = shares[shares > 0]
    return float(-(p * np.log2(p)).sum())
