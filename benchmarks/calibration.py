"""How often is a cause told where there is none, and does an effect's interval hold what was planted?

    python -m benchmarks.calibration [--worlds 420] [--effects 2300] [--quick] [--json FILE]

Part 1, false causes: worlds in which no segment's rate moves beyond its mix, one kind of decoy each, windows fixed
beforehand or chosen by the scan. A false cause is a confirmed rate shift; in a platform event any confirmed part of it;
of a decoy with a kind of its own, whatever is confirmed as another kind. Counted is the world with at least one. Cells
that are restless by themselves, which no unit can tell, stand apart from the rate.

Part 2, intervals: of every planted segment that is told by its rows (Jaccard from .9) as a rate shift with an effect
from held-out units, does the 95 % interval hold the true effect? That is the mean over the told segment's focus rows of
the chance with what was planted less the chance without. Beside it: the same over the rows as planted, and the realised
version, whose focus side is what happened, not its chance.

Part 3, mechanisms: the share typed right among the planted causes found on simulated worlds (benchmarks.worlds).
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from benchmarks import worlds
from benchmarks.cheap import DECOYS, PATHS, RESTLESS, Asked, null_world, planted_world
from benchmarks.score import upper_limit
from gne_analytics.causes import explain_all
from gne_analytics.causes.signatures import SIGNATURES
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Cause, CauseKind
from gne_analytics.metrics import segment_mask, wilson

SAME_ROWS = 0.9
HELD = (0.93, 0.97)
"""Coverage passes where its 99 % Monte Carlo interval meets this."""
PLAIN = (8.0, 13.0)
"""Planted effects under the first are barely findable, over the second plain: in rough standard errors."""
EFFECTS_A_WORLD = 4.6
"""On average; a world has room for six at most."""
NO_FAULT = frozenset(m for m, s in SIGNATURES.items() if s.owner in ("risk", "data"))
"""Mechanisms that are nobody's failing of a policy."""
Line = TypeVar("Line")


@dataclass(frozen=True)
class NullLine:
    """What was confirmed in one world without a cause."""

    kind: str
    windows: str
    seed: int
    false: tuple[str, ...]
    confirmed: int
    candidates: int


@dataclass(frozen=True)
class EffectLine:
    """One planted effect, and what was told of it; the estimate is nan where nothing held out was."""

    seed: int
    segment: str
    told: str
    """'confirmed', 'candidate', 'in sample', 'other kind', or '' where no cause has its rows."""
    plain: float
    sellers: str
    truth: float
    truth_planted: float
    truth_realised: float
    estimate: float = float("nan")
    lo: float = float("nan")
    hi: float = float("nan")

    @property
    def judged(self) -> bool:
        """Whether an effect from held-out units was told."""
        return self.told in ("confirmed", "candidate")


def is_false(world: Asked, cause: Cause) -> bool:
    """Whether a cause of a world without one is confirmed as something that it is not."""
    if cause.status != "confirmed":
        return False
    if str(cause.mechanism) != "unknown" and cause.mechanism not in NO_FAULT:
        return True
    if world.own_kinds is not None:
        return cause.kind not in world.own_kinds
    if world.everything:
        return cause.segment.depth > 0 and cause.kind is not CauseKind.MIX_SHIFT
    return cause.kind is CauseKind.RATE_SHIFT


def search_null(task: tuple[str, int, bool]) -> NullLine:
    """Make one world without a cause and explain it."""
    kind, seed, chosen = task
    world = null_world(kind, seed, chosen=chosen)
    (told,) = explain_all([(world.observations, world.shift)], context=world.context, store=EvidenceStore())
    confirmed = [c for c in told.causes if c.status == "confirmed"]
    false = tuple(f"{c.segment} [{c.kind}, {c.mechanism}]" for c in confirmed if is_false(world, c))
    return NullLine(kind, world.windows, seed, false, len(confirmed), len(told.causes) - len(confirmed))


def search_planted(seed: int) -> list[EffectLine]:
    """Make one world with planted effects, explain it, and hold every effect told against the truth."""
    world = planted_world(seed)
    obs = world.observations
    (told,) = explain_all([(obs, world.shift)], store=EvidenceStore())
    side = obs.sides(world.shift.baseline, world.shift.focus).fill_null(-1).to_numpy()
    inside = {c.id: obs.frame.select(segment_mask(c.segment, PATHS)).to_series().to_numpy() for c in told.causes}
    lift, hits = world.with_ - world.without, obs.frame["k"].to_numpy()
    lines = []
    for planted in world.planted:
        own = obs.frame.select(segment_mask(planted.segment, PATHS)).to_series().to_numpy() & (side >= 0)
        overlap = {
            c.id: (own & inside[c.id]).sum() / (own | (inside[c.id] & (side >= 0))).sum()
            for c in told.causes
            if c.segment.depth
        }
        best = max((c for c in told.causes if overlap.get(c.id, 0) >= SAME_ROWS), key=lambda c: overlap[c.id],
                   default=None)  # fmt: skip
        rows = (own if best is None else inside[best.id]) & (side == 1)
        lines.append(
            EffectLine(
                seed, str(planted.segment), _told(best), planted.plain, planted.sellers,
                truth=float(lift[rows].mean()), truth_planted=float(lift[own & (side == 1)].mean()),
                truth_realised=float((hits - world.without)[rows].mean()), **_interval(best),
            )
        )  # fmt: skip
    return lines


def _told(cause: Cause | None) -> str:
    if cause is None:
        return ""
    if cause.kind is not CauseKind.RATE_SHIFT:
        return "other kind"
    interval = cause.effect.interval
    return "in sample" if interval is None or "in sample" in interval.method else cause.status


def _interval(cause: Cause | None) -> dict[str, float]:
    if cause is None or cause.effect.interval is None:
        return {}
    return {"estimate": cause.effect.value, "lo": cause.effect.interval.lo, "hi": cause.effect.interval.hi}


def false_causes(lines: Sequence[NullLine]) -> dict[str, Any]:
    """Return the share of worlds with a false confirmed cause and its exact 95 % upper limit, whole and by kind."""
    counted = [x for x in lines if x.kind != RESTLESS]
    return {**_share(counted), "by_windows": _split(counted, lambda x: x.windows, _share),
            "by_kind": _split(lines, lambda x: x.kind, _share)}  # fmt: skip


def _share(lines: Sequence[NullLine]) -> dict[str, Any]:
    k, n = sum(bool(x.false) for x in lines), len(lines)
    return {"worlds": n, "false": k, "rate": k / max(n, 1), "upper95": upper_limit(k, n),
            "confirmed": sum(x.confirmed > 0 for x in lines)}  # fmt: skip


def coverage(lines: Sequence[EffectLine]) -> dict[str, Any]:
    """Return how often the intervals of effects told from held-out units hold the truth, whole and by what was told."""
    judged = [x for x in lines if x.judged]
    return {
        **_covered(judged),
        "planted": len(lines),
        "told": {what or "no cause": sum(x.told == what for x in lines)
                 for what in ("confirmed", "candidate", "in sample", "other kind", "")},
        "by_status": _split(judged, lambda x: x.told, _covered),
        "by_size": _split(judged, _size, _covered),
        "by_sellers": _split(judged, lambda x: x.sellers, _covered),
    }  # fmt: skip


def _covered(lines: Sequence[EffectLine]) -> dict[str, Any]:
    """Coverage of three truths, its Monte Carlo interval, the lean of the estimates and how wide the intervals are."""
    if not lines:
        return {"effects": 0, "coverage": None, "passes": False}
    lo, hi, told, truth, planted, realised = (
        np.array([getattr(x, name) for x in lines])
        for name in ("lo", "hi", "estimate", "truth", "truth_planted", "truth_realised")
    )
    held = int(((lo <= truth) & (truth <= hi)).sum())
    carlo = wilson(held, len(lines), level=0.99)
    away = np.sign(truth) * (told - truth)
    return {
        "effects": len(lines),
        "coverage": held / len(lines),
        "lo99": carlo.lo,
        "hi99": carlo.hi,
        "passes": carlo.hi >= HELD[0] and carlo.lo <= HELD[1],
        "coverage_planted_rows": float(((lo <= planted) & (planted <= hi)).mean()),
        "coverage_realised": float(((lo <= realised) & (realised <= hi)).mean()),
        "missed_too_large": float((np.where(truth > 0, lo > truth, hi < truth)).mean()),
        "lean": float(away.mean()),
        "lean_part": float(away.sum() / np.abs(truth).sum()),
        "spread": float(np.std((told - truth) / ((hi - lo) / 2 / 1.96))),
        "median_width": float(np.median(hi - lo)),
    }


def _size(line: EffectLine) -> str:
    return "barely findable" if line.plain < PLAIN[0] else "middling" if line.plain < PLAIN[1] else "plain"


def _split(lines: Sequence[Line], key: Callable[[Line], str], of: Callable[[Sequence[Line]], Any]) -> dict[str, Any]:
    return {name: of([x for x in lines if key(x) == name]) for name in dict.fromkeys(map(key, lines))}


def mechanism_accuracy(seeds: int) -> dict[str, Any]:
    """Return the share of planted causes found whose mechanism is right, over the incidents that worlds.judge knows."""
    names = [f"{w}:large" for w in worlds.WORLDS if w.startswith("incident:")]
    lines = [worlds.judge(name, seed, 20_000) for name in names for seed in range(1, seeds + 1)]
    found = [x for x in lines if x.segment]
    right = sum(x.mechanism for x in found)
    return {"worlds": len(lines), "found": len(found), "accuracy": right / len(found) if found else None}


def measure(
    tasks: Sequence[tuple[str, int, bool]], seeds: Sequence[int], workers: int
) -> tuple[list[NullLine], list[EffectLine]]:
    """Search all worlds, in processes of one thread each; one worker stays in this process."""
    if workers == 1:
        return list(map(search_null, tasks)), [line for s in seeds for line in search_planted(s)]
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"):
        os.environ[name] = "1"  # the workers', which are spawned
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        nulls = list(_counted(pool.map(search_null, tasks, chunksize=4), "worlds without a cause", len(tasks)))
        planted = _counted(pool.map(search_planted, seeds, chunksize=4), "planted worlds", len(seeds))
        return nulls, [line for lines in planted for line in lines]


def _counted(lines: Iterable[Line], what: str, of: int) -> Iterator[Line]:
    """Say every fiftieth how far it is, on stderr: the tables go to stdout."""
    for done, line in enumerate(lines, start=1):
        if done % 50 == 0 or done == of:
            print(f"{done} of {of} {what}", file=sys.stderr, flush=True)
        yield line


def null_tasks(count: int) -> list[tuple[str, int, bool]]:
    """Return the worlds to make: every kind in turn, windows planned and chosen by turns."""
    kinds = list(DECOYS)
    return [(kinds[i % len(kinds)], i // len(kinds) // 2, bool(i // len(kinds) % 2)) for i in range(count)]


def print_false(told: dict[str, Any], lines: Iterable[NullLine]) -> None:
    """Print part 1."""
    for x in lines:
        if x.false:
            print(f"  false: {x.kind}, {x.windows}, seed {x.seed}: {'; '.join(x.false)}")
    print(f"\n{'null worlds':28} worlds  false   rate  upper 95 %  any confirmed")
    rows = [*told["by_kind"].items(), *((f"windows {k}", v) for k, v in told["by_windows"].items()),
            (f"all but {RESTLESS}", told)]  # fmt: skip
    for name, x in rows:
        print(f"{name:28} {x['worlds']:6} {x['false']:6} {x['rate']:6.3f} {x['upper95']:11.3f} {x['confirmed']:14}")


def print_coverage(told: dict[str, Any]) -> None:
    """Print part 2."""
    print(f"\nplanted effects {told['planted']}: " + ", ".join(f"{k} {v}" for k, v in told["told"].items()))
    print(f"{'95 % intervals':20} effects  cover  99 % interval   planted  realised  too large   lean  (part)"
          "  spread  width")  # fmt: skip
    rows = [("all told", told), *((k, v) for by in ("by_status", "by_size", "by_sellers") for k, v in told[by].items())]
    for name, x in rows:
        if x["effects"]:
            print(
                f"{name:20} {x['effects']:7} {x['coverage']:6.3f} [{x['lo99']:.3f}, {x['hi99']:.3f}]"
                f" {x['coverage_planted_rows']:9.3f} {x['coverage_realised']:9.3f} {x['missed_too_large']:10.3f}"
                f" {x['lean']:+6.3f} {x['lean_part']:+7.1%} {x['spread']:7.2f} {x['median_width']:6.3f}"
            )


def main() -> None:
    """Measure, print the tables, and write them as one JSON object."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--worlds", type=int, default=420, help="worlds without a cause, the restless ones included")
    reader.add_argument("--effects", type=int, default=2_300, help="planted effects, about")
    reader.add_argument("--mechanism-seeds", type=int, default=1, help="seeds of every incident; 0 leaves part 3 out")
    reader.add_argument("--workers", type=int, default=2)
    reader.add_argument("--quick", action="store_true", help="a tenth of everything, part 3 left out")
    reader.add_argument("--json", type=Path)
    args = reader.parse_args()
    if args.quick:
        args.worlds, args.effects, args.mechanism_seeds = args.worlds // 10, args.effects // 10, 0
    start = time.perf_counter()
    nulls, planted = measure(null_tasks(args.worlds), range(1 + int(args.effects / EFFECTS_A_WORLD)), args.workers)
    part1, part2 = false_causes(nulls), coverage(planted)
    print_false(part1, nulls)
    print_coverage(part2)
    part3 = mechanism_accuracy(args.mechanism_seeds) if args.mechanism_seeds else {"accuracy": None, "found": 0}
    seconds = round(time.perf_counter() - start, 1)
    if part3["accuracy"] is not None:
        print(f"\nmechanism right in {part3['accuracy']:.3f} of {part3['found']} planted causes found")
    print(f"\n{seconds} s")
    out = {
        "false_cause_rate": part1["rate"],
        "false_cause_upper95": part1["upper95"],
        "interval_coverage": part2["coverage"],
        "coverage_passes": part2["passes"],
        "mechanism_accuracy": part3["accuracy"],
        "worlds": part1["worlds"],
        "false_causes": part1,
        "intervals": part2,
        "mechanisms": part3,
        "seconds": seconds,
    }
    if args.json:
        args.json.write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
