"""Seasons: moves that came before at the same distance, and the contrasts that hold a move against them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gne_analytics.metrics.intervals import Floats

YEAR = {"day": (52, 53), "month": (12,)}
"""A year in bins, by grain."""
SHORTER = {"day": tuple(range(3, 27)), "month": (2, 3, 4, 6)}
"""Periods of shorter recurring peaks, in bins."""
BEFORE = 2.5
"""So many standard errors must the same weeks of the cycles before have moved the same way."""
EXPLAINS = 0.5
"""So large a part of a move must the cycles before hold, for the season to be asked."""
SHORTEST = 2
"""A baseline is not cut shorter than so many bins."""
REGULAR = 0.4
"""A correlation with the cycle before, from which a restless series is taken to be seasonal."""


@dataclass(frozen=True)
class Season:
    """A period in bins, and how many cycles of history a pair of windows needs."""

    period: int
    cycles: int

    def windows(self, a: int, b: int, c: int) -> tuple[int, int, int, int] | None:
        """A pair cut to one cycle, and how many cycles lie before it; None where there are too few."""
        focus = min(c - b, max(self.period // 2, 1))
        start = max(a, b - (self.period - focus), self.cycles * self.period)
        if b - start < min(SHORTEST, b - a):
            return None
        return start, b, b + focus, start // self.period


def season_behind(
    k: Floats, n: Floats, pair: tuple[int, int, int], grain: str, design: float
) -> Season | None:  # fmt: skip
    """Return the season that holds most of a move, by what came before its onset; None where no season does.

    ``k`` and ``n`` are per bin. A year needs one cycle before, a shorter peak two, all of which moved the same way.
    """
    for periods, cycles in ((YEAR.get(grain, ()), 1), (SHORTER.get(grain, ()), 2)):
        told = [
            (strength, season)
            for season in (Season(p, cycles) for p in periods)
            if (strength := _explains(k, n, pair, season, design)) is not None
        ]
        if told:
            return max(told, key=lambda t: t[0])[1]
    return None


def _explains(k: Floats, n: Floats, pair: tuple[int, int, int], season: Season, design: float) -> float | None:
    """How plainly the cycles before moved the same way, in standard errors; None where they leave most of the move."""
    held = season.windows(*pair)
    if held is None:
        return None
    a, b, c, cycles = held
    moved, error = _step(k, n, a, b, c, design)
    backs = [j * season.period for j in range(1, cycles + 1)]
    earlier = [_step(k, n, a - x, b - x, c - x, design) for x in backs]
    earlier = [(d, e) for d, e in earlier if np.isfinite(e)]
    if len(earlier) < season.cycles or not np.isfinite(error) or any(d * moved <= 0 for d, _ in earlier):
        return None
    before = float(np.mean([d for d, _ in earlier]))
    strength = abs(before) / (float(np.sqrt(sum(e * e for _, e in earlier))) / len(earlier))
    held_by_it = abs(before) >= EXPLAINS * abs(moved)
    return strength if strength >= BEFORE and held_by_it else None


def _step(k: Floats, n: Floats, a: int, b: int, c: int, design: float) -> tuple[float, float]:
    n0, n1 = float(n[a:b].sum()), float(n[b:c].sum())
    if n0 < 1 or n1 < 1:
        return 0.0, float("inf")
    k0, k1 = float(k[a:b].sum()), float(k[b:c].sum())
    q = (k0 + k1 + 0.5) / (n0 + n1 + 1)
    return k1 / n1 - k0 / n0, float(np.sqrt(design * max(q * (1 - q), 1e-9) * (1 / n0 + 1 / n1)))


def recurring(k: Floats, n: Floats, grain: str) -> Season | None:
    """Return the shortest plain period of a restless series with at least three cycles, or None.

    The correlation of each bin's distance from the running median with that of a period before.
    """
    if n.min() <= 0:
        return None
    rate, bins = k / n, n.size
    best: tuple[float, int] | None = None
    for period in SHORTER.get(grain, ()):
        if bins < 3 * period:
            break
        reach = max(period // 2, 1)
        level = np.array([np.median(rate[max(0, t - reach) : t + reach + 1]) for t in range(bins)])
        off = rate - level
        spread = float(np.median(np.abs(off))) / 0.6745
        off = np.clip(off, -4 * spread, 4 * spread)
        alike = float((off[period:] * off[:-period]).sum() / max(float((off**2).sum()), 1e-12)) * bins / (bins - period)
        if alike >= REGULAR and alike * np.sqrt(bins - period) >= 3 and (best is None or alike > best[0] + 0.1):
            best = (alike, period)
    return Season(best[1], 2) if best else None


def contrasts(
    k: Floats, n: Floats, pairs: Sequence[tuple[int, int, int]], season: Season, least: float
) -> tuple[Floats, Floats]:
    """Return, as bins x pairs, what each bin's count of hits and rows weighs in a pair's difference less its season's.

    The difference of rates between the windows less the mean of the same differences in the cycles before. A pair
    without history, or with a window of fewer than ``least`` rows, has weights of nought.
    """
    of_k, of_n = np.zeros((n.size, len(pairs))), np.zeros((n.size, len(pairs)))
    for place, pair in enumerate(pairs):
        held = season.windows(*pair)
        if held is None:
            continue
        a, b, c, cycles = held
        spans = [(b, c, 1.0), (a, b, -1.0)]
        for j in range(1, cycles + 1):
            back = j * season.period
            spans += [(b - back, c - back, -1.0 / cycles), (a - back, b - back, 1.0 / cycles)]
        sizes = [float(n[x:y].sum()) for x, y, _ in spans]
        if min(sizes) < least:
            continue
        for (x, y, weight), size in zip(spans, sizes, strict=True):
            of_k[x:y, place] = weight / size
            of_n[x:y, place] = weight / size * float(k[x:y].sum()) / size
    return of_k, of_n
