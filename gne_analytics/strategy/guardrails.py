"""Guardrails: is any slice of the marketplace harmed beyond its margin? Pass, fail or cannot tell.

Each slice is tested from both sides, one-sided, with Holm's correction over all. A slice passes when harm beyond the
margin is refuted and fails when harm within it is; want of data refutes neither. A slice's cases are a sample of those
to come: to the error of its labels comes that of how many cases the change touches, seller by seller.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import polars as pl

from gne_analytics.evidence.proposals import Concentration, Guardrail
from gne_analytics.evidence.segment import MISSING, Segment
from gne_analytics.evidence.types import Estimate, Interval
from gne_analytics.metrics.discoveries import holm
from gne_analytics.policy.model import Objective
from gne_analytics.strategy.estimate import NORMAL, Domains, Floats, Price, Reviewers, Terms, corners, mover, tally
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
    between: float
    """Standard error of the harm, in cases, by how unlike sellers are in what the change touches."""
    few: Floats
    """At most so many labels stand behind each term: its cases, however well they are known."""

    def p_pass(self) -> float:
        """p-value of 'harm is at or beyond the margin'."""
        return _p(lambda z: self.upper(z) < self.margin)

    def p_fail(self) -> float:
        """p-value of 'harm is within the margin'."""
        return _p(lambda z: self.lower(z) > self.margin)

    def upper(self, z: float) -> float:
        return (self.high.value + self.high.spread[1] + self._reach(self.high, z)[1]) / self.cases

    def lower(self, z: float) -> float:
        return (self.low.value + self.low.spread[0] - self._reach(self.low, z)[0]) / self.cases

    def _reach(self, terms: Terms, z: float) -> tuple[float, float]:
        """Return how far the harm may lie below and above: labels and sellers, at least what so few cases leave open.

        Settled cases add no error of labels, since sellers' spread holds it; but few alike cases do not spread at all.
        """
        drawn = mover(terms.weights, terms.shares, terms.labels, z)
        few = mover(terms.weights, terms.shares, np.minimum(terms.labels, self.few), z)
        spread, harm = z * self.between, max(terms.value + max(terms.spread), 0.0)
        skew = spread**2 / (2 * harm) if harm else 0.0  # the variance grows with the harm, as a count's does
        below, above = np.hypot(skew, spread) - skew, np.hypot(skew, spread) + skew
        return max(float(np.hypot(drawn[0], below)), few[0]), max(float(np.hypot(drawn[1], above)), few[1])


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
        value = slice_value(dimension).alias("slice")
        scored = {name: part for (name,), part in flows.with_columns(value).partition_by("slice", as_dict=True).items()}
        for (name,), inside in moved.group_by(value, maintain_order=True):
            identified = identify(inside, label)
            segment = Segment.of({dimension: str(name)})
            domains = _as_sample(identified)
            for metric, margin in margins.items():
                wrong = metric == "wrongful_enforcement"
                if not _possible(domains, wrong=wrong):
                    continue
                price = Price(wrong=1.0) if wrong else Price(missed=1.0)
                low, high = corners(domains, price, reviewers)
                between = _between(scored[name], identified, price, reviewers)
                few = np.full(len(low.labels), np.inf)  # beyond the domains: rates of other cases
                few[: len(domains.cases)] = np.maximum(domains.cases, 1.0)
                tests.append(_Test(metric, segment, margin or 0.0, low, high, scored[name].height, between, few))
    passes, fails = holm([t.p_pass() for t in tests]), holm([t.p_fail() for t in tests])
    return tuple(_verdict(t, p, f) for t, p, f in zip(tests, passes, fails, strict=True))


def _possible(domains: Domains, *, wrong: bool) -> bool:
    """Say whether a change can do such harm at all, whatever the truth of the cases and whatever reviewers answer."""
    ends = domains.alpha, domains.alpha + domains.beta
    return bool((np.maximum(*ends) > 0).any() if wrong else (np.minimum(*ends) < 0).any())


def _as_sample(identified: pl.DataFrame) -> Domains:
    """Tally without the finite-population correction: to those to come, audited cases are a sample like any other."""
    domains, keys = tally(identified), ["domain", "policy", "alpha", "beta"]
    sampled, others = ((pl.col("standing") == s).sum() for s in ("audited", "estimable"))
    left = identified.group_by(keys).agg(left=others / (sampled + others)).sort(keys)["left"].to_numpy()
    finite = np.isfinite(domains.labels)
    return replace(domains, labels=np.where(finite, domains.labels * np.where(finite, left, 1.0), np.inf))


def _between(scored: pl.DataFrame, identified: pl.DataFrame, price: Price, reviewers: Reviewers) -> float:
    """Return the standard error of a slice's harm, in cases, from the spread of sellers round their expected share.

    Linearised ratio of harm to cases, sellers as clusters (cases without a named seller, or of one seller alone, as
    clusters of one). A case counts with its known truth, with its domain's share, or with the worst.
    """
    pooled = (pl.col("standing") == "estimable").any().over("domain")
    audited = pl.col("weight").filter(pl.col("standing") == "audited")
    share = (audited * pl.col("known").filter(pl.col("standing") == "audited")).sum() / audited.sum()
    worst = 0.0 if price.wrong else 1.0
    unknown = pl.col("standing") == "unidentified"
    truth = pl.when(unknown).then(worst).when(pooled).then(share.over("domain")).otherwise("known")
    wrong, right = (0.5 if rate is None else rate.value for rate in (reviewers.wrong, reviewers.right))
    harm = price.wrong * (pl.col("alpha") + pl.col("beta") * wrong) * (1 - truth)
    harm = harm - price.missed * (pl.col("alpha") + pl.col("beta") * right) * truth
    named = "unit" in scored.columns and scored["unit"].n_unique() > 1
    unit = pl.col("unit") if named else pl.lit(None, pl.String)
    touched = identified.select(unit=unit, harm=harm)
    sizes = scored.select(unit=unit).group_by("unit").len().sort("unit")
    ratio = float(touched["harm"].sum()) / scored.height
    sums = sizes.drop_nulls("unit").join(
        touched.drop_nulls("unit").group_by("unit").agg("harm"), on="unit", how="left", maintain_order="left"
    )
    off = sums["harm"].list.sum().fill_null(0.0) - ratio * sums["len"]
    alone = touched.filter(pl.col("unit").is_null())["harm"]
    untouched = scored.height - int(sums["len"].sum()) - len(alone)
    clusters = sums.height + len(alone) + untouched
    squares = float(off.pow(2).sum()) + float((alone - ratio).pow(2).sum()) + untouched * ratio**2
    return float(np.sqrt(squares * clusters / max(clusters - 1, 1)))


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
    """Compare a policy's reviews, of all sellers, with its capacity, week by week; a count, so it never cannot tell.

    Told is the fullest of the weeks that pass the capacity and need more than today, else the fullest that changes.
    """
    if capacity is None or flows.is_empty():
        return ()
    week = pl.col("event_date").dt.truncate("1w")
    per_week = flows.group_by(week).agg(
        today=(pl.col("state_today") == "review").sum(), then=(pl.col("state_proposed") == "review").sum()
    )
    changed = per_week.filter(pl.col("then") != pl.col("today"))
    if changed.is_empty():
        return ()
    beyond = (pl.col("then") > capacity) & (pl.col("then") > pl.col("today"))
    told = changed.with_columns(beyond=beyond).sort("beyond", "then", "event_date").row(-1, named=True)
    return (
        Guardrail(
            name="review_capacity",
            margin=float(capacity),
            difference=Estimate(value=float(told["then"] - told["today"]), n=per_week.height),
            verdict="fail" if told["beyond"] else "pass",
            why="A week needs more reviews than there is capacity for, and more than today."
            if told["beyond"]
            else "Every week stays within the capacity, or needs no more reviews than today.",
        ),
    )
