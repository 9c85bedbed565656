import json
import sys
from types import SimpleNamespace

import pytest

from benchmarks import worlds
from benchmarks.worlds import _named_right, judge
from gne_analytics.evidence.types import Cause, CauseKind, Mechanism


def test_an_incident_that_is_found_is_told_beside_the_truth():
    line = judge("incident:detector_error:large", 2, 8_000)
    assert line.found
    assert not line.silent
    assert line.told == "all [rate_shift, detector_error]"
    assert not line.segment  # the whole policy is not the segment that was planted
    assert line.truth.endswith("[detector_error]")


@pytest.mark.parametrize(
    ("kind", "mechanism", "planted", "right"),
    [
        (CauseKind.RATE_SHIFT, Mechanism.THRESHOLD, "threshold", True),
        (CauseKind.RATE_SHIFT, Mechanism.UNKNOWN, "threshold", False),
        (CauseKind.SEASONALITY, Mechanism.UNKNOWN, "seasonality", True),
        (CauseKind.RATE_SHIFT, Mechanism.THRESHOLD, "seasonality", False),
    ],
)
def test_a_cause_is_told_rightly_by_its_mechanism_and_a_decoy_by_its_kind(kind, mechanism, planted, right):
    cause = Cause.model_construct(kind=kind, mechanism=mechanism)
    truth = SimpleNamespace(kind=planted, decoy=planted == "seasonality")
    assert _named_right(cause, truth) is right


def test_a_season_of_which_nothing_is_told_is_counted_as_silent_and_not_as_right():
    line = judge("decoy:seasonality:large", 1, 4_000)
    assert line.silent
    assert not line.mechanism
    assert line.told == ""


def test_the_command_counts_what_is_silent_apart(tmp_path, monkeypatch, capsys):
    out = tmp_path / "lines.json"
    args = ["--worlds", "decoy:seasonality:large", "--seeds", "1", "--violations", "2000", "--json", str(out)]
    monkeypatch.setattr(sys, "argv", ["worlds", *args])
    worlds.main()
    (line,) = json.loads(out.read_text(encoding="utf-8"))
    assert line["silent"]
    assert "type 0, nothing told 1" in capsys.readouterr().out


@pytest.mark.parametrize("generator", ["simulate", "elsewhere"])
def test_prompted_worlds_are_measured_by_the_same_command(generator, tmp_path, monkeypatch):
    out = tmp_path / "figures.json"
    args = ["--prompted", "--generator", generator, "--worlds", "routing", "--first", "1", "--seeds", "1"]
    monkeypatch.setattr(sys, "argv", ["worlds", *args, "--json", str(out)])
    worlds.main()
    figures = json.loads(out.read_text(encoding="utf-8"))
    assert (figures["generator"], figures["worlds"], figures["refused"]) == (generator, 1, 0)
