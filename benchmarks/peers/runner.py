"""What the runners of all peers share: read the table, run one formulation, choose distinct segments, print JSON.

    python benchmarks/peers/<peer>.py TABLE CAUSES FORMULATION REPEAT [SUPPORT]

The table holds the dimensions (a path also by its top), ``side`` (0 baseline, 1 focus), ``k`` and ``p``, the rate that
an additive logistic model of the baseline rows expects, which a peer gets for nothing.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from measured import measure, versions

NOT_DIMENSIONS = ("side", "k", "p")
RANKED = 200
"""So many segments a peer that ranks is asked for, of which the first distinct ones are taken."""
DISTINCT = 0.5
"""A segment of which a better one holds so many rows, or that holds so many of it, tells the same."""
DEPTH = 4
SUPPORT = float(sys.argv[5]) if len(sys.argv) > 5 else 0.001
"""The least share of the rows that a segment has; ours looks down to a thousandth of the focus."""

Columns = dict[str, np.ndarray]
Segments = list[dict[str, str]]


def dims_of(table: Columns) -> list[str]:
    """The names of the dimensions of a table."""
    return [c for c in table if c not in NOT_DIMENSIONS]


def target_of(table: Columns, kind: str) -> tuple[Columns, np.ndarray]:
    """The rows and the numeric target of a formulation.

    ``residual``: the focus rows, k - p. ``difference``: the rows of both windows, k - p, with its sign turned in the
    baseline, so that a segment's sum is what its excess rose by.
    """
    excess = table["k"] - table["p"]
    if kind == "residual":
        late = table["side"] == 1
        return {d: table[d][late] for d in dims_of(table)}, excess[late]
    return {d: table[d] for d in dims_of(table)}, np.where(table["side"] == 1, excess, -excess)


def distinct(ranked: Segments, rows: Columns, wanted: int) -> Segments:
    """The first ``wanted`` segments of a ranking of which no two share most of their rows."""
    kept: Segments = []
    masks: list[np.ndarray] = []
    for segment in ranked:
        mask = np.logical_and.reduce([rows[d] == v for d, v in segment.items()])
        if all((mask & m).sum() <= DISTINCT * min(mask.sum(), m.sum()) for m in masks):
            kept.append(segment)
            masks.append(mask)
        if len(kept) == wanted:
            break
    return kept


def main(
    formulations: dict[str, Callable[[Columns, int], tuple[Callable[[], Any], Callable[[Any], Segments]]]],
    settings: dict[str, str],
    *packages: str,
) -> None:
    """Run the formulation that the command line names: it gives what is measured, and how its result is read."""
    path, causes, name, repeat = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    file = pq.read_table(path)
    table = {c: file[c].to_numpy() for c in file.column_names}
    del file
    run, read = formulations[name](table, causes)
    result, cost = measure(run, repeat)
    found = read(result)
    json.dump({"found": found, **cost, "versions": versions(*packages), "settings": settings[name]}, sys.stdout)
