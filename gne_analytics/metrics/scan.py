"""One series, one test: the strongest of many pairs of windows, calibrated by a multiplier bootstrap over units."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gne_analytics.metrics.intervals import Floats, Ints, t_two_sided

DRAWS = 300
RESTLESS = 1.5
"""A variance ratio under this is what sampling gives by itself."""
MIN_SIDE = 50.0
"""Fewer rows on a side: the pair of windows is not looked at."""


@dataclass(frozen=True)
class Pair:
    """Two windows as half-open spans of bins: baseline [a, b), focus [b, c)."""

    a: int
    b: int
    c: int


@dataclass(frozen=True)
class Scan:
    """The strongest pair of one series, its z, and the p-value that knows how many pairs were tried."""

    pair: Pair
    z: float
    p: float


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
    k: Floats, n: Floats, time: Ints, unit: Ints | None, bins: int, pairs: Sequence[Pair], rng: np.random.Generator
) -> Scan | None:
    """Return the strongest pair of windows of a series, or None when no pair has enough rows.

    Arrays run over rows; ``time`` is the bin. Each pair's difference of rates is standardised by its variance over
    units (over bins, binomial, where there is no unit), widened by how much neighbouring bins differ beyond that. The
    maximum over pairs is calibrated by multiplying every unit's influence by random signs: its median gives the
    number of effectively independent pairs, by which the best pair's p-value is multiplied.
    """
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
        spread = np.sqrt(nb * overall * (1 - overall))
        inside = _inside(bins, a, b, c)
        influence = spread[:, None] * (inside[1] / n1 - inside[0] / n0)
        variance = np.maximum((influence**2).sum(axis=0), binomial)
    else:
        units = int(unit.max()) + 1
        cell = unit * bins + time
        ku = _cumulative(np.bincount(cell, k, units * bins).reshape(units, bins).astype(np.float64))
        nu = _cumulative(np.bincount(cell, n, units * bins).reshape(units, bins).astype(np.float64))
        influence = (ku[:, c] - ku[:, b] - (nu[:, c] - nu[:, b]) * p1) / n1
        influence -= (ku[:, b] - ku[:, a] - (nu[:, b] - nu[:, a]) * p0) / n0
        variance = np.maximum((influence**2).sum(axis=0), binomial)
    factor = _restless(kb, nb, unit is not None, float(np.median(variance / binomial)))
    error = np.sqrt(variance * factor)
    z = (p1 - p0) / error
    best = int(np.argmax(np.abs(z)))
    signs = rng.integers(0, 2, (DRAWS, influence.shape[0])).astype(np.float32) * 2 - 1
    peaks = np.abs(signs @ (influence / np.sqrt(variance)).astype(np.float32)).max(axis=1)
    share = influence[:, best] ** 2
    effective = float(share.sum() ** 2 / max((share**2).sum(), 1e-300)) if unit is not None else float((nb > 0).sum())
    dof = max(effective - 2, 2.0)
    p = min(1.0, _effective_pairs(float(np.median(peaks))) * _two_sided(abs(float(z[best])), dof))
    return Scan(Pair(int(a[best]), int(b[best]), int(c[best])), float(z[best]), p)


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
    tail = _two_sided(median_peak, 1e6)
    return max(1.0, math.log(0.5) / math.log1p(-min(tail, 0.5)))


def _two_sided(z: float, dof: float) -> float:
    return math.erfc(z / math.sqrt(2)) if dof > 200 else t_two_sided(z, dof)
