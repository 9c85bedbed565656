"""The kernel's row pass over rows in memory: one integer per row, counted by position.

Rows that share the values of every column a condition reads, the class and the score bin fall into one cell. So
conditions are evaluated on one row of each such group, however many rows there are, and a score finds its bin through a
table of equal steps, then exactly by its edge.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
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
THREADS = min(4, os.cpu_count() or 1)
STRETCH, PART = 1 << 16, 1 << 20
"""Rows whose intermediate results fit into a core's cache, and rows that are counted at once."""


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
    words: Sequence[Sequence[Condition]],
    bins: Bins,
    by: Sequence[str],
    sums: Sequence[str],
    score: str,
) -> pl.DataFrame | None:
    """Count rows by condition, bin and class; None where columns have too many values to be counted by position.

    Args:
        cases: rows in memory.
        words: conditions, those of one integer column together.
        bins: where scores lie.
        by: columns whose values are kept apart.
        sums: numeric columns to add up.
        score: the column of scores.

    Returns:
        One row per cell, sorted: ``sig_0``, ... (bit i: condition i of the word holds), the columns of ``by``, ``bin``,
        ``n`` and the sums.
    """
    found = _groups(cases, [condition for word in words for condition in word], by)
    if found is None:
        return None
    of_row, example = found
    told = _signatures(example, words, by)
    keys = told.unique().sort(told.columns).with_row_index("key")
    width = len(bins.edges) + 2
    if keys.height * width > MOST_CELLS:
        return None
    of_group = told.join(keys, on=told.columns, how="left", nulls_equal=True, maintain_order="left")["key"]
    _to_cells(of_row, of_group.to_numpy().astype(np.int32), cases[score], bins)
    counts = np.bincount(of_row, minlength=keys.height * width)
    totals = {c: np.bincount(of_row, _numbers(cases[c], 0.0), minlength=len(counts)) for c in sums}
    full = np.flatnonzero(counts)
    return keys[full // width].select(
        pl.exclude("key"),
        pl.Series("bin", full % width + NO_SCORE, pl.Int32),
        pl.Series("n", counts[full], pl.Int64),
        *[pl.Series(name, total[full], pl.Float64) for name, total in totals.items()],
    )


def _to_cells(of_row: NDArray[np.int32], of_group: NDArray[np.int32], scores: pl.Series, bins: Bins) -> None:
    """Turn each row's group into the position of its cell, in place."""

    def fill(start: int) -> None:
        inside = of_row[start : start + STRETCH]
        inside[:] = of_group.take(inside)
        inside *= np.int32(len(bins.edges) + 2)
        inside += bins.of(_numbers(scores[start : start + STRETCH], np.nan)) - np.int32(NO_SCORE)

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(fill, range(0, len(of_row), STRETCH)))


def _numbers(values: pl.Series, missing: float) -> Floats:
    return values.cast(pl.Float64).fill_null(missing).to_numpy()


def _signatures(example: pl.DataFrame, words: Sequence[Sequence[Condition]], by: Sequence[str]) -> pl.DataFrame:
    """Return the packed conditions and the kept columns of one row per group."""
    packed = []
    for i, word in enumerate(words):
        bits, numbers = _evaluated(example, [condition.expr for condition in word])
        signature = np.zeros(example.height, np.int64)
        for bit, number in enumerate(numbers):
            signature |= bits[number].fill_null(False).to_numpy().astype(np.int64) << bit
        packed.append(pl.Series(f"sig_{i}", signature))
    return example.select(*packed, *by)


def _groups(
    cases: pl.DataFrame, conditions: Sequence[Condition], by: Sequence[str]
) -> tuple[NDArray[np.int32], pl.DataFrame] | None:
    """Return the group of each row, and one row of each: rows that no condition and no column of ``by`` tells apart."""
    columns = dict.fromkeys([*by, *(c for condition in conditions for c in condition.columns)])
    of_row, size, many = np.zeros(cases.height, np.int32), 1, set()
    for name in columns:
        codes = _codes(cases[name])
        if codes is None:
            many.add(name)
        elif (size := _join(of_row, codes, size)) > MOST_GROUPS:
            return None
    if many & set(by):
        return None
    rowwise = [k.expr for k in conditions if not k.columns or many & set(k.columns)]
    read, numbers = _evaluated(cases, rowwise)
    for number in numbers:
        codes = _codes(read[number])
        if codes is None or (size := _join(of_row, codes, size)) > MOST_GROUPS:
            return None
    present = np.flatnonzero(np.bincount(of_row, minlength=size))
    position = np.zeros(size, np.int32)
    position[present] = np.arange(len(present), dtype=np.int32)
    of_row = position.take(of_row)
    first = np.full(len(present), -1, np.int64)
    for start in range(0, cases.height, PART):  # mostly the first rows hold an example of every group
        part = of_row[start : start + PART]
        first[part] = np.arange(start, start + len(part))
        if (first >= 0).all():
            break
    # An expression whose columns are not told may read any.
    return of_row, (cases if rowwise or not columns else cases.select(columns.keys()))[first]


def _evaluated(cases: pl.DataFrame, expressions: Sequence[nw.Expr]) -> tuple[pl.DataFrame, list[str]]:
    """Add a column per expression, under its number."""
    numbers = [str(i) for i in range(len(expressions))]
    named = [expression.alias(i) for i, expression in zip(numbers, expressions, strict=True)]
    return nw.from_native(cases).with_columns(*named).to_native(), numbers


def _join(of_row: NDArray[np.int32], codes: NDArray[np.int32], size: int) -> int:
    """Tell rows of one group apart by one column more, in place; return the new number of groups that there may be."""
    width = int(codes.max(initial=0)) + 1
    if size * width <= MOST_GROUPS:
        of_row *= np.int32(width)
        of_row += codes
    return size * width


def _codes(values: pl.Series) -> NDArray[np.int32] | None:
    """Number the values of a column from one, a missing one with nought; None where it has too many."""
    if isinstance(values.dtype, pl.Categorical | pl.String):
        first = values.head(2 * MOST_VALUES).unique()  # mostly these are all
        found = _text_codes(values, first)
        return _text_codes(values, values.unique()) if found is None and len(first) < MOST_VALUES else found
    if not (values.dtype.is_integer() or values.dtype.is_temporal() or values.dtype in (pl.Boolean, pl.Enum)):
        return None
    physical = values.cast(pl.UInt8) if values.dtype == pl.Boolean else values.to_physical()
    low, high = physical.min(), physical.max()
    lowest, highest = (low, high) if isinstance(low, int) and isinstance(high, int) else (0, 0)
    if highest - lowest >= MOST_VALUES:
        return None
    return _filled(len(values), lambda rows: physical[rows].cast(pl.Int64) - lowest)


def _text_codes(texts: pl.Series, known: pl.Series) -> NDArray[np.int32] | None:
    """Number texts by their place among known ones; None where one is not known, or these are too many."""
    if len(known) >= MOST_VALUES:
        return None
    told = pl.Enum(known.drop_nulls().cast(pl.String))
    codes = _filled(len(texts), lambda rows: texts[rows].cast(pl.String).cast(told, strict=False).to_physical())
    return codes if int((codes == 0).sum()) == texts.null_count() else None


def _filled(n: int, numbers: Callable[[slice], pl.Series]) -> NDArray[np.int32]:
    """Fill codes part by part: one more than the numbers, nought for a missing one."""
    codes = np.empty(n, np.int32)

    def fill(start: int) -> None:
        part = numbers(slice(start, start + PART))
        inside = codes[start : start + PART]
        inside[:] = part.fill_null(0).to_numpy()
        inside += 1
        if part.null_count():
            inside[part.is_null().to_numpy()] = 0

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(fill, range(0, n, PART)))
    return codes
