"""Tables as they come: rows without a seller, halves without a past, rates over one, many and deep dimensions."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from gne_analytics.causes import explain
from gne_analytics.causes.cube import build_cube
from gne_analytics.causes.decompose import Part, decompose
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import CauseKind
from gne_analytics.metrics import Observations, make_shift, parse_window
from gne_analytics.tables.derived import fold_of

BEFORE, AFTER = parse_window("2026-01-05..2026-02-16"), parse_window("2026-02-16..2026-03-30")


def days(side, rng):
    offset = rng.integers(0, 42, len(side)) + 42 * np.asarray(side)
    return [date(2026, 1, 5) + timedelta(days=int(d)) for d in offset]


def table(rng, side, k, **columns):
    return pl.DataFrame({"k": k.astype(int), "event_date": days(side, rng), **columns})


def told(frame, dims, unit="seller", baseline=BEFORE, focus=AFTER, paths=frozenset()):
    observed = Observations.from_frame(frame, dims=dims, unit=unit, paths=paths)
    return explain(observed, make_shift(observed, baseline, focus), store=EvidenceStore())


def test_rows_without_a_seller_are_no_single_actor():
    rng = np.random.default_rng(0)
    n = 6000
    side, market = rng.integers(0, 2, n), rng.choice(["ID", "TH", "VN"], n)
    k = rng.random(n) < 0.2 + 0.3 * ((market == "ID") & (side == 1))
    seller = [None if m == "ID" else f"s{i}" for m, i in zip(market, rng.integers(0, 200, n), strict=True)]
    cause = told(table(rng, side, k, market=market, seller=seller), ("market",)).causes[0]
    assert (str(cause.segment), cause.kind, cause.status) == ("market=ID", CauseKind.RATE_SHIFT, "confirmed")
    assert cause.before.units == cause.before.n
    assert cause.effect.interval.lo <= 0.3 <= cause.effect.interval.hi


def test_a_half_of_the_sellers_without_a_past_does_not_silence_the_rest():
    rng = np.random.default_rng(0)
    n = 4000
    even = [f"s{i}" for i in range(60) if fold_of(f"s{i}") % 2 == 0]
    newcomer = next(f"s{i}" for i in range(60) if fold_of(f"s{i}") % 2)
    side, market = rng.integers(0, 2, n), rng.choice(["ID", "TH", "VN"], n)
    k = rng.random(n) < 0.2 + 0.4 * ((market == "ID") & (side == 1))
    seller = [rng.choice(even) if s == 0 or rng.random() < 0.7 else newcomer for s in side]
    cause = told(table(rng, side, k, market=market, seller=seller), ("market",)).causes[0]
    assert (str(cause.segment), cause.status) == ("market=ID", "candidate")


def test_a_segment_whose_rate_lies_over_one_is_said_and_not_ranked():
    frame = pl.DataFrame(
        {
            "k": [300, 100, 100, 500, 100, 100],
            "n": [1000, 1000, 1000, 200, 1000, 1000],
            "event_year": [2019] * 3 + [2020] * 3,
            "market": ["A", "B", "C"] * 2,
        }
    )
    found = told(frame, ("market",), None, parse_window("2019"), parse_window("2020"))
    assert found.causes == ()
    assert any("over one" in note for note in found.notes)


def test_a_mix_that_changed_and_a_rate_that_moved_in_one_segment_have_ids_of_their_own():
    rng = np.random.default_rng(3)
    n = 20_000
    side = rng.integers(0, 2, n)
    market = np.where(rng.random(n) < np.where(side == 1, 0.6, 0.2), "TH", "ID")
    k = rng.random(n) < np.where(market == "TH", 0.6, 0.1) + 0.12 * ((market == "TH") & (side == 1))
    seller = [f"s{i}" for i in rng.integers(0, 2000, n)]
    found = told(
        table(rng, side, k, market=market, queue=rng.choice(["a", "b"], n), seller=seller), ("market", "queue")
    )
    assert {c.kind for c in found.causes} == {CauseKind.RATE_SHIFT, CauseKind.MIX_SHIFT}
    assert len({c.id for c in found.causes}) == len(found.causes) == 2


def test_a_table_without_dimensions_is_told_as_such():
    rng = np.random.default_rng(0)
    side = rng.integers(0, 2, 400)
    found = told(table(rng, side, rng.random(400) < 0.2 + 0.4 * side), (), None)
    assert found.notes == ("No dimension may explain.",)


@pytest.mark.parametrize("many", [41, 60])
def test_many_dimensions_of_noise_are_hardly_ever_a_cause(many):
    told_in = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        side = rng.integers(0, 2, 6000)
        noise = {f"d{i:02d}": rng.choice(["a", "b"], 6000) for i in range(many)}
        seller = [f"s{i}" for i in rng.integers(0, 1500, 6000)]
        found = told(table(rng, side, rng.random(6000) < 0.4, **noise, seller=seller), tuple(noise))
        told_in += any(c.kind is not CauseKind.MIX_SHIFT for c in found.causes)
    assert told_in <= 2


def test_a_cause_in_the_fourth_level_of_a_path_is_named():
    rng = np.random.default_rng(0)
    n = 6000
    side, category = rng.integers(0, 2, n), rng.choice(["a/b/c/d", "a/b/c/e"], n)
    k = rng.random(n) < 0.2 + 0.4 * ((category == "a/b/c/d") & (side == 1))
    seller = [f"s{i}" for i in rng.integers(0, 800, n)]
    frame = table(rng, side, k, category=category, seller=seller)
    found = told(frame, ("category",), paths=frozenset({"category"}))
    assert [str(c.segment) for c in found.causes] == ["category=a/b/c/d"]


def test_without_a_unit_the_same_input_gives_the_same_bytes():
    rng = np.random.default_rng(1)
    n = 12_000
    side, market = rng.integers(0, 2, n), rng.choice(["ID", "TH", "VN", "PH", "MY"], n)
    k = rng.random(n) < 0.2 + 0.2 * ((market == "ID") & (side == 1))
    frame = table(rng, side, k, market=market, queue=rng.choice(["a", "b", "c"], n))
    assert len({told(frame, ("market", "queue"), None).model_dump_json() for _ in range(8)}) == 1


def test_parts_that_leave_no_rows_of_one_side_all_have_a_contribution():
    frame = pl.DataFrame(
        {
            "market": ["A", "B", "B"], "side": [0, 0, 1], "fold": [0, 0, 0], "unit": ["x", "y", "z"],
            "k": [10, 20, 60], "n": [100, 100, 100],
        }
    )  # fmt: skip
    from gne_analytics.causes.baseline import fit_baseline
    from gne_analytics.causes.cells import STANDARD, VANISHED

    cube = build_cube(frame, ("market",), unit=True)
    everything = np.ones(cube.size, dtype=bool)
    parts = [Part("gone", everything, VANISHED, 0.1), Part("moved", cube.mask(Segment.of(market="B")), STANDARD, 0.4)]
    told_parts, _ = decompose(cube, fit_baseline(cube), parts)
    assert set(told_parts.causes) == {"gone", "moved"}
    assert sum(told_parts.causes.values()) + told_parts.residual == pytest.approx(told_parts.delta, abs=1e-9)


def test_a_lone_dimension_is_never_named_by_all_its_values():
    for seed in range(12):
        rng = np.random.default_rng(seed)
        side = rng.integers(0, 2, 3000)
        noise = {f"d{i}": rng.choice(["a", "b"], 3000) for i in range(5)}
        found = told(table(rng, side, rng.random(3000) < 0.3 + 0.1 * side, **noise), tuple(noise), None)
        assert all(len(v) < 2 for c in found.causes for _, v in c.segment.items())


def test_any_column_of_versions_has_its_onset_from_its_cases_of_any_version():
    rng = np.random.default_rng(0)
    n = 12_000
    side = rng.integers(0, 2, n)
    k = rng.random(n) < 0.2 + 0.3 * side
    seller = [f"s{i}" for i in rng.integers(0, 900, n)]
    frame = table(rng, side, k, detector_version=np.where(side == 1, "v7", "v6"), seller=seller)
    one, other = (
        told(frame.rename({"detector_version": name}), (name,)).causes for name in ("detector_version", "model_version")
    )
    assert [c.onset for c in one] == [c.onset for c in other]
