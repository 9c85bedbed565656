"""Where every text stands: in which theme, in which of the finest themes below it, and at which spot of a flat map."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gne_analytics.evidence.types import Theme
from gne_analytics.themes.embedders import Vectors
from gne_analytics.themes.graph import SMALLEST, Labels, Partition, centroids, sums
from gne_analytics.themes.leaves import Leaves
from gne_analytics.themes.texts import Corpus, folded_into, shortened

AXES = 32
"""Principal axes in which a theme's own two are looked for."""
DRAWN = 3000
"""Texts from which axes are learnt."""
ROOM = 0.42
"""Share of the map that the discs of the themes fill."""
STEPS = 200
BESIDE = 2
"""Cuts on either side of the chosen one under which a theme's stability is taken."""


@dataclass(frozen=True)
class Places:
    """The distinct texts of a fit, each with its theme, its leaf of the hierarchy and its spot on the map."""

    corpus: Corpus
    languages: tuple[str | None, ...]
    theme: Labels
    leaf: Labels
    """Leaves are nested in themes and numbered through."""
    means: Vectors
    """Mean vector of each leaf, shorter the more its texts differ."""
    spots: NDArray[np.float32]
    """Two columns, x and y."""
    cuts: tuple[Labels, ...]
    """Per finer cut, from coarse to fine, the group of each leaf."""

    def rows(self) -> pl.DataFrame:
        """Return one row per text that holds a word: id, unit, language, group, theme and leaf (numbers), folding."""
        rows = folded_into(self.corpus.rows.filter(pl.col("group").is_not_null()))
        group = rows["group"].to_numpy()
        return rows.with_columns(theme=pl.Series(self.theme[group]), leaf=pl.Series(self.leaf[group]))


@dataclass(frozen=True)
class Stand:
    """Where some texts stand: theme, its likeness, leaf, and their place along the map's AXES axes."""

    theme: Labels
    similarity: NDArray[np.float32]
    leaf: Labels
    along: Vectors

    @staticmethod
    def joined(stands: "Sequence[Stand]") -> "Stand":
        """Put blocks of texts one after another."""
        parts = ([getattr(s, name) for s in stands] for name in ("theme", "similarity", "leaf", "along"))
        return Stand(*(np.concatenate(part) for part in parts))

    def renumbered(self, theme: Labels, leaf: Labels) -> "Stand":
        """The same, each theme and leaf under its new number."""
        return replace(self, theme=theme[self.theme], leaf=leaf[self.leaf])


@dataclass(frozen=True)
class Ground:
    """The fitted texts' themes and leaves, on which a block of any texts is given its stand; the same in any order.

    Themes are split into leaves by the finer cuts.
    """

    fitted: Stand
    leaves: Leaves
    axes: Vectors
    means: Vectors
    cuts: tuple[Labels, ...]

    @classmethod
    def of(cls, placed: Vectors, theme: Labels, centres: Vectors, cut: Partition | None) -> "Ground":
        """Lay the ground from the vectors and themes of the fitted texts."""
        finer = [c.labels for c in cut.cuts if c.themes > cut.chosen.themes] if cut is not None else []
        leaf = _leaves(placed, theme, finer[-1] if finer else theme)
        owner = np.zeros(int(leaf.max()) + 1, dtype=np.int64)
        owner[leaf] = theme
        axes = _axes(placed[:DRAWN], AXES)
        similarity = np.einsum("ij,ij->i", placed, centres[theme])
        means = (sums(placed, leaf) / np.bincount(leaf)[:, None]).astype(np.float32)
        groups = tuple(_majority(leaf, labels) for labels in finer)
        fitted = Stand(theme, similarity, leaf, placed @ axes)
        return cls(fitted, Leaves(centroids(placed, leaf), owner, centres), axes, means, groups)

    def renumbered(self, order: Labels, stands: Stand) -> "tuple[Ground, Stand]":
        """Number the themes in that order, the leaves by theme; of the ground and of the texts that stand on it."""
        theme = np.argsort(order)
        leaves = np.argsort(theme[self.leaves.owner], kind="stable")
        leaf = np.argsort(leaves)
        ground = Ground(
            self.fitted.renumbered(theme, leaf), self.leaves.renumbered(order, leaves),
            self.axes, self.means[leaves], tuple(cut[leaves] for cut in self.cuts),
        )  # fmt: skip
        return ground, stands.renumbered(theme, leaf)

    def stand(self, placed: Vectors) -> Stand:
        """Give texts that were not fitted the nearest leaf, and its theme."""
        found = self.leaves.nearest(placed)
        return Stand(found.theme, found.similarity, found.leaf, placed @ self.axes)

    def places(self, found: Corpus, languages: Sequence[str | None], stands: Stand) -> Places:
        """Lay themes and texts out flat; the same input, the same map."""
        spots = _spots(stands.along, stands.theme, self.leaves.themes)
        return Places(found, tuple(languages), stands.theme, stands.leaf, self.means, spots, self.cuts)


def _leaves(vectors: Vectors, theme: Labels, finest: Labels) -> Labels:
    """Cut each theme where the finest cut does; a piece under SMALLEST joins the nearest piece of its theme."""
    _, piece = np.unique(theme * (int(finest.max()) + 1) + finest, return_inverse=True)
    piece = piece.astype(np.int64)
    size, owner = np.bincount(piece), np.zeros(int(piece.max()) + 1, dtype=np.int64)
    owner[piece] = theme
    large = size >= SMALLEST
    for alone in np.setdiff1d(np.unique(owner), owner[large]):
        large[np.flatnonzero(owner == alone)[0]] = True
    lost = ~large[piece]
    if lost.any():
        kept = np.flatnonzero(large)
        centres = centroids(vectors, piece)[kept]
        piece[lost] = kept[_nearest_own(vectors[lost], theme[lost], centres, owner[kept])]
    return np.unique(piece, return_inverse=True)[1].astype(np.int64)


def _nearest_own(vectors: Vectors, theme: Labels, centres: Vectors, owner: Labels) -> Labels:
    """The nearest centre among those of each text's own theme."""
    found = np.zeros(len(vectors), dtype=np.int64)
    for one in np.unique(theme):
        own, texts = np.flatnonzero(owner == one), np.flatnonzero(theme == one)
        found[texts] = own[(vectors[texts] @ centres[own].T).argmax(axis=1)]
    return found


def _majority(leaf: Labels, labels: Labels) -> Labels:
    """For each leaf the label that most of its texts hold (ties: the first)."""
    _, codes = np.unique(labels, return_inverse=True)
    width = int(codes.max()) + 1
    counts = np.bincount(leaf * width + codes, minlength=(int(leaf.max()) + 1) * width)
    most: Labels = counts.reshape(-1, width).argmax(axis=1).astype(np.int64)
    return most


def _spots(along: Vectors, theme: Labels, centres: Vectors) -> NDArray[np.float32]:
    """Lay themes out as discs, their area the number of texts; a text lies by where it stands in its theme."""
    size = np.bincount(theme, minlength=len(centres))
    radius = np.sqrt(size / size.sum() * ROOM / np.pi).astype(np.float64)
    middle = _apart(_flat(centres), radius)
    spots = np.empty((len(theme), 2), dtype=np.float32)
    for one in range(len(size)):
        members = np.flatnonzero(theme == one)
        spots[members] = middle[one] + radius[one] * _disc(along[members])
    return spots


def _axes(vectors: Vectors, k: int) -> Vectors:
    """The first k principal axes, as columns, each pointing to where its largest entry is positive."""
    centred = (vectors - vectors.mean(axis=0)).astype(np.float64)
    small = len(centred) < centred.shape[1]
    _, found = np.linalg.eigh(centred @ centred.T if small else centred.T @ centred)
    found = found[:, ::-1][:, :k]
    axes = centred.T @ found if small else found
    axes = axes / np.maximum(np.linalg.norm(axes, axis=0), 1e-12)
    largest = np.abs(axes).argmax(axis=0)
    turned: Vectors = (axes * np.sign(axes[largest, np.arange(axes.shape[1])] + 1e-30)).astype(np.float32)
    return turned


def _disc(flat: Vectors) -> NDArray[np.float64]:
    """Texts of one theme in a disc of radius one: the direction by its two main axes, the radius by rank from within.

    The rank fills the disc evenly, so that neither a dense kernel nor a far text decides what a reader sees.
    """
    if len(flat) == 1:
        return np.zeros((1, 2))
    centred = flat - flat.mean(axis=0)
    two = np.zeros((len(flat), 2))
    own = centred @ _axes(flat[:DRAWN], 2)
    two[:, : own.shape[1]] = own
    angle = np.arctan2(two[:, 1], two[:, 0])
    rank = np.empty(len(flat))
    rank[np.argsort(np.hypot(two[:, 0], two[:, 1]), kind="stable")] = np.arange(len(flat))
    out = np.sqrt((rank + 0.5) / len(flat)) * 0.94
    return np.stack([out * np.cos(angle), out * np.sin(angle)], axis=1)


def _flat(centres: Vectors) -> NDArray[np.float64]:
    """Centres in a plane, distances kept as well as may be: Torgerson (1952), then de Leeuw's majorisation (1977)."""
    k = len(centres)
    if k < 3:
        return np.stack([np.arange(k, dtype=np.float64), np.zeros(k)], axis=1)
    wanted = np.sqrt(np.maximum(2 - 2 * (centres @ centres.T).astype(np.float64), 0.0))
    at = np.zeros((k, 2))
    start = centres.astype(np.float64) @ _axes(centres, 2)
    at[:, : start.shape[1]] = start - start.mean(axis=0)
    for _ in range(STEPS):
        held = np.linalg.norm(at[:, None] - at[None], axis=2)
        pull = -wanted / np.maximum(held, 1e-9)
        np.fill_diagonal(pull, 0.0)
        np.fill_diagonal(pull, -pull.sum(axis=1))
        at = pull @ at / k
    middle: NDArray[np.float64] = at - at.mean(axis=0)
    return middle


def _apart(at: NDArray[np.float64], radius: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale to a map of about one by one and push discs apart until none covers another."""
    at = at / max(float(np.abs(at).max()), 1e-9) * 0.5
    need = (radius[:, None] + radius[None]) * 1.06
    first = np.arange(len(at)) * 2.399963229728653  # the golden angle parts what lies on one spot
    for _ in range(4 * STEPS):
        gap = at[:, None] - at[None]
        held = np.linalg.norm(gap, axis=2)
        over = np.where(held < need, need - held, 0.0)
        np.fill_diagonal(over, 0.0)
        if over.max() < 1e-4:
            break
        side = np.where(held[..., None] > 1e-9, gap / np.maximum(held, 1e-9)[..., None], 0.0)
        at = at + 0.25 * (over[..., None] * side).sum(axis=1)
        same = (held <= 1e-9).sum(axis=1) > 1
        at[same] += 1e-3 * np.stack([np.cos(first), np.sin(first)], axis=1)[same]
    return at


def rows_of(places: Places, leaves: Sequence[int], assignments: pl.DataFrame, about: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of some leaves, nearest the centre first: id, text, similarity, folding, and what is known."""
    held = places.rows().filter(pl.col("leaf").is_in(list(leaves))).select("id", "group")
    texts = pl.Series("text", [places.corpus.texts[g] for g in held["group"]], dtype=pl.String)
    placed = assignments.select("id", "theme_id", "similarity", "low_similarity", "folded_into", "campaign")
    rows = held.select("id").with_columns(texts).join(placed, on="id", maintain_order="left")
    return rows.join(about, on="id", how="left", maintain_order="left").sort(
        "similarity", "id", descending=[True, False]
    )


def spots_of(places: Places, themes: Sequence[Theme], limit: int = 100_000) -> pl.DataFrame:
    """Return the map as rows, one per distinct text: x, y, leaf, theme_id, texts (its rows), exemplar (or null).

    Over ``limit`` distinct texts, the first by content hash stand for all, beside every exemplar. Only exemplars carry
    their text.
    """
    known = {text: i for i, text in enumerate(map(shortened, places.corpus.texts))}
    told = {known[text]: text for theme in themes for text in theme.exemplars if text in known}
    rows = places.corpus.rows.drop_nulls("group").group_by("group").len("texts")
    frame = pl.DataFrame({
        "group": np.arange(places.corpus.n), "x": places.spots[:, 0], "y": places.spots[:, 1],
        "leaf": places.leaf, "theme_id": [themes[t].id for t in places.theme],
        "exemplar": pl.Series([told.get(i) for i in range(places.corpus.n)], dtype=pl.String),
    })  # fmt: skip
    frame = frame.join(rows, on="group", how="left", maintain_order="left")
    drawn = frame.filter((pl.col("group") < limit) | pl.col("exemplar").is_not_null())
    return drawn.select("x", "y", "leaf", "theme_id", "texts", "exemplar")


def stability(places: Places, cut: Partition) -> NDArray[np.float64]:
    """Return how much of each theme stays together in the two cuts coarser and the two finer than the chosen one.

    The mean over these cuts of the best Jaccard index with any of their themes. Hennig (2007), whose new data are here
    other resolutions.
    """
    coarser = [c.labels for c in cut.cuts if c.themes < cut.chosen.themes]
    finer = [c.labels for c in cut.cuts if c.themes > cut.chosen.themes]
    beside = [*coarser[-BESIDE:], *finer[:BESIDE]]
    themes = int(places.theme.max()) + 1
    if not beside:
        return np.full(themes, np.nan)
    best = []
    for labels in beside:
        own = places.theme[: len(labels)]
        _, codes = np.unique(labels, return_inverse=True)
        both = np.zeros((themes, int(codes.max()) + 1))
        np.add.at(both, (own, codes), 1.0)
        either = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
        best.append((both / np.maximum(either, 1.0)).max(axis=1))
    found: NDArray[np.float64] = np.mean(best, axis=0)
    return found
