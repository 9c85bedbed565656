from functools import partial

import numpy as np
import polars as pl
import pytest

from benchmarks.planted import KNOWABLE, PATHS, SUPPORT, planted, write_planted
from benchmarks.second import latent
from gne_analytics.metrics.windows import segment_mask

ROWS = 60_000


@pytest.fixture(params=[partial(planted, 5, ROWS), partial(latent, 5, ROWS)], ids=["first", "second"])
def generator(request):
    return request.param


def rate(rows: pl.DataFrame) -> float:
    return rows["k"].sum() / rows["n"].sum()


def test_the_same_seed_gives_the_same_table_and_causes(generator):
    one, other = generator(), generator()
    assert one[0].equals(other[0])
    assert one[1] == other[1]


def test_a_table_has_eight_dimensions_of_few_to_sixty_values_and_all_rows_lie_in_a_window(generator):
    frame, _, dims, baseline, focus = generator()
    assert len(dims) == 8
    assert all(3 <= frame[d].n_unique() <= 60 for d in dims)
    assert frame["event_date"].is_between(baseline.start, focus.end, closed="left").all()


def test_every_cause_moves_its_rate_and_the_rest_hardly_moves(generator):
    frame, causes, _, _, focus = generator()
    late = pl.col("event_date") >= focus.start
    inside = pl.any_horizontal(*(segment_mask(c.segment, PATHS) for c in causes))
    rest = rate(frame.filter(late & ~inside)) - rate(frame.filter(~late & ~inside))
    assert abs(rest) < 0.05  # what the changed mix does
    for cause in causes:
        rows = frame.filter(segment_mask(cause.segment, PATHS))
        if rows.filter(~late).is_empty():
            continue
        moved = rate(rows.filter(late)) - rate(rows.filter(~late))
        assert np.sign(moved - rest) == np.sign(cause.z)


def test_a_lift_is_as_large_as_it_says_and_no_cause_is_beyond_knowing():
    frame, causes, _, _, focus = planted(7, ROWS)
    for cause in causes:
        rows = frame.filter(segment_mask(cause.segment, PATHS))
        before, after = (rows.filter((pl.col("event_date") >= focus.start) == side) for side in (False, True))
        moved = rate(after) - rate(before)
        se = np.sqrt(0.25 / before.height + 0.25 / after.height)
        assert abs(moved - cause.lift) < 4 * se + 0.03  # sellers come and go
        assert SUPPORT[0] / 2 < cause.share < SUPPORT[1] * 2
        assert cause.z >= KNOWABLE


def test_a_new_segment_has_no_baseline_rows():
    made = [latent(seed, ROWS) for seed in range(1, 6)]
    new = [(frame, focus, c) for frame, causes, _, _, focus in made for c in causes if c.new]
    assert new
    for frame, focus, cause in new:
        rows = frame.filter(segment_mask(cause.segment))
        assert rows.height
        assert (rows["event_date"] >= focus.start).all()


def test_the_file_holds_the_table(tmp_path):
    frame, causes, *_ = planted(3, 20_000)
    assert write_planted(tmp_path / "t.parquet", 3, 20_000) == causes
    assert pl.read_parquet(tmp_path / "t.parquet").equals(frame)
