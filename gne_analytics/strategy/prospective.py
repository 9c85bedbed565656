"""The prospective target: what the change would do to sellers and weeks to come, of which this record is one draw.

A delete-a-group jackknife of the whole estimator, by seller: what is known of cases (standing, domain, window, guess)
stays, every figure made of them (shares, bounds, reviewers' rates, counts) is made again without each group. The
sellers of over 1 % of the cases are strata of their own, in which the cases are what varies. It holds the variance of
the audits already, so nothing is added.

Source: Kott (2001), the delete-a-group jackknife; degrees of freedom, Johnson and Rust (1992).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from scipy.stats import t as student

from gne_analytics.strategy.estimate import NORMAL, Bounded, Floats, imbens_manski

MIN_GROUPS = 50
"""Groups of sellers under which no interval is given."""
MAX_GROUPS = 100
LARGE = 0.01
"""Sellers of a larger share of the cases are strata of their own ..."""
LARGE_TIMES = 3
"""... if they have so many times the cases of the mean seller: where all are alike, none is an exception."""
LARGE_PARTS = 50
"""Parts that the cases of each large seller are dealt into."""


@dataclass(frozen=True)
class Groups:
    """Cases dealt into groups, small sellers whole, large ones' cases each by itself."""

    cases: pl.DataFrame
    """case_id, large, group."""
    small: int
    large: int

    @property
    def enough(self) -> bool:
        """Whether there are groups of sellers enough for an interval; parts of large sellers are none."""
        return self.small >= MIN_GROUPS

    def weights(self, large: bool, group: int) -> pl.DataFrame:
        """Return case_id and ``times``, what each case left counts for when a group is left out."""
        mine, count = pl.col("large") == large, self.large if large else self.small
        left = self.cases.filter(~(mine & (pl.col("group") == group)))
        return left.select("case_id", times=pl.when(mine).then(count / (count - 1)).otherwise(1.0))


def deal(cases: pl.DataFrame, seed: int = 0) -> Groups:
    """Deal cases (case_id, unit) into groups of sellers at random; a case without a seller is one of its own."""
    unit = pl.coalesce("unit", pl.format("case {}", "case_id"))
    own = cases.select("case_id", unit=unit)
    floor = cases.height * max(LARGE, LARGE_TIMES / max(own["unit"].n_unique(), 1))
    own = own.with_columns(large=pl.len().over("unit") > floor)
    rng = np.random.default_rng(seed)
    units = own.filter(~pl.col("large"))["unit"].unique().sort()
    small = min(MAX_GROUPS, len(units))
    dealt = pl.DataFrame({"unit": units, "dealt": rng.permutation(len(units)) % max(small, 1)})
    own = own.sort("unit", "case_id").join(dealt, on="unit", how="left", maintain_order="left")
    order = pl.int_range(pl.len()).shuffle(seed).over("unit") % LARGE_PARTS
    groups = own.select("case_id", "large", group=pl.when("large").then(order).otherwise("dealt"))
    return Groups(groups, small, LARGE_PARTS if own["large"].any() else 0)


def jackknife(groups: Groups, estimate: Callable[[pl.DataFrame], Floats]) -> tuple[Floats, Floats]:
    """Return variance and effective groups of each figure that ``estimate`` makes of case_id and ``times``.

    ``sum over strata of (G - 1) / G * sum of (without a group - mean of these)^2``. Effective groups are
    Satterthwaite's degrees of freedom as Johnson and Rust (1992) correct them: few where few sellers make the figure.
    """
    parts: list[Floats] = []
    for large, count in ((False, groups.small), (True, groups.large)):
        if count > 1:
            found = np.array([estimate(groups.weights(large, g)) for g in range(count)])
            parts.append((count - 1) / count * (found - found.mean(axis=0)) ** 2)
    every = np.concatenate(parts)
    total, count = every.sum(axis=0), len(every)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = total**2 / (every**2).sum(axis=0)
    effective = np.where(total > 0, (3.16 - 2.77 / np.sqrt(count)) * share, count - 1.0)
    return total, np.clip(effective, 1.0, count - 1.0)


def widen(found: Bounded, variance: Floats, groups: float, level: float = 0.95) -> Bounded:
    """Return the bounds with the prospective interval round them, t quantiles on the effective groups.

    ``variance`` is that of the lower and of the upper bound. No interval for what is to come is narrower than that of
    what was: a jackknife sees nothing where a few labels all agree.
    """
    sigma = np.sqrt(variance)
    heavier = float(student.ppf(0.5 + level / 2, groups)) / NORMAL.inv_cdf(0.5 + level / 2)
    c = imbens_manski(found.high - found.low, float(sigma.max()), level) * heavier
    low, high = found.low - c * float(sigma[0]), found.high + c * float(sigma[1])
    return replace(found, interval=(min(low, found.interval[0]), max(high, found.interval[1])))


def without(moved: pl.DataFrame, windows: pl.DataFrame, times: pl.DataFrame) -> pl.DataFrame:
    """Return identified cases with ``times``, the shares of the windows that bound them made again."""
    left = moved.join(times, on="case_id", how="inner")
    if windows.is_empty():
        return left
    counted = windows.join(times, on="case_id", how="inner").with_columns(pl.col("weight") * pl.col("times"))
    shares = counted.group_by("window").agg(share=(pl.col("weight") * pl.col("known")).sum() / pl.col("weight").sum())
    for end in ("floor", "ceiling"):
        again = shares.select(pl.col("window").alias(f"{end}_window"), again="share")
        left = left.join(again, on=f"{end}_window", how="left")
        left = left.with_columns(pl.coalesce("again", end).alias(end)).drop("again")
    return left
