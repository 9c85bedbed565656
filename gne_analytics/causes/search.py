"""Greedy residual pursuit: accept the best cell, name it well, take its effect out, score again, stop by itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from gne_analytics.causes.baseline import Baseline
from gne_analytics.causes.cells import (
    N0,
    N1,
    NEW,
    STANDARD,
    Conditions,
    Lattice,
    Residuals,
    Scored,
    is_version,
    sums_by,
)
from gne_analytics.causes.cube import Cube, Mask
from gne_analytics.evidence.segment import Segment
from gne_analytics.metrics.intervals import Floats

FLOOR = 9.0
"""z^2 less the price of naming must exceed this: a cell that chance would give about once in a hundred searches."""
SAME_ROWS = 0.9
MOST = 8
LARGE_VALUE = 0.8
"""Without a value that holds more than this, too little is left to tell whether everything moved."""
MEDIAN_OF = 3
DIFFERS = 2.0
"""So many standard errors apart, rows in and outside a condition moved differently."""
NOT_WORSE = 4.0
"""By so much (of z squared) a description with fewer dimensions may fall short of the best one."""


@dataclass(frozen=True)
class Found:
    """One segment that the search accepted, on the rows it searched; the empty one is the move of everything else."""

    segment: Segment
    kind: int
    effect: float
    """Beyond the move of everything."""
    z: float
    score: float
    same_rows: tuple[Segment, ...] = ()
    beyond: float = 0.0
    """The move of everything, against which the segment is held."""


def pursue(cube: Cube, baseline: Baseline, *, noise: float = 0.0, depth: int = 4, floor: float = FLOOR) -> list[Found]:
    """Return the segments that explain the change between the cube's sides, in the order of acceptance.

    Two tellings are tried: local segments alone, and local segments beside a move of everything that is estimated
    robustly and set aside first, so that it makes no local causes. Local segments alone win where they are fewer and
    leave nothing behind: overlapping incidents lift most values of every dimension, and look like a move of everything.
    The move of everything is listed last, as the empty segment, and only if the rows outside the local segments still
    move by themselves.
    """
    if not cube.size or not cube.n0.sum() or not cube.n1.sum():
        return []
    residuals = Residuals(cube, baseline, noise)
    lattice = Lattice(residuals, depth=depth, min_rows=max(12.0, 0.001 * float(cube.n1.sum())))
    everywhere = move_of_everything(lattice)
    alone = _telling(lattice, 0.0, floor)
    if not everywhere:
        return alone
    beside = _telling(
        Lattice(Residuals(cube, baseline, noise), depth=depth, min_rows=lattice.min_rows), everywhere, floor
    )
    complete = all(found.segment.depth for found in alone)
    return alone if complete and len(alone) < len(beside) else beside


def _telling(lattice: Lattice, everywhere: float, floor: float) -> list[Found]:
    """The local segments, given a move of everything, and that move where the rows outside them still make it."""
    if everywhere:
        lattice.move_all(everywhere)
    found = _local(lattice, floor)
    outside = outside_of(lattice.residuals.cube, [lattice.residuals.cube.mask(f.segment) for f in found])
    left, variance, kind = lattice.measure_rows(outside, versioned=False)
    total = everywhere + left
    score = total**2 / variance if np.isfinite(variance) and kind == STANDARD else 0.0
    if score < FLOOR:
        return [replace(f, effect=f.effect + everywhere) if f.kind == STANDARD else f for f in found]
    held = [replace(f, effect=f.effect - left if f.kind == STANDARD else f.effect, beyond=total) for f in found]
    return [*held, Found(Segment({}), STANDARD, total, float(np.copysign(np.sqrt(score), total)), score)]


def outside_of(cube: Cube, masks: Sequence[Mask]) -> Mask:
    """Return the leaves that lie in none of some segments."""
    outside = np.ones(cube.size, dtype=bool)
    for mask in masks:
        outside &= ~mask
    return outside


def move_of_everything(lattice: Lattice) -> float:
    """Estimate how far everything moved, whatever single segments did besides; 0 where nothing says that it did.

    The least that any dimension leaves of the whole's move: the weighted median over its values, and the move without
    any one of them, each given the benefit of one standard error.
    """
    cube, table = lattice.residuals.cube, lattice.residuals.table
    whole, variance, _ = lattice.measure_rows(np.ones(cube.size, dtype=bool), versioned=False)
    if not np.isfinite(variance) or whole**2 < FLOOR * variance:
        return 0.0
    least = abs(whole)
    for axis in cube.axes:
        if is_version(axis.dimension):
            continue
        known = axis.codes >= 0
        sums = sums_by(axis.codes[known], table[known], axis.size)
        without = table.sum(axis=0) - sums
        small = sums[:, [N0, N1]].sum(axis=1) <= LARGE_VALUE * sum(lattice.totals)
        for effect, spread, kind in (lattice.measure(without[small], versioned=False),):
            usable = (kind == STANDARD) & np.isfinite(spread)
            upper = np.sign(whole) * effect[usable] + np.sqrt(spread[usable])
            least = min(least, float(upper.min(initial=least)))
        effect, spread, kind = lattice.measure(sums, versioned=False)
        usable = (kind == STANDARD) & np.isfinite(spread)
        if usable.sum() >= MEDIAN_OF:
            middle, error = _weighted_median(np.sign(whole) * effect[usable], 1 / spread[usable])
            least = min(least, middle + error)
    return float(np.sign(whole) * least) if least > 0 and least**2 >= FLOOR * variance else 0.0


def _weighted_median(values: Floats, weights: Floats) -> tuple[float, float]:
    order = np.argsort(values)
    share = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][int(np.searchsorted(share, 0.5))]), float(1.25 / np.sqrt(weights.sum()))


def _local(lattice: Lattice, floor: float) -> list[Found]:
    cube = lattice.residuals.cube
    found: list[Found] = []
    for _ in range(MOST):
        shortlist = _rescored(lattice, lattice.best())
        if not shortlist or shortlist[0].score < floor:
            break
        named = _name(lattice, shortlist)
        rows = cube.mask(named.segment)
        if named.score < floor or any(named.segment == f.segment for f in found):
            break
        found.append(named)
        lattice.take_out(rows, named.effect, named.kind)
    return found


def _rescored(lattice: Lattice, cells: list[Scored]) -> list[Scored]:
    if lattice.residuals.cube.unit is None:
        return cells
    out = []
    for cell in cells:
        effect, variance, kind = lattice.measure_rows(
            lattice.rows(cell.conditions), versioned=_versioned(lattice, cell.conditions)
        )
        out.append(Scored(cell.conditions, effect, variance, effect**2 / variance - cell.price, kind, cell.price))
    return sorted(out, key=lambda s: (-s.score, s.conditions))


def _versioned(lattice: Lattice, conditions: Conditions) -> bool:
    return any(is_version(lattice.residuals.cube.axes[i].dimension) for i, _ in conditions)


def _name(lattice: Lattice, shortlist: list[Scored]) -> Found:
    """Name the best cell's rows: no idle condition, sibling values merged, other names of the same rows listed."""
    best = shortlist[0]
    weight = _weight(lattice.residuals.cube)
    core = lattice.rows(best.conditions)
    alike = [s.conditions for s in shortlist if jaccard(core, lattice.rows(s.conditions), weight) >= SAME_ROWS]
    conditions = best.conditions
    if best.kind == NEW:
        single = [c[0] for c in alike if len(c) == 1]
        conditions = tuple(sorted({*conditions, *single}))
        conditions = _one_level_each(lattice, conditions)
        conditions = _without_idle(lattice, conditions, 1.0)
    else:
        conditions = _simplest(lattice, _without_idle(lattice, conditions, 0.97), best, alike)
    merged = _merge_siblings(lattice, conditions)
    segment = _segment(lattice, merged)
    rows = lattice.residuals.cube.mask(segment)
    effect, variance, kind = lattice.measure_rows(rows, versioned=_versioned(lattice, conditions))
    others: list[Segment] = []
    for other in alike:
        name = _segment(lattice, {i: (code,) for i, code in _without_idle(lattice, other, 1.0)})
        if name != segment and name not in others:
            others.append(name)
    others.sort(key=lambda s: (s.depth, str(s)))
    z = effect / np.sqrt(variance) if np.isfinite(variance) else 0.0
    return Found(segment, kind, effect, float(z), float(z * z - best.price), tuple(others[:6]))


def _one_level_each(lattice: Lattice, conditions: Conditions) -> Conditions:
    axes = lattice.residuals.cube.axes
    deepest: dict[str, tuple[int, int]] = {}
    for i, code in conditions:
        known = deepest.get(axes[i].dimension)
        if known is None or axes[known[0]].level < axes[i].level:
            deepest[axes[i].dimension] = (i, code)
    return tuple(sorted(deepest.values()))


def _without_idle(lattice: Lattice, conditions: Conditions, least: float) -> Conditions:
    """Drop every condition whose absence changes the rows by less than 1 - least, the coarsest first."""
    weight = _weight(lattice.residuals.cube)
    order = sorted(conditions, key=lambda c: -float(weight[lattice.rows((c,))].sum()))
    kept = conditions
    full = lattice.rows(conditions)
    for condition in order:
        fewer = tuple(c for c in kept if c != condition)
        if fewer and jaccard(full, lattice.rows(fewer), weight) >= least:
            kept = fewer
    return kept


def _simplest(lattice: Lattice, named: Conditions, best: Scored, alike: Sequence[Conditions]) -> Conditions:
    """Among names of nearly the same rows that do not tell significantly less, the one with fewest dimensions.

    Of equally many, the one with fewer rows: the finer level of a hierarchy. Then a condition is dropped where the rows
    that it kept out moved alike.
    """
    weight = _weight(lattice.residuals.cube)
    core = lattice.rows(best.conditions)
    parts = {c for size in range(1, len(named)) for c in combinations(named, size)}
    options: list[tuple[int, float, float, Conditions]] = []
    for conditions in sorted({named, *alike, *parts}):
        rows = lattice.rows(conditions)
        if conditions != named and jaccard(core, rows, weight) < SAME_ROWS:
            continue
        effect, variance, kind = lattice.measure_rows(rows, versioned=_versioned(lattice, conditions))
        told = effect**2 / variance
        if conditions == named or (kind == best.kind and told >= best.score + best.price - NOT_WORSE):
            options.append((len(conditions), float(weight[rows].sum()), -told, conditions))
    kept = min(options)[-1]
    while len(kept) > 1:
        fewer = [f for c in kept if (f := _loosened(lattice, kept, c)) is not None]
        if not fewer:
            break
        kept = max(fewer)[1]
    return kept


def _loosened(lattice: Lattice, conditions: Conditions, condition: tuple[int, int]) -> tuple[float, Conditions] | None:
    """The cell without a condition and its z squared, None where the condition is needed."""
    fewer = tuple(c for c in conditions if c != condition)
    rows, wider = lattice.rows(conditions), lattice.rows(fewer)
    own, own_variance, own_kind = lattice.measure_rows(rows, versioned=_versioned(lattice, conditions))
    all_, all_variance, all_kind = lattice.measure_rows(wider, versioned=_versioned(lattice, fewer))
    if all_kind != own_kind or not np.isfinite(all_variance):
        return None
    saved = lattice.price_of[len(conditions)] - lattice.price_of[len(fewer)]
    told = all_**2 / all_variance
    if told < own**2 / own_variance - saved - NOT_WORSE:
        return None
    added, spread, kind = lattice.measure_rows(wider & ~rows, versioned=_versioned(lattice, fewer))
    if np.isfinite(spread) and kind == own_kind and abs(added - own) > DIFFERS * np.sqrt(spread + own_variance):
        return None
    return told, fewer


def _merge_siblings(lattice: Lattice, conditions: Conditions) -> dict[int, tuple[int, ...]]:
    """Add values beside the cell's own, one dimension at a time, while the score rises by more than their price."""
    merged: dict[int, tuple[int, ...]] = {i: (code,) for i, code in conditions}
    cube = lattice.residuals.cube
    versioned = _versioned(lattice, conditions)
    for i in sorted(merged, key=lambda i: -cube.axes[i].size):
        others = np.ones(cube.size, dtype=bool)
        for j, codes in merged.items():
            if j != i:
                others &= np.isin(cube.axes[j].codes, codes)
        rows = others & np.isin(cube.axes[i].codes, merged[i])
        effect, variance, kind = lattice.measure_rows(rows, versioned=versioned)
        score, price = effect**2 / variance, 2 * np.log(max(cube.axes[i].size, 2))
        for code in _like_minded(lattice, others, i, effect, kind, merged[i], versioned=versioned):
            wider = rows | (others & (cube.axes[i].codes == code))
            wide_effect, wide_variance, wide_kind = lattice.measure_rows(wider, versioned=versioned)
            if wide_kind == kind and wide_effect**2 / wide_variance > score + price:
                rows, score = wider, wide_effect**2 / wide_variance
                merged[i] = (*merged[i], code)
    return merged


def _like_minded(
    lattice: Lattice, others: Mask, axis: int, effect: float, kind: int, taken: tuple[int, ...], *, versioned: bool
) -> list[int]:
    codes = lattice.residuals.cube.axes[axis].codes
    places = np.flatnonzero(others & (codes >= 0))
    size = lattice.residuals.cube.axes[axis].size
    table = lattice.residuals.table
    sums = sums_by(codes[places], table[places], size)
    own, variance, kinds = lattice.measure(sums, versioned=versioned)
    ratio = own / effect if effect else np.zeros_like(own)
    fit = (kinds == kind) & (ratio > 0.5) & (ratio < 2.0) & (own**2 > 6 * variance)
    if kind != STANDARD:
        fit &= own**2 > 12 * variance
    ranked = np.argsort(-(own**2 / variance))
    return [int(c) for c in ranked if fit[c] and c not in taken][:12]


def _segment(lattice: Lattice, merged: dict[int, tuple[int, ...]]) -> Segment:
    axes = lattice.residuals.cube.axes
    return Segment.of({axes[i].dimension: [axes[i].values[c] for c in codes] for i, codes in merged.items()})


def _weight(cube: Cube) -> "np.typing.NDArray[np.float64]":
    return cube.n0 + cube.n1


def jaccard(a: Mask, b: Mask, weight: "np.typing.NDArray[np.float64]") -> float:
    """Return how much two row sets overlap: rows in both over rows in either."""
    either = float(weight[a | b].sum())
    return float(weight[a & b].sum()) / either if either else 0.0
