"""Does the monitor of a canary keep its promises when it is looked at every week?

Sellers are heavy-tailed, one of them brings half of all rows, rows of one seller are alike (rho .1), and every seller
stays in its arm for all weeks. Each world is looked at every week; the first stop of the rules counts.

    nothing        no metric differs: a stop for harm or a roll-out is false
    giant          the same, and the giant's every row is a hit, in whichever arm the hash puts it
    at the margin  the goal gains and the guardrail is harmed by just its margin: harm and roll-out are both false
    gain           the goal gains, nothing is harmed: the monitor should roll out
    harm           the guardrail is harmed beyond its margin: the monitor should stop for harm

Beside it stand what people usually do, looked at every week too: a test of two shares on rows, a cluster-robust one by
seller, and an asymptotic confidence sequence that takes every seller-week for a new draw.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from gne_analytics.metrics.intervals import wilson
from gne_analytics.strategy.canary import CANARY, CanaryPlan, Watched, make_plan, with_arms
from gne_analytics.strategy.monitor import Decision, decide, read, weigh
from gne_analytics.strategy.traffic import caps_of, effective_rows

SELLERS, WEEKS, SHARE, RHO = 4_000, 12, 0.3, 0.1
GUARD, GOAL = 0.06, 0.20
MARGIN, WORTH = 0.04, 0.02
Z95 = 1.96


@dataclass(frozen=True)
class Scenario:
    """What is true of a world, which decisions are false in it, and which is the right one."""

    name: str
    harm: float = 0.0
    gain: float = 0.0
    giant: float | None = None
    false: tuple[Decision, ...] = (Decision.STOP_FOR_HARM, Decision.ROLL_OUT)
    right: Decision | None = None


SCENARIOS = (
    Scenario("nothing"),
    Scenario("giant", giant=1.0),
    Scenario("at the margin", harm=MARGIN, gain=0.08),
    Scenario("gain", gain=0.08, false=(Decision.STOP_FOR_HARM,), right=Decision.ROLL_OUT),
    Scenario("harm", harm=0.08, false=(Decision.ROLL_OUT,), right=Decision.STOP_FOR_HARM),
)


@dataclass(frozen=True)
class Outcome:
    """What became of one world."""

    scenario: str
    decision: Decision
    week: int
    covered: bool
    """Whether every interval of every week and metric held its truth."""
    others: dict[str, bool]
    """Usual method -> whether it ever called the guardrail's difference apart from the truth."""


def rates_of_rows(r: np.random.Generator) -> np.ndarray:
    """Rows a week of each seller; the first brings as many as all others together."""
    rate = r.lognormal(math.log(0.35) - 1.5**2 / 2, 1.5, SELLERS)
    rate[0] = rate[1:].sum()
    return rate


def rows_by_week(r: np.random.Generator, rate: np.ndarray) -> np.ndarray:
    return r.poisson(rate[:, None], (SELLERS, WEEKS))


def hits(
    r: np.random.Generator, n: np.ndarray, canary: np.ndarray, base: float, shift: float, giant: float | None
) -> np.ndarray:
    """Hits by seller and week. The shift moves the mean of the canary's rates by itself, none out of [0, 1]."""
    a = (1 - RHO) / RHO
    p = r.beta(base * a, (1 - base) * a, SELLERS)
    p = np.where(canary, p + shift * (1 - p) / (1 - base) if shift > 0 else p * (1 + shift / base), p)
    if giant is not None:
        p[0] = giant
    return r.binomial(n, p[:, None])


def plan_of(seed: int, before: np.ndarray) -> CanaryPlan:
    """A plan as it is made before launch: caps from the rows of before, the giant's among them."""
    spans = [effective_rows(before[:, :t].sum(1).astype(float), RHO) for t in range(1, WEEKS + 1)]
    watched = (Watched(metric="guard", margin=MARGIN), Watched(metric="goal", role="goal", margin=WORTH))
    return make_plan(
        f"P-{seed}", watched, unit="seller_id", share=SHARE, start=date(2026, 1, 5), weeks=WEEKS,
        correlation=RHO, caps=caps_of(spans),
    )  # fmt: skip


def judge(scenario: Scenario, seed: int) -> Outcome:
    """Make one world, look at it every week, and say what the rules and the usual methods did."""
    r = np.random.default_rng([seed, SCENARIOS.index(scenario)])
    rate = rates_of_rows(r)
    plan = plan_of(seed, rows_by_week(r, rate))
    sellers = with_arms(pl.DataFrame({"seller_id": [f"s{i}" for i in range(SELLERS)]}), plan)
    order, canary = sellers["digest"].arg_sort().to_numpy(), (sellers["arm"] == CANARY).to_numpy()
    n = rows_by_week(r, rate)
    truth = {"guard": scenario.harm, "goal": -scenario.gain}
    k = {m: hits(r, n, canary, base, truth[m], scenario.giant) for m, base in (("guard", GUARD), ("goal", GOAL))}
    decision, week, covered = Decision.GO_ON, 0, True
    for t in range(1, WEEKS + 1):
        rows = n[order, :t].sum(1)
        seen = order[rows > 0]
        rows = rows[rows > 0].astype(float)
        readings = tuple(
            read(plan, t, m, weigh(plan, t, canary[seen], k[m][seen, :t].sum(1) / rows, rows)) for m in truth
        )
        for reading in readings:
            held = reading.difference.interval
            covered &= held is not None and held.lo <= truth[reading.metric] <= held.hi
        if decision is Decision.GO_ON:
            decision, week = decide(plan, t, readings)[0], t
    others = {name: ever(method, n, k["guard"], canary, scenario.harm) for name, method in USUAL.items()}
    return Outcome(scenario.name, decision, week, covered, others)


Method = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[float, float]]


def ever(method: Method, n: np.ndarray, k: np.ndarray, canary: np.ndarray, truth: float) -> bool:
    """Whether a method's interval misses the truth in any week."""
    return any(not lo <= truth <= hi for lo, hi in (method(n[:, :t], k[:, :t], canary) for t in range(1, WEEKS + 1)))


def on_rows(n: np.ndarray, k: np.ndarray, canary: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of two shares, rows taken for independent."""
    n1, n0, k1, k0 = n[canary].sum(), n[~canary].sum(), k[canary].sum(), k[~canary].sum()
    p = (k1 + k0) / (n1 + n0)
    reach = Z95 * math.sqrt(p * (1 - p) * (1 / n1 + 1 / n0))
    return k1 / n1 - k0 / n0 - reach, k1 / n1 - k0 / n0 + reach


def by_seller(n: np.ndarray, k: np.ndarray, canary: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of two shares, with a cluster-robust error by seller."""
    value, variance = 0.0, 0.0
    for inside, sign in ((canary, 1), (~canary, -1)):
        m, hit = n[inside].sum(1), k[inside].sum(1)
        share = hit.sum() / m.sum()
        value += sign * share
        variance += ((hit - m * share) ** 2).sum() / m.sum() ** 2
    return value - Z95 * math.sqrt(variance), value + Z95 * math.sqrt(variance)


def by_seller_week(n: np.ndarray, k: np.ndarray, canary: np.ndarray) -> tuple[float, float]:
    """Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2021), 95 %, every seller-week a draw of its own."""
    on = n > 0
    y = (k / np.maximum(n, 1) - k.sum() / n.sum())[on]
    z = np.broadcast_to(canary[:, None], n.shape)[on]
    score = y * np.where(z, 1 / SHARE, -1 / (1 - SHARE))
    t, scale = score.size, 1e-3  # tuned to some thousands of draws
    reach = score.std() * math.sqrt(2 * (t * scale + 1) / (t**2 * scale) * math.log(math.sqrt(t * scale + 1) / 0.05))
    return float(score.mean() - reach), float(score.mean() + reach)


USUAL: dict[str, Method] = {
    "two shares of rows, 95 %": on_rows,
    "cluster-robust by seller, 95 %": by_seller,
    "sequence over seller-weeks": by_seller_week,
}


def measure(runs: int, workers: int) -> Iterator[tuple[Scenario, list[Outcome]]]:
    """Judge so many worlds of each scenario without a right decision, a quarter of the others."""
    with get_context("spawn").Pool(workers) as pool:
        for scenario in SCENARIOS:
            count = runs if scenario.right is None else runs // 4
            yield scenario, pool.map(partial(judge, scenario), range(count), chunksize=10)


def told(scenario: Scenario, outcomes: list[Outcome]) -> dict[str, Any]:
    """Sum up one scenario."""
    runs = len(outcomes)
    false = sum(o.decision in scenario.false for o in outcomes)
    right = [o.week for o in outcomes if o.decision is scenario.right]
    return {
        "runs": runs,
        "false_share": false / runs,
        "false_upper95": wilson(false, runs, level=0.9).hi,
        "coverage_always": sum(o.covered for o in outcomes) / runs,
        "power": len(right) / runs if scenario.right else None,
        "median_weeks": float(np.median(right)) if right else None,
        "decisions": {d.value: sum(o.decision is d for o in outcomes) / runs for d in Decision},
        "usual_ever_wrong": {name: sum(o.others[name] for o in outcomes) / runs for name in USUAL},
    }


def main() -> None:
    """Measure, print the table, and write it as one JSON object."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument(
        "--runs", type=int, default=2_000, help="worlds of each scenario; a quarter where a decision is right"
    )
    reader.add_argument("--workers", type=int, default=2)
    reader.add_argument("--json", type=Path)
    args = reader.parse_args()
    start = time.perf_counter()
    found = {}
    print(
        f"{SELLERS} sellers, one with half the rows, {WEEKS} weeks, {SHARE:.0%} in the canary, looked at every week\n"
    )
    print(f"{'':14} {'runs':>5} {'false':>6} {'upper':>6} {'always':>7} {'power':>6} {'weeks':>5}   decisions")
    for scenario, outcomes in measure(args.runs, args.workers):
        x = found[scenario.name] = told(scenario, outcomes)
        power = "" if x["power"] is None else f"{x['power']:.3f}"
        weeks = "" if x["median_weeks"] is None else f"{x['median_weeks']:g}"
        spread = ", ".join(f"{d} {s:.3f}" for d, s in x["decisions"].items() if s)
        print(f"{scenario.name:14} {x['runs']:5} {x['false_share']:6.4f} {x['false_upper95']:6.4f}"
              f" {x['coverage_always']:7.4f} {power:>6} {weeks:>5}   {spread}", flush=True)  # fmt: skip
    print("\never wrong about the guardrail in some week, of what people usually do:")
    for name in USUAL:
        print(f"  {name:32} " + ", ".join(f"{s} {x['usual_ever_wrong'][name]:.3f}" for s, x in found.items()))
    quiet = [x for s, x in found.items() if s in ("nothing", "giant", "at the margin")]
    out = {
        "false_stop_share": max(x["false_share"] for x in quiet),
        "coverage_always": min(x["coverage_always"] for x in found.values()),
        "power": min(x["power"] for x in found.values() if x["power"] is not None),
        "median_weeks": max((x["median_weeks"] or WEEKS) for x in found.values() if x["power"] is not None),
        "runs": args.runs,
        "scenarios": found,
        "seconds": round(time.perf_counter() - start, 1),
    }
    print(f"\nworst of them: false {out['false_stop_share']:.4f}, always covered {out['coverage_always']:.4f}, "
          f"power {out['power']:.3f}, {out['seconds']} s")  # fmt: skip
    if args.json:
        args.json.write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
