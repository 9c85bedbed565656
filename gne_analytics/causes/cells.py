"""Cells of all cuboids, scored at once: mix-adjusted change, the evidence for it, and the price of naming the cell."""

from dataclasses import dataclass
from math import inf, log
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from gne_analytics.causes.cube import Cube, Mask
from gne_analytics.metrics.intervals import Floats, Ints

Conditions: TypeAlias = tuple[tuple[int, int], ...]
"""(axis, code) pairs, sorted by axis."""

NEARLY_NONE = 0.05
"""A side with less than this share of the rows that the other side leads to expect counts as empty."""
EXPECTED_MIN = 15.0
LEAST_ROWS = 12.0
LEAST_SHARE = 0.001
"""A cell needs so many rows, and this share of the focus, to be looked at."""
STANDARD, NEW, VANISHED = 0, 1, 2
N0, K0, E0, N1, K1, E1 = range(6)
"""Columns of every table of sums: rows, hits and expected hits of the baseline, then of the focus."""


def is_version(dimension: str) -> bool:
    """Whether a dimension names versions, which replace each other: a new one is no new segment of the world."""
    return dimension.endswith(("_version", "_revision"))


def least_rows(cube: Cube) -> float:
    """How many rows a cell of a cube needs to be looked at."""
    return max(LEAST_ROWS, LEAST_SHARE * float(cube.n1.sum()))


@dataclass(frozen=True)
class Measured:
    """What some cells show, one entry each."""

    effect: Floats
    """Mix-adjusted change of the rate."""
    binomial: Floats
    """Its variance, were all rows independent; inf where the cell is not supported."""
    pq: Floats
    evidence: Floats
    """Twice the log-likelihood ratio of two binomials, observed against expected, against one move of neither."""
    kind: Ints

    def variance(self, phi: float, noise: float) -> Floats:
        """The variance of the effect under overdispersion phi and noise between periods."""
        return phi * self.binomial + 2 * noise * self.pq

    def surprise(self, phi: float, noise: float) -> Floats:
        """The evidence on the scale of a squared z, -inf for a cell that is not supported."""
        known = np.isfinite(self.binomial)
        share = np.divide(self.binomial, self.variance(phi, noise), out=np.zeros_like(self.binomial), where=known)
        return np.where(known, self.evidence * share, -np.inf)


def measure(
    sums: Floats, *, totals: tuple[float, float], rate: float, versioned: Mask | bool, min_rows: float
) -> Measured:
    """Measure cells from their sums, rows of a table with the columns N0 to E1.

    Standard: k1/n1 less expected, against k0/n0 less expected. New (no baseline rows to speak of): its rate against
    the whole baseline's. Vanished: likewise. A new version is compared with what the model expects of what it replaced.
    The evidence is the likelihood ratio, not a squared z under the null: expected rates near zero make that explode in
    small cells (METHODS.md, section 7).
    """
    n0, k0, e0, n1, k1, e1 = sums.T
    m0, m1 = np.maximum(n0, 1e-9), np.maximum(n1, 1e-9)
    expected0, expected1 = n1 * (totals[0] / max(totals[1], 1.0)), n0 * (totals[1] / max(totals[0], 1.0))
    few0 = (n0 < NEARLY_NONE * expected0) & (expected0 >= EXPECTED_MIN)
    few1 = (n1 < NEARLY_NONE * expected1) & (expected1 >= EXPECTED_MIN)
    effect = (k1 - e1) / m1 - (k0 - e0) / m0
    q = np.clip((k0 + k1 + 0.5) / (n0 + n1 + 1), 1e-6, 1 - 1e-6)
    pq = q * (1 - q)
    binomial = (pq + 0.25 / m0) / m0 + (pq + 0.25 / m1) / m1
    common = (k1 + k0 + 0.5) / (np.maximum(e1, 0) + e0 + 0.5)
    evidence = _twice_log_ratio(sums, common)
    unsupported = (n0 <= 0) | (n1 <= 0) | (n0 + n1 < 2 * min_rows) | (np.minimum(n0, n1) < 2)
    kind = np.zeros(n0.size, dtype=np.int64)
    fresh = few0 & versioned
    if fresh.any():
        effect = np.where(fresh, (k1 - e1) / m1, effect)
        binomial = np.where(fresh, 1.5 * (pq + 0.25 / m1) / m1, binomial)
        evidence = np.where(fresh, _twice_log_ratio(sums, np.ones_like(n0), focus_only=True) / 1.5, evidence)
        unsupported = np.where(fresh, n1 < min_rows, unsupported)
    unsupported |= few1 & versioned
    for few, n, k, which in ((few0, m1, k1, NEW), (few1, m0, k0, VANISHED)):
        gone = few & ~np.asarray(versioned)
        if gone.any():
            middle = np.clip((k / n + rate) / 2, 0.01, 0.99)
            own = middle * (1 - middle)
            spread = (own + 0.25 / n) / n
            effect = np.where(gone, k / n - rate, effect)
            binomial, pq = np.where(gone, spread, binomial), np.where(gone, own / 2, pq)
            evidence = np.where(gone, (k / n - rate) ** 2 / spread, evidence)
            unsupported = np.where(gone, n < min_rows, unsupported)
            kind = np.where(gone, which, kind)
    return Measured(effect, np.where(unsupported, np.inf, binomial), pq, evidence, kind)


def measure_one(
    sums: tuple[float, ...], *, totals: tuple[float, float], rate: float, versioned: bool, min_rows: float
) -> tuple[float, float, float, float, int]:
    """Measure one cell: its effect, binomial variance, pq, evidence and kind; what `measure` says, sooner."""
    n0, k0, e0, n1, k1, e1 = sums
    m0, m1 = max(n0, 1e-9), max(n1, 1e-9)
    expected0, expected1 = n1 * (totals[0] / max(totals[1], 1.0)), n0 * (totals[1] / max(totals[0], 1.0))
    few0 = n0 < NEARLY_NONE * expected0 and expected0 >= EXPECTED_MIN
    few1 = n1 < NEARLY_NONE * expected1 and expected1 >= EXPECTED_MIN
    q = min(max((k0 + k1 + 0.5) / (n0 + n1 + 1), 1e-6), 1 - 1e-6)
    pq = q * (1 - q)
    if (few0 or few1) and not versioned:
        n, k, kind = (m0, k0, VANISHED) if few1 else (m1, k1, NEW)
        middle = min(max((k / n + rate) / 2, 0.01), 0.99)
        own = middle * (1 - middle)
        spread = (own + 0.25 / n) / n
        return k / n - rate, spread if n >= min_rows else inf, own / 2, (k / n - rate) ** 2 / spread, kind
    if few0:
        binomial = 1.5 * (pq + 0.25 / m1) / m1
        evidence = max(2 * _log_ratio(n1, k1, e1), 0.0) / 1.5
        return (k1 - e1) / m1, binomial if n1 >= min_rows and not few1 else inf, pq, evidence, STANDARD
    effect = (k1 - e1) / m1 - (k0 - e0) / m0
    unsupported = n0 <= 0 or n1 <= 0 or n0 + n1 < 2 * min_rows or min(n0, n1) < 2 or few1
    binomial = inf if unsupported else (pq + 0.25 / m0) / m0 + (pq + 0.25 / m1) / m1
    common = (k1 + k0 + 0.5) / (max(e1, 0.0) + e0 + 0.5)
    evidence = max(2 * (_log_ratio(n0, k0, common * e0) + _log_ratio(n1, k1, common * e1)), 0.0)
    return effect, binomial, pq, evidence, STANDARD


def _log_ratio(n: float, k: float, expected: float) -> float:
    k, expected = max(k, 0.0), max(expected, 1e-9)
    misses = max(n - k, 0.0)
    out = k * log(k / expected) if k > 0 else 0.0
    return out + (misses * log(misses / max(n - expected, 0.5)) if misses > 0 else 0.0)


def _twice_log_ratio(sums: Floats, common: Floats, *, focus_only: bool = False) -> Floats:
    """Twice the log-likelihood of what was seen over that under one factor, common to both sides, on the expected."""
    total = np.zeros(sums.shape[0])
    for n, k, e in ((N1, K1, E1),) if focus_only else ((N0, K0, E0), (N1, K1, E1)):
        hits, rows = np.clip(sums[:, k], 0.0, None), sums[:, n]
        expected = np.clip(common * sums[:, e], 1e-9, None)
        misses = np.clip(rows - hits, 0.0, None)
        total += hits * np.log(np.clip(hits, 1e-12, None) / expected)
        total += misses * np.log(np.clip(misses, 1e-12, None) / np.clip(rows - expected, 0.5, None))
    return np.clip(2 * total, 0.0, None)


class Sums:
    """Sums of a table's columns by code, over and over: what every sum needs is made once."""

    def __init__(self, table: Floats) -> None:
        self.table = table
        self.place = np.empty(table.shape[0], dtype=np.int32)
        """Room for codes."""
        self._ones, self._rows = np.ones(table.shape[0]), np.arange(table.shape[0] + 1, dtype=np.int32)

    def by(self, codes: npt.NDArray[np.integer], size: int) -> Floats:
        """One row per code 0..size-1."""
        from scipy.sparse import csr_array

        spread = csr_array((self._ones, codes, self._rows), shape=(codes.size, size))
        return np.asarray(spread.T @ self.table)


def sums_by(codes: npt.NDArray[np.integer], table: Floats, size: int) -> Floats:
    """Sum the table's columns by code: one row per code."""
    return Sums(table).by(codes, size)


def table_of(cube: Cube, p: Floats) -> Floats:
    """Return the leaves as rows of sums: n, k and what the baseline model expects, of both sides."""
    return np.column_stack([cube.n0, cube.k0, cube.n0 * p, cube.n1, cube.k1, cube.n1 * p])
