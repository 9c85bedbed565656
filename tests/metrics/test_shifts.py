from datetime import date

import numpy as np
import polars as pl
import pytest

from gne_analytics.evidence.types import Period
from gne_analytics.metrics.observations import make_shift, observe
from gne_analytics.metrics.scan import scan, window_pairs
from gne_analytics.metrics.shifts import CHOSEN, e_of_p, find_shifts


def test_a_step_in_one_policy_is_found_there_at_its_week_and_only_there(stepping_record):
    found = find_shifts(stepping_record(), metrics=["overturn_rate"])
    assert [str(s.scope) for s in found] == ["policy_id=a"]
    focus = found[0].focus
    assert isinstance(focus, Period)
    assert abs((focus.start - date(2026, 4, 20)).days) <= 14
    assert found[0].delta.interval.lo > 0


def test_a_quiet_record_has_no_shift(stepping_record):
    for seed in range(5):
        assert find_shifts(stepping_record(seed, lift=0.0), metrics=["overturn_rate"]) == []


def test_an_event_of_the_whole_platform_is_said_once(stepping_record):
    found = find_shifts(stepping_record(hit=("a", "b", "c", "d")), metrics=["overturn_rate"])
    assert found[0].scope.depth == 0
    assert all(s.platform_event == found[0].id for s in found)


def test_shifts_are_the_same_for_the_same_seed(stepping_record):
    record = stepping_record()
    assert find_shifts(record, seed=3) == find_shifts(record, seed=3)


def test_scan_p_values_are_not_too_small_under_clustered_noise():
    rng = np.random.default_rng(5)
    pairs = window_pairs(24, lengths=(4, 8))
    small = 0
    for _ in range(60):
        level = rng.beta(2, 2, 150)
        unit = rng.integers(0, 150, 2500)
        time = (rng.integers(0, 24, 150)[unit] + rng.integers(0, 6, 2500)) % 24
        k = (rng.random(2500) < level[unit]).astype(float)
        slices = [np.flatnonzero(unit % 5 == i) for i in range(5)]
        found = scan(k, np.ones(2500), time, unit, 24, pairs, rng, slices)
        small += found.p < 0.05
    assert small <= 8


def test_a_series_with_too_few_rows_is_not_tested():
    few = np.ones(28)
    assert (
        scan(few * 0, few, np.arange(28) % 10, None, 10, window_pairs(10, lengths=(2, 4)), np.random.default_rng(0))
        is None
    )


@pytest.mark.parametrize("p", [1e-12, 1e-4, 0.01])
def test_the_calibrated_e_value_never_exceeds_one_over_p(p):
    assert 1 < e_of_p(p) < 1 / p


@pytest.mark.realdata
def test_find_shifts_works_on_yearly_data_without_units(realdata):
    from gne_analytics.tables.contract import Grain
    from gne_analytics.tables.record import record_from_frames

    rows = pl.read_parquet(realdata / "imr_determinations.parquet")
    at = pl.datetime("report_year", 1, 1, time_zone="UTC")
    outcome = pl.when("overturned").then(pl.lit("overturned")).otherwise(pl.lit("upheld"))
    record = record_from_frames(
        {
            "violations": rows.select(violation_id="reference_id", decided_at=at, policy_id=pl.lit("plan")),
            "appeals": rows.select(appeal_id="reference_id", violation_id="reference_id", filed_at=at, outcome=outcome),
        },
        grain={"violations": Grain.YEAR, "appeals": Grain.YEAR},
    )
    (shift,) = find_shifts(record)
    assert (shift.metric, str(shift.focus)) == ("overturn_rate", "2015-01-01..2016-01-01")


def test_a_step_in_one_market_of_one_policy_is_found_and_the_market_is_named(stepping_record):
    record = stepping_record(hit=("a",), market="TH", lift=0.45)
    found = find_shifts(record, metrics=["overturn_rate"])
    assert [str(s.scope) for s in found] == ["policy_id=a"]
    assert str(found[0].strongest) == "market=TH"
    assert any("part" in flag for flag in found[0].flags)
    assert not any(c.isdigit() for flag in found[0].flags for c in flag)


def test_a_step_of_a_whole_policy_is_strongest_in_all_of_it(stepping_record):
    (found,) = find_shifts(stepping_record(), metrics=["overturn_rate"])
    assert found.strongest.depth == 0


def test_a_slice_that_steps_is_named_by_its_place():
    rng = np.random.default_rng(1)
    n = 4000
    time, unit, part = rng.integers(0, 20, n), rng.integers(0, 400, n), rng.integers(0, 8, n)
    k = (rng.random(n) < 0.2 + 0.45 * ((part == 3) & (time >= 10))).astype(float)
    slices = [np.flatnonzero(part == i) for i in range(8)]
    pairs = window_pairs(20, lengths=(4, 8))
    found = scan(k, np.ones(n), time, unit, 20, pairs, rng, slices)
    assert found.slice == 3
    assert found.p < 1e-6


def test_a_found_shift_says_that_its_windows_flatter_it_and_a_named_one_does_not(stepping_record):
    record = stepping_record(hit=("a", "b", "c", "d"))
    found = find_shifts(record, metrics=["overturn_rate"])
    assert found
    assert all(s.flags.count(CHOSEN) == 1 for s in found)
    named = make_shift(observe(record, "overturn_rate"), found[0].baseline, found[0].focus)
    assert CHOSEN not in named.flags
