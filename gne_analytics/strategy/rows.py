"""The kernel's row pass over rows in memory: one integer per row, counted by position.

Rows that share the values of every column a condition reads, the class and the score bin fall into one cell. So
conditions are evaluated on one row of each such group, however many rows there are, and a score finds its bin through a
table of equal steps, then exactly by its edge.
"""

import math
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
CROWDED = 4
"""Edges in one step of the table from which on a score is looked for among all of them instead."""
STRETCH, PART = 1 << 17, 1 << 20
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
        elif self._most > CROWDED:
            bins = np.searchsorted(self.edges, scores, side="right").astype(np.int32)
        else:
            bins = self._below.take(self._steps(scores))
            for _ in range(self._most):
                bins += scores >= self._next.take(bins)
        np.copyto(bins, NO_SCORE, where=np.isnan(scores))
        return bins

    def _steps(self, scores: Floats) -> NDArray[np.int32]:
        """Return the step of the table that a score falls in; monotone in the score, as rounding is."""
        with np.errstate(invalid="ignore", over="ignore"):
            scaled = scores - self.edges[0]
            scaled *= self._scale
        np.fmax(scaled, 0, out=scaled)  # not a number: nought
        np.fmin(scaled, STEPS, out=scaled)
        return np.asarray(scaled, np.int32)

    @cached_property
    def _scale(self) -> float:
        span = float(self.edges[-1] - self.edges[0])
        return min(STEPS / span, 1e300) if span > 0 else 1.0

    @cached_property
    def _at(self) -> NDArray[np.int32]:
        return self._steps(self.edges.copy())

    @cached_property
    def _most(self) -> int:
        """The most edges that share a step of the table, which tells them apart no further."""
        return int(np.unique(self._at, return_counts=True)[1].max())

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
    conditions = [condition for word in words for condition in word]
    columns = list(dict.fromkeys([*by, *(c for condition in conditions for c in condition.columns)]))
    found = _groups(cases, conditions, by, columns)
    if found is None:
        return None
    of_row, example = found
    present = np.flatnonzero(example >= 0)
    said = bool(columns) and all(condition.columns for condition in conditions)  # else they may read any
    told = _signatures((cases.select(columns) if said else cases)[example[present]], words, by)
    keys = told.unique().sort(told.columns).with_row_index("key")
    width = len(bins.edges) + 2
    if keys.height * width > MOST_CELLS:
        return None
    of_group = told.join(keys, on=told.columns, how="left", nulls_equal=True, maintain_order="left")["key"]
    key = np.zeros(len(example), np.int32)
    key[present] = of_group.to_numpy()
    _to_cells(of_row, key, cases[score], bins)
    counts = np.zeros(keys.height * width, np.int64)
    totals = {c: np.zeros(len(counts)) for c in sums}
    for start in range(0, cases.height, STRETCH):  # at once they would be copied as wider integers
        cells = of_row[start : start + STRETCH]
        np.add.at(counts, cells, 1)
        for name, total in totals.items():
            np.add.at(total, cells, _numbers(cases[name][start : start + STRETCH], 0.0))
    full = np.flatnonzero(counts)
    return keys[full // width].select(
        pl.exclude("key"),
        pl.Series("bin", full % width + NO_SCORE, pl.Int32),
        pl.Series("n", counts[full], pl.Int64),
        *[pl.Series(name, total[full], pl.Float64) for name, total in totals.items()],
    )


def _to_cells(of_row: NDArray[np.int32], key: NDArray[np.int32], scores: pl.Series, bins: Bins) -> None:
    """Turn each row's number into the position of its cell, in place."""

    def fill(start: int) -> None:
        inside = of_row[start : start + STRETCH]
        inside[:] = key.take(inside)
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
    cases: pl.DataFrame, conditions: Sequence[Condition], by: Sequence[str], columns: Sequence[str]
) -> tuple[NDArray[np.int32], Ints] | None:
    """Number rows so that no condition and no column of ``by`` tells apart those of one number.

    Returns:
        The number of each row, and per number a row that has it (-1: none has).
    """
    for ahead in (2 * MOST_VALUES, cases.height):  # mostly the first rows hold every value
        coders = {name: _coder(cases[name], ahead) for name in columns}
        many = {name for name, coder in coders.items() if coder is None}
        if many & set(by):
            return None
        rowwise = [k.expr for k in conditions if not k.columns or many & set(k.columns)]
        read, numbers = _evaluated(cases, rowwise)
        found = [*(coders[name] for name in columns if name not in many), *(_coder(read[n], ahead) for n in numbers)]
        known = [coder for coder in found if coder is not None]
        size = math.prod(coder.width for coder in known)
        if len(known) < len(found) or size > MOST_GROUPS:
            return None
        try:
            return _numbered(cases.height, known, size)
        except _UnknownValueError:
            continue
    return None


def _numbered(height: int, coders: Sequence["_Coder"], size: int) -> tuple[NDArray[np.int32], Ints]:
    of_row, example = np.empty(height, np.int32), np.full(size, -1, np.int64)

    def fill(start: int) -> None:
        rows = slice(start, min(start + PART, height))
        number = np.zeros(rows.stop - start, np.int32)
        for coder in coders:
            number *= np.int32(coder.width)
            number += coder.of(rows)
        of_row[rows] = number
        example[number] = np.arange(start, rows.stop)  # whichever thread is last: any row of a number will do

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(fill, range(0, height, PART)))
    return of_row, example


def _evaluated(cases: pl.DataFrame, expressions: Sequence[nw.Expr]) -> tuple[pl.DataFrame, list[str]]:
    """Add a column per expression, under its number."""
    numbers = [str(i) for i in range(len(expressions))]
    named = [expression.alias(i) for i, expression in zip(numbers, expressions, strict=True)]
    return nw.from_native(cases).with_columns(*named).to_native(), numbers


class _UnknownValueError(Exception):
    """A column holds a value that its first rows do not."""


class _Coder(NamedTuple):
    """How a column's values are numbered: from one, a missing one by nought."""

    width: int
    of: Callable[[slice], NDArray[np.int32]]


def _coder(values: pl.Series, ahead: int) -> _Coder | None:
    """Number the values of a column; None where it has too many. Of texts those of the first rows ``ahead`` are known.

    ``of`` raises where it meets another.
    """
    if isinstance(values.dtype, pl.Categorical | pl.String):
        known = values.head(ahead).unique().drop_nulls().cast(pl.String)
        return _text_coder(values, pl.Enum(known)) if len(known) < MOST_VALUES else None
    if not (values.dtype.is_integer() or values.dtype.is_temporal() or values.dtype in (pl.Boolean, pl.Enum)):
        return None
    physical = values.cast(pl.UInt8) if values.dtype == pl.Boolean else values.to_physical()
    low, high = physical.min(), physical.max()
    lowest, highest = (low, high) if isinstance(low, int) and isinstance(high, int) else (0, 0)
    if highest - lowest >= MOST_VALUES:
        return None
    return _Coder(highest - lowest + 2, lambda rows: _from_one(physical[rows].cast(pl.Int64) - lowest))


def _text_coder(texts: pl.Series, known: pl.Enum) -> _Coder:
    def of(rows: slice) -> NDArray[np.int32]:
        codes = texts[rows].cast(pl.String).cast(known, strict=False).to_physical()
        if codes.null_count() != texts[rows].null_count():
            raise _UnknownValueError
        return _from_one(codes)

    return _Coder(len(known.categories) + 1, of)


def _from_one(numbers: pl.Series) -> NDArray[np.int32]:
    codes: NDArray[np.int32] = np.add(numbers.fill_null(0).to_numpy(), 1, dtype=np.int32)
    if numbers.null_count():
        codes[numbers.is_null().to_numpy()] = 0
    return codes
