# ruff: noqa: DTZ001 - naive times are part of what is tested
import hashlib
from datetime import UTC, date, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gne_analytics.errors import DataError
from gne_analytics.tables import TABLES, Grain, Role, appealed, record_from_frames
from gne_analytics.tables.derived import fold_of
from gne_analytics.testing.frames import appeals_frame, record, violations_frame


def test_absent_tables_are_empty_with_the_columns_of_the_contract():
    made = record(50)
    assert not made.has("signals")
    assert made.signals.columns == list(TABLES["signals"].columns)


def test_the_calendar_is_taken_in_the_reporting_zone():
    late = violations_frame(1).with_columns(decided_at=pl.lit(datetime(2026, 3, 1, 20, tzinfo=UTC)))
    there = record_from_frames({"violations": late}, timezone="Asia/Singapore").violations
    here = record_from_frames({"violations": late}).violations
    columns = ["event_date", "event_week", "event_month", "event_year"]
    assert there.select(columns).row(0) == (date(2026, 3, 2), date(2026, 3, 2), date(2026, 3, 1), 2026)
    assert here.select(columns).row(0) == (date(2026, 3, 1), date(2026, 2, 23), date(2026, 3, 1), 2026)


def test_weeks_are_iso_weeks_around_new_year():
    days = [date(2024, 12, 29), date(2024, 12, 30), date(2026, 1, 1), date(2027, 1, 3), date(2027, 1, 4)]
    frame = violations_frame(5).with_columns(decided_at=pl.Series(days))
    weeks = record_from_frames({"violations": frame}).violations["event_week"].to_list()
    assert weeks == [date.fromisocalendar(*d.isocalendar()[:2], 1) for d in days]


def test_a_grain_coarser_than_a_week_has_no_week():
    frame = violations_frame(30).with_columns(decided_at=pl.lit(2013))
    made = record_from_frames({"violations": frame}, grain={"violations": Grain.YEAR})
    assert made.violations["event_week"].null_count() == 30
    assert made.violations["event_week"].dtype == pl.Date
    assert made.violations["event_date"].unique().to_list() == [date(2013, 1, 1)]
    assert made.grain == {"violations": Grain.YEAR}
    assert not made.can("weekly series and seasonality")


def test_dates_alone_are_a_grain_of_a_day():
    frame = violations_frame(3).with_columns(pl.col("decided_at").dt.date())
    assert record_from_frames({"violations": frame}).grain == {"violations": Grain.DAY}


def test_the_fold_is_the_stated_hash_of_the_unit():
    digest = hashlib.blake2b(b"gne-fold-1S0007", digest_size=8).digest()
    assert fold_of("S0007") == int.from_bytes(digest, "big") % 64
    made = record(300)
    assert made.violations["fold"].dtype == pl.UInt8
    assert made.violations["fold"].to_list() == [fold_of(s) for s in made.violations["seller_id"]]
    assert made.violations["fold"].max() < 64


def test_the_golden_folds_never_change():
    assert [fold_of(u) for u in ("seller-1", "seller-2", "卖家", "7")] == [8, 62, 43, 13]


def test_a_row_without_its_unit_has_no_fold():
    frame = violations_frame(3).with_columns(seller_id=pl.Series(["a", None, "b"]))
    assert record_from_frames({"violations": frame}).violations["fold"].null_count() == 1


def test_without_a_seller_there_is_no_unit_and_no_fold():
    made = record_from_frames({"violations": violations_frame(9).drop("seller_id")})
    assert made.unit is None
    assert "fold" not in made.violations.columns
    assert not made.can("verification on held-out units")


def test_another_unit_can_be_declared_and_must_be_there():
    frame = violations_frame(200).with_columns(shop=pl.int_range(200) % 7)
    made = record_from_frames({"violations": frame}, unit="shop")
    assert made.violations["fold"].to_list() == [fold_of(s) for s in made.violations["shop"]]
    assert made.roles["violations"]["shop"] is Role.UNIT
    assert made.roles["violations"]["seller_id"] is Role.ID
    with pytest.raises(DataError, match="did you mean 'shop'"):
        record_from_frames({"violations": frame}, unit="shopp")


def test_as_of_is_the_last_event_of_any_table():
    made = record(100)
    assert made.as_of == max(
        made.violations["decided_at"].max(), made.appeals["decided_at"].max(), made.audits["audited_at"].max()
    )


def test_appealed_joins_each_appeal_to_its_violation_under_a_prefix():
    made = record(100)
    joined = appealed(made)
    assert joined.height == made.appeals.height
    assert joined["appeal_id"].to_list() == made.appeals["appeal_id"].to_list()
    assert {"appeal_outcome", "appeal_filed_at", "appeal_event_date", "decided_at", "market", "fold"} <= set(
        joined.columns
    )
    one = joined.row(3, named=True)
    violation = made.violations.row(by_predicate=pl.col("violation_id") == one["violation_id"], named=True)
    assert (one["market"], one["event_date"]) == (violation["market"], violation["event_date"])


def test_an_appeal_column_that_the_violations_carry_gives_way_to_the_appeals_own():
    violations = violations_frame(60).with_columns(appeal_outcome=pl.lit("stale"))
    made = record_from_frames({"violations": violations, "appeals": appeals_frame(violations)})
    assert made.roles["violations"]["appeal_outcome"] is Role.POST_DECISION
    assert "stale" not in appealed(made)["appeal_outcome"].to_list()


def test_a_record_read_again_from_its_own_tables_is_the_same():
    made = record(150)
    again = record_from_frames({n: made.table(n) for n in TABLES}, name="factory")
    for name in TABLES:
        assert_frame_equal(again.table(name), made.table(name))
    assert again.source_hash == made.source_hash


def test_the_hash_follows_the_content_and_not_the_order():
    frame = violations_frame(80)
    same = record_from_frames({"violations": frame.sample(fraction=1, shuffle=True, seed=1)})
    other = record_from_frames({"violations": frame.with_columns(score=pl.col("score") / 2)})
    base = record_from_frames({"violations": frame})
    assert base.source_hash == same.source_hash != other.source_hash


def test_dims_are_the_dimensions_that_hold_anything():
    frame = violations_frame(60).with_columns(queue=pl.lit(None, dtype=pl.String), season=pl.lit("wet"))
    dims = record_from_frames({"violations": frame}).dims("violations")
    assert {"market", "category", "season", "detector_version"} <= set(dims)
    assert not {"queue", "score", "seller_id", "violation_id", "decided_at", "event_week", "fold"} & set(dims)


def test_strict_refuses_any_reject():
    frame = violations_frame(60).with_columns(score=pl.Series([1.4, *[0.5] * 59]))
    assert record_from_frames({"violations": frame}).rejects.height == 1
    with pytest.raises(DataError, match=r"score 1\.4"):
        record_from_frames({"violations": frame}, strict=True)


def test_an_empty_frame_is_an_absent_table_save_violations():
    frame = violations_frame(5)
    assert not record_from_frames({"violations": frame, "changes": pl.DataFrame()}).has("changes")
    with pytest.raises(DataError, match="'violations' has no rows"):
        record_from_frames({"violations": frame.clear()})


def test_a_record_needs_violations_and_a_known_zone():
    with pytest.raises(DataError, match="no table 'violations'"):
        record_from_frames({})
    with pytest.raises(DataError, match="'Asia/Nowhere' is unknown"):
        record_from_frames({"violations": violations_frame(3)}, timezone="Asia/Nowhere")


def test_a_stated_as_of_without_a_zone_is_read_in_the_reporting_zone():
    made = record_from_frames(
        {"violations": violations_frame(5)}, as_of=datetime(2027, 1, 1), timezone="Asia/Singapore"
    )
    assert made.as_of == datetime(2026, 12, 31, 16, tzinfo=UTC)


def test_naive_times_in_memory_are_read_in_the_reporting_zone():
    frame = violations_frame(1).with_columns(decided_at=pl.lit(datetime(2026, 3, 1, 8)))
    made = record_from_frames({"violations": frame}, timezone="Asia/Singapore")
    assert made.violations["decided_at"][0] == datetime(2026, 3, 1, tzinfo=UTC)


def test_a_record_shows_itself_without_letting_markup_through():
    made = record_from_frames({"violations": violations_frame(5)}, name="<script>")
    assert "&lt;script&gt;" in made._repr_html_()
    assert "violations: 5 rows" in made.summary()
