"""The plan of audits that would settle a question: which strata, how many each, how much narrower the interval gets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gne_analytics.evidence.proposals import Proposal
from gne_analytics.evidence.types import Edit
from gne_analytics.policy.files import PolicySet
from gne_analytics.strategy.backtest import On, replay_change
from gne_analytics.strategy.estimate import Price, difference, tally
from gne_analytics.strategy.identify import MIN_LABELS, Label, identify
from gne_analytics.strategy.recommend import COVERAGE_FLOOR
from gne_analytics.strategy.study import Study, open_study
from gne_analytics.tables.record import Record

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

BUDGET: Final = 200
"""Audits planned where none are asked for, or more where the coverage floor needs more."""
STRATUM: Final = ("cell", "appealed")


@dataclass(frozen=True)
class AuditPlan:
    """How many cases of each stratum to audit, and what the interval would then be."""

    strata: pl.DataFrame
    """cell, appealed, cases, labels (now), audits (to draw among those without one), probability (of that draw: to be
    logged as their audit_prob, while the earlier audits of the stratum are logged with 1, being known); the largest
    part of the variance first."""
    half_width_now: float
    """Half-width of the 95 % interval of violating cases among those affected, worst case where nothing is known."""
    half_width_then: float
    """The same once the audits are drawn, a share of a half expected where nothing is known."""
    coverage_now: float = 0.0
    """The share of affected cases whose truth is known or estimable."""
    coverage_then: float = 0.0
    needed: int | None = 0
    """How many audits lift the coverage to its floor; 0: it is there, None: no audits can."""

    def summary(self) -> str:
        """Say the plan in one line."""
        n = int(self.strata["audits"].sum())
        said = f"{n} audits narrow the interval from +-{self.half_width_now:.0f} to +-{self.half_width_then:.0f} cases"
        if self.needed is None:
            return f"{said}; no number of audits makes {COVERAGE_FLOOR:.0%} of the cases known."
        return f"{said}; {self.needed} make {COVERAGE_FLOOR:.0%} of them known." if self.needed else f"{said}."

    def draw(self, moved: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
        """Draw the cases to audit at random: case_id, cell, appealed, audit_prob.

        Args:
            moved: the identified cases that the plan was made of.
            seed: of the draw.
        """
        left = moved.filter(_open(), pl.col("standing") != "audited").sort("case_id")
        left = left.join(self.strata.select(*STRATUM, "audits", "probability"), on=list(STRATUM), nulls_equal=True)
        order = pl.Series(np.random.default_rng(seed).permutation(left.height))
        left = left.with_columns(order=order).filter(pl.col("order").rank("ordinal").over(STRATUM) <= pl.col("audits"))
        return left.select("case_id", *STRATUM, audit_prob="probability").sort("case_id")


def plan_audits(moved: pl.DataFrame, budget: int | None = None, *, beyond: int = 0) -> AuditPlan:
    """Spread a budget of audits over the affected cases that nothing settles.

    Every stratum (flow cell x appealed or not) in which cases are unidentified first gets what makes it estimable, the
    ones that settle most cases per audit first. The rest goes by cases x sqrt(p (1 - p)) (Neyman allocation), p = 1/2
    where nothing is known. Audits are drawn among the cases without one, also where none ever had a chance of it, and
    earlier audits then count for themselves alone: so no earlier probability has to be right.

    Args:
        moved: identified cases (``backtest.replay_change(...).moved``).
        budget: audits to draw; None: what the coverage floor needs, ``BUDGET`` at least.
        beyond: affected cases, not among ``moved``, that no audit can settle.
    """
    strata = _strata(moved)
    needed = _needed(strata, moved, beyond)
    budget = max(needed or 0, BUDGET) if budget is None else budget
    audits = _allocate(strata, budget)
    left = (strata["cases"] - strata["labels"]).to_numpy()
    frame = strata.with_columns(
        audits=pl.Series(audits, dtype=pl.Int64),
        probability=pl.Series(np.where(left > 0, audits / np.maximum(left, 1), 0.0), dtype=pl.Float64),
    )
    then = _expected(moved, frame)
    total = moved.height + beyond
    shown = ("cell", "appealed", "cases", "labels", "audits", "probability")
    return AuditPlan(
        frame.sort("spread", *STRATUM, descending=[True, False, False]).select(shown),
        _half_width(moved),
        _half_width(then),
        1 - (_unidentified(moved) + beyond) / max(total, 1),
        1 - (_unidentified(then) + beyond) / max(total, 1),
        needed,
    )


def _open() -> pl.Expr:
    return pl.col("domain") >= 0


def _unidentified(identified: pl.DataFrame) -> int:
    return int((identified["standing"] == "unidentified").sum())


def _strata(moved: pl.DataFrame) -> pl.DataFrame:
    """Return cell, appealed, cases, labels, unknown (unidentified cases), share, spread and cost (to be estimable)."""
    audited = pl.col("standing") == "audited"
    strata = (
        moved.filter(_open())
        .group_by(STRATUM)
        .agg(
            cases=pl.len().cast(pl.Int64),
            labels=audited.sum().cast(pl.Int64),
            unknown=(pl.col("standing") == "unidentified").sum().cast(pl.Int64),
            effective=pl.col("weight").filter(audited).sum().pow(2) / pl.col("weight").filter(audited).pow(2).sum(),
            share=pl.col("known").filter(audited).mean().fill_null(0.5),
        )
        .sort(STRATUM)
    )
    left = pl.col("cases") - pl.col("labels")
    share = (pl.col("share") * pl.col("labels") + 2) / (pl.col("labels") + 4)  # Agresti-Coull: never certain
    # (cases)^2 / (labels + left^2 / audits) effective labels, see Kish, once the earlier ones have weight 1
    room = pl.col("cases").pow(2) / MIN_LABELS - pl.col("labels")
    cost = pl.when(room > 0).then((left.pow(2) / room).floor() + 1).otherwise(left).cast(pl.Int64)
    return strata.with_columns(
        share=share,
        spread=left * (share * (1 - share)).sqrt(),
        cost=pl.when(pl.col("unknown") > 0).then(pl.min_horizontal(cost, left)).otherwise(0),
    )


def _by_worth(strata: pl.DataFrame) -> list[tuple[int, int, int]]:
    """Return (position, unknown, cost) of the strata with unidentified cases, the most cases per audit first."""
    open_ = strata.with_row_index("at").filter(pl.col("unknown") > 0)
    ranked = open_.sort(pl.col("unknown") / pl.col("cost"), "at", descending=[True, False])
    return list(ranked.select("at", "unknown", "cost").iter_rows())


def _needed(strata: pl.DataFrame, moved: pl.DataFrame, beyond: int) -> int | None:
    """Return how many audits bring the known share to the floor, the strata that settle most per audit first."""
    unknown = _unidentified(moved)
    missing = unknown - int(np.floor((1 - COVERAGE_FLOOR) * (moved.height + beyond) + 1e-9)) + beyond
    if missing > unknown:
        return None
    audits = 0
    for _, settles, cost in _by_worth(strata):
        if missing <= 0:
            break
        audits += min(cost, missing)
        missing -= settles if missing >= cost else missing
    return audits


def _allocate(strata: pl.DataFrame, budget: int) -> Ints:
    left = (strata["cases"] - strata["labels"]).to_numpy()
    audits = np.zeros(strata.height, np.int64)
    for at, _, cost in _by_worth(strata):
        if cost <= budget - audits.sum():
            audits[at] = cost
    takes = (strata["unknown"].to_numpy() == 0) | (audits > 0)
    spread = strata["spread"].to_numpy()
    while True:
        weight = np.where(takes, spread, 0.0)
        rest = budget - int(audits.sum())
        extra = np.floor(rest * weight / weight.sum()) if weight.sum() else np.zeros(len(weight))
        planned = np.minimum(audits + extra, left).astype(np.int64)
        idle = takes & (strata["unknown"].to_numpy() == 0) & (planned > 0) & ~_narrows(strata, planned)
        if not idle.any():
            break
        takes &= ~idle
    unknown = strata["unknown"].to_numpy()
    if not planned.any() and unknown.any():  # too few to make any stratum estimable: they settle the cases they are of
        at = int(np.argmax(unknown))
        planned[at] = min(budget, left[at])
    return np.asarray(planned, np.int64)


def _narrows(strata: pl.DataFrame, audits: Ints) -> Bools:
    """Say where a fresh draw leaves less variance than the audits that there are (both over the share's variance)."""
    cases, labels = (strata[c].to_numpy().astype(np.float64) for c in ("cases", "labels"))
    left, now = cases - labels, strata["effective"].fill_null(0.0).fill_nan(0.0).to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        before = np.where(now > 0, cases**2 / now * left / cases, np.inf)
        after = left**2 / audits * (1 - audits / left)
    return np.asarray(after < before)


def _expected(moved: pl.DataFrame, strata: pl.DataFrame) -> pl.DataFrame:
    """Identify the cases as they would be once the audits are drawn, each with the expected share as its label."""
    drawn = strata.filter(pl.col("audits") > 0).select(*STRATUM, "audits", "probability", expected="share")
    frame = moved.join(drawn, on=list(STRATUM), how="left", nulls_equal=True, maintain_order="left")
    audited = pl.col("standing") == "audited"
    free = _open() & ~audited & pl.col("audits").is_not_null()
    # evenly over the scores, as a draw is on average
    place = pl.col("score").fill_null(-1.0).rank("ordinal").over(*STRATUM, free) * pl.col("probability")
    chosen = free & (place.floor() > (place - pl.col("probability")).floor())
    planned = _open() & pl.col("audits").is_not_null()
    frame = frame.with_columns(
        decided_violating=pl.when(_open()).then(None).otherwise("known"),
        audit_violating=pl.when(chosen).then("expected").when(_open() & audited).then("known"),
        audit_prob=pl.when(chosen).then("probability").when(planned).then(1.0).otherwise(1 / pl.col("weight")),
    )
    new = ("standing", "known", "weight", "domain", "audits", "probability", "expected")
    return identify(frame.drop(new))


def _half_width(identified: pl.DataFrame) -> float:
    """Return the half-width of the interval of violating cases, as a backtest would state it were all released."""
    if identified.is_empty():
        return 0.0
    plain = identified.with_columns(alpha=pl.lit(1.0), beta=pl.lit(0.0))
    lo, hi = difference(tally(plain), Price(missed=1.0)).interval
    return (hi - lo) / 2


def audit_plan(
    change: Proposal | Sequence[Edit],
    record: Record,
    policies: PolicySet,
    *,
    label: Label = "final_decision",
    on: On | None = None,
    budget: int | None = None,
    study: Study | None = None,
) -> AuditPlan:
    """Plan the audits that would settle a change: the answer to a refusal for want of truth.

    On the cases that a backtest judges it on: of a proposal, those of the sellers that its search did not see. Cases
    that wait for a person whose like nobody has seen are left out: a trial review settles those, and no audit.
    """
    edits = change.edits if isinstance(change, Proposal) else change
    since = change.since if isinstance(change, Proposal) else None
    chosen: On = on or ("confirm" if isinstance(change, Proposal) else "all")
    done = replay_change(edits, study or open_study(record, policies), label=label, on=chosen, since=since)
    known = done.reviewers.wrong is not None and done.reviewers.right is not None
    moved = done.moved if known else done.moved.filter(pl.col("beta") == 0)
    return plan_audits(moved, budget, beyond=done.moved.height - moved.height)
