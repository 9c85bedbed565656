from datetime import UTC, date, datetime

import duckdb
import polars as pl
import pytest

from gne_analytics.causes import explain
from gne_analytics.errors import DataError
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.metrics import make_shift, parse_window
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


BAD = {
    "in 1 row k is negative": {"k": [1, 0, -1, 1]},
    "in 2 rows n is negative": {"n": [5, -1, -2, 5]},
    "in 4 rows n is empty": {"n": [None] * 4},
    "in 4 rows k is empty": {"k": [None] * 4},
    "in 1 row k is no whole number": {"k": [1.0, 0.5, 1.0, 1.0]},
    "in 1 row n is no whole number": {"n": [5.0, float("nan"), 5.0, 5.0]},
    "in 1 row k is empty; in 1 row k is negative": {"k": [None, -3, 1, 1]},
}


@pytest.mark.parametrize("reason", BAD)
@pytest.mark.parametrize(
    "bring", [pl.DataFrame.lazy, lambda f: duckdb.from_arrow(f.to_arrow())], ids=["polars", "duckdb"]
)
def test_a_count_that_is_none_is_refused_with_the_number_of_rows_for_each_reason(reason, bring):
    types = {"k": pl.Float64, "n": pl.Float64}
    rows = ROWS.with_columns(pl.Series(c, v, dtype=types[c], strict=False) for c, v in BAD[reason].items())
    with pytest.raises(DataError, match=f"cannot be used: {reason}. Mend these rows"):
        count_observations(bring(rows), dims=["market"])


def test_whole_numbers_in_floats_are_counts():
    obs = count_observations(ROWS.with_columns(pl.col("k").cast(pl.Float64)), dims=["market"])
    assert obs.frame["k"].sum() == 3


def test_no_dimension_and_one_that_is_empty_are_said_and_break_nothing():
    rows = pl.DataFrame(
        {
            "event_date": [date(2026, 1, 1), date(2026, 2, 1)] * 2, "market": ["A", "A", "B", "B"],
            "queue": pl.Series([None] * 4, dtype=pl.String), "k": [10, 30, 20, 25], "n": [100] * 4,
        }
    )  # fmt: skip
    for dims, refused, notes in (
        ([], {}, ("No dimension may explain.",)),
        (["queue"], {"queue": "It is empty in every one of these rows."}, ("No dimension may explain.",)),
    ):
        obs = count_observations(rows, dims=dims)
        shift = make_shift(obs, parse_window("2026-01"), parse_window("2026-02"))
        found = explain(obs, shift, store=EvidenceStore())
        assert (found.refused, found.notes) == (refused, notes)
