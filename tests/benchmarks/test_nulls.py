import json
import sys

import pytest

from benchmarks import nulls
from benchmarks.nulls import SHAPES, Shape, found_in, null_record


@pytest.mark.parametrize("shape", SHAPES)
def test_a_world_of_every_shape_is_the_same_again_and_another_with_another_seed(shape):
    one, again, other = (null_record(seed, SHAPES[shape]).violations for seed in (1, 1, 2))
    assert one.equals(again)
    assert not one.equals(other)


def test_half_of_one_seller_and_empty_weeks_are_what_they_say():
    half = null_record(1, Shape(half=0.5)).violations["seller_id"].value_counts(normalize=True)["proportion"].max()
    assert half == pytest.approx(0.5, abs=0.05)
    gone = null_record(1, Shape(empty=(9, 10))).violations
    assert null_record(1).violations["event_week"].n_unique() - gone["event_week"].n_unique() == 2


def test_nothing_is_found_where_nothing_is_and_something_where_a_world_moves():
    quiet = null_record(1)
    assert found_in(quiet) == ([], 0)
    assert found_in(null_record(1, Shape(restless=0.6)))[0]


def test_the_command_counts_worlds_and_writes_exact_limits(tmp_path, monkeypatch, capsys):
    out = tmp_path / "figures.json"
    args = ["--worlds", "2", "--shaped", "0", "--quiet", "0", "--json", str(out)]
    monkeypatch.setattr(sys, "argv", ["nulls", *args])
    nulls.main()
    figures = json.loads(out.read_text(encoding="utf-8"))
    plain = figures["kinds"][0]
    assert (figures["worlds"], plain["kind"], plain["worlds"], plain["shift"]) == (2, "plain", 2, 0)
    assert plain["shift_upper95"] == pytest.approx(1 - 0.05**0.5)
    assert "plain" in capsys.readouterr().out
