"""The search for causes, side by side with its peers: what is found of what was planted, CPU seconds, memory, scale.

    python -m benchmarks.causes [--json FILE] [--quick] [--rows 200000 1000000] [--parts ours second peers scale]

Tables of two generators (`benchmarks.planted`, `benchmarks.second`). Each measurement is a child process that reads a
parquet file; reading is outside the CPU seconds and inside the peak. Ours is not told the number of causes; peers are,
and get an environment of their own (``--peers``), made from ``benchmarks/peers/<peer>.txt`` where it is not there yet.
"""

import argparse
import json
import platform
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.child import Outcome, run_child
from benchmarks.planted import BASELINE as BEFORE
from benchmarks.planted import DIMS, PATHS, REFERENCE, planted, write_planted
from benchmarks.planted import FOCUS as AFTER
from benchmarks.rivals import CACHE, COARSE, PEERS, SAME_SUPPORT, Peer, install, segment_of, write_rows
from benchmarks.score import SAME, Hits, hold
from benchmarks.second import latent
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Period

PARTS = ("ours", "second", "peers", "scale")
LARGE = 10_000_000
RULE = (
    f"A found segment is right when the Jaccard index of its focus rows and a planted segment's is at least {SAME}; "
    "each planted segment counts once. F1 over all tables together. Exact: the same dimensions and values."
)
HOW_CPU = (
    "CPU: user and system seconds of a child process with its threads and children, the frame being in memory; "
    "one run to warm up, then the median of the others (--repeat). Peak: resident high-water mark after the first run, "
    "with reading."
)


@dataclass(frozen=True)
class Table:
    """A planted table on disk, with what was planted."""

    seed: int
    file: Path
    about: Path
    causes: tuple[Segment, ...]
    focus: pl.DataFrame
    paths: frozenset[str]


@dataclass
class Bench:
    """The settings of one run, and what it found so far."""

    args: argparse.Namespace
    folder: Path
    out: dict[str, Any] = field(default_factory=dict)

    def child(self, *command: str) -> Outcome:
        """Run a measurement; ``python`` comes first where it is not ours."""
        return run_child(command, patience=self.args.patience, most_gb=self.args.most_gb)

    def ours(self, what: str, file: Path, about: Path, repeat: int) -> Outcome:
        """Run `benchmarks.ours` on a table."""
        return self.child(sys.executable, "-m", "benchmarks.ours", what, str(file), str(about), str(repeat))


def main() -> None:
    """Measure, print a table for a reader, and write the same figures as one JSON object."""
    args = _arguments()
    with tempfile.TemporaryDirectory(prefix="gne-causes-", dir=args.scratch) as folder:
        bench = Bench(args, Path(folder), _blank(args))
        print(RULE, HOW_CPU, sep="\n", flush=True)
        steps = {"ours": first_tables, "second": second_tables, "peers": peers, "scale": scale}
        for part in args.parts:
            print(f"\n== {part}", flush=True)
            steps[part](bench)
            if args.json:  # after each part, so that a run that is stopped leaves what it has
                args.json.write_text(json.dumps(bench.out, indent=1) + "\n", encoding="utf-8")
    print("\n== all figures")
    for key, value in bench.out.items():
        if not isinstance(value, dict | list) and key not in ("rule", "cpu"):
            print(f"{key:28} {'-' if value is None else f'{value:.3g}' if isinstance(value, float) else value}")


def _arguments() -> argparse.Namespace:
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--json", type=Path, help="write all figures to this file")
    reader.add_argument("--quick", action="store_true", help="3 tables of each generator, peers on 1, up to 1M rows")
    reader.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    reader.add_argument("--tables", type=int, help="planted tables of each generator (10)")
    reader.add_argument("--tried", type=int, help="tables on which a peer's two formulations are compared (3)")
    reader.add_argument("--peer-tables", type=int, help="tables for the F1 of the peers (as --tables)")
    reader.add_argument("--first-seed", type=int, default=1)
    reader.add_argument("--rows", type=int, nargs="+", help="sizes for scale (200k, 1M, 3M, 10M)")
    reader.add_argument("--repeat", type=int, default=3, help="measured runs after the warm-up")
    reader.add_argument("--peers", type=Path, default=CACHE, help="folder of the peers' environments")
    reader.add_argument("--scratch", type=Path, help="folder for the tables while it runs (the system's)")
    reader.add_argument("--patience", type=float, default=900, help="CPU seconds after which a child is stopped")
    reader.add_argument("--most-gb", type=float, default=12, help="memory beyond which a child is stopped")
    args = reader.parse_args()
    args.tables = args.tables or (3 if args.quick else 10)
    args.tried = args.tried or (1 if args.quick else 3)
    args.peer_tables = args.peer_tables or (1 if args.quick else args.tables)
    args.rows = args.rows or ([200_000, 1_000_000] if args.quick else [200_000, 1_000_000, 3_000_000, LARGE])
    return args


def _blank(args: argparse.Namespace) -> dict[str, Any]:
    """All keys, null until measured."""
    peer_keys = [f"{what}_{p.key}" for what in ("f1", "cpu_ratio") for p in PEERS]
    keys = ["f1", "f1_second", *peer_keys, "peak_gb_200k", "cube_ratio_10m", "peak_gb_10m", "exponent"]
    settings = {k: v for k, v in vars(args).items() if k not in ("json", "peers", "scratch")}
    machine = {"platform": platform.platform(), "python": platform.python_version(), "polars": pl.__version__}
    return {**dict.fromkeys(keys), "settings": settings, "rule": RULE, "cpu": HOW_CPU, "versions": machine}


def _seeds(args: argparse.Namespace, count: int) -> range:
    return range(args.first_seed, args.first_seed + count)


def _about(folder: Path, dims: Sequence[str], paths: frozenset[str], windows: Sequence[Period]) -> Path:
    file = folder / f"about-{len(dims)}-{windows[0].start}.json"
    told = {"dims": list(dims), "paths": sorted(paths), "windows": [w.model_dump(mode="json") for w in windows]}
    file.write_text(json.dumps(told), encoding="utf-8")
    return file


def _first(bench: Bench, seed: int) -> tuple[Table, pl.DataFrame]:
    frame, causes, dims, before, after = planted(seed)
    file = bench.folder / "first.parquet"
    frame.write_parquet(file)
    focus = frame.filter(pl.col("event_date") >= after.start)
    about = _about(bench.folder, dims, PATHS, (before, after))
    return Table(seed, file, about, tuple(c.segment for c in causes), focus, PATHS), frame


def _second(bench: Bench, seed: int) -> Table:
    frame, causes, dims, before, after = latent(seed)
    file = bench.folder / "second.parquet"
    frame.write_parquet(file)
    focus = frame.filter(pl.col("event_date") >= after.start)
    about = _about(bench.folder, dims, frozenset(), (before, after))
    return Table(seed, file, about, tuple(c.segment for c in causes), focus, frozenset())


def first_tables(bench: Bench) -> None:
    """F1 of ours on the first generator, and what one of its tables costs, warm."""
    score(bench, (_first(bench, s)[0] for s in _seeds(bench.args, bench.args.tables)), "f1")
    table, _ = _first(bench, bench.args.first_seed)
    time_ours(bench, table)


def second_tables(bench: Bench) -> None:
    """F1 of ours on the second generator."""
    score(bench, (_second(bench, s) for s in _seeds(bench.args, bench.args.tables)), "f1_second")


def score(bench: Bench, tables: Iterator[Table], key: str) -> None:
    """Explain each table and hold what is told against what was planted."""
    all_told, confirmed, lines = Hits(), Hits(), []
    for table in tables:
        done = bench.ours("explain", table.file, table.about, 0)
        told = done.value["found"] if done.value else []
        segments = [Segment.model_validate(t["segment"]) for t in told]
        hits, missed = hold(segments, table.causes, table.focus, table.paths)
        sure = [s for s, t in zip(segments, told, strict=True) if t["status"] == "confirmed"]
        all_told += hits
        confirmed += hold(sure, table.causes, table.focus, table.paths)[0]
        lines.append({
            "seed": table.seed, "planted": [str(c) for c in table.causes], "missed": [str(m) for m in missed],
            "told": [f"{s} [{t['kind']}, {t['status']}]" for s, t in zip(segments, told, strict=True)],
            "why": done.why,
        })  # fmt: skip
        cost = f"{done.value['cold_cpu']:.1f} s cold" if done.value else done.why
        print(f"seed {table.seed}: {hits.rows} of {hits.planted} planted, {hits.told} told, {cost}", flush=True)
        for name in missed:
            print(f"    missed {name}")
        if missed or hits.told > hits.rows:
            print(f"    told {'; '.join(lines[-1]['told'])}", flush=True)
    bench.out |= {
        key: all_told.f1, f"{key}_exact": all_told.exact_f1, f"{key}_confirmed": confirmed.f1, f"{key}_tables": lines,
        f"{key}_precision": all_told.rows / max(all_told.told, 1),
        f"{key}_recall": all_told.rows / max(all_told.planted, 1),
    }  # fmt: skip
    print(f"ours, all causes told: F1 {all_told.f1:.3f}, exact names {all_told.exact_f1:.3f}; "
          f"confirmed ones alone: F1 {confirmed.f1:.3f}", flush=True)  # fmt: skip


def time_ours(bench: Bench, table: Table) -> float | None:
    """CPU of ours on one table, warm; fills the keys of 200k rows."""
    done = bench.ours("explain", table.file, table.about, bench.args.repeat)
    if not done.value:
        print(f"ours could not be timed: {done.why}", flush=True)
        return None
    cpu = statistics.median(done.value["cpu"])
    bench.out |= {"cpu_200k": cpu, "cold_cpu_200k": done.value["cold_cpu"], "peak_gb_200k": done.value["peak_gb"]}
    bench.out["versions"] |= done.value["versions"]
    print(f"ours on seed {table.seed}, {REFERENCE:,} rows: CPU {cpu:.2f} s warm ({done.value['cold_cpu']:.2f} cold), "
          f"peak {done.value['peak_gb']:.2f} GB", flush=True)  # fmt: skip
    return cpu


def peers(bench: Bench) -> None:
    """F1 of each peer, its better formulation; and its CPU over ours on the first table, ours measured right before."""
    ready = [(p, *install(p, bench.args.peers)) for p in PEERS]
    tables: list[tuple[Table, Path]] = []
    for seed in _seeds(bench.args, bench.args.peer_tables):
        table, frame = _first(bench, seed)
        rows = bench.folder / f"rows-{seed}.parquet"
        write_rows(frame, DIMS, PATHS, AFTER.start, rows)
        tables.append((table, rows))
    first, _ = _first(bench, bench.args.first_seed)
    details = bench.out.setdefault("peers", {})
    print("Of the two formulations of a peer the better by F1 is kept; it is told the true number of causes.\n"
          f"Where it takes a least support, that is ours, {SAME_SUPPORT} of the rows. cpu_ratio_<peer>_coarse: it is\n"
          f"told besides that no cause is smaller than {COARSE} of the rows; ours is not.", flush=True)  # fmt: skip
    for peer, python, why in ready:
        if python is None:
            details[peer.key] = {"why": why}
            print(f"{peer.name}: {why}", flush=True)
            continue
        details[peer.key] = told = _peer(bench, peer, str(python), tables)
        ours = time_ours(bench, first)
        measured = told.get("cpu")
        bench.out[f"f1_{peer.key}"] = told.get("f1")
        bench.out[f"cpu_ratio_{peer.key}"] = measured / ours if measured and ours else None
        ratio = bench.out[f"cpu_ratio_{peer.key}"]
        coarse = told.get("cpu_coarse")
        bench.out[f"cpu_ratio_{peer.key}_coarse"] = coarse / ours if coarse and ours else None
        print(f"{peer.name} {told.get('versions', {}).get(peer.name, '')}: F1 {_shown(told.get('f1'))} "
              f"(exact {_shown(told.get('exact_f1'))}), CPU {_shown(measured)} s, {_shown(ratio)} x ours, "
              f"coarse {_shown(coarse)} s, peak {_shown(told.get('peak_gb'))} GB\n"
              f"    {told.get('settings', told.get('why', ''))}\n"
              f"    versions {told.get('versions', {})}", flush=True)  # fmt: skip


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _peer(bench: Bench, peer: Peer, python: str, tables: Sequence[tuple[Table, Path]]) -> dict[str, Any]:
    """Compare a peer's formulations on a few tables, score the better one on all, and time it on the first."""
    tried: dict[str, tuple[Hits, list[str], float]] = {}
    for name in peer.formulations:
        tried[name] = _rival_hits(bench, peer, python, name, tables[: bench.args.tried])
        hits, whys, spent = tried[name]
        print(f"  {peer.name}, {name}: F1 {hits.f1:.3f}, {spent:.1f} CPU s cold {'; '.join(whys)}", flush=True)
    best = max(tried, key=lambda name: (not tried[name][1], tried[name][0].f1, -tried[name][2]))
    more, stopped, _ = _rival_hits(bench, peer, python, best, tables[bench.args.tried :])
    hits = tried[best][0] + more
    whys = [*tried[best][1], *stopped]
    told: dict[str, Any] = {
        "formulation": best, "f1": hits.f1, "exact_f1": hits.exact_f1, "tables": len(tables), "stopped": whys,
        "tried": {name: {"f1": h.f1, "cold_cpu": s, "stopped": w} for name, (h, w, s) in tried.items()},
    }  # fmt: skip
    table, rows = tables[0]
    done = _asked(bench, peer, python, table, rows, best, bench.args.repeat, peer.support)
    if not done.value:
        return {**told, "why": done.why}
    coarse = done
    if peer.support is not None and peer.support < COARSE:
        coarse = _asked(bench, peer, python, table, rows, best, bench.args.repeat, COARSE)
    return {
        **told, "cpu": statistics.median(done.value["cpu"]), "cold_cpu": done.value["cold_cpu"],
        "cpu_coarse": statistics.median(coarse.value["cpu"]) if coarse.value else None,
        "peak_gb": done.value["peak_gb"], "settings": done.value["settings"], "versions": done.value["versions"],
    }  # fmt: skip


def _asked(
    bench: Bench, peer: Peer, python: str, table: Table, rows: Path, name: str, repeat: int, support: float | None
) -> Outcome:
    least = [] if support is None else [str(support)]
    return bench.child(python, str(peer.runner), str(rows), str(len(table.causes)), name, str(repeat), *least)


def _rival_hits(
    bench: Bench, peer: Peer, python: str, name: str, tables: Sequence[tuple[Table, Path]]
) -> tuple[Hits, list[str], float]:
    """The hits of a formulation over some tables, why runs were stopped, and the mean CPU seconds of a cold run."""
    total, whys, spent = Hits(), [], [0.0]
    for table, rows in tables:
        if whys:  # what was stopped once is not waited for again; its segments count as missed
            total += Hits(planted=len(table.causes))
            continue
        done = _asked(bench, peer, python, table, rows, name, 0, peer.support)
        found = done.value["found"] if done.value else []
        segments = [segment_of(f, table.paths) for f in found]
        total += hold(segments, table.causes, table.focus, table.paths)[0]
        if done.value:
            spent.append(done.value["cold_cpu"])
        else:
            whys.append(f"seed {table.seed}: {done.why}")
    return total, whys, sum(spent) / max(len(spent) - 1, 1)


def scale(bench: Bench) -> None:
    """CPU and memory of ours by rows, beside the one group_by of the same table; cost fitted over rows."""
    about = _about(bench.folder, DIMS, PATHS, (BEFORE, AFTER))
    lines: list[dict[str, Any]] = []
    print(f"{'rows':>12} {'CPU s':>8} {'explain':>8} {'count_leaves':>13} {'group_by':>9} {'ratio':>7} {'peak GB':>8}")
    for rows in sorted(bench.args.rows):
        file = bench.folder / "scale.parquet"
        write_planted(file, bench.args.first_seed, rows)
        line = _sized(bench, file, about, rows)
        lines.append(line)
        file.unlink()
        cells = (f"{_shown(line.get(k)):>{w}}" for k, w in (
            ("cpu", 8), ("explain", 8), ("count_leaves", 13), ("group_by", 9), ("cube_ratio", 7),
            ("peak_gb", 8)))  # fmt: skip
        print(f"{rows:>12,} {' '.join(cells)} {line.get('why', '')}", flush=True)
    bench.out["scale"] = lines
    if large := next((x for x in lines if x["rows"] == LARGE), None):
        bench.out |= {
            "cube_ratio_10m": large.get("cube_ratio"), "peak_gb_10m": large.get("peak_gb"),
            "cube_ratio_10m_group_by": large.get("plain_ratio"), "cube_ratio_10m_explain": large.get("explain_ratio"),
        }  # fmt: skip
    fit = fitted([(x["rows"], x["cpu"]) for x in lines if "cpu" in x])
    bench.out |= {"exponent": fit.get("exponent"), "fit": fit}
    if fit:
        print(f"CPU = {fit['intercept']:.2f} s + {fit['slope']:.3g} s per million rows, R^2 {fit['r2']:.4f}; "
              f"exponent of the log-log fit {fit['exponent']:.2f}", flush=True)  # fmt: skip
    print("ratio: CPU (from_frame, make_shift and explain) over count_leaves on the same rows; each in its own child.")


def _sized(bench: Bench, file: Path, about: Path, rows: int) -> dict[str, Any]:
    """One size: ours after a warm-up where it is small, the first run where it is large, and both ways to count."""
    line: dict[str, Any] = {"rows": rows}
    repeat = bench.args.repeat if rows <= 1_000_000 else 0
    done = bench.ours("explain", file, about, repeat)
    if done.value:
        line |= {"cpu": statistics.median(done.value["cpu"]), "peak_gb": done.value["peak_gb"], **done.value["steps"]}
    else:
        line["why"] = done.why
    for what in ("count_leaves", "group_by"):
        counted = bench.ours(what, file, about, bench.args.repeat)
        if counted.value:
            line |= {what: statistics.median(counted.value["cpu"]), "leaves": counted.value["leaves"]}
    for ratio, over, under in (
        ("cube_ratio", "cpu", "count_leaves"), ("plain_ratio", "cpu", "group_by"),
        ("explain_ratio", "explain", "count_leaves"),
    ):  # fmt: skip
        if over in line and under in line:
            line[ratio] = line[over] / line[under]
    return line


def fitted(points: Sequence[tuple[int, float]]) -> dict[str, float]:
    """Fit cost = intercept + slope x million rows, with R^2, and the exponent of cost over rows."""
    if len(points) < 2:
        return {}
    rows, cost = (np.array(x, dtype=float) for x in zip(*points, strict=True))
    slope, intercept = np.polyfit(rows / 1e6, cost, 1)
    left = cost - (intercept + slope * rows / 1e6)
    r2 = 1 - float((left**2).sum() / ((cost - cost.mean()) ** 2).sum())
    exponent = np.polyfit(np.log(rows), np.log(cost), 1)[0]
    return {"slope": float(slope), "intercept": float(intercept), "r2": r2, "exponent": float(exponent)}


if __name__ == "__main__":
    main()
