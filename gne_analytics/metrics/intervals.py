"""Intervals of rates: Wilson for independent rows, cluster-robust where rows of one unit repeat."""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from gne_analytics.evidence.types import Estimate, Interval

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

Z95 = 1.959963984540054
NOT_ESTIMABLE = "not estimable"
"""The method of an interval that spans all there is, for want of a second unit."""
MIN_DENOMINATOR = 30
"""A rate over fewer rows is flagged and never ranked."""


def wilson(k: float, n: float, *, level: float = 0.95, deff: float = 1.0) -> Interval:
    """Return Wilson's score interval of k of n, with n divided by a design effect.

    Wilson (1927); the effective sample size after Kish (1965). (0, 1) when n is zero.
    """
    z = Z95 if level == 0.95 else _normal_quantile(0.5 + level / 2)
    if n <= 0:
        return Interval(lo=0.0, hi=1.0, level=level, method="Wilson")
    m, p = n / max(deff, 1.0), min(max(k / n, 0.0), 1.0)
    centre = (p + z * z / (2 * m)) / (1 + z * z / m)
    reach = z * math.sqrt(p * (1 - p) / m + z * z / (4 * m * m)) / (1 + z * z / m)
    lo, hi = max(0.0, centre - reach), min(1.0, centre + reach)
    method = "Wilson" if deff <= 1 else "Wilson, cluster-robust by unit"
    return Interval(lo=0.0 if p == 0 else lo, hi=1.0 if p == 1 else hi, level=level, method=method)


def design_effect(k: Floats, n: Floats, unit: Ints) -> float:
    """Return how much wider than binomial the variance of a rate is, since rows of one unit repeat; at least 1.

    The linearised (ratio-estimator) variance over units against p(1-p)/n.
    """
    total = float(n.sum())
    units = int(unit.max()) + 1 if unit.size else 0
    if total <= 0 or not units:
        return 1.0
    p = float(k.sum()) / total
    by_unit = np.bincount(unit, n)
    live = int((by_unit > 0).sum())
    if live < 2 or not 0 < p < 1:  # no spread between units to read: what Kish's number of them gives
        return max(1.0, float((by_unit**2).sum() / by_unit.sum()))
    residual = np.bincount(unit, k - n * p)
    variance = float((residual**2).sum()) * live / max(live - 1, 1) / total**2
    return max(1.0, variance / (p * (1 - p) / total))


def rate(k: Floats, n: Floats, unit: Ints | None = None) -> Estimate:
    """Return k/n with its 95 % interval; rows of one unit are not counted as independent.

    Example:
        >>> rate(np.array([41.0]), np.array([100.0])).value
        0.41
    """
    K, N = float(np.sum(k)), float(np.sum(n))  # noqa: N806
    deff = 1.0 if unit is None else design_effect(np.asarray(k, float), np.asarray(n, float), unit)
    return Estimate(value=K / N if N else float("nan"), interval=wilson(K, N, deff=deff), n=int(N))


@dataclass(frozen=True)
class Difference:
    """The difference of two rates, its standard error and its degrees of freedom."""

    value: float
    se: float
    dof: float

    @property
    def z(self) -> float:
        """Value over standard error; 0 when the error is unknown."""
        return self.value / self.se if self.se > 0 else 0.0

    def estimate(self, n: int, method: str) -> Estimate:
        """As an Estimate with a 95 % interval by Student's t, clipped to [-1, 1]."""
        if not math.isfinite(self.se):
            return Estimate(value=self.value, interval=Interval(lo=-1.0, hi=1.0, method=NOT_ESTIMABLE), n=n)
        reach = t_quantile(self.dof) * self.se
        lo, hi = (min(max(end, -1.0), 1.0) for end in (self.value - reach, self.value + reach))
        return Estimate(value=self.value, interval=Interval(lo=lo, hi=hi, method=method), n=n)


def t_quantile(dof: float, level: float = 0.95) -> float:
    """Return the two-sided quantile of Student's t."""
    if dof > 200 and level == 0.95:
        return Z95
    from scipy.special import stdtrit

    return float(stdtrit(max(dof, 1.0), 0.5 + level / 2))


def t_two_sided(z: float, dof: float) -> float:
    """Return the two-sided p-value of Student's t."""
    from scipy.special import stdtr

    return float(2 * stdtr(max(dof, 1.0), -abs(z)))


def _normal_quantile(q: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(q)


def rate_difference(k0: Floats, n0: Floats, k1: Floats, n1: Floats, unit: Ints | None) -> Difference:
    """Return focus rate minus baseline rate; arrays run over rows, ``unit`` holds each row's unit code.

    A unit that stands in both windows enters once, so that its own level cancels. Variance: linearised, over units
    (over rows when there is no unit), never under the binomial one. Degrees of freedom: Satterthwaite.
    """
    N0, N1 = float(n0.sum()), float(n1.sum())  # noqa: N806
    if N0 <= 0 or N1 <= 0:
        return Difference(float("nan"), float("inf"), 1.0)
    p0, p1 = float(k0.sum()) / N0, float(k1.sum()) / N1
    binomial = _smooth(p0, N0) / N0 + _smooth(p1, N1) / N1
    if unit is None:
        return Difference(p1 - p0, math.sqrt(binomial), max(min(N0, N1) - 1, 1.0))
    influence = np.bincount(unit, (k1 - n1 * p1) / N1 - (k0 - n0 * p0) / N0).astype(np.float64)
    variance, dof = clustered_variance(influence)
    return Difference(p1 - p0, math.sqrt(max(variance, binomial)), dof)


def clustered_variance(influence: Floats) -> tuple[float, float]:
    """Return the variance of a sum over units from each unit's influence, and its degrees of freedom."""
    squares = influence**2
    total = float(squares.sum())
    live = int((squares > 0).sum())
    if live < 2 or total == 0:
        return float("inf"), 1.0
    dof = max(1.0, total**2 / float((squares**2).sum()) - 1)
    return total * live / (live - 1), dof


def _smooth(p: float, n: float) -> float:
    q = min(max((p * n + 0.5) / (n + 1), 0.0), 1.0)
    return q * (1 - q)
