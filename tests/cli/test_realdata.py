"""The public table of medical reviews, through a source.yaml alone: `gne run` and `gne explain`."""

import json

import polars as pl
import pytest

from gne_analytics.atomic import read_json
from gne_analytics.evidence.segment import Segment
from gne_analytics.metrics.windows import segment_mask
from gne_analytics.release.traceable import untraced
from gne_analytics.workspace import open_run

SOURCE = """
name: imr
reporting_timezone: America/Los_Angeles
unit: null
tables:
  violations:
    from: ${GNE_REALDATA}/imr_determinations.parquet
    grain: year
    columns:
      violation_id: reference_id
      decided_at: report_year
      policy_id: {const: independent-medical-review}
  appeals:
    from: ${GNE_REALDATA}/imr_determinations.parquet
    grain: year
    columns:
      appeal_id: reference_id
      violation_id: reference_id
      filed_at: report_year
      decided_at: report_year
      outcome: {from: overturned, map: {"true": overturned, "false": upheld}}
"""


@pytest.fixture
def imr(tmp_path, realdata):
    """The source, one file."""
    (tmp_path / "source.yaml").write_text(SOURCE)
    return tmp_path / "source.yaml"


@pytest.mark.realdata
def test_a_run_between_two_years_names_the_new_segment_once_and_confirms_nothing_without_a_unit(imr, gne, tmp_path):
    said = gne("run", imr, "--baseline", "2013", "--focus", "2015", "--runs", tmp_path / "runs")
    assert said.code == 0, said.err
    run = open_run(next((tmp_path / "runs").glob("imr-*")))
    first, second = run.causes[:2]
    names = {v for s in (first.segment, *first.same_rows) for _, values in s.items() for v in values}
    assert {"Hepatitis", "Anti-virals"} <= names
    assert (first.kind, first.after.n) == ("new_segment", 419)
    assert first.leave_out == pytest.approx(0.084, abs=0.003)
    assert run.shifts[0].delta.value == pytest.approx(0.109, abs=0.001)
    assert "Mammography" in str(second.segment)
    assert {c.status for c in run.causes} == {"candidate"}
    others = " ".join(str(c.segment) for c in run.causes[1:])
    assert not [w for w in ("Pharmacy", "51-64", "determination", "reference_id", "Hepatitis") if w in others]
    assert {"proposals", "backtest", "release"} <= set(run.stages_off)
    assert "no policy set" in said.out
    assert untraced(run.report.read_text(encoding="utf-8"), run.store) == ()


@pytest.mark.realdata
def test_explain_prints_one_json_document(imr, gne):
    said = gne("explain", imr, "--baseline", "2013", "--focus", "2015", "--json")
    held = json.loads(said.out)
    assert held["causes"][0]["after"]["n"] == 419
    assert held["decomposition"]["delta"] == pytest.approx(held["shift"]["delta"]["value"])


@pytest.mark.realdata
def test_a_run_finds_the_shift_by_itself_among_all_years(imr, gne, tmp_path, realdata):
    said = gne("run", imr, "--runs", tmp_path / "runs")
    assert said.code == 0, said.err
    folder = next((tmp_path / "runs").glob("imr-*"))
    (shift,) = read_json(folder / "shifts.json")
    assert shift["metric"] == "overturn_rate"
    assert shift["focus"]["start"] == "2015-01-01"
    run = open_run(folder)
    first, second, *others = run.causes
    assert first.segment == Segment.of(diagnosis_sub_category="Hepatitis", treatment_sub_category="Anti-virals")
    assert {c.kind for c in others} <= {"vanished_segment"}  # what the record no longer holds is no rival
    assert first.kind == "new_segment"
    assert first.after.n == pytest.approx(419, abs=5)
    assert first.leave_out == pytest.approx(0.084, abs=0.003)
    assert _anti_virals_share(realdata, first.segment) > 0.98
    assert "Mammography" in str(second.segment)
    assert {c.status for c in run.causes} == {"candidate"}


def _anti_virals_share(realdata, segment):
    """How many of a segment's rows of 2015 are Hepatitis with Anti-virals."""
    rows = pl.read_parquet(realdata / "imr_determinations.parquet").filter(pl.col("report_year") == 2015)
    rows = rows.filter(segment_mask(segment))
    planted = (rows["diagnosis_sub_category"] == "Hepatitis") & (rows["treatment_sub_category"] == "Anti-virals")
    return planted.sum() / rows.height
