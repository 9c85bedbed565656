"""Real faults of a live-video service, each with the causes that its engineers named: are they found?

    GNE_REALDATA=DIR python -m benchmarks.faults [--part all|settle|report] [--ablation] [--json FILE]

``robustspot_rs.parquet`` holds one row per instance, minute and leaf: ``value`` failed of ``cnt``. The search sees the
minutes before the labelled one as baseline and the labelled minute as focus; no unit is known. Answers are the causes
in their order (a set of values is one answer a value), then what the first cause's naming left behind. Scored by exact
match: F1 of the first answer, F1 and recall of the first three. Settings were fixed on the part ``settle`` (the first
byte of blake2b of the instance's name is even); the other part is reported, with bootstrap intervals over instances.
"""

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from gne_analytics.causes import Explanation, explain
from gne_analytics.causes.baseline import fit_baseline
from gne_analytics.causes.cells import measure
from gne_analytics.causes.cube import build_cube
from gne_analytics.causes.lattice import Lattice
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Period
from gne_analytics.metrics.observations import Observations, measure_shift

ATTRIBUTES = ("cdn", "bitrate", "p2p", "isp", "device", "platform", "gameid")
FIRST = date(2020, 1, 6)
PEERS = {"RobustSpot": (0.39, 0.83), "AutoRoot": (0.24, None), "Adtributor": (0.22, None), "RiskLoc": (0.05, None)}
"""F1 of the first three and recall of the first three, as measured for the project on this half of the set."""


@dataclass(frozen=True)
class Fault:
    """One incident: its counts as observations, its windows, and the causes that engineers named."""

    name: str
    observations: Observations
    baseline: Period
    focus: Period
    causes: tuple[Segment, ...]

    @property
    def settles(self) -> bool:
        """Whether it belongs to the part on which settings were fixed."""
        return blake2b(self.name.encode(), digest_size=2).digest()[0] % 2 == 0


def faults(folder: Path) -> list[Fault]:
    """Read the labelled incidents; a minute becomes a week, the shortest period that observations tell apart."""
    rows = pl.read_parquet(folder / "robustspot_rs.parquet")
    labels = pl.read_csv(folder / "robustspot_rs_labels.csv")
    return [_fault(rows.filter(pl.col("instance") == i), i, at, causes) for i, at, causes in labels.iter_rows()]


def _fault(rows: pl.DataFrame, name: str, at: int, causes: str) -> Fault:
    dims = tuple(a for a in ATTRIBUTES if a in rows.columns and rows[a].null_count() < rows.height)
    minute = (pl.col("min") - rows["min"].min()) // 60
    frame = rows.filter(pl.col("min") <= at).select(
        pl.col("value").cast(pl.Int64).alias("k"), pl.col("cnt").cast(pl.Int64).alias("n"),
        (pl.lit(FIRST) + pl.duration(weeks=minute)).cast(pl.Date).alias("event_date"), *dims,
    )  # fmt: skip
    last = FIRST + timedelta(weeks=(at - rows["min"].min()) // 60)  # type: ignore[operator]
    observed = Observations.from_frame(frame, dims=dims, metric="failure_rate")
    named = tuple(Segment.of({d: str(v) for d, v in cause.items()}) for cause in json.loads(causes))
    return Fault(name, observed, Period(start=FIRST, end=last), Period(start=last, end=last + timedelta(days=1)), named)


def answers(told: Explanation) -> list[Segment]:
    """The answers of an explanation in order: causes, a set of values one by one, then what came next in naming."""
    rising = [c for c in told.causes if c.effect.value > 0] or list(told.causes)
    given = [s for c in rising for s in _one_by_one(c.segment)]
    given += [s for c in rising for r in (*c.runners_up, *c.same_rows) for s in _one_by_one(r)]
    return list(dict.fromkeys(given))


def _one_by_one(segment: Segment) -> list[Segment]:
    sets = [d for d, values in segment.items() if len(values) > 1]
    if len(sets) != 1:
        return [segment]
    return [Segment.of({**dict(segment.items()), sets[0]: v}) for v in segment.values(sets[0])]


def answer(fault: Fault) -> list[Segment]:
    """Explain one fault and return its answers."""
    shift = measure_shift(fault.observations, fault.baseline, fault.focus)
    return answers(explain(fault.observations, shift, store=EvidenceStore()))


class Scores(NamedTuple):
    """Scores over the causes of all incidents together."""

    top1_f1: float
    """Of the first answer."""
    f1_at_3: float
    """Of the first three: every answer among them that is no cause counts against precision, as for the peers."""
    recall_at_3: float


HEADS = ("top-1 F1", "F1@3", "recall@3")


def score(found: Sequence[tuple[Fault, Sequence[Segment]]]) -> Scores:
    """Hold the answers of incidents against the causes that engineers named."""
    truth = sum(len(f.causes) for f, _ in found)
    one, three = (sum(len(a[:k]) for _, a in found) for k in (1, 3))
    first, third = (sum(c in a[:k] for f, a in found for c in f.causes) for k in (1, 3))
    return Scores(2 * first / max(one + truth, 1), 2 * third / max(three + truth, 1), third / max(truth, 1))


def interval(found: Sequence[tuple[Fault, Sequence[Segment]]], draws: int = 2000) -> list[list[float]]:
    """Return 95 % bootstrap intervals of the scores, incidents drawn with replacement."""
    rng = np.random.default_rng(0)
    scores = [score([found[i] for i in rng.integers(0, len(found), len(found))]) for _ in range(draws)]
    return [[round(float(q), 3) for q in np.quantile(own, (0.025, 0.975))] for own in zip(*scores, strict=True)]


def ablation(found: Sequence[Fault]) -> list[tuple[str, str, float, float]]:
    """Score the best single cells, unnamed and unpriced, under two adjustments and three measures of evidence.

    Why a mix-adjusted search once lost to a plain two-sample one on these small tables: return per adjustment and
    evidence the F1 of the first cell and the recall of the first three.
    """
    ranked: dict[tuple[str, str], list[tuple[Fault, Sequence[Segment]]]] = {}
    for fault in found:
        observed = fault.observations
        rows = observed.frame.with_columns(side=observed.sides(fault.baseline, fault.focus))
        cube = build_cube(rows, observed.dims, unit=False)
        model = fit_baseline(cube)
        lattice = Lattice(cube, model.p)
        n0, k0, e0, n1, k1, e1 = lattice.first.sum(axis=1).T
        names = [
            Segment.of({cube.axes[i].dimension: cube.axes[i].values[c] for i, c in zip(*cell, strict=True) if i >= 0})
            for cell in zip(lattice.cell_axes, lattice.cell_codes, strict=True)
        ]
        live = (n0 > 0) & (n1 > 0)
        m0, m1 = np.maximum(n0, 1), np.maximum(n1, 1)
        for adjustment, a0, a1 in (("none", n0 * model.rate, n1 * model.rate), ("mix", e0, e1)):
            change = (k1 - a1) / m1 - (k0 - a0) / m0
            pooled = (k0 + k1 + 0.5) / (n0 + n1 + 1)
            null = ((a0 if adjustment == "mix" else k0) + 0.5) / (n0 + 1)
            sums = np.column_stack([n0, k0, a0, n1, k1, a1])
            ratio = measure(
                sums, totals=(float(cube.n0.sum()), float(cube.n1.sum())), rate=model.rate, versioned=False, min_rows=1
            ).evidence
            for name, evidence in (
                ("null variance", change**2 / (null * (1 - null) * (1 / m0 + 1 / m1))),
                ("pooled variance", change**2 / (pooled * (1 - pooled) * (1 / m0 + 1 / m1))),
                ("likelihood ratio", ratio),
            ):
                order = np.argsort(-np.where(live & (change > 0), evidence, -1.0), kind="stable")[:3]
                ranked.setdefault((adjustment, name), []).append((fault, [names[i] for i in order]))
    return [(*key, own.top1_f1, own.recall_at_3) for key, own in ((k, score(v)) for k, v in ranked.items())]


def main() -> None:
    """Print both scores of each part, and what was missed."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--data", type=Path, default=os.environ.get("GNE_REALDATA"))
    reader.add_argument("--part", choices=("all", "settle", "report"), default="all")
    reader.add_argument("--ablation", action="store_true", help="what adjustment for mix and measure of evidence do")
    reader.add_argument("--missed", action="store_true", help="list the incidents that were missed")
    reader.add_argument("--json", type=Path)
    args = reader.parse_args()
    if args.data is None:
        reader.error("point --data or GNE_REALDATA at the folder that holds robustspot_rs.parquet")
    found = [(f, answer(f)) for f in faults(args.data)]
    parts = {
        "all": found,
        "settle": [x for x in found if x[0].settles],
        "report": [x for x in found if not x[0].settles],
    }
    print(f"{'part':8} {'instances':>9} {'causes':>6}  {'  '.join(f'{h:>18}' for h in HEADS)}")
    out: dict[str, Any] = {}
    for name, own in parts.items():
        if not own or (args.part != "all" and name != args.part):
            continue
        scores, spans = score(own), interval(own)
        told = [f"{x:.3f} [{lo:.2f}, {hi:.2f}]" for x, (lo, hi) in zip(scores, spans, strict=True)]
        print(f"{name:8} {len(own):9} {sum(len(f.causes) for f, _ in own):6}  {'  '.join(told)}")
        out[name] = {"instances": len(own), **{k: round(v, 4) for k, v in scores._asdict().items()},
                     **{f"{k}_interval": span for k, span in zip(Scores._fields, spans, strict=True)}}  # fmt: skip
    for name, (f1, recall) in PEERS.items():
        print(f"{name:12} F1@3 {f1}{f', recall@3 {recall}' if recall else ''} (measured earlier, on the whole half)")
    if args.ablation:
        print("single cells, unnamed: adjustment, evidence, top-1 F1, recall@3")
        out["ablation"] = [
            {"adjustment": a, "evidence": e, "top1_f1": round(f, 4), "recall_at_3": round(r, 4)}
            for a, e, f, r in ablation([fault for fault, _ in found])
        ]
        for line in out["ablation"]:
            print(f"  {line['adjustment']:5} {line['evidence']:17} {line['top1_f1']:.3f} {line['recall_at_3']:.3f}")
    if args.missed:
        for fault, given in found:
            if not given or given[0] not in fault.causes or any(c not in given[:3] for c in fault.causes):
                print(f"{fault.name}: {', '.join(map(str, fault.causes))} < {'; '.join(map(str, given[:3]))}")
    if args.json:
        shown = out.get("report" if args.part == "all" else args.part, {})
        whole = {**shown, "parts": out}
        args.json.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
