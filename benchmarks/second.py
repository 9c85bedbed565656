"""The second generator of planted tables, which shares no code and few habits with the first.

    frame, causes, dims, baseline, focus = latent(seed=1, rows=200_000)

A row is k of n cases, n from 1. Its eight values come from a latent class, which its unit mostly keeps to; classes
grow and shrink day by day. Causes move the odds, up or now and then down; a cause may be a set of two values of a
dimension, and one is a value that the baseline never had, with a rate of its own. No dimension is a path.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Period
from gne_analytics.tables.derived import fold_of

START, SPLIT, END = date(2025, 1, 6), date(2025, 2, 24), date(2025, 4, 14)
SIZES = {
    "region": 15, "tongue": 7, "goods": 45, "standing": 3, "medium": 6, "model": 12, "desk": 24, "route": 4,
}  # fmt: skip
CLASSES = 7
CLEAR = 7.0
"""A cause moves its rate by at least so many standard errors of independent cases."""
SMALLEST, LARGEST = 0.006, 0.12


@dataclass(frozen=True)
class Moved:
    """A segment that was moved: by so much on the scale of log odds, or new."""

    segment: Segment
    odds: float
    new: bool
    z: float
    """Standard errors that the rate moves by, cases taken as independent; not told of a new one."""


def latent(seed: int, rows: int = 200_000) -> tuple[pl.DataFrame, tuple[Moved, ...], tuple[str, ...], Period, Period]:
    """Return a table, its causes, its dimensions and the two windows; the same seed, the same table."""
    rng = np.random.default_rng([20250106, seed])
    days = (END - START).days
    split = (SPLIT - START).days
    unit_count = rows // 30
    # Volume: a unit's class, its size, and each class's own growth per day.
    klass_of = rng.choice(CLASSES, unit_count, p=rng.dirichlet(np.full(CLASSES, 4.0)))
    size = np.exp(rng.normal(0, 1.2, unit_count))
    growth = rng.normal(0, 0.006, CLASSES)
    unit = rng.choice(unit_count, rows, p=size / size.sum())
    klass = np.where(rng.random(rows) < 0.9, klass_of[unit], rng.integers(0, CLASSES, rows))
    day = _days(rng, growth[klass], days)
    # Values: a table per dimension, each class with a preference of its own.
    codes: dict[str, np.ndarray] = {}
    for name, width in SIZES.items():
        common = rng.dirichlet(np.full(width, 1.5))
        liked = np.array([rng.dirichlet(common * width * 0.8 + 0.05) for _ in range(CLASSES)])
        cumulative = (0.5 * common + 0.5 * liked).cumsum(axis=1)
        draw, code = rng.random(rows), np.zeros(rows, dtype=int)
        for c in range(CLASSES):
            code[klass == c] = np.searchsorted(cumulative[c], draw[klass == c])
        codes[name] = np.minimum(code, width - 1)
    late = day >= split
    n = 1 + rng.poisson(0.4, rows)
    score = -1.5 + rng.normal(0, 0.45, unit_count)[unit] + rng.normal(0, 0.5, CLASSES)[klass]
    for name, width in SIZES.items():
        score = score + rng.normal(0, 0.22, width)[codes[name]]
    # Half of the tables: a model that the baseline did not know takes over a part of the later rows.
    arrived = np.zeros(rows, dtype=bool)
    fresh = float(rng.uniform(0.8, 1.6)) if rng.random() < 0.5 else 0.0
    if fresh:
        arrived = late & (rng.random(rows) < rng.uniform(0.02, 0.05))
        codes["model"] = np.where(arrived, SIZES["model"], codes["model"])
        score = score + fresh * arrived
    causes, score = _move(rng, codes, late, n, score, arrived)
    if fresh:
        causes.append(Moved(Segment.of(model=f"model-{SIZES['model']}"), fresh, True, float("inf")))
    chance = 1 / (1 + np.exp(-score))
    names = [f"u{i:05}" for i in range(unit_count)]
    frame = pl.DataFrame(
        {
            **{d: _labels(d)[codes[d]] for d in SIZES},
            "event_date": pl.Series([START + timedelta(days=i) for i in range(days)]).gather(day),
            "unit": pl.Series(names).gather(unit),
            "fold": pl.Series([fold_of(u) for u in names], dtype=pl.UInt8).gather(unit),
            "k": rng.binomial(n, chance),
            "n": n,
        }
    )
    return frame, tuple(causes), tuple(SIZES), Period(start=START, end=SPLIT), Period(start=SPLIT, end=END)


def _labels(dimension: str) -> np.ndarray:
    return np.array([f"{dimension}-{i}" for i in range(SIZES[dimension] + 1)])


def _days(rng: np.random.Generator, growth: np.ndarray, days: int) -> np.ndarray:
    """Draw a day for each row from a density that grows by ``growth`` a day."""
    u = rng.random(growth.size)
    g = np.where(np.abs(growth) < 1e-6, 1e-6, growth)
    return np.minimum((np.log1p(u * np.expm1(g * days)) / g).astype(int), days - 1)


def _move(
    rng: np.random.Generator,
    codes: dict[str, np.ndarray],
    late: np.ndarray,
    n: np.ndarray,
    score: np.ndarray,
    used: np.ndarray,
) -> tuple[list[Moved], np.ndarray]:
    """Move the later odds of two to four segments that hardly meet one another, nor what is ``used`` already."""
    causes: list[Moved] = []
    target = 2 + int(rng.integers(0, 3))
    while len(causes) < target:
        dims = rng.permutation(list(SIZES))[: int(rng.integers(1, 4))]
        pick = {str(d): {int(codes[d][rng.integers(0, late.size)])} for d in dims}
        if rng.random() < 0.4:
            wide = str(dims[0])
            pick[wide].add(int(rng.integers(0, SIZES[wide])))
        parts = {d: np.isin(codes[d], list(v)) for d, v in pick.items()}
        inside = np.logical_and.reduce(list(parts.values()))
        share = inside[late].mean()
        if not SMALLEST < share < LARGEST or (inside & used).sum() > 0.1 * inside.sum():
            continue
        if any(_same_without(parts, d, inside) for d in parts) or any(
            len(v) == 2 and _lopsided(codes[d], v, inside) for d, v in pick.items()
        ):
            continue
        odds = float(rng.uniform(0.4, 1.5)) * (1 if rng.random() < 0.8 else -1)
        old, new = (float((1 / (1 + np.exp(-score[inside] - x))).mean()) for x in (0.0, odds))
        cases0, cases1 = n[inside & ~late].sum(), n[inside & late].sum()
        z = (new - old) / np.sqrt(old * (1 - old) / cases0 + new * (1 - new) / cases1)
        if abs(z) < CLEAR:
            continue
        segment = Segment.of({d: [str(_labels(d)[i]) for i in sorted(v)] for d, v in pick.items()})
        causes.append(Moved(segment, odds, False, float(z)))
        score = score + odds * (inside & late)
        used = used | inside
    return causes, score


def _same_without(parts: dict[str, np.ndarray], dimension: str, inside: np.ndarray) -> bool:
    others = [m for d, m in parts.items() if d != dimension]
    return bool(others) and inside.sum() > 0.8 * np.logical_and.reduce(others).sum()


def _lopsided(code: np.ndarray, values: set[int], inside: np.ndarray) -> bool:
    """Whether one of two values holds nearly all rows, so that the set is no set."""
    counts = [int((inside & (code == v)).sum()) for v in values]
    return min(counts) < 0.2 * sum(counts)
