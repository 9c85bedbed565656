"""A confidence sequence on the difference between two arms of sellers, by betting, one look a mature week.

At each look a seller is one draw: its rate so far, bounded in [0, 1], weighted by what its rows are worth. So its weeks
may depend on each other as they like, and no seller weighs more than the cap. A look is an exact interval by betting
(Waudby-Smith and Ramdas 2023); looks share the error by the union bound, so that they hold together, however often one
looks and whenever one stops. The control arm's own rate is a nuisance: it is ranged over an interval of its own (Berger
and Boos 1994). Sequences that take seller-weeks for new draws are not valid here: a seller stays in its arm, so what it
is like comes back each week and never averages out.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from gne_analytics.metrics.intervals import Floats

Bools: TypeAlias = npt.NDArray[np.bool_]

MAX_STAKE = 0.9
"""No seller multiplies the wealth by more than 1 + this, so that seven at least are needed to decide anything."""
NUISANCE = 0.1
"""The part of a look's error that goes to the control arm's own rate."""
WARM_UP = 10
"""The sellers on whom nothing is staked: their spread sizes the first stakes."""
PRECISION = 1e-5
"""To which a limit is found; it is moved outwards by as much."""
METHOD = "betting, valid at every week"


def spent(week: int, weeks: int, level: float) -> float:
    """Return the error of the look at a week: half spread evenly over the planned weeks, half as 1 / (t (t + 1)).

    It sums to at most ``level`` over all weeks for ever, so a canary that overruns its plan is still covered.

    Example:
        >>> round(sum(spent(t, 12, 0.05) for t in range(1, 10_000)), 4)
        0.05
    """
    return level / 2 * ((week <= weeks) / weeks + 1 / (week * (week + 1)))


@dataclass(frozen=True)
class Arms:
    """The sellers of one look in their stated order (by hash): canary or control, rate in [0, 1], weight in [0, 1]."""

    canary: Bools
    rate: Floats
    weight: Floats

    def mean(self, canary: bool) -> float:
        """The arm's weighted rate; nan when nothing is in it."""
        inside = self.canary == canary
        total = float(self.weight[inside].sum())
        return float((self.weight * self.rate)[inside].sum()) / total if total else float("nan")


def difference_interval(arms: Arms, error: float) -> tuple[float, float]:
    """Return the two-sided interval of canary less control that fails with a chance of at most ``error``.

    Assumes independent sellers. (-1, 1) where an arm is empty or all is warm-up.
    """
    n1 = int(arms.canary.sum())
    n0 = arms.canary.size - n1
    if min(n1, n0) == 0:
        return -1.0, 1.0
    spread = spread_before(arms)
    side = error * (1 - NUISANCE) / 2
    own = _control_interval(arms, spread, error * NUISANCE)
    best = np.sqrt(2 * math.log(1 / side) / (spread * (1 / n1 + 1 / n0)))
    total = np.minimum(best, MAX_STAKE * min(n1, n0))  # the same in both arms, so that the control's own rate cancels
    stake = total / np.where(arms.canary, n1, n0)
    return _limit(arms, stake, own, side, 1), _limit(arms, stake, own, side, -1)


def spread_before(arms: Arms) -> Floats:
    """Return before each seller the variance of a weighted, centred rate among those before it, both arms together.

    Drawn towards that of a coin of the same mean by as many sellers as the warm-up has; infinite within the warm-up.
    """
    w, x = arms.weight, arms.rate
    seen = np.arange(w.size, dtype=float)
    sum_w, sum_wx, sum_ww, sum_wwx, sum_wwxx = (
        np.concatenate([[0.0], np.cumsum(v)[:-1]]) for v in (w, w * x, w * w, w * w * x, w * w * x * x)
    )
    centre = (sum_wx + 0.5) / (sum_w + 1)
    prior = centre * (1 - centre) * sum_ww / np.maximum(seen, 1)
    own = np.maximum(sum_wwxx - 2 * centre * sum_wwx + centre**2 * sum_ww, 0)
    spread = (own + WARM_UP * prior) / (seen + WARM_UP)
    return np.where((seen < WARM_UP) | (spread <= 0), np.inf, spread)


def _control_interval(arms: Arms, spread: Floats, error: float) -> tuple[float, float]:
    """Return the control arm's own rate by betting."""
    inside = ~arms.canary
    w, x = arms.weight[inside], arms.rate[inside]
    stake = w * np.minimum(np.sqrt(2 * math.log(2 / error) / (spread[inside] * w.size)), MAX_STAKE)
    need = math.log(2 / error)

    def won(m: float, side: int) -> float:
        return float(np.log1p(side * stake * (x - m)).cumsum().max()) - need

    lo = brentq(won, 0.0, 1.0, args=(1,), xtol=PRECISION) if won(0.0, 1) > 0 else 0.0
    hi = brentq(won, 0.0, 1.0, args=(-1,), xtol=PRECISION) if won(1.0, -1) > 0 else 1.0
    return max(float(lo) - PRECISION, 0.0), min(float(hi) + PRECISION, 1.0)


def _limit(arms: Arms, stake: Floats, own: tuple[float, float], error: float, side: int) -> float:
    """Return the lower (side 1) or upper (side -1) limit: the nearest difference against which the bet has not won.

    The bet has won when the wealth was above ``1 / error`` after any seller in the stated order (Ville's inequality).
    The log of the wealth is concave in the control arm's rate, so its least over an interval lies at an end.
    """
    need = math.log(1 / error)
    towards = side * np.where(arms.canary, 1.0, -1.0) * stake * arms.weight

    def won(delta: float) -> float:
        lo, hi = max(own[0], -delta, 0.0), min(own[1], 1 - delta, 1.0)
        if lo > hi:
            return need  # no rate of the control arm within its interval allows this difference
        left = arms.rate - delta * arms.canary
        return float(np.minimum(*(np.log1p(towards * (left - m)).cumsum() for m in (lo, hi))).max()) - need

    inner, outer = arms.mean(True) - arms.mean(False), -float(side)
    if won(outer) <= 0:
        return outer
    if won(inner) > 0:
        return inner
    limit = float(brentq(won, outer, inner, xtol=PRECISION))
    return max(limit - PRECISION, -1.0) if side == 1 else min(limit + PRECISION, 1.0)
