"""The clusterers that themes are held against: UMAP + HDBSCAN as BERTopic sets them, and EVoC; outliers as they are.

python benchmarks/peers/clusterers.py VECTORS umap_hdbscan|evoc SEEDS
"""

import json
import sys
import time
import warnings

import numpy as np


def umap_hdbscan(vectors: np.ndarray, seed: int) -> np.ndarray:
    """BERTopic's defaults: 15 neighbours, 5 dimensions, no minimal distance, cosine; themes of ten texts and more."""
    import umap
    from sklearn.cluster import HDBSCAN

    reducer = umap.UMAP(n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=seed)
    return HDBSCAN(min_cluster_size=10).fit(reducer.fit_transform(vectors)).labels_


def evoc(vectors: np.ndarray, seed: int) -> np.ndarray:
    """EVoC as it comes."""
    import evoc as package

    return np.asarray(package.EVoC(random_state=seed).fit_predict(vectors))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    read, run = np.load(sys.argv[1]), {"umap_hdbscan": umap_hdbscan, "evoc": evoc}[sys.argv[2]]
    run(read[:500], 0)  # compiles
    start = time.process_time()
    found = [run(read, seed).tolist() for seed in range(int(sys.argv[3]))]
    json.dump({"labels": found, "cpu": (time.process_time() - start) / len(found)}, sys.stdout)
