"""Cells of all cuboids, scored at once: mix-adjusted change, its variance, and the price of naming the cell."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import comb, log
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from gne_analytics.causes.baseline import Baseline
from gne_analytics.causes.cube import Cube, Mask
from gne_analytics.metrics.intervals import Floats, Ints

Conditions: TypeAlias = tuple[tuple[int, int], ...]
"""(axis, code) pairs, sorted by axis."""

VERSIONS = frozenset({"detector_version", "policy_revision", "template_version"})
"""Values that replace each other in time: a new one is a change of the world, not a new segment of it."""
NEARLY_NONE = 0.05
"""A side with less than this share of the rows that the other side leads to expect counts as empty."""
EXPECTED_MIN = 15.0
WORK = 4_000_000
"""Leaves times cuboids of one depth beyond two; above it the beam goes on alone."""
CUBOIDS = 130
"""And no more of them than this."""
BEAM = 32
NEARLY_ALL = 0.9
"""A cell with more than this share of the rows is no segment: it is everything."""
STANDARD, NEW, VANISHED = 0, 1, 2
N0, N1, R0, R1, V0, V1, K0, K1 = range(8)


def is_version(dimension: str) -> bool:
    """Whether a dimension names versions that replace each other in time."""
    return dimension in VERSIONS or dimension.endswith(("_version", "_revision"))


@dataclass
class Residuals:
    """Per leaf: what is left of both sides after the baseline model and the causes accepted so far."""

    cube: Cube
    baseline: Baseline
    noise: float = 0.0
    """Variance share of a cell's rate between periods (rho), where no unit tells how rows hang together."""
    table: Floats = field(init=False)
    phi: float = field(init=False, default=1.0)

    def __post_init__(self) -> None:
        c, p = self.cube, self.baseline.p
        pq = p * (1 - p)
        self.table = np.column_stack(
            [c.n0, c.n1, c.k0 - c.n0 * p, c.k1 - c.n1 * p, c.n0 * pq, c.n1 * pq, c.k0, c.k1]
        )  # fmt: skip
        self.refresh_phi()

    def refresh_phi(self) -> None:
        """Measure overdispersion anew: squared residual sums of units against their binomial variance."""
        if self.cube.unit is None:
            return
        units = self.cube.units
        squares = sum(float((np.bincount(self.cube.unit, self.table[:, c], units) ** 2).sum()) for c in (R0, R1))
        self.phi = max(1.0, squares / max(float(self.table[:, [V0, V1]].sum()), 1e-9))

    def move_all(self, effect: float) -> None:
        """Take a move of everything out of all focus residuals."""
        self.table[:, R1] -= effect * self.table[:, N1]
        self.table[:, K1] -= effect * self.table[:, N1]
        self.refresh_phi()

    def take_out(self, rows: Mask, effect: float, kind: int) -> Floats:
        """Take a cause's effect out of its rows and return the change of the table on them.

        A rate shift lowers the focus residuals; a new or vanished segment takes its rows with it.
        """
        change = np.zeros((int(rows.sum()), 8))
        if kind == STANDARD:
            change[:, R1] = -effect * self.table[rows, N1]
            change[:, K1] = -effect * self.table[rows, N1]
        else:
            change = -self.table[rows]
        self.table[rows] += change
        self.refresh_phi()
        return change


@dataclass(frozen=True)
class Scored:
    """One cell with its mix-adjusted change and its score."""

    conditions: Conditions
    effect: float
    variance: float
    score: float
    kind: int
    price: float


@dataclass
class _Cuboid:
    axes: tuple[int, ...]
    index: npt.NDArray[np.int32]
    keys: Ints
    sums: Floats
    versioned: bool


class Lattice:
    """All cuboids up to a depth with their running sums, so that taking a cause out costs only its own rows."""

    def __init__(self, residuals: Residuals, *, depth: int = 4, min_rows: float = 12.0) -> None:
        self.residuals, self.depth, self.min_rows = residuals, depth, min_rows
        cube = residuals.cube
        table = residuals.table
        self.totals = float(table[:, N0].sum()), float(table[:, N1].sum())
        self.alive = [_alive(axis.codes, axis.size, table, min_rows) for axis in cube.axes]
        self.live_rows = [(a.codes >= 0) & alive[a.codes] for a, alive in zip(cube.axes, self.alive, strict=True)]
        self.cuboids = [self._cuboid(axes) for axes in self._subsets()]
        self.full_depth = max((len(c.axes) for c in self.cuboids), default=0)
        self.price_of = self._prices()

    def _subsets(self) -> Iterator[tuple[int, ...]]:
        axes = self.residuals.cube.axes
        usable = [i for i, a in enumerate(axes) if a.size > 1 and int(self.alive[i].sum()) > 0]
        for depth in range(1, self.depth + 1):
            many = comb(len(usable), depth)
            if depth > 2 and (many > CUBOIDS or many * self.residuals.cube.size > WORK):
                return
            for subset in combinations(usable, depth):
                if len({axes[i].dimension for i in subset}) == depth:
                    yield subset
            if depth == 2 and len(usable) > 40:
                return

    def _cuboid(self, axes: tuple[int, ...]) -> _Cuboid:
        cube = self.residuals.cube
        key = np.zeros(cube.size, dtype=np.int64)
        inside = np.ones(cube.size, dtype=bool)
        span = 1
        for i in axes:
            axis = cube.axes[i]
            key = key * axis.size + axis.codes
            inside &= self.live_rows[i]
            span *= axis.size
        index = np.full(cube.size, -1, dtype=np.int32)
        if span <= max(4 * cube.size, 4096):
            present = np.zeros(span, dtype=bool)
            present[key[inside]] = True
            keys = np.flatnonzero(present)
            place = np.cumsum(present, dtype=np.int32) - 1
            index[inside] = place[key[inside]]
        else:
            keys, index[inside] = np.unique(key[inside], return_inverse=True)
        sums = np.zeros((keys.size, 8))
        versioned = any(is_version(cube.axes[i].dimension) for i in axes)
        cuboid = _Cuboid(axes, index, keys, sums, versioned)
        self._add(cuboid, np.flatnonzero(inside), self.residuals.table[inside])
        return cuboid

    @staticmethod
    def _add(cuboid: _Cuboid, rows: Ints, change: Floats) -> None:
        place = cuboid.index[rows]
        keep = place >= 0
        if not keep.all():
            place, change = place[keep], change[keep]
        cuboid.sums += sums_by(place, change, cuboid.keys.size)

    def _prices(self) -> list[float]:
        cells = [0] * (self.depth + 1)
        for cuboid in self.cuboids:
            supported = (cuboid.sums[:, N0] >= self.min_rows) | (cuboid.sums[:, N1] >= self.min_rows)
            cells[len(cuboid.axes)] += int(supported.sum())
        for depth in range(1, self.depth + 1):
            cells[depth] = max(cells[depth], cells[depth - 1])
        return [2 * log(max(c, 1)) for c in cells]

    def move_all(self, effect: float) -> None:
        """Take a move of everything out of every cuboid."""
        self.residuals.move_all(effect)
        for cuboid in self.cuboids:
            cuboid.sums[:, R1] -= effect * cuboid.sums[:, N1]
            cuboid.sums[:, K1] -= effect * cuboid.sums[:, N1]

    def take_out(self, rows: Mask, effect: float, kind: int) -> None:
        """Take an accepted cause out of every cuboid."""
        change = self.residuals.take_out(rows, effect, kind)
        places = np.flatnonzero(rows)
        for cuboid in self.cuboids:
            self._add(cuboid, places, change)

    def best(self, each: int = 6, total: int = 60) -> list[Scored]:
        """Return the best cells of every cuboid, and of the beam below the full depth, best first."""
        found: list[Scored] = []
        for cuboid in self.cuboids:
            effect, variance, kind = self.measure(cuboid.sums, versioned=cuboid.versioned)
            price = self.price_of[len(cuboid.axes)]
            score = effect**2 / variance - price
            score[cuboid.sums[:, N0] + cuboid.sums[:, N1] > NEARLY_ALL * sum(self.totals)] = -np.inf
            top = np.argpartition(-score, each)[:each] if score.size > each else np.arange(score.size)
            found += [
                Scored(self._conditions(cuboid, int(i)), float(effect[i]), float(variance[i]), float(score[i]),
                       int(kind[i]), price)
                for i in top if np.isfinite(score[i])
            ]  # fmt: skip
        for depth in range(self.full_depth + 1, self.depth + 1):
            parents = sorted((s for s in found if len(s.conditions) == depth - 1), key=_by_score)[:BEAM]
            found += self._deeper(parents, depth)
        return sorted(found, key=_by_score)[:total]

    def _deeper(self, parents: Sequence[Scored], depth: int) -> list[Scored]:
        cube, table, price = self.residuals.cube, self.residuals.table, self.price_of[depth]
        found: dict[Conditions, Scored] = {}
        for parent in parents:
            rows = np.flatnonzero(self.rows(parent.conditions))
            named = {cube.axes[i].dimension for i, _ in parent.conditions}
            for i, axis in enumerate(cube.axes):
                if axis.dimension in named or axis.size < 2:
                    continue
                codes = axis.codes[rows]
                keep = codes >= 0
                sums = sums_by(codes[keep], table[rows[keep]], axis.size)
                versioned = any(is_version(d) for d in (*named, axis.dimension))
                effect, variance, kind = self.measure(sums, versioned=versioned)
                score = effect**2 / variance - price
                for code in np.argsort(-score)[:2]:
                    if np.isfinite(score[code]):
                        conditions = tuple(sorted((*parent.conditions, (i, int(code)))))
                        found[conditions] = Scored(
                            conditions, float(effect[code]), float(variance[code]), float(score[code]),
                            int(kind[code]), price,
                        )  # fmt: skip
        return list(found.values())

    def _conditions(self, cuboid: _Cuboid, cell: int) -> Conditions:
        key = int(cuboid.keys[cell])
        conditions: list[tuple[int, int]] = []
        for i in reversed(cuboid.axes):
            key, code = divmod(key, self.residuals.cube.axes[i].size)
            conditions.append((i, code))
        return tuple(sorted(conditions))

    def rows(self, conditions: Conditions) -> Mask:
        """Return which leaves lie in a cell."""
        inside = np.ones(self.residuals.cube.size, dtype=bool)
        for i, code in conditions:
            inside &= self.residuals.cube.axes[i].codes == code
        return inside

    def measure(self, sums: Floats, *, versioned: bool) -> tuple[Floats, Floats, Ints]:
        """Score many cells at once, see `measure`."""
        return measure(
            sums, totals=self.totals, rate=self.residuals.baseline.rate, phi=self.residuals.phi,
            noise=self.residuals.noise, versioned=versioned, min_rows=self.min_rows,
        )  # fmt: skip

    def measure_rows(self, rows: Mask, *, versioned: bool) -> tuple[float, float, int]:
        """Return effect, variance and kind of a set of leaves, the variance over units where there are any."""
        table = self.residuals.table[rows]
        effect, variance, kind = self.measure(table.sum(axis=0, keepdims=True), versioned=versioned)
        spread = float(variance[0])
        unit = self.residuals.cube.unit
        if unit is not None and np.isfinite(spread):
            spread = _robust(table, unit[rows], int(kind[0]), spread)
        return float(effect[0]), spread, int(kind[0])


def sums_by(codes: npt.NDArray[np.integer], table: Floats, size: int) -> Floats:
    """Sum the table's columns by code: one row per code."""
    from scipy.sparse import csr_array

    rows = np.arange(codes.size + 1)
    spread = csr_array((np.ones(codes.size), codes, rows), shape=(codes.size, size))
    return np.asarray(spread.T @ table)


def measure(
    sums: Floats, *, totals: tuple[float, float], rate: float, phi: float, noise: float, versioned: bool,
    min_rows: float,
) -> tuple[Floats, Floats, Ints]:  # fmt: skip
    """Return per cell the mix-adjusted change, its variance and its kind; an unsupported cell has variance inf.

    Standard: r1/n1 - r0/n0, both against the baseline model. New (no baseline rows to speak of): its rate against the
    whole baseline's. Vanished: likewise. A new version of something is compared with the model: what it replaced.
    """
    n0, n1, r0, r1, v0, v1, k0, k1 = sums.T
    expected0 = n1 * totals[0] / max(totals[1], 1.0)
    expected1 = n0 * totals[1] / max(totals[0], 1.0)
    few0 = (n0 < NEARLY_NONE * expected0) & (expected0 >= EXPECTED_MIN)
    few1 = (n1 < NEARLY_NONE * expected1) & (expected1 >= EXPECTED_MIN)
    m0, m1 = np.maximum(n0, 1e-9), np.maximum(n1, 1e-9)
    effect = r1 / m1 - r0 / m0
    pq = (v0 + v1) / np.maximum(n0 + n1, 1e-9)
    variance = phi * ((v0 + 0.25) / m0**2 + (v1 + 0.25) / m1**2) + 2 * noise * pq
    unsupported = (n0 <= 0) | (n1 <= 0) | (n0 + n1 < 2 * min_rows) | (np.minimum(n0, n1) < 2)
    kind = np.zeros(n0.size, dtype=np.int64)
    if versioned:
        effect = np.where(few0, r1 / m1, effect)
        variance = np.where(few0, phi * 1.5 * (v1 + 0.25) / m1**2 + 2 * noise * pq, variance)
        unsupported = np.where(few0, n1 < min_rows, unsupported | few1)
    else:
        for few, n, k, which in ((few0, m1, k1, NEW), (few1, m0, k0, VANISHED)):
            middle = np.clip((k / n + rate) / 2, 0.01, 0.99)
            own = middle * (1 - middle)
            effect = np.where(few, k / n - rate, effect)
            variance = np.where(few, phi * (own + 0.25 / n) / n + noise * own, variance)
            unsupported = np.where(few, n < min_rows, unsupported)
            kind = np.where(few, which, kind)
    return effect, np.where(unsupported, np.inf, variance), kind


def _robust(table: Floats, unit: Ints, kind: int, prior: float) -> float:
    units, code = np.unique(unit, return_inverse=True)
    n0, n1 = max(float(table[:, N0].sum()), 1e-9), max(float(table[:, N1].sum()), 1e-9)
    one = table[:, R1] - table[:, N1] * float(table[:, R1].sum()) / n1
    zero = table[:, R0] - table[:, N0] * float(table[:, R0].sum()) / n0
    if kind == NEW:
        influence = (table[:, K1] - table[:, N1] * float(table[:, K1].sum()) / n1) / n1
    elif kind == VANISHED:
        influence = (table[:, K0] - table[:, N0] * float(table[:, K0].sum()) / n0) / n0
    else:
        influence = one / n1 - zero / n0
    by_unit = np.bincount(code, influence, units.size)
    squares = float((by_unit**2).sum())
    dof = squares**2 / max(float((by_unit**4).sum()), 1e-300)
    return (dof * squares + 8 * prior) / (dof + 8)


def _alive(codes: npt.NDArray[np.int32], size: int, table: Floats, min_rows: float) -> Mask:
    inside = codes >= 0
    n0 = np.bincount(codes[inside], table[inside, N0], size)
    n1 = np.bincount(codes[inside], table[inside, N1], size)
    return np.asarray((n0 >= min_rows) | (n1 >= min_rows))


def _by_score(cell: Scored) -> tuple[float, Conditions]:
    return (-cell.score, cell.conditions)
