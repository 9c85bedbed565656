"""What our own themes cost: run by `benchmarks.themes_scale` in a child process, one measurement each.

    python -m benchmarks.themes_ours cluster VECTORS.npy
    python -m benchmarks.themes_ours fit TEXTS.json
    python -m benchmarks.themes_ours many NUMBER TEXTS.json

``cluster`` does to given vectors what `fit_themes` does to those of its texts: FIT_TEXTS of them make the graph, the
rest join the nearest theme. ``fit`` is all of it, from texts to themes; ``many`` the same on so many texts composed of
the given ones' beginnings and ends. Imports are left out, of the peers too.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from gne_analytics.themes.fit import FIT_TEXTS, Themes, fit_themes
from gne_analytics.themes.graph import GraphClusterer, Labels, centroids

COMPILES = 600
"""Texts of a first run, which is not counted: of the peers it compiles."""
SELLERS = 997


def cluster(vectors: "np.typing.NDArray[np.float32]") -> Labels:
    """Themes of a sample, in whose order there is no meaning, and the nearest of them for all others."""
    fitted = GraphClusterer(0).fit(vectors[:FIT_TEXTS]).labels_
    centres = centroids(vectors[:FIT_TEXTS], fitted)
    rest = [(vectors[i : i + FIT_TEXTS] @ centres.T).argmax(axis=1) for i in range(FIT_TEXTS, len(vectors), FIT_TEXTS)]
    return np.concatenate([fitted, *rest])


def composed(texts: list[str], number: int) -> list[str]:
    """Make short texts, nearly all of them distinct: a few words of one text's beginning and of another's end."""
    rng = np.random.default_rng(0)
    words = [t.split() for t in texts]
    first, second = rng.integers(0, len(words), (2, number))
    left, right = rng.integers(3, 12, (2, number))
    return [" ".join(words[a][:m] + words[b][-n:]) for a, b, m, n in zip(first, second, left, right, strict=True)]


def fit(texts: list[str]) -> Themes:
    """Fit as an analyst would, on texts of many sellers."""
    numbers = pl.int_range(len(texts), eager=True)
    unit = pl.Series([f"s{i % SELLERS}" for i in range(len(texts))])
    return fit_themes(pl.DataFrame({"id": numbers.cast(pl.String), "text": texts, "unit": unit}), "seller_text")


def measured(run: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Run once; CPU seconds (of worker processes too), wall seconds and peak GB of the largest process."""
    before, start = _cpu(), time.perf_counter()
    result = run()
    wall = time.perf_counter() - start
    held = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1e6
    return result, {"cpu": _cpu() - before, "wall": wall, "gb": held}


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def main() -> None:
    """Print what was found and what it cost as JSON."""
    what, file = sys.argv[1], Path(sys.argv[-1])
    if what == "cluster":
        vectors = np.load(file)
        cluster(vectors[:COMPILES])
        labels, cost = measured(lambda: cluster(vectors))
        json.dump({"labels": labels.tolist(), **cost}, sys.stdout)
        return
    texts = json.loads(file.read_text(encoding="utf-8"))
    if what == "many":
        texts = composed(texts, int(sys.argv[2]))
    fit(texts[:COMPILES])
    found, cost = measured(lambda: fit(texts))
    labels = found.assignments.sort(pl.col("id").cast(pl.Int64))["theme_id"].to_list()
    json.dump({"labels": labels if what == "fit" else [], "themes": len(found.themes), **cost}, sys.stdout)


if __name__ == "__main__":
    main()
