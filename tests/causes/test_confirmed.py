"""What a claim must pass to be confirmed, and what is kept beside the claims before it: each gate closed by itself."""

import sys
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from gne_analytics.causes import explain_all
from gne_analytics.causes.baseline import fit_baseline
from gne_analytics.causes.cells import NEW, STANDARD
from gne_analytics.causes.cube import Axis, Cube
from gne_analytics.causes.disjoint import disjoint
from gne_analytics.causes.noise import DEFAULT_NOISE, period_noise
from gne_analytics.causes.search import Found
from gne_analytics.causes.verify import Claim, cross_fit, held_out
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.metrics import Observations, make_shift, parse_window

WINDOWS = parse_window("2026-08-03..2026-09-14"), parse_window("2026-09-14..2026-10-26")
PLANTED = Segment.of(market="ID", category="beauty")


@pytest.fixture
def status(world, monkeypatch):
    """Explain a planted world several times at once; the claims of each are given an e-value and whatever else."""
    observed = world(0, planted=PLANTED)
    asked = observed, make_shift(observed, *WINDOWS)

    def run(*given: dict[str, object]) -> list[str]:
        left = iter(given)

        def altered(cube, **more):
            fitted, change = cross_fit(cube, **more), next(left)
            for claim in fitted.claims:
                for name, value in change.items():
                    setattr(claim, name, value)
            return fitted

        monkeypatch.setattr(sys.modules["gne_analytics.causes.explain"], "cross_fit", altered)
        return [e.causes[0].status for e in explain_all([asked] * len(given), store=EvidenceStore())]

    return run


def test_a_claim_that_would_pass_alone_must_pass_beside_the_claims_of_every_other_shift(status):
    assert status({"e": 60.0}) == ["confirmed"]
    assert status({"e": 60.0}, {"e": 1.0}) == ["candidate", "candidate"]


@pytest.mark.parametrize("lacking", [{"related": {1}}, {"thin": True}, {"actor": True}], ids=lambda x: next(iter(x)))
def test_no_e_value_confirms_what_one_fold_found_or_too_few_units_or_one_actor_carries(status, lacking):
    assert status({"e": 1e9, "related": {0, 1}}) == ["confirmed"]
    assert status({"e": 1e9, "related": {0, 1}, **lacking}) == ["candidate"]


def leaves(moves, *, rows=400, units=200):
    """A cube with one axis and a leaf of each unit at each value, moved by so much, drawn without chance."""
    size = len(moves)
    unit, code = np.repeat(np.arange(units), size), np.tile(np.arange(size), units).astype(np.int32)
    n = np.full(unit.size, rows / units)
    axis = Axis("market", 0, code, tuple(f"m{i}" for i in range(size)))
    return Cube((axis,), n, 0.3 * n, n, (0.3 + np.asarray(moves)[code]) * n, unit % 2, unit)


def found(effect, *values, kind=STANDARD):
    return Found(Segment.of(market=[f"m{v}" for v in values]), kind, effect, 9.0, 50.0)


def kept(cube, *claims):
    own = [Claim(one, e=10.0 - i) for i, one in enumerate(claims)]
    return [k.claim.found for k in disjoint(cube, fit_baseline(cube), own, 0.0)]


def test_a_claim_mostly_covered_by_one_before_it_is_dropped_though_it_still_moves():
    cube = leaves([0.5, 0.1, 0.1, 0.0])
    wide, first, others = found(0.23, 0, 1, 2), found(0.5, 0), found(0.1, 1, 2)
    assert kept(cube, wide, first) == [wide]
    assert kept(cube, first, others) == [first, others]


def test_a_claim_that_two_before_it_cover_together_is_dropped():
    cube = leaves([0.2, 0.2, 0.6, 0.0, 0.0])
    one, other, wide = found(0.2, 0), found(0.2, 1), found(0.33, 0, 1, 2)
    assert kept(cube, one, other, wide) == [one, other]
    assert kept(cube, one, wide) == [one, wide]


def test_a_claim_that_no_longer_stands_out_beside_those_before_it_is_dropped():
    cube = leaves([0.4, 0.02, 0.0, 0.0])
    plain, faint = found(0.4, 0), found(0.02, 1)
    assert kept(cube, plain, faint) == [plain]
    assert kept(cube, faint) == [faint]


def test_what_was_accepted_before_is_taken_out_of_a_held_out_estimate():
    cube = leaves([0.2, 0.2, 0.0, 0.0])
    model, one, earlier = fit_baseline(cube), found(0.2, 0), found(0.2, 0, 1)
    whole, *_ = held_out(cube, model, one)
    beyond, *_ = held_out(cube, model, one, [(earlier, cube.mask(earlier.segment))])
    assert whole.value == pytest.approx(0.2, abs=0.01)
    assert beyond.value == pytest.approx(0.0, abs=0.01)


def test_the_rows_of_a_new_segment_accepted_before_are_no_rows_of_a_later_claim():
    cube = leaves([0.2, 0.0, 0.0])
    one, earlier = found(0.1, 0, 1), found(0.2, 0, kind=NEW)
    beyond, *_ = held_out(cube, fit_baseline(cube), one, [(earlier, cube.mask(earlier.segment))])
    assert beyond.value == pytest.approx(0.0, abs=0.01)


def restless(rho, *, weeks=30, values=12, n=200, seed=0):
    """Weeks by values, each cell's rate drawn from a beta whose variance is rho p (1 - p)."""
    rng = np.random.default_rng(seed)
    size = weeks * values
    a, b = (np.array([0.3, 0.7]) * (1 / rho - 1)) if rho else (1.0, 1.0)
    rate = rng.beta(a, b, size) if rho else np.full(size, 0.3)
    frame = pl.DataFrame(
        {
            "k": rng.binomial(n, rate), "n": np.full(size, n),
            "event_date": [date(2026, 1, 5) + timedelta(weeks=i // values) for i in range(size)],
            "market": [f"m{i % values}" for i in range(size)],
        }
    )  # fmt: skip
    return Observations.from_frame(frame, dims=("market",))


def noise_of(observed, focus="2026-07-06..2026-08-03"):
    shift = make_shift(observed, parse_window("2026-01-05..2026-02-02"), parse_window(focus))
    return period_noise(observed, ("market",), shift)


@pytest.mark.parametrize("rho", [0.015, 0.03])
def test_noise_between_periods_is_that_of_the_record_before_the_focus(rho):
    assert np.mean([noise_of(restless(rho, seed=s)) for s in range(4)]) == pytest.approx(rho, rel=0.3)


def test_noise_is_little_where_cells_are_steady_and_assumed_where_the_record_is_short():
    assert noise_of(restless(0.0)) < DEFAULT_NOISE / 2
    short = restless(0.03)
    short = replace(short, frame=short.frame.filter(pl.col("event_date").is_in([date(2026, 1, 5), date(2026, 7, 6)])))
    assert noise_of(short) == DEFAULT_NOISE
