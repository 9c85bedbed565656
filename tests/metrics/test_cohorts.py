import numpy as np
import polars as pl
import pytest

from gne_analytics.metrics.cohorts import delay_curve, mature_age


def test_the_delay_curve_is_not_fooled_by_recent_rows_that_show_short_delays_only():
    rng = np.random.default_rng(0)
    delay, seen_for = rng.exponential(10, 20_000), rng.uniform(0, 60, 20_000)
    shown = delay <= seen_for
    naive = np.quantile(delay[shown], 0.95)
    ours = delay_curve(delay[shown], seen_for[shown]).age_at(0.95)
    truth = 10 * np.log(20)
    assert abs(ours - truth) < 3
    assert truth - naive > 3


def test_no_events_leave_everything_mature():
    assert delay_curve(np.array([]), np.array([])).age_at() == 0.0


def test_a_small_market_is_drawn_to_the_pooled_curve():
    rng = np.random.default_rng(1)
    rows = pl.DataFrame(
        {
            "delay": np.concatenate([rng.exponential(5, 2000), rng.exponential(40, 20)]),
            "seen_for": np.full(2020, 400.0),
            "market": ["ID"] * 2000 + ["SG"] * 20,
        }
    )
    age = rows.with_columns(mature_age(rows, "market")).group_by("market").agg(pl.col("mature_age").first())
    ages = dict(age.iter_rows())
    assert ages["ID"] == pytest.approx(15, abs=3)
    assert ages["ID"] < ages["SG"] < 40
