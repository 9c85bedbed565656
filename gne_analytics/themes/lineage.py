"""A refit and its predecessor: which theme is which, so that ids and names live on, and what was born, died, parted.

Matching: the assignment problem (Kuhn, 1955) over shared texts and closeness of centres. Events by mutual shares of
texts: Spiliopoulou et al. (2006), MONIC; Greene, Doyle and Cunningham (2010).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from itertools import chain, count
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gne_analytics.errors import DataError
from gne_analytics.evidence.types import Theme
from gne_analytics.metrics.intervals import wilson
from gne_analytics.themes.auto import not_learnt, unread
from gne_analytics.themes.cache import Progress
from gne_analytics.themes.embedders import Embedder, Vectors, unit_length
from gne_analytics.themes.fit import Themes, fit_themes
from gne_analytics.themes.graph import (
    SAMPLE,
    SMALLEST,
    Cut,
    GraphClusterer,
    Labels,
    adjusted_rand,
    centroids,
    most_themes,
    settle,
    silhouette,
)
from gne_analytics.themes.model import ThemeModel, blocks_of, reader_of
from gne_analytics.themes.texts import Corpus, corpus, voter

OVERLAP = 0.7
"""Weight of shared texts (Dice) in a match; the rest is the cosine of the centres."""
MATCHED = 0.3
"""Score under which two themes are not the same one."""
MOSTLY = 0.5
"""A part of a split took so much of its texts from the whole; a theme that merged gave so much of its own."""
PART = 0.2
"""... and holds so much of the whole, so that a few strays make neither a split nor a merge."""
CLOSER = 0.1
"""By so much of cosine the texts of a cluster apart lie nearer to their own centre than to any known one."""
STEADY = 0.9
"""Old themes stay while they reach this share of a fresh cut's silhouette; a rival cut must reach as much."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Lineage:
    """Which theme of a refit is which theme of the model before it."""

    view: str
    before: int
    """How many themes there were."""
    kept: tuple[str, ...]
    """Ids that live on."""
    births: tuple[str, ...]
    """New ids whose texts came from no single theme before."""
    deaths: tuple[str, ...]
    """Old ids whose texts have gone, or went here and there."""
    splits: Mapping[str, tuple[str, ...]]
    """Old id -> the themes that its texts are parted into; the heir, if any, bears the old id."""
    merges: Mapping[str, tuple[str, ...]]
    """Id after the refit -> the old themes that went into it."""
    matches: pl.DataFrame = field(repr=False)
    """previous_id, theme_id, overlap (Dice of texts), closeness (cosine of centres), texts (shared), score."""
    notes: tuple[str, ...] = ()

    @property
    def kept_share(self) -> float:
        """Share of the old ids that live on; 1 where there were none."""
        return len(self.kept) / self.before if self.before else 1.0

    def summary(self) -> str:
        """The share that kept its id, with its interval, and each event in a line."""
        reach = wilson(len(self.kept), self.before)
        lines = [
            f"{self.view}: {len(self.kept)} of {self.before} themes kept their id "
            f"({self.kept_share:.0%}, 95 % interval {reach.lo:.0%} to {reach.hi:.0%})"
        ]
        lines += [f"  split: {old} into {', '.join(parts)}" for old, parts in sorted(self.splits.items())]
        lines += [f"  merged: {', '.join(olds)} into {new}" for new, olds in sorted(self.merges.items())]
        lines += [f"  born: {', '.join(self.births)}"] if self.births else []
        lines += [f"  died: {', '.join(self.deaths)}"] if self.deaths else []
        return "\n".join([*lines, *self.notes])

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.summary())}</pre>"


@dataclass(frozen=True)
class Refit:
    """Themes fitted anew under the ids they had, and how they came from the model before."""

    themes: Themes
    lineage: Lineage

    def summary(self) -> str:
        """The lineage, then the themes."""
        return f"{self.lineage.summary()}\n{self.themes.summary()}"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.summary())}</pre>"


def refit(
    previous: ThemeModel,
    texts: pl.DataFrame,
    *,
    embedder: Embedder | None = None,
    seed: int | None = None,
    centre_languages: bool = True,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> Refit:
    """Fit themes on the texts of a later window; those that match a theme of ``previous`` keep its id and its name.

    Args:
        previous: the model of the window before, fitted or loaded.
        texts: as for ``fit_themes``; any window, with or without texts that the model was fitted on.
        embedder: that of the model, where it is not one by name.
        seed: of the clusterer; the model's own where not given.
        centre_languages: as for ``fit_themes``.
        cache_dir: where embeddings are kept by content, so that only new texts cost; without one each is read twice.
        progress: called with (done, to do) while texts are embedded.

    Raises:
        DataError: the texts are no texts (as in ``fit_themes``), or another embedder than the model's.
        ModelError: an embeddings endpoint failed; what was embedded is kept and the model is as it was.
    """
    reader = reader_of(previous, embedder)
    found = corpus(texts, previous.view)
    blocks = blocks_of(previous, found, embedder, cache_dir, progress)
    placed = next(blocks)
    stands = [previous.leaves.nearest(block) for block in chain([placed], blocks)]
    theme, similarity = (np.concatenate([getattr(s, name) for s in stands]) for name in ("theme", "similarity"))
    # A text that lies far from its old theme is of none: else a newborn would pass for a part of its neighbour.
    dark = unread(reader, found.texts)
    old = np.where((similarity >= np.array(previous.floors)[theme]) & ~dark, theme, -1)
    fresh = fit_themes(
        texts, previous.view, embedder=reader, clusterer=Steady(old, previous.seed if seed is None else seed),
        centre_languages=centre_languages, cache_dir=cache_dir,
    )  # fmt: skip
    found_again = match(previous, fresh, found, placed, old)
    notes = found_again.lineage.notes + not_learnt(dark)
    return replace(found_again, lineage=replace(found_again.lineage, notes=notes))


def match(previous: ThemeModel, fresh: Themes, found: Corpus, placed: Vectors, old: Labels) -> Refit:
    """Give the themes of ``fresh`` the ids of the old themes they continue.

    ``old`` holds, per distinct text of ``found``, the index of its old theme (-1: far from it); ``placed`` the vectors
    of the first ones in the old model's space, those that were fitted at least.
    """
    if not previous.themes:
        raise DataError(f"the model of {previous.view!r} holds no theme to match; fit the themes anew.")
    new = _labels(fresh, found)
    votes = _votes(found)
    shape = (len(previous.themes), len(fresh.themes))
    shared = np.zeros(shape)
    inside = old >= 0
    np.add.at(shared, (old[inside], new[inside]), votes[inside])
    sizes = np.bincount(new, votes, minlength=shape[1]).astype(np.float64)
    olds = np.bincount(old[inside], votes[inside], minlength=shape[0]).astype(np.float64)
    dice = 2 * shared / np.maximum(olds[:, None] + sizes[None, :], 1e-9)
    closeness = np.clip(previous.leaves.themes @ centroids(placed, new[: len(placed)]).T, 0, 1).astype(np.float64)
    score = OVERLAP * dice + (1 - OVERLAP) * closeness
    pairs = _pairs(score, shared)
    ids = _ids(previous, fresh, pairs)
    heirs = {i: ids[j] for i, j in pairs}
    splits = _splits(shared, olds, sizes, dict(pairs))
    merges = _splits(shared.T, sizes, olds, {j: i for i, j in pairs})
    names = [t.id for t in previous.themes]
    split_off = {j for parts in splits.values() for j in parts}
    merged = {i for parts in merges.values() for i in parts}
    lineage = Lineage(
        view=previous.view,
        before=len(names),
        kept=tuple(sorted(heirs.values())),
        births=tuple(sorted(ids[j] for j in set(range(shape[1])) - {j for _, j in pairs} - split_off)),
        deaths=tuple(sorted(names[i] for i in set(range(shape[0])) - set(heirs) - set(splits) - merged)),
        splits={names[i]: tuple(sorted(ids[j] for j in parts)) for i, parts in splits.items()},
        merges={ids[j]: tuple(sorted(names[i] for i in parts)) for j, parts in merges.items()},
        matches=pl.DataFrame(
            [(names[i], ids[j], dice[i, j], closeness[i, j], int(shared[i, j]), score[i, j]) for i, j in pairs],
            schema={"previous_id": pl.String, "theme_id": pl.String, "overlap": pl.Float64, "closeness": pl.Float64,
                    "texts": pl.Int64, "score": pl.Float64}, orient="row",
        ).sort("previous_id"),
        notes=_notes(old, votes),
    )  # fmt: skip
    named = {j: _name_of(previous.themes[i], [found.texts[g] for g in np.flatnonzero(new == j)]) for i, j in pairs}
    return Refit(_renamed(previous, fresh, ids, named), lineage)


class Steady(GraphClusterer):
    """The graph clusterer that keeps to an earlier partition until a fresh cut parts the texts clearly better.

    Failing that, of the fresh cuts about as good as the chosen one it takes the one nearest to the earlier partition.
    """

    def __init__(self, before: Labels, seed: int) -> None:
        super().__init__(seed)
        self._before, self._seed = before, seed

    def fit(self, X: Vectors, y: object = None) -> "Steady":  # noqa: N803
        """Cluster, then weigh the chosen cut against its rivals."""
        super().fit(X, y)
        before = self._before[: len(X)]
        known = before >= 0
        if self.partition_ is None or not known.any():
            return self
        chosen = self.partition_.chosen
        stays = settle(X, before)
        if self._holds(X, stays, self.labels_):
            chosen = replace(chosen, labels=stays, themes=len(np.unique(stays)))
        elif chosen.themes > 1:
            rivals = [c for c in self.partition_.cuts if _stands(c, chosen)]
            chosen = max(rivals, key=lambda c: adjusted_rand(c.labels[known], before[known]))
        self.labels_ = _carved(X, settle(X, chosen.labels), before)
        self.partition_ = replace(self.partition_, chosen=replace(chosen, labels=self.labels_))
        return self

    def _holds(self, vectors: Vectors, before: Labels, fresh: Labels) -> bool:
        """Whether the earlier themes are of a fitting number and part the texts nearly as well as the fresh ones do."""
        sample = np.sort(np.random.default_rng(self._seed).permutation(len(vectors))[:SAMPLE])
        distance = 1 - vectors[sample] @ vectors[sample].T
        old, new = (silhouette(distance, labels[sample]) for labels in (before, fresh))
        return 1 < len(np.unique(before)) <= most_themes(len(vectors)) and old >= STEADY * new


def _stands(cut: Cut, chosen: Cut) -> bool:
    return cut is chosen or (cut.themes > 1 and cut.silhouette >= STEADY * chosen.silhouette > 0)


def _carved(vectors: Vectors, fresh: Labels, before: Labels) -> Labels:
    """Keep the old themes that a coarser fresh cut swallowed whole, where their texts are still a cluster apart."""
    labels = fresh.copy()
    for name in np.unique(before[before >= 0]):
        members = np.flatnonzero(before == name)
        around, inside = np.unique(fresh[members], return_counts=True)
        most = int(around[inside.argmax()])
        within = members[fresh[members] == most]
        whole = len(within) >= max(SMALLEST, MOSTLY * len(members))
        swallowed = whole and len(within) <= MOSTLY * (fresh == most).sum()
        if swallowed and apart(vectors[within], vectors[within] @ centroids(vectors, fresh)[most]):
            labels[within] = labels.max() + 1
    return settle(vectors, labels)


def apart(vectors: Vectors, known: Vectors | Floats) -> bool:
    """Whether texts lie nearer to their own centre than to known ones, to which their likeness is ``known``.

    Each text is held against the others' centre, so that a text is not its own company.
    """
    total = vectors.sum(axis=0)
    own = (unit_length(total - vectors) * vectors).sum(axis=1)
    return bool(own.mean() - known.mean() >= CLOSER)


def _labels(fresh: Themes, found: Corpus) -> Labels:
    """The index of each distinct text's theme in ``fresh``."""
    index = {theme.id: i for i, theme in enumerate(fresh.themes)}
    rows = found.rows.select("id", "group").join(fresh.assignments.select("id", "theme_id"), on="id").drop_nulls()
    of = dict(rows.unique("group").select("group", "theme_id").iter_rows())
    return np.array([index[of[g]] for g in range(found.n)], dtype=np.int64)


def _votes(found: Corpus) -> Floats:
    """How many sellers said each distinct text; a row of an unknown seller is its own."""
    said = found.rows.drop_nulls("group").group_by("group").agg(votes=voter().n_unique()).sort("group")
    return said["votes"].to_numpy().astype(np.float64)


def _pairs(score: Floats, shared: Floats) -> list[tuple[int, int]]:
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(-score)
    found = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(i, j) for i, j in found if score[i, j] >= MATCHED and shared[i, j] > 0]


def _splits(shared: Floats, wholes: Floats, sizes: Floats, heirs: Mapping[int, int]) -> dict[int, list[int]]:
    """The parts of each whole; what goes on as another theme is no part."""
    taken = {part: whole for whole, part in heirs.items()}
    parts: dict[int, list[int]] = {}
    for i in range(len(wholes)):
        able = (shared[i] >= MOSTLY * sizes) & (shared[i] >= PART * wholes[i]) & (shared[i] > 0)
        own = [j for j in np.flatnonzero(able).tolist() if taken.get(j, i) == i]
        if len(own) > 1:
            parts[i] = own
    return parts


def _ids(previous: ThemeModel, fresh: Themes, pairs: Sequence[tuple[int, int]]) -> list[str]:
    heirs = {j: previous.themes[i].id for i, j in pairs}
    numbers = count(previous.next_number)
    return [heirs[j] if j in heirs else f"{previous.view}-{next(numbers):02d}" for j in range(len(fresh.themes))]


def _renamed(previous: ThemeModel, fresh: Themes, ids: Sequence[str], named: Mapping[int, Mapping[str, str]]) -> Themes:
    """Put ids in place, and the names that live on, by the index of their theme."""
    renamed = tuple(theme.model_copy(update={"id": ids[j], **named.get(j, {})}) for j, theme in enumerate(fresh.themes))
    of = {theme.id: name for theme, name in zip(fresh.themes, ids, strict=True)}
    model = replace(
        fresh.model,
        themes=renamed,
        embedder_name=previous.embedder_name,
        issued=previous.next_number - 1 + len(ids) - len(named),
    )
    assigned = fresh.assignments.with_columns(pl.col("theme_id").replace_strict(of, default=None))
    return replace(fresh, themes=renamed, assignments=assigned, model=model)


def _name_of(heir: Theme, texts: Sequence[str]) -> dict[str, str]:
    """A name made of terms lives on while the texts say each of its words, so that no name outlives its texts."""
    said = " ".join(texts).casefold()
    if heir.named_by == "terms" and not all(word in said for word in re.findall(r"\w+", heir.label.casefold())):
        return {}
    return {"label": heir.label, "named_by": heir.named_by}


def _notes(old: Labels, votes: Floats) -> tuple[str, ...]:
    far = float(votes[old < 0].sum() / max(votes.sum(), 1.0))
    return (f"{far:.0%} of the texts lie far from every theme of the earlier model.",) if far >= PART else ()
