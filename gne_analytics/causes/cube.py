"""The cube: the only pass over rows. One lazy group_by, on any engine narwhals speaks, then small integer arrays."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import narwhals as nw
import numpy as np
import numpy.typing as npt
import polars as pl
from narwhals.typing import IntoFrame

from gne_analytics.evidence.segment import Segment
from gne_analytics.metrics.engines import check_names
from gne_analytics.metrics.intervals import Floats, Ints

Mask: TypeAlias = npt.NDArray[np.bool_]
Codes: TypeAlias = npt.NDArray[np.int32]

COUNTS = ("n0", "k0", "n1", "k1")


def count_leaves(frame: IntoFrame, dims: Sequence[str], *, unit: bool) -> pl.DataFrame:
    """Count n and k of both sides per leaf: dimensions x half x unit, in one lazy group_by.

    ``frame`` holds the dimensions as text, ``side`` (0 baseline, 1 focus), ``fold``, ``k``, ``n`` and ``unit``. It may
    be a Polars frame, a DuckDB relation or a PySpark frame: the pass over rows runs on that engine, and what comes back
    is a sorted Polars frame, the same from each of them. The half is the fold's parity. Sums of whole numbers are exact
    up to 2**53. A DataError names a column that is missing, or that the engine would take for another.
    """
    rows = nw.from_native(frame).lazy()
    check_names(rows, [*dims, "side", "fold", "k", "n", *(["unit"] if unit else [])], ["half", *COUNTS])
    rows = rows.filter(~nw.col("side").is_null())
    keys = [*dims, "half", *(["unit"] if unit else [])]
    half = (nw.coalesce(nw.col("fold"), nw.lit(0)) % 2).cast(nw.Int64)
    rows = rows.with_columns(nw.col("n", "k").cast(nw.Float64), half=half)  # engines widen and overflow integers apart
    sums = [
        nw.when(nw.col("side") == side).then(nw.col(value)).otherwise(nw.lit(0.0)).sum().alias(f"{value}{side}")
        for side in (0, 1)
        for value in ("n", "k")
    ]
    leaves: pl.DataFrame = rows.group_by(*keys).agg(*sums).collect("polars").to_native()
    return leaves.sort(keys)


@dataclass(frozen=True)
class Axis:
    """One searchable dimension, or one level of a path dimension, as codes 0..V-1 (-1: no value at this level)."""

    dimension: str
    level: int
    codes: Codes
    values: tuple[str, ...]

    @property
    def size(self) -> int:
        """How many values the axis has."""
        return len(self.values)


@dataclass(frozen=True)
class Cube:
    """Leaves as arrays: n and k of both sides, half, unit codes, and one axis per dimension or path level."""

    axes: tuple[Axis, ...]
    n0: Floats
    k0: Floats
    n1: Floats
    k1: Floats
    half: Ints
    unit: Ints | None
    paths: frozenset[str] = frozenset()

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return int(self.n0.size)

    @property
    def units(self) -> int:
        """How many units of independence there are; 0 when none is declared."""
        return 0 if self.unit is None or not self.size else int(self.unit.max()) + 1

    def take(self, rows: Mask) -> "Cube":
        """Return the cube of some leaves only; codes keep their meaning."""
        return replace(
            self,
            axes=tuple(replace(a, codes=a.codes[rows]) for a in self.axes),
            n0=self.n0[rows], k0=self.k0[rows], n1=self.n1[rows], k1=self.k1[rows], half=self.half[rows],
            unit=None if self.unit is None else self.unit[rows],
        )  # fmt: skip

    def mask(self, segment: Segment) -> Mask:
        """Return which leaves lie in a segment."""
        inside = np.ones(self.size, dtype=bool)
        for dimension, values in segment.items():
            hit = np.zeros(self.size, dtype=bool)
            for axis in self.levels(dimension):
                wanted = [i for i, v in enumerate(axis.values) if v in set(values)]
                hit |= np.isin(axis.codes, wanted)
            inside &= hit
        return inside

    def levels(self, dimension: str) -> Iterator[Axis]:
        """The axes of a dimension: one, or one per level of a path."""
        yield from (a for a in self.axes if a.dimension == dimension)


def build_cube(
    frame: IntoFrame, dims: Sequence[str], *, unit: bool, paths: frozenset[str] = frozenset(), depth_of_path: int = 3
) -> Cube:
    """Count the leaves and encode them; see `count_leaves` for the columns that ``frame`` must have."""
    leaves = count_leaves(frame, dims, unit=unit)
    axes: list[Axis] = []
    for dimension in dims:
        column = leaves[dimension]
        axes += _path_axes(column, depth_of_path) if dimension in paths else [_axis(column, 0)]
    codes = None
    if unit:
        filled = leaves.select(
            pl.coalesce(pl.col("unit"), pl.concat_str(pl.lit("\x00row "), pl.int_range(pl.len()).cast(pl.String)))
        ).to_series()
        codes = filled.rank("dense").to_numpy().astype(np.int64) - 1
    n0, k0, n1, k1 = (leaves[c].to_numpy().astype(np.float64) for c in COUNTS)
    return Cube(tuple(axes), n0, k0, n1, k1, leaves["half"].to_numpy().astype(np.int64), codes, paths)


def _axis(column: pl.Series, level: int) -> Axis:
    values = column.drop_nulls().unique().sort()
    codes = column.replace_strict(values, pl.int_range(len(values), eager=True), default=-1, return_dtype=pl.Int32)
    return Axis(column.name, level, codes.to_numpy().astype(np.int32), tuple(values.to_list()))


def _path_axes(column: pl.Series, depth: int) -> list[Axis]:
    parts = column.str.split("/")
    deepest = min(int(parts.list.len().max() or 1), depth)  # type: ignore[arg-type]
    axes = []
    for level in range(1, deepest + 1):
        cut = pl.select(
            pl.when(pl.lit(parts).list.len() >= level).then(pl.lit(parts).list.head(level).list.join("/")).alias("v")
        ).to_series()
        axes.append(_axis(cut.alias(column.name), level))
    return axes
