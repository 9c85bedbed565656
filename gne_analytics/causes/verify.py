"""Verification on held-out units, cross-fitted: e-values, e-BH, effects and intervals that selection did not touch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gne_analytics.causes.baseline import Baseline, fit_baseline
from gne_analytics.causes.cells import NEW, VANISHED
from gne_analytics.causes.cube import Cube, Mask
from gne_analytics.causes.search import SAME_ROWS, Found, jaccard, pursue
from gne_analytics.evidence.segment import Segment
from gne_analytics.metrics.intervals import Difference, Floats, clustered_variance, t_two_sided

LEVEL = 0.02
MIN_UNITS = 10.0
"""Fewer effective units on a side: not verifiable."""
ONE_ACTOR = 0.2
"""A unit with more than this share of a cell's rows is set apart."""
RELATED = 0.5


@dataclass
class Claim:
    """One segment with what each fold says of it."""

    found: Found
    folds: set[int] = field(default_factory=set)
    related: set[int] = field(default_factory=set)
    evalues: dict[int, float] = field(default_factory=dict)
    effects: list[Difference] = field(default_factory=list)
    thin: bool = False
    actor: bool = False
    """One unit carries it: without that unit nothing is left."""
    e: float = 0.0
    confirmed: bool = False

    @property
    def segment(self) -> Segment:
        """The exact segment."""
        return self.found.segment

    def effect(self) -> Difference:
        """The mean of the held-out estimates, else what the search saw."""
        good = [d for d in self.effects if math.isfinite(d.se)]
        if not good:
            se = abs(self.found.effect / self.found.z) if self.found.z else float("inf")
            return Difference(self.found.effect, se, 1e9)
        value = float(np.mean([d.value for d in good]))
        se = math.sqrt(sum(d.se**2 for d in good)) / len(good)
        return Difference(value, se, max(min(d.dof for d in good), 1.0))


def cross_fit(cube: Cube, *, depth: int = 4) -> list[Claim]:
    """Search each half of the units and test what it found on the other half; near-equal claims are one."""
    weight = cube.n0 + cube.n1
    claims: list[Claim] = []
    for fold in (0, 1):
        mine = cube.half == fold
        seen, held = cube.take(mine), cube.take(~mine)
        if not seen.size or not held.size:
            continue
        model = fit_baseline(cube, trained_on=seen)
        found = pursue(seen, replace(model, p=model.p[mine]), depth=depth)
        held_p = replace(model, p=model.p[~mine])
        taken: list[tuple[Found, Mask]] = []
        for one in found:
            estimate, thin, actor = held_out(held, held_p, one, taken)
            taken.append((one, held.mask(one.segment)))
            claim = _same_claim(claims, one, cube, weight)
            if claim is None:
                claim = Claim(one)
                claims.append(claim)
            elif one.score > claim.found.score:
                claim.found = one
            claim.folds.add(fold)
            claim.thin |= thin
            claim.actor |= actor
            claim.effects.append(estimate)
            same_way = estimate.value * one.effect > 0
            claim.evalues[fold] = 0.0 if thin or not same_way else e_value(estimate)
    for claim in claims:
        claim.e = sum(claim.evalues.get(fold, 0.0) for fold in (0, 1)) / 2
        claim.related = _related(claim, claims, cube, weight)
    return claims


def held_out(
    held: Cube, baseline: Baseline, found: Found, taken: Sequence[tuple[Found, Mask]] = ()
) -> tuple[Difference, bool, bool]:
    """Estimate a claim's effect on units that did not select it: (estimate, too few units, carried by one actor).

    Effects accepted before it are taken out first, as the search did. A unit with more than a fifth of the cell's rows
    on a side is set apart; where nothing is left without it, the claim is about one actor.
    """
    rows = held.mask(found.segment)
    left1 = np.zeros(held.size)
    for earlier, mask in taken:
        if earlier.kind in (NEW, VANISHED):
            rows = rows & ~mask
        else:
            left1 += np.where(mask, earlier.effect, 0.0)
    cell = held.take(rows)
    p, shift = baseline.p[rows], left1[rows]
    dominant = dominant_units(cell)
    whole = _difference(cell, p, shift, found.kind, baseline.rate)
    if dominant.any():
        rest = cell.take(~dominant)
        apart = _difference(rest, p[~dominant], shift[~dominant], found.kind, baseline.rate)
        alone = not (apart.value * found.effect > 0 and abs(apart.z) > 2)
        return (whole if alone else apart), not _enough(rest, found.kind), alone
    return whole, not _enough(cell, found.kind), False


def dominant_units(cell: Cube) -> Mask:
    """Return the leaves of units that hold more than a fifth of a side's rows in a cell."""
    out = np.zeros(cell.size, dtype=bool)
    if cell.unit is None or not cell.size:
        return out
    for n in (cell.n0, cell.n1):
        by_unit = np.bincount(cell.unit, n)
        if n.sum() > 0:
            out |= (by_unit > ONE_ACTOR * n.sum())[cell.unit] & (n.sum() >= 20)
    return out


def effective_units(n: Floats, unit: "np.typing.NDArray[np.int64]") -> float:
    """Return Kish's effective number of units behind n rows."""
    by_unit = np.bincount(unit, n)
    squares = float((by_unit**2).sum())
    return float(by_unit.sum()) ** 2 / squares if squares else 0.0


def _enough(cell: Cube, kind: int) -> bool:
    if cell.unit is None or not cell.size:
        return False
    sides = {NEW: (cell.n1,), VANISHED: (cell.n0,)}.get(kind, (cell.n0, cell.n1))
    if kind not in (NEW, VANISHED) and cell.n0.sum() < 5:  # a new version: its baseline is the model's
        sides = (cell.n1,)
    return all(effective_units(n, cell.unit) >= MIN_UNITS for n in sides)


def _difference(cell: Cube, p: Floats, shift: Floats, kind: int, rate: float) -> Difference:
    n0, n1 = float(cell.n0.sum()), float(cell.n1.sum())
    unit = cell.unit if cell.unit is not None else np.arange(cell.size)
    if kind == NEW:
        if n1 <= 0:
            return Difference(0.0, math.inf, 1.0)
        r1 = float(cell.k1.sum()) / n1
        value, influence = r1 - rate, np.bincount(unit, (cell.k1 - cell.n1 * r1) / n1)
        floor = max(r1 * (1 - r1), 0.01) / n1
    elif kind == VANISHED:
        if n0 <= 0:
            return Difference(0.0, math.inf, 1.0)
        r0 = float(cell.k0.sum()) / n0
        value, influence = r0 - rate, np.bincount(unit, (cell.k0 - cell.n0 * r0) / n0)
        floor = max(r0 * (1 - r0), 0.01) / n0
    else:
        if n1 <= 0:
            return Difference(0.0, math.inf, 1.0)
        one, zero = cell.k1 - cell.n1 * (p + shift), cell.k0 - cell.n0 * p
        d1 = float(one.sum()) / n1
        d0 = float(zero.sum()) / n0 if n0 >= 5 else 0.0
        influence = np.bincount(unit, (one - cell.n1 * d1) / n1)
        pq = p * (1 - p)
        floor = float((cell.n1 * pq).sum()) / n1**2
        if n0 >= 5:
            influence = influence - np.bincount(unit, (zero - cell.n0 * d0) / n0)
            floor += float((cell.n0 * pq).sum()) / n0**2
        value = d1 - d0
    variance, dof = clustered_variance(influence.astype(np.float64))
    return Difference(value, math.sqrt(max(variance, floor)), dof)


def e_value(estimate: Difference) -> float:
    """Turn a held-out estimate into an e-value by the mixture calibrator (Vovk and Wang, 2021) of its t-test's p.

    Two-sided p, so the discovered sign costs nothing and buys nothing; Satterthwaite degrees of freedom.
    """
    if not math.isfinite(estimate.se) or estimate.se <= 0:
        return 0.0
    p = max(t_two_sided(estimate.z, estimate.dof), 1e-300)
    if p >= 1:
        return 0.5
    log_p = math.log(p)
    return (1 - p + p * log_p) / (p * log_p**2)


def e_bh(values: Sequence[float], level: float = LEVEL, tests: int | None = None) -> list[bool]:
    """Return which hypotheses e-BH rejects (Wang and Ramdas, 2022); valid under any dependence.

    ``tests`` is how many hypotheses were looked at, when that is more than are listed.
    """
    m = max(tests or 0, len(values))
    order = sorted(range(len(values)), key=lambda i: -values[i])
    last = 0
    for rank, i in enumerate(order, start=1):
        if values[i] >= m / (level * rank):
            last = rank
    chosen = set(order[:last])
    return [i in chosen for i in range(len(values))]


def _same_claim(claims: Sequence[Claim], one: Found, cube: Cube, weight: Floats) -> Claim | None:
    rows = cube.mask(one.segment)
    for claim in claims:
        if claim.found.effect * one.effect > 0 and jaccard(rows, cube.mask(claim.segment), weight) >= SAME_ROWS:
            return claim
    return None


def _related(claim: Claim, claims: Sequence[Claim], cube: Cube, weight: Floats) -> set[int]:
    """The folds that found these rows or a close relative of them, moving the same way."""
    rows = cube.mask(claim.segment)
    folds = set(claim.folds)
    for other in claims:
        if other is claim or other.found.effect * claim.found.effect <= 0:
            continue
        if jaccard(rows, cube.mask(other.segment), weight) >= RELATED:
            folds |= other.folds
    return folds
