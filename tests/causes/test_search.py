"""Cells, their evidence and their names, on cubes drawn cell by cell."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gne_analytics.causes.baseline import fit_baseline
from gne_analytics.causes.cells import E0, E1, K0, K1, N0, N1, STANDARD, measure, measure_one
from gne_analytics.causes.cube import Axis, Cube
from gne_analytics.causes.lattice import Lattice
from gne_analytics.causes.search import pursue
from gne_analytics.causes.view import NEARLY_ALL, View
from gne_analytics.evidence.segment import Segment

SIZES = {"market": 5, "category": 6, "tier": 3, "queue": 4}


def drawn(rate_of, seed=0, rows=60_000, units=900, base=0.2, levels=0.0):
    """A cube of single rows: `rate_of` gets the codes by dimension and returns what is added to the focus rate."""
    rng = np.random.default_rng(seed)
    codes = {d: rng.integers(0, size, rows) for d, size in SIZES.items()}
    unit, side = rng.integers(0, units, rows), rng.integers(0, 2, rows)
    level = rng.normal(0, levels, units)[unit] if levels else 0.0
    p = np.clip(base + 0.05 * (codes["market"] == 0) + level + side * rate_of(codes), 0.01, 0.99)
    k = (rng.random(rows) < p).astype(float)
    one = np.ones(rows)
    axes = tuple(
        Axis(d, 0, codes[d].astype(np.int16), tuple(f"{d[0]}{i}" for i in range(size))) for d, size in SIZES.items()
    )
    return Cube(axes, one * (side == 0), k * (side == 0), one * (side == 1), k * (side == 1), unit % 2, unit)


def found_in(cube):
    model = fit_baseline(cube)
    return pursue(View(cube, model.own, model.rate).over(Lattice(cube, model.own), (0, 1)))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_one_cell_is_measured_as_all_cells_are(data):
    counts = st.floats(0, 5_000)
    n0, n1 = data.draw(counts), data.draw(counts)
    shares = [data.draw(st.floats(0, 1)) for _ in range(4)]
    sums = np.zeros(6)
    sums[[N0, N1]] = n0, n1
    sums[[K0, E0]] = n0 * shares[0], n0 * max(shares[1], 1e-4)
    sums[[K1, E1]] = n1 * shares[2], n1 * max(shares[3], 1e-4)
    how = {"totals": (9_000.0, 7_000.0), "rate": 0.3, "min_rows": 12.0, "versioned": data.draw(st.booleans())}
    many = measure(sums[None], **{**how, "versioned": np.array([how["versioned"]])})
    effect, binomial, pq, evidence, kind = measure_one(tuple(sums.tolist()), **how)
    assert kind == int(many.kind[0])
    assert np.isfinite(binomial) == np.isfinite(many.binomial[0])
    if np.isfinite(binomial):
        assert (effect, binomial, pq) == pytest.approx((many.effect[0], many.binomial[0], many.pq[0]))
        assert evidence == pytest.approx(float(many.evidence[0]), abs=1e-6, rel=1e-9)


def test_evidence_is_the_likelihood_ratio_of_two_binomials():
    from scipy.stats import binom

    n0, k0, n1, k1 = 400, 80, 300, 90
    p = (k0 + k1 + 0.5) / (n0 + n1 + 0.5 / 0.25) * 1.0
    sums = np.array([[n0, k0, n0 * 0.25, n1, k1, n1 * 0.25]], dtype=float)
    evidence = measure(sums, totals=(n0, n1), rate=0.25, versioned=False, min_rows=1).evidence[0]
    free = binom.logpmf(k0, n0, k0 / n0) + binom.logpmf(k1, n1, k1 / n1)
    tied = binom.logpmf(k0, n0, p) + binom.logpmf(k1, n1, p)
    assert evidence == pytest.approx(2 * (free - tied), rel=0.01)


def test_the_sums_of_a_lattice_are_those_of_its_cells_rows():
    cube = drawn(lambda c: 0.0 * c["market"], rows=8_000)
    model = fit_baseline(cube)
    lattice = Lattice(cube, model.own)
    view = View(cube, model.own, model.rate).over(lattice, (0, 1))
    for cell in range(0, lattice.first.shape[0], 17):
        rows = view.rows(view._conditions(cell))
        assert view.sums[cell] == pytest.approx(view.table[rows].sum(axis=0))


def test_taking_a_cause_out_of_all_cells_is_counting_them_anew_without_it():
    cube = drawn(lambda c: 0.2 * ((c["market"] == 1) & (c["tier"] == 0)), rows=8_000)
    model = fit_baseline(cube)
    lattice = Lattice(cube, model.own)
    for kind in (STANDARD, 1):
        view = View(cube, model.own, model.rate).over(lattice, (0, 1))
        view.take_out(view.rows(((0, 1), (2, 0))), 0.2, kind)
        for cell in range(0, lattice.first.shape[0], 11):
            assert view.sums[cell] == pytest.approx(view.table[view.rows(view._conditions(cell))].sum(axis=0), abs=1e-6)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_segment_of_four_conditions_is_named_whole(seed):
    def rate(c):
        inside = (c["market"] == 2) & (c["category"] == 3) & (c["tier"] == 1) & (c["queue"] == 2)
        return 0.5 * inside

    (one,) = found_in(drawn(rate, seed, rows=80_000))
    assert one.segment == Segment.of(market="m2", category="c3", tier="t1", queue="q2")


def test_rows_beside_a_condition_that_moved_too_widen_the_name():
    found = found_in(drawn(lambda c: np.where(c["tier"] == 1, 0.3, 0.18) * (c["market"] == 2)))
    assert found[0].segment == Segment.of(market="m2")


def test_two_values_that_moved_by_different_amounts_are_two_causes():
    found = found_in(drawn(lambda c: 0.35 * (c["category"] == 1) + 0.08 * (c["category"] == 4)))
    assert {str(f.segment) for f in found} == {"category=c1", "category=c4"}


def test_a_value_that_moved_with_something_wider_joins_no_set():
    def rate(c):
        return 0.25 * ((c["market"] == 1) & (c["queue"] == 0)) + 0.25 * (c["queue"] == 2)

    assert {f.segment for f in found_in(drawn(rate))} == {Segment.of(market="m1", queue="q0"), Segment.of(queue="q2")}


def common(rows=40_000):
    """A cube whose rows nearly all lie in one market, which moves."""
    cube = drawn(lambda c: 0.2 * (c["market"] > 0), rows=rows)
    market = cube.axes[0].codes
    wide = Axis("market", 0, (market > 0).astype(np.int16), ("rare", "common"))
    kept = np.flatnonzero((market > 0) | (np.arange(cube.size) % 10 == 0))
    return replace(cube, axes=(wide, *cube.axes[1:])).take(kept)


def share(cube, segment):
    weight = cube.n0 + cube.n1
    return weight[cube.mask(segment)].sum() / weight.sum()


def test_no_cell_of_nearly_all_rows_is_offered_and_its_move_is_told_of_everything():
    cube = common()
    model = fit_baseline(cube)
    cells = View(cube, model.own, model.rate).over(Lattice(cube, model.own), (0, 1)).best()
    names = [Segment.of({cube.axes[i].dimension: cube.axes[i].values[c] for i, c in x.conditions}) for x in cells]
    assert names
    assert max(share(cube, name) for name in names) <= NEARLY_ALL
    found = found_in(cube)
    assert Segment({}) in [f.segment for f in found]
    assert Segment.of(market="common") not in [f.segment for f in found]


def few_values(seed, units=900):
    """A cube of single rows, few dimensions of few values; all is lifted, by value more or less, or not at all."""
    rng = np.random.default_rng(seed)
    rows, dims = int(rng.choice([2_000, 6_000, 12_000])), int(rng.integers(1, 5))
    unit, side, one = rng.integers(0, units, rows), rng.integers(0, 2, rows), np.ones(rows)
    sizes = rng.integers(2, 5, dims)
    codes = [rng.choice(s, rows, p=rng.dirichlet(np.full(s, 3.0))).astype(np.int16) for s in sizes]
    lift = float(rng.choice([0, 0.05, 0.1, 0.2])) * rng.uniform(0.5, 1.5, sizes[0])[codes[0]]
    if rng.random() < 0.5:
        lift = lift + 0.2 * ((codes[0] == 0) & (codes[-1] == 1))
    k = (rng.random(rows) < np.clip(0.3 + lift * side, 0, 1)).astype(float)
    axes = tuple(Axis(f"d{i}", 0, c, tuple("abcd"[:s])) for i, (c, s) in enumerate(zip(codes, sizes, strict=True)))
    alone = rng.random() < 0.5
    sides = one * (side == 0), k * (side == 0), one * (side == 1), k * (side == 1)
    return Cube(axes, *sides, unit % 2, None if alone else unit)


@pytest.mark.parametrize("seed", [33, 83, 135, 216, 509])
def test_values_that_together_have_nearly_all_rows_are_no_segment(seed):
    cube = few_values(seed)
    found = found_in(cube)
    assert found
    assert [f.segment for f in found if f.segment.depth and share(cube, f.segment) > NEARLY_ALL] == []


def test_the_levels_of_units_are_no_noise_once_their_past_is_known():
    cube = drawn(lambda c: 0.0 * c["market"], levels=0.15, units=60)
    model = fit_baseline(cube)
    assert View(cube, model.p, model.rate).phi > 3 * View(cube, model.own, model.rate).phi


def test_four_quadrants_that_move_against_each_other_are_told_apart_and_not_as_everything():
    rng = np.random.default_rng(0)
    rows = 12_000
    unit, side, one = rng.integers(0, 2_000, rows), rng.integers(0, 2, rows), np.ones(rows)
    codes = [rng.integers(0, 2, rows).astype(np.int16) for _ in range(8)]
    k = (rng.random(rows) < 0.4 + side * np.where(codes[0] == codes[1], 0.25, -0.25)).astype(float)
    axes = tuple(Axis(f"d{i}", 0, c, ("a", "b")) for i, c in enumerate(codes))
    cube = Cube(axes, one * (side == 0), k * (side == 0), one * (side == 1), k * (side == 1), unit % 2, unit)
    assert {f.segment for f in found_in(cube)} == {Segment.of(d0=x, d1=y) for x in "ab" for y in "ab"}
