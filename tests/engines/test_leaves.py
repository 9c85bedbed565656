"""The leaves of a cube, on every engine, against rows counted by hand."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from gne_analytics.causes.cube import COUNTS, count_leaves
from gne_analytics.errors import DataError

TYPES = {"unit": pl.String, "fold": pl.UInt8, "side": pl.Int8, "k": pl.Int64, "n": pl.Int64}
TEXTS = [
    None, "(missing)", "", " ", "  ", "\t", "\n", "null", "NULL", "None",
    "ID", "id", "Id", "ID ", " ID", "\u200bID", "\ufeffID", "a/b", "a", "a\x00b", "a\x00", "x" * 300,
    "e", "é", "e\u0301", "è", "E", "É", "ß", "ss", "I", "ı", "İ", "i", "\uffff", "\U0010ffff",
    "中文", "中国", "日本語", "ไทย", "😀", "😁", "\U0001f469", "\U0001f469\u200d\U0001f467",
    "'; DROP TABLE rows; --", '"', "`", "\\", "\\n", "%", "_",
]  # fmt: skip


def rows(height=None, **columns):
    """A frame of the columns that are given; what is left out has plain values."""
    height = height or max([12, *(len(c) for c in columns.values())])
    plain = {
        "market": ["ID", "TH", "ID", "VN"],
        "unit": ["s1", "s2", "s3"],
        "fold": [1, 2, 63, 0, 7],
        "side": [0, 1],
        "k": [0, 1, 1],
        "n": [1],
    }
    values = {name: [v[i % len(v)] for i in range(height)] for name, v in {**plain, **columns}.items()}
    return pl.DataFrame(values, schema_overrides=TYPES)


def counted_by_hand(frame, dims, *, unit):
    """The leaves by a loop over rows in Python's own integers."""
    leaves = defaultdict(lambda: [0, 0, 0, 0])
    for row in frame.iter_rows(named=True):
        if row["side"] is not None:
            key = (*(row[d] for d in dims), (row["fold"] or 0) % 2, *([row["unit"]] if unit else []))
            leaf = leaves[key]
            if row["side"] in (0, 1):
                leaf[2 * row["side"]] += row["n"] or 0
                leaf[2 * row["side"] + 1] += row["k"] or 0
    keys = {**{d: frame.schema[d] for d in dims}, "half": pl.Int64, **({"unit": pl.String} if unit else {})}
    order = sorted(leaves, key=lambda key: [(v is not None, v) for v in key])
    data = [(*key, *map(float, leaves[key])) for key in order]
    return pl.DataFrame(data, schema={**keys, **dict.fromkeys(COUNTS, pl.Float64)}, orient="row")


NEW_YEAR = [date(2025, 12, 28) + timedelta(days=i) for i in range(9)]
CALENDAR = rows(
    event_date=NEW_YEAR,
    event_week=[d - timedelta(days=d.weekday()) for d in NEW_YEAR],
    event_month=[d.replace(day=1) for d in NEW_YEAR],
    event_year=[d.year for d in NEW_YEAR],
    decided_at=[datetime(d.year, d.month, d.day, 23, 59, 59, 999_999, tzinfo=UTC) for d in NEW_YEAR],
)
MANY = {f"d{i}": [f"v{i % 3}", None, "(missing)", f"w{i}", "v"][: 2 + i % 4] for i in range(40)}

CASES = {
    "values that look alike are values of their own": (rows(height=3 * len(TEXTS), market=TEXTS), ["market"]),
    "units that look alike are units of their own": (rows(height=2 * len(TEXTS), unit=TEXTS), ["market"]),
    "a dimension of nulls": (rows(market=[None]).cast({"market": pl.String}), ["market"]),
    "a unit of nulls": (rows(unit=[None]), ["market"]),
    "a row without a fold falls in the first half": (rows(fold=[None, 1, 3]), ["market"]),
    "k of n": (rows(k=[3, 0, 5, 7], n=[4, 9, 5, 11]), ["market"]),
    "no n": (rows(k=[0], n=[0]), ["market"]),
    "k that is no part of n is left as it is": (rows(k=[-2, 7, 3], n=[1, 2, -4]), ["market"]),
    "k or n that is not known counts nothing": (rows(k=[None, 1, None], n=[None, None, 2, 3]), ["market"]),
    "rows of neither side are no leaf": (rows(height=40, side=[None, 0, None, None, 1]), ["market"]),
    "no row of either side": (rows(side=[None]), ["market"]),
    "one side only": (rows(side=[1]), ["market"]),
    "one row": (rows().head(1), ["market"]),
    "no row": (rows().clear(), ["market"]),
    "no dimension": (rows(), []),
    "booleans and integers": (rows(flag=[True, False, None], size=[3, -1, None, 2**40]), ["flag", "size"]),
    "forty dimensions": (rows(height=120, **MANY), [*MANY]),
    "the calendar": (CALENDAR, ["event_date", "event_week", "event_month", "event_year"]),
    "names that are words of SQL": (rows(select=["a", "b"], order=["c"], 市场=["d"]), ["select", "order", "市场"]),
    "sums up to the last exact one": (rows(height=8, market=["ID"], unit=["s"], k=[2**50 - 1], n=[2**50]), ["market"]),
    "sums beyond their own type, 32 bits": (
        rows(k=[2**31 - 1], n=[2**31 - 1]).cast({"k": pl.Int32, "n": pl.Int32}), ["market"],
    ),
    "sums beyond their own type, 8 bits": (rows(k=[127], n=[255]).cast({"k": pl.Int8, "n": pl.UInt8}), ["market"]),
    "k that is true or false": (rows(k=[True, False, True, None], n=[1]).cast({"k": pl.Boolean}), ["market"]),
    "k and n that are doubles": (rows(k=[2], n=[3]).cast({"k": pl.Float64, "n": pl.Float32}), ["market"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_leaves_are_those_counted_by_hand(engine, case):
    frame, dims = CASES[case]
    assert_frame_equal(
        count_leaves(engine(frame), dims, unit=True), counted_by_hand(frame, dims, unit=True), check_exact=True
    )


def test_leaves_without_a_unit_are_those_counted_by_hand(engine):
    frame = rows(height=3 * len(TEXTS), market=TEXTS, tier=["new", None, "old", "new"])
    dims = ["market", "tier"]
    assert_frame_equal(
        count_leaves(engine(frame), dims, unit=False), counted_by_hand(frame, dims, unit=False), check_exact=True
    )


def test_the_order_of_rows_is_nothing_to_the_leaves(engine):
    frame = rows(height=997, market=TEXTS, k=[0, 1, 2, 2**40], n=[2, 3])
    leaves = count_leaves(engine(frame.sample(fraction=1, shuffle=True, seed=5)), ["market"], unit=True)
    assert_frame_equal(leaves, counted_by_hand(frame, ["market"], unit=True), check_exact=True)


@pytest.mark.parametrize("name", ["K", "Half", "a.b"])
def test_a_name_is_counted_right_or_refused(engine, name):
    frame = rows(**{name: [1, 2, 3]})
    counted = counted_by_hand(frame, [name], unit=True)
    if isinstance(native := engine(frame), pl.DataFrame | pl.LazyFrame):
        assert_frame_equal(count_leaves(native, [name], unit=True), counted, check_exact=True)
    else:
        with pytest.raises(DataError, match=r"rename|no column 'K'"):  # DuckDB calls the second K_1
            count_leaves(native, [name], unit=True)


@pytest.mark.spark
@pytest.mark.xdist_group("spark")
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_a_date_stays_that_date_in_a_spark_session_of_another_time_zone(spark_session, zone):
    frame = spark_session.createDataFrame(CALENDAR.with_columns(pl.col("fold").cast(pl.Int16)).to_arrow())
    dims = ["event_date", "event_week"]
    spark_session.conf.set("spark.sql.session.timeZone", zone)
    try:
        leaves = count_leaves(frame, dims, unit=True)
    finally:
        spark_session.conf.set("spark.sql.session.timeZone", "UTC")
    assert_frame_equal(leaves, counted_by_hand(CALENDAR, dims, unit=True), check_exact=True)


maybe = st.one_of(st.none(), st.sampled_from(["", "a", "A", "a ", "(missing)"]), st.text(max_size=3))
count = st.one_of(st.none(), st.integers(-3, 5), st.integers(0, 2**40))
frames = st.lists(
    st.fixed_dictionaries(
        {
            "market": maybe,
            "tier": st.one_of(st.none(), st.booleans()),
            "unit": maybe,
            "fold": st.one_of(st.none(), st.integers(0, 63)),
            "side": st.sampled_from([None, 0, 1]),
            "k": count,
            "n": count,
        }
    ),
    max_size=25,
).map(lambda drawn: pl.DataFrame(drawn, schema={"market": pl.String, "tier": pl.Boolean, **TYPES}))


@given(frame=frames, unit=st.booleans())
@settings(max_examples=60, deadline=None)
def test_random_frames_have_the_leaves_counted_by_hand(near_engine, frame, unit):
    for dims in (["market"], ["tier", "market"]):
        assert_frame_equal(
            count_leaves(near_engine(frame), dims, unit=unit), counted_by_hand(frame, dims, unit=unit), check_exact=True
        )


@pytest.mark.spark
@pytest.mark.xdist_group("spark")
@given(drawn=st.lists(frames, min_size=8, max_size=8))
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_random_frames_have_the_leaves_counted_by_hand_on_spark_too(to_spark, drawn):
    """Eight frames in one question, each known by a dimension of its own."""
    frame = pl.concat([f.with_columns(example=pl.lit(i, pl.Int64)) for i, f in enumerate(drawn)])
    dims = ["example", "market", "tier"]
    assert_frame_equal(
        count_leaves(to_spark(frame), dims, unit=True), counted_by_hand(frame, dims, unit=True), check_exact=True
    )
