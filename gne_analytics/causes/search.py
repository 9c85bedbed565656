"""Greedy residual pursuit: accept the best cell, name it well, take its effect out, score again, stop by itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gne_analytics.causes.cells import N0, N1, NEW, STANDARD, is_version, sums_by
from gne_analytics.causes.cube import Cube, Mask
from gne_analytics.causes.naming import SEEN, Naming, nearly_all
from gne_analytics.causes.view import View, total
from gne_analytics.evidence.segment import Segment
from gne_analytics.metrics.intervals import Floats, Ints

FLOOR = 9.0
"""Surprise less the price must exceed this: a cell that chance would give about once in a hundred searches."""
MOST = 8
MOSTLY = 0.5
"""Where so many of the rows lie outside all segments and have not moved, not everything moved."""
LARGE_VALUE = 0.8
"""Without a value that holds more than this, too little is left to tell whether everything moved."""
MEDIAN_OF = 3
ACTOR = 0.5
"""A unit with so much of a cell's rows, without which the cell did not move, is what moved."""


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
    runners_up: tuple[Segment, ...] = ()
    """What came next when the rows were named: descriptions that overlap them and tell less, best first."""
    weak: bool = False
    """Beyond the chance of sampling, but not beyond what periods differ by themselves."""


def pursue(view: View, *, floor: float = FLOOR, aliases: bool = True) -> list[Found]:
    """Return the segments that explain the change between a view's sides, in the order of acceptance; uses it up.

    Two tellings are tried: local segments alone, and local segments beside a move of everything that is estimated
    robustly and set aside first, so that it makes no local causes. Local segments alone win where they are fewer and
    leave nothing behind: overlapping incidents lift most values of every dimension, and look like a move of everything.
    The move of everything is listed last, as the empty segment, and only if the rows outside the local segments still
    move by themselves. Other names of each segment are gathered where ``aliases`` are wanted.
    """
    if not view.cube.size or not view.totals[0] or not view.totals[1]:
        return []
    everywhere = move_of_everything(view)
    if not everywhere:
        return _telling(view, 0.0, floor, aliases)
    alone = _telling(view, 0.0, floor, aliases)
    complete = all(found.segment.depth for found in alone)
    if complete and _share_outside(view.cube, alone) >= MOSTLY:
        return alone  # most rows lie outside and have not moved
    view.put_back()
    beside = _telling(view, everywhere, floor, aliases)
    return alone if complete and len(alone) < len(beside) else beside


def _telling(view: View, everywhere: float, floor: float, aliases: bool) -> list[Found]:
    """The local segments, given a move of everything, and that move where the rows outside them still make it."""
    if everywhere:
        view.move_all(everywhere)
    found, throughout = _local(view, floor, aliases)
    if throughout:
        everywhere += throughout
        view.put_back()
        view.move_all(everywhere)
        found, _ = _local(view, floor, aliases, narrow=True)
    outside = outside_of(view.cube, [view.cube.mask(f.segment) for f in found])
    rest = view.weigh((), outside, versioned=False)
    total = everywhere + rest.effect
    score = total**2 / rest.variance if np.isfinite(rest.variance) and rest.kind == STANDARD else 0.0
    if score < FLOOR:
        return [replace(f, effect=f.effect + everywhere) if f.kind == STANDARD else f for f in found]
    held = [replace(f, effect=f.effect - rest.effect if f.kind == STANDARD else f.effect, beyond=total) for f in found]
    return [*held, Found(Segment({}), STANDARD, total, float(np.copysign(np.sqrt(score), total)), score)]


def _share_outside(cube: Cube, found: Sequence[Found]) -> float:
    outside, weight = outside_of(cube, [cube.mask(f.segment) for f in found]), cube.n0 + cube.n1
    return float(weight[outside].sum()) / max(float(weight.sum()), 1.0)


def outside_of(cube: Cube, masks: Sequence[Mask]) -> Mask:
    """Return the leaves that lie in none of some segments."""
    outside = np.ones(cube.size, dtype=bool)
    for mask in masks:
        outside &= ~mask
    return outside


def move_of_everything(view: View) -> float:
    """Estimate how far everything moved, whatever single segments did besides; 0 where nothing says that it did.

    The least that any dimension leaves of the whole's move: the weighted median over its values, and the move without
    any one of them, each given the benefit of one standard error.
    """
    cube = view.cube
    whole, variance, _ = view.measure_rows(np.ones(cube.size, dtype=bool), versioned=False)
    if not np.isfinite(variance) or whole**2 < FLOOR * variance:
        return 0.0
    least = abs(whole)
    everything = np.asarray(total(view.table))
    for place, axis in enumerate(cube.axes):
        if is_version(axis.dimension):
            continue
        held = view.by_value((), place)
        sums = sums_by(axis.codes + 1, view.table, axis.size + 1)[1:] if held is None else held
        small = sums[:, [N0, N1]].sum(axis=1) <= LARGE_VALUE * sum(view.totals)
        without = view.measure((everything - sums)[small], versioned=False)
        spread = without.variance(view.phi, view.noise)
        usable = (without.kind == STANDARD) & np.isfinite(spread)
        upper = np.sign(whole) * without.effect[usable] + np.sqrt(spread[usable])
        least = min(least, float(upper.min(initial=least)))
        own = view.measure(sums, versioned=False)
        spread = own.variance(view.phi, view.noise)
        usable = (own.kind == STANDARD) & np.isfinite(spread)
        if usable.sum() >= MEDIAN_OF:
            middle, error = _weighted_median(np.sign(whole) * own.effect[usable], 1 / spread[usable])
            least = min(least, middle + error)
    return float(np.sign(whole) * least) if least > 0 and least**2 >= FLOOR * variance else 0.0


def _weighted_median(values: Floats, weights: Floats) -> tuple[float, float]:
    order = np.argsort(values)
    share = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][int(np.searchsorted(share, 0.5))]), float(1.25 / np.sqrt(weights.sum()))


def _local(view: View, floor: float, aliases: bool, *, narrow: bool = False) -> tuple[list[Found], float]:
    """Accept segments until none passes; where the first holds nearly all rows, return its move and no segment.

    Later, and where ``narrow``, no name of nearly all rows is taken: it is what several segments left behind.
    """
    found: list[Found] = []
    for _ in range(MOST):
        cells = view.best()
        if not cells or cells[0].score < floor / 2:
            break
        weak = not found and view.cube.unit is None
        named = Naming(view, cells).chosen(floor, weak=weak, aliases=aliases, narrow=narrow or bool(found))
        if named is None or any(named.segment == f.segment for f in found):
            break
        cell = named.cell
        z = float(np.copysign(np.sqrt(max(cell.surprise, 0.0)), cell.effect))
        best = Found(named.segment, cell.kind, cell.effect, z, cell.passed_by, named.same_rows, 0.0, named.runners_up,
                     named.weak)  # fmt: skip
        if nearly_all(view, cell):
            return [], best.effect
        found.append(best)
        if best.weak:
            break
        rows = np.flatnonzero(view.cube.mask(best.segment))
        actor = _actor(view, rows)
        if actor is not None:
            view.take_out(actor, 0.0, NEW)  # whatever else it did is no finding of its own
        else:
            view.take_out(rows, best.effect, best.kind)
    return found, 0.0


def _actor(view: View, rows: Ints) -> Ints | None:
    """All leaves of the unit that carries a cell by itself: most of its rows, and no move without it; else None."""
    unit = view.cube.unit
    if unit is None:
        return None
    held = np.bincount(unit[rows], view.table[rows, N0] + view.table[rows, N1])
    top = int(np.argmax(held)) if held.size else 0
    if not held.size or held[top] <= ACTOR * float(held.sum()):
        return None
    rest = view.weigh((), rows[unit[rows] != top], versioned=False)
    return np.flatnonzero(unit == top) if rest.told < SEEN else None


def jaccard(a: Mask, b: Mask, weight: Floats) -> float:
    """Return how much two row sets overlap: rows in both over rows in either."""
    either = float(weight[a | b].sum())
    return float(weight[a & b].sum()) / either if either else 0.0
