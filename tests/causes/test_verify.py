from dataclasses import replace

import numpy as np
import pytest

from gne_analytics.causes import verify
from gne_analytics.causes.baseline import fit_baseline
from gne_analytics.causes.cells import NEW, STANDARD
from gne_analytics.causes.cube import Axis, Cube
from gne_analytics.causes.search import Found
from gne_analytics.causes.verify import dominant_units, e_bh, e_value, effective_units, held_out
from gne_analytics.evidence.segment import Segment
from gne_analytics.metrics.intervals import Difference


def test_e_bh_keeps_the_largest_set_whose_smallest_member_is_large_enough():
    assert e_bh([200, 60, 1], 0.02) == [True, False, False]
    assert e_bh([200, 160, 1], 0.02) == [True, True, False]
    assert e_bh([], 0.02) == []


def test_an_e_value_is_at_most_one_on_average_when_nothing_moved():
    rng = np.random.default_rng(0)
    z = rng.standard_t(30, 20_000)
    assert np.mean([min(e_value(Difference(x, 1.0, 30.0), 3.0), 1e4) for x in z]) < 1.1


def test_an_estimate_without_an_error_is_no_evidence():
    assert e_value(Difference(0.4, float("inf"), 1.0), 0.4) == 0.0


def test_effective_units_are_few_when_one_holds_the_bulk():
    assert effective_units(np.ones(40), np.arange(40)) == pytest.approx(40)
    assert effective_units(np.array([960.0, *[1.0] * 40]), np.arange(41)) < 1.2


def cell(rows_per_unit, focus_rate, seed=0, units=60):
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(units), 2)
    side = np.tile([0, 1], units)
    n = np.full(2 * units, float(rows_per_unit))
    p = np.where(side == 1, focus_rate, 0.3)
    k = rng.binomial(n.astype(int), p).astype(float)
    axis = Axis("market", 0, np.zeros(2 * units, dtype=np.int32), ("ID",))
    return Cube(
        (axis,), n * (side == 0), k * (side == 0), n * (side == 1), k * (side == 1), np.zeros(2 * units, int), unit
    )


def test_a_held_out_effect_covers_the_truth():
    covered = 0
    for seed in range(100):
        cube = cell(8, 0.5, seed)
        found = Found(Segment.of(market="ID"), STANDARD, 0.2, 5.0, 20.0)
        estimate, thin, actor = held_out(cube, fit_baseline(cube), found)
        interval = estimate.estimate(1, "").interval
        covered += interval.lo <= 0.2 <= interval.hi
        assert not thin
        assert not actor
    assert covered >= 88


def test_fewer_than_ten_effective_units_on_a_side_cannot_verify():
    cube = cell(50, 0.6, units=8)
    _, thin, _ = held_out(cube, fit_baseline(cube), Found(Segment.of(market="ID"), STANDARD, 0.3, 5.0, 20.0))
    assert thin


def test_a_unit_with_more_than_a_fifth_of_a_cell_is_set_apart():
    cube = cell(8, 0.3)
    big = cube.n1.copy()
    big[1] = 400.0
    heavy = Cube(cube.axes, cube.n0, cube.k0, big, np.minimum(cube.k1 + (big > 8) * 390, big), cube.half, cube.unit)
    assert set(heavy.unit[dominant_units(heavy)]) == {0}
    found = Found(Segment.of(market="ID"), STANDARD, 0.4, 6.0, 25.0)
    estimate, _, actor = held_out(heavy, fit_baseline(heavy), found)
    assert actor
    assert estimate.value > 0.2


def test_a_new_segment_is_held_against_the_old_rate():
    cube = cell(8, 0.7)
    fresh = Cube(cube.axes, cube.n0 * 0, cube.k0 * 0, cube.n1, cube.k1, cube.half, cube.unit)
    estimate, thin, _ = held_out(fresh, fit_baseline(cube), Found(Segment({}), NEW, 0.4, 6.0, 25.0))
    assert estimate.value == pytest.approx(0.4, abs=0.08)
    assert not thin


def test_two_finds_of_one_fold_that_are_one_claim_give_one_estimate_that_of_the_first(monkeypatch):
    whole = cell(8, 0.5)
    cube = replace(whole, half=whole.unit % 2)
    first, again = (Found(Segment.of(market="ID"), STANDARD, effect, 5.0, score)
                    for effect, score in ((0.2, 20.0), (0.1, 30.0)))  # fmt: skip
    monkeypatch.setattr(verify, "pursue", lambda *_, **__: [first, again])
    (claim,) = verify.cross_fit(cube).claims
    monkeypatch.setattr(verify, "pursue", lambda *_, **__: [first])
    (alone,) = verify.cross_fit(cube).claims
    assert (claim.found, claim.effects, claim.evalues) == (first, alone.effects, alone.evalues)
    assert set(claim.evalues) == {0, 1}
    assert len(claim.effects) == 2
