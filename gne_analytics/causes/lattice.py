"""The lattice: the cells of all cuboids up to a depth, counted once for both halves of the units and the whole."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
import numpy.typing as npt

from gne_analytics.causes.cells import N0, N1, Conditions, Sums, is_version, least_rows, table_of
from gne_analytics.causes.cube import Codes, Cube
from gne_analytics.metrics.intervals import Floats, Ints

WORK = 12_000_000
"""Leaves times cuboids of one depth beyond two; above it the beam goes on alone."""


@dataclass(frozen=True)
class _Cuboid:
    """The cells of one set of axes: how to find a leaf's cell, and each cell's codes."""

    axes: tuple[int, ...]
    lookup: npt.NDArray[np.int32]
    """Key of the two parts -> cell; as many as there are cells where the cell is not alive."""
    parts: tuple[tuple[int, ...], ...]
    """The cuboids (by their axes) whose cells make up the key."""
    codes: npt.NDArray[np.int32]

    @property
    def size(self) -> int:
        return int(self.codes.shape[0])


class Lattice:
    """The cells of all cuboids up to a depth that have enough rows, with the first sums of each half of the units.

    One pass over the leaves per cuboid; what a search takes out afterwards costs its own rows only. Where a depth has
    too many cuboids for the leaves, cells of that depth are looked for below the best of the depth before.
    """

    def __init__(self, cube: Cube, p: Floats, *, depth: int = 4) -> None:
        self.cube, self.depth = cube, depth
        self._summing = Sums(table_of(cube, p))
        self.cuboids: dict[tuple[int, ...], _Cuboid] = {}
        self.sums: list[Floats] = []
        self.offsets: dict[tuple[int, ...], int] = {}
        self._ids: dict[tuple[int, ...], npt.NDArray[np.int32]] = {}
        self._least = least_rows(cube)
        self._half = (cube.half & 1).astype(np.int32)
        self._key = np.empty(cube.size, dtype=np.int32)
        self.full_depth = 0
        for axes in self._subsets():
            self._add(axes)
            self.full_depth = len(axes)
        del self._ids, self._summing
        self.first = np.concatenate(self.sums) if self.sums else np.zeros((0, 2, 6))
        self.sums.clear()
        width = max(depth, 1)
        self.cell_axes = np.full((self.first.shape[0], width), -1, dtype=np.int32)
        self.cell_codes = np.full((self.first.shape[0], width), -1, dtype=np.int32)
        self.cell_depth = np.zeros(self.first.shape[0], dtype=np.int64)
        self.cell_versioned = np.zeros(self.first.shape[0], dtype=bool)
        for axes, start in self.offsets.items():
            part = slice(start, start + self.cuboids[axes].size)
            self.cell_axes[part, : len(axes)] = axes
            self.cell_codes[part, : len(axes)] = self.cuboids[axes].codes
            self.cell_depth[part] = len(axes)
            self.cell_versioned[part] = any(is_version(cube.axes[i].dimension) for i in axes)

    def _subsets(self) -> Iterator[tuple[int, ...]]:
        axes = self.cube.axes
        single = [i for i, a in enumerate(axes) if a.size > 1]
        yield from ((i,) for i in single)
        usable = [i for i in single if (i,) in self.cuboids and self.cuboids[i,].size]
        for depth in range(2, self.depth + 1):
            many = comb(len(usable), depth)
            if many * self.cube.size > (WORK if depth > 2 else 20 * WORK) or (many > 800 and depth > 2):
                return
            for subset in combinations(usable, depth):
                if len({axes[i].dimension for i in subset}) == depth:
                    yield subset

    def _add(self, axes: tuple[int, ...]) -> None:
        """Count one cuboid and keep its cells that have enough rows."""
        parts: tuple[tuple[int, ...], ...] = ()
        if len(axes) == 1:
            axis = self.cube.axes[axes[0]]
            key, span = np.add(axis.codes, 1, out=self._key), axis.size + 1
        else:
            cut = 1 if len(axes) == 2 else 2
            parts = (axes[:cut], axes[cut:])
            wide = self.cuboids[parts[1]].size + 1
            span = (self.cuboids[parts[0]].size + 1) * wide
            key = self._joint(parts, wide, span)
        kept: Codes
        if span > 4 * self.cube.size + 65_536:
            kept, index = np.unique(key, return_inverse=True)
        else:
            kept, index = np.arange(span), key
        place = np.multiply(index, 2, out=self._summing.place, casting="unsafe")
        place += self._half
        sums = self._summing.by(place, 2 * kept.size).reshape(-1, 2, 6)
        whole = sums.sum(axis=1)
        alive = (whole[:, N0] >= self._least) | (whole[:, N1] >= self._least)
        codes = self._codes(axes, parts, kept)
        alive &= (codes >= 0).all(axis=1)
        lookup = np.full(span, int(alive.sum()), dtype=np.int32)
        lookup[kept[alive]] = np.arange(int(alive.sum()), dtype=np.int32)
        cuboid = _Cuboid(axes, lookup, parts, codes[alive])
        self.cuboids[axes] = cuboid
        self.offsets[axes] = sum(s.shape[0] for s in self.sums)
        self.sums.append(sums[alive])
        if not parts:
            self._ids[axes] = lookup[key]

    def _joint(self, parts: tuple[tuple[int, ...], ...], wide: int, span: int) -> Codes:
        """Every leaf's cells in two cuboids as one code, in the room for it where it fits."""
        first, second = (self._cells(p) for p in parts)
        key: Codes = self._key if span < 2**31 else np.empty(first.size, dtype=np.int64)
        np.multiply(first, key.dtype.type(wide), out=key)
        key += second
        return key

    def _cells(self, axes: tuple[int, ...]) -> npt.NDArray[np.int32]:
        """Every leaf's cell in a cuboid of one axis or two."""
        if axes not in self._ids:
            cuboid = self.cuboids[axes]
            wide = self.cuboids[cuboid.parts[1]].size + 1
            self._ids[axes] = cuboid.lookup[self._joint(cuboid.parts, wide, cuboid.lookup.size)]
        return self._ids[axes]

    def _codes(self, axes: tuple[int, ...], parts: tuple[tuple[int, ...], ...], keys: Ints) -> npt.NDArray[np.int32]:
        if not parts:
            return (keys - 1).astype(np.int32)[:, None]
        first, second = (self.cuboids[p] for p in parts)
        a, b = np.divmod(keys, second.size + 1)
        out = np.full((keys.size, len(axes)), -1, dtype=np.int32)
        known = (a < first.size) & (b < second.size)
        out[known] = np.hstack([first.codes[a[known]], second.codes[b[known]]])
        return out

    def place(self, conditions: Conditions) -> int | None:
        """Return where a cell stands among the sums; None where it has too few rows or its cuboid was not counted."""
        axes = tuple(i for i, _ in conditions)
        cuboid = self.cuboids.get(axes)
        if cuboid is None:
            return None
        cell = int(self._inside(cuboid, {i: np.array([code]) for i, code in conditions})[0])
        return self.offsets[axes] + cell if cell < cuboid.size else None

    def siblings(self, conditions: Conditions, axis: int) -> tuple[Ints, Ints] | None:
        """Return the values of an axis with enough rows beside the other conditions, and where these cells stand."""
        codes = {i: np.array([code]) for i, code in conditions} | {axis: np.arange(self.cube.axes[axis].size)}
        axes = tuple(sorted(codes))
        cuboid = self.cuboids.get(axes)
        if cuboid is None:
            return None
        cells = self._inside(cuboid, codes)
        alive = np.flatnonzero(cells < cuboid.size)
        return alive, self.offsets[axes] + cells[alive]

    def _inside(self, cuboid: _Cuboid, codes: Mapping[int, Ints]) -> Ints:
        """The cells of a cuboid with some codes, its number of cells for one that is not alive."""
        if not cuboid.parts:
            return cuboid.lookup[codes[cuboid.axes[0]] + 1].astype(np.int64)
        first, second = (self.cuboids[p] for p in cuboid.parts)
        key = self._inside(first, codes) * (second.size + 1) + self._inside(second, codes)
        cells: Ints = cuboid.lookup[key].astype(np.int64)
        return cells

    def cells_at(self, codes: Sequence[npt.NDArray[np.integer]]) -> Iterator[tuple[slice, npt.NDArray[np.int32]]]:
        """Yield, for every cuboid, where its cells stand and which of them each of some leaves lies in.

        ``codes`` are the leaves' codes on every axis of the cube; a leaf in no cell that is alive gets their number.
        """
        known: dict[tuple[int, ...], npt.NDArray[np.int32]] = {}
        for axes, cuboid in self.cuboids.items():
            if cuboid.parts:
                first, second = cuboid.parts
                place = cuboid.lookup[known[first].astype(np.int64) * (self.cuboids[second].size + 1) + known[second]]
            else:
                place = cuboid.lookup[codes[axes[0]] + 1]
            if len(axes) < 3:
                known[axes] = place
            start = self.offsets[axes]
            yield slice(start, start + cuboid.size), place
