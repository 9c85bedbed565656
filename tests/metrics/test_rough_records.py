"""Records that real reports are like: rates over one, holes, one week, one policy, nothing decided."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from gne_analytics.evidence.types import Period
from gne_analytics.metrics.observations import Observations, make_shift
from gne_analytics.metrics.shifts import find_shifts, shifts_in
from gne_analytics.tables.record import record_from_frames

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


def record(rows=900, weeks=30, policies=("a", "b"), outcome="upheld", gone=()):
    """Violations, all of them appealed, none of it special."""
    rng = np.random.default_rng(4)
    week = rng.integers(0, weeks, rows)
    week = week[~np.isin(week, gone)]
    ids = [f"v{i}" for i in range(week.size)]
    at = [MONDAY + timedelta(weeks=int(w)) for w in week]
    said = np.where(rng.random(week.size) < 0.3, "overturned", "upheld")
    outcomes = said if outcome == "upheld" else np.full(week.size, outcome)
    violations = {
        "violation_id": ids, "decided_at": at, "policy_id": rng.choice(policies, week.size),
        "seller_id": [f"s{s}" for s in rng.integers(0, 150, week.size)],
    }  # fmt: skip
    appeals = {
        "appeal_id": ids, "violation_id": ids, "filed_at": [t + timedelta(days=1) for t in at],
        "decided_at": [None if outcome == "pending" else t + timedelta(days=2) for t in at], "outcome": outcomes,
    }  # fmt: skip
    return record_from_frames(
        {
            "violations": pl.DataFrame(violations),
            "appeals": pl.DataFrame(appeals, schema_overrides={"decided_at": pl.Datetime("us", "UTC")}),
        }
    )


@pytest.mark.parametrize(
    "rough",
    [
        pytest.param({"weeks": 1}, id="one week"),
        pytest.param({"weeks": 2}, id="two weeks"),
        pytest.param({"policies": ("a",)}, id="one policy"),
        pytest.param({"outcome": "pending"}, id="all pending"),
        pytest.param({"gone": (5, 6, 7, 8, 20)}, id="empty weeks"),
        pytest.param({"rows": 3}, id="three rows"),
    ],
)
def test_a_rough_record_is_searched_without_a_finding_or_a_crash(rough):
    assert find_shifts(record(**rough)) == []


def quarterly(k, n, **more):
    """Published counts, one row a quarter."""
    quarters = [date(2020 + q // 4, 3 * (q % 4) + 1, 1) for q in range(len(k))]
    frame = pl.DataFrame(
        {"k": k, "n": n, "event_date": quarters, "event_month": quarters, **more},
        schema_overrides={"k": pl.Int64, "n": pl.Int64},
    ).with_columns(event_week=pl.lit(None, pl.Date))
    return Observations.from_frame(frame, dims=tuple(more), metric="restored_share")


def test_a_rate_over_one_is_flagged_and_never_a_shift():
    observed = quarterly([100, 110, 90, 105, 1330, 1400, 1300, 1350], [1000] * 8)
    assert shifts_in([observed]) == []
    before, after = (Period(start=date(y, 1, 1), end=date(y + 1, 1, 1)) for y in (2020, 2021))
    shift = make_shift(observed, before, after)
    assert not shift.significant
    assert any("over one" in flag for flag in shift.flags)


def test_denominators_of_zero_are_no_rows():
    observed = quarterly([0, 0, 40, 45, 0, 38, 41, 44], [0, 0, 400, 410, 0, 390, 400, 420])
    assert shifts_in([observed]) == []


def test_eight_quarters_of_one_level_hold_no_shift_and_a_step_of_them_does():
    assert shifts_in([quarterly([400, 410, 395, 405, 402, 398, 400, 407], [1000] * 8)]) == []
    assert len(shifts_in([quarterly([400, 410, 395, 405, 702, 698, 700, 707], [1000] * 8)])) == 1


REPORTS = {
    "meta": (
        "meta_cser_2017q4_2023q3.parquet", "value_num", ["app", "policy_area"],
        "Content Restored with appeal", "Content Appealed",
    ),
    "tiktok": (
        "tiktok_cger_2020q3_2023q3.parquet", "value", ["issue_policy", "task", "market"],
        "Videos restored", "Total videos removed",
    ),
}  # fmt: skip


@pytest.mark.realdata
@pytest.mark.parametrize("report", REPORTS)
def test_published_counts_are_searched_and_no_rate_over_one_is_ranked(realdata, report):
    name, value, names, part, whole = REPORTS[report]
    rows = pl.read_parquet(realdata / name).filter(pl.col("metric").is_in([part, whole]))
    year = pl.col("period").str.extract(r"(\d{4})").cast(pl.Int32)
    first = {"Q1": 1, "Q2": 4, "Q3": 7, "Q4": 10, "Jan": 1, "Apr": 4, "Jul": 7, "Oct": 10}
    month = pl.col("period").str.extract("(Q\\d|Jan|Apr|Jul|Oct)").replace_strict(first, return_dtype=pl.Int32)
    wide = (
        rows.with_columns(event_date=pl.date(year, month, 1))
        .group_by("event_date", *names)
        .agg((pl.col(value).filter(pl.col("metric") == m).sum()).alias(c) for c, m in (("k", part), ("n", whole)))
        .with_columns(pl.col("k", "n").cast(pl.Int64), event_month="event_date", event_week=pl.lit(None, pl.Date))
        .rename({names[0]: "policy_id"})
    )
    assert (wide["k"] > wide["n"]).any() == (report == "meta")
    observed = Observations.from_frame(wide, dims=("policy_id", *names[1:]), metric="restored_share")
    shifts = shifts_in([observed])
    assert shifts
    for shift in shifts:
        assert 0 <= shift.before.k <= shift.before.n
        assert 0 <= shift.after.k <= shift.after.n


def busy(burst):
    """A log of reversals, rare and steady; one actor fills a month with rows that are never reversed."""
    rng = np.random.default_rng(6)
    n = 24_000
    week, seller = rng.integers(0, 60, n), rng.integers(0, 5_000, n)
    k = rng.random(n) < 0.02
    if burst:
        more = 3_000
        week = np.concatenate([week, rng.integers(40, 44, more)])
        seller, k = np.concatenate([seller, np.full(more, 5_000)]), np.concatenate([k, np.zeros(more, bool)])
    frame = pl.DataFrame(
        {
            "k": k.astype(int),
            "event_date": [MONDAY.date() + timedelta(weeks=int(w)) for w in week],
            "unit": [f"s{s}" for s in seller],
            "policy_id": np.array(["a", "b", "c", "d"])[rng.integers(0, 4, week.size)],
        }
    )
    return Observations.from_frame(frame, dims=("policy_id",), metric="reversal_rate", unit="seller_id")


def test_one_actor_who_fills_a_month_is_no_shift_of_anything():
    assert shifts_in([busy(burst=False)]) == []
    assert shifts_in([busy(burst=True)]) == []
