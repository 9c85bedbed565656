"""Frame factories: small, seeded tables of the contract, for tests and for trying things out."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from gne_analytics.tables.record import Record, record_from_frames

START = datetime(2026, 1, 5, tzinfo=UTC)
"""A Monday: the first instant of every factory's frames."""
_DTYPE = pl.Datetime("us", "UTC")


def _times(start: datetime, minutes: np.ndarray) -> pl.Series:
    return pl.Series([start], dtype=_DTYPE).new_from_index(0, len(minutes)) + pl.Series(
        minutes.astype("int64") * 60_000_000
    ).cast(pl.Duration("us"))


def violations_frame(n: int = 200, *, seed: int = 0, sellers: int = 40, weeks: int = 8) -> pl.DataFrame:
    """Make n plausible violations of a few policies, markets and categories, in time order."""
    rng = np.random.default_rng(seed)
    versions = rng.choice(["v6", "v7"], n)
    return pl.DataFrame(
        {
            "violation_id": [f"V{i:06}" for i in range(n)],
            "decided_at": _times(START, np.sort(rng.integers(0, weeks * 7 * 24 * 60, n))),
            "policy_id": rng.choice(["counterfeit", "prohibited", "misleading"], n, p=[0.5, 0.2, 0.3]),
            "case_id": [f"C{i:06}" for i in range(n)],
            "rule_id": rng.choice(["logo-match", "text-match"], n),
            "market": rng.choice(["ID", "TH", "GB"], n, p=[0.5, 0.3, 0.2]),
            "language": rng.choice(["id", "th", "en"], n),
            "category": rng.choice(["beauty/sun-care", "beauty/serum", "toys"], n),
            "seller_id": [f"S{s:04}" for s in rng.integers(0, sellers, n)],
            "detector": ["logo_match"] * n,
            "detector_version": versions,
            "score": rng.uniform(0.7, 1.0, n).round(3),
            "threshold_at_decision": [0.7] * n,
            "automated_decision": rng.choice(["fully", "partially", "not"], n),
            "action": rng.choice(["warn", "remove"], n),
            "points": rng.choice([2.0, 8.0], n),
        }
    )


def appeals_frame(
    violations: pl.DataFrame, *, seed: int = 0, appealed: float = 0.4, overturned: float = 0.3
) -> pl.DataFrame:
    """Make first-level appeals of a share of the violations, decided within a few days."""
    rng = np.random.default_rng(seed)
    chosen = violations.filter(pl.Series(rng.random(violations.height) < appealed))
    n = chosen.height
    waits = pl.DataFrame({"file": rng.integers(60, 5_000, n), "decide": rng.integers(60, 5_000, n)})
    filed = chosen["decided_at"] + (waits["file"] * 60_000_000).cast(pl.Duration("us"))
    return pl.DataFrame(
        {
            "appeal_id": [f"A{i:06}" for i in range(n)],
            "violation_id": chosen["violation_id"],
            "filed_at": filed,
            "outcome": rng.choice(["overturned", "upheld"], n, p=[overturned, 1 - overturned]),
            "level": ["1"] * n,
            "reason_text": rng.choice(["I have an invoice", "This is second-hand", "Wrong product"], n),
            "decided_at": filed + (waits["decide"] * 60_000_000).cast(pl.Duration("us")),
        }
    )


def audits_frame(violations: pl.DataFrame, *, seed: int = 0, audit_prob: float = 0.2) -> pl.DataFrame:
    """Make audits of a random sample of the violations, each with its logged probability."""
    rng = np.random.default_rng(seed)
    chosen = violations.filter(pl.Series(rng.random(violations.height) < audit_prob))
    return pl.DataFrame(
        {
            "audit_id": [f"Q{i:06}" for i in range(chosen.height)],
            "violation_id": chosen["violation_id"],
            "audited_at": chosen["decided_at"] + timedelta(days=2),
            "violating": rng.random(chosen.height) < 0.8,
            "audit_prob": [audit_prob] * chosen.height,
        }
    )


def record(n: int = 200, *, seed: int = 0, sellers: int = 40, weeks: int = 8) -> Record:
    """Make a whole small record: violations, appeals and audits."""
    violations = violations_frame(n, seed=seed, sellers=sellers, weeks=weeks)
    tables = {
        "violations": violations,
        "appeals": appeals_frame(violations, seed=seed),
        "audits": audits_frame(violations, seed=seed),
    }
    return record_from_frames(tables, name="factory")
