from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from gne_analytics.metrics.observations import Observations
from gne_analytics.metrics.season import Season, season_behind
from gne_analytics.metrics.series import SEASONAL
from gne_analytics.metrics.shifts import shifts_in

MONDAY = date(2024, 1, 1)


def weekly(rate, seed=0, per_week=120, sellers=700):
    """Observations whose rate in each week is given; sellers differ a little, a policy is named."""
    rng = np.random.default_rng(seed)
    week = np.repeat(np.arange(len(rate)), per_week)
    seller = rng.integers(0, sellers, week.size)
    p = np.clip(np.asarray(rate)[week] + 0.1 * (rng.random(sellers)[seller] - 0.5), 0, 1)
    return Observations.from_frame(
        pl.DataFrame(
            {
                "k": (rng.random(week.size) < p).astype(int),
                "event_date": [MONDAY + timedelta(weeks=int(w)) for w in week],
                "unit": [f"s{s}" for s in seller],
                "fold": rng.integers(0, 64, sellers)[seller],
                "market": np.array(["ID", "TH", "VN"])[seller % 3],
            }
        ),
        dims=("market",), metric="overturn_rate", unit="seller_id",
    )  # fmt: skip


def yearly(weeks, swing=0.2):
    week = np.arange(weeks)
    return 0.3 + swing * np.exp(-((((week - 45) % 52 + 26) % 52 - 26) ** 2) / 12.0)


def test_a_peak_that_comes_every_year_is_no_shift():
    assert all(shifts_in([weekly(yearly(120), seed)]) == [] for seed in range(4))


def test_the_same_peak_is_a_shift_where_no_year_before_shows_it():
    rate = yearly(120)
    rate[:80] = 0.3
    (found,) = shifts_in([weekly(rate)])
    assert found.delta.value > 0.05


def test_a_step_inside_a_yearly_season_is_found_at_its_week():
    rate = yearly(120)
    rate[75:] += 0.2
    (found,) = shifts_in([weekly(rate)])
    assert abs((found.focus.start - (MONDAY + timedelta(weeks=75))).days) <= 14


def test_a_step_that_falls_on_the_yearly_peak_is_found_at_its_week():
    rate = yearly(120)
    rate[95:] += 0.25
    (found,) = shifts_in([weekly(rate)])
    assert abs((found.focus.start - (MONDAY + timedelta(weeks=95))).days) <= 21


def test_a_peak_higher_than_the_years_before_is_found_and_says_what_it_was_held_against():
    rate = yearly(120)
    rate[93:102] += 0.15
    (found,) = shifts_in([weekly(rate)])
    assert SEASONAL in found.flags


@pytest.mark.parametrize("every", [5, 7])
def test_a_sale_every_few_weeks_is_no_shift(every):
    week = np.arange(44)
    rate = 0.3 + 0.2 * (week % every < 2)
    assert all(shifts_in([weekly(rate, seed)]) == [] for seed in range(3))


def test_a_step_in_a_series_of_sales_is_found():
    week = np.arange(44)
    (found,) = shifts_in([weekly(0.25 + 0.2 * (week % 7 < 2) + 0.3 * (week >= 25))])
    assert abs((found.focus.start - (MONDAY + timedelta(weeks=25))).days) <= 14


def test_a_peak_in_the_first_week_of_every_month_is_no_shift():
    first = [(MONDAY + timedelta(weeks=w, days=6)).day <= 7 for w in range(52)]
    assert all(shifts_in([weekly(0.3 + 0.2 * np.array(first), seed)]) == [] for seed in range(3))


def test_months_are_held_against_the_same_months_of_the_year_before():
    rng = np.random.default_rng(3)
    month = np.repeat(np.arange(36), 400)
    rate = np.where(month % 12 >= 10, 0.5, 0.3)
    frame = pl.DataFrame(
        {
            "k": (rng.random(month.size) < rate).astype(int),
            "event_date": [date(2022 + m // 12, m % 12 + 1, 1) for m in month],
            "event_month": [date(2022 + m // 12, m % 12 + 1, 1) for m in month],
            "event_week": pl.Series([None] * month.size, dtype=pl.Date),
            "unit": [f"s{s}" for s in rng.integers(0, 900, month.size)],
        }
    )
    observed = Observations.from_frame(frame, dims=(), metric="overturn_rate", unit="seller_id")
    assert observed.grain == "month"
    assert shifts_in([observed]) == []
    late = frame.with_columns(k=pl.when(pl.col("event_date") >= date(2024, 6, 1)).then(pl.col("k") | 1).otherwise("k"))
    assert len(shifts_in([Observations.from_frame(late, dims=(), metric="overturn_rate", unit="seller_id")])) == 1


def test_a_season_is_read_before_the_onset_and_only_else_after_it():
    season = Season(period=10, cycles=1)
    assert season.held(8, 14, 16, 40).offsets == (-10,)
    assert season.held(0, 4, 6, 40).offsets == (10, 20, 30)
    assert season.held(0, 4, 6, 12) is None


def test_a_step_that_stays_is_no_season_of_its_own():
    k, n = np.where(np.arange(110) < 20, 30.0, 60.0), np.full(110, 100.0)
    assert season_behind((k, n), [(k, n)], (0, 20, 33), "day", 1.0, rising=True) is None


def test_a_step_between_windows_of_two_cycles_each_is_not_a_shorter_seasons():
    peaks = np.where(np.arange(40) % 7 < 2, 60.0, 30.0)
    moved, n = peaks + np.where(np.arange(40) >= 21, 20.0, 0.0), np.full(40, 100.0)
    assert season_behind((moved, n), [(peaks, n)], (18, 21, 25), "day", 1.0, rising=True) == Season(7, 2)
    assert season_behind((moved, n), [(peaks, n)], (0, 21, 37), "day", 1.0, rising=True) is None


def of_two_years(last, this):
    """Hits and rows of a hundred and twenty weeks: two peaks a year apart, so much above the rest."""
    week = np.arange(120)
    rate = 0.3 + last * ((week >= 44) & (week < 48)) + this * ((week >= 96) & (week < 100))
    return 100.0 * rate, np.full(120, 100.0)


def test_a_peak_that_the_year_before_cannot_tell_from_its_own_is_asked_for_a_season():
    counts = of_two_years(0.05, 0.15)
    found = season_behind(counts, [counts], (0, 96, 100), "day", 4.0, rising=True)
    assert found is not None
    assert found.period in (52, 53)


def test_a_peak_far_above_that_of_the_year_before_is_no_season():
    counts = of_two_years(0.05, 0.3)
    assert season_behind(counts, [counts], (0, 96, 100), "day", 1.0, rising=True) is None


def test_a_season_that_only_all_policies_show_is_held_against_what_moved():
    moved, all_policies = of_two_years(-0.02, 0.15), of_two_years(0.06, 0.06)
    assert season_behind(moved, [moved], (0, 96, 100), "day", 4.0, rising=True) is None
    assert season_behind(moved, [moved, all_policies], (0, 96, 100), "day", 4.0, rising=True) is not None


def test_a_window_shorter_than_a_plain_cycle_is_held_against_it_though_it_moved_by_more():
    week = np.arange(36)
    rate = 0.4 + 0.14 * (week % 7 < 2) - 0.16 * ((week >= 16) & (week < 20))
    counts = 200.0 * rate, np.full(36, 200.0)
    found = season_behind(counts, [counts], (0, 16, 20), "day", 2.0, rising=False)
    assert found is not None
    assert found.period == 7


def test_windows_of_more_than_a_cycle_are_not_held_against_weeks_that_tell_nothing_of_them():
    k, n = np.where(np.arange(120) < 60, 30.0, 36.0), np.full(120, 100.0)
    assert season_behind((k, n), [(k, n)], (0, 60, 120), "day", 1.0, rising=True) is None


def test_a_baseline_is_not_cut_to_the_first_weeks_of_a_cycle_where_the_next_cycle_has_all_of_it():
    held = Season(period=52, cycles=1).held(42, 55, 120, 120)
    assert (held.a, held.b, held.c, held.offsets) == (42, 55, 68, (52,))
