"""How the rows of the best cells are named: no idle condition, what moved alike beside them, siblings in one set."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log

import numpy as np

from gne_analytics.causes.cells import N0, N1, NEW, STANDARD, Conditions, sums_by
from gne_analytics.causes.view import NEARLY_ALL, Cell, View
from gne_analytics.evidence.segment import Segment
from gne_analytics.metrics.intervals import Floats, Ints

SAME_ROWS = 0.9
"""Descriptions whose rows overlap so much (Jaccard) are names of the same rows."""
TRIED = 5
"""So many of the best cells are named in full before one is chosen."""
ALIKE = 1 / 3
"""Rows beside a segment that moved by this part of its own move, in log-odds, moved with it."""
SEEN = 4.0
"""Rows must move by so much (of z squared) by themselves before they are said to have moved."""
IDLE = 0.97
"""A condition without which so much of the rows stays the same says nothing."""
NOT_WORSE = 4.0
"""By so much (of z squared) a shorter name of the same rows may fall short of the best one."""
HOPELESS = 0.4
"""A name that tells less than this part of the best is not worth gathering values for."""
LIKE = 2.0
"""Two values' moves so many standard errors apart are two moves"""
RATIO = 2 / 3
"""unless they are this close in log-odds."""
ADDED = 6.0
"""A value added to a set must tell so much more, beside the price of choosing it among its siblings,"""
WIDER = 1.08
"""and the set so many times what it told without."""
RUNNERS_UP = 6


@dataclass(frozen=True)
class _Name:
    """One way to name a cell: its conditions, the values merged into them, what that tells."""

    conditions: Conditions
    merged: tuple[tuple[int, tuple[int, ...]], ...]
    cell: Cell
    told: float
    """Evidence less all prices; of a cell whose conditions were loosened, that of the cell it came from."""


@dataclass(frozen=True)
class Named:
    """The best name of the best cells, what it tells, and what else came near."""

    segment: Segment
    cell: Cell
    same_rows: tuple[Segment, ...]
    runners_up: tuple[Segment, ...]
    weak: bool
    """Only sampling, not noise between periods, lets it pass."""


class Naming:
    """The names of the best cells, and the best of them: no idle condition, like rows beside, sibling values merged."""

    def __init__(self, view: View, cells: Sequence[Cell]) -> None:
        self.view, self.cells = view, cells
        self._rows: dict[Conditions, Ints] = {}
        self._cell: dict[Conditions, Cell] = {}
        self._weight: Floats | None = None

    def rows(self, conditions: Conditions) -> Ints:
        """Return the leaves in a cell; found once."""
        if conditions not in self._rows:
            self._rows[conditions] = self.view.rows(conditions)
        return self._rows[conditions]

    def weigh(self, conditions: Conditions) -> Cell:
        """Measure a cell on its leaves; once."""
        if conditions not in self._cell:
            self._cell[conditions] = self.view.weigh(conditions, self.rows(conditions))
        return self._cell[conditions]

    def chosen(self, floor: float, *, weak: bool = False, aliases: bool = True, narrow: bool = False) -> Named | None:
        """Return the best name that passes the floor; ``weak`` lets one pass that only noise between periods holds.

        ``narrow`` takes none that holds nearly all rows.
        """
        names: dict[Conditions, _Name] = {}
        tried = sorted((self.weigh(c.conditions) for c in self.cells[: 2 * TRIED]), key=lambda c: (-c.score, c))
        tried = [c for c in tried if c.score >= floor / 2]
        seen: list[set[tuple[int, int]]] = []
        for cell in tried:
            own = set(cell.conditions)
            if len(names) == TRIED or any(own <= s or own >= s for s in seen):
                continue  # above or below a cell that tells more and has been named
            seen.append(own)
            loose = self._loosened(cell)
            told = max(cell.score, loose.score)
            if loose.conditions in names:
                continue
            hopeless = bool(names) and told < HOPELESS * max(n.told for n in names.values())
            name = _Name(loose.conditions, _single(loose.conditions), loose, told)
            names[loose.conditions] = name if hopeless else self._merged(loose, told)
        ranked = sorted(names.values(), key=lambda n: (-n.told, n.conditions))
        ranked = [n for n in ranked if not (narrow and nearly_all(self.view, n.cell))]
        passing = [n for n in ranked if n.cell.passed_by >= floor]
        weak = weak and not passing
        if weak:
            passing = [n for n in ranked if n.cell.score >= floor]
        if not passing:
            return None
        best = self._shortest(passing[0], passing)
        segment = self._segment(best.merged)
        same = self._same_rows(best, segment) if aliases else ()
        beside = self._runners_up(best, segment) if aliases else ()
        return Named(segment, best.cell, same, beside, weak)

    def _same_rows(self, best: _Name, segment: Segment) -> tuple[Segment, ...]:
        alike = [c.conditions for c in self.cells if self._overlap(best.conditions, c.conditions) >= SAME_ROWS]
        same = {self._segment(_single(self._without_idle(a, 1.0))) for a in alike} - {segment}
        return tuple(sorted(same, key=lambda s: (s.depth, str(s)))[:RUNNERS_UP])

    def _runners_up(self, best: _Name, segment: Segment) -> tuple[Segment, ...]:
        """The cells that tell most beside the chosen name, of cells with the very same rows the first alone."""
        known = [self.rows(best.conditions)]
        found: list[Segment] = []
        for cell in self.cells:
            rows = self.rows(cell.conditions)
            other = self._segment(_single(cell.conditions))
            if cell.effect * best.cell.effect <= 0 or any(np.array_equal(rows, k) for k in known):
                continue
            known.append(rows)
            if other != segment:
                found.append(other)
            if len(found) == RUNNERS_UP:
                break
        return tuple(found)

    def _overlap(self, own: Conditions, other: Conditions, *, focus: bool = False) -> float:
        """The Jaccard overlap of two cells' rows, or focus rows; quick where their sizes forbid that it is much."""
        a, b = self.rows(own), self.rows(other)
        sides = dict(own)
        if any(sides.get(i, code) != code for i, code in other):
            return 0.0
        if self._weight is None:
            self._weight = self.view.table[:, N0] + self.view.table[:, N1]
        weight = self.view.table[:, N1] if focus else self._weight
        wa, wb = float(weight[a].sum()), float(weight[b].sum())
        if min(wa, wb) < SAME_ROWS * max(wa, wb):
            return 0.0
        both = float(weight[self.rows(tuple(sorted({*own, *other})))].sum())
        return both / (wa + wb - both) if wa + wb > both else 0.0

    def _shortest(self, best: _Name, names: Sequence[_Name]) -> _Name:
        """Of names of nearly the same rows that tell hardly less, the one with fewest conditions, then fewest rows."""
        if best.cell.kind == NEW:
            return best
        same = [
            n for n in names
            if n is best or (
                n.cell.kind == best.cell.kind and n.told >= best.told - NOT_WORSE
                and self._overlap(best.conditions, n.conditions) >= SAME_ROWS
            )
        ]  # fmt: skip
        return min(same, key=lambda n: (len(n.conditions), self.rows(n.conditions).size, n.conditions))

    def _loosened(self, cell: Cell) -> Cell:
        """Drop what is idle, then every condition beside which the rows it kept out moved with the segment.

        A segment without a past is named as fully as its rows allow: by all that only they have in common.
        """
        if cell.kind == NEW:
            return self.weigh(self._named_in_full(cell))
        cell = self.weigh(self._without_idle(cell.conditions, IDLE))
        while len(cell.conditions) > 1:
            wider = [w for c in cell.conditions if (w := self._beside_moved(cell, c)) is not None]
            if not wider:
                break
            cell = max(wider, key=lambda w: (w.told, w.conditions))
        return cell

    def _beside_moved(self, cell: Cell, condition: tuple[int, int]) -> Cell | None:
        """The cell without a condition, where the rows that the condition kept out moved alike; else None."""
        fewer = tuple(c for c in cell.conditions if c != condition)
        whole = self.view.sums_of(fewer)
        apart = tuple(a - b for a, b in zip(whole, cell.sums, strict=True))
        if abs(_lift(apart)) < ALIKE * abs(_lift(cell.sums)):
            return None
        wider = self.weigh(fewer)
        if wider.kind != cell.kind or not np.isfinite(wider.variance):
            return None
        leaves, (axis, code) = self.rows(fewer), condition
        rest = self.view.weigh(fewer, leaves[self.view.codes[axis].take(leaves) != code])
        moved = rest.kind == cell.kind and rest.told >= SEEN and rest.effect * cell.effect > 0
        return wider if moved else None

    def _named_in_full(self, cell: Cell) -> Conditions:
        axes = self.view.cube.axes
        single = [
            c.conditions[0] for c in self.cells
            if len(c.conditions) == 1 and self._overlap(cell.conditions, c.conditions, focus=True) >= SAME_ROWS
        ]  # fmt: skip
        deepest: dict[str, tuple[int, int]] = {}
        for i, code in (*cell.conditions, *single):
            known = deepest.get(axes[i].dimension)
            if known is None or axes[known[0]].level < axes[i].level:
                deepest[axes[i].dimension] = (i, code)
        return self._without_idle(tuple(sorted(deepest.values())), 1.0)

    def _without_idle(self, conditions: Conditions, least: float) -> Conditions:
        """Drop every condition whose absence changes the rows by less than 1 - least, the coarsest first."""
        if len(conditions) < 2:
            return conditions
        weight = self.view.table[:, N0] + self.view.table[:, N1]
        held = float(weight[self.rows(conditions)].sum())
        kept = conditions
        for condition in sorted(conditions, key=lambda c: (-float(weight[self.rows((c,))].sum()), c)):
            fewer = tuple(c for c in kept if c != condition)
            if fewer and held >= least * float(weight[self.rows(fewer)].sum()):
                kept = fewer
        return kept

    def _merged(self, cell: Cell, told: float) -> _Name:
        """Add sibling values that moved alike, one dimension at a time, while that tells more than they cost."""
        if cell.kind != STANDARD:  # each new value is an event by itself
            return _Name(cell.conditions, _single(cell.conditions), cell, told)
        values: dict[int, tuple[int, ...]] = {i: (code,) for i, code in cell.conditions}
        axes = self.view.cube.axes
        versioned = self.view.versioned(cell.conditions)
        started = current = cell.told
        price = 0.0
        rows = self.rows(cell.conditions)
        for i in sorted(values, key=lambda i: -axes[i].size):
            extra = ADDED + 2 * log(max(axes[i].size, 2))
            for code in self._like_minded(self._by_value(values, i), cell, values[i], versioned=versioned):
                if self._of_its_own(cell.conditions, i, code):
                    continue
                others = self._others(values, i)
                reach = others[np.isin(self.view.codes[i][others], (*values[i], code))]
                wider = self.view.weigh(cell.conditions, reach, versioned=versioned)
                if wider.kind == cell.kind and wider.told > max(current + extra, WIDER * current):
                    rows, current, price = reach, wider.told, price + extra
                    values[i] = (*values[i], code)
            all_of_it = len(values[i]) > 1 and rows.size >= IDLE * self._others(values, i).size
            if all_of_it and len(values) > 1:  # all values: no condition
                return self._merged(self.weigh(tuple(c for c in cell.conditions if c[0] != i)), told)
        name = tuple(sorted((i, tuple(codes)) for i, codes in values.items()))
        if not price:
            return _Name(cell.conditions, name, cell, told)
        whole = self.view.weigh(cell.conditions, rows, versioned=versioned)
        gained = told * (current / started) - price if started > 0 else told
        return _Name(cell.conditions, name, whole, max(gained, told))

    def _of_its_own(self, conditions: Conditions, axis: int, code: int) -> bool:
        """Whether a sibling moved beyond the other conditions too: then it belongs to something wider."""
        if len(conditions) == 1:
            return False
        own = (axis, code)
        sibling = self.weigh(tuple(sorted((*(c for c in conditions if c[0] != axis), own))))
        return any(self._beside_moved(sibling, c) is not None for c in sibling.conditions if c != own)

    def _others(self, values: Mapping[int, tuple[int, ...]], axis: int) -> Ints:
        """The leaves that meet all conditions but those on one axis, and have a value on it."""
        single = tuple(sorted((j, codes[0]) for j, codes in values.items() if j != axis and len(codes) == 1))
        rows = self.rows(single)
        rows = rows[self.view.codes[axis][rows] >= 0]
        for j, codes in values.items():
            if j != axis and len(codes) > 1:
                rows = rows[np.isin(self.view.codes[j][rows], codes)]
        return rows

    def _by_value(self, values: Mapping[int, tuple[int, ...]], axis: int) -> Floats:
        """The sums of every value of an axis beside the values on the other axes."""
        beside = {i: codes for i, codes in values.items() if i != axis}
        held = None
        if all(len(codes) == 1 for codes in beside.values()):
            held = self.view.by_value(tuple((i, codes[0]) for i, codes in sorted(beside.items())), axis)
        if held is not None:
            return held
        rows = self._others(values, axis)
        table, codes = self.view.table.take(rows, axis=0), self.view.codes[axis].take(rows)
        return sums_by(codes, table, self.view.cube.axes[axis].size)

    def _like_minded(self, sums: Floats, cell: Cell, taken: tuple[int, ...], *, versioned: bool) -> Iterator[int]:
        """The values beside the taken one that moved as it did: by no more or less points, or log-odds, than noise."""
        m = self.view.measure(sums, versioned=versioned)
        told, variance = m.surprise(self.view.phi, 0.0), m.variance(self.view.phi, self.view.noise)
        first = taken[0]
        own = _lift(sums[first])
        fit = []
        for code in np.flatnonzero((told > SEEN) & (m.kind == cell.kind) & (m.effect * cell.effect > 0)):
            if code in taken:
                continue
            apart = (m.effect[code] - m.effect[first]) ** 2 > LIKE**2 * (variance[code] + variance[first])
            if not apart or RATIO <= _lift(sums[code]) / own <= 1 / RATIO:
                fit.append(int(code))
        yield from sorted(fit, key=lambda c: (-told[c], c))[:12]

    def _segment(self, merged: Sequence[tuple[int, tuple[int, ...]]]) -> Segment:
        axes = self.view.cube.axes
        return Segment.of({axes[i].dimension: [axes[i].values[c] for c in codes] for i, codes in merged})


def nearly_all(view: View, cell: Cell) -> bool:
    """Whether a cell that was weighed on its leaves holds too many rows to be a segment."""
    return cell.kind == STANDARD and cell.sums[N0] + cell.sums[N1] > NEARLY_ALL * sum(view.totals)


def _single(conditions: Conditions) -> tuple[tuple[int, tuple[int, ...]], ...]:
    return tuple((i, (code,)) for i, code in conditions)


def _lift(sums: Sequence[float] | Floats) -> float:
    """The move of a row of sums in log-odds, what the model expects taken out on both sides."""

    def logit(k: float, n: float) -> float:
        return log((max(k, 0.0) + 0.5) / (max(n - k, 0.0) + 0.5))

    n0, k0, e0, n1, k1, e1 = (float(x) for x in sums)
    return (logit(k1, n1) - logit(e1, n1)) - (logit(k0, n0) - logit(e0, n0))
