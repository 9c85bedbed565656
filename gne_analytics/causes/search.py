"""Greedy residual pursuit: accept the best cell, name it well, take its effect out, score again, stop by itself."""

from dataclasses import dataclass

import numpy as np

from gne_analytics.causes.baseline import Baseline
from gne_analytics.causes.cells import NEW, STANDARD, Conditions, Lattice, Residuals, Scored, is_version, sums_by
from gne_analytics.causes.cube import Cube, Mask
from gne_analytics.evidence.segment import Segment

FLOOR = 9.0
"""z^2 less the price of naming must exceed this: a cell that chance would give about once in a hundred searches."""
SAME_ROWS = 0.9
MOST = 8


@dataclass(frozen=True)
class Found:
    """One segment that the search accepted, on the rows it searched."""

    segment: Segment
    kind: int
    effect: float
    z: float
    score: float
    same_rows: tuple[Segment, ...] = ()


def pursue(cube: Cube, baseline: Baseline, *, noise: float = 0.0, depth: int = 4, most: int = MOST) -> list[Found]:
    """Return the segments that explain the change between the cube's sides, in the order of acceptance."""
    if not cube.size or not cube.n0.sum() or not cube.n1.sum():
        return []
    residuals = Residuals(cube, baseline, noise)
    lattice = Lattice(residuals, depth=depth, min_rows=max(12.0, 0.001 * float(cube.n1.sum())))
    found: list[Found] = []
    for _ in range(most):
        shortlist = _rescored(lattice, lattice.best())
        if not shortlist or shortlist[0].score < FLOOR:
            break
        named = _name(lattice, shortlist)
        rows = cube.mask(named.segment)
        if named.score < FLOOR or any(named.segment == f.segment for f in found):
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
        conditions = _without_idle(lattice, conditions, 0.97)
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
