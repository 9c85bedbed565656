"""One series, one test: the strongest of many slices and pairs of windows, by a multiplier bootstrap over units."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gne_analytics.metrics.intervals import Floats, Ints
from gne_analytics.metrics.moments import Moments, moments
from gne_analytics.metrics.season import VARIES, Season, contrasts, lay_out

DRAWS = 64
RESTLESS = 1.5
"""A variance ratio under this is what sampling gives by itself."""
RESTLESS_PART = 2.5
"""The same in a slice, of which there are many, with at least so many full bins:"""
ENOUGH_BINS = 20
MIN_SIDE = 15.0
"""Fewer rows on a side: the pair of windows is not looked at."""
MIN_UNITS = 6.0
"""Fewer effective units (Kish) on a side: likewise."""
ONSETS = 75
"""So many onsets are tried at most, evenly along the record."""
SHARP = 0.25
"""Of the pairs with so large a part of the strongest one's squared z, the one with the plainest step is shown."""
AS_GOOD = 0.8
"""A longer baseline is shown if it keeps so much of the evidence."""


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
    season: Season | None = None
    """The season that was taken out, if any."""
    design: float = 1.0
    """Variance over units and bins of the strongest pair, over the binomial one."""
    restless: bool = False
    """Whether neighbouring bins of the whole differ beyond sampling."""


def window_pairs(bins: int, *, lengths: Sequence[int]) -> list[Pair]:
    """Return the pairs that a scan tries: every onset, focus of several lengths, baseline of several lengths before it.

    ``lengths`` are in bins; the whole stretch before and after an onset is always among them.
    """
    step = max(1, math.ceil(bins / ONSETS))
    pairs: set[tuple[int, int, int]] = set()
    for onset in range(1, bins, step):
        ends = {min(onset + size, bins) for size in lengths} | {bins}
        starts = {max(onset - size, 0) for size in lengths[-2:]} | {0}
        pairs |= {(a, onset, c) for a in starts for c in ends}
    return [Pair(*p) for p in sorted(pairs)]


@dataclass(frozen=True)
class _Best:
    slice: int
    pair: Pair
    z: float
    p: float
    design: float


def scan(
    k: Floats, n: Floats, time: Ints, unit: Ints | None, bins: int, pairs: Sequence[Pair], rng: np.random.Generator,
    slices: Sequence[Ints] = (), season: Season | None = None,
) -> Scan | None:  # fmt: skip
    """Return the strongest slice and pair of windows of a series, or None when no pair has enough rows.

    Arrays run over rows; ``time`` is the bin; ``slices`` are the rows of parts of the series, looked at beside the
    whole; without a unit they are not. With a ``season`` every pair's difference is held against the same weeks of the
    cycles before. Each difference is standardised by its variance over units, never under what the series' own
    likeness of rows within units gives, widened by how much neighbouring bins differ beyond that. The maximum over
    slices and pairs is calibrated by multiplying every unit's influence by random signs, the same ones in every slice:
    its median gives the number of effectively independent looks, by which the best one's p-value is multiplied.
    """
    size = bins if unit is None else int(unit.max()) + 1
    signs = (rng.integers(0, 2, (size, DRAWS)) * 2 - 1).astype(np.float32)
    parts = [np.arange(k.size), *(slices if unit is not None else ())]
    peaks = np.zeros(DRAWS, dtype=np.float64)
    best: _Best | None = None
    likeness, whole = None, None
    for first, group in moments(k, n, time, unit, bins, parts, signs):
        likeness = group.likeness() if likeness is None else likeness
        looks = _plain(group, pairs, likeness) if season is None else _seasonal(group, pairs, likeness, season)
        factors = _restless(group, looks, season, whole)
        whole = whole or (float(factors[0]), float(group.n[0].sum()))
        found = _strongest(group, looks, factors, sharpest=season is None)
        np.maximum(peaks, looks.peaks, out=peaks)
        if found is not None and (best is None or found.p < best.p):
            best = replace(found, slice=first + found.slice)
    if best is None:
        return None
    p = min(1.0, _effective_looks(float(np.median(peaks))) * best.p)
    restless = whole is not None and whole[0] > 1
    if season is not None and (held := season.held(best.pair.a, best.pair.b, best.pair.c, bins)) is not None:
        best = replace(best, pair=Pair(held.a, held.b, held.c))
    return Scan(best.pair, best.z, p, best.slice - 1 if best.slice else None, season, best.design, restless)


@dataclass(frozen=True)
class _Looks:
    """All pairs of a group of slices: difference, its variance, signed root of the evidence, and which count."""

    pairs: Sequence[Pair]
    difference: Floats
    variance: Floats
    binomial: Floats
    z: Floats
    dof: Floats
    usable: npt.NDArray[np.bool_]
    peaks: Floats
    """Under each set of signs, the largest standardised difference."""


def _plain(group: Moments, pairs: Sequence[Pair], likeness: float) -> _Looks:
    a, b, c = (np.array([getattr(p, f) for p in pairs]) for f in ("a", "b", "c"))
    ck, cn = _cumulative(group.k), _cumulative(group.n)
    k0, k1, n0, n1 = ck[:, b] - ck[:, a], ck[:, c] - ck[:, b], cn[:, b] - cn[:, a], cn[:, c] - cn[:, b]
    usable = (n0 >= MIN_SIDE) & (n1 >= MIN_SIDE)
    over = _cumulative((group.k > group.n).astype(float))
    usable &= over[:, c] == over[:, a]  # no bin with a rate over one, which a window would hide
    n0, n1 = np.maximum(n0, 1.0), np.maximum(n1, 1.0)
    p0, p1 = k0 / n0, k1 / n1
    total = n0 + n1
    pooled = np.clip((k0 + k1) / total, 0.5 / total, 1 - 0.5 / total)
    pq = pooled * (1 - pooled)
    binomial = pq * (1 / n0 + 1 / n1)
    kk, kn, nn = (_Blocks.of(m, a, b, c) for m in (group.kk, group.kn, group.nn))
    s00 = kk.before - 2 * p0 * kn.before + p0**2 * nn.before
    s11 = kk.after - 2 * p1 * kn.after + p1**2 * nn.after
    s01 = kk.across - p1 * kn.across - p0 * kn.back + p0 * p1 * nn.across
    variance = s00 / n0**2 + s11 / n1**2 - 2 * s01 / (n0 * n1)
    dof = np.full(variance.shape, float((group.n[0] > 0).sum()))
    if group.clustered:
        alike = likeness * pq * (nn.before / n0**2 + nn.after / n1**2 - 2 * nn.across / (n0 * n1) - 1 / n0 - 1 / n1)
        variance = np.maximum(variance, binomial + alike)
        usable &= (n0**2 >= MIN_UNITS * nn.before) & (n1**2 >= MIN_UNITS * nn.after)
        together = (nn.before + nn.after + 2 * nn.across) / total
        dof = total / (1 + likeness * np.maximum(together - 1, 0.0)) / 2
    variance = np.maximum(variance, binomial)
    z = _signed_root(k0, n0, k1, n1) * np.sqrt(binomial / variance)
    peaks = _peaks(group, a, b, c, n0, n1, usable)
    return _Looks(pairs, p1 - p0, variance, binomial, z, np.maximum(dof - 2, 2.0), usable, peaks)


def _seasonal(group: Moments, pairs: Sequence[Pair], likeness: float, season: Season) -> _Looks:
    layout = lay_out([(p.a, p.b, p.c) for p in pairs], season, group.bins)
    # one column more than there are cuts, of nought, for pairs without other cycles
    shape = (group.n.shape[0], layout.first.size + 1)
    difference, variance, binomial, rows = (np.zeros(shape) for _ in range(4))
    peaks = np.zeros(group.signed_k.shape[2])
    for s in range(shape[0]):
        of_k, of_n, swing = contrasts(group.k[s], group.n[s], layout, MIN_SIDE)
        live = np.flatnonzero(of_k.any(axis=0))
        if not live.size:
            continue
        g, h = of_k[:, live], of_n[:, live]
        rate = np.divide(h, g, out=np.zeros_like(g), where=g != 0)
        rows[s, live] = (group.n[s][:, None] * (g != 0)).sum(axis=0)
        pq = np.maximum(rate * (1 - rate), float(group.rate()[s] * (1 - group.rate()[s])) / 2)
        single = (g * g * pq * group.n[s][:, None]).sum(axis=0)
        sandwich = (g * (group.kk[s] @ g)).sum(axis=0) - 2 * (g * (group.kn[s] @ h)).sum(axis=0)
        sandwich += (h * (group.nn[s] @ h)).sum(axis=0)
        root = g * np.sqrt(pq)
        together = (root * (group.nn[s] @ root)).sum(axis=0) if group.clustered else single
        binomial[s, live] = single
        variance[s, live] = np.maximum(np.maximum(sandwich, single), single + likeness * (together - single))
        variance[s, live] += (VARIES * swing[live]) ** 2
        difference[s, live] = group.k[s] @ g
        flips = (group.signed_k[s].T @ g - group.signed_n[s].T @ h) / np.sqrt(np.maximum(sandwich, 1e-30))
        np.maximum(peaks, np.abs(flips).max(axis=1), out=peaks)
    difference, variance, binomial, rows = (x[:, layout.of_pair] for x in (difference, variance, binomial, rows))
    usable = variance > 0
    variance, binomial = np.where(usable, variance, 1.0), np.where(usable, binomial, 1.0)
    dof = np.maximum(rows * binomial / variance / 2 - 2, 2.0)
    return _Looks(pairs, difference, variance, binomial, difference / np.sqrt(variance), dof, usable, peaks)


@dataclass(frozen=True)
class _Blocks:
    """Sums of a bins x bins matrix over the windows' squares: baseline, focus, baseline x focus, focus x baseline."""

    before: Floats
    after: Floats
    across: Floats
    back: Floats

    @classmethod
    def of(cls, matrix: Floats, a: Ints, b: Ints, c: Ints) -> "_Blocks":
        total = np.zeros((matrix.shape[0], matrix.shape[1] + 1, matrix.shape[2] + 1))
        np.cumsum(np.cumsum(matrix, axis=1), axis=2, out=total[:, 1:, 1:])
        bb, ab, ba, bc, cb = total[:, b, b], total[:, a, b], total[:, b, a], total[:, b, c], total[:, c, b]
        ac, ca = total[:, a, c], total[:, c, a]
        return cls(
            bb - ab - ba + total[:, a, a], total[:, c, c] - bc - cb + bb,
            bc - ac - bb + ab, cb - ca - bb + ba,
        )  # fmt: skip


def _peaks(group: Moments, a: Ints, b: Ints, c: Ints, n0: Floats, n1: Floats, usable: npt.NDArray[np.bool_]) -> Floats:
    """Under each set of signs, the largest standardised difference of all slices and pairs; rates pooled over bins."""
    q = group.rate()[:, None, None]
    blocks = _Blocks.of(group.kk - q * (group.kn + group.kn.transpose(0, 2, 1)) + q * q * group.nn, a, b, c)
    variance = blocks.before / n0**2 + blocks.after / n1**2 - (blocks.across + blocks.back) / (n0 * n1)
    sums = _cumulative(group.signed_k - q.astype(np.float32) * group.signed_n)
    out = np.zeros(sums.shape[2])
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(usable & (variance > 0), 1 / np.sqrt(np.maximum(variance, 1e-300)), 0.0)
    for own, s1, s0, live in zip(sums, scale / n1, scale / n0, usable, strict=True):
        if live.any():
            f1, f0 = (s[live, None].astype(np.float32) for s in (s1, s0))
            middle = own[b[live]]
            flips = (own[c[live]] - middle) * f1 - (middle - own[a[live]]) * f0
            np.maximum(out, np.abs(flips).max(axis=0), out=out)
    return out


def _signed_root(k0: Floats, n0: Floats, k1: Floats, n1: Floats) -> Floats:
    """The signed root of the likelihood ratio of two shares, half a count drawn to the null: right in the tails."""
    q = (k0 + k1) / (n0 + n1)
    gap = k1 - n1 * q
    gap = np.sign(gap) * np.maximum(np.abs(gap) - 0.5, 0.0)
    x1, x0 = np.clip(n1 * q + gap, 0.0, n1), np.clip(n0 * q - gap, 0.0, n0)
    twice = 2 * (
        _xlog(x1, n1 * q) + _xlog(n1 - x1, n1 * (1 - q)) + _xlog(x0, n0 * q) + _xlog(n0 - x0, n0 * (1 - q))
    )  # fmt: skip
    return np.asarray(np.sign(gap) * np.sqrt(np.maximum(twice, 0.0)))


def _xlog(x: Floats, expected: Floats) -> Floats:
    return np.asarray(np.where(x > 0, x * np.log(np.maximum(x, 1e-300) / np.maximum(expected, 1e-300)), 0.0))


def _strongest(group: Moments, looks: _Looks, factors: Floats, *, sharpest: bool) -> _Best | None:
    """The slice and pair with the smallest p; of the pairs nearly as strong there, the one with the sharpest step."""
    if not looks.usable.any():
        return None
    z = looks.z / np.sqrt(factors)[:, None]
    p = np.where(looks.usable, _two_sided(np.abs(z), looks.dof), 2.0)
    own, at = (int(x) for x in np.unravel_index(int(np.argmin(p)), p.shape))
    design = (looks.variance / looks.binomial)[own]
    evidence = z[own] ** 2 * (z[own] * z[own, at] > 0)
    shown = _sharpest(group, looks, own, at, evidence, design) if sharpest else at
    return _Best(own, looks.pairs[shown], float(z[own, at]), float(p[own, at]), float(design[at] * factors[own]))


def _sharpest(group: Moments, looks: _Looks, own: int, at: int, evidence: Floats, design: Floats) -> int:
    """The pair that is shown: the most evidence for how uneven its windows are, then the longest baseline as good."""
    near = looks.usable[own] & (evidence >= SHARP * evidence[at])
    a, b, c = (np.array([getattr(p, f) for p in looks.pairs]) for f in ("a", "b", "c"))
    uneven = _unevenness(group.k[own], group.n[own], a, b, c) / design
    worth = np.where(near, evidence / np.maximum(uneven, 1.0), -1.0)
    best = int(np.argmax(worth))
    like = np.flatnonzero((b == b[best]) & (c == c[best]) & near & (evidence >= AS_GOOD * evidence[best]))
    return int(like[np.argmin(a[like])])


def _unevenness(k: Floats, n: Floats, a: Ints, b: Ints, c: Ints) -> Floats:
    """Pearson's dispersion of the bins inside a pair's two windows, each about its own rate."""
    full = n > 0
    sums = _cumulative(np.stack([k, n, np.where(full, k * k / np.maximum(n, 1e-9), 0.0), full.astype(float)]))
    off, bins = np.zeros(a.size), np.zeros(a.size)
    for start, end in ((a, b), (b, c)):
        hits, rows, squares, count = sums[:, end] - sums[:, start]
        rate, floor = hits / np.maximum(rows, 1e-9), 0.5 / (rows + 1)
        off += (squares - rate * hits) / np.maximum(rate * (1 - rate), floor * (1 - floor))
        bins += count
    return np.asarray(off / np.maximum(bins - 2, 1.0))


def _restless(group: Moments, looks: _Looks, season: Season | None, whole: tuple[float, float] | None) -> Floats:
    """By how much each slice's variance is to be widened, since neighbouring bins differ beyond sampling.

    What all rows share shows in a slice by its part of the rows; what is its own, where it has rows enough to tell.
    ``whole`` is factor and rows of the whole series, None where it is the first slice itself.
    """
    out = np.ones(group.n.shape[0])
    for place in range(out.size):
        own = looks.usable[place]
        design = float(np.median((looks.variance / looks.binomial)[place, own])) if own.any() else 1.0
        first = whole is None and place == 0
        least = 6 if first else ENOUGH_BINS
        ratio = _jumpiness(group.k[place], group.n[place], max(design, 1.0), season, least)
        out[place] = (2.0 if not group.clustered else 1.0) if ratio is None else ratio
        out[place] = out[place] if out[place] > (RESTLESS if first else RESTLESS_PART) else 1.0
        if not first:
            factor, rows = whole or (float(out[0]), float(group.n[0].sum()))
            out[place] = max(out[place], 1 + (factor - 1) * float(group.n[place].sum()) / rows)
    return out


def _jumpiness(kb: Floats, nb: Floats, design: float, season: Season | None, least: int) -> float | None:
    """The robust variance of the steps between neighbouring bins over what sampling gives; one step leaves it be."""
    live = nb >= 10
    if live.sum() < least:
        return None
    k, n = (kb, nb) if season else (kb[live], nb[live])
    n = np.maximum(n, 1.0)
    p = np.clip((k[1:] + k[:-1] + 0.5) / (n[1:] + n[:-1] + 1), 0.01, 0.99)
    step, spread = k[1:] / n[1:] - k[:-1] / n[:-1], p * (1 - p) * (1 / n[1:] + 1 / n[:-1]) * design
    if season and step.size > season.period + 5:
        step, spread = (
            step[season.period :] - step[: -season.period],
            spread[season.period :] + spread[: -season.period],
        )
    gap = step / np.sqrt(spread)
    return float(np.median(np.abs(gap)) / 0.6745) ** 2


def _cumulative(matrix: Floats) -> Floats:
    """Sums along the bins (the second axis), from a leading zero on."""
    out = np.zeros((matrix.shape[0], matrix.shape[1] + 1, *matrix.shape[2:]), dtype=matrix.dtype)
    np.cumsum(matrix, axis=1, out=out[:, 1:])
    return out


def _effective_looks(median_peak: float) -> float:
    tail = math.erfc(median_peak / math.sqrt(2))
    return max(1.0, math.log(0.5) / math.log1p(-min(tail, 0.5)))


def _two_sided(z: Floats, dof: Floats) -> Floats:
    from scipy.special import stdtr

    return np.asarray(2 * stdtr(dof, -z))
