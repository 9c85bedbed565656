"""One search over some leaves: what is left of them, and of every cell, after the causes accepted so far."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import comb, inf, isfinite, log

import numpy as np
import numpy.typing as npt

from gne_analytics.causes.cells import (
    E0,
    E1,
    EXPECTED_MIN,
    K0,
    K1,
    N0,
    N1,
    NEARLY_NONE,
    NEW,
    STANDARD,
    VANISHED,
    Conditions,
    Measured,
    is_version,
    least_rows,
    measure,
    measure_one,
    sums_by,
    table_of,
)
from gne_analytics.causes.cube import Cube, Mask
from gne_analytics.causes.lattice import Lattice
from gne_analytics.metrics.intervals import Floats, Ints

BEAM = 6
CHILDREN = 4
"""So many cells below one parent go on the list."""
NEARLY_ALL = 0.9
"""A cell with more than this share of the rows is no segment: it is everything."""
PRIOR_DOF = 8.0
GIANT = 0.02
"""A unit with more than this share of a side's rows says nothing of how the others scatter."""


@dataclass(frozen=True, order=True)
class Cell:
    """One cell with its mix-adjusted change and its scores."""

    conditions: Conditions
    effect: float
    variance: float
    told: float
    """Evidence for the move, on the scale of a squared z under the dispersion of units: by this cells are compared."""
    surprise: float
    """The same under noise between periods too: by this it is decided whether it is beyond chance."""
    kind: int
    price: float
    sums: tuple[float, ...] = field(default=(), compare=False)
    """What its leaves sum to, columns N0 to E1, where it was weighed on them."""

    @property
    def score(self) -> float:
        """Evidence less the price of naming the cell."""
        return self.told - self.price

    @property
    def passed_by(self) -> float:
        """Surprise less the price: what must exceed the floor."""
        return self.surprise - self.price


class View:
    """One search over some leaves: their table, from which accepted causes are taken out, and all cells' sums of it."""

    def __init__(self, cube: Cube, p: Floats, rate: float, *, noise: float = 0.0) -> None:
        self.cube, self.p, self.rate, self.noise = cube, p, rate, noise
        self.table = table_of(cube, p)
        self.totals = float(cube.n0.sum()), float(cube.n1.sum())
        self.min_rows = least_rows(cube)
        self.codes = [a.codes for a in cube.axes]
        self.lattice: Lattice | None = None
        self.halves: list[int] = []
        self.sums = np.zeros((0, 6))
        self.price_of = [0.0]
        self.phi = 1.0
        self._spread = p * (1 - p)
        self._by_unit: Floats | None = None
        self._postings: dict[int, tuple[npt.NDArray[np.int32], Ints]] = {}
        self.refresh_phi()

    def over(self, lattice: Lattice, halves: Sequence[int]) -> "View":
        """Take the cells and sums of some halves of a lattice, whose leaves and model these are."""
        self.lattice, self.halves = lattice, list(halves)
        self.sums = lattice.first[:, self.halves].sum(axis=1)
        cells = [0] * (lattice.depth + 1)
        supported = (self.sums[:, N0] >= self.min_rows) | (self.sums[:, N1] >= self.min_rows)
        for depth in range(1, lattice.depth + 1):
            cells[depth] = max(int((supported & (lattice.cell_depth == depth)).sum()), cells[depth - 1])
        self.price_of = [2 * log(max(c, 1)) for c in cells]
        sizes = [a.size for a in self.cube.axes if a.size > 1]
        for depth in range(lattice.full_depth + 1, lattice.depth + 1):
            deeper = 2 * float(np.log(sizes).mean()) if sizes else 0.0
            self.price_of[depth] = self.price_of[depth - 1] + deeper
            if depth == 2:  # too many pairs to be counted: as many as there may be
                self.price_of[depth] = 2 * (log(max(comb(len(sizes), 2), 1)) + deeper)
        return self

    def put_back(self) -> None:
        """Put back whatever was taken out."""
        self.table = table_of(self.cube, self.p)
        if self.lattice is not None:
            self.sums = self.lattice.first[:, self.halves].sum(axis=1)
        self.refresh_phi()

    def refresh_phi(self, rows: Ints | None = None, before: Floats | None = None) -> None:
        """Measure overdispersion anew: squared residual sums of units against their binomial variance.

        Giants, units with a large part of a side, are left out: what one of them does is weighed in its own cells.
        With ``rows`` only these leaves changed, from what ``before`` holds of them.
        """
        unit = self.cube.unit
        if unit is None:
            return
        t = self.table
        if rows is None or before is None or self._by_unit is None:
            self._by_unit = np.column_stack(
                [np.bincount(unit, x) for n, k, e in ((N0, K0, E0), (N1, K1, E1))
                 for x in (t[:, k] - t[:, e], t[:, n], t[:, n] * self._spread)]
            )  # fmt: skip
        else:
            change, spread = t[rows] - before, self._spread[rows]
            by_unit = self._by_unit.copy()
            for column, (n, k, e) in ((0, (N0, K0, E0)), (3, (N1, K1, E1))):
                np.add.at(by_unit[:, column], unit[rows], change[:, k] - change[:, e])
                np.add.at(by_unit[:, column + 1], unit[rows], change[:, n])
                np.add.at(by_unit[:, column + 2], unit[rows], change[:, n] * spread)
            self._by_unit = by_unit
        squares, binomial = 0.0, 0.0
        for residual, n, variance in (self._by_unit[:, :3].T, self._by_unit[:, 3:].T):
            common = n <= GIANT * float(n.sum())
            squares += float((residual[common] ** 2).sum())
            binomial += float(variance[common].sum())
        self.phi = max(1.0, squares / binomial) if binomial > 0 else 1.0

    def move_all(self, effect: float) -> None:
        """Take a move of everything out of all leaves and cells."""
        self.table[:, E1] += effect * self.table[:, N1]
        self.sums[:, E1] += effect * self.sums[:, N1]
        self.refresh_phi()

    def take_out(self, rows: Ints, effect: float, kind: int) -> None:
        """Take a cause out of its leaves, and these out of every cell that holds them.

        A rate shift raises what is expected of the focus; a new or vanished segment takes its rows with it.
        """
        change = np.zeros((rows.size, 6))
        if kind == STANDARD:
            change[:, E1] = effect * self.table[rows, N1]
        else:
            change = -self.table[rows]
        before = self.table[rows]
        self.table[rows] += change
        self.refresh_phi(rows, before)
        if self.lattice is None:
            return
        for cells, place in self.lattice.cells_at([c[rows] for c in self.codes]):
            size = cells.stop - cells.start
            if kind == STANDARD:
                self.sums[cells, E1] += np.bincount(place, change[:, E1], size + 1)[:size]
            else:
                self.sums[cells] += sums_by(place, change, size + 1)[:size]

    def rows(self, conditions: Conditions) -> Ints:
        """Return the leaves in a cell, in order."""
        if not conditions:
            return np.arange(self.cube.size)
        held = sorted((self._posting(*c), c) for c in conditions)
        (_, start, stop), (first, _) = held[0]
        rows: Ints = self._postings[first][0][start:stop].astype(np.int64)
        for _, (i, code) in held[1:]:
            rows = rows[self.codes[i][rows] == code]
        return rows

    def sums_of(self, conditions: Conditions) -> tuple[float, ...]:
        """Return what a cell's leaves sum to, from the lattice where it holds the cell."""
        place = self.lattice.place(conditions) if self.lattice and conditions else None
        if place is not None:
            return tuple(self.sums[place].tolist())
        return total(self.table.take(self.rows(conditions), axis=0))

    def by_value(self, conditions: Conditions, axis: int) -> Floats | None:
        """Return the sums of every value of an axis beside other conditions, 0 for those with too few rows to look at.

        None where the lattice does not hold these cells.
        """
        found = self.lattice.siblings(conditions, axis) if self.lattice else None
        if found is None:
            return None
        out = np.zeros((self.cube.axes[axis].size, 6))
        out[found[0]] = self.sums[found[1]]
        return out

    def _posting(self, axis: int, code: int) -> tuple[int, int, int]:
        """How many leaves hold a value, and where they stand in the axis's list of leaves by value."""
        if axis not in self._postings:
            codes = self.codes[axis]
            order = np.argsort(codes, kind="stable").astype(np.int32)
            counts = np.bincount(codes + 1, minlength=self.cube.axes[axis].size + 1)
            self._postings[axis] = order, np.concatenate([[0], np.cumsum(counts)])
        ends = self._postings[axis][1]
        start, stop = int(ends[code + 1]), int(ends[code + 2])
        return stop - start, start, stop

    def versioned(self, conditions: Conditions) -> bool:
        """Whether a cell names a version of something that has a past; a new market's version is as new as it."""
        rest = tuple(c for c in conditions if not is_version(self.cube.axes[c[0]].dimension))
        if len(rest) == len(conditions):
            return False
        n0, _, _, n1, *_ = self.sums_of(rest)
        expected = n1 * self.totals[0] / max(self.totals[1], 1.0)
        return not (n0 < NEARLY_NONE * expected and expected >= EXPECTED_MIN)

    def measure(self, sums: Floats, *, versioned: Mask | bool) -> Measured:
        """Measure cells by their sums, against this view's totals."""
        return measure(sums, totals=self.totals, rate=self.rate, versioned=versioned, min_rows=self.min_rows)

    def measure_rows(self, rows: Ints | Mask, *, versioned: bool) -> tuple[float, float, int]:
        """Return the change of some leaves taken together, its variance over units, and its kind."""
        cell = self.weigh((), rows, versioned=versioned)
        return cell.effect, cell.variance, cell.kind

    def weigh(self, conditions: Conditions, rows: Ints | Mask | None = None, *, versioned: bool | None = None) -> Cell:
        """Measure one cell on its leaves: with a unit, its variance is taken over units, drawn to the view's own."""
        rows = self.rows(conditions) if rows is None else rows
        table = self.table[rows] if rows.dtype == bool else self.table.take(rows, axis=0)
        sums = total(table)
        effect, binomial, pq, evidence, kind = measure_one(
            sums, totals=self.totals, rate=self.rate, min_rows=self.min_rows,
            versioned=self.versioned(conditions) if versioned is None else versioned,
        )  # fmt: skip
        price = self.price_of[min(len(conditions), len(self.price_of) - 1)]
        if not isfinite(binomial):
            return Cell(conditions, effect, binomial, -inf, -inf, kind, price, sums)
        phi = self.phi
        if self.cube.unit is not None:
            phi = _dispersion(table, sums, self.cube.unit[rows], kind, self.phi, binomial)
        variance = phi * binomial + 2 * self.noise * pq
        return Cell(conditions, effect, variance, evidence / phi, evidence * binomial / variance, kind, price, sums)

    @cached_property
    def _deep_price(self) -> Floats:
        assert self.lattice is not None  # noqa: S101
        return np.asarray(self.price_of)[self.lattice.cell_depth]

    def best(self, most: int = 48) -> list[Cell]:
        """Return the cells that tell most, price paid, of all cuboids and of the beam below them, best first."""
        if self.lattice is None or not self.sums.shape[0]:
            return []
        m = self.measure(self.sums, versioned=self.lattice.cell_versioned)
        told, surprise = m.surprise(self.phi, 0.0), m.surprise(self.phi, self.noise)
        told[self.sums[:, N0] + self.sums[:, N1] > NEARLY_ALL * sum(self.totals)] = -np.inf
        score = told - self._deep_price
        top = np.argpartition(-score, most)[:most] if score.size > most else np.arange(score.size)
        variance = m.variance(self.phi, self.noise)

        def cell(i: int) -> Cell:
            return Cell(
                self._conditions(i), float(m.effect[i]), float(variance[i]), float(told[i]), float(surprise[i]),
                int(m.kind[i]), float(self._deep_price[i]),
            )  # fmt: skip

        found = [cell(int(i)) for i in top if np.isfinite(score[i])]
        full = self.lattice.full_depth
        if full < self.lattice.depth:
            deepest = np.flatnonzero(self.lattice.cell_depth == full)
            order = deepest[np.argsort(-told[deepest], kind="stable")[:BEAM]]
            parents = [self._conditions(int(i)) for i in order if np.isfinite(told[i])]
            for depth in range(full + 1, self.lattice.depth + 1):
                deeper = self._deeper(parents, depth)
                found += deeper
                parents = [c.conditions for c in sorted(deeper, key=by_told)[:BEAM]]
        return sorted(found, key=by_score)[:most]

    def _conditions(self, cell: int) -> Conditions:
        assert self.lattice is not None  # noqa: S101
        axes, codes = self.lattice.cell_axes[cell], self.lattice.cell_codes[cell]
        return tuple((int(i), int(c)) for i, c in zip(axes, codes, strict=True) if i >= 0)

    def _deeper(self, parents: Sequence[Conditions], depth: int) -> list[Cell]:
        """Measure every cell one condition below some parents, all at once, and return the best few of each."""
        axes, price = self.cube.axes, self.price_of[depth]
        sums, starts = self._children(parents)
        span = int(starts[-1])
        usable = np.zeros((len(parents), span), dtype=bool)
        versioned = np.zeros((len(parents), span), dtype=bool)
        for j, axis in enumerate(axes):
            usable[:, starts[j] + 1 : starts[j + 1]] = axis.size > 1
            versioned[:, starts[j] : starts[j + 1]] = is_version(axis.dimension)
        for row, parent in enumerate(parents):
            named = {axes[i].dimension for i, _ in parent}
            versioned[row] |= any(is_version(d) for d in named)
            for j, axis in enumerate(axes):
                if axis.dimension in named:
                    usable[row, starts[j] : starts[j + 1]] = False
        usable &= ((sums[:, N0] >= self.min_rows) | (sums[:, N1] >= self.min_rows)).reshape(usable.shape)
        places = np.flatnonzero(usable)
        m = self.measure(sums[places], versioned=versioned.ravel()[places])
        told, surprise = m.surprise(self.phi, 0.0), m.surprise(self.phi, self.noise)
        variance = m.variance(self.phi, self.noise)
        found: dict[Conditions, Cell] = {}
        taken = np.zeros(len(parents), dtype=np.int64)
        for i in np.argsort(-told, kind="stable"):
            if not np.isfinite(told[i]) or len(found) > 4 * BEAM:
                break
            row, place = divmod(int(places[i]), span)
            if taken[row] == CHILDREN:
                continue
            taken[row] += 1
            j = int(np.searchsorted(starts, place, side="right")) - 1
            conditions = tuple(sorted((*parents[row], (j, int(place - starts[j] - 1)))))
            found[conditions] = Cell(
                conditions, float(m.effect[i]), float(variance[i]), float(told[i]), float(surprise[i]),
                int(m.kind[i]), price,
            )  # fmt: skip
        return list(found.values())

    def _children(self, parents: Sequence[Conditions]) -> tuple[Floats, Ints]:
        """The sums of every parent's leaves by every value of every axis, and where each axis begins among them."""
        from scipy.sparse import csr_array

        starts = np.concatenate([[0], np.cumsum([a.size + 1 for a in self.cube.axes])]).astype(np.int64)
        span, width = int(starts[-1]), len(self.codes)
        held = [self.rows(p) for p in parents]
        rows = np.concatenate(held) if held else np.zeros(0, dtype=np.int64)
        parent = np.repeat(np.arange(len(held), dtype=np.int32) * np.int32(span), [h.size for h in held])
        place = np.empty((rows.size, width), dtype=np.int32)
        for j, codes in enumerate(self.codes):
            np.add(codes[rows], parent + np.int32(starts[j] + 1), out=place[:, j])  # an axis's first: no value on it
        ends = np.arange(0, place.size + 1, width, dtype=np.int32)
        spread = csr_array((np.ones(place.size), place.ravel(), ends), shape=(rows.size, span * len(held)))
        return np.asarray(spread.T @ self.table[rows]), starts


def total(table: Floats) -> tuple[float, ...]:
    """The sums of a table's columns."""
    return tuple(np.einsum("ij->j", table).tolist())


def _dispersion(table: Floats, sums: tuple[float, ...], unit: Ints, kind: int, phi: float, binomial: float) -> float:
    """The variance of a cell's change over its units, over the binomial one, drawn to the view's by eight degrees."""
    n0, k0, e0, n1, k1, e1 = sums
    n0, n1 = max(n0, 1e-9), max(n1, 1e-9)
    weight = np.zeros(6)  # a leaf's influence on the change, as a sum of its columns
    if kind == NEW:
        weight[[N1, K1]] = -k1 / n1**2, 1 / n1
    elif kind == VANISHED:
        weight[[N0, K0]] = -k0 / n0**2, 1 / n0
    else:
        weight[:] = (k0 - e0) / n0**2, -1 / n0, 1 / n0, (e1 - k1) / n1**2, 1 / n1, -1 / n1
    squares = np.bincount(unit, np.einsum("ij,j->i", table, weight)) ** 2
    total = float(squares.sum())
    dof = total**2 / max(float((squares**2).sum()), 1e-300)
    return max(1.0, (dof * total / binomial + PRIOR_DOF * phi) / (dof + PRIOR_DOF))


def by_score(cell: Cell) -> tuple[float, Conditions]:
    """Best score first, then by name."""
    return (-cell.score, cell.conditions)


def by_told(cell: Cell) -> tuple[float, Conditions]:
    """Most evidence first, then by name."""
    return (-cell.told, cell.conditions)
