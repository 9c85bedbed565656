# ruff: noqa: DTZ001 - naive times are part of what is tested
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gne_analytics.tables.contract import Column, Grain, Kind
from gne_analytics.tables.parsing import Clock, Unreadable, as_text, parse, parse_time


def instants(values, clock=None, dtype=None):
    return parse_time(pl.Series("t", values, dtype=dtype), clock or Clock()).values.to_list()


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-03-01T10:20:30Z", datetime(2026, 3, 1, 10, 20, 30, tzinfo=UTC)),
        ("2026-03-01 10:20:30.125Z", datetime(2026, 3, 1, 10, 20, 30, 125_000, tzinfo=UTC)),
        ("2026-03-01T10:20:30+08:00", datetime(2026, 3, 1, 2, 20, 30, tzinfo=UTC)),
        ("2026-03-01T10:20:30+0800", datetime(2026, 3, 1, 2, 20, 30, tzinfo=UTC)),
        ("2026-03-01 10:20:30+08", datetime(2026, 3, 1, 2, 20, 30, tzinfo=UTC)),
        ("2026-03-01T10:20+08:00", datetime(2026, 3, 1, 2, 20, tzinfo=UTC)),
        ("2026-03-01 10:20:30 UTC", datetime(2026, 3, 1, 10, 20, 30, tzinfo=UTC)),
        (" 2026-03-01T10:20:30Z ", datetime(2026, 3, 1, 10, 20, 30, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("20260301", datetime(2026, 3, 1, tzinfo=UTC)),
    ],
)
def test_iso_times_are_read_as_utc(text, instant):
    assert instants([text]) == [instant]


@given(st.datetimes(datetime(1975, 1, 1), datetime(2070, 1, 1)), st.integers(-12 * 60, 14 * 60))
def test_any_iso_time_with_an_offset_is_the_instant_that_python_reads(naive, minutes):
    sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    text = f"{naive.isoformat()}{sign}{hours:02}:{rest:02}"
    assert instants([text]) == [datetime.fromisoformat(text).astimezone(UTC)]


def test_a_naive_time_needs_a_zone():
    for values in ([datetime(2026, 3, 1, 10)], ["2026-03-01 10:00:00"]):
        with pytest.raises(Unreadable, match="state the table's timezone"):
            instants(values)


def test_a_naive_time_is_read_in_the_stated_zone():
    clock = Clock(naive="Asia/Singapore")
    expected = [datetime(2026, 3, 1, 2, tzinfo=UTC)]
    assert instants([datetime(2026, 3, 1, 10)], clock) == expected
    assert instants(["2026-03-01 10:00:00"], clock) == expected


def test_an_hour_that_the_clocks_skip_is_marked_bad():
    parsed = parse_time(
        pl.Series("t", [datetime(2026, 3, 29, 2, 30), datetime(2026, 3, 29, 4)]), Clock(naive="Europe/Berlin")
    )
    assert parsed.bad.to_list() == [True, False]


def test_a_date_begins_in_the_reporting_zone():
    clock = Clock(reporting="Asia/Singapore")
    expected = datetime(2026, 2, 28, 16, tzinfo=UTC)
    parsed = parse_time(pl.Series("t", [date(2026, 3, 1)]), clock)
    assert (parsed.values.to_list(), parsed.grain) == ([expected], Grain.DAY)
    assert instants(["2026-03-01"], clock) == [expected]


@pytest.mark.parametrize(
    ("values", "grain", "first"),
    [
        ([2013], Grain.YEAR, datetime(2013, 1, 1, tzinfo=UTC)),
        ([2013.0], Grain.YEAR, datetime(2013, 1, 1, tzinfo=UTC)),
        (["2013"], Grain.YEAR, datetime(2013, 1, 1, tzinfo=UTC)),
        (["2013-07-09"], Grain.YEAR, datetime(2013, 1, 1, tzinfo=UTC)),
        ([202610], Grain.MONTH, datetime(2026, 10, 1, tzinfo=UTC)),
        (["2026-10"], Grain.MONTH, datetime(2026, 10, 1, tzinfo=UTC)),
        (["2026-W40"], Grain.WEEK, datetime(2026, 9, 28, tzinfo=UTC)),
        ([date(2026, 10, 1)], Grain.WEEK, datetime(2026, 9, 28, tzinfo=UTC)),
        ([20261017], Grain.DAY, datetime(2026, 10, 17, tzinfo=UTC)),
        ([datetime(2026, 10, 17, 23, 5, tzinfo=UTC)], Grain.DAY, datetime(2026, 10, 17, tzinfo=UTC)),
    ],
)
def test_a_grain_reads_periods_and_cuts_to_their_first_day(values, grain, first):
    assert instants(values, Clock(grain=grain)) == [first]


def test_a_day_is_cut_in_the_reporting_zone():
    late = datetime(2026, 3, 1, 20, tzinfo=UTC)  # already 2 March in Singapore
    assert instants([late], Clock(reporting="Asia/Singapore", grain=Grain.DAY)) == [
        datetime(2026, 3, 1, 16, tzinfo=UTC)
    ]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 2], pl.Int64),
        ([1.5], pl.Float64),
        ([True], pl.Boolean),
        ([time(1)], pl.Time),
        ([[1]], pl.List(pl.Int64)),
    ],
)
def test_what_is_no_time_is_refused_as_a_whole(values, dtype):
    with pytest.raises(Unreadable, match="where a time is needed"):
        instants(values, dtype=dtype)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_every_resolution_and_zone_becomes_microseconds_in_utc(unit):
    series = pl.Series("t", [datetime(2026, 3, 1, 10)], dtype=pl.Datetime(unit)).dt.replace_time_zone("Asia/Tokyo")
    parsed = parse_time(series, Clock()).values
    assert parsed.dtype == pl.Datetime("us", "UTC")
    assert parsed.to_list() == [datetime(2026, 3, 1, 1, tzinfo=UTC)]


def read(kind, values, dtype=None, **more):
    parsed = parse(Column("x", kind, **more), pl.Series("x", values, dtype=dtype), Clock())
    return parsed.values.to_list(), parsed.bad.to_list()


def test_numbers_are_read_from_numbers_texts_and_decimals():
    assert read(Kind.NUMBER, ["1.5", " 2 ", "", None, "x"]) == ([1.5, 2.0, None, None, None], [False] * 4 + [True])
    assert read(Kind.NUMBER, [Decimal("0.75"), None])[0] == [0.75, None]
    assert read(Kind.NUMBER, [float("nan"), 1.0]) == ([None, 1.0], [False, False])


def test_a_number_of_single_precision_is_the_decimal_that_it_stands_for():
    scores = [0.7, 0.1, 0.3, 1.0, 0.0, 1e-8, None]
    assert read(Kind.NUMBER, scores, pl.Float32)[0] == scores
    assert read(Kind.NUMBER, [float("nan"), 0.7], pl.Float32) == ([None, 0.7], [False, False])


def test_flags_are_read_from_words_and_digits():
    values, bad = read(Kind.FLAG, ["Yes", "no", "TRUE", "0", "perhaps", None])
    assert values == [True, False, True, False, None, None]
    assert bad == [False, False, False, False, True, False]
    assert read(Kind.FLAG, [1, 0, 1])[0] == [True, False, True]


def test_lists_are_read_from_lists_json_and_commas():
    expected = [["invoice", "letter"], None]
    assert read(Kind.LIST, [["invoice", "letter"], None])[0] == expected
    assert read(Kind.LIST, ['["invoice", "letter"]', None])[0] == expected
    assert read(Kind.LIST, ["invoice, letter", ""])[0] == expected


def test_scopes_are_read_from_structs_json_and_pairs():
    expected = '{"category": ["toys"], "market": ["ID", "TH"]}'
    for spelling in ({"market": ["TH", "ID"], "category": "toys"}, '{"market": ["TH", "ID"], "category": "toys"}'):
        assert read(Kind.SCOPE, [spelling], dtype=None)[0] == [expected]
    assert read(Kind.SCOPE, ["market=TH|ID & category=toys"])[0] == [expected]
    assert read(Kind.SCOPE, ["everything", None])[1] == [True, False]


@pytest.mark.parametrize(
    ("values", "dtype", "texts"),
    [
        ([1, 2], pl.Int64, ["1", "2"]),
        ([1.0, 1.5, None, float("nan")], pl.Float64, ["1", "1.5", None, None]),
        ([" a ", "", None], pl.String, ["a", None, None]),
        ([True, None], pl.Boolean, ["true", None]),
        (["x", None], pl.Categorical, ["x", None]),
        ([date(2026, 3, 1)], pl.Date, ["2026-03-01"]),
        ([{"a": 1}, None], pl.Struct({"a": pl.Int64}), ['{"a":1}', None]),
        ([["x", "y"], None], pl.List(pl.String), ['["x","y"]', None]),
        ([Decimal("1.50")], pl.Decimal(10, 2), ["1.50"]),
        ([timedelta(days=1)], pl.Duration("us"), ["P1D"]),
    ],
)
def test_any_column_can_be_told_as_text(values, dtype, texts):
    assert as_text(pl.Series("x", values, dtype=dtype)).to_list() == texts
