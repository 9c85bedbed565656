"""Worlds with nothing in them: in how many does the unprompted search report a shift, or explain confirm a cause?

    python -m benchmarks.nulls --worlds 60 --quiet 6

A generator apart from gne_analytics.simulate: heavy-tailed sellers with levels of their own, who act in bursts, and
weeks that differ a little more than sampling would have it.
"""

import argparse
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from gne_analytics.causes import explain_all
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Shift
from gne_analytics.metrics import find_shifts, observe
from gne_analytics.simulate import simulate
from gne_analytics.tables.record import Record, record_from_frames

START = datetime(2026, 1, 5, tzinfo=UTC)
POLICIES = ("counterfeit", "prohibited", "misleading", "ads", "integrity")


def null_record(seed: int, *, rows: int = 8_000, weeks: int = 36, sellers: int = 900) -> Record:
    """Make a record in which no rate ever changes."""
    rng = np.random.default_rng(seed)
    weight = np.minimum(rng.pareto(1.4, sellers) + 0.2, 60)
    home, tier = rng.integers(0, 6, sellers), rng.integers(0, 4, sellers)
    level, centre = rng.normal(0, 0.9, sellers), rng.integers(0, weeks, sellers)
    seller = rng.choice(sellers, rows, p=weight / weight.sum())
    burst = rng.random(rows) < 0.6
    week = np.where(burst, (centre[seller] + rng.integers(0, 4, rows)) % weeks, rng.integers(0, weeks, rows))
    policy = np.where(rng.random(rows) < 0.7, seller % len(POLICIES), rng.integers(0, len(POLICIES), rows))
    restless = rng.normal(0, 0.12, (len(POLICIES), weeks))
    eta = level[seller] + restless[policy, week]
    appealed = rng.random(rows) < 1 / (1 + np.exp(0.8 - eta - 0.2 * home[seller]))
    overturned = rng.random(rows) < 1 / (1 + np.exp(0.6 - eta - 0.3 * tier[seller] + 0.4 * policy))
    reversed_ = (appealed & overturned) | (rng.random(rows) < 0.02)
    at = [START + timedelta(days=int(w) * 7 + int(d)) for w, d in zip(week, rng.integers(0, 7, rows), strict=True)]
    ids = np.array([f"v{i}" for i in range(rows)])
    late = [t + timedelta(days=3) for t in at]
    violations = pl.DataFrame(
        {
            "violation_id": ids,
            "decided_at": at,
            "policy_id": np.array(POLICIES)[policy],
            "seller_id": [f"s{s}" for s in seller],
            "market": np.array(["ID", "TH", "VN", "PH", "MY", "SG"])[home[seller]],
            "language": np.array(["id", "th", "vi", "en", "en", "en"])[home[seller]],
            "seller_tier": np.array(["new", "standard", "preferred", "brand"])[tier[seller]],
            "category": np.array(["beauty/skin", "fashion", "toys", "home", "health"])[(seller + policy) % 5],
            "detector_version": np.where(week < weeks // 2, "v1", "v2"),
            "queue": np.array(["q1", "q2", "q3"])[rng.integers(0, 3, rows)],
            "object_type": np.array(["listing", "video"])[rng.integers(0, 2, rows)],
            "reversed_at": [t if r else None for t, r in zip(late, reversed_, strict=True)],
        },
        schema_overrides={"reversed_at": pl.Datetime("us", "UTC")},
    )
    own = np.flatnonzero(appealed)
    appeals = pl.DataFrame(
        {
            "appeal_id": [f"a{i}" for i in own],
            "violation_id": ids[own],
            "filed_at": [at[i] + timedelta(days=1) for i in own],
            "decided_at": [late[i] for i in own],
            "outcome": np.where(overturned[own], "overturned", "upheld"),
        }
    )
    return record_from_frames({"violations": violations, "appeals": appeals}, as_of=START + timedelta(weeks=weeks + 6))


def found_in(record: Record) -> tuple[list[Shift], int]:
    """Return the shifts found in a record, and how many causes of them are confirmed."""
    shifts = find_shifts(record)
    told = explain_all([(observe(record, s.metric, s.scope), s) for s in shifts], store=EvidenceStore())
    return shifts, sum(c.status == "confirmed" for e in told for c in e.causes)


def main() -> None:
    """Print the share of worlds in which something was found."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--worlds", type=int, default=60)
    reader.add_argument("--quiet", type=int, default=6, help="quiet worlds of the simulator besides")
    reader.add_argument("--seed", type=int, default=0)
    args = reader.parse_args()
    seeds = range(args.seed, args.seed + max(args.worlds, args.quiet))
    for name, worlds in (
        ("own generator", (null_record(s) for s in seeds[: args.worlds])),
        ("simulate quiet", (record_from_frames(simulate("quiet", s).tables) for s in seeds[: args.quiet])),
    ):
        total = moved = confirmed = 0
        for record in worlds:
            shifts, causes = found_in(record)
            total, moved, confirmed = total + 1, moved + bool(shifts), confirmed + bool(causes)
            for shift in shifts:
                print(f"  {shift.metric} {shift.scope}, {shift.strongest}: {shift.before} -> {shift.after}", flush=True)
        print(f"{name}: a shift in {moved} of {total} worlds, a confirmed cause in {confirmed}", flush=True)


if __name__ == "__main__":
    main()
