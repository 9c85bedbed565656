"""The cube: the only pass over rows. One lazy group_by, on any engine narwhals speaks, then small integer arrays."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import narwhals as nw
import numpy as np
import numpy.typing as npt
import polars as pl
from narwhals.typing import IntoFrame

from gne_analytics.evidence.segment import Segment
from gne_analytics.metrics.engines import check_names
from gne_analytics.metrics.intervals import Floats, Ints

Mask: TypeAlias = npt.NDArray[np.bool_]
Codes: TypeAlias = npt.NDArray[np.signedinteger[Any]]

MANY_ROWS = 100_000
SOME_ROWS = 20_000
HARDLY = 0.98
"""Of so many rows and more, of which a part of some size has hardly two alike, each is a leaf."""
COUNTS = ("n0", "k0", "n1", "k1")


def count_leaves(frame: IntoFrame, dims: Sequence[str], *, unit: bool) -> pl.DataFrame:
    """Count n and k of both sides per leaf: dimensions x half x unit, in one lazy group_by.

    ``frame`` holds the dimensions as text, ``side`` (0 baseline, 1 focus), ``fold``, ``k``, ``n`` and ``unit``. It may
    be a Polars frame, a DuckDB relation or a PySpark frame: the pass over rows runs on that engine, and what comes back
    is a sorted Polars frame, the same from each of them. The half is the fold's parity. Sums of whole numbers are exact
    up to 2**53. A DataError names a column that is missing, or that the engine would take for another.
    """
    return group_leaves(frame, dims, unit=unit).sort([*dims, "half", *(["unit"] if unit else [])])


def group_leaves(frame: IntoFrame, dims: Sequence[str], *, unit: bool) -> pl.DataFrame:
    """Count leaves as `count_leaves` does, in whatever order the engine returns them: the group_by alone."""
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
    return leaves


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
    """Leaves as arrays: n and k of both sides, half, unit codes, and one axis per dimension or path level.

    Leaves that are alike in all dimensions are neighbours.
    """

    axes: tuple[Axis, ...]
    n0: Floats
    k0: Floats
    n1: Floats
    k1: Floats
    half: Codes
    unit: Ints | None

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return int(self.n0.size)

    @property
    def units(self) -> int:
        """How many units of independence there are; 0 when none is declared."""
        return 0 if self.unit is None or not self.size else int(self.unit.max()) + 1

    def take(self, rows: Mask | Ints) -> "Cube":
        """Return the cube of some leaves only; codes keep their meaning."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
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
            wanted = set(values)
            for axis in self.levels(dimension):
                for place, value in enumerate(axis.values):
                    if value in wanted:
                        hit |= axis.codes == place
            inside &= hit
        return inside

    def levels(self, dimension: str) -> Iterator[Axis]:
        """The axes of a dimension: one, or one per level of a path."""
        yield from (a for a in self.axes if a.dimension == dimension)


def build_cube(frame: IntoFrame, dims: Sequence[str], *, unit: bool, paths: frozenset[str] = frozenset()) -> Cube:
    """Count the leaves and encode them, in the order of their codes; `count_leaves` says what ``frame`` must hold."""
    keys = [*dims, *(["unit"] if unit else [])]
    rows = _encoded(frame, keys)
    if isinstance(rows, pl.DataFrame) and _hardly_repeats(rows, keys):
        leaves = _rows_as_leaves(rows)
    else:
        leaves = group_leaves(rows, dims, unit=unit)
    del rows
    if unit and leaves["unit"].null_count():
        leaves = _one_by_one(leaves, dims)
    counts = {c: leaves[c] for c in COUNTS}
    leaves = leaves.drop(COUNTS)
    places = {name: _places(leaves[name]) for name in keys}
    half = leaves["half"].to_numpy().astype(np.int8)
    del leaves
    order = _in_order([*(places[d][0] for d in dims), half, *([places["unit"][0]] if unit else [])])
    axes: list[Axis] = []
    for dimension in dims:
        codes, values = places.pop(dimension)
        levels = _levels(values) if dimension in paths else [(0, np.arange(len(values)), values)]
        for level, cut, names in levels:
            axes.append(Axis(dimension, level, _small(np.append(cut, -1), len(names))[codes[order]], names))
    units: Ints | None = None
    if unit:
        units = places.pop("unit")[0][order].astype(np.int64)
        alone = units < 0
        units[alone] = units.max(initial=-1) + 1 + np.arange(int(alone.sum()))
    n0, k0, n1, k1 = (counts.pop(c).to_numpy()[order] for c in COUNTS)
    return Cube(tuple(axes), n0, k0, n1, k1, half[order], units)


def _one_by_one(leaves: pl.DataFrame, dims: Sequence[str]) -> pl.DataFrame:
    """Make every row without a unit a unit of its own, in turn in either half.

    Of its leaf only whole counts are known, which is all that there is to a row; a leaf of other counts stays one.
    """
    lone = leaves.filter(pl.col("unit").is_null()).sort(dims)
    whole = pl.all_horizontal(
        *(pl.col(c) == pl.col(c).floor() for c in COUNTS), pl.col("k0") <= pl.col("n0"), pl.col("k1") <= pl.col("n1")
    )
    parts = [leaves.filter(pl.col("unit").is_not_null()), lone.filter(~whole)]
    lone = lone.filter(whole)
    zero = {c: pl.lit(0.0) for c in COUNTS}
    for n, k in (("n0", "k0"), ("n1", "k1")):
        hits = lone[k].to_numpy().astype(np.int64)
        for hit, count in ((1.0, hits), (0.0, lone[n].to_numpy().astype(np.int64) - hits)):
            rows = lone[np.repeat(np.arange(lone.height), count)]
            turn = (pl.int_range(pl.len()) % 2).cast(lone.schema["half"])
            parts.append(rows.with_columns(**{**zero, n: pl.lit(1.0), k: pl.lit(hit)}, half=turn))
    return pl.concat(parts)


def _small(codes: Ints, size: int) -> Codes:
    small: Codes = codes.astype(np.int16) if size < 2**15 else codes.astype(np.int32)
    return small


def _encoded(frame: IntoFrame, keys: Sequence[str]) -> IntoFrame:
    """Text columns as codes where the rows are in Polars' hands; other engines group texts by themselves."""
    if not isinstance(frame, pl.DataFrame):
        return frame
    texts = {c for c in keys if c in frame.columns and frame.schema[c] == pl.String}
    return pl.DataFrame([c.cast(pl.Enum(_values(c))) if c.name in texts else c for c in frame.get_columns()])


def _hardly_repeats(rows: pl.DataFrame, keys: Sequence[str]) -> bool:
    """Whether a large table's leaves would be nearly its rows, by a part of them: then grouping only costs memory."""
    if rows.height < MANY_ROWS:
        return False
    part = rows.select(pl.col(keys).gather_every(rows.height // SOME_ROWS))
    return part.n_unique() > HARDLY * part.height


def _rows_as_leaves(rows: pl.DataFrame) -> pl.DataFrame:
    inside = rows["side"].is_not_null()
    rows = rows if inside.all() else rows.filter(inside)
    focus = rows["side"].cast(pl.Float64)
    made = {"n1": rows["n"] * focus, "k1": rows["k"] * focus}
    made |= {"n0": rows["n"] - made["n1"], "k0": rows["k"] - made["k1"]}
    half = (rows["fold"].fill_null(0) % 2).cast(pl.Int8).alias("half")
    columns = [c for c in rows.get_columns() if c.name not in ("side", "fold", "n", "k")]
    return pl.DataFrame([*columns, half, *(c.cast(pl.Float64).alias(name) for name, c in made.items())])


def _values(column: pl.Series) -> pl.Series:
    return column.drop_nulls().unique().sort()


def _places(column: pl.Series) -> tuple[Codes, tuple[str, ...]]:
    """Each entry's place among the column's values in order, -1 for null, and the values."""
    if isinstance(column.dtype, pl.Enum):
        values = column.dtype.categories
    else:
        column = column.cast(pl.String)
        values = _values(column)
        column = column.cast(pl.Enum(values))
    return column.to_physical().cast(pl.Int32).fill_null(-1).to_numpy(), tuple(values.to_list())


def _in_order(columns: Sequence[Codes]) -> Ints:
    """The order of rows by some columns of codes, the first first."""
    spans = [int(c.max(initial=0)) + 2 for c in columns]
    if float(np.prod(np.asarray(spans, dtype=np.float64))) >= 2.0**62:
        return np.lexsort(columns[::-1])
    key = np.zeros(columns[0].size if columns else 0, dtype=np.int64)
    for column, span in zip(columns, spans, strict=True):
        key *= span
        key += column + 1
    return np.argsort(key, kind="stable")


def _levels(values: tuple[str, ...]) -> Iterator[tuple[int, Ints, tuple[str, ...]]]:
    """Each level of some paths: which of its values every path lies in, -1 where it ends before."""
    parts = [v.split("/") for v in values]
    for level in range(1, max((len(p) for p in parts), default=1) + 1):
        cut = ["/".join(p[:level]) if len(p) >= level else None for p in parts]
        names = tuple(sorted({c for c in cut if c is not None}))
        place = {name: i for i, name in enumerate(names)}
        yield level, np.array([-1 if c is None else place[c] for c in cut], dtype=np.int64), names
