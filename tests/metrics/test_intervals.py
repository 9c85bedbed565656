import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from gne_analytics.metrics.intervals import design_effect, rate, rate_difference, t_quantile, t_two_sided, wilson


@pytest.mark.parametrize(("k", "n"), [(0, 10), (1, 30), (50, 100), (412, 1000), (30, 30)])
def test_wilson_agrees_with_statsmodels(k, n):
    lo, hi = proportion_confint(k, n, method="wilson")
    ours = wilson(k, n)
    assert (ours.lo, ours.hi) == pytest.approx((lo, hi), abs=1e-12)


def test_no_rows_leave_the_whole_interval():
    assert (wilson(0, 0).lo, wilson(0, 0).hi) == (0.0, 1.0)
    assert np.isnan(rate(np.array([]), np.array([])).value)


def test_repeating_every_row_of_a_unit_does_not_narrow_the_interval():
    rng = np.random.default_rng(1)
    k, unit = rng.integers(0, 2, 200).astype(float), np.arange(200)
    once = rate(k, np.ones(200), unit).interval
    tenfold = rate(np.repeat(k, 10), np.ones(2000), np.repeat(unit, 10)).interval
    assert tenfold.hi - tenfold.lo == pytest.approx(once.hi - once.lo, rel=0.02)


def test_the_design_effect_of_independent_rows_is_about_one():
    rng = np.random.default_rng(2)
    assert design_effect(rng.integers(0, 2, 5000).astype(float), np.ones(5000), np.arange(5000)) < 1.05


def test_a_unit_in_both_windows_cancels_its_own_level():
    rng = np.random.default_rng(3)
    level = rng.random(100) * 0.8 + 0.1
    unit = np.repeat(np.arange(100), 40)
    k = (rng.random(4000) < level[unit]).astype(float)
    early = np.tile(np.arange(40) < 20, 100)
    paired = rate_difference(k * early, 1.0 * early, k * ~early, 1.0 * ~early, unit)
    split = rate_difference(k * early, 1.0 * early, k * ~early, 1.0 * ~early, unit * 2 + early)
    assert paired.se < 0.5 * split.se


def test_the_difference_of_rates_covers_zero_in_ninety_five_of_a_hundred_clustered_null_worlds():
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(300):
        level, size = rng.beta(2, 3, 120), rng.poisson(4, 120) + 1
        unit = np.repeat(np.arange(120), size)
        focus = rng.random(120)[unit] < 0.5
        k = (rng.random(unit.size) < level[unit]).astype(float)
        interval = rate_difference(k * ~focus, 1.0 * ~focus, k * focus, 1.0 * focus, unit).estimate(1, "").interval
        covered += interval.lo <= 0 <= interval.hi
    assert 270 <= covered <= 297


def test_an_empty_side_gives_no_difference():
    none = np.zeros(5)
    assert np.isinf(rate_difference(none, none, np.ones(5), np.ones(5), None).se)


def test_students_t_agrees_with_tables():
    assert t_quantile(10) == pytest.approx(2.2281, abs=1e-4)
    assert t_two_sided(2.2281, 10) == pytest.approx(0.05, abs=1e-4)
