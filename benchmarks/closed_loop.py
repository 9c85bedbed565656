"""Closed-loop lift: how much of the loss that could be removed does the whole path remove, and whom does it harm?

    python -m benchmarks.closed_loop --first 1 --seeds 30 [--weeks 40 --beyond 20] [--rows FILE] [--json FILE]

Every world is simulated, its record (the first weeks) goes the user's path: shifts, causes, proposals, backtests; what
is recommended is exported and read back, and the same world (sellers, truth, scores and every draw) is run again under
it. The loss is that of the weeks after the record, by its latent labels at the prices of objectives.yaml. The lift is
the loss removed over that which the oracle removes (`benchmarks.oracle`), over worlds where that is at least 2 %.

Worlds with something to gain have a failing that an edit can mend, two in three with a decoy or a failing that no edit
mends beside it; quiet ones have nothing or a decoy; referred ones only a failing that its owner must mend. Each world
is a line of ``--rows``; lines that are there already are kept.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.oracle import fare, harms, loss, oracle
from benchmarks.stages import Way, exported, given, stage_of
from gne_analytics.evidence.segment import Segment
from gne_analytics.policy.files import PolicySet
from gne_analytics.simulate.incidents import Incident, Severity
from gne_analytics.simulate.world import Size, World, build
from gne_analytics.strategy.levers import LEVERS
from gne_analytics.tables.record import record_from_frames
from gne_analytics.workspace.loop import EXPLAINED
from gne_analytics.workspace.session import Workspace

MENDABLE = ("detector_error", "threshold", "clause_scope")
REFERRED = (
    "reviewer_error", "routing", "data_error", "seller_abuse", "notice_unclear", "evidence_not_requested",
    "clause_ambiguous", "reviewer_inconsistent", "taxonomy_gap",
)  # fmt: skip
DECOYS = ("mix_shift", "seasonality", "batch_correction", "platform_event", "new_segment")
BUSY = (("counterfeit", "fashion"), ("misleading-health-claims", "health"))
LARGE_MARKETS = ("ID", "TH", "VN")
GROUPS = ("gain", "quiet", "referred")
WORTH_MENDING = 0.02
"""The share of the loss that the oracle must remove for a world to count."""


@dataclass(frozen=True)
class Shape:
    """How big the worlds are."""

    violations: int = 100_000
    weeks: int = 40
    beyond: int = 20

    def world(self, name: str, seed: int, incidents: Sequence[Incident], policies: PolicySet | None = None) -> World:
        """Run one world under its own policy set, or once more under another, of which only the truth is wanted."""
        size = Size(self.violations, max(200, self.violations // 5), self.weeks, beyond=self.beyond)
        return build(name, seed, size, incidents, policies, tables=policies is None)


def incidents_of(group: str, seed: int) -> tuple[Incident, ...]:
    """What is planted: kinds, severities and places go round with the seed.

    A world with something to gain has two of the three failings that an edit of policy mends, in two policies.
    """
    turn = seed // 3
    severity = (Severity.LARGE, Severity.MEDIUM)[seed % 2]
    if group == "referred":
        return (Incident(REFERRED[seed % len(REFERRED)], Severity.LARGE),)
    decoy = Incident(DECOYS[turn % len(DECOYS)], severity)
    if group == "quiet":
        return (decoy,) if seed % 2 else ()
    beside = ((), (decoy,), (Incident(REFERRED[turn % len(REFERRED)], severity),))[turn % 3]
    first, second = MENDABLE[seed % 3], MENDABLE[(seed + 1) % 3]
    return (_placed(first, seed), _placed(second, seed + 1), *beside)


def _placed(kind: str, seed: int) -> Incident:
    """A failing in a large market or category of a busy policy; one of a class of sellers lies where the seed says."""
    policy, category = BUSY[seed % 2]
    places = (*({"market": m} for m in LARGE_MARKETS), {"category": category})
    segment = None if kind == "clause_scope" else Segment.of(places[seed // 2 % len(places)])
    return Incident(kind, Severity.LARGE, policy, segment)


def judge(group: str, seed: int, shape: Shape) -> dict[str, Any]:
    """Walk the path in one world and hold what was exported against the truth."""
    start = time.perf_counter()
    planted = incidents_of(group, seed)
    world = shape.world(group, seed, planted)
    way = walk(world)
    cases = world.truth.cases
    later = pl.col("week") >= shape.weeks
    onset = max((p.onset for p in world.truth.incidents), default=cases["event_date"].min())
    since = pl.col("event_date") >= onset
    before = cases.filter(later)
    total = loss(world.policies, before)
    row: dict[str, Any] = {
        "group": group, "seed": seed, **asdict(shape),
        "planted": [f"{p.kind} {p.policy}: {p.segment} ({p.severity})" for p in world.truth.incidents],
        "loss": total, "changed": way.exported.hash != world.policies.hash, "removed": 0.0, "harms": [],
        "protected_touched": _protected_touched(world.policies, way.exported),
        "proposals": [f"{p.recommendation.value}: {p.title}" for p in way.answer.proposals],
        "referrals": sorted({f"{r.owner} ({r.mechanism.value})" for r in way.answer.referrals}),
    }  # fmt: skip
    if row["changed"]:
        after = shape.world(group, seed, planted, way.exported).truth.cases.filter(later)
        row["removed"] = total - loss(world.policies, after)
        row["harms"] = [asdict(h) for h in harms(world.policies, before, after)]
        known = cases.filter(since, ~later)
        row["retrospective_share"] = 1 - loss(world.policies, fare(way.exported, known)) / loss(world.policies, known)
    if group == "gain":
        row |= _against_the_oracle(world, way, cases.filter(since), later, total)
    owners = {p.kind: p.owner for p in world.truth.incidents if p.kind in REFERRED}
    row["owners"] = {kind: owner in _owners_named(way) for kind, owner in owners.items()}
    row["seconds"] = round(time.perf_counter() - start, 1)
    return row


def walk(world: World) -> Way:
    """Go the user's path from the record to the exported policy set, read back from its files."""
    ws = Workspace(record_from_frames(dict(world.tables)), world.policies, seed=0)
    shifts = ws.shifts()
    told = ws.explain_all([s for s in shifts if s.platform_event in (None, s.id)][:EXPLAINED])
    causes = [cause for explained in told for cause in explained.causes]
    answer = ws.answer(causes)
    return Way(ws, tuple(shifts), tuple(causes), answer, exported(world.policies, answer.proposals))


def _against_the_oracle(
    world: World, way: Way, known: pl.DataFrame, later: pl.Expr, total: float
) -> Mapping[str, object]:
    """The best that could be done, what the path does once it is told the causes, and where it lost what it lost."""
    failings = [p for p in world.truth.incidents if p.kind in MENDABLE]
    best = oracle(world.policies, failings, known, known.filter(later))
    most = sum(best.removed)
    asking = oracle(world.policies, failings, known, known.filter(later), reviews=True) if any(
        p.kind == "detector_error" for p in failings) else best  # fmt: skip
    told = given(way, failings)
    removed = total - loss(world.policies, fare(told.exported, known.filter(later)))
    stages = [(*stage_of(way, p), worth) for p, worth in zip(failings, best.removed, strict=True)]
    return {
        "oracle_removed": most, "oracle_removed_with_reviews": sum(asking.removed), "oracle_share": most / total,
        "oracle_edits": [f"{e.kind.value} {e.rule}: {e.new}" for e in best.edits],
        "given_removed": removed,
        "given_proposals": [f"{p.recommendation.value}: {p.title}" for p in told.answer.proposals],
        "stages": stages,
    }  # fmt: skip


def _protected_touched(before: PolicySet, after: PolicySet) -> list[str]:
    return [
        name for name, policy in before.policies.items()
        if policy.protected and after.files[after.sources[name]] != before.files[before.sources[name]]
    ]  # fmt: skip


def _owners_named(way: Way) -> set[str]:
    """Whom the answer turns to: owners of referrals, and of drafts that go to an experiment."""
    drafted = {i for p in way.answer.proposals if p.experiment is not None for i in p.cause_ids}
    by_draft = {LEVERS[c.mechanism].owner for c in way.causes if c.id in drafted}
    return {r.owner for r in way.answer.referrals} | by_draft


def figures(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Sum the rows up."""
    gain = [r for r in rows if r["group"] == "gain" and r["oracle_share"] >= WORTH_MENDING]
    quiet = [r for r in rows if r["group"] == "quiet"]
    lifts = [r["removed"] / r["oracle_removed"] for r in gain]
    changed = [r for r in rows if r["changed"]]

    def median(removed: str, most: str = "oracle_removed") -> float | None:
        return statistics.median(r[removed] / r[most] for r in gain) if gain else None

    owners = [right for r in rows for right in r["owners"].values()]
    return {
        "lift_median": median("removed"),
        "lift_mean": statistics.fmean(lifts) if lifts else None,
        "lift_pooled": sum(r["removed"] for r in gain) / sum(r["oracle_removed"] for r in gain) if gain else None,
        "lift_given_causes": median("given_removed"),
        "lift_if_reviews_were_known": median("removed", "oracle_removed_with_reviews"),
        "worlds": len(gain),
        "worlds_too_small": sum(r["group"] == "gain" for r in rows) - len(gain),
        "guardrails_broken_share": _share(_broken(r) for r in gain),
        "guardrails_broken_worlds": sum(_broken(r) for r in rows),
        "beyond_a_margin_share": _share(bool(r["harms"]) for r in gain),
        "changed_worlds": len(changed),
        "changed_for_the_worse": sum(r["removed"] < 0 for r in changed),
        "quiet_worlds": len(quiet),
        "quiet_changed_share": _share(r["changed"] for r in quiet),
        "quiet_worse": sum(r["removed"] < 0 for r in quiet),
        "referred": len(owners), "referred_right_share": _share(owners),
        "protected_touched": sum(bool(r["protected_touched"]) for r in rows),
        "stages": _lost(gain),
        "rows": list(rows),
    }  # fmt: skip


def _lost(gain: Sequence[Mapping[str, Any]]) -> dict[str, tuple[int, float]]:
    """Stage -> failings that ended there, and what the oracle removes by mending them."""
    lost: dict[str, tuple[int, float]] = {}
    for row in gain:
        for stage, _, worth in row["stages"]:
            n, total = lost.get(stage, (0, 0.0))
            lost[stage] = (n + 1, total + worth)
    return dict(sorted(lost.items(), key=lambda item: -item[1][1]))


def _broken(row: Mapping[str, Any]) -> bool:
    return any(not h["by_chance"] for h in row["harms"])


def _share(flags: Iterable[bool]) -> float | None:
    held = list(flags)
    return sum(held) / len(held) if held else None


def table(told: Mapping[str, Any]) -> str:
    """The rows and their sum for a reader."""
    head = f"{'world':8} {'seed':>5} {'lift':>6} {'oracle':>7} {'given':>6} {'harms':>5}"
    lines = [f"{head}  lost at; planted; proposals"]
    for r in told["rows"]:
        scored = r["group"] == "gain" and r["oracle_share"] >= WORTH_MENDING
        cells = [f"{r[k] / r['oracle_removed']:6.2f}" if scored else f"{'-':>6}" for k in ("removed", "given_removed")]
        most = f"{r['oracle_share']:7.1%}" if r["group"] == "gain" else f"{'-':>7}"
        broken = sum(not h["by_chance"] for h in r["harms"])
        lines.append(f"{r['group']:8} {r['seed']:5} {cells[0]} {most} {cells[1]} {broken:5}  "
                     f"{', '.join(s for s, *_ in r.get('stages', []))}; {'; '.join(r['planted']) or 'nothing'}; "
                     f"{'; '.join(r['proposals'] + r['referrals']) or 'no answer'}")  # fmt: skip
    lines += ["", "where failings that an edit mends were lost, and the true loss that the oracle removes there:"]
    lines += [f"  {stage:18} {n:3} failings, {removed:12,.0f}" for stage, (n, removed) in told["stages"].items()]
    lines += ["", *(f"{k}: {_shown(v)}" for k, v in told.items() if k not in ("rows", "stages"))]
    return "\n".join(lines)


def _shown(value: object) -> str:
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def measure(wanted: Sequence[tuple[str, int]], shape: Shape, rows: Path | None, processes: int) -> list[dict[str, Any]]:
    """Judge worlds in several processes; what stands in ``rows`` is taken from there, what is new added to it."""
    held: dict[tuple[str, int], dict[str, Any]] = {}
    if rows is not None and rows.exists():
        lines = [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines() if line.strip()]
        held = {(r["group"], r["seed"]): r for r in lines if all(r[k] == v for k, v in asdict(shape).items())}
    todo = [w for w in wanted if w not in held]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for done in as_completed([pool.submit(partial(judge, *w, shape)) for w in todo]):
            row = done.result()
            held[row["group"], row["seed"]] = row
            print(f"{row['group']} {row['seed']}: {row['seconds']} s", flush=True)
            if rows is not None:
                with rows.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
    return [held[w] for w in wanted]


def main(argv: Sequence[str] | None = None) -> None:
    """Print a line per world, where lift is lost, and the totals."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--first", type=int, default=1, help="the first seed")
    reader.add_argument("--seeds", type=int, default=36, help="worlds with something to gain")
    reader.add_argument("--quiet", type=int, help="quiet worlds; as many as --seeds by default")
    reader.add_argument("--referred", type=int, default=9, help="worlds with a failing that no edit mends")
    reader.add_argument("--violations", type=int, default=Shape.violations)
    reader.add_argument("--weeks", type=int, default=Shape.weeks, help="of the record")
    reader.add_argument("--beyond", type=int, default=Shape.beyond, help="weeks after it, in which the loss is counted")
    reader.add_argument("--processes", type=int, default=2)
    reader.add_argument("--rows", type=Path, help="one JSON line per world: kept, so that a run may be resumed")
    reader.add_argument("--json", type=Path)
    args = reader.parse_args(argv)
    counts = (args.seeds, args.seeds if args.quiet is None else args.quiet, args.referred)
    wanted = [(g, args.first + i) for i in range(max(counts)) for g, n in zip(GROUPS, counts, strict=True) if i < n]
    shape = Shape(args.violations, args.weeks, args.beyond)
    told = figures(measure(wanted, shape, args.rows, args.processes))
    print(table(told))
    if args.json:
        args.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
