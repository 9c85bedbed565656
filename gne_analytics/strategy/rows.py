"""The kernel's row pass over rows in memory: one integer per row, counted by position.

Rows that share the values of every column a condition reads, the class and the score bin fall into one cell. So
conditions are evaluated on one row of each such group, however many rows there are, and a score finds its bin through a
table of equal steps, then exactly by its edge.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import narwhals as nw
import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NO_SCORE = -1
"""The bin of cases without a score, which no threshold reaches."""
MOST_VALUES = 1 << 16
"""Values that a column may have to be counted by position."""
MOST_GROUPS, MOST_CELLS = 1 << 22, 1 << 25
"""Combinations of values, and cells, beyond which rows are grouped by hashing instead."""
STEPS = 1 << 13
"""Equal steps between the lowest and the highest edge in the table of bins."""
STRETCH = 1 << 16
"""Rows whose intermediate results fit into a core's cache."""


class Condition(NamedTuple):
    """A two-valued expression over cases, with the columns that it reads (none told: it is read row by row)."""

    expr: nw.Expr
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bins:
    """Edges, and where scores lie among them: the bin of a score counts the edges at or below it."""

    edges: Floats

    def of(self, scores: Floats) -> NDArray[np.int32]:
        """Return the bin of each score, ``NO_SCORE`` for NaN; exact, ``>=`` at the edge."""
        if not len(self.edges):
            bins = np.zeros(len(scores), np.int32)
        elif self._crowded:
            bins = np.searchsorted(self.edges, scores, side="right").astype(np.int32)
        else:
            bins = self._below.take(self._steps(scores))
            bins += scores >= self._next.take(bins)
        bins[np.isnan(scores)] = NO_SCORE
        return bins

    def _steps(self, scores: Floats) -> NDArray[np.int32]:
        """Return the step of the table that a score falls in; monotone in the score, as rounding is."""
        with np.errstate(invalid="ignore", over="ignore"):
            scaled = scores - self.edges[0]
            scaled *= self._scale
        np.clip(scaled, 0, STEPS, out=scaled)
        np.nan_to_num(scaled, copy=False)
        return np.asarray(scaled, np.int32)

    @cached_property
    def _scale(self) -> float:
        span = float(self.edges[-1] - self.edges[0])
        return min(STEPS / span, 1e300) if span > 0 else 1.0

    @cached_property
    def _at(self) -> NDArray[np.int32]:
        return self._steps(self.edges.copy())

    @cached_property
    def _crowded(self) -> bool:
        """Two edges in one step: the table cannot tell them apart."""
        return len(np.unique(self._at)) < len(self.edges)

    @cached_property
    def _below(self) -> NDArray[np.int32]:
        """The edges in earlier steps, per step."""
        return np.searchsorted(self._at, np.arange(STEPS + 1)).astype(np.int32)

    @cached_property
    def _next(self) -> Floats:
        return np.append(self.edges, np.nan)  # nothing reaches NaN


def count_rows(
    cases: pl.DataFrame,
    conditions: Sequence[Condition],
    bins: Bins,
    by: Sequence[str],
    sums: Sequence[str],
    score: str,
) -> pl.DataFrame | None:
    """Count rows by condition, bin and class; None where columns have too many values to be counted by position.

    Returns one row per group of equal values and bin: every condition under its number, ``bin``, the class columns,
    ``n`` and the sums. Groups that differ in nothing a condition tells are not joined.
    """
    groups = _groups(cases, conditions, by)
    if groups is None or (groups.n * (len(bins.edges) + 2)) > MOST_CELLS:
        return None
    width = len(bins.edges) + 2
    scores = cases[score].cast(pl.Float64).fill_null(np.nan).to_numpy()
    weights = {c: cases[c].cast(pl.Float64).fill_null(0.0).to_numpy() for c in sums}
    counts = np.zeros(groups.n * width, np.int64)
    totals = {c: np.zeros(groups.n * width) for c in sums}
    for start in range(0, cases.height, 16 * STRETCH):
        cells = _cells(groups.of_row, scores, bins, slice(start, min(start + 16 * STRETCH, cases.height)), width)
        counts += np.bincount(cells, minlength=len(counts))
        for name, total in totals.items():
            total += np.bincount(cells, weights[name][start : start + len(cells)], minlength=len(total))
    full = np.flatnonzero(counts)
    told, numbers = _evaluated(groups.example, [condition.expr for condition in conditions])
    return told[full // width].select(
        *numbers,
        *by,
        pl.Series("bin", full % width + NO_SCORE, pl.Int32),
        pl.Series("n", counts[full], pl.Int64),
        *[pl.Series(name, total[full], pl.Float64) for name, total in totals.items()],
    )


def _cells(of_row: NDArray[np.int32], scores: Floats, bins: Bins, rows: slice, width: int) -> Ints:
    """Return the position of each row's cell, stretch by stretch."""
    cells = np.empty(rows.stop - rows.start, np.int64)
    for start in range(rows.start, rows.stop, STRETCH):
        inside = slice(start, min(start + STRETCH, rows.stop))
        part = cells[inside.start - rows.start : inside.stop - rows.start]
        np.multiply(of_row[inside], width, out=part, dtype=np.int64)
        part += bins.of(scores[inside])
        part -= NO_SCORE
    return cells


class Groups(NamedTuple):
    """Rows that no condition and no class tells apart."""

    of_row: NDArray[np.int32]
    n: int
    example: pl.DataFrame
    """One row of each group."""


def _groups(cases: pl.DataFrame, conditions: Sequence[Condition], by: Sequence[str]) -> Groups | None:
    few: dict[str, pl.Series] = {}
    rowwise: list[nw.Expr] = []
    for condition in conditions:
        codes = {c: _codes(cases[c]) for c in condition.columns if c not in few}
        known = {c: code for c, code in codes.items() if code is not None}
        if condition.columns and len(known) == len(codes):
            few |= known
        else:
            rowwise.append(condition.expr)
    for column in by:
        if column not in few and (code := _codes(cases[column])) is not None:
            few[column] = code
    if any(c not in few for c in by):
        return None
    read, numbers = _evaluated(cases, rowwise)
    keys = [*few.values(), *(_codes(read[c]) for c in numbers)]
    of_row, size = np.zeros(cases.height, np.int32), 1
    for key in keys:
        if key is None or (size := size * max(1, width := _width(key))) > MOST_GROUPS:
            return None
        of_row *= np.int32(width)
        of_row += key.to_numpy().astype(np.int32, copy=False)
    present = np.flatnonzero(np.bincount(of_row, minlength=size))
    position = np.zeros(size, np.int32)
    position[present] = np.arange(len(present), dtype=np.int32)
    of_row = position.take(of_row)
    first = np.zeros(len(present), np.int64)
    first[of_row] = np.arange(cases.height)
    needed = list(dict.fromkeys([*(c for k in conditions for c in k.columns), *by]))
    # An expression whose columns are not told may read any.
    return Groups(of_row, len(present), (cases if rowwise or not needed else cases.select(needed))[first])


def _evaluated(cases: pl.DataFrame, expressions: Sequence[nw.Expr]) -> tuple[pl.DataFrame, list[str]]:
    """Add a column per expression, under its number."""
    numbers = [str(i) for i in range(len(expressions))]
    named = [expression.alias(i) for i, expression in zip(numbers, expressions, strict=True)]
    return nw.from_native(cases).with_columns(*named).to_native(), numbers


def _codes(values: pl.Series) -> pl.Series | None:
    """Number the values of a column from nought, a missing one with the number after the last; None: too many."""
    dtype = values.dtype
    if dtype.is_float() or dtype.is_nested() or dtype in (pl.Object, pl.Binary, pl.Null):
        return None
    if isinstance(dtype, pl.Categorical | pl.String):
        seen = values.drop_nulls().unique()
        if len(seen) >= MOST_VALUES:
            return None
        codes = values.replace_strict(seen, pl.int_range(len(seen), dtype=pl.UInt32, eager=True), default=None)
    else:
        physical = values.to_physical().cast(pl.Int64)
        low, high = physical.min(), physical.max()
        lowest, highest = (low, high) if isinstance(low, int) and isinstance(high, int) else (0, 0)
        if highest - lowest >= MOST_VALUES:
            return None
        codes = (physical - lowest).cast(pl.UInt32)
    return codes.fill_null(_width(codes)) if codes.null_count() else codes


def _width(codes: pl.Series) -> int:
    highest = codes.max()
    return highest + 1 if isinstance(highest, int) else 0
