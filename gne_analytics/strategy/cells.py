"""The kernel: cases to cells in one group_by, after which every threshold is a look-up.

Two cases with the same signature (which predicates hold), score bin and class fare alike under every candidate policy
whose predicates and thresholds the cells know. So history is read once, by narwhals on any engine; what comes back is
small. Edges are exact: all thresholds of all candidates, cast to the score's own type, ``>=`` at the edge.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import NamedTuple

import narwhals as nw
import numpy as np
import polars as pl
from narwhals.typing import IntoFrame
from numpy.typing import NDArray

from gne_analytics.errors import PolicyError
from gne_analytics.strategy.rows import NO_SCORE, Bins, Condition, Floats, count_rows

Bools = NDArray[np.bool_]

MOST_KNOWN = 256
"""Rules whose look-ups a tensor keeps."""
WORD = 60
"""Predicate bits that share one integer column."""


@dataclass(frozen=True)
class Cells:
    """The cells of a case table."""

    frame: pl.DataFrame
    """sig_0, sig_1, ... (packed predicate bits), the slice and class columns, bin, n and the sums; sorted."""
    predicates: tuple[str, ...]
    """Name of bit i of the signature."""
    edges: Floats
    """Ascending thresholds, as the score's type holds them; bin b counts the edges at or below the score."""
    by: tuple[str, ...]
    sums: tuple[str, ...]
    slices: tuple[str, ...] = ()
    single: bool = False
    """Scores are Float32, and thresholds are rounded to it before they are looked up."""

    def edge_index(self, thresholds: Floats) -> NDArray[np.int64]:
        """Return the position of each threshold among the edges; PolicyError for one the cells were not cut at."""
        wanted = np.atleast_1d(np.asarray(thresholds, np.float64))
        exact = wanted.astype(np.float32).astype(np.float64) if self.single else wanted
        index = np.searchsorted(self.edges, exact)
        off = np.append(self.edges, np.nan)[index] != exact
        if off.any():
            raise PolicyError(
                f"threshold {wanted[off][0]:g} is not among the edges that the cells were cut at; count them again."
            )
        return np.asarray(index, np.int64)

    def merge(self, other: "Cells") -> "Cells":
        """Add the cells of another week: same predicates, same edges."""
        if self.predicates != other.predicates or not np.array_equal(self.edges, other.edges):
            raise ValueError("cells of different predicates or edges do not add up")
        keys = [c for c in self.frame.columns if c not in ("n", *self.sums)]
        both = pl.concat([self.frame, other.frame]).group_by(keys).agg(pl.col("n", *self.sums).sum()).sort(keys)
        return replace(self, frame=both)


def count_cells(
    cases: IntoFrame,
    predicates: Mapping[str, nw.Expr | Condition],
    edges: Sequence[float],
    *,
    by: Sequence[str] = (),
    sums: Sequence[str] = (),
    slices: Sequence[str] = (),
    score: str = "score",
) -> Cells:
    """Count cases by signature, score bin and class: the only pass over rows, on Polars, DuckDB or PySpark.

    Args:
        cases: a frame of narwhals' kind, one row per case.
        predicates: name -> two-valued expression, at most a few hundred; where it says which columns it reads
            (``Condition``), rows in memory are grouped before it is evaluated.
        edges: every threshold that will ever be asked for.
        by: class columns (logged outcome, appeal, audit, fold, week).
        sums: numeric columns to add up in each cell.
        slices: attributes whose values are kept apart beside the signature, so that answers come slice by slice.
    """
    frame = nw.from_native(cases).lazy() if isinstance(cases, pl.DataFrame) else nw.from_native(cases)
    dtype = frame.collect_schema()[score]
    single = dtype == nw.Float32
    exact = np.array(sorted({float(np.float32(e)) if single else float(e) for e in edges}))
    conditions = [p if isinstance(p, Condition) else Condition(p) for p in predicates.values()]
    words = [conditions[i : i + WORD] for i in range(0, len(conditions), WORD)] or [[]]
    kept = (*slices, *by)
    keys = [*[f"sig_{i}" for i in range(len(words))], *kept, "bin"]
    found = count_rows(cases, words, Bins(exact), kept, sums, score) if isinstance(cases, pl.DataFrame) else None
    if found is None:
        packed = [_packed(word).alias(f"sig_{i}") for i, word in enumerate(words)]
        binned = _binned(nw.col(score), list(exact), dtype.is_float()).alias("bin")
        keyed = frame.select(*packed, binned, *[nw.col(c) for c in (*kept, *sums)])
        grouped = keyed.group_by(keys).agg(nw.len().alias("n"), *[nw.col(c).sum() for c in sums])
        found = grouped.collect("polars").to_native() if isinstance(grouped, nw.LazyFrame) else grouped.to_polars()
        found = found.sort(keys)
    return Cells(
        found.with_columns(
            pl.col(*keys[: len(words)], "n").cast(pl.Int64),
            pl.col("bin").cast(pl.Int32),
            pl.col(list(sums)).cast(pl.Float64),
        ).select(*keys, "n", *sums),
        tuple(predicates),
        exact,
        tuple(by),
        tuple(sums),
        tuple(slices),
        bool(single),
    )


def _packed(word: Sequence[Condition]) -> nw.Expr:
    total = nw.lit(0, nw.Int64)
    for i, condition in enumerate(word):
        total = total + nw.when(condition.expr).then(nw.lit(1 << i, nw.Int64)).otherwise(nw.lit(0, nw.Int64))
    return total


def _binned(score: nw.Expr, edges: Sequence[float], floating: bool) -> nw.Expr:
    """Count the edges at or below a score by bisection; a row costs log(edges) comparisons on engines that branch."""

    def descend(lo: int, hi: int) -> nw.Expr:
        if lo == hi:
            return nw.lit(lo, nw.Int32)
        middle = (lo + hi) // 2
        return nw.when(score >= edges[middle]).then(descend(middle + 1, hi)).otherwise(descend(lo, middle))

    none = score.is_null() | score.is_nan() if floating else score.is_null()
    return nw.when(none).then(nw.lit(NO_SCORE, nw.Int32)).otherwise(descend(0, len(edges)))


@dataclass(frozen=True)
class CellRule:
    """One live rule in the kernel's terms: predicates by their bit, thresholds by their value."""

    name: str
    when: tuple[int, ...] = ()
    default: float | None = None
    """``None``: it fires whenever ``when`` holds, at any score."""
    overrides: tuple[tuple[int, float, int], ...] = ()
    """(bit, threshold, priority): the highest priority that matches wins."""
    exempt: tuple[int, ...] = ()
    review: int | None = None
    scored: bool = False
    """Without a threshold: whether it leaves cases without a score alone, as a rule of a detector does."""
    rank: int = 1
    """Strictness of the action; the strictest firing rule decides a case."""


_Conditions = tuple[tuple[int, ...], tuple[int, ...]]
"""Of a rule: the bits that must hold, and those that exempt."""


class _Read(NamedTuple):
    """The signatures that a rule reads, and what it would do alone: signature x (by itself, by a person) x class."""

    signatures: NDArray[np.int64]
    acted: Floats


@dataclass(frozen=True)
class Tensor:
    """The cells, dense: signature x score bin x class, for one measure after the other."""

    cells: Cells
    signatures: Bools
    """Signature x predicate; a signature is repeated for every combination of slices in which it occurs."""
    slices: pl.DataFrame
    """The slice columns, one row per signature."""
    classes: pl.DataFrame
    """The class columns, one row per class of the last axis."""
    _measures: Mapping[str, Floats]

    def counts(self, measure: str = "n") -> Floats:
        """Return signature x bin x class; position 0 of the bins holds the cases without a score."""
        return self._measures[measure]

    def part(self, of: Bools) -> "Tensor":
        """Return the cells of some signatures alone."""
        return replace(self, signatures=self.signatures[of], _measures={k: m[of] for k, m in self._measures.items()})

    @cached_property
    def _above(self) -> Mapping[str, Floats]:
        return {name: np.flip(np.cumsum(np.flip(m, 1), 1), 1) for name, m in self._measures.items()}

    def at(self, thresholds: Floats, measure: str = "n", of: Bools | None = None) -> Floats:
        """Return, per threshold and class, what scores at or above it: a look-up.

        Args:
            thresholds: values among the cells' edges.
            of: which signatures to add up; all by default.
        """
        above = self._above[measure] if of is None else self._above[measure][of]
        return np.asarray(above.sum(0)[self.cells.edge_index(thresholds) + 2])

    def states(self, rules: Sequence[CellRule]) -> tuple[NDArray[np.int8], Bools]:
        """Decide every signature and bin: rank of the strictest action (0: none), and whether a person decides.

        Where rules of the strictest action disagree, one that enforces by itself goes before one that asks a person.
        """
        n_bins = len(self.cells.edges) + 2
        rank = np.zeros((len(self.signatures), n_bins), np.int8)
        review = np.zeros_like(rank, dtype=bool)
        bins = np.arange(n_bins)
        for rule in rules:
            read, asks = np.flatnonzero(self._hold(rule.when, rule.exempt)), self._asks(rule)
            first = np.full(len(self.signatures), n_bins)
            first[read] = self.first_bins(rule, read)
            fires = bins[None, :] >= first[:, None]
            stricter, equal = fires & (rule.rank > rank), fires & (rule.rank == rank)
            review = np.where(stricter, asks[:, None], np.where(equal, review & asks[:, None], review))
            rank = np.where(stricter, np.int8(rule.rank), rank)
        return rank, review

    def acted(self, rules: Sequence[CellRule], measure: str = "n") -> tuple[Floats, Floats]:
        """Return what rules enforce by themselves, and what they send to a person: signature x class, twice.

        Where one rule alone reads a signature, a look-up among the reverse cumulative sums; else as ``states`` decides.
        """
        acted = np.zeros((len(self.signatures), 2, self._above[measure].shape[2]))
        for rule in rules:
            read = self._look_up(rule, measure)
            acted[read.signatures] = read.acted
        contested = self._contested(tuple((rule.when, rule.exempt) for rule in rules))
        if len(contested):
            part = replace(self, signatures=self.signatures[contested])  # its rows alone decide
            rank, review = part.states(rules)
            counts = self._measures[measure][contested]
            for i, by in enumerate((~review, review)):
                acted[contested, i] = (counts * ((rank > 0) & by)[:, :, None]).sum(1)
        return acted[:, 0], acted[:, 1]

    @cached_property
    def _look_up(self) -> Callable[[CellRule, str], "_Read"]:
        """Remember rules: most candidates of a search share all of them but one."""
        return lru_cache(MOST_KNOWN)(self._read_by)

    @cached_property
    def _contested(self) -> Callable[[tuple[_Conditions, ...]], NDArray[np.int64]]:
        """Remember which signatures more than one of some rules reads."""
        return lru_cache(MOST_KNOWN)(
            lambda rules: np.flatnonzero(np.sum([self._hold(*conditions) for conditions in rules], axis=0) > 1)
        )

    def _read_by(self, rule: CellRule, measure: str) -> "_Read":
        signatures = np.flatnonzero(self._hold(rule.when, rule.exempt))
        fired = self._above[measure][signatures, self.first_bins(rule, signatures)]
        acted = np.zeros((len(signatures), 2, fired.shape[1]))
        acted[np.arange(len(signatures)), self._asks(rule)[signatures].astype(np.int64)] = fired
        return _Read(signatures, acted)

    def _hold(self, when: tuple[int, ...], exempt: tuple[int, ...]) -> Bools:
        """Say for each signature whether a rule of such conditions looks at its score at all."""
        reads = np.ones(len(self.signatures), np.bool_)
        for bit in when:
            reads &= self.signatures[:, bit]
        for bit in exempt:
            reads &= ~self.signatures[:, bit]
        return reads

    def _asks(self, rule: CellRule) -> Bools:
        return np.zeros(len(self.signatures), bool) if rule.review is None else self.signatures[:, rule.review]

    def first_bins(self, rule: CellRule, signatures: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return for signatures that a rule reads the first position on the bin axis at which it fires."""
        if rule.default is None:
            return np.full(len(signatures), int(rule.scored), np.int64)
        values = self.thresholds(rule, rule.default, signatures)
        met = np.array(sorted(v for v in {rule.default, *(o[1] for o in rule.overrides)} if (values == v).any()))
        return (self.cells.edge_index(met) + 2)[np.searchsorted(met, values)]

    def thresholds(self, rule: CellRule, default: float, signatures: NDArray[np.int64]) -> Floats:
        """Return the threshold of a rule for signatures that it reads; PolicyError where overrides tie on one."""
        values = np.full(len(signatures), default)
        best = np.full(len(signatures), np.iinfo(np.int64).min)
        for bit, value, priority in sorted(rule.overrides, key=lambda override: -override[2]):
            match = self.signatures[signatures, bit]
            if (tie := match & (best == priority) & (values != value)).any():
                other = float(values[tie][0])
                raise PolicyError(
                    f"rule {rule.name!r}: overrides with thresholds {other:g} and {value:g} match the same case "
                    f"with priority {priority}; give one of them a higher priority."
                )
            wins = match & (priority > best)
            values[wins], best[wins] = value, priority
        return values


def densify(cells: Cells) -> Tensor:
    """Lay the cells out as a dense tensor of signature (and slices) x bin x class."""
    words = [c for c in cells.frame.columns if c.startswith("sig_")]
    runs, run = _runs(cells.frame.select(*words, *cells.slices, *cells.by))
    signatures, s = _codes(runs, [*words, *cells.slices])
    classes, c = _codes(runs, list(cells.by))
    bits = np.zeros((signatures.height, len(cells.predicates)), bool, order="F")  # read by the predicate
    for i in range(len(cells.predicates)):
        bits[:, i] = (signatures[f"sig_{i // WORD}"].to_numpy() >> (i % WORD)) & 1
    position = (s[run], cells.frame["bin"].to_numpy() - NO_SCORE, c[run])
    measures = {}
    for name in ("n", *cells.sums):
        measures[name] = np.zeros((signatures.height, len(cells.edges) + 2, classes.height))
        measures[name][position] = cells.frame[name].to_numpy()
    return Tensor(cells, bits, signatures.select(cells.slices), classes, measures)


def _runs(sorted_rows: pl.DataFrame) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """Return one row of each run of equal rows, and the run of each row."""
    columns = sorted_rows.columns
    begins = sorted_rows.select(pl.any_horizontal(pl.col(c).ne_missing(pl.col(c).shift()) for c in columns)).to_series()
    first = begins.to_numpy().copy()
    first[:1] = True
    return sorted_rows.filter(pl.Series(first)), np.cumsum(first) - 1


def _codes(frame: pl.DataFrame, columns: list[str]) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """Return the distinct rows of some columns, sorted, and each row's position among them."""
    if not columns:
        return pl.DataFrame({"all": [0]}), np.zeros(frame.height, np.int64)
    distinct = frame.select(columns).unique().sort(columns, nulls_last=False).with_row_index("code")
    code = frame.select(columns).join(distinct, on=columns, how="left", nulls_equal=True, maintain_order="left")["code"]
    return distinct.drop("code"), code.to_numpy().astype(np.int64)
