"""Verification on held-out units, cross-fitted: e-values, e-BH, effects and intervals that selection did not touch."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gne_analytics.causes.baseline import Baseline, fit_baseline
from gne_analytics.causes.cells import NEW, VANISHED
from gne_analytics.causes.cube import Cube, Mask
from gne_analytics.causes.lattice import Lattice
from gne_analytics.causes.naming import SAME_ROWS
from gne_analytics.causes.search import Found, jaccard, outside_of, pursue
from gne_analytics.causes.view import View
from gne_analytics.evidence.segment import Segment
from gne_analytics.metrics.intervals import Difference, Floats, Ints, clustered_variance, t_two_sided

LEVEL = 0.02
MIN_UNITS = 10.0
"""Fewer effective units on a side: not verifiable."""
ONE_ACTOR = 0.2
"""A unit with more than this share of a cell's rows is set apart."""
RELATED = 0.5
SCREEN_LEAVES = 800_000
"""Of more leaves than this a sample of units is searched, and what it finds is counted on all."""
BETS = (0.3, 0.6, 0.9)
"""Parts of the expected score that an e-value bets on."""
MOST_BET = 8.0
FOLD_FLOOR = 3.0
"""Lower than the floor of a search that nothing verifies: what a half of the units proposes is tested on the other."""


@dataclass
class Claim:
    """One segment with what each fold says of it."""

    found: Found
    folds: set[int] = field(default_factory=set)
    related: set[int] = field(default_factory=set)
    evalues: dict[int, float] = field(default_factory=dict)
    effects: list[Difference] = field(default_factory=list)
    """Held-out estimates beyond what was accepted before it: what is tested."""
    wholes: list[Difference] = field(default_factory=list)
    """Held-out estimates with nothing taken out: what is told."""
    thin: bool = False
    actor: bool = False
    """One unit carries it: without that unit nothing is left."""
    e: float = 0.0
    confirmed: bool = False

    @property
    def segment(self) -> Segment:
        """The exact segment."""
        return self.found.segment

    @property
    def has_held_out(self) -> bool:
        """Whether units that did not select it give its effect; else the effect is in sample."""
        return any(math.isfinite(d.se) for d in self.wholes)

    def effect(self) -> Difference:
        """The mean of the held-out estimates, else what the search saw; Satterthwaite's degrees of freedom."""
        good = [d for d in self.wholes if math.isfinite(d.se)]
        if not good:
            beyond = self.found.beyond if self.found.kind not in (NEW, VANISHED) else 0.0
            se = abs(self.found.effect / self.found.z) if self.found.z else float("inf")
            return Difference(self.found.effect + beyond, se, 1e9)
        squares = [d.se**2 for d in good]
        dof = sum(squares) ** 2 / max(sum(v**2 / d.dof for v, d in zip(squares, good, strict=True)), 1e-300)
        return Difference(float(np.mean([d.value for d in good])), math.sqrt(sum(squares)) / len(good), max(dof, 1.0))


@dataclass(frozen=True)
class CrossFit:
    """What each half of the units proposed, tested on the other, and what all units together show."""

    claims: list[Claim]
    together: list[Found]


def cross_fit(cube: Cube, *, depth: int = 4) -> CrossFit:
    """Search each half of the units and test what it found on the other half; near-equal claims are one.

    The halves and the whole are searched over the same cells, each leaf held against the model of its own half.
    """
    weight = cube.n0 + cube.n1
    halves = [cube.half == fold for fold in (0, 1)]
    models = [_model_of(cube, half) if half.any() else None for half in halves]
    own = np.full(cube.size, np.nan)
    for half, model in zip(halves, models, strict=True):
        if model is not None:
            own[half] = model.own[half]
    parted = bool(np.isfinite(own).all())
    if not parted:  # a half of the units has no past, so that nothing can be held against it: all are searched together
        own = fit_baseline(cube).own
    seen = _screened(cube)
    screen, screen_p = (cube, own) if seen is None else (cube.take(seen), own[seen])
    lattice = Lattice(screen, screen_p, depth=depth) if np.isfinite(own).all() else None
    claims: list[Claim] = []
    for fold, model in enumerate(models):
        mine = halves[fold]
        if model is None or mine.all() or lattice is None or not parted:
            continue
        searched = np.flatnonzero(screen.half == fold)
        found = pursue(
            View(screen.take(searched), screen_p[searched], model.rate).over(lattice, (fold,)),
            floor=FOLD_FLOOR, aliases=False,
        )  # fmt: skip
        for one, tested, told, thin, actor in _tested(cube, ~mine, model, found):
            claim = _same_claim(claims, one, cube, weight)
            if claim is None:
                claim = Claim(one)
                claims.append(claim)
            elif fold in claim.folds:
                continue  # this half told it already: one estimate per fold, that of the first accepted
            elif one.score > claim.found.score:
                claim.found = one
            claim.folds.add(fold)
            claim.thin |= thin
            claim.actor |= actor
            claim.effects.append(tested)
            claim.wholes.append(told)
            claim.evalues[fold] = 0.0 if thin else e_value(tested, one.effect)
    for claim in claims:
        claim.e = sum(claim.evalues.get(fold, 0.0) for fold in (0, 1)) / 2
        claim.related = _related(claim, claims, cube, weight)
    if lattice is None:
        return CrossFit(claims, [])
    rate = float(np.clip(cube.k0.sum() / max(float(cube.n0.sum()), 1.0), 0.0, 1.0))
    return CrossFit(claims, pursue(View(screen, screen_p, rate).over(lattice, (0, 1))))


def _model_of(cube: Cube, half: Mask) -> Baseline:
    """One half's model of all leaves, of which units' own levels are what counts here."""
    model = fit_baseline(cube, trained_on=half)
    return replace(model, p=model.own[:0].copy())


def _tested(
    cube: Cube, others: Mask, model: Baseline, found: Sequence[Found]
) -> Iterator[tuple[Found, Difference, Difference, bool, bool]]:
    """Test what one half found on the other's leaves: beyond what was accepted before it, and with nothing taken out.

    Yields each with both estimates, whether it is too thin, and whether one actor carries it.
    """
    held = cube.take(others)
    held_p = replace(model, own=model.own[others])
    taken: list[tuple[Found, Mask]] = []
    for one in found:
        tested, thin, actor = held_out(held, held_p, one, taken)
        whole = one.segment.depth and (taken or one.beyond)
        yield one, tested, held_out(held, held_p, replace(one, beyond=0.0))[0] if whole else tested, thin, actor
        taken.append((one, held.mask(one.segment)))


def _screened(cube: Cube) -> Ints | None:
    """The leaves to search where there are more than a search needs: those of every so many-th unit; None for all.

    Estimates and counts are of all leaves; only what may be found is.
    """
    if cube.size <= SCREEN_LEAVES or cube.unit is None:
        return None
    step = -(-cube.size // SCREEN_LEAVES)
    kept = np.random.default_rng(0).permutation(cube.units) % step == 0  # units are in the order of their names
    return np.flatnonzero(kept[cube.unit])


def held_out(
    held: Cube, baseline: Baseline, found: Found, taken: Sequence[tuple[Found, Mask]] = ()
) -> tuple[Difference, bool, bool]:
    """Estimate a claim's effect on units that did not select it: (estimate, too few units, carried by one actor).

    Effects accepted before it, and the move of everything, are taken out first, as the search did; the empty segment is
    what lies outside the others. A unit with more than a fifth of the cell's rows on a side is set apart; where nothing
    is left without it, the claim is about one actor.
    """
    rows = held.mask(found.segment) if found.segment.depth else outside_of(held, [mask for _, mask in taken])
    left1 = np.full(held.size, 0.0 if found.kind in (NEW, VANISHED) else found.beyond)
    if not found.segment.depth:
        taken = ()
    for earlier, mask in taken:
        if earlier.kind in (NEW, VANISHED):
            rows = rows & ~mask
        else:
            left1 += np.where(mask, earlier.effect, 0.0)
    own = np.flatnonzero(rows)
    cell = replace(held, axes=()).take(own)
    p, shift = baseline.own[own], left1[own]
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


def e_value(estimate: Difference, expected: float) -> float:
    """Turn a held-out estimate into an e-value, betting on the effect that the other half of the units showed.

    The held-out t statistic as a normal score z, against likelihood ratios exp(l z - l^2/2) with l a few parts of the
    expected score, averaged: selection overstates an effect. When nothing moved it is at most 1 on average,
    nearly but not exactly: the effect bet on comes from other units, but the stake is scaled by the held-out standard
    error, and z is only as normal as t is exact (METHODS.md, section 8).
    """
    if not math.isfinite(estimate.se) or estimate.se <= 0:
        return 0.0
    z = _normal_score(estimate.z, estimate.dof)
    bet = max(-MOST_BET, min(expected / estimate.se, MOST_BET))
    return sum(math.exp(part * bet * z - (part * bet) ** 2 / 2) for part in BETS) / len(BETS)


def _normal_score(t: float, dof: float) -> float:
    """The normal score with the same tail as a t statistic."""
    if dof > 200 or abs(t) < 1e-9:
        return t
    from scipy.special import ndtri

    tail = max(t_two_sided(t, dof) / 2, 1e-300)
    return math.copysign(-float(ndtri(tail)), t)


def e_bh(values: Sequence[float], level: float = LEVEL) -> list[bool]:
    """Return which hypotheses e-BH rejects (Wang and Ramdas, 2022); valid under any dependence."""
    m = len(values)
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
        if bool(claim.segment.depth) != bool(one.segment.depth):
            continue
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
        if not (other.segment.depth and claim.segment.depth):
            continue
        if jaccard(rows, cube.mask(other.segment), weight) >= RELATED:
            folds |= other.folds
    return folds
