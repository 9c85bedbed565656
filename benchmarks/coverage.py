"""How often does a backtest's interval hold the truth, by kind of edit, audit rate and label?

    python -m benchmarks.coverage --worlds 1000 [--keep FILE] [--processes 2] [--json FILE]

Worlds of ``benchmarks.coverage_worlds`` go through the package's own path: identify, reviewers of the like, tally,
difference. In the first ``--helped`` worlds of every cell they are judged once more with monotone bounds and a model's
help, as a backtest does it, which takes ten times as long; in the first ``--whole`` of these a record is written too,
replayed from its tables
through ``open_study`` and ``replay_change``, and both must give the same figures. ``--keep`` keeps what is done, line
by line; a run that was stopped goes on from there.

A cell (edit x audits x label) is judged on wrongful enforcement, missed violations and loss, and passes if all hold:

- a point estimate: the 99 % Monte Carlo interval of its coverage meets [.93, .97]; at the lowest audit rates it only
  must not lie under .93;
- bounds (something is unidentified): the interval of Imbens and Manski covers in 95 % at least, by the same Monte Carlo
  interval, and stands beside the worst-case width, since infinite intervals cover too;
- the worst-case bounds, with nothing known but what was decided or audited case by case, hold the truth in every world.

Beside it two figures that people usually quote for the share wrongly enforced: the share overturned among decided
appeals, and overturns per violation, with Wilson intervals. They are shown to fail, and fail no cell.
"""

import argparse
import json
import multiprocessing
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from time import perf_counter
from typing import Any, get_args

import numpy as np
import polars as pl

from benchmarks.coverage_worlds import AUDITS, KINDS, POLICIES, WORDS, Audited, Kind, World, draw, record_of
from benchmarks.score import upper_limit
from gne_analytics.strategy.backtest import know, replay_change, usual_numbers
from gne_analytics.strategy.estimate import Bounded, Domains, Price, Reviewers, difference, tally, wilson
from gne_analytics.strategy.flows import REVIEW
from gne_analytics.strategy.identify import NEEDED, Label, identify
from gne_analytics.strategy.reviewers import like, reviewer_rates
from gne_analytics.strategy.study import open_study

LABELS: tuple[Label, ...] = get_args(Label)
TARGETS = ("wrongful_enforcement", "missed_violations", "loss")
COSTS = {"wrong": 24.0, "missed": 30.0}
PRICES = dict(zip(TARGETS, (Price(wrong=1.0), Price(missed=1.0), Price(**COSTS)), strict=True))
USUAL = ("share_overturned_among_appeals", "overturned_per_violation")
LEVEL = 0.95
BAND = (0.93, 0.97)
LOWEST = 0.01
"""At this audit rate and under it a cell may cover more than the band."""
SURE = 0.995
"""The level of either limit of a 99 % interval."""
Z95 = 1.959963984540054
FEW = 100
"""Of fewer worlds no coverage is told per edit."""
BATCH = 50
ATTRIBUTES = ("market", "category", "object_type", "seller_tier")


@dataclass(frozen=True)
class Seen:
    """What one world showed under one label."""

    bounded: bool
    covered: tuple[bool, ...]
    """Of each target."""
    worst: bool
    """The worst-case bounds hold all three."""
    width: float
    """Of the interval of wrongful enforcement, as a share of the cases that the edit touches."""
    worst_width: float
    unerring: bool
    """The interval of wrongful enforcement holds what cases really are, which audits that err do not tell."""
    expected: bool
    """Both mistakes' intervals hold the totals with the chance of a review in place of its answer."""
    helped: tuple[bool, ...] | None
    """Of each target, with monotone bounds and a model's help; None: not judged so."""
    helped_width: float | None
    usual: tuple[tuple[float, bool] | None, ...]
    """By how much each usual number is off and whether it covers; None: no appeal was decided."""


@dataclass(frozen=True)
class Share:
    """So many of so many worlds."""

    k: int
    n: int

    @property
    def value(self) -> float:
        """The share; not a number of none."""
        return self.k / self.n if self.n else float("nan")

    @property
    def monte_carlo(self) -> tuple[float, float]:
        """The exact 99 % interval of the share (Clopper and Pearson), which a handful of worlds does not fool."""
        return 1 - upper_limit(self.n - self.k, self.n, SURE), upper_limit(self.k, self.n, SURE)

    def figures(self) -> dict[str, Any]:
        """As JSON."""
        return {"worlds": self.n, "coverage": self.value if self.n else None, "monte_carlo": self.monte_carlo}


def judged(domains: Domains, reviewers: Reviewers) -> tuple[Bounded, ...]:
    """Return the difference that a change makes to each target."""
    return tuple(difference(domains, price, reviewers) for price in PRICES.values())


def reviewers_of(world: World, moved: pl.DataFrame) -> Reviewers:
    """Learn how reviewers decide from the like of the cases that go to them, as ``replay_change`` does."""
    touched = moved.filter(pl.col("beta") != 0)
    if touched.is_empty():
        return Reviewers()
    reviewed = world.frame(world.columns["state_today"] == WORDS["state_today"].index_of(REVIEW))
    return reviewer_rates(
        like(touched, reviewed, ATTRIBUTES), world.frame(~np.isnan(world.columns["decided_violating"]))
    )


def look(world: World, helped: bool = False) -> dict[Label, Seen]:
    """Backtest one world under both labels and hold the results against its truth."""
    moved = world.frame(world.moved)
    return {label: _look(world, moved, label, helped) for label in LABELS}


def _help(world: World, moved: pl.DataFrame, label: Label) -> tuple[Bounded, ...]:
    told, _ = know(moved, world.frame(np.ones_like(world.moved)), label, ATTRIBUTES)
    return judged(tally(told), reviewers_of(world, moved))


def _look(world: World, moved: pl.DataFrame, label: Label, helped: bool) -> Seen:
    told = identify(moved.select(*NEEDED, "policy", "alpha", "beta"), label)
    found = judged(tally(told), reviewers_of(world, moved))
    better = _help(world, moved, label) if helped else None
    alone = pl.when(pl.col("standing") == "estimable").then(pl.lit("unidentified")).otherwise("standing")
    worst = judged(tally(told.with_columns(standing=alone)), Reviewers())
    truth = _priced(world.truth(label))
    wrong, n = found[0], max(moved.height, 1)
    return Seen(
        bounded=wrong.high - wrong.low > 1e-9,
        covered=tuple(_holds(f.interval, t) for f, t in zip(found, truth, strict=True)),
        worst=all(_holds((w.low, w.high), t) for w, t in zip(worst, truth, strict=True)),
        width=(wrong.interval[1] - wrong.interval[0]) / n,
        worst_width=(worst[0].high - worst[0].low) / n,
        unerring=_holds(wrong.interval, world.truth(label, unerring=True)[0]),
        expected=all(_holds(f.interval, t) for f, t in zip(found, world.truth(label, expected=True), strict=False)),
        helped=better and tuple(_holds(f.interval, t) for f, t in zip(better, truth, strict=True)),
        helped_width=better and (better[0].interval[1] - better[0].interval[0]) / n,
        usual=_usual(moved, float((1 - world.known(label))[world.moved].mean())),
    )


def _priced(truth: tuple[float, float]) -> tuple[float, float, float]:
    return (*truth, COSTS["wrong"] * truth[0] + COSTS["missed"] * truth[1])


def _holds(interval: tuple[float, float], truth: float) -> bool:
    slack = 1e-9 * max(1.0, abs(truth))
    return interval[0] - slack <= truth <= interval[1] + slack


def _usual(moved: pl.DataFrame, truth: float) -> tuple[tuple[float, bool] | None, ...]:
    """Return by how much each usual number misses the share wrongly enforced, and whether its interval holds it."""
    numbers = usual_numbers(moved)
    counts = (numbers["appeals_decided"], numbers["cases_touched"])
    out: list[tuple[float, bool] | None] = []
    for name, n in zip(USUAL, counts, strict=True):
        if name not in numbers:
            out.append(None)
            continue
        lo, hi = wilson(np.array([numbers[name]]), np.array([n]), Z95)
        out.append((numbers[name] - truth, _holds((float(lo[0]), float(hi[0])), truth)))
    return tuple(out)


def agrees(kind: Kind, world: World, label: Label) -> bool:
    """Say whether a user's whole path, from the tables of a record on, gives the same figures as ours."""
    moved = world.frame(world.moved)
    done = replay_change([kind.edit], open_study(record_of(world), POLICIES), label=label)
    ours = judged(
        tally(know(moved, world.frame(np.ones_like(world.moved)), label, ATTRIBUTES)[0]),
        reviewers_of(world, moved),
    )
    theirs = judged(done.domains, done.reviewers)
    pairs = [
        pair for a, b in zip(ours, theirs, strict=True)
        for pair in zip((a.low, a.high, *a.interval), (b.low, b.high, *b.interval), strict=True)
    ]  # fmt: skip
    return moved.height == done.moved.height and all(abs(a - b) <= 1e-6 * max(1.0, abs(a)) for a, b in pairs)


@dataclass(frozen=True)
class Task:
    """Some worlds of one edit under one way of auditing."""

    kind: str
    audits: str
    first: int
    worlds: int
    whole: int
    """In the worlds before this seed the whole path is walked too."""
    helped: int
    """The worlds before this seed are judged once more, with monotone bounds and a model's help."""

    def done(self) -> dict[str, object]:
        """Draw the worlds and return what they showed, by label, as JSON."""
        kind = next(k for k in KINDS if k.name == self.kind)
        audited = next(a for a in AUDITS if a.name == self.audits)
        seen: dict[str, list[dict[str, object]]] = {label: [] for label in LABELS}
        whole = differing = 0
        for seed in range(self.first, self.first + self.worlds):
            world = draw(kind, audited, seed)
            for label, found in look(world, seed < self.helped).items():
                seen[label].append(asdict(found))
                if seed < self.whole:
                    whole, differing = whole + 1, differing + (not agrees(kind, world, label))
        return {"task": asdict(self), "seen": seen, "whole": whole, "differing": differing}


def _run(task: Task) -> dict[str, object]:
    return task.done()


@dataclass(frozen=True)
class Cell:
    """The worlds of one edit, way of auditing and label, judged."""

    kind: str
    audited: Audited
    label: Label
    seen: Sequence[Mapping[str, Any]]

    def coverage(self, target: int, bounded: bool | None = None) -> Share:
        """How many worlds' intervals hold a target's truth: all worlds, those with bounds, or those without."""
        mine = [s["covered"][target] for s in self.seen if bounded is None or s["bounded"] is bounded]
        return Share(sum(mine), len(mine))

    def failings(self) -> list[str]:
        """What does not hold; empty if the cell passes."""
        said = [] if all(s["worst"] for s in self.seen) else ["a truth outside the worst-case bounds"]
        for target, name in enumerate(TARGETS):
            point, bounds = self.coverage(target, False), self.coverage(target, True)
            lo, hi = point.monte_carlo
            if point.n and hi < BAND[0]:
                said.append(f"{name}: covers too little, {point.value:.3f} of {point.n}")
            if point.n and lo > BAND[1] and self.audited.rate > LOWEST:
                said.append(f"{name}: covers too much, {point.value:.3f} of {point.n}")
            if bounds.n and bounds.monte_carlo[1] < LEVEL:
                said.append(f"{name}: bounds cover too little, {bounds.value:.3f} of {bounds.n}")
        return said

    def figures(self) -> dict[str, Any]:
        """All that is told of the cell."""
        every = [self.coverage(i) for i in range(len(TARGETS))]
        lowest = min(every, key=lambda s: s.value)
        out: dict[str, Any] = {
            "edit": self.kind, "audit_rate": self.audited.rate, "audits_below": self.audited.below,
            "label": self.label, "worlds": len(self.seen), "coverage": lowest.value,
            "monte_carlo": lowest.monte_carlo, "failings": self.failings(),
        }  # fmt: skip
        out["bounded_share"] = float(np.mean([s["bounded"] for s in self.seen]))
        for i, name in enumerate(TARGETS):
            point, bounds = self.coverage(i, False), self.coverage(i, True)
            out[name] = {"all": every[i].figures(), "point": point.figures(), "bounds": bounds.figures()}
        for name in ("width", "worst_width"):
            out[f"median_{name}"] = float(np.median([s[name] for s in self.seen]))
        for name in ("worst", "unerring", "expected"):
            out[f"{name}_coverage"] = float(np.mean([s[name] for s in self.seen]))
        for i, name in enumerate(USUAL):
            told = [s["usual"][i] for s in self.seen if s["usual"][i] is not None]
            shown = Share(sum(bool(c) for _, c in told), len(told))
            out[name] = shown.figures() | {"median_error": float(np.median([e for e, _ in told])) if told else None}
        return out


def cells_of(lines: Sequence[Mapping[str, Any]], worlds: int) -> list[Cell]:
    """Gather what tasks showed into cells, in the order of edits, audits and labels; the first ``worlds`` of each."""
    seen: dict[tuple[str, str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for line in sorted(lines, key=lambda x: int(x["task"]["first"])):
        for label, found in line["seen"].items():
            seen[line["task"]["kind"], line["task"]["audits"], label] += found
    return [
        Cell(kind.name, audited, label, found[:worlds])
        for kind, audited, label in product(KINDS, AUDITS, LABELS)
        if (found := seen.get((kind.name, audited.name, label)))
    ]


def summary(cells: Sequence[Cell], lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return all figures of a run as one JSON object."""
    told = [cell.figures() for cell in cells]
    return {
        "cells": len(cells),
        "cells_failed": sum(bool(t["failings"]) for t in told),
        "worlds_per_cell": min((t["worlds"] for t in told), default=0),
        "whole_path": sum(x["whole"] for x in lines),
        "whole_path_differing": sum(x["differing"] for x in lines),
        "helped": _helped_figures(cells),
        "by_edit": [_by_edit(kind.name, told) for kind in KINDS if any(t["edit"] == kind.name for t in told)],
        "by_cell": told,
    }


def _helped_figures(cells: Sequence[Cell]) -> dict[str, Any]:
    """Pool the worlds that were judged with help too: coverage over all targets, with it and without, and width."""
    seen = [s for cell in cells for s in cell.seen if s["helped"] is not None]
    ratios = [s["helped_width"] / s["width"] for s in seen if s["width"]]
    return {
        "worlds": len(seen),
        "coverage": float(np.mean([s["helped"] for s in seen])) if seen else None,
        "plain": float(np.mean([s["covered"] for s in seen])) if seen else None,
        "width_ratio": float(np.mean(ratios)) if ratios else None,
    }


def _by_edit(edit: str, told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the lowest and highest coverage over an edit's cells, target by target, where figures are no bounds."""
    mine = [t for t in told if t["edit"] == edit]
    out: dict[str, Any] = {"edit": edit, "cells": len(mine), "cells_failed": sum(bool(t["failings"]) for t in mine)}
    shares = {where: [t[name][where] for t in mine for name in TARGETS] for where in ("point", "bounds")}
    shares |= {name: [t[name] for t in mine] for name in USUAL}
    for name, found in shares.items():
        seen = [s["coverage"] for s in found if s["worlds"] >= FEW]
        out[name] = [min(seen), max(seen)] if seen else None
    for name in USUAL:
        errors = [t[name]["median_error"] for t in mine if t[name]["median_error"] is not None]
        out[f"{name}_error"] = [min(errors), max(errors)] if errors else None
    for name in ("median_width", "median_worst_width"):
        out[name] = float(np.median([t[name] for t in mine]))
    return out


def _row(t: Mapping[str, Any]) -> str:
    audits = f"{t['audit_rate']:.1%}" + ("" if t["audits_below"] else ", none below")
    usual = "  ".join("   -" if t[u]["coverage"] is None else f"{t[u]['coverage']:4.2f}" for u in USUAL)
    lo, hi = t["monte_carlo"]
    widths = f"{t['median_width']:6.3f} {t['median_worst_width']:6.3f}"
    return (
        f"{t['edit']:15} {audits:16} {t['label']:15} {t['coverage']:.3f} [{lo:.3f}, {hi:.3f}] "
        f"{t['bounded_share']:8.2f} {widths}   {usual}   {'; '.join(t['failings']) or 'passes'}"
    )


def _edit_row(t: Mapping[str, Any]) -> str:
    spans = ["-" if t[x] is None else f"{t[x][0]:.3f} to {t[x][1]:.3f}" for x in ("point", "bounds", *USUAL)]
    errors = ["-" if t[f"{u}_error"] is None else "{:+.2f} to {:+.2f}".format(*t[f"{u}_error"]) for u in USUAL]
    cells = f"{t['cells'] - t['cells_failed']} of {t['cells']}"
    return f"{t['edit']:15} {cells:9} {'  '.join(f'{s:15}' for s in (*spans, *errors))}"


def _kept(path: Path | None) -> list[dict[str, Any]]:
    """Read what an earlier run kept; a last line that was cut off is taken out of the file."""
    if path is None or not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    return [json.loads(line) for line in whole.splitlines()]


def run(wanted: Sequence[Task], keep: Path | None, processes: int) -> Iterator[dict[str, Any]]:
    """Yield what each task showed: those kept, then the others as they are done."""
    lines = {json.dumps(x["task"]): x for x in _kept(keep)}
    wanted_by_key = {json.dumps(asdict(task)): task for task in wanted}
    yield from (x for key, x in lines.items() if key in wanted_by_key)
    left = [task for key, task in wanted_by_key.items() if key not in lines]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        for line in map(_run, left) if processes == 1 else pool.map(_run, left):
            if keep is not None:
                with keep.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
            yield line


def main() -> None:
    """Print a line per cell and how many fail."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--worlds", type=int, default=1_000, help="worlds per cell")
    reader.add_argument("--whole", type=int, default=2, help="of these, how many walk the whole path too")
    reader.add_argument("--helped", type=int, default=40, help="of these, how many are judged with a model's help too")
    reader.add_argument("--edits", nargs="*", default=[k.name for k in KINDS], choices=[k.name for k in KINDS])
    reader.add_argument("--audits", nargs="*", default=[a.name for a in AUDITS], choices=[a.name for a in AUDITS])
    reader.add_argument("--processes", type=int, default=2)
    reader.add_argument("--keep", type=Path, help="a file that keeps what is done; a run of this code goes on from it")
    reader.add_argument("--json", type=Path)
    args = reader.parse_args()
    tasks = [
        Task(kind, audits, first, min(BATCH, args.worlds - first), args.whole, args.helped)
        for first in range(0, args.worlds, BATCH)
        for kind, audits in product(args.edits, args.audits)
    ]
    started, lines = perf_counter(), []
    for line in run(tasks, args.keep, args.processes):
        lines.append(line)
        spent = perf_counter() - started
        print(f"\r{len(lines)}/{len(tasks)} batches, {spent:.0f} s", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    cells = cells_of(lines, args.worlds)
    figures = summary(cells, lines)
    print("edit            audits           label           coverage, 99 % MC     bounded  width  worst   usual two")
    print("\n".join(_row(t) for t in figures["by_cell"]))
    head = ("estimates", "bounds", "among appeals", "per violation", "off by: appeals", "off by: violations")
    print(f"\n{'edit':15} {'pass':9} {'  '.join(f'{h:15}' for h in head)}")
    print("\n".join(_edit_row(t) for t in figures["by_edit"]))
    print(
        f"{figures['cells']} cells of {figures['worlds_per_cell']} worlds, {figures['cells_failed']} failed; the whole "
        f"path from tables on differed in {figures['whole_path_differing']} of {figures['whole_path']} worlds."
    )
    helped = figures["helped"]
    if helped["worlds"]:
        print(
            f"With monotone bounds and a model's help, over {helped['worlds']} worlds and labels: coverage "
            f"{helped['coverage']:.3f} ({helped['plain']:.3f} of the same without), width {helped['width_ratio']:.2f} "
            "times that without."
        )
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
