"""Seasons: moves that came before at the same distance, and the contrasts that hold a move against them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gne_analytics.metrics.intervals import Floats, Ints

YEAR = {"day": (52, 53), "month": (12,)}
"""A year in bins, by grain."""
SHORTER = {"day": tuple(range(3, 27)), "month": (2, 3, 4, 6)}
"""Periods of shorter recurring peaks, in bins."""
BEFORE, BEFORE_SHORTER = 2.0, 3.0
"""So many standard errors must the same weeks of the cycles before have moved the same way."""
EXPLAINS, EXPLAINS_SHORTER = 0.25, 0.5
"""So large a part of a move must the cycles before hold, for the season to be asked."""
CLEAR = 4.0
"""Or the move less that of the cycles before is not so many errors off zero; a year, which few records hold twice, need
not be plain for that."""
SHORTEST = 2
"""A window is not cut shorter than so many bins."""
WHOLE = 2
"""Windows of so many cycles each hold like shares of peaks and lulls, so that a shorter season moves nothing there."""
MOSTLY = 2 / 3
"""So large a share of the other cycles must have moved the same way."""
VARIES = 0.5
"""A season does not repeat exactly: its size is taken as known to this part (one standard error)."""
REGULAR = 0.4
"""A correlation with the cycle before, from which a restless series is taken to be seasonal."""


@dataclass(frozen=True)
class Held:
    """A pair of windows cut to one cycle, and by how many bins the same windows of the other cycles lie off."""

    a: int
    b: int
    c: int
    offsets: tuple[int, ...]

    @property
    def weight(self) -> float:
        """What the two windows' difference says, in bins."""
        return 1 / (1 / (self.b - self.a) + 1 / (self.c - self.b))


@dataclass(frozen=True)
class Season:
    """A period in bins, and how many other cycles a pair of windows needs to be held against."""

    period: int
    cycles: int

    def held(self, a: int, b: int, c: int, bins: int) -> Held | None:
        """Cut a pair to one cycle and find its like in the cycles before it.

        Where too few lie before, or only for a baseline cut so short that less than half is left of what it says, in
        those after: a step that stays shows nothing there, a season does. None where there are too few of either.
        """
        focus = min(c - b, max(self.period // 2, 1))
        start = max(a, b - (self.period - focus))
        least = min(SHORTEST, b - a)
        found = []
        if b - (before := max(start, self.cycles * self.period)) >= least:
            back = range(1, before // self.period + 1)
            found.append(Held(before, b, b + focus, tuple(-j * self.period for j in back)))
        focus = min(focus, max(bins - b - self.cycles * self.period, min(SHORTEST, focus)))
        after = (bins - b - focus) // self.period
        if after >= self.cycles and b - start >= least:
            found.append(Held(start, b, b + focus, tuple(j * self.period for j in range(1, after + 1))))
        return found[-1] if found and found[0].weight < 0.5 * found[-1].weight else next(iter(found), None)


def season_behind(
    moved: tuple[Floats, Floats], seen: Sequence[tuple[Floats, Floats]], pair: tuple[int, int, int], grain: str,
    design: float, *, rising: bool,
) -> Season | None:  # fmt: skip
    """Return the season that may lie behind a move, by what came at the same distance before (or after).

    ``moved`` are hits and rows per bin of what moved; ``seen`` those of where a season is looked for, in this order:
    what moved, and wider parts. A year needs one cycle before, a shorter peak two, most of which moved the same way; a
    year that any of them shows comes before a shorter peak, of which so many periods are tried that one may fit.
    """
    for periods, cycles in ((YEAR.get(grain, ()), 1), (SHORTER.get(grain, ()), 2)):
        for k, n in seen:
            told = [
                (strength, season)
                for season in (Season(p, cycles) for p in periods)
                if (strength := _explains(moved, k, n, pair, season, design, rising)) is not None
            ]
            if told:
                return max(told, key=lambda t: t[0])[1]
    return None


def _explains(
    moved: tuple[Floats, Floats], k: Floats, n: Floats, pair: tuple[int, int, int], season: Season, design: float,
    rising: bool,
) -> float | None:  # fmt: skip
    """How plainly the other cycles moved the same way, in standard errors; None where that leaves most of the move."""
    held = season.held(*pair, n.size)
    if held is None or (season.cycles > 1 and min(pair[1] - pair[0], pair[2] - pair[1]) >= WHOLE * season.period):
        return None
    sign = 1.0 if rising else -1.0
    earlier = [_step(k, n, held.a + x, held.b + x, held.c + x, design) for x in held.offsets]
    earlier = [(sign * d, e) for d, e in earlier if np.isfinite(e)]
    alike = sum(d > 0 for d, _ in earlier)
    if len(earlier) < season.cycles or alike < MOSTLY * len(earlier):
        return None
    before = float(np.mean([d for d, _ in earlier]))
    error = float(np.sqrt(sum(e * e for _, e in earlier))) / len(earlier)
    plain, part = (BEFORE, EXPLAINS) if season.cycles == 1 else (BEFORE_SHORTER, EXPLAINS_SHORTER)
    recurs = before >= plain * error
    here, finite = _step(k, n, held.a, held.b, held.c, design)
    if recurs and np.isfinite(finite) and 0 < sign * here * part <= before:
        return before / error
    own, own_error = _step(*moved, held.a, held.b, held.c, design)
    reach = CLEAR * float(np.hypot(own_error, error))
    brief = season.period // 2 if season.cycles == 1 else season.period - 1
    passes = min(pair[1] - pair[0], pair[2] - pair[1]) <= brief
    unclear = passes and before > 0 and np.isfinite(reach) and sign * own - before < reach
    return before / error if unclear and (recurs or season.cycles == 1) else None


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


@dataclass(frozen=True)
class Layout:
    """The windows of many pairs, cut to a season's cycle and laid on the bins: one for all slices of a series.

    Many pairs are cut to the same windows; these are the cuts, each with spans of bins that do not overlap.
    """

    of_pair: Ints
    """Each pair's cut; -1 where there are no other cycles."""
    span: Ints
    """Bins x cuts: the span that a bin lies in; -1 for none."""
    start: Ints
    end: Ints
    weight: Floats
    """What a span's rate weighs in its cut's contrast."""
    cut: Ints
    """Each span's cut; a cut's first two spans are the pair's own windows."""
    first: Ints
    """Each cut's first span."""


def lay_out(pairs: Sequence[tuple[int, int, int]], season: Season, bins: int) -> Layout:
    """Cut every pair to one cycle and lay its windows, and those of the other cycles, on the bins."""
    cuts: dict[Held, int] = {}
    held = [season.held(*pair, bins) for pair in pairs]
    of_pair = np.array([-1 if h is None else cuts.setdefault(h, len(cuts)) for h in held], dtype=np.int64)
    spans: list[tuple[int, int, float, int]] = []
    first = []
    for one, cut in cuts.items():
        first.append(len(spans))
        part = 1.0 / len(one.offsets)
        spans += [(one.b, one.c, 1.0, cut), (one.a, one.b, -1.0, cut)]
        for x in one.offsets:
            spans += [(one.b + x, one.c + x, -part, cut), (one.a + x, one.b + x, part, cut)]
    span = np.full((bins, len(cuts)), -1, dtype=np.int64)
    for number, (x, y, _, cut) in enumerate(spans):
        span[x:y, cut] = number
    start, end, weight, cut_of = (np.array([s[i] for s in spans]) for i in range(4))
    whole = np.int64
    return Layout(
        of_pair, span, start.astype(whole), end.astype(whole), weight.astype(np.float64), cut_of.astype(whole),
        np.array(first, dtype=whole),
    )  # fmt: skip


def contrasts(k: Floats, n: Floats, layout: Layout, least: float) -> tuple[Floats, Floats, Floats]:
    """Return what a bin's hits and rows weigh in a cut's difference less its season's (bins x cuts), and the latter.

    The difference of rates between the windows less the mean of the same differences in the other cycles, the season's.
    A cut with a window of fewer than ``least`` rows, or with a bin whose rate is over one, has weights of nought.
    """
    if not layout.first.size:
        return np.zeros(layout.span.shape), np.zeros(layout.span.shape), np.zeros(0)
    hits, rows, over = (
        sums[layout.end] - sums[layout.start]
        for sums in (np.concatenate([[0.0], np.cumsum(x)]) for x in (k, n, (k > n).astype(np.float64)))
    )
    live = np.minimum.reduceat(np.where(over > 0, -1.0, rows), layout.first) >= least
    rate = hits / np.maximum(rows, 1e-9)
    hit = np.where(live[layout.cut], layout.weight / np.maximum(rows, 1e-9), 0.0)
    inside = layout.span >= 0
    of_k, of_n = (np.where(inside, x[layout.span], 0.0) for x in (hit, hit * rate))
    others = layout.weight * rate * live[layout.cut]
    others[layout.first] = others[layout.first + 1] = 0.0
    return of_k, of_n, -np.add.reduceat(others, layout.first)
