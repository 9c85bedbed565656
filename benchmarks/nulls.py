"""Worlds with nothing in them: in how many does the unprompted search report a shift, or explain confirm a cause?

    python -m benchmarks.nulls --worlds 200 --quiet 20 --shaped 20 [--json FILE]

A generator apart from gne_analytics.simulate: heavy-tailed sellers with levels of their own, who act in bursts, and
weeks that differ a little more than sampling would have it; and the same with what looks like an incident and is none.
Shares come with exact (Clopper-Pearson) one-sided upper 95 % limits. Where the mix drifts, the rate of all does move:
there a shift is right, and only a confirmed cause that is no mix shift would be false.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.score import upper_limit
from gne_analytics.causes import explain_all
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import CauseKind, Shift
from gne_analytics.metrics import find_shifts, observe
from gne_analytics.simulate import simulate
from gne_analytics.tables.record import Record, record_from_frames

START = datetime(2024, 1, 1, tzinfo=UTC)
POLICIES = ("counterfeit", "prohibited", "misleading", "ads", "integrity")
EXPLAINED = 12
"""So many shifts are explained, as in a run."""


@dataclass(frozen=True)
class Shape:
    """What a world without an incident may have that looks like one."""

    rows: int = 8_000
    weeks: int = 36
    season: float = 0.0
    """Swing of the yearly season, in logits."""
    sale_every: int = 0
    """Weeks between sales, at which every rate rises for two weeks; 0 for none."""
    month: bool = False
    """Rates rise in the first week of every month."""
    half: float = 0.0
    """One seller's share of all rows."""
    empty: tuple[int, ...] = ()
    drift: bool = False
    """One market's volume grows fourfold, and one seller tier's shrinks: a mix that moves, rates that do not."""
    restless: float = 0.12
    """Standard deviation of the weeks' levels by policy, in logits."""


SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        "plain": Shape(),
        "yearly season": Shape(rows=24_000, weeks=120, season=0.5),
        "sale every seven weeks": Shape(sale_every=7),
        "month's first week": Shape(month=True),
        "half of one seller": Shape(half=0.5),
        "empty weeks": Shape(empty=(9, 10, 20)),
        "drifting mix": Shape(drift=True),
        "restless weeks": Shape(restless=0.3),
    }
)


def null_record(seed: int, shape: Shape = SHAPES["plain"], *, sellers: int = 900) -> Record:
    """Make a record in which nothing happens: no rate of any seller changes but with the season and by chance."""
    rows, weeks = shape.rows, shape.weeks
    rng = np.random.default_rng(seed)
    weight = np.minimum(rng.pareto(1.4, sellers) + 0.2, 60)
    home, tier = rng.integers(0, 6, sellers), rng.integers(0, 4, sellers)
    level, centre = rng.normal(0, 0.9, sellers), rng.integers(0, weeks, sellers)
    seller = rng.choice(sellers, rows, p=weight / weight.sum())
    burst = rng.random(rows) < 0.6
    week = np.where(burst, (centre[seller] + rng.integers(0, 4, rows)) % weeks, rng.integers(0, weeks, rows))
    if shape.half:
        seller[rng.random(rows) < shape.half] = 0
        week = np.where(seller == 0, rng.integers(0, weeks, rows), week)
    keep = ~np.isin(week, shape.empty)
    if shape.drift:
        late = week / weeks
        keep &= rng.random(rows) < np.where(home[seller] == 0, 0.25 + 0.75 * late, 1.0)
        keep &= rng.random(rows) < np.where(tier[seller] == 1, 1 - 0.75 * late, 1.0)
    seller, week = seller[keep], week[keep]
    rows = seller.size
    policy = np.where(rng.random(rows) < 0.7, seller % len(POLICIES), rng.integers(0, len(POLICIES), rows))
    restless = rng.normal(0, shape.restless, (len(POLICIES), weeks)) + _season(shape)
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


def _season(shape: Shape) -> npt.NDArray[np.float64]:
    """What the weeks add to every rate, in logits."""
    week = np.arange(shape.weeks)
    out = shape.season * np.exp(-((((week - 47) % 52 + 26) % 52 - 26) ** 2) / 18.0) * 2
    if shape.sale_every:
        out = out + 0.8 * (week % shape.sale_every < 2)
    if shape.month:
        first = [(START + timedelta(weeks=int(w), days=6)).day <= 7 for w in week]
        out = out + 0.6 * np.array(first)
    return np.asarray(out)


def found_in(record: Record) -> tuple[list[Shift], int]:
    """Return the shifts found in a record, and how many causes of them are confirmed that are no shift of the mix."""
    shifts = find_shifts(record)
    asked = [s for s in shifts if s.platform_event in (None, s.id)][:EXPLAINED]
    told = explain_all([(observe(record, s.metric, s.scope), s) for s in asked], store=EvidenceStore())
    causes = [c for e in told for c in e.causes if c.kind is not CauseKind.MIX_SHIFT]
    return shifts, sum(c.status == "confirmed" for c in causes)


@dataclass(frozen=True)
class Tally:
    """What was found in the worlds of one kind, which hold nothing."""

    kind: str
    worlds: int
    shift: int
    confirmed: int

    def figures(self) -> dict[str, str | int | float]:
        """Counts, shares and their upper limits."""
        out: dict[str, str | int | float] = asdict(self)
        for name, k in (("shift", self.shift), ("confirmed", self.confirmed)):
            out |= {f"{name}_share": k / max(self.worlds, 1), f"{name}_upper95": upper_limit(k, self.worlds)}
        return out


def tally(kind: str, worlds: Iterator[Record]) -> Tally:
    """Search each world; say what was found where nothing is."""
    total = moved = confirmed = 0
    for record in worlds:
        shifts, causes = found_in(record)
        total, moved, confirmed = total + 1, moved + bool(shifts), confirmed + bool(causes)
        for shift in shifts:
            print(f"  {shift.metric} {shift.scope}, {shift.strongest}: {shift.before} -> {shift.after}", flush=True)
    return Tally(kind, total, moved, confirmed)


def main() -> None:
    """Print, by kind of world, the share in which something was found."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--worlds", type=int, default=200, help="plain worlds")
    reader.add_argument("--shaped", type=int, default=20, help="worlds of each other shape")
    reader.add_argument("--quiet", type=int, default=20, help="quiet worlds of the simulator besides")
    reader.add_argument("--seed", type=int, default=0)
    reader.add_argument("--json", type=Path)
    args = reader.parse_args()
    wanted = {name: args.worlds if name == "plain" else args.shaped for name in SHAPES}
    lines = []
    for kind, number in [*wanted.items(), ("simulate quiet", args.quiet)]:
        seeds = range(args.seed, args.seed + number)
        quiet = (record_from_frames(simulate("quiet", s).tables) for s in seeds)
        worlds = quiet if kind not in SHAPES else (null_record(s, SHAPES[kind]) for s in seeds)
        lines.append(line := tally(kind, worlds))
        told = line.figures()
        print(f"{kind:24} {line.worlds:4} worlds: a shift in {line.shift} (upper limit {told['shift_upper95']:.3f}), "
              f"a confirmed cause in {line.confirmed} ({told['confirmed_upper95']:.3f})", flush=True)  # fmt: skip
    if args.json:
        figures = {"worlds": sum(x.worlds for x in lines), "kinds": [x.figures() for x in lines]}
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
