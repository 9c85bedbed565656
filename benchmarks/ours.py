"""What our own verbs cost and find on one parquet file: run by `benchmarks.causes` in a child process.

    python -m benchmarks.ours WHAT TABLE ABOUT REPEAT

WHAT is ``explain`` (from a frame in memory to causes: observations, shift, explanation), ``count_leaves`` (the one pass
of the product over the same rows, nothing else) or ``group_by`` (the same sums in plain Polars). ABOUT is a JSON file:
dimensions, paths, windows. The number of causes is not told.
"""

import json
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.peers.measured import cpu, measure, versions
from gne_analytics.causes import Explanation, explain
from gne_analytics.causes.cube import count_leaves
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import CauseKind, Period
from gne_analytics.metrics.observations import Observations, make_shift

Run = Callable[[], Any]


def explaining(frame: pl.DataFrame, about: dict[str, Any], steps: list[dict[str, float]]) -> Run:
    """Everything from a frame to its causes; what each step cost is added to ``steps``."""
    dims, paths = tuple(about["dims"]), frozenset(about["paths"])
    baseline, focus = (Period.model_validate(w) for w in about["windows"])

    def run() -> Explanation:
        marks = [cpu()]
        obs = Observations.from_frame(frame, dims=dims, paths=paths, unit="seller_id")
        marks.append(cpu())
        shift = make_shift(obs, baseline, focus)
        marks.append(cpu())
        told = explain(obs, shift, store=EvidenceStore())
        marks.append(cpu())
        steps.append(
            dict(zip(("from_frame", "make_shift", "explain"), (b - a for a, b in pairwise(marks)), strict=True))
        )
        return told

    return run


def counting(frame: pl.DataFrame, about: dict[str, Any], *, plain: bool) -> Run:
    """The one group_by that builds the cube, on rows that observations were made of, sides marked."""
    dims = tuple(about["dims"])
    baseline, focus = (Period.model_validate(w) for w in about["windows"])
    obs = Observations.from_frame(frame, dims=dims, paths=frozenset(about["paths"]), unit="seller_id")
    rows = obs.frame.with_columns(side=obs.sides(baseline, focus)).select(*dims, "unit", "fold", "side", "k", "n")
    del obs
    keys = [*dims, "unit", (pl.col("fold") % 2).alias("half")]
    sums = [pl.col(c).filter(pl.col("side") == s).sum().alias(f"{c}{s}") for s in (0, 1) for c in ("n", "k")]
    if plain:
        return lambda: rows.lazy().group_by(keys).agg(sums).collect()
    return lambda: count_leaves(rows, dims, unit=True)


def main() -> None:
    """Print what was found and what it cost as JSON."""
    what, table, told, repeat = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    about = json.loads(told.read_text(encoding="utf-8"))
    frame = pl.read_parquet(table)
    steps: list[dict[str, float]] = []
    if what == "explain":
        run = explaining(frame, about, steps)
    else:
        run = counting(frame, about, plain=what == "group_by")
        del frame
    result, cost = measure(run, repeat)
    out: dict[str, Any] = {**cost, "steps": steps[-1] if steps else {}, "versions": versions("polars", "numpy")}
    if isinstance(result, Explanation):
        out["found"] = [
            {"segment": {d: list(v) for d, v in c.segment.items()}, "kind": str(c.kind), "status": c.status}
            for c in result.causes
            if c.kind is not CauseKind.MIX_SHIFT  # told as no cause: a change of the mix
        ]
    else:
        out["leaves"] = result.height
    json.dump(out, sys.stdout)


if __name__ == "__main__":
    main()
