from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import proportion_effectsize

from gne_analytics.evidence.segment import Segment
from gne_analytics.strategy.canary import RULE
from gne_analytics.strategy.experiment import plan_experiment, plan_from_record, size_per_arm
from gne_analytics.tables import record_from_frames
from gne_analytics.testing.frames import violations_frame


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


def record_of(sellers=400, weeks=12, corrected=0.3):
    frame = violations_frame(sellers * 8, sellers=sellers, weeks=weeks, seed=3)
    back = pl.Series(np.random.default_rng(1).random(frame.height) < corrected)
    return record_from_frames(
        {"violations": frame.with_columns(
            correction_allowed=pl.lit(True),
            corrected_at=pl.when(back).then(pl.col("decided_at") + timedelta(hours=9)),
        )}
    )  # fmt: skip


def test_a_plan_from_a_record_takes_rate_correlation_and_weeks_from_its_rows():
    plan = plan_from_record("cure_rate", 0.3, record_of(), Segment.of(policy_id="counterfeit"))
    assert plan.baseline == pytest.approx(0.3, abs=0.05)
    assert plan.correlation_measured
    assert plan.correlation < 0.1  # drawn without any
    assert 1 <= plan.weeks <= 12
    assert plan.assignment == RULE


def test_a_metric_that_the_record_does_not_hold_is_planned_for_its_traffic():
    plan = plan_from_record("reviewer_disagreement", 0.3, record_of(), Segment.of(policy_id="counterfeit"))
    assert (plan.baseline, plan.correlation, plan.correlation_measured) == (None, 0.1, False)
    assert plan.weeks is not None
    assert plan.design_effect > 1


def test_too_little_traffic_names_no_weeks():
    assert plan_from_record("cure_rate", 0.04, record_of(40), Segment.of(policy_id="counterfeit")).weeks is None


def test_a_record_without_sellers_is_planned_by_case():
    frame = violations_frame(200).drop("seller_id")
    plan = plan_from_record("cure_rate", 0.3, record_from_frames({"violations": frame}), Segment({}))
    assert (plan.unit, plan.weeks) == ("case_id", None)


def test_the_stop_rules_point_to_the_monitor_and_hold_no_free_digit():
    stop = plan_experiment("cure_rate", 0.1).stop
    assert sum("monitor" in line for line in stop) == 3
    assert not any(c.isdigit() for line in stop for c in line)
