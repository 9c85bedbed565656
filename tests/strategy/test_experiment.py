import pytest
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import proportion_effectsize

from gne_analytics.strategy.experiment import plan_experiment, size_per_arm


@pytest.mark.parametrize(("baseline", "detectable"), [(0.3, 0.05), (0.5, 0.02), (0.1, 0.04)])
def test_the_size_agrees_with_the_arcsine_formula_of_statsmodels(baseline, detectable):
    effect = proportion_effectsize(baseline + detectable, baseline)
    want = NormalIndPower().solve_power(effect, alpha=0.05, power=0.8, alternative="two-sided")
    assert size_per_arm(baseline, detectable) == pytest.approx(want, rel=0.02)


def test_rows_of_one_seller_count_for_less_than_rows_of_many():
    alone, many = plan_experiment("cure_rate", 0.1), plan_experiment("cure_rate", 0.1, rows_per_unit=10)
    assert alone.size_per_arm / 10 < many.size_per_arm < alone.size_per_arm


def test_a_tiny_effect_is_not_chased_below_the_smallest_worth_finding():
    assert plan_experiment("cure_rate", 0.0001).detectable == 0.02
