"""A small generator of its own, independent of gne_analytics.simulate: clustered sellers, a planted segment or none."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from gne_analytics.causes import Explanation, explain
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Period
from gne_analytics.metrics.observations import Observations, make_shift
from gne_analytics.metrics.windows import segment_mask
from gne_analytics.tables.derived import fold_of

MARKETS = ("ID", "TH", "VN", "PH", "MY", "SG")
CATEGORIES = ("beauty/skin", "beauty/sun", "fashion/bags", "fashion/shoes", "toys/baby", "home/decor")
BASELINE = Period(start=date(2026, 8, 3), end=date(2026, 9, 14))
FOCUS = Period(start=date(2026, 9, 14), end=date(2026, 10, 26))
DIMS = ("market", "category", "tier", "queue", "language", "action", "kind", "source")


def make_world(
    seed: int,
    rows: int = 20_000,
    *,
    planted: Segment | None = None,
    lift: float = 0.25,
    sellers: int = 1_500,
    clustering: float = 0.5,
    mix: bool = False,
    unit: bool = True,
) -> Observations:
    """Rows of sellers, heavy-tailed and each with a level of its own; ``planted`` lifts the focus rate in a segment.

    ``mix`` makes the worst market send three times as many cases in the focus, and nothing else.
    """
    rng = np.random.default_rng(seed)
    weight = rng.pareto(1.6, sellers) + 0.3
    weight = np.minimum(weight / weight.sum(), 0.01)
    home = rng.choice(len(MARKETS), sellers, p=[0.3, 0.2, 0.2, 0.15, 0.1, 0.05])
    trade = rng.integers(0, len(CATEGORIES), sellers)
    tier = rng.integers(0, 3, sellers)
    level = rng.normal(0, clustering, sellers)
    seller = rng.choice(sellers, rows, p=weight / weight.sum())
    day = rng.integers(0, 84, rows)
    if mix:
        extra = rng.choice(np.flatnonzero(home[seller] == 2), rows // 4)
        extra = np.concatenate([np.arange(rows), extra])
        day = np.concatenate([day, rng.integers(42, 84, rows // 4)])
        seller = seller[extra]
    n = seller.size
    category = np.where(rng.random(n) < 0.7, trade[seller], rng.integers(0, len(CATEGORIES), n))
    frame = pl.DataFrame(
        {
            "id": np.arange(n).astype(str),
            "event_date": [BASELINE.start + timedelta(days=int(d)) for d in day],
            "unit": [f"s{s}" for s in seller],
            "market": np.array(MARKETS)[home[seller]],
            "category": np.array(CATEGORIES)[category],
            "tier": np.array(["new", "standard", "preferred"])[tier[seller]],
            "queue": np.array(["q1", "q2", "q3", "q4"])[rng.integers(0, 4, n)],
            "language": np.array(["id", "th", "vi", "en", "en", "en"])[home[seller]],
            "action": np.array(["remove", "warn", "demote"])[rng.integers(0, 3, n)],
            "kind": np.array(["listing", "video", "live", "account", "review"])[rng.integers(0, 5, n)],
            "source": np.array(["detector", "user", "audit"])[rng.integers(0, 3, n)],
        }
    )
    logit = -1.0 + level[seller] + np.array([0, 0.2, 1.0, -0.3, 0.1, 0])[home[seller]] + 0.3 * (category % 3)
    p = 1 / (1 + np.exp(-logit))
    if planted is not None:
        inside = frame.select(segment_mask(planted, frozenset({"category"})).alias("m")).to_series().to_numpy()
        p = np.where(inside & (day >= 42), np.clip(p + lift, 0, 0.97), p)
    folds = {f"s{s}": fold_of(f"s{s}") for s in range(sellers)}
    frame = frame.with_columns(k=pl.Series(rng.random(n) < p).cast(pl.Int64))
    if not unit:
        frame = frame.drop("unit")
        return Observations.from_frame(frame, dims=DIMS, metric="overturn_rate", paths=frozenset({"category"}))
    frame = frame.with_columns(fold=pl.col("unit").replace_strict(folds, return_dtype=pl.UInt8))
    return Observations.from_frame(
        frame, dims=DIMS, metric="overturn_rate", paths=frozenset({"category"}), unit="seller_id"
    )


@pytest.fixture
def world():
    """Make the observations of a world: ``world(seed, planted=..., mix=...)``."""
    return make_world


@pytest.fixture
def explained():
    """Explain a world's shift between its two periods."""

    def run(observations: Observations, **more: object) -> Explanation:
        shift = make_shift(observations, BASELINE, FOCUS)
        return explain(observations, shift, store=EvidenceStore(), **more)

    return run
