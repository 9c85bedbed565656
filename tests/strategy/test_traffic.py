from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from scipy.stats import f_oneway

from gne_analytics.strategy.traffic import ASSUMED, LARGEST, correlation, effective_rows, traffic_of, weeks_needed

END = date(2026, 3, 2)


def rows(seed=0, sellers=300, weeks=10, *, rho=0.2, base=0.3, a_week=1.0):
    r = np.random.default_rng(seed)
    own = r.beta(base * (1 - rho) / rho, (1 - base) * (1 - rho) / rho, sellers)
    n = r.poisson(a_week, (sellers, weeks))
    unit, week = np.nonzero(n)
    count = n[unit, week]
    return pl.DataFrame(
        {"unit": [f"s{u}" for u in unit], "event_date": [END - timedelta(days=7 * (weeks - int(w)) - 3) for w in week],
         "k": r.binomial(count, own[unit]).astype(float), "n": count.astype(float), "squares": count.astype(float)}
    )  # fmt: skip


def test_the_correlation_is_that_of_the_analysis_of_variance():
    r = np.random.default_rng(3)
    n = r.integers(1, 9, 80)
    k = r.binomial(n, r.beta(2, 4, 80))
    ratio = f_oneway(*[np.r_[np.ones(hits), np.zeros(rows - hits)] for hits, rows in zip(k, n, strict=True)]).statistic
    size = (n.sum() - (n**2).sum() / n.sum()) / 79
    want = (ratio - 1) / (ratio + size - 1)
    assert correlation(k.astype(float), n.astype(float)) == pytest.approx(want)


def test_a_giant_does_not_decide_the_correlation():
    r = np.random.default_rng(4)
    n = r.integers(2, 6, 200).astype(float)
    k = r.binomial(n.astype(int), 0.2).astype(float)
    giant = correlation(np.append(k, 9_000.0), np.append(n, 10_000.0))
    capped = correlation(np.append(k, 0.9 * LARGEST), np.append(n, float(LARGEST)))
    assert giant == capped


def test_a_record_of_single_rows_does_not_tell_and_the_correlation_is_assumed():
    frame = rows(sellers=60, weeks=1, a_week=0.1)
    found = traffic_of(frame, END)
    assert not found.measured
    assert found.correlation == ASSUMED


def test_a_planted_correlation_is_found():
    assert traffic_of(rows(1, 800, rho=0.3), END).correlation == pytest.approx(0.3, abs=0.05)


def test_rows_of_one_seller_are_worth_less_than_rows_of_many():
    assert effective_rows(np.array([0.0, 1.0, 10.0, 1e6]), 0.1).tolist() == pytest.approx(
        [0, 1, 10 / 1.9, 10], rel=1e-3
    )


def test_spans_grow_backwards_from_the_end_and_hold_whole_weeks():
    found = traffic_of(rows(), END)
    assert len(found.sellers) == 9  # whole weeks between the first row, three days into a week, and the end
    assert list(found.sellers) == sorted(found.sellers)
    assert list(found.caps) == sorted(found.caps)
    assert found.rows[0] == rows().filter(pl.col("event_date") >= END - timedelta(days=7))["n"].sum()
    assert found.design_effect(9) > found.design_effect(1) > 1


def test_rows_without_hits_give_traffic_and_no_rate():
    found = traffic_of(rows().with_columns(k=pl.lit(None, pl.Float64)), END)
    assert (found.hits, found.baseline, found.measured) == (False, 0.5, False)


def test_no_rows_are_no_traffic():
    assert traffic_of(rows().filter(pl.col("n") > 99), END) is None
    assert traffic_of(rows(), date(2020, 1, 1)) is None


def test_a_smaller_difference_takes_longer_and_one_too_small_has_no_answer():
    found = traffic_of(rows(2, 3_000), END)
    asked = {d: weeks_needed(found, d, share=0.5, baseline=found.baseline, level=0.05) for d in (0.2, 0.07, 0.001)}
    assert asked[0.2] < asked[0.07]
    assert asked[0.001] is None
    assert weeks_needed(found, 0.2, share=0.02, baseline=found.baseline, level=0.05) > asked[0.2]
