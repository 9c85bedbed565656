"""The clusterer: a shared-neighbour graph cut by Leiden, its resolution chosen by a rule that needs no labels.

Leiden: Traag, Waltman and van Eck (2019). Shared-neighbour weights: Jarvis and Patrick (1973).
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack

from gne_analytics.themes.cores import at_once, one_blas_thread
from gne_analytics.themes.embedders import Vectors, unit_length

Labels = NDArray[np.int64]

NEIGHBOURS = 15
RESOLUTIONS = np.geomspace(0.1, 32, 24)
STRIDE = 4
"""One resolution of so many is tried; then those halfway to the best one's neighbours, and halfway again."""
DROPPED_EDGES = 0.1
DROPOUTS = 2
"""Times that the chosen cut is made again without a tenth of the edges."""
EXPECTED = 2.4
"""n texts are expected to hold about so many times the fourth root of n themes,"""
DOUBT = 0.02
"""and a cut pays so much of its silhouette for each squared log-step away from that."""
FINEST = 3.0
"""Cuts with more than so many times the square root of n themes are crumbs."""
SAMPLE = 2000
"""Points on which the silhouette is taken."""
EXACT_UP_TO = 4_000
"""Of more points, neighbours are looked for among the nearest in fewer dimensions."""
PROJECTED = 64
"""So many principal dimensions;"""
CANDIDATES = 40
"""so many of the nearest there are compared in full."""
ORDERED_BY = 4
"""So many columns put rows in an order of their own."""
_BLOCK = 256


@dataclass(frozen=True)
class Cut:
    """One partition of the graph: its resolution, how many themes, how steady and how well parted they are.

    ``agreement`` is nan where it was not measured, ``silhouette`` -1 for a single theme.
    """

    resolution: float
    themes: int
    agreement: float
    silhouette: float
    labels: Labels


@dataclass(frozen=True)
class Partition:
    """The chosen cut and its rivals, from coarse to fine."""

    chosen: Cut
    cuts: tuple[Cut, ...]

    def in_order(self, rows: Labels) -> "Partition":
        """The same of rows in another order: ``rows`` says where each stood."""
        moved = {id(c): replace(c, labels=c.labels[rows]) for c in (self.chosen, *self.cuts)}
        return Partition(moved[id(self.chosen)], tuple(moved[id(c)] for c in self.cuts))

    @property
    def unsure(self) -> bool:
        """Two seeds of the chosen resolution disagree: another cut would have served as well."""
        return self.chosen.agreement < 0.7


def nearest(vectors: Vectors, k: int = NEIGHBOURS) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return each point's k nearest others by cosine and their similarity, a block of rows at a time.

    Exactly up to EXACT_UP_TO points. Of more, the best of the CANDIDATES nearest in PROJECTED principal dimensions:
    .94 of the exact ones on 20,000 texts read by USE, at little more than half the time.
    """
    n = len(vectors)
    k = min(k, n - 1)
    if n > EXACT_UP_TO and vectors.shape[1] > PROJECTED:
        return _nearest_of_candidates(vectors, k)
    index = np.empty((n, k), dtype=np.int64)
    cosine = np.empty((n, k), dtype=np.float32)

    def block(rows: slice) -> None:
        index[rows], cosine[rows] = _best(_to_others(vectors, rows), k)

    at_once(block, _blocks(n))
    return index, cosine


def _nearest_of_candidates(vectors: Vectors, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    n = len(vectors)
    _, axes = np.linalg.eigh((vectors.T @ vectors).astype(np.float64))
    low = unit_length(vectors @ axes[:, -PROJECTED:].astype(np.float32))
    index = np.empty((n, k), dtype=np.int64)
    cosine = np.empty((n, k), dtype=np.float32)

    def block(rows: slice) -> None:
        some, _ = _best(_to_others(low, rows), max(CANDIDATES, 2 * k))
        best, cosine[rows] = _best(np.einsum("ijk,ik->ij", np.take(vectors, some, axis=0), vectors[rows]), k)
        index[rows] = np.take_along_axis(some, best, axis=1)

    at_once(block, _blocks(n))
    return index, cosine


def _blocks(n: int) -> list[slice]:
    return [slice(start, start + _BLOCK) for start in range(0, n, _BLOCK)]


def _to_others(vectors: Vectors, rows: slice) -> Vectors:
    """Cosines of some rows to all; that of a row to itself is left out."""
    cosine: Vectors = vectors[rows] @ vectors.T
    each = np.arange(len(cosine))
    cosine[each, rows.start + each] = -np.inf
    return cosine


def _best(cosine: Vectors, k: int) -> tuple[NDArray[np.int64], Vectors]:
    """Columns and values of the k highest of each row."""
    best = np.argpartition(cosine, cosine.shape[1] - k, axis=1)[:, -k:]
    return best, np.take_along_axis(cosine, best, axis=1)


def shared_neighbour_graph(vectors: Vectors, k: int = NEIGHBOURS) -> csr_matrix:
    """Return the symmetric kNN graph, each edge weighing sqrt(Jaccard of the neighbourhoods x cosine)."""
    n = len(vectors)
    index, cosine = nearest(vectors, k)
    width = index.shape[1]
    each = np.repeat(np.arange(n), width)
    near = csr_matrix((cosine.ravel().astype(np.float64), (each, index.ravel())), shape=(n, n))
    near = near.maximum(near.T).tocsr()
    near.data = np.clip(near.data, 0.0, 1.0)
    around = csr_matrix((np.ones(n * width + n), (np.r_[each, np.arange(n)], np.r_[index.ravel(), np.arange(n)])))
    reach = csr_matrix((np.ones(near.nnz), near.indices, near.indptr), shape=(n, n))
    # In blocks of rows: a text that is near to thousands makes each of these share a neighbour with each.
    blocks = [slice(start, start + _BLOCK) for start in range(0, n, _BLOCK)]
    shared = vstack([(around[rows] @ around.T).multiply(reach[rows]) for rows in blocks], format="csr")
    shared.data = shared.data / (2 * (width + 1) - shared.data)
    graph: csr_matrix = shared.multiply(near).tocsr()
    graph.data = np.sqrt(graph.data)
    graph.eliminate_zeros()
    graph.sort_indices()
    return graph


def leiden(graph: csr_matrix, resolution: float, seed: int) -> Labels:
    """Cut the graph at one resolution; the same graph, resolution and seed give the same labels."""
    from graspologic_native import leiden_csr

    n = int(graph.shape[0])
    if graph.nnz == 0:
        return np.zeros(n, dtype=np.int64)
    _, found = leiden_csr(
        graph.indptr.astype(np.int64), graph.indices.astype(np.int32), graph.data.astype(np.float64),
        n, resolution=float(resolution), seed=seed, iterations=2,
    )  # fmt: skip
    labels = np.full(n, -1, dtype=np.int64)
    labels[np.fromiter(found.keys(), np.int64, len(found))] = np.fromiter(found.values(), np.int64, len(found))
    return labels


def partition(vectors: Vectors, seed: int = 0, k: int = NEIGHBOURS) -> Partition:
    """Cluster vectors of length one into themes, none left over.

    Of up to 24 resolutions, the cut with the highest cosine silhouette wins, less what it pays for more or fewer themes
    than so many texts usually hold: groups that lie clearly apart outweigh that, where nothing does the usual number
    decides. How steady the winner is, is measured by cutting again with a tenth of the edges gone.
    """
    n = len(vectors)
    graph = shared_neighbour_graph(vectors, k)
    sample = np.sort(np.random.default_rng(seed).permutation(n)[:SAMPLE])
    distance = 1 - vectors[sample] @ vectors[sample].T
    most = most_themes(n)

    def cut_at(i: int) -> Cut:
        labels = leiden(graph, RESOLUTIONS[i], seed)
        themes = len(np.unique(labels))
        return Cut(float(RESOLUTIONS[i]), themes, float("nan"), silhouette(distance, labels[sample]), labels)

    apart = range(STRIDE - 1, len(RESOLUTIONS), STRIDE)
    tried = at_once(cut_at, apart)
    crumbs = next((j for j, cut in enumerate(tried) if cut.themes > most), len(tried))  # finer still: resolutions rise
    found = dict(zip(apart, tried[: crumbs + 1], strict=False))
    step = STRIDE
    while step := step // 2:
        best_yet = max(found, key=lambda i: _worth(found[i], n))
        beside = [i for i in (best_yet - step, best_yet + step) if 0 <= i < len(RESOLUTIONS) and i not in found]
        found |= zip(beside, at_once(cut_at, beside), strict=True)
    cuts = list({found[i].themes: found[i] for i in sorted(found, reverse=True)}.values())[::-1]
    best = max(cuts, key=lambda c: _worth(c, n))
    if _worth(best, n) == -math.inf:
        return Partition(cuts[0], tuple(cuts))
    again = at_once(lambda i: leiden(_drop_edges(graph, seed + i), best.resolution, seed + 1 + i), range(DROPOUTS))
    chosen = replace(best, agreement=float(np.mean([adjusted_rand(best.labels, labels) for labels in again])))
    return Partition(chosen, tuple(chosen if c is best else c for c in cuts))


def most_themes(n: int) -> float:
    """How many themes n texts hold at most; more are crumbs."""
    return FINEST * math.sqrt(n)


def _worth(cut: Cut, n: int) -> float:
    if not 1 < cut.themes <= most_themes(n):
        return -math.inf
    away = math.log(cut.themes / (EXPECTED * n**0.25))
    return cut.silhouette - DOUBT * away**2


def adjusted_rand(a: Labels, b: Labels) -> float:
    """Return the adjusted Rand index of two partitions (Hubert and Arabie, 1985)."""
    _, a = np.unique(a, return_inverse=True)
    _, b = np.unique(b, return_inverse=True)
    n = len(a)
    cells = np.bincount(a * (int(b.max()) + 1) + b)

    def pairs(counts: NDArray[np.int64]) -> float:
        return float((counts.astype(np.float64) * (counts - 1) / 2).sum())

    both, one, other = pairs(cells), pairs(np.bincount(a)), pairs(np.bincount(b))
    expected = one * other / max(n * (n - 1) / 2, 1.0)
    best = (one + other) / 2
    return 1.0 if best == expected else (both - expected) / (best - expected)


def _drop_edges(graph: csr_matrix, seed: int) -> csr_matrix:
    upper = graph.tocoo()
    keep = upper.row < upper.col
    row, col, data = upper.row[keep], upper.col[keep], upper.data[keep]
    stay = np.random.default_rng(seed).random(len(data)) >= DROPPED_EDGES
    half = csr_matrix((data[stay], (row[stay], col[stay])), shape=graph.shape)
    thinned: csr_matrix = (half + half.T).tocsr()
    thinned.sort_indices()
    return thinned


def silhouette(distance: NDArray[np.float32], labels: Labels) -> float:
    """Mean cosine silhouette (Rousseeuw, 1987) of the sampled points; -1 when all share one theme."""
    _, codes = np.unique(labels, return_inverse=True)
    themes = int(codes.max()) + 1
    if themes < 2:
        return -1.0
    size = np.bincount(codes)
    member = np.zeros((len(codes), themes), dtype=np.float32)
    member[np.arange(len(codes)), codes] = 1
    to_theme = distance @ member
    own = to_theme[np.arange(len(codes)), codes] / np.maximum(size[codes] - 1, 1)
    others = to_theme / size
    others[np.arange(len(codes)), codes] = np.inf
    other = others.min(axis=1)
    score = (other - own) / np.maximum(np.maximum(own, other), 1e-12)
    return float(np.where(size[codes] > 1, score, 0.0).mean())


SMALLEST = 3
"""A theme of fewer distinct texts is no theme: its texts join the nearest one."""


class GraphClusterer:
    """The clusterer as BERTopic's frame wants it: ``fit``, then ``labels_``, no outliers.

    Rows are put in an order of their own first, so that the one they come in means nothing.
    """

    def __init__(self, seed: int = 0, neighbours: int = NEIGHBOURS) -> None:
        self._seed, self._neighbours = seed, neighbours
        self.labels_: Labels = np.zeros(0, dtype=np.int64)
        self.partition_: Partition | None = None

    def fit(self, X: Vectors, y: object = None) -> "GraphClusterer":  # noqa: ARG002, N803
        """Cluster; under four points there is one theme."""
        if len(X) < 4:
            self.labels_ = np.zeros(len(X), dtype=np.int64)
            return self
        rows = np.asarray(X, dtype=np.float32)
        order = np.lexsort(rows[:, :ORDERED_BY].T)
        with one_blas_thread():  # the products are so small that waiting for a second core costs more than it gains
            found = partition(rows[order], self._seed, self._neighbours)
        self.partition_ = found.in_order(np.argsort(order))
        self.labels_ = settle(X, self.partition_.chosen.labels)
        return self


def settle(vectors: Vectors, labels: Labels) -> Labels:
    """Give the texts of themes under SMALLEST, and outliers (-1), to the theme with the nearest centre."""
    names, codes, size = np.unique(labels, return_inverse=True, return_counts=True)
    stays = (size >= SMALLEST) & (names >= 0)
    if stays.all():
        return codes.astype(np.int64)
    if not stays.any():
        return np.zeros(len(labels), dtype=np.int64)
    centres = centroids(vectors, codes)[stays]
    lost = ~stays[codes]
    settled = (np.cumsum(stays) - 1)[codes]
    settled[lost] = (vectors[lost] @ centres.T).argmax(axis=1)
    return settled.astype(np.int64)


def centroids(vectors: Vectors, labels: Labels) -> Vectors:
    """Return the mean direction of each label 0, 1, 2, ..."""
    return unit_length(sums(vectors, labels))


def sums(vectors: Vectors, labels: Labels) -> Vectors:
    """Return the sum of the vectors of each label 0, 1, 2, ..."""
    n = len(labels)
    member = csr_matrix((np.ones(n, dtype=np.float32), (labels, np.arange(n))), shape=(int(labels.max()) + 1, n))
    total: Vectors = member @ vectors
    return total
