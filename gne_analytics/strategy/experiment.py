"""Experiment plans for words: a clause or a notice cannot be replayed, so this says how to learn what it does."""

import math
from statistics import NormalDist

from gne_analytics.errors import DataError
from gne_analytics.evidence.proposals import ExperimentPlan
from gne_analytics.evidence.segment import Segment
from gne_analytics.strategy.canary import RULE
from gne_analytics.strategy.sellers import seller_rows, violation_rows
from gne_analytics.strategy.traffic import ASSUMED, Traffic, traffic_of, weeks_needed
from gne_analytics.tables.record import Record

POWER, LEVEL = 0.8, 0.05
SMALLEST = 0.02
SHARE = 0.5
"""Of the sellers, in the arm of the proposed words."""
STOP = (
    "Stop for harm when the monitor shows that audited violations which stay up have risen beyond their margin.",
    "Stop for futility when the monitor refutes the detectable difference.",
    "Look at the monitor every week, if you like: its interval holds at all weeks together.",
    "A fall of the appeal rate alone is no success.",
)


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
    rho: float = ASSUMED,
    traffic: Traffic | None = None,
) -> ExperimentPlan:
    """Plan two arms of sellers that would show the return of half of the cause's effect.

    Args:
        metric: what is measured; never the appeal rate or the overturn rate alone.
        effect: by how much the cause moved its own metric; half of it is to be found, two points at least.
        baseline: the metric's share in the segment now; where unknown, the share that varies most.
        rows_per_unit: cases that a seller brings in the span of the experiment, where there is no traffic.
        unit: who is assigned to an arm, whole.
        rho: correlation of a seller's cases, where there is no traffic.
        traffic: the record's own: it gives rows and correlation, and the weeks that a monitor needs.
    """
    detectable = max(abs(effect) / 2, SMALLEST)
    rows = size_per_arm(baseline, detectable)
    per_unit = max(rows_per_unit, 1.0)
    design, weeks = 1 + (per_unit - 1) * rho, None
    if traffic is not None:
        weeks = weeks_needed(traffic, detectable, share=SHARE, baseline=baseline, level=LEVEL, power=POWER)
        span = weeks or len(traffic.sellers)
        design, rho = traffic.design_effect(span), traffic.correlation
        per_unit = traffic.rows[span - 1] / traffic.sellers[span - 1]
    return ExperimentPlan(
        unit=unit,
        arms=("today's words", "proposed words"),
        metric=metric,
        detectable=detectable,
        size_per_arm=math.ceil(rows * design / per_unit),
        stop=STOP,
        baseline=baseline if traffic is not None and traffic.hits else None,
        correlation=rho,
        correlation_measured=traffic is not None and traffic.measured,
        design_effect=design,
        weeks=weeks,
        share=SHARE,
        assignment=RULE,
    )


def plan_from_record(metric: str, effect: float, record: Record, scope: Segment) -> ExperimentPlan:
    """Plan an experiment from the record's own rows: rate, correlation of a seller's rows, and traffic.

    A metric that the record does not hold is planned at the share that varies most and an assumed correlation, for the
    traffic of the scope's violations. A record without a unit is planned by case, without traffic.

    Args:
        metric: what is measured.
        effect: by how much the cause moved its own metric.
        record: of before the experiment.
        scope: the violations that the words are about, e.g. those of one policy.
    """
    if record.unit is None:
        return plan_experiment(metric, effect, unit="case_id")
    traffic = _known(metric, record, scope) or traffic_of(*violation_rows(record, scope))
    baseline = traffic.baseline if traffic is not None and traffic.hits else 0.5
    return plan_experiment(metric, effect, baseline=baseline, unit=record.unit, traffic=traffic)


def _known(metric: str, record: Record, scope: Segment) -> Traffic | None:
    """Return the traffic of the metric's own rows, where the record holds it and has any."""
    try:
        return traffic_of(*seller_rows(record, metric, scope))
    except DataError:
        return None
