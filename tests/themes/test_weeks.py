"""Themes over weeks: whole weeks, one seller one vote, empty weeks shown, intervals by Wilson."""

from datetime import UTC, date, datetime

import polars as pl
import pytest
from statsmodels.stats.proportion import proportion_confint

from gne_analytics.errors import DataError
from gne_analytics.evidence.types import Theme
from gne_analytics.themes.weeks import ThemeWeeks, weekly

MONDAY = date(2026, 3, 2)
THEMES = tuple(Theme(id=f"T{i}", view="signals", label=f"label {i}", terms=(), size=1, folded=1) for i in (1, 2))
Row = tuple[str, str | None, date | None, str | None, str | None]


def weeks_of(rows: list[Row]) -> ThemeWeeks:
    frame = pl.DataFrame(
        rows,
        schema={"id": pl.String, "unit": pl.String, "event_date": pl.Date, "theme_id": pl.String,
                "folded_into": pl.String}, orient="row",
    )  # fmt: skip
    return weekly("signals", THEMES, frame.select("id", "theme_id", "folded_into"), frame)


def shares(found: ThemeWeeks, week: date) -> dict[str, float | None]:
    return dict(found.weeks.filter(pl.col("week") == week).select("theme_id", "share").iter_rows())


def test_a_seller_who_writes_much_has_one_vote() -> None:
    rows: list[Row] = [(f"a{i}", "loud", MONDAY, "T1", None) for i in range(9)]
    found = weeks_of([*rows, ("b", "quiet", MONDAY, "T2", None)])
    assert shares(found, MONDAY) == {"T1": 0.5, "T2": 0.5}


def test_a_seller_named_as_anothers_text_has_a_vote_of_its_own() -> None:
    found = weeks_of([("7", None, MONDAY, "T1", None), ("8", "7", MONDAY, "T2", None)])
    assert found.weeks["n"].to_list() == [2, 2]


def test_a_sellers_vote_is_parted_among_what_was_said() -> None:
    found = weeks_of(
        [("a", "S1", MONDAY, "T1", None), ("b", "S1", MONDAY, "T2", None), ("c", "S2", MONDAY, "T2", None)]
    )
    assert shares(found, MONDAY) == {"T1": 0.25, "T2": 0.75}


def test_a_seller_has_a_whole_vote_in_every_week() -> None:
    later = date(2026, 3, 9)
    found = weeks_of([("a", "S1", MONDAY, "T1", None), ("b", "S1", later, "T2", None)])
    assert shares(found, MONDAY) == {"T1": 1.0, "T2": 0.0}
    assert shares(found, later) == {"T1": 0.0, "T2": 1.0}


def test_the_summary_names_the_last_weeks_largest_theme_first() -> None:
    told = weeks_of([(f"{i}", f"S{i}", MONDAY, "T2" if i < 7 else "T1", None) for i in range(9)]).summary()
    assert told.index("T2  77.8%") < told.index("T1  22.2%")


def test_copies_of_one_seller_count_once_in_a_week_and_again_in_another() -> None:
    later = date(2026, 3, 11)
    found = weeks_of([("a", "S1", MONDAY, "T1", None), ("b", "S1", MONDAY, "T1", "a"), ("c", "S1", later, "T1", "a")])
    texts = found.weeks.filter(pl.col("theme_id") == "T1").sort("week")["texts"].to_list()
    assert texts == [1, 1]


def test_an_empty_week_has_rows_without_a_share() -> None:
    found = weeks_of([("a", "S1", MONDAY, "T1", None), ("b", "S2", date(2026, 3, 18), "T1", None)])
    assert found.empty == (date(2026, 3, 9),)
    assert shares(found, date(2026, 3, 9)) == {"T1": None, "T2": None}
    assert "1 of them empty" in found.summary()


def test_a_week_runs_from_monday_to_sunday() -> None:
    found = weeks_of([("a", "S1", MONDAY, "T1", None), ("b", "S2", date(2026, 3, 8), "T2", None)])
    assert found.weeks["week"].unique().to_list() == [MONDAY]


def test_intervals_are_wilsons() -> None:
    found = weeks_of([(f"{i}", f"S{i}", MONDAY, "T1" if i < 7 else "T2", None) for i in range(40)])
    row = found.weeks.filter(pl.col("theme_id") == "T1").row(0, named=True)
    assert (row["lo"], row["hi"]) == pytest.approx(proportion_confint(7, 40, method="wilson"))


def test_texts_without_a_day_or_theme_are_in_no_week_and_the_first_are_counted() -> None:
    found = weeks_of([("a", "S1", None, "T1", None), ("b", "S2", MONDAY, None, None), ("c", "S3", MONDAY, "T1", None)])
    assert found.undated == 1
    assert found.weeks["n"].max() == 1


def test_nothing_dated_is_a_result_of_no_weeks() -> None:
    found = weeks_of([("a", "S1", None, "T1", None)])
    assert found.weeks.is_empty()
    assert "0 weeks" in found.summary()


def test_instants_serve_as_days_and_words_do_not() -> None:
    assigned = pl.DataFrame({"id": ["a"], "theme_id": ["T1"], "folded_into": [None]}).cast(pl.String)
    at = pl.DataFrame({"id": ["a"], "event_date": [datetime(2026, 3, 4, 9, tzinfo=UTC)]})
    assert weekly("signals", THEMES, assigned, at).weeks["week"][0] == MONDAY
    with pytest.raises(DataError, match="not a date"):
        weekly("signals", THEMES, assigned, at.with_columns(event_date=pl.lit("last week")))
    with pytest.raises(DataError, match="event_date"):
        weekly("signals", THEMES, assigned, at.drop("event_date"))


def test_copies_of_one_text_that_stand_apart_count_once_where_the_first_stands() -> None:
    texts = pl.DataFrame({"id": ["3", "1", "2"], "unit": "s", "event_date": date(2026, 1, 6)})
    columns = {"id": ["3", "1", "2"], "theme_id": ["x-02", "x-01", "x-02"], "folded_into": ["1", None, "1"]}
    weeks = weekly("x", (), pl.DataFrame(columns), texts).weeks
    assert weeks.filter(pl.col("k") > 0).select("theme_id", "texts", "k").rows() == [("x-01", 1, 1.0)]
