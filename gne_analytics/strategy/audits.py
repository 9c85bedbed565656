"""The plan of audits that would settle a question: which strata, how many each, how much narrower the interval gets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from gne_analytics.evidence.types import Edit, Proposal
from gne_analytics.policy.files import PolicySet
from gne_analytics.strategy.backtest import replay_change
from gne_analytics.strategy.identify import MIN_LABELS, Floats, Label
from gne_analytics.strategy.study import Study, open_study
from gne_analytics.tables.record import Record


@dataclass(frozen=True)
class AuditPlan:
    """How many cases of each stratum to audit, and what the interval would then be."""

    strata: pl.DataFrame
    """cell, appealed, cases, labels (now), audits (to draw), probability; the largest part of the variance first."""
    half_width_now: float
    """Half-width of the interval of violating cases among those affected, worst case where nothing is known."""
    half_width_then: float

    def summary(self) -> str:
        """Say the plan in one line."""
        n = int(self.strata["audits"].sum())
        return f"{n} audits narrow the interval from +-{self.half_width_now:.0f} to +-{self.half_width_then:.0f} cases."


def plan_audits(moved: pl.DataFrame, budget: int = 200) -> AuditPlan:
    """Spread a budget of audits over the affected cases that nothing settles (Neyman allocation).

    Every stratum (flow cell x appealed or not) first gets what makes it estimable; the rest goes by its part in the
    standard deviation, cases x sqrt(p (1 - p)), with p = 1/2 where nothing is known.

    Args:
        moved: identified cases (``backtest.replay_change(...).moved``).
        budget: audits to draw.
    """
    open_cases = moved.filter(pl.col("domain") >= 0)
    audited = pl.col("standing") == "audited"
    strata = (
        open_cases.group_by("cell", "appealed")
        .agg(cases=pl.len(), labels=audited.sum(), share=pl.col("known").filter(audited).mean())
        .sort("cell", "appealed")
    )
    cases, labels = (strata[c].to_numpy().astype(np.float64) for c in ("cases", "labels"))
    share = np.where(labels > 0, strata["share"].fill_null(0.5).to_numpy(), 0.5)
    share = (share * labels + 2) / (labels + 4)  # Agresti-Coull: never certain
    spread = cases * np.sqrt(share * (1 - share))
    left = cases - labels
    floor = np.minimum(np.maximum(MIN_LABELS - labels, 0), left)
    if floor.sum() > budget:
        floor = np.floor(floor * budget / floor.sum())
    weight = spread / spread.sum() if spread.sum() else spread
    audits = np.minimum(floor + np.floor((budget - floor.sum()) * weight), left).astype(int)
    now = _half_width(cases, labels, share)
    then = _half_width(cases, labels + audits, share)
    frame = strata.select("cell", "appealed", "cases", "labels").with_columns(
        audits=pl.Series(audits, dtype=pl.Int64),
        probability=pl.Series(np.where(left > 0, audits / np.maximum(left, 1), 0.0), dtype=pl.Float64),
        spread=pl.Series(spread, dtype=pl.Float64),
    )
    return AuditPlan(frame.sort("spread", descending=True).drop("spread"), now, then)


def _half_width(cases: Floats, labels: Floats, share: Floats) -> float:
    """Return a normal half-width over estimable strata plus the worst case over the others."""
    enough = labels >= np.minimum(MIN_LABELS, cases)
    rest = 1 - labels / np.maximum(cases, 1)
    variance = np.where(enough, cases**2 * share * (1 - share) / np.maximum(labels, 1) * rest, 0.0)
    return float(1.96 * np.sqrt(variance.sum()) + ((cases - labels)[~enough] / 2).sum())


def audit_plan(
    change: Proposal | Sequence[Edit],
    record: Record,
    policies: PolicySet,
    *,
    label: Label = "final_decision",
    budget: int = 200,
    study: Study | None = None,
) -> AuditPlan:
    """Plan the audits that would settle a change: the answer to a refusal for want of truth."""
    edits = change.edits if isinstance(change, Proposal) else change
    since = change.since if isinstance(change, Proposal) else None
    return plan_audits(
        replay_change(edits, study or open_study(record, policies), label=label, since=since).moved, budget
    )
