"""What a reader needs of a figure: ticks that differ, points where they are meant, names that do not overlap."""

import re
from datetime import date, timedelta

import polars as pl
import pytest

from gne_analytics import figures
from gne_analytics.evidence.types import Decomposition, Period
from gne_analytics.figures.causes import inside_series, siblings
from gne_analytics.figures.theme import ORANGE, points_axis, share_ticks
from gne_analytics.figures.wording import window
from gne_analytics.testing import results

SHIFT = results.a_shift()


@pytest.mark.parametrize(("low", "high"), [(0.42, 0.46), (0.0, 0.9), (0.421, 0.4235), (0.0, 0.005)])
def test_no_two_ticks_of_an_axis_of_shares_read_alike(low, high):
    decimals = int(re.search(r"\.(\d)%", share_ticks(low, high))[1])
    step = (high - low) / 5
    told = [f"{100 * (low + i * step):.{decimals}f}" for i in range(6)]
    assert len(set(told)) == len(told)


@pytest.mark.parametrize(("low", "high"), [(-0.02, 0.5), (-0.004, 0.003), (0.0, 0.07)])
def test_an_axis_of_differences_is_in_points_with_signs_and_few_ticks(low, high):
    axis = points_axis(low, high)
    assert 2 <= len(axis["ticktext"]) <= 7
    assert len(set(axis["ticktext"])) == len(axis["ticktext"])
    assert not any("%" in text for text in axis["ticktext"])
    assert all(low <= at <= high for at in axis["tickvals"])


def test_a_narrow_waterfall_has_ticks_with_a_decimal():
    close = SHIFT.model_copy(
        update={
            "before": SHIFT.before.model_copy(update={"k": 420, "n": 1_000}),
            "after": SHIFT.after.model_copy(update={"k": 440, "n": 1_000}),
        }
    )
    part = Decomposition(delta=0.02, causes={"c": 0.018}, mix=(), residual=0.002)
    assert figures.waterfall(close, part, names={"c": "x"}).layout.xaxis.tickformat == ".1%"


def test_the_effects_of_two_segments_are_differences_and_say_between_which():
    from gne_analytics.evidence.segment import Segment

    between = SHIFT.model_copy(update={"baseline": Segment.of(market="TH"), "focus": Segment.of(market="ID")})
    causes = results.some_causes()
    assert "difference between TH and ID" in figures.causes_ranked(causes, shift=between).layout.xaxis.title.text
    assert figures.causes_ranked(causes).layout.xaxis.title.text == "change inside the segment, points"


def test_the_legend_of_siblings_explains_each_colour_that_is_drawn():
    frame = pl.DataFrame(
        {
            "value": ["a", "a", "b", "b", "c", "c"], "window": ["baseline", "focus"] * 3,
            "k": [10, 40, 10, 12, 1, 2], "n": [100, 100, 100, 100, 5, 5], "lo": [0.0] * 6, "hi": [1.0] * 6,
            "in_cause": [True, True, False, False, False, False],
        }
    )  # fmt: skip
    named = {t.name: t.marker.color for t in siblings(frame, title="t", subtitle="s").data if t.showlegend}
    drawn = {t.marker.color for t in siblings(frame, title="t", subtitle="s").data if t.mode == "markers"}
    assert set(named) == {"before", "after: the cause", "after: a sibling", "after: fewer than 30 rows"}
    assert drawn == set(named.values())


def weeks(n=26, first=date(2026, 1, 5)):
    days = [first + timedelta(weeks=i) for i in range(n)]
    return pl.DataFrame(
        {"week": days, "k": [30] * n, "n": [100] * n, "lo": [0.2] * n, "hi": [0.4] * n, "matured": [True] * n}
    )


def test_the_names_of_changes_have_rows_of_their_own_and_lie_inside_the_picture():
    days = [date(2026, 1, 6), date(2026, 1, 8), date(2026, 3, 1), date(2026, 6, 20), date(2026, 6, 21)]
    matched = [(day, f"change {i}") for i, day in enumerate(days)]
    named = [
        a
        for a in figures.shift_series(weeks(), SHIFT, matched=matched).layout.annotations
        if a.text.startswith("change")
    ]
    assert len({a.yshift for a in named}) == len(days)
    assert [a.xanchor for a in named] == ["left", "left", "left", "right", "right"]


def test_a_new_segments_own_series_is_called_share_of_all_rows_in_its_legend():
    cause = results.some_causes()[0].model_copy(update={"kind": "new_segment", "onset": None, "onset_interval": None})
    drawn = inside_series(weeks(), SHIFT, cause)
    assert "share of all rows" in [t.name for t in drawn.data]
    assert "rate" not in [t.name for t in drawn.data]


def test_a_hover_of_yearly_steps_says_the_year():
    yearly = weeks(3).with_columns(week=pl.Series([date(y, 1, 1) for y in (2013, 2014, 2015)]))
    told = " ".join(t.hovertemplate or "" for t in figures.shift_series(yearly, SHIFT).data)
    assert "%{x|%Y}" in told
    assert "%d %b %Y" not in told
    assert not any(s.line.color == ORANGE for s in figures.shift_series(yearly, SHIFT).layout.shapes)


@pytest.mark.parametrize(
    ("label", "start", "end", "says"),
    [
        ("", date(2026, 1, 5), date(2026, 4, 6), "5 January–5 April 2026"),
        ("2026-01-05..2026-04-06", date(2026, 1, 5), date(2026, 4, 6), "5 January–5 April 2026"),
        ("2013", date(2013, 1, 1), date(2014, 1, 1), "2013"),
        ("", date(2013, 1, 1), date(2016, 1, 1), "2013–2015"),
        ("2026-10", date(2026, 10, 1), date(2026, 11, 1), "October 2026"),
        ("2026-W40", date(2026, 9, 28), date(2026, 10, 5), "2026-W40"),
        ("2026-10-09", date(2026, 10, 9), date(2026, 10, 10), "9 October 2026"),
    ],
)
def test_a_window_is_written_the_same_whether_it_was_named_or_found(label, start, end, says):
    assert window(Period(start=start, end=end, label=label)) == says
