"""The cube, and what a search says of it, on every engine."""

import numpy as np
import polars as pl
import pytest

from gne_analytics.causes import explain
from gne_analytics.causes.cube import build_cube
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.metrics.counted import count_observations
from gne_analytics.metrics.observations import Observations, make_shift
from gne_analytics.metrics.windows import parse_window
from gne_analytics.tables.derived import with_folds

DIMS = ("market", "category", "tier")
PATHS = frozenset({"category"})
BASELINE, FOCUS = parse_window("2025-12-01..2026-01-01"), parse_window("2026-01-01..2026-02-01")


@pytest.fixture(scope="module")
def record():
    """Cases of 400 sellers around New Year; new sellers in Indonesia fare worse from then on."""
    rng = np.random.default_rng(11)
    n = 12_000
    seller = rng.integers(0, 400, n)
    frame = pl.DataFrame(
        {
            "seller_id": [f"seller {s}" for s in seller],
            "market": np.array(["ID", "TH", "VN", "中国"])[seller % 4],
            "category": rng.choice(["beauty/sun-care", "beauty", "toys/baby", "toys/räder"], n),
            "tier": rng.choice(np.array(["new", "standard", None], dtype=object), n, p=[0.3, 0.6, 0.1]).tolist(),
            "day": rng.integers(0, 62, n),
        }
    )
    frame = frame.with_columns(event_date=pl.date(2025, 12, 1) + pl.duration(days="day"))
    worse = (pl.col("market") == "ID") & (pl.col("tier") == "new").fill_null(False) & (pl.col("day") >= 31)
    rate = frame.select(pl.when(worse).then(0.75).otherwise(0.3)).to_series().to_numpy()
    return frame.with_columns(k=pl.Series((rng.random(n) < rate).astype(int))).drop("day")


def test_a_cube_has_the_same_axes_codes_and_counts_on_every_engine(engine, record):
    side = pl.when(pl.col("event_date") < FOCUS.start).then(0).otherwise(1).cast(pl.Int8)
    frame = with_folds(record, "seller_id").rename({"seller_id": "unit"}).with_columns(side=side, n=pl.lit(1))
    frame = frame.with_columns(pl.when(pl.col("unit") != "seller 7").then("unit").alias("unit"))
    expected = build_cube(frame, DIMS, unit=True, paths=PATHS)
    cube = build_cube(engine(frame), DIMS, unit=True, paths=PATHS)
    assert [(a.dimension, a.level, a.values) for a in cube.axes] == [
        (a.dimension, a.level, a.values) for a in expected.axes
    ]
    for mine, other in zip(cube.axes, expected.axes, strict=True):
        assert np.array_equal(mine.codes, other.codes)
    for name in ("n0", "k0", "n1", "k1", "half", "unit"):
        assert np.array_equal(getattr(cube, name), getattr(expected, name)), name
    assert cube.n0.sum() + cube.n1.sum() == frame.height


def explained(observations):
    return explain(observations, make_shift(observations, BASELINE, FOCUS), store=EvidenceStore())


@pytest.fixture(scope="module")
def explained_by_rows(record):
    """What is said of the rows themselves."""
    frame = with_folds(record, "seller_id").rename({"seller_id": "unit"})
    return explained(Observations.from_frame(frame, dims=DIMS, metric="overturn_rate", paths=PATHS, unit="seller_id"))


def test_a_shift_is_explained_from_what_an_engine_counted_as_it_is_from_the_rows(engine, record, explained_by_rows):
    counted = count_observations(engine(record), dims=DIMS, unit="seller_id", metric="overturn_rate", paths=PATHS)
    said = explained(counted)
    assert said.causes[0].segment == Segment.of(market="ID", tier="new")
    assert said.summary() == explained_by_rows.summary()
    assert [(c.segment, c.before, c.after, c.effect) for c in said.causes] == [
        (c.segment, c.before, c.after, c.effect) for c in explained_by_rows.causes
    ]
