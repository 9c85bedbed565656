"""Guardrails: is any slice of the marketplace harmed beyond its margin? Pass, fail or cannot tell.

Each slice is tested from both sides, one-sided, with Holm's correction over all. A slice passes when harm beyond the
margin is refuted and fails when harm within it is; want of data refutes neither.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import polars as pl

from gne_analytics.evidence.segment import MISSING, Segment
from gne_analytics.evidence.types import Concentration, Estimate, Guardrail, Interval
from gne_analytics.metrics.discoveries import holm
from gne_analytics.policy.model import Objective
from gne_analytics.strategy.estimate import NORMAL, Domains, Price, Reviewers, Terms, corners, mover, tally
from gne_analytics.strategy.identify import Label, identify

LEVEL = 0.05
NEW_SELLER_DAYS = 30
TOP_SELLERS = 10
MAX_Z = 8.0
SELLER_SLICES = ("seller_age", "seller_size")
"""Slices that every policy is tested by, whatever its objective names."""


@dataclass(frozen=True)
class _Test:
    name: str
    slice: Segment
    margin: float
    low: Terms
    high: Terms
    cases: int

    def p_pass(self) -> float:
        """p-value of 'harm is at or beyond the margin'."""
        return _p(lambda z: self.upper(z) < self.margin)

    def p_fail(self) -> float:
        """p-value of 'harm is within the margin'."""
        return _p(lambda z: self.lower(z) > self.margin)

    def upper(self, z: float) -> float:
        above = mover(self.high.weights, self.high.shares, self.high.labels, z)[1]
        return (self.high.value + self.high.spread[1] + above) / self.cases

    def lower(self, z: float) -> float:
        below = mover(self.low.weights, self.low.shares, self.low.labels, z)[0]
        return (self.low.value + self.low.spread[0] - below) / self.cases


def _p(refuted: Callable[[float], bool]) -> float:
    """Return the smallest one-sided level at which a limit refutes, by bisection over its normal quantile."""
    if not refuted(0.0):
        return 1.0
    lo, hi = 0.0, MAX_Z
    if refuted(hi):
        return NORMAL.cdf(-MAX_Z)
    for _ in range(25):
        middle = (lo + hi) / 2
        lo, hi = (middle, hi) if refuted(middle) else (lo, middle)
    return NORMAL.cdf(-lo)


def check_slices(
    flows: pl.DataFrame, moved: pl.DataFrame, objective: Objective, reviewers: Reviewers, label: Label
) -> tuple[Guardrail, ...]:
    """Test every slice that the change touches, for wrongful enforcement and for missed violations.

    Args:
        flows: the cases that the policy's detectors scored: the denominator of each slice.
        moved: those whose decision changes, with the columns that ``identify`` needs.
        objective: margins and the dimensions to slice by.
        reviewers: how people decide rerouted cases.
        label: the target.
    """
    margins = {"wrongful_enforcement": objective.guardrails.wrongful_enforcement,
               "missed_violations": objective.guardrails.missed_violation}  # fmt: skip
    tests = []
    for dimension in dict.fromkeys((*(objective.guardrails.slices or ()), *SELLER_SLICES)):
        if dimension not in flows.columns or (dimension in SELLER_SLICES and flows[dimension].is_null().all()):
            continue
        value = slice_value(dimension)
        totals = dict(flows.group_by(value.alias("slice")).agg(pl.len()).iter_rows())
        for (name,), inside in moved.group_by(value.alias("slice"), maintain_order=True):
            identified = identify(inside, label)
            segment = Segment.of({dimension: str(name)})
            domains = _as_sample(tally(identified))
            for metric, margin in margins.items():
                price = Price(wrong=1.0) if metric == "wrongful_enforcement" else Price(missed=1.0)
                low, high = corners(domains, price, reviewers)
                test = _Test(metric, segment, margin or 0.0, low, high, int(totals[name]))
                if test.upper(MAX_Z) > 0:
                    tests.append(test)
    passes, fails = holm([t.p_pass() for t in tests]), holm([t.p_fail() for t in tests])
    return tuple(_verdict(t, p, f) for t, p, f in zip(tests, passes, fails, strict=True))


def _as_sample(domains: Domains) -> Domains:
    """Give every domain, a census too, the sampling error of as many labels as it has cases."""
    return replace(domains, labels=np.minimum(domains.labels, np.maximum(domains.cases, 1.0)))


def slice_value(dimension: str) -> pl.Expr:
    """Return the slice of a case: a path by its top level, null by its own name."""
    value = pl.col(dimension).cast(pl.String).fill_null(MISSING)
    return value.str.split("/").list.first() if dimension == "category" else value


def seller_age(unit: str = "unit") -> pl.Expr:
    """Call a seller new for the first days after the first case, unless the record itself starts there."""
    first, start = pl.col("event_date").min().over(unit), pl.col("event_date").min()
    days = timedelta(days=NEW_SELLER_DAYS)
    new = (pl.col("event_date") < first + days) & (first >= start + days)
    return pl.when(pl.col(unit).is_null()).then(None).when(new).then(pl.lit("new")).otherwise(pl.lit("established"))


def seller_size(unit: str = "unit") -> pl.Expr:
    """Call those sellers large who hold half of all cases between them, the largest first, and the others small.

    A seller is large with at least as many cases as the seller of the median case has; where all sellers have as many
    cases as each other, none is.
    """
    cases = pl.when(pl.col(unit).is_not_null()).then(pl.len().over(unit))
    large = (cases >= cases.median()) & (cases > cases.min())
    return pl.when(cases.is_null()).then(None).when(large).then(pl.lit("large")).otherwise(pl.lit("small"))


def concentration(flows: pl.DataFrame, moved: pl.DataFrame) -> Concentration | None:
    """Say on how few sellers a change falls: the share of the top ones, beside their share of all cases.

    None where no seller is named or no case of a named seller changes. The effective number of sellers is Kish's.
    """
    changed = moved.drop_nulls("unit").group_by("unit").len().sort("len", "unit", descending=[True, False])
    if changed.is_empty():
        return None
    n, top = changed["len"].cast(pl.Float64), changed.head(TOP_SELLERS)
    theirs = flows.filter(pl.col("unit").is_in(top["unit"].implode())).height
    return Concentration(
        sellers=changed.height,
        effective=float(n.sum()) ** 2 / float(n.pow(2).sum()),
        top=top.height,
        share_of_change=float(top["len"].sum()) / float(n.sum()),
        share_of_cases=theirs / flows["unit"].count(),
    )


def _verdict(test: _Test, p_pass: float, p_fail: float) -> Guardrail:
    value = (test.low.value + sum(test.low.spread) / 2 + test.high.value + sum(test.high.spread) / 2) / 2 / test.cases
    interval = Interval(lo=test.lower(1.645), hi=test.upper(1.645), level=0.9, method="MOVER of Wilson limits")
    verdict, why = "cannot_tell", "Too few labels in this slice to refute harm or to show it."
    if p_pass < LEVEL:
        verdict, why = "pass", "Harm beyond the margin is refuted."
    elif p_fail < LEVEL:
        verdict, why = "fail", "Harm beyond the margin is shown."
    return Guardrail(
        name=test.name,
        slice=test.slice,
        margin=test.margin,
        difference=Estimate(value=value, interval=interval, n=test.cases),
        verdict=verdict,
        why=why,
    )


def check_capacity(flows: pl.DataFrame, capacity: int | None) -> tuple[Guardrail, ...]:
    """Compare the policy's reviews in its busiest week with the capacity; a count, so it never cannot tell."""
    if capacity is None or flows.is_empty():
        return ()
    week = pl.col("event_date").dt.truncate("1w")
    per_week = flows.group_by(week).agg(
        today=(pl.col("state_today") == "review").sum(), then=(pl.col("state_proposed") == "review").sum()
    )
    peak = per_week.sort("then", "event_date").row(-1, named=True)
    today, then = int(peak["today"]), int(peak["then"])
    if then == today:
        return ()
    fails = then > capacity and then > today
    return (
        Guardrail(
            name="review_capacity",
            margin=float(capacity),
            difference=Estimate(value=float(then - today), n=per_week.height),
            verdict="fail" if fails else "pass",
            why="The busiest week needs more reviews than there is capacity for."
            if fails
            else "The busiest week stays within the capacity, or needs no more reviews than today.",
        ),
    )
