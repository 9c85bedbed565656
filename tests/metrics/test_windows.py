from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gne_analytics.errors import DataError
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Period
from gne_analytics.metrics.segments import check_values, parse_segment
from gne_analytics.metrics.windows import parse_window, segment_mask, window_mask


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2013", date(2013, 1, 1), date(2014, 1, 1)),
        ("2026-12", date(2026, 12, 1), date(2027, 1, 1)),
        ("2026-W01", date(2025, 12, 29), date(2026, 1, 5)),
        ("2026-10-09", date(2026, 10, 9), date(2026, 10, 10)),
        ("2026-10-01..2026-11-01", date(2026, 10, 1), date(2026, 11, 1)),
        ("2024..2026", date(2024, 1, 1), date(2026, 1, 1)),
    ],
)
def test_a_period_is_half_open_and_knows_years_months_iso_weeks_and_days(text, start, end):
    window = parse_window(text)
    assert isinstance(window, Period)
    assert (window.start, window.end, str(window)) == (start, end, text)


def test_a_segment_window_holds_sets_and_several_dimensions():
    assert parse_window("market=TH & category=beauty") == Segment.of(market="TH", category="beauty")
    assert parse_window("market in {TH, ID}") == parse_window("market=ID,TH")
    assert parse_segment("market='TH' AND tier=new") == Segment.of(market="TH", tier="new")


@pytest.mark.parametrize("text", ["soon", "2026-13", "2026-W60", "", "2026-11-01..2026-10-01"])
def test_a_window_that_is_none_is_a_data_error_that_quotes_it(text):
    with pytest.raises(DataError, match="Window"):
        parse_window(text)


def test_a_part_without_a_value_is_named():
    with pytest.raises(DataError, match="'beauty'"):
        parse_segment("market=TH & beauty")


HELD = {
    "policy": ["Suicide & Self-Harm", "Spam"],
    "field": ["Imaging, Screening and Testing", "Imaging", "a=b & c"],
    "market": ["TH", "ID"],
}


def held(dimension):
    return HELD.get(dimension, ())


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('policy="Suicide & Self-Harm"', {"policy": "Suicide & Self-Harm"}),
        ("policy='Suicide & Self-Harm' & market=TH", {"policy": "Suicide & Self-Harm", "market": "TH"}),
        ('policy in {"Suicide & Self-Harm", Spam}', {"policy": ["Suicide & Self-Harm", "Spam"]}),
        ('policy="A AND B"', {"policy": "A AND B"}),
        ('policy="A, B",C AND market=TH', {"policy": ["A, B", "C"], "market": "TH"}),
        ("policy=Seller's goods & market=Buyer's", {"policy": "Seller's goods", "market": "Buyer's"}),
        ('policy="half', {"policy": '"half'}),
    ],
)
def test_a_quoted_value_may_hold_what_parts_values(text, values):
    assert parse_segment(text) == Segment.of(values)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("policy=Suicide & Self-Harm", {"policy": "Suicide & Self-Harm"}),
        ("policy=Suicide & Self-Harm & market=TH", {"policy": "Suicide & Self-Harm", "market": "TH"}),
        ("market=TH & field=Imaging, Screening and Testing", {"field": HELD["field"][0], "market": "TH"}),
        ("field=Imaging, Screening and Testing,Imaging", {"field": HELD["field"][:2]}),
        ("field in {Imaging, Screening and Testing}", {"field": HELD["field"][0]}),
        ("field=a=b & c", {"field": "a=b & c"}),
        ("market=TH, ID", {"market": ["TH", "ID"]}),
    ],
)
def test_a_value_that_its_dimension_holds_needs_no_quotes(text, values):
    assert parse_segment(text, held) == Segment.of(values)
    assert parse_window(text, held) == Segment.of(values)


def test_a_value_that_no_row_has_is_named_with_the_nearest_whatever_its_case():
    with pytest.raises(DataError, match=r"No row has market=th \(did you mean 'TH'\?\)"):
        check_values(Segment.of(market="th"), held)
    check_values(Segment.of(market=["TH", "(missing)"]), held)
    check_values(Segment.of(category="beauty"), lambda _: ["beauty/sun"], frozenset({"category"}))
    with pytest.raises(DataError, match="category=beauty"):
        check_values(Segment.of(category="beauty"), lambda _: ["beauty/sun"])


def test_a_path_value_holds_all_below_it_and_not_its_namesakes():
    frame = pl.DataFrame({"category": ["beauty", "beauty/sun", "beautyful", None]})
    mask = frame.select(segment_mask(Segment.of(category="beauty"), frozenset({"category"}))).to_series()
    assert mask.to_list() == [True, True, False, False]


def test_a_null_is_the_missing_value_and_the_mask_is_never_null():
    frame = pl.DataFrame({"market": ["ID", None]})
    assert frame.select(segment_mask(Segment.of(market="(missing)"))).to_series().to_list() == [False, True]
    assert frame.select(~segment_mask(Segment.of(market="ID"))).to_series().to_list() == [False, True]


def test_a_window_over_an_unknown_dimension_names_the_nearest():
    frame = pl.DataFrame({"market": ["ID"], "event_date": [date(2026, 1, 1)]})
    with pytest.raises(DataError, match=r"names dimension 'markt', which the rows do not have \(did you mean 'market'"):
        window_mask(Segment.of(markt="ID"), frame)


@pytest.mark.parametrize(
    "segment",
    [
        Segment.of(policy_id="Suicide & Self-Harm"),
        Segment.of(kind=["Imaging, Screening", "Therapy"], market="ID"),
        Segment.of(shop="O'Brien"),
        Segment.of(shop='say "x", y', market="ID"),
        Segment.of(rule="a AND b"),
    ],
)
def test_a_segment_is_read_back_as_it_is_written_whatever_its_values_hold(segment):
    assert parse_segment(str(segment)) == segment


@given(st.lists(st.text("ab ,&{}='", min_size=1, max_size=6).filter(lambda v: v == v.strip()), min_size=1, max_size=3))
def test_any_values_without_double_quotes_survive_being_written(values):
    segment = Segment.of(market=values, policy_id="x")
    assert parse_segment(str(segment)) == segment


def test_quotes_round_a_plain_value_are_no_part_of_it():
    assert parse_segment("market='TH' & policy_id in {\"a, b\", c}") == Segment.of(market="TH", policy_id=["a, b", "c"])


def test_a_window_over_an_unknown_dimension_is_offered_no_column_of_our_own():
    frame = pl.DataFrame({c: [None] for c in ("market", "event_date", "fold", "id", "k", "n", "unit", "matured")})
    with pytest.raises(DataError, match=r"\(known: market\)"):
        frame.select(window_mask(Segment.of(zzzzzz="a"), frame))
