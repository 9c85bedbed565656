"""A record with one segment planted in it, in time or between two markets."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from gne_analytics.tables.record import record_from_frames
from gne_analytics.testing.frames import appeals_frame, violations_frame
from gne_analytics.workspace import Workspace

ONSET = datetime(2026, 4, 6, tzinfo=UTC)
IN_TIME = {"baseline": "2026-01-05..2026-04-06", "focus": "2026-04-06..2026-06-29"}
BETWEEN = {"baseline": "market=TH", "focus": "market=ID"}
TOYS = (pl.col("market") == "ID") & (pl.col("category") == "toys")


def planted_record(where, *, n=5_000, texts=None, values=None, unit=True, scope='{"market": ["ID"]}'):
    """Half of the appeals of the rows ``where`` are overturned besides what chance overturns anywhere."""
    rng = np.random.default_rng(0)
    violations = violations_frame(n, sellers=500, weeks=26)
    appeals = appeals_frame(violations, appealed=0.8, overturned=0.25)
    cases = appeals.select("violation_id").join(violations, on="violation_id", maintain_order="left")
    hit = cases.select(where.alias("hit"))["hit"].to_numpy() & (rng.random(cases.height) < 0.55)
    appeals = appeals.with_columns(outcome=pl.Series(np.where(hit, "overturned", appeals["outcome"].to_numpy())))
    for column, renamed in (values or {}).items():
        violations = violations.with_columns(pl.col(column).replace(renamed))
    if texts is not None:
        appeals = appeals.with_columns(reason_text=pl.lit(texts))
    changes = pl.DataFrame(
        {
            "change_id": ["CH1", "CH2"], "at": [ONSET, ONSET - timedelta(days=30)], "kind": ["detector", "process"],
            "scope": [scope, '{"market": ["GB"]}'], "description": ["toy detector v9", "a new shift plan"],
        }
    )  # fmt: skip
    tables = {"violations": violations if unit else violations.drop("seller_id"), "appeals": appeals}
    return record_from_frames({**tables, "changes": changes}, name="planted")


@pytest.fixture(scope="session")
def moved():
    """Toys in ID rose on the sixth of April, when a change of their detector went live."""
    ws = Workspace(planted_record(TOYS & (pl.col("decided_at") >= ONSET)))
    return ws.explain(ws.shifts(**IN_TIME)[0])


@pytest.fixture(scope="session")
def between():
    """Toys stand higher in ID than in TH, all the time."""
    ws = Workspace(planted_record(TOYS))
    return ws.explain(ws.shifts(**BETWEEN)[0])
