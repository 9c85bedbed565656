import json
import sys

import numpy as np
import polars as pl
import pytest

from benchmarks import faults
from benchmarks.faults import Fault, score
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Period

A, B, C, D = (Segment.of(isp=x) for x in "abcd")


def fault(*causes):
    nothing = Period.model_construct()
    return Fault("x", None, nothing, nothing, causes)


def test_the_first_answer_the_first_three_and_their_recall_are_scored_over_all_causes_together():
    scores = score([(fault(A), [A, B, C]), (fault(A, B), [C, B, D, A]), (fault(A), [])])
    assert scores.top1_f1 == pytest.approx(2 * 1 / (2 + 4))
    assert scores.f1_at_3 == pytest.approx(2 * 2 / (6 + 4))
    assert scores.recall_at_3 == pytest.approx(2 / 4)


def test_the_command_finds_a_planted_fault_and_writes_its_scores(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    minutes, isps, devices = np.meshgrid(np.arange(8), np.arange(4), np.arange(4), indexing="ij")
    low = {"min": 60 * minutes.ravel(), "isp": np.array(list("abcd"))[isps.ravel()], "cnt": np.full(128, 500)}
    broken = (minutes == 7) & (isps == 1)
    frame = pl.DataFrame({**low, "device": np.array(list("wxyz"))[devices.ravel()]}).with_columns(
        instance=pl.lit("one"), value=pl.Series(rng.binomial(500, np.where(broken, 0.3, 0.05).ravel()))
    )
    frame.write_parquet(tmp_path / "robustspot_rs.parquet")
    labels = pl.DataFrame({"instance": ["one"], "min": [420], "causes": [json.dumps([{"isp": "b"}])]})
    labels.write_csv(tmp_path / "robustspot_rs_labels.csv")
    out = tmp_path / "figures.json"
    monkeypatch.setattr(sys, "argv", ["faults", "--data", str(tmp_path), "--json", str(out)])
    faults.main()
    figures = json.loads(out.read_text(encoding="utf-8"))["parts"]["all"]
    assert (figures["instances"], figures["top1_f1"], figures["recall_at_3"]) == (1, 1.0, 1.0)
    assert "F1@3" in capsys.readouterr().out
