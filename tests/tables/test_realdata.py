"""Public tables that nobody here made, read through a source.yaml alone."""

import os
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from gne_analytics.tables import Grain, appealed, open_source

HOME = os.environ.get("GNE_REALDATA")
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not HOME, reason="GNE_REALDATA does not point to the public tables"),
]

IMR = """\
name: imr
tables:
  violations:
    from: ${GNE_REALDATA}/imr_determinations.parquet
    grain: year
    columns: {violation_id: reference_id, decided_at: report_year, policy_id: type}
  appeals:
    from: ${GNE_REALDATA}/imr_determinations.parquet
    grain: year
    columns:
      appeal_id: reference_id
      violation_id: reference_id
      filed_at: report_year
      outcome: {from: overturned, map: {true: overturned, false: upheld}}
"""
TOYS = """\
name: toys
tables:
  violations:
    from: ${GNE_REALDATA}/cpsc_toy_incidents.parquet
    columns:
      violation_id: {row_id: true}
      decided_at: report_date
      policy_id: product_category
      facts: incident_description
  signals:
    from: ${GNE_REALDATA}/cpsc_toy_incidents.parquet
    columns:
      signal_id: {row_id: true}
      at: {from: publication_date, format: "%m/%d/%Y"}
      kind: {const: consumer report}
      text: incident_description
"""


def opened(folder: Path, text: str):
    (folder / "source.yaml").write_text(text, encoding="utf-8")
    return open_source(folder)


def test_medical_reviews_open_as_violations_and_appeals(tmp_path):
    record = opened(tmp_path, IMR)
    raw = pl.read_parquet(Path(HOME) / "imr_determinations.parquet")
    assert record.rejects.is_empty()
    assert record.unit is None
    assert record.grain == {"violations": Grain.YEAR, "appeals": Grain.YEAR}
    assert not {"reference_id", "report_year", "overturned"} & set(record.violations.columns)
    assert {"diagnosis_sub_category", "treatment_sub_category", "determination"} <= set(record.dims("violations"))
    assert record.dims("appeals") == []
    joined = appealed(record).filter(pl.col("event_year").is_in([2013, 2015]))
    rates = (
        joined.group_by("event_year").agg(pl.len(), (pl.col("appeal_outcome") == "overturned").sum()).sort("event_year")
    )
    truth = (
        raw.filter(pl.col("report_year").is_in([2013, 2015]))
        .group_by("report_year")
        .agg(pl.len(), pl.col("overturned").sum())
        .sort("report_year")
    )
    assert rates.rows() == truth.rows()
    assert record.as_of.date() == date(2016, 1, 1)


def test_toy_incidents_open_as_violations_and_signals_from_one_file(tmp_path):
    record = opened(tmp_path, TOYS)
    raw = pl.read_parquet(Path(HOME) / "cpsc_toy_incidents.parquet")
    assert record.violations.height + record.rejects.filter(pl.col("table") == "violations").height == raw.height
    assert record.rejects.height < 0.05 * raw.height
    assert "retailer" in record.dims("violations")
    assert "retailer" not in record.signals.columns
