"""How fast the cells answer for a thousand candidate policies, beside a naive replay in Polars and in pandas.

    python -m benchmarks.backtest [--rows 10000000] [--policies 1000] [--json FILE]

Cases are drawn with three attributes (480 segments), a flag, one of four detectors, scores, some missing, and the
logged outcome. Every candidate is a whole policy: a rule per detector with overrides, exemptions and review, and one
change to one of them. Asked for is how many cases of
each segment and outcome it would enforce by itself, and send to a person. Attributes are text, as in a record, and
then once more coded beforehand.

- **cells**: one pass over the rows and a look-up per candidate, in a child process that reads parquet and whose peak
  memory is told. The time to compile the policies' predicates is printed apart: a naive replay must read them too.
- **naive Polars, naive pandas**: one expression per policy over loaded columns, filtered and grouped; ``--naive``
  policies are measured, counts held against the cells', and the rest extrapolated.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import and_, or_
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from benchmarks.child import run_child
from gne_analytics.policy.predicates import compile as compile_predicate
from gne_analytics.strategy.cells import CellRule, Tensor, count_cells, densify
from gne_analytics.strategy.rows import Condition

VALUES: Mapping[str, tuple[str, ...]] = {
    "market": ("ID", "TH", "VN", "PH", "MY", "SG", "DE", "MX"),
    "category": tuple(f"{top}/{leaf}" for top in ("beauty", "fashion", "toys", "home") for leaf in "abc"),
    "tier": ("new", "standard", "silver", "gold", "brand"),
}
SEGMENTS = 480
OUTCOMES = ("violating", "legitimate", "appealed", "unknown")
SLICES = (*VALUES, "outcome")
NO_SCORES = 0.02
Match = tuple[tuple[str, tuple[str, ...]], ...]
"""Column -> values, all of which must hold."""


@dataclass(frozen=True)
class Rule:
    """A rule with everything a rule may have."""

    default: float
    overrides: tuple[tuple[Match, float], ...]
    """The later goes before the earlier."""
    exempt: tuple[Match, ...]
    review: Match


def _today(i: int) -> Rule:
    """Return the rule of the i-th detector; they differ in their thresholds."""
    off = i / 50
    return Rule(
        0.55 + off,
        (
            ((("market", ("ID", "PH")),), 0.6 + off),
            ((("category", ("beauty/a", "beauty/b", "beauty/c")),), 0.5 + off),
            ((("market", ("DE",)), ("tier", ("gold",))), 0.71 + off),
        ),
        (((("official", ("yes",)), ("tier", ("brand",)))), (("category", ("home/c",)), ("market", ("SG",)))),
        (("tier", ("new",)),),
    )


DETECTORS = ("logo", "claims", "price", "media")
Policy = Mapping[str, Rule]
"""Detector -> its rule."""
TODAY: Policy = {name: _today(i) for i, name in enumerate(DETECTORS)}


def draw(rows: int, coded: bool = False) -> pl.DataFrame:
    """Draw cases whose attributes are heavy-tailed, as text (as a record holds them) or coded (Enum)."""
    r = np.random.default_rng(0)

    def text(values: Sequence[str], weights: Sequence[float] | None = None) -> pl.Series:
        dtype = pl.Enum(values) if coded else pl.String()
        weight = np.asarray(weights or 1 / np.arange(1, len(values) + 1))
        codes = r.choice(len(values), rows, p=weight / weight.sum()).astype(np.uint8)
        return pl.Series(codes).replace_strict(
            list(range(len(values))), pl.Series(values, dtype=dtype), return_dtype=dtype
        )

    score = pl.Series(np.where(r.random(rows) < NO_SCORES, np.nan, r.beta(2, 3, rows).round(6))).fill_nan(None)
    columns = {name: text(values) for name, values in VALUES.items()}
    return pl.DataFrame(
        columns
        | {"detector": text(DETECTORS), "official": text(("no", "yes"), (19, 1)), "score": score}
        | {"outcome": text(OUTCOMES, (5, 3, 1, 91))}
    )


def candidates(n: int) -> list[Policy]:
    """Return policies that differ from today's in a threshold, an override, an exemption or a review of one rule."""
    r = np.random.default_rng(1)

    def some(column: str) -> tuple[str, tuple[str, ...]]:
        return column, (str(r.choice(VALUES[column])),)

    def change(i: int, today: Rule) -> Rule:
        value = round(float(r.uniform(0.3, 0.95)), 3)
        match: Match = tuple(some(c) for c in VALUES if r.random() < 0.6) or (some("market"),)
        return (
            replace(today, default=value),
            replace(today, overrides=(*today.overrides, (match, value))),
            replace(today, default=value, exempt=(*today.exempt, match)),
            replace(today, default=value, review=match),
        )[i % 4]

    names = [str(r.choice(DETECTORS)) for _ in range(n)]
    return [{**TODAY, name: change(i, TODAY[name])} for i, name in enumerate(names)]


def ask_cells(path: Path, policies: Sequence[Policy], kept: int) -> dict[str, Any]:
    """Answer for every policy from cells: seconds per step, peak memory, and the counts of the first ``kept``."""
    cases = pl.read_parquet(path)
    begun = time.perf_counter()
    rules = dict.fromkeys(rule for policy in policies for rule in policy.values())
    said = [m for rule in rules for m in (*(o for o, _ in rule.overrides), *rule.exempt, rule.review)]
    matches: dict[Match, None] = dict.fromkeys([*((("detector", (d,)),) for d in DETECTORS), *said])
    conditions = {sql(m): compile_predicate(sql(m), cases.schema) for m in matches}
    start = time.perf_counter()
    edges = sorted({v for rule in rules for v in (rule.default, *(value for _, value in rule.overrides))})
    known = {t: Condition(c.expr(), c.columns) for t, c in conditions.items()}
    cells = count_cells(cases, known, edges, by=["outcome"], slices=list(VALUES))
    tensor = densify(cells)
    counted = time.perf_counter()
    bits = {m: i for i, m in enumerate(matches)}
    answers = [tensor.acted(_rules(policy, bits)) for policy in policies]
    ended = time.perf_counter()
    one = min(_timed(lambda p=policy: tensor.acted(_rules(p, bits))) for policy in policies[:20])  # type: ignore[misc]
    return {
        "compile_s": start - begun,
        "count_s": counted - start,
        "answer_s": ended - counted,
        "what_if_ms": 1000 * one,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "cells": cells.frame.height,
        "edges": len(edges),
        "counts": [_told(tensor, *a) for a in answers[:kept]],
    }


def _rules(policy: Policy, bits: Mapping[Match, int]) -> list[CellRule]:
    """Write a policy in the kernel's terms."""
    return [
        CellRule(
            name,
            (bits[(("detector", (name,)),)],),
            rule.default,
            tuple((bits[m], value, i) for i, (m, value) in enumerate(rule.overrides)),
            tuple(bits[m] for m in rule.exempt),
            bits[rule.review],
        )
        for name, rule in policy.items()
    ]


def sql(match: Match) -> str:
    """Write a match as a predicate."""
    return " AND ".join(f"{c} IN ({', '.join(map(repr, values))})" for c, values in match)


def _told(tensor: Tensor, automatic: Any, asked: Any) -> dict[str, int]:
    """Name the counts of one policy as the naive replays name theirs."""
    told: dict[str, int] = {}
    for name, part in (("automatic", automatic), ("asked", asked)):
        for s, c in np.argwhere(part):
            key = "|".join((*tensor.slices.row(int(s)), *tensor.classes.row(int(c)), name))
            told[key] = told.get(key, 0) + int(part[s, c])
    return told


def in_polars(cases: pl.DataFrame, policy: Policy) -> dict[str, int]:
    """Replay one policy by one Polars expression, then count."""

    def holds(match: Match) -> pl.Expr:
        return reduce(and_, (pl.col(c) == v[0] if len(v) == 1 else pl.col(c).is_in(v) for c, v in match))

    fires, asks = pl.lit(False), pl.lit(False)
    for name, rule in policy.items():
        mine, threshold = pl.col("detector") == name, pl.lit(rule.default)
        for match, value in rule.overrides:
            threshold = pl.when(holds(match)).then(value).otherwise(threshold)
        fires |= mine & (pl.col("score") >= threshold) & ~reduce(or_, map(holds, rule.exempt))
        asks |= mine & holds(rule.review)
    found = cases.lazy().filter(fires).group_by(*SLICES, asks=asks).len().collect()
    return {"|".join((*row[:-2], "asked" if row[-2] else "automatic")): row[-1] for row in found.iter_rows()}


def in_pandas(cases: pd.DataFrame, policy: Policy) -> dict[str, int]:
    """Replay one policy by one pandas expression, then count."""

    def holds(match: Match) -> Any:
        return reduce(and_, (cases[c] == v[0] if len(v) == 1 else cases[c].isin(v) for c, v in match))

    fires: Any = False
    asks: Any = False
    for name, rule in policy.items():
        mine, threshold = cases["detector"] == name, np.full(len(cases), rule.default)
        for match, value in rule.overrides:
            threshold = np.where(holds(match), value, threshold)
        fires = fires | (mine & (cases["score"] >= threshold) & ~reduce(or_, map(holds, rule.exempt)))
        asks = asks | (mine & holds(rule.review))
    found = cases[fires].groupby([*SLICES, asks[fires].rename("asks")], observed=True).size()
    return {"|".join((*map(str, key[:-1]), "asked" if key[-1] else "automatic")): int(n) for key, n in found.items()}


def _timed(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure(rows: int, n: int, naive: int, coded: bool = False) -> dict[str, Any]:
    """Measure all three in turn; AssertionError where their counts differ."""
    policies = candidates(n)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cases.parquet"
        cases = draw(rows, coded)
        cases.write_parquet(path)
        child = [sys.executable, "-m", "benchmarks.backtest", "--cells", str(path), str(n), str(naive)]
        outcome = run_child(child, patience=1200, most_gb=8)
    if outcome.value is None:
        raise RuntimeError(f"cells: {outcome.why}")
    ours = outcome.value
    seconds = ours["count_s"] + ours["answer_s"]
    found = {"rows": rows, "policies": n, "segments": SEGMENTS, "naive_policies_measured": naive, "seconds": seconds}
    found |= {k: ours[k] for k in ("compile_s", "count_s", "answer_s", "what_if_ms", "peak_gb", "cells", "edges")}
    for name, replay in (("polars", in_polars), ("pandas", in_pandas)):
        frame: Any = cases.to_pandas() if name == "pandas" else cases
        replay(frame, TODAY)
        spent = 0.0
        for policy, want in zip(policies[:naive], ours["counts"], strict=True):
            start = time.perf_counter()
            counts = replay(frame, policy)
            spent += time.perf_counter() - start
            if counts != want:
                raise AssertionError(f"{name} counts otherwise than the cells: {policy}")
        found[f"naive_{name}_s"] = spent / naive * n
        found[f"speedup_{name}"] = found[f"naive_{name}_s"] / seconds
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--policies", type=int, default=1_000)
    parser.add_argument("--naive", type=int, default=20, help="policies that the naive replays are measured on")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--cells", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.cells:
        path, n, kept = asked.cells
        print(json.dumps(ask_cells(Path(path), candidates(int(n)), int(kept))))
        return
    found = measure(asked.rows, asked.policies, asked.naive)
    _print("attributes as text, as a record holds them", found)
    coded = measure(asked.rows, asked.policies, asked.naive, coded=True)
    _print("attributes coded beforehand (Enum, category), which is kinder to the naive replays", coded)
    if asked.json:
        found |= {f"{k}_coded": coded[k] for k in ("seconds", "speedup_polars", "speedup_pandas", "peak_gb")}
        asked.json.write_text(json.dumps(found, indent=1))


def _print(what: str, found: Mapping[str, Any]) -> None:
    print(
        f"{found['rows']:,} cases, {found['policies']:,} candidate policies, {SEGMENTS} segments, {what}; equal counts"
    )
    print(
        f"  cells            {found['seconds']:8.2f} s ({found['count_s']:.2f} to count {found['cells']:,} cells, "
        f"{found['answer_s']:.2f} to answer; {found['compile_s']:.2f} before that to compile the policies), "
        f"peak {found['peak_gb']:.2f} GB"
    )
    for name in ("polars", "pandas"):
        seconds, times = found[f"naive_{name}_s"], found[f"speedup_{name}"]
        print(f"  naive {name:10} {seconds:8.0f} s, extrapolated from {found['naive_policies_measured']} policies: "
              f"{times:.0f} times the cells")  # fmt: skip
    print(f"  one what-if      {found['what_if_ms']:8.2f} ms\n")


if __name__ == "__main__":
    main()
