"""Small records by hand, through the same path as files."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from gne_analytics.tables.record import Record, record_from_frames

START = datetime(2026, 1, 5, tzinfo=UTC)


def _record_of(appeals: list[tuple[str, str, str]], violations: int = 10, **more: object) -> Record:
    """Violations v0, v1, ... one a day, and appeals as (violation, level, outcome)."""
    days = [START + timedelta(days=i) for i in range(violations)]
    table = pl.DataFrame(
        {
            "violation_id": [f"v{i}" for i in range(violations)],
            "decided_at": days,
            "policy_id": ["p"] * violations,
            "seller_id": [f"s{i % 4}" for i in range(violations)],
            "market": ["ID", "TH"] * (violations // 2),
        }
    ).with_columns(**{c: pl.Series(v) for c, v in more.items()})
    filed = [START + timedelta(days=violations, hours=int(level) if level.isdigit() else 9) for _, level, _ in appeals]
    return record_from_frames(
        {
            "violations": table,
            "appeals": pl.DataFrame(
                {
                    "appeal_id": [f"a{i}" for i in range(len(appeals))],
                    "violation_id": [a[0] for a in appeals],
                    "filed_at": filed,
                    "outcome": [a[2] for a in appeals],
                    "level": [a[1] for a in appeals],
                    "decided_at": [f + timedelta(hours=1) for f in filed],
                }
            ),
        },
        as_of=START + timedelta(days=violations + 60),
    )


def _stepping_record(
    seed: int = 0,
    *,
    lift: float = 0.3,
    policies: tuple[str, ...] = ("a", "b", "c", "d"),
    hit: tuple[str, ...] = ("a",),
    market: str | None = None,
) -> Record:
    """Thirty weeks of four policies; from week fifteen on those in ``hit`` (in one market) are overturned more."""
    rng = np.random.default_rng(seed)
    n = 6000
    day = rng.integers(0, 210, n)
    seller = rng.integers(0, 600, n)
    policy = rng.choice(policies, n)
    markets = np.array(["ID", "TH", "VN", "PH", "MY", "SG"])[seller % 6]
    struck = np.isin(policy, hit) & (day >= 105) & ((markets == market) | (market is None))
    p = 0.25 + 0.2 * rng.random(600)[seller] + lift * struck
    at = [START + timedelta(days=int(d), hours=1) for d in day]
    ids = [f"v{i}" for i in range(n)]
    return record_from_frames(
        {
            "violations": pl.DataFrame(
                {
                    "violation_id": ids,
                    "decided_at": at,
                    "policy_id": policy,
                    "seller_id": [f"s{s}" for s in seller],
                    "market": markets,
                }
            ),
            "appeals": pl.DataFrame(
                {
                    "appeal_id": [f"a{i}" for i in range(n)],
                    "violation_id": ids,
                    "filed_at": [t + timedelta(days=1) for t in at],
                    "decided_at": [t + timedelta(days=2) for t in at],
                    "outcome": np.where(rng.random(n) < p, "overturned", "upheld"),
                }
            ),
        }
    )


@pytest.fixture
def record_of():
    """Make a small record of violations v0, v1, ... and of appeals (violation, level, outcome)."""
    return _record_of


@pytest.fixture
def stepping_record():
    """Make a record in which some policies' overturn rate takes a step."""
    return _stepping_record
