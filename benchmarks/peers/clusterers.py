"""The clusterers that themes are held against: UMAP + HDBSCAN as BERTopic sets them, and EVoC; outliers as they are.

python benchmarks/peers/clusterers.py VECTORS umap_hdbscan|evoc SEEDS ["as it comes"]

With seeds UMAP uses one core; as it comes it has none and uses all.
"""

import json
import sys
import time
import warnings

import numpy as np


def umap_hdbscan(vectors: np.ndarray, seed: int | None) -> np.ndarray:
    """BERTopic's defaults: 15 neighbours, 5 dimensions, no minimal distance, cosine; themes of ten texts and more."""
    import umap
    from sklearn.cluster import HDBSCAN

    reducer = umap.UMAP(n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=seed)
    return HDBSCAN(min_cluster_size=10).fit(reducer.fit_transform(vectors)).labels_


def evoc(vectors: np.ndarray, seed: int | None) -> np.ndarray:
    """EVoC as it comes."""
    import evoc as package

    return np.asarray(package.EVoC(random_state=seed).fit_predict(vectors))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    read, run = np.load(sys.argv[1]), {"umap_hdbscan": umap_hdbscan, "evoc": evoc}[sys.argv[2]]
    run(read[:500], 0)  # compiles
    seeds = [None] if sys.argv[4:] else range(int(sys.argv[3]))
    start, wall = time.process_time(), time.perf_counter()
    found = [run(read, seed).tolist() for seed in seeds]
    cost = {"cpu": time.process_time() - start, "wall": time.perf_counter() - wall}
    json.dump({"labels": found, **{name: spent / len(found) for name, spent in cost.items()}}, sys.stdout)
