import json
import math
import sys

import numpy as np
import pytest

from benchmarks import calibration
from benchmarks.calibration import EffectLine, NullLine, coverage, false_causes, is_false, null_tasks
from benchmarks.cheap import DECOYS, ONSET, PATHS, RESTLESS, Asked, draft, null_world, planted_world
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Cause, CauseKind, Mechanism
from gne_analytics.metrics import segment_mask


def told(kind=CauseKind.RATE_SHIFT, *, status="confirmed", mechanism=Mechanism.UNKNOWN, **where):
    return Cause.model_construct(kind=kind, status=status, mechanism=mechanism, segment=Segment.of(where))


def world(**more):
    return Asked("noise", "planned", None, None, **more)


def effect(*, lo=0.1, hi=0.3, truth=0.2, told="confirmed", plain=9.0):
    return EffectLine(1, "market=TH", told, plain, "alike", truth, truth, truth, (lo + hi) / 2, lo, hi)


def test_only_a_confirmed_rate_shift_is_false_where_nothing_moved():
    assert is_false(world(), told(market="TH"))
    assert not is_false(world(), told(market="TH", status="candidate"))
    assert not is_false(world(), told(CauseKind.NEW_SEGMENT, market="TH"))
    assert is_false(world(), told(CauseKind.NEW_SEGMENT, market="TH", mechanism=Mechanism.THRESHOLD))
    assert not is_false(world(), told(CauseKind.ONE_ACTOR, market="TH", mechanism=Mechanism.SELLER_ABUSE))


def test_a_decoy_with_a_kind_of_its_own_is_false_as_any_other_kind():
    batch = world(own_kinds=frozenset({CauseKind.BATCH_CORRECTION}))
    assert not is_false(batch, told(CauseKind.BATCH_CORRECTION, market="TH"))
    assert is_false(batch, told(CauseKind.NEW_SEGMENT, market="TH"))


def test_of_a_platform_event_the_whole_may_be_confirmed_and_no_part():
    event = world(everything=True)
    assert not is_false(event, told(CauseKind.PLATFORM_EVENT))
    assert is_false(event, told(market="TH"))


def test_restless_cells_stand_apart_from_the_rate():
    lines = [NullLine("noise", "planned", 1, (), 0, 0), NullLine(RESTLESS, "planned", 1, ("x",), 1, 0)]
    found = false_causes(lines)
    assert (found["worlds"], found["false"]) == (1, 0)
    assert found["by_kind"][RESTLESS]["rate"] == 1.0


def test_coverage_counts_effects_from_held_out_units_only():
    found = coverage([effect(), effect(truth=0.35), effect(told="in sample", truth=9), effect(told="", truth=9)])
    assert (found["planted"], found["effects"], found["coverage"]) == (4, 2, 0.5)
    assert found["missed_too_large"] == 0.0
    assert found["told"]["in sample"] == found["told"]["no cause"] == 1


def test_coverage_passes_where_its_monte_carlo_interval_meets_the_band():
    assert coverage([effect()] * 950 + [effect(truth=1)] * 50)["passes"]
    assert not coverage([effect()] * 900 + [effect(truth=1)] * 100)["passes"]
    assert not coverage([effect()] * 1000)["passes"]


def test_an_estimate_further_out_than_the_truth_is_too_large_on_either_side_of_zero():
    found = coverage([effect(truth=0.05), effect(lo=-0.3, hi=-0.1, truth=-0.05)])
    assert found["missed_too_large"] == 1.0
    assert found["lean"] == pytest.approx(0.15)


@pytest.mark.parametrize("seed", [2, 5, 8])
def test_planted_segments_are_disjoint_and_nothing_moves_outside_them_or_before(seed):
    made = planted_world(seed)
    frame = made.observations.frame
    inside = np.column_stack([frame.select(segment_mask(p.segment, PATHS)).to_numpy()[:, 0] for p in made.planted])
    late = (made.observations.sides(made.shift.baseline, made.shift.focus) == 1).to_numpy()
    moved = made.with_ != made.without
    assert inside.shape[1] >= 2
    assert inside.sum(axis=1).max() == 1
    assert not moved[~late | ~inside.any(axis=1)].any()
    assert all(moved[late & column].any() for column in inside.T)


def test_hits_follow_the_chances_that_are_kept_as_truth():
    made = [planted_world(seed) for seed in (2, 3, 5)]
    k = np.concatenate([m.observations.frame["k"].to_numpy() for m in made])
    with_, without = np.concatenate([m.with_ for m in made]), np.concatenate([m.without for m in made])
    for up in (True, False):
        inside = (with_ > without) if up else (with_ < without)
        error = math.sqrt((with_ * (1 - with_))[inside].sum())
        assert abs((k - with_)[inside].sum()) < 4 * error
        assert abs((k - without)[inside].sum()) > 4 * error


@pytest.mark.parametrize("kind", ["noise", "mix: a value", "mix: in a joint", "mix: sellers", "new segment"])
def test_a_mix_moves_rows_and_no_chance(kind):
    d = draft(np.random.default_rng(1), rows=6_000)
    DECOYS[kind].make(d)
    assert not d.extra.any()
    assert not d.points.any()
    known = {}
    for key, p in zip(zip(d.seller, *d.codes.values(), strict=True), d.chances(), strict=True):
        assert known.setdefault(key, p) == p


def test_a_peak_comes_back_before_the_focus():
    d = draft(np.random.default_rng(1), rows=6_000)
    DECOYS["season: everywhere"].make(d)
    weeks = {int(w) for w in np.unique(d.day[d.extra != 0] // 7)}
    assert {ONSET, ONSET + 1, ONSET - 7, ONSET - 6} <= weeks
    assert ONSET - 1 not in weeks


def test_a_world_is_the_same_again_and_another_with_another_seed():
    one, again, other = (null_world("campaign", seed, chosen=False).observations.frame for seed in (1, 1, 2))
    assert one.equals(again)
    assert not one.equals(other)


def test_chosen_windows_are_the_strongest_pair_even_where_nothing_is_beyond_chance():
    asked = null_world("noise", 1, chosen=True)
    assert asked.shift.metric == "proactive_rate"
    assert "strongest difference" in " ".join(asked.shift.flags)


def test_every_kind_is_searched_with_both_sorts_of_windows():
    tasks = null_tasks(2 * len(DECOYS))
    assert {(kind, chosen) for kind, _, chosen in tasks} == {(k, c) for k in DECOYS for c in (False, True)}
    assert len(set(null_tasks(200))) == 200


def test_the_command_prints_its_tables_and_writes_the_same_figures(tmp_path, monkeypatch, capsys):
    out = tmp_path / "figures.json"
    args = ["--worlds", "3", "--effects", "5", "--mechanism-seeds", "0", "--workers", "1", "--json", str(out)]
    monkeypatch.setattr(sys, "argv", ["calibration", *args])
    calibration.main()
    figures = json.loads(out.read_text(encoding="utf-8"))
    assert {"false_cause_rate", "false_cause_upper95", "interval_coverage", "coverage_passes", "mechanism_accuracy",
            "worlds"} <= figures.keys()  # fmt: skip
    assert figures["worlds"] == 3
    assert f"planted effects {figures['intervals']['planted']}" in capsys.readouterr().out
