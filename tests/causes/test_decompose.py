import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gne_analytics.causes.baseline import fit_baseline
from gne_analytics.causes.cells import NEW, STANDARD, VANISHED
from gne_analytics.causes.cube import Axis, Cube
from gne_analytics.causes.decompose import Part, decompose, leave_out


def cube_of(n0, k0, n1, k1, *codes):
    size = len(n0)
    axes = tuple(
        Axis(f"d{i}", 0, np.asarray(c, dtype=np.int32), tuple(str(v) for v in range(max(c) + 1)))
        for i, c in enumerate(codes)
    )
    arrays = (np.asarray(x, dtype=float) for x in (n0, k0, n1, k1))
    return Cube(axes, *arrays, np.zeros(size, dtype=np.int64), None)


def total(result):
    return sum(result.causes.values()) + sum(m.contribution for m in result.mix) + result.residual


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_causes_mix_and_residual_add_up_to_the_shift_exactly(data):
    size = data.draw(st.integers(2, 12))
    counts = st.lists(st.integers(0, 400), min_size=size, max_size=size)
    n0, n1 = data.draw(counts), data.draw(counts)
    shares = st.lists(st.floats(0, 1), min_size=size, max_size=size)
    k0, k1 = ([int(a * b) for a, b in zip(n, data.draw(shares), strict=True)] for n in (n0, n1))
    codes = [data.draw(st.lists(st.integers(0, 3), min_size=size, max_size=size)) for _ in range(3)]
    cube = cube_of(n0, k0, n1, k1, *codes)
    if sum(n0) == 0 or sum(n1) == 0:
        return
    parts = [
        Part(f"c{i}", np.asarray(data.draw(st.lists(st.booleans(), min_size=size, max_size=size))), kind, effect)
        for i, (kind, effect) in enumerate(
            data.draw(st.lists(st.tuples(st.sampled_from([STANDARD, NEW, VANISHED]), st.floats(-0.5, 0.5)), max_size=3))
        )
    ]
    result, splits = decompose(cube, fit_baseline(cube), parts)
    assert total(result) == pytest.approx(result.delta, abs=1e-9)
    assert set(splits) <= set(result.causes)


def test_rows_are_counted_for_the_first_cause_that_holds_them():
    cube = cube_of([100, 100], [20, 20], [100, 100], [60, 20], [0, 1])
    whole, first = np.array([True, True]), np.array([True, False])
    result, _ = decompose(cube, fit_baseline(cube), [Part("a", first, STANDARD, 0.4), Part("b", whole, STANDARD, 0.0)])
    assert result.causes == {"a": pytest.approx(0.2), "b": pytest.approx(0.0)}


def test_a_new_segment_enters_with_its_weight_times_its_distance_from_the_old_rate():
    cube = cube_of([100, 0], [20, 0], [100, 100], [20, 80], [0, 1])
    result, splits = decompose(cube, fit_baseline(cube), [Part("n", np.array([False, True]), NEW, 0.6)])
    assert result.causes["n"] == pytest.approx(0.5 * (0.8 - 0.2))
    assert splits["n"].what_it_is + splits["n"].how_much == pytest.approx(result.causes["n"])
    assert total(result) == pytest.approx(result.delta, abs=1e-12)


def test_a_pure_change_of_mix_is_all_mix_and_falls_to_the_dimension_that_changed():
    cube = cube_of(
        [500, 500, 500, 500], [50, 50, 250, 250], [100, 100, 900, 900], [10, 10, 450, 450], [0, 0, 1, 1], [0, 1, 0, 1]
    )
    result, _ = decompose(cube, fit_baseline(cube), [])
    assert {m.dimension: round(m.contribution, 3) for m in result.mix} == {
        "d0": pytest.approx(0.16, abs=0.005),
        "d1": 0.0,
    }
    assert abs(result.residual) < 0.005


def test_leave_out_is_the_shift_less_the_shift_without_the_rows():
    cube = cube_of([100, 100], [20, 20], [100, 100], [60, 20], [0, 1])
    assert leave_out(cube, np.array([True, False])) == pytest.approx(0.2)
    assert np.isnan(leave_out(cube, np.array([True, True])))
