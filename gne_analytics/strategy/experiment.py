"""Experiment plans for words: a clause or a notice cannot be replayed, so this says how to learn what it does."""

import math
from statistics import NormalDist

from gne_analytics.evidence.types import ExperimentPlan

POWER, LEVEL = 0.8, 0.05
SMALLEST = 0.02


def size_per_arm(baseline: float, detectable: float, *, power: float = POWER, level: float = LEVEL) -> int:
    """Return the rows per arm at which a two-sided test of two shares finds a difference with the given power.

    Normal approximation with pooled variance under the null (Fleiss, Levin and Paik 2003, formula 4.14).

    Example:
        >>> size_per_arm(0.30, 0.05)
        1377
    """
    p1 = min(max(baseline, 1e-6), 1 - 1e-6)
    p2 = p1 + detectable if p1 + detectable < 1 else p1 - detectable
    mean = (p1 + p2) / 2
    null = NormalDist().inv_cdf(1 - level / 2) * math.sqrt(2 * mean * (1 - mean))
    other = NormalDist().inv_cdf(power) * math.sqrt(p1 * (1 - p1) + p2 * (1 - p2))
    return math.ceil(((null + other) / (p1 - p2)) ** 2)


def plan_experiment(
    metric: str,
    effect: float,
    *,
    baseline: float = 0.5,
    rows_per_unit: float = 1.0,
    unit: str = "seller_id",
    rho: float = 0.1,
) -> ExperimentPlan:
    """Plan two arms of sellers that would show the return of half of the cause's effect.

    Args:
        metric: what is measured; never the appeal rate or the overturn rate alone.
        effect: by how much the cause moved its own metric; half of it is to be found, two points at least.
        baseline: the metric's share in the segment now; where unknown, the share that varies most.
        rows_per_unit: cases that a seller brings in the span of the experiment.
        unit: who is assigned to an arm, whole.
        rho: assumed correlation of a seller's cases.
    """
    detectable = max(abs(effect) / 2, SMALLEST)
    design = 1 + (max(rows_per_unit, 1.0) - 1) * rho
    sellers = math.ceil(size_per_arm(baseline, detectable) * design / max(rows_per_unit, 1.0))
    return ExperimentPlan(
        unit=unit,
        arms=("today's words", "proposed words"),
        metric=metric,
        detectable=detectable,
        size_per_arm=sellers,
        stop=(
            "Stop for harm when audited violations that stay up rise beyond their margin.",
            "Stop for futility when the interval lies within the detectable difference on both sides.",
            "Read the result once, at the planned size; a fall of the appeal rate alone is no success.",
        ),
    )
