"""Which texts make which view."""

import polars as pl
import pytest

from gne_analytics.errors import DataError
from gne_analytics.tables.record import record_from_frames
from gne_analytics.testing.frames import appeals_frame, violations_frame
from gne_analytics.themes import texts_of
from gne_analytics.themes.views import FACTS, about_texts


def test_seller_text_comes_with_seller_language_and_outcome() -> None:
    violations = violations_frame()
    appeals = appeals_frame(violations).with_columns(reason_text=pl.lit("not fake"))
    texts = texts_of(record_from_frames({"violations": violations, "appeals": appeals}), "appeals")
    assert texts.columns == ["id", "text", "unit", "language", "overturned", "violation_id", "event_date"]
    assert set(texts["id"]) == set(appeals["appeal_id"])
    assert texts["unit"].null_count() == 0
    truth = appeals.select("appeal_id", won=pl.col("outcome").is_in(["overturned", "partially_overturned"]))
    joined = texts.join(truth, left_on="id", right_on="appeal_id").drop_nulls("overturned")
    assert joined["overturned"].equals(joined["won"])


def test_pending_appeals_have_no_outcome() -> None:
    violations = violations_frame()
    appeals = appeals_frame(violations).with_columns(reason_text=pl.lit("not fake"), outcome=pl.lit("pending"))
    texts = texts_of(record_from_frames({"violations": violations, "appeals": appeals}), "seller_text")
    assert texts["overturned"].null_count() == texts.height


def test_a_violation_ended_as_its_highest_decided_level_did_whenever_that_was_filed() -> None:
    violations = violations_frame(n=1).with_columns(facts=pl.lit("a blade"))
    first = appeals_frame(violations, appealed=1).with_columns(outcome=pl.lit("upheld"), level=pl.lit("1"))
    second = first.with_columns(
        appeal_id=pl.lit("A2"),
        outcome=pl.lit("overturned"),
        level=pl.lit("2"),
        filed_at=first["filed_at"].dt.offset_by("-1h"),
    )
    third = first.with_columns(appeal_id=pl.lit("A3"), outcome=pl.lit("pending"), level=pl.lit("out_of_court"))
    record = record_from_frames({"violations": violations, "appeals": pl.concat([first, second, third])})
    assert texts_of(record, "facts")["overturned"].to_list() == [True]


def test_a_record_without_the_text_names_the_columns_that_would_hold_it() -> None:
    record = record_from_frames({"violations": violations_frame()})
    with pytest.raises(DataError, match=r"violations\.facts or violations\.content_text"):
        texts_of(record, "facts")


def test_an_unknown_view_is_answered_with_the_nearest() -> None:
    record = record_from_frames({"violations": violations_frame()})
    with pytest.raises(DataError, match="did you mean 'appeals'"):
        texts_of(record, "appeal")


def test_what_the_record_knows_stands_beside_each_text() -> None:
    violations = violations_frame()
    appeals = appeals_frame(violations).with_columns(reason_text=pl.lit("not fake"))
    held = record_from_frames({"violations": violations, "appeals": appeals})
    about = about_texts(held, "appeals")
    assert about["id"].to_list() == texts_of(held, "appeals")["id"].to_list()
    assert about.columns[: len(FACTS)] == list(FACTS)
    assert {"market", "policy_id"} <= set(about.columns)
    assert about["appealed"].null_count() == about.height
    known = dict(held.violations.select("seller_id", "fold").iter_rows())
    assert all(fold == known[unit] for unit, fold in about.select("unit", "fold").iter_rows())


def test_violations_know_whether_they_were_appealed_once_their_time_is_over() -> None:
    violations = violations_frame(weeks=30).with_columns(facts=pl.lit("a blade in a picture"))
    held = record_from_frames({"violations": violations, "appeals": appeals_frame(violations)})
    about = about_texts(held, "facts")
    appealed = about.filter("appealed")["violation_id"]
    assert 0 < about["appealed"].null_count() < about.height
    assert set(appealed) <= set(held.appeals["violation_id"])
    assert about.filter(~pl.col("appealed")).height > 0
