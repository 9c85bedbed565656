from datetime import UTC, datetime, timedelta

import polars as pl

from gne_analytics.tables.horizon import horizon

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def days(start, n=100):
    return pl.Series([start + timedelta(days=i) for i in range(n)], dtype=pl.Datetime("us", "UTC"))


def test_a_stated_as_of_wins_over_the_clock():
    end = datetime(2026, 4, 1, tzinfo=UTC)
    assert horizon([days(datetime(2026, 1, 1, tzinfo=UTC))], as_of=end, now=NOW).last == end


def test_the_moment_of_reading_limits_a_record_of_the_past():
    assert horizon([days(datetime(2026, 1, 1, tzinfo=UTC))], now=NOW).last == NOW


def test_a_record_that_lies_in_a_simulated_future_is_judged_by_itself():
    start = datetime(2041, 1, 1, tzinfo=UTC)
    span = horizon([days(start)], now=NOW)
    assert span.first < start
    assert start + timedelta(days=99) < span.last < datetime(2043, 1, 1, tzinfo=UTC)


def test_one_wild_date_does_not_move_the_horizon():
    wild = pl.Series([datetime(2062, 1, 1, tzinfo=UTC)], dtype=pl.Datetime("us", "UTC"))
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert horizon([days(start), wild]).last < datetime(2028, 1, 1, tzinfo=UTC)


def test_a_zero_epoch_lies_before_the_horizon_and_a_long_history_does_not():
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert epoch < horizon([days(datetime(2026, 1, 1, tzinfo=UTC))], now=NOW).first
    years = pl.Series([datetime(y, 1, 1, tzinfo=UTC) for y in range(1974, 2017)], dtype=pl.Datetime("us", "UTC"))
    assert horizon([years], now=NOW).first < datetime(1950, 1, 1, tzinfo=UTC)


def test_no_times_have_no_horizon():
    assert horizon([pl.Series([None], dtype=pl.Datetime("us", "UTC"))]) is None
    assert horizon([]) is None
