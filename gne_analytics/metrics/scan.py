"""One series, one test: the strongest of many slices and pairs of windows, by a multiplier bootstrap over units."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gne_analytics.metrics.intervals import Floats, Ints

DRAWS = 64
RESTLESS = 1.5
"""A variance ratio under this is what sampling gives by itself."""
MOST_PAIRS = 150
"""So many pairs of windows are looked at in a slice, evenly chosen."""
MIN_SIDE = 40.0
"""Fewer rows on a side: the pair of windows is not looked at."""


@dataclass(frozen=True)
class Pair:
    """Two windows as half-open spans of bins: baseline [a, b), focus [b, c)."""

    a: int
    b: int
    c: int


@dataclass(frozen=True)
class Scan:
    """The strongest pair of one series, its z, and the p-value that knows how many slices and pairs were tried."""

    pair: Pair
    z: float
    p: float
    slice: int | None = None
    """Which slice it showed in; None for the whole series."""


def window_pairs(bins: int, *, lengths: Sequence[int]) -> list[Pair]:
    """Return the pairs that a scan tries: every onset, focus of several lengths, baseline of several lengths before it.

    ``lengths`` are in bins; the whole stretch before and after an onset is always among them.
    """
    step = max(1, bins // 30)
    pairs: set[tuple[int, int, int]] = set()
    for onset in range(1, bins, step):
        ends = {min(onset + size, bins) for size in lengths} | {bins}
        starts = {max(onset - size, 0) for size in lengths[-2:]} | {0}
        pairs |= {(a, onset, c) for a in starts for c in ends}
    return [Pair(*p) for p in sorted(pairs)]


def scan(
    k: Floats, n: Floats, time: Ints, unit: Ints | None, bins: int, pairs: Sequence[Pair], rng: np.random.Generator,
    slices: Sequence[Ints] = (),
) -> Scan | None:  # fmt: skip
    """Return the strongest slice and pair of windows of a series, or None when no pair has enough rows.

    Arrays run over rows; ``time`` is the bin; ``slices`` are the rows of parts of the series, looked at beside the
    whole. Each pair's difference of rates is standardised by its variance over units (over bins, binomial, where there
    is no unit; then slices are not looked at), widened by how much neighbouring bins differ beyond that. The maximum
    over slices and pairs is calibrated by multiplying every unit's influence by random signs, the same ones in every
    slice: its median gives the number of effectively independent looks, by which the best one's p-value is multiplied.
    """
    whole = _look(k, n, time, unit, bins, pairs)
    fewer = pairs if len(pairs) <= MOST_PAIRS else pairs[:: 1 + len(pairs) // MOST_PAIRS]
    factor = whole.factor if whole else 1.0
    parts = [_look(k[r], n[r], time[r], unit[r], bins, fewer, factor) for r in slices] if unit is not None else []
    looks = [(place, look) for place, look in enumerate([whole, *parts]) if look is not None]
    if not looks:
        return None
    size = bins if unit is None else int(unit.max()) + 1
    signs = (rng.integers(0, 2, (DRAWS, size)) * 2 - 1).astype(np.float32)
    peaks = np.zeros(DRAWS, dtype=np.float32)
    for _, look in looks:
        np.maximum(peaks, np.abs(signs[:, look.units] @ look.standardised).max(axis=1), out=peaks)
    place, best = min(looks, key=lambda found: found[1].p)
    p = min(1.0, _effective_pairs(float(np.median(peaks))) * best.p)
    return Scan(best.pair, best.z, p, place - 1 if place else None)


@dataclass(frozen=True)
class _Look:
    """The strongest pair of one slice by itself, and all units' influence on all pairs, in standard errors."""

    pair: Pair
    z: float
    p: float
    factor: float
    """How much wider than sampling its neighbouring bins differ (a variance ratio); slices share the whole's."""
    units: Ints
    standardised: npt.NDArray[np.float32]


def _look(
    k: Floats, n: Floats, time: Ints, unit: Ints | None, bins: int, pairs: Sequence[Pair], factor: float = 0.0
) -> _Look | None:
    kb, nb = (np.bincount(time, x, bins).astype(np.float64) for x in (k, n))
    ck, cn = _cumulative(kb[None])[0], _cumulative(nb[None])[0]
    a, b, c = (np.array([getattr(p, f) for p in pairs]) for f in ("a", "b", "c"))
    n0, n1 = cn[b] - cn[a], cn[c] - cn[b]
    enough = (n0 >= MIN_SIDE) & (n1 >= MIN_SIDE)
    if not enough.any():
        return None
    a, b, c, n0, n1 = a[enough], b[enough], c[enough], n0[enough], n1[enough]
    p0, p1 = (ck[b] - ck[a]) / n0, (ck[c] - ck[b]) / n1
    pooled = np.clip((p0 * n0 + p1 * n1) / (n0 + n1), 0.5 / (n0 + n1), 1 - 0.5 / (n0 + n1))
    binomial = pooled * (1 - pooled) * (1 / n0 + 1 / n1)
    overall = float(np.clip(kb.sum() / max(nb.sum(), 1.0), 1e-6, 1 - 1e-6))
    if unit is None:
        ids = np.arange(bins)
        spread = np.sqrt(nb * overall * (1 - overall))
        inside = _inside(bins, a, b, c)
        influence = (spread[:, None] * (inside[1] / n1 - inside[0] / n0)).astype(np.float32)
    else:
        ids, code = np.unique(unit, return_inverse=True)
        cell = code * bins + time
        shape = (ids.size, bins)
        ku, nu = (
            _cumulative(np.bincount(cell, x, ids.size * bins).astype(np.float64).reshape(shape)).astype(np.float32)
            for x in (k, n)
        )
        # each pair is a linear map of the cumulated counts: two products instead of six lookups per unit and pair
        across = np.arange(b.size)
        of_k, of_n = (np.zeros((bins + 1, b.size), dtype=np.float32) for _ in range(2))
        for edge, sign in ((c, 1 / n1), (b, -1 / n1 - 1 / n0), (a, 1 / n0)):
            of_k[edge, across] += sign
        for edge, sign in ((c, -p1 / n1), (b, p1 / n1 + p0 / n0), (a, -p0 / n0)):
            of_n[edge, across] += sign
        influence = ku @ of_k
        influence += nu @ of_n
    squares = influence**2
    total = squares.sum(axis=0, dtype=np.float64)
    variance = np.maximum(total, binomial)
    factor = factor or _restless(kb, nb, unit is not None, float(np.median(variance / binomial)))
    z = (p1 - p0) / np.sqrt(variance * factor)
    if unit is None:
        effective = np.full(z.size, float((nb > 0).sum()))
    else:
        # Satterthwaite by the influences' kurtosis, which single outcomes inflate; at least half of Kish's number of
        # units by their rows in the two windows.
        rows = nu[:, -1].astype(np.float64)
        kish = rows.sum() ** 2 / max(float((rows**2).sum()), 1e-30) * (n0 + n1) / rows.sum()
        effective = np.maximum(total**2 / np.maximum(np.einsum("ij,ij->j", squares, squares), 1e-30), kish / 2)
    p = _two_sided(np.abs(z), np.maximum(effective - 2, 2.0))
    best = int(np.argmin(p))
    return _Look(
        Pair(int(a[best]), int(b[best]), int(c[best])), float(z[best]), float(p[best]), factor, ids,
        influence * (1 / np.sqrt(variance)).astype(np.float32),
    )  # fmt: skip


def _cumulative(matrix: Floats) -> Floats:
    return np.concatenate([np.zeros((matrix.shape[0], 1)), np.cumsum(matrix, axis=1)], axis=1)


def _inside(bins: int, a: Ints, b: Ints, c: Ints) -> tuple[Floats, Floats]:
    place = np.arange(bins)[:, None]
    return ((place >= a) & (place < b)).astype(float), ((place >= b) & (place < c)).astype(float)


def _restless(kb: Floats, nb: Floats, clustered: bool, design: float) -> float:
    """How much neighbouring bins differ beyond sampling: a robust variance ratio, at least 1; one step leaves it be."""
    live = nb >= 10
    if live.sum() < 6:
        return 1.0 if clustered else 2.0
    k, n = kb[live], nb[live]
    p = np.clip((k[1:] + k[:-1] + 0.5) / (n[1:] + n[:-1] + 1), 0.01, 0.99)
    gap = (k[1:] / n[1:] - k[:-1] / n[:-1]) / np.sqrt(p * (1 - p) * (1 / n[1:] + 1 / n[:-1]) * max(design, 1.0))
    ratio = float(np.median(np.abs(gap)) / 0.6745) ** 2
    return ratio if ratio > RESTLESS else 1.0


def _effective_pairs(median_peak: float) -> float:
    tail = math.erfc(median_peak / math.sqrt(2))
    return max(1.0, math.log(0.5) / math.log1p(-min(tail, 0.5)))


def _two_sided(z: Floats, dof: Floats) -> Floats:
    from scipy.special import stdtr

    return np.asarray(2 * stdtr(dof, -z))
