import duckdb
import numpy as np
import polars as pl
from polars.testing import assert_frame_equal

from gne_analytics.causes.cube import build_cube, count_leaves
from gne_analytics.evidence.segment import Segment


def rows(n=3000, seed=0):
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "market": rng.choice(["ID", "TH", "(missing)"], n),
            "category": rng.choice(["beauty", "beauty/sun", "toys/baby"], n),
            "unit": rng.choice([*(f"s{i}" for i in range(50))], n),
            "fold": rng.integers(0, 64, n).astype(np.uint8),
            "side": pl.Series(rng.choice([0, 1, -1], n)).replace(-1, None).cast(pl.Int8),
            "k": rng.integers(0, 2, n),
            "n": np.ones(n, dtype=np.int64),
        }
    )


def test_leaves_hold_every_row_of_both_sides_once():
    frame = rows()
    leaves = count_leaves(frame, ["market", "category"], unit=True)
    for side in (0, 1):
        own = frame.filter(pl.col("side") == side)
        assert leaves[f"n{side}"].sum() == own.height
        assert leaves[f"k{side}"].sum() == own["k"].sum()
    assert set(leaves["half"]) == {0, 1}


def test_polars_lazy_polars_and_duckdb_count_the_same_leaves():
    frame = rows()
    expected = count_leaves(frame, ["market", "category"], unit=True)
    assert_frame_equal(count_leaves(frame.lazy(), ["market", "category"], unit=True), expected)
    relation = duckdb.from_arrow(frame.to_arrow())
    assert_frame_equal(count_leaves(relation, ["market", "category"], unit=True), expected)


def test_a_path_has_an_axis_per_level_and_a_value_holds_all_below_it():
    frame = rows()
    cube = build_cube(frame, ["market", "category"], unit=True, paths=frozenset({"category"}))
    assert [(a.dimension, a.level, a.values) for a in cube.axes[1:]] == [
        ("category", 1, ("beauty", "toys")),
        ("category", 2, ("beauty/sun", "toys/baby")),
    ]
    inside = cube.mask(Segment.of(category="beauty"))
    known = frame.filter(pl.col("side").is_not_null(), pl.col("category").str.starts_with("beauty"))
    assert (cube.n0 + cube.n1)[inside].sum() == known.height


def test_a_row_without_a_unit_is_a_unit_of_its_own():
    frame = rows(200).with_columns(unit=pl.lit(None, pl.String), fold=pl.lit(None, pl.UInt8))
    cube = build_cube(frame, ["market"], unit=True)
    assert cube.units == cube.size == frame["side"].is_not_null().sum()
    assert set(cube.half.tolist()) == {0, 1}
