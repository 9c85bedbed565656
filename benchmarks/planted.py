"""The first generator of planted tables: a ratio metric, two windows, known causes and a mix shift as distractor.

    frame, causes, dims, baseline, focus = planted(seed=1, rows=200_000)

One row is one case, with k of n=1. Sellers are heavy-tailed, differ in level and come and go in volume. Eight
dimensions of 3 to 60 values: language follows market, queues serve markets, detectors depend on the type of object, and
``category`` is a path. In the focus two to four segments have a higher rate, by a fixed number of points; one market of
a high rate grows besides, which moves the whole without being a cause.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Period
from gne_analytics.metrics.windows import segment_mask
from gne_analytics.tables.derived import fold_of

BASELINE = Period(start=date(2026, 6, 1), end=date(2026, 7, 13))
FOCUS = Period(start=date(2026, 7, 13), end=date(2026, 8, 24))
DAYS = 42
TOPS = ("beauty", "fashion", "home", "toys", "phones", "food", "sports", "health", "books", "auto")
LEAVES = tuple(f"{top}/{part}" for top in TOPS for part in ("a", "b", "c", "d", "e", "f"))
VALUES = {
    "market": ("ID", "TH", "VN", "PH", "MY", "SG", "US", "GB", "MX", "BR", "DE", "ES"),
    "language": ("id", "th", "vi", "tl", "ms", "en", "es", "pt", "de"),
    "category": LEAVES,
    "seller_tier": ("new", "standard", "preferred", "mall"),
    "object_type": ("listing", "video", "live", "review", "account"),
    "detector": tuple(f"d{i:02}" for i in range(20)),
    "queue": tuple(f"q{i:02}" for i in range(30)),
    "action": ("remove", "warn", "demote"),
}
DIMS = tuple(VALUES)
PATHS = frozenset({"category"})
SPEAKS = np.array([0, 1, 2, 3, 4, 5, 5, 5, 6, 7, 8, 6])
"""The language of each market."""
CHUNK = 500_000
REFERENCE = 200_000
"""Causes are chosen for a table of this size, or of fewer rows, so that larger tables of a seed hold the same."""
SUPPORT = (0.005, 0.10)
"""The least and the largest share of the focus rows that a cause has."""
LIFTS = ((0.06, 0.12), (0.15, 0.30))
"""Middling and comfortable lifts of the rate; a cause draws one of the two ranges, then within it."""
KNOWABLE = 7.0
"""A lift of fewer standard errors, rows taken as independent, is not planted: nobody could name it among all cells."""
APART = 0.1
"""So much of the smaller of two causes may lie in the other."""
IDLE = 0.8
"""A condition without which so much the same rows remain (Jaccard) would not belong to the cause's name."""


@dataclass(frozen=True)
class Planted:
    """A segment whose rate was moved in the focus."""

    segment: Segment
    lift: float
    share: float
    """Its share of the focus rows, in a pilot."""
    z: float
    """Its lift in standard errors, rows taken as independent."""


def planted(
    seed: int, rows: int = REFERENCE
) -> tuple[pl.DataFrame, tuple[Planted, ...], tuple[str, ...], Period, Period]:
    """Return a table, its causes, its dimensions and the two windows; the same seed, the same table."""
    world = World(seed, rows)
    return pl.concat(world.chunks()), world.causes, DIMS, BASELINE, FOCUS


def write_planted(path: Path, seed: int, rows: int = REFERENCE) -> tuple[Planted, ...]:
    """Write the same table as a parquet file, a chunk at a time, and return its causes."""
    world = World(seed, rows)
    writer: pq.ParquetWriter | None = None
    for chunk in world.chunks():
        table = chunk.to_arrow(compat_level=pl.CompatLevel.oldest())
        table = table.cast(pa.schema([_plain(f) for f in table.schema]))
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    if writer:
        writer.close()
    return world.causes


def _plain(field: pa.Field) -> pa.Field:
    return pa.field(field.name, pa.string() if pa.types.is_large_string(field.type) else field.type)


class World:
    """Everything that is fixed before a row is drawn."""

    def __init__(self, seed: int, rows: int = REFERENCE) -> None:
        self.seed, self.rows = seed, rows
        rng = np.random.default_rng([seed, 1])
        self.sellers = min(max(rows // 40, 300), 100_000)
        weight = rng.pareto(1.3, self.sellers) + 0.2
        weight = np.minimum(weight / weight.sum(), 0.01)
        self.home = rng.choice(12, self.sellers, p=_zipf(rng, 12))
        self.trade = rng.choice(60, self.sellers, p=_zipf(rng, 60))
        self.tier = rng.choice(4, self.sellers, p=[0.35, 0.4, 0.18, 0.07])
        self.level = rng.normal(0, 0.5, self.sellers)
        self.markets, self.leaves, self.queues = _zipf(rng, 12), _zipf(rng, 60), _zipf(rng, 30)
        self.serves = np.array([rng.choice(30, 4, replace=False) for _ in range(12)])
        self.types = np.array([rng.dirichlet([6.0, 4.0, 2.0, 1.5, 0.8]) for _ in TOPS])
        self.detectors = np.array([rng.permutation(_zipf(rng, 20, 1.2)) for _ in range(5)])
        self.effect = {
            "market": rng.normal(0, 0.4, 12), "top": rng.normal(0, 0.3, 10), "category": rng.normal(0, 0.2, 60),
            "seller_tier": np.array([0.4, 0.1, -0.1, -0.5]), "object_type": rng.normal(0, 0.2, 5),
            "detector": rng.normal(0, 0.3, 20), "queue": rng.normal(0, 0.2, 30), "action": rng.normal(0, 0.2, 3),
        }  # fmt: skip
        self.joint = rng.normal(0, 0.15, (12, 10))
        """What market and top category have together that neither has alone."""
        mean = np.array([self._rate_effect(m) for m in range(12)])
        size = np.bincount(self.home, weight, 12)
        fits = np.flatnonzero((size > 0.04) & (size < 0.25))
        self.grows = int(fits[np.argmax(mean[fits])]) if fits.size else int(np.argmax(mean))
        later = weight * np.exp(rng.normal(0, 0.4, self.sellers)) * np.where(self.home == self.grows, 2.5, 1.0)
        self.weights = (weight / weight.sum(), later / later.sum())
        self.causes: tuple[Planted, ...] = ()
        self.causes = self._choose()

    def _rate_effect(self, market: int) -> float:
        return float(self.effect["market"][market] + self.level[self.home == market].mean())

    def chunks(self) -> Iterator[pl.DataFrame]:
        """Yield the table in parts; half of each lies in the focus."""
        units = pl.Series("unit", [f"s{i}" for i in range(self.sellers)])
        folds = pl.Series("fold", [fold_of(u) for u in units], dtype=pl.UInt8)
        for part, first in enumerate(range(0, self.rows, CHUNK)):
            rng = np.random.default_rng([self.seed, 2, part])
            n = min(CHUNK, self.rows - first)
            late = np.arange(n) >= n // 2
            seller = np.concatenate([
                rng.choice(self.sellers, int((late == side).sum()), p=self.weights[side]) for side in (False, True)
            ])  # fmt: skip
            codes = self._dimensions(rng, seller)
            frame = _named(codes)
            p = self._rates(codes, seller)
            for cause in self.causes:
                p = p + cause.lift * (late & _inside(frame, cause.segment))
            day = rng.integers(0, DAYS, n) + DAYS * late
            order = rng.permutation(n)
            yield frame.with_columns(
                event_date=pl.lit(BASELINE.start) + pl.duration(days=pl.Series(day)),
                unit=units.gather(seller),
                fold=folds.gather(seller),
                k=pl.Series((rng.random(n) < np.clip(p, 0.01, 0.98)).astype(np.int8)),
                n=pl.lit(1, pl.Int8),
            )[order]

    def _dimensions(self, rng: np.random.Generator, seller: np.ndarray) -> dict[str, np.ndarray]:
        n = seller.size
        market = np.where(rng.random(n) < 0.85, self.home[seller], rng.choice(12, n, p=self.markets))
        kind = rng.random(n)
        language = np.where(kind < 0.85, SPEAKS[market], np.where(kind < 0.95, 5, rng.integers(0, 9, n)))
        category = np.where(rng.random(n) < 0.6, self.trade[seller], rng.choice(60, n, p=self.leaves))
        types = _draw(rng, self.types, category // 6)
        served = self.serves[market, rng.choice(4, n, p=[0.4, 0.3, 0.2, 0.1])]
        return {
            "market": market, "language": language, "category": category, "seller_tier": self.tier[seller],
            "object_type": types, "detector": _draw(rng, self.detectors, types),
            "queue": np.where(rng.random(n) < 0.7, served, rng.choice(30, n, p=self.queues)),
            "action": rng.choice(3, n, p=[0.55, 0.3, 0.15]),
        }  # fmt: skip

    def _rates(self, codes: dict[str, np.ndarray], seller: np.ndarray) -> np.ndarray:
        top = codes["category"] // 6
        eta = -1.2 + self.level[seller] + self.effect["top"][top] + self.joint[codes["market"], top]
        for dimension, code in codes.items():
            if dimension in self.effect:
                eta = eta + self.effect[dimension][code]
        return 1 / (1 + np.exp(-eta))

    def _choose(self) -> tuple[Planted, ...]:
        """Draw two to four segments of depth 1 to 4 that are large enough, apart, and named without idle conditions."""
        rng = np.random.default_rng([self.seed, 3])
        pilot = 100_000
        draws = [rng.choice(self.sellers, pilot, p=self.weights[side]) for side in (0, 1)]
        codes = [self._dimensions(rng, seller) for seller in draws]
        before, frame = (_named(c) for c in codes)
        rate = self._rates(codes[1], draws[1])
        half = min(self.rows, REFERENCE) / 2
        causes: list[Planted] = []
        taken: list[np.ndarray] = []
        wanted = int(rng.integers(2, 5))
        while len(causes) < wanted:
            segment = _some_segment(rng, frame)
            aim = np.exp(rng.uniform(*np.log(SUPPORT)))
            lift = float(rng.uniform(*LIFTS[rng.integers(0, 2)]))
            rows = _inside(frame, segment)
            share = float(rows.mean())
            if not 0.7 < share / aim < 1.4 or any((rows & t).sum() > APART * min(rows.sum(), t.sum()) for t in taken):
                continue
            p, share0 = float(rate[rows].mean()), float(_inside(before, segment).mean())
            if not share0 or _idle(frame, segment, rows):
                continue
            q = p + lift
            z = lift / np.sqrt(p * (1 - p) / (half * share0) + q * (1 - q) / (half * share))
            if z >= KNOWABLE and q < 0.95:
                causes.append(Planted(segment, lift, share, float(z)))
                taken.append(rows)
        return tuple(causes)


def _some_segment(rng: np.random.Generator, frame: pl.DataFrame) -> Segment:
    """The conditions that some row of the focus meets on some dimensions; a category also by its top."""
    row = frame.row(int(rng.integers(0, frame.height)), named=True)
    depth = int(rng.choice([1, 2, 3, 4], p=[0.15, 0.35, 0.3, 0.2]))
    chosen = {str(d): str(row[d]) for d in rng.choice(DIMS, depth, replace=False)}
    if "category" in chosen and rng.random() < 0.5:
        chosen["category"] = chosen["category"].split("/")[0]
    return Segment.of(chosen)


def _idle(frame: pl.DataFrame, segment: Segment, rows: np.ndarray) -> bool:
    """Whether a shorter name, or the top of a path, has nearly the same rows."""
    for dimension, values in segment.items():
        rest = {d: v for d, v in segment.items() if d != dimension}
        shorter = [rest] if rest else []
        if dimension in PATHS and "/" in values[0]:
            shorter.append({**rest, dimension: (values[0].split("/")[0],)})
        if any(rows.sum() > IDLE * _inside(frame, Segment.of(s)).sum() for s in shorter):
            return True
    return False


def _inside(frame: pl.DataFrame, segment: Segment) -> np.ndarray:
    return frame.select(segment_mask(segment, PATHS).alias("m")).to_series().to_numpy()


def _named(codes: dict[str, np.ndarray]) -> pl.DataFrame:
    return pl.DataFrame({d: pl.Series(np.asarray(VALUES[d])[codes[d]]) for d in DIMS})


def _zipf(rng: np.random.Generator, size: int, power: float = 0.9) -> np.ndarray:
    share = 1 / np.arange(1, size + 1) ** power
    return rng.permutation(share / share.sum()) if size > 12 else share / share.sum()


def _draw(rng: np.random.Generator, table: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Draw a column of ``table`` for each entry of ``row``, with that row's probabilities."""
    edges = table.cumsum(axis=1)[:, :-1]
    return (rng.random(row.size)[:, None] > edges[row]).sum(axis=1)
