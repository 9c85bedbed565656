import polars as pl

from gne_analytics.tables import TABLES, record_from_frames
from gne_analytics.tables.capabilities import NEEDS, UNIT, WEEKS
from gne_analytics.tables.contract import Grain
from gne_analytics.testing.frames import appeals_frame, record, violations_frame


def named(record, name):
    return next(c for c in record.capabilities if c.name == name)


def test_every_need_names_a_table_or_column_of_the_contract():
    options = {o for needs in NEEDS.values() for need in needs for o in need.split("|")} - {UNIT, WEEKS}
    for option in options:
        table, _, column = option.partition(".")
        assert table in TABLES
        assert not column or column in TABLES[table].columns


def test_a_missing_column_turns_its_capability_off_and_is_named():
    off = named(record(50), "notice effectiveness")
    assert not off.on
    assert off.turned_on_by == ("violations.template_id", "violations.template_version")
    assert str(off) == (
        "notice effectiveness: off, violations has no column template_id and violations has no column template_version"
    )


def test_adding_the_column_turns_it_on():
    frame = violations_frame(50).with_columns(template_id=pl.lit("t"), template_version=pl.lit("1"))
    assert named(record_from_frames({"violations": frame}), "notice effectiveness").on


def test_a_column_that_is_always_null_turns_nothing_on():
    frame = violations_frame(50).with_columns(template_id=pl.lit(None, dtype=pl.String), template_version=pl.lit("1"))
    assert named(record_from_frames({"violations": frame}), "notice effectiveness").why_off == (
        "violations.template_id is always empty"
    )


def test_a_missing_table_is_said_once():
    off = named(record(50), "backtest of lower thresholds")
    assert off.why_off == "there is no table assessments"


def test_either_of_two_columns_is_enough():
    violations = violations_frame(50)
    appeals = appeals_frame(violations).with_columns(queue=pl.lit("q1"))
    assert not named(record_from_frames({"violations": violations}), "routing between queues").on
    assert named(record_from_frames({"violations": violations, "appeals": appeals}), "routing between queues").on


def test_what_would_turn_weeks_or_units_on_is_a_column():
    frame = violations_frame(50).drop("seller_id").with_columns(pl.col("decided_at").dt.year())
    yearly = record_from_frames({"violations": frame}, grain={"violations": Grain.YEAR})
    assert named(yearly, "weekly series and seasonality").turned_on_by == ("violations.decided_at by day or by week",)
    assert named(yearly, "verification on held-out units").turned_on_by == ("violations.seller_id",)


def test_a_column_that_is_empty_in_every_row_is_named_and_none_of_our_own():
    frame = violations_frame(50).with_columns(queue=pl.lit(None, dtype=pl.String), decided_at=pl.lit(2026))
    assert record_from_frames({"violations": frame}, grain={"violations": Grain.YEAR}).empty_columns() == [
        "violations.queue"
    ]
