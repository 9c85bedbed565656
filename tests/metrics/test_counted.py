from datetime import UTC, date, datetime

import polars as pl
import pytest

from gne_analytics.errors import DataError
from gne_analytics.metrics.counted import count_observations
from gne_analytics.tables.derived import fold_of

ROWS = pl.DataFrame(
    {
        "event_date": [date(2026, 1, 1)] * 3 + [date(2026, 1, 2)],
        "market": ["ID", "ID", None, "ID"],
        "seller_id": [1, 1, 2, None],
        "k": [1, 0, 1, 1],
    }
)


def test_rows_alike_are_one_row_of_k_of_n_and_every_unit_has_its_own_fold():
    obs = count_observations(ROWS, dims=["market"], unit="seller_id")
    found = obs.frame.sort("event_date", "unit").select("event_date", "market", "unit", "fold", "k", "n").rows()
    assert found == [
        (date(2026, 1, 1), "ID", "1", fold_of("1"), 1, 2),
        (date(2026, 1, 1), "(missing)", "2", fold_of("2"), 1, 1),
        (date(2026, 1, 2), "ID", None, None, 1, 1),
    ]
    assert (obs.dims, obs.unit, obs.has_unit) == (("market",), "seller_id", True)


def test_an_n_of_the_rows_own_is_added_up():
    obs = count_observations(ROWS.with_columns(n=pl.lit(5)), dims=[])
    assert obs.frame.select("k", "n").rows() == [(2, 15), (1, 5)]
    assert not obs.has_unit


@pytest.mark.parametrize("column", ["k", "event_date", "market", "seller_id"])
def test_a_column_that_is_not_there_is_named(column):
    with pytest.raises(DataError, match=f"no column '{column}'"):
        count_observations(ROWS.drop(column), dims=["market"], unit="seller_id")


def test_an_instant_is_no_date_for_its_day_depends_on_the_time_zone():
    rows = ROWS.with_columns(event_date=pl.lit(datetime(2026, 1, 1, tzinfo=UTC)))
    with pytest.raises(DataError, match="not dates; derive the date"):
        count_observations(rows, dims=["market"])


@pytest.mark.parametrize(
    ("column", "values", "why"),
    [
        ("k", [1, -1, 1, 1], "'k' holds negative"),
        ("n", [1, 1, -5, 1], "'n' holds negative"),
        ("k", [0.5, 0.25, 1.0, 1.0], "not whole"),
        ("k", [None] * 4, "No row has both"),
        ("n", [None] * 4, "No row has both"),
    ],
)
def test_counts_that_are_none_are_refused(column, values, why):
    rows = ROWS.with_columns(pl.Series(column, values, dtype=pl.Float64))
    with pytest.raises(DataError, match=why):
        count_observations(rows, dims=["market"])


def test_a_row_without_its_count_is_left_out():
    obs = count_observations(ROWS.with_columns(k=pl.Series([1, None, 1, 1])), dims=[])
    assert obs.frame.select("k", "n").rows() == [(2, 2), (1, 1)]
