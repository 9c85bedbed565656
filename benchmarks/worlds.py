"""Planted worlds, searched unprompted: was the incident found, in its segment, with its mechanism or as its decoy?

    python -m benchmarks.worlds --seeds 3 --violations 20000 [--json FILE]
    python -m benchmarks.worlds --prompted --first 101 --seeds 20 [--generator elsewhere] [--json FILE]

It reads the truth that the simulator wrote down, which nothing in the package may. Prompted, the planted metric, scope
and windows are asked about (`benchmarks.why`), so that what is measured is not whether the shift was found but whether
its cause is told rightly.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from benchmarks import why
from gne_analytics.causes.explain import Explanation
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Cause, CauseKind
from gne_analytics.metrics.windows import segment_mask
from gne_analytics.simulate import WORLDS, simulate
from gne_analytics.simulate.incidents import Planted
from gne_analytics.tables.contract import TABLES
from gne_analytics.tables.record import record_from_frames
from gne_analytics.workspace.session import Workspace

PATHS = frozenset({"category"})
SAME = 0.5
"""So much overlap of rows (Jaccard, since the onset) counts as the same place."""


@dataclass(frozen=True)
class Line:
    """What became of one planted incident."""

    world: str
    seed: int
    shifts: int
    found: bool
    """Some shift of the policy, or of everything, overlaps the incident in time."""
    segment: bool
    """Some cause holds the rows that were planted."""
    mechanism: bool
    """That cause, or for a decoy any cause, is told as what it is; of a mechanism the first guess."""
    silent: bool
    """No cause is told at all: no right answer, of a season no wrong one either."""
    confirmed: bool
    false_confirmed: int
    """Confirmed causes elsewhere."""
    told: str
    truth: str
    seconds: float


def judge(world: str, seed: int, violations: int) -> Line:
    """Simulate a world, search it unprompted, and hold what was found against the truth."""
    made = simulate(world, seed, violations=violations)
    (planted,) = made.truth.incidents
    start = time.perf_counter()
    ws = Workspace(record_from_frames(made.tables), seed=0)
    shifts = ws.shifts()
    told = ws.explain_all([s for s in shifts if s.platform_event in (None, s.id)][:12])
    seconds = time.perf_counter() - start
    pairs = list(_causes(told))
    right = [(e, c) for e, c in pairs if _overlap(e, c, planted, made.tables) >= SAME]
    exact = [c for _, c in right if _named_right(c, planted)]
    kinds = [c for _, c in (pairs if planted.decoy else right)]
    hit = any(_named_right(c, planted) for c in kinds)
    of_policy = [s for s in shifts if not s.scope.depth or planted.policy in (None, *s.scope.values("policy_id"))]
    best = (exact or [c for _, c in right] or [c for _, c in pairs])[:1]
    return Line(
        world, seed, len(shifts), bool(of_policy), bool(right), hit, not pairs,
        any(c.status == "confirmed" for _, c in right),
        sum(c.status == "confirmed" and (e, c) not in right and c.kind is not CauseKind.MIX_SHIFT for e, c in pairs),
        f"{best[0].segment} [{best[0].kind}, {best[0].mechanism}]" if best else "",
        f"{planted.policy}: {planted.segment} [{planted.kind}]", round(seconds, 1),
    )  # fmt: skip


def _causes(told: Sequence[Explanation]) -> Iterator[tuple[Explanation, Cause]]:
    for explanation in told:
        yield from ((explanation, cause) for cause in explanation.causes)


def _named_right(cause: Cause, planted: Planted) -> bool:
    return planted.kind in (str(cause.kind), str(cause.mechanism)) and (
        not planted.decoy or str(cause.kind) == planted.kind
    )


def _overlap(told: Explanation, cause: Cause, planted: Planted, tables: dict[str, pl.DataFrame]) -> float:
    """The overlap of a cause's rows with the best description of the planted ones, after the onset."""
    table = "signals" if told.shift.metric == "signals_without_violation" else "violations"
    rows, time_column = tables[table], TABLES[table].time
    rows = rows.filter(pl.col(time_column).dt.date() >= planted.onset)
    mine = _rows(rows, told.shift.scope, cause.segment)
    best = 0.0
    for segment in (planted.segment, *planted.alternatives):
        policy = Segment.of(policy_id=planted.policy) if planted.policy and "policy_id" in rows.columns else Segment({})
        theirs = _rows(rows, policy, segment)
        if mine is None or theirs is None:
            continue
        either = int((mine | theirs).sum())
        best = max(best, int((mine & theirs).sum()) / either if either else 0.0)
    return best


def _rows(rows: pl.DataFrame, *segments: Segment) -> pl.Series | None:
    if any(d not in rows.columns for s in segments for d in s.dimensions):
        return None
    mask = pl.lit(True)
    for segment in segments:
        mask = mask & segment_mask(segment, PATHS)
    return rows.with_columns(inside=mask)["inside"]


def main() -> None:
    """Print a line per world and seed, and the totals."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--seeds", type=int, default=3)
    reader.add_argument("--first", type=int, default=1, help="the first seed")
    reader.add_argument("--prompted", action="store_true", help="ask about the planted metric, scope and windows")
    reader.add_argument("--generator", choices=why.GENERATORS, default="simulate", help="of the prompted worlds")
    reader.add_argument("--without", nargs="*", default=[], help="tables or columns that the prompted worlds lack")
    reader.add_argument("--violations", type=int, default=20_000)
    reader.add_argument("--worlds", nargs="*", help="names of worlds; all incidents (large) and decoys by default")
    reader.add_argument("--json", type=Path)
    args = reader.parse_args()
    seeds = range(args.first, args.first + args.seeds)
    if args.prompted:
        figures = why.measure(args.generator, args.worlds, seeds, tuple(args.without))
        if args.json:
            args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
        return
    names = args.worlds or [f"{w}:large" for w in WORLDS if w.startswith(("incident:", "decoy:"))]
    lines = []
    print(f"{'world':34} seed shifts found segment type confirmed elsewhere  told  <  truth")
    for world in names:
        for seed in seeds:
            line = judge(world, seed, args.violations)
            lines.append(line)
            marks = (f"{'yes' if x else '-':>{w}}" for x, w in (
                (line.found, 5), (line.segment, 7), (line.mechanism, 4), (line.confirmed, 9)))  # fmt: skip
            print(f"{world:34} {seed:4} {line.shifts:6} {' '.join(marks)} {line.false_confirmed:9}  "
                  f"{line.told}  <  {line.truth}", flush=True)  # fmt: skip
    for group in ("incident", "decoy"):
        own = [x for x in lines if x.world.startswith(group)]
        elsewhere = sum(x.false_confirmed for x in own)
        if own:
            print(f"{group}: {len(own)} worlds; found {sum(x.found for x in own)}, segment "
                  f"{sum(x.segment for x in own)}, type {sum(x.mechanism for x in own)}, nothing told "
                  f"{sum(x.silent for x in own)}, confirmed {sum(x.confirmed for x in own)}, "
                  f"confirmed elsewhere {elsewhere}")  # fmt: skip
    if args.json:
        args.json.write_text(json.dumps([asdict(x) for x in lines], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
