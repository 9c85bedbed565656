"""Themes from coarse to fine: the fitted cut in the middle, themes merged above it and split below it."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np
import polars as pl
from scipy.sparse import csr_matrix

from gne_analytics.evidence.segment import Frozen
from gne_analytics.evidence.types import Theme, with_gloss
from gne_analytics.themes.embedders import Vectors
from gne_analytics.themes.graph import Labels
from gne_analytics.themes.keyness import Floats, log_odds
from gne_analytics.themes.places import Places
from gne_analytics.themes.tokens import analyser, common_words, function_words, prune
from gne_analytics.themes.topics import ENGLISH_LEADS, TERMS, label_of

READ = 20_000
"""Distinct texts whose words name a node."""
STRONGEST = 60
STEP = 1.25
"""Each level has about so many times the themes of the one above it."""


class Node(Frozen):
    """A theme of some level: what it says, how large it is, what it is a part of."""

    id: str
    parent: str = ""
    """The smallest node that holds it; empty at the top."""
    label: str
    gloss: str = ""
    """As a theme's."""
    terms: tuple[str, ...] = ()
    size: int
    folded: int
    """Texts, near-duplicates of one seller counted once."""
    units: int
    themes: tuple[str, ...]
    """The fitted themes in it; of a node below the fitted cut, the one that it is part of."""
    leaves: tuple[int, ...]

    @property
    def shown(self) -> str:
        """The label as a reader sees it: with its gloss in brackets, where it has one."""
        return with_gloss(self.label, self.gloss)


class Level(Frozen):
    """One cut through the tree: every text is in one of its nodes."""

    nodes: tuple[str, ...]
    """Ids, largest first."""


class Hierarchy(Frozen):
    """A tree of themes and the levels that a slider stops at, coarse to fine; each level splits the one before."""

    view: str
    nodes: tuple[Node, ...]
    levels: tuple[Level, ...]
    fitted: int
    """Which level is the fitted cut."""

    @cached_property
    def by_id(self) -> dict[str, Node]:
        """Every node by its id."""
        return {node.id: node for node in self.nodes}

    @property
    def counts(self) -> tuple[int, ...]:
        """How many themes each level has."""
        return tuple(len(level.nodes) for level in self.levels)

    def level(self, index: int) -> tuple[Node, ...]:
        """Return the nodes of one level, largest first; an index beyond the ends is the level at that end."""
        if not self.levels:
            return ()
        return tuple(self.by_id[i] for i in self.levels[min(max(index, 0), len(self.levels) - 1)].nodes)

    def at(self, themes: int) -> tuple[Node, ...]:
        """Return the level whose number of themes is nearest to the one asked for; of two, the coarser."""
        counts = self.counts
        return self.level(min(range(len(counts)), key=lambda i: abs(counts[i] - themes), default=0))

    def children(self, node: str) -> tuple[Node, ...]:
        """Return what a node splits into, largest first."""
        found = [n for n in self.nodes if n.parent == node]
        return tuple(sorted(found, key=lambda n: (-n.folded, n.id)))

    def named(self, themes: Sequence[Theme]) -> "Hierarchy":
        """Return the tree with the labels of fitted themes as they are now, e.g. as a language model named them."""
        given = {t.id: {"label": t.label, "gloss": t.gloss} for t in themes}
        nodes = tuple(n.model_copy(update=given.get(n.id, {})) for n in self.nodes)
        return Hierarchy(view=self.view, nodes=nodes, levels=self.levels, fitted=self.fitted)

    def summary(self) -> str:
        """The levels by their number of themes, and the coarsest one."""
        counts = ", ".join(f"[{n}]" if i == self.fitted else f"{n}" for i, n in enumerate(self.counts))
        top = [f"  {n.id}  {n.folded:>6,} texts of {n.units:,} sellers: {n.label}" for n in self.level(0)]
        return "\n".join([f"{self.view}: levels of {counts} themes, the fitted one in brackets", *top])


Leaves = tuple[int, ...]


def tree_of(places: Places, themes: Sequence[Theme], view: str) -> Hierarchy:
    """Build the tree: Ward's merging above the fitted themes, below it the finer cuts nested in them.

    Ward (1963) over all texts: the two themes merge whose union adds least to the squared distances to the centre.
    Of a finer cut, each leaf goes with the group that most of its texts are in, within what the level before held.
    """
    owner = np.zeros(len(places.means), dtype=np.int64)
    owner[places.leaf] = places.theme
    weight = np.bincount(places.leaf, minlength=len(owner)).astype(np.float64)
    fitted: list[Leaves] = [tuple(np.flatnonzero(owner == t).tolist()) for t in range(len(themes))]
    names = dict(zip(fitted, (t.id for t in themes), strict=True))
    merges = _merges(places.means, weight, fitted)
    for number, merged in enumerate(merges[:-1], 1):
        names[merged] = f"{view}-g{number:02d}"
    if merges:
        names[merges[-1]] = f"{view}-all"
    coarse = _coarse(fitted, merges)
    fine = _fine(fitted, places.cuts, names)
    levels = [*coarse, fitted, *fine]
    nodes = _nodes(places, themes, names)
    order = {node.leaves: (-node.folded, node.id) for node in nodes}
    return Hierarchy(
        view=view,
        nodes=nodes,
        levels=tuple(Level(nodes=tuple(names[n] for n in sorted(level, key=lambda n: order[n]))) for level in levels),
        fitted=len(coarse),
    )


def _merges(means: Vectors, weight: Floats, parts: Sequence[Leaves]) -> list[Leaves]:
    """Merge parts two by two until one is left, and return the unions in that order."""
    centre = np.stack([np.average(means[list(p)], axis=0, weights=weight[list(p)]) for p in parts]).astype(np.float64)
    size = np.array([weight[list(p)].sum() for p in parts])
    held, alive, unions = list(parts), np.ones(len(parts), dtype=bool), []
    cost = _ward(centre, size)
    for _ in range(len(parts) - 1):
        i, j = sorted(np.unravel_index(int(cost.argmin()), cost.shape))
        total = size[i] + size[j]
        centre[i] = (size[i] * centre[i] + size[j] * centre[j]) / total
        size[i], alive[j] = total, False
        held[i] = tuple(sorted((*held[i], *held[j])))
        unions.append(held[i])
        cost[j], cost[:, j] = np.inf, np.inf
        row = total * size / (total + size) * ((centre - centre[i]) ** 2).sum(axis=1)
        row[~alive] = np.inf
        row[i] = np.inf
        cost[i], cost[:, i] = row, row
    return unions


def _ward(centre: Floats, size: Floats) -> Floats:
    square = (centre**2).sum(axis=1)
    gap = np.maximum(square[:, None] + square[None] - 2 * centre @ centre.T, 0.0)
    cost: Floats = size[:, None] * size[None] / (size[:, None] + size[None]) * gap
    np.fill_diagonal(cost, np.inf)
    return cost


def _coarse(fitted: Sequence[Leaves], merges: Sequence[Leaves]) -> list[list[Leaves]]:
    """Levels above the fitted one, coarsest (two themes) first."""
    levels: list[list[Leaves]] = []
    current, wanted = list(fitted), len(fitted) / STEP
    for merged in merges[:-1]:
        inside = set(merged)
        current = [part for part in current if part[0] not in inside] + [merged]
        if len(current) <= wanted or len(current) == 2:
            levels.append(list(current))
            wanted = len(current) / STEP
    return levels[::-1]


def _fine(fitted: Sequence[Leaves], cuts: Sequence[Labels], names: dict[Leaves, str]) -> list[list[Leaves]]:
    """Levels below the fitted one; names what they split off after what it was split from."""
    levels: list[list[Leaves]] = []
    current = list(fitted)
    for cut in cuts:
        split = [
            [tuple(i for i in part if cut[i] == group) for group in sorted({int(cut[i]) for i in part})]
            for part in current
        ]
        if sum(map(len, split)) < STEP * len(current):
            continue  # too little finer to be worth a stop of the slider
        for part, pieces in zip(current, split, strict=True):
            if len(pieces) > 1:
                names |= {piece: f"{names[part]}.{i}" for i, piece in enumerate(pieces, 1)}
        current = [piece for pieces in split for piece in pieces]
        levels.append(current)
    return levels


def _nodes(places: Places, themes: Sequence[Theme], names: Mapping[Leaves, str]) -> tuple[Node, ...]:
    rows = places.rows()
    size = np.bincount(rows["leaf"].to_numpy(), minlength=len(places.means))
    votes = rows.filter(pl.col("folded_into").is_null())["leaf"].to_numpy()
    folded = np.bincount(votes, minlength=len(places.means))
    who: dict[int, set[str]] = {leaf: set() for leaf in range(len(places.means))}
    for leaf, unit in rows.select("leaf", "unit").drop_nulls().unique().iter_rows():
        who[leaf].add(unit)
    known = {t.id: t for t in themes}
    parents = _parents(names)
    owner = np.zeros(len(places.means), dtype=np.int64)
    owner[places.leaf] = places.theme
    says = _Words(places)
    nodes = []
    for leaves, name in names.items():
        fitted = known.get(name)
        within = parents.get(leaves, ())
        below = fitted is None and len({int(owner[i]) for i in leaves}) == 1
        terms = fitted.terms if fitted else says.terms(leaves, within if below else None)
        nodes.append(
            Node(
                id=name,
                parent=names.get(within, ""),
                label=fitted.label if fitted else label_of(terms, ""),
                terms=terms,
                size=int(size[list(leaves)].sum()),
                folded=int(folded[list(leaves)].sum()),
                units=len(set().union(*(who[i] for i in leaves))),
                themes=tuple(themes[t].id for t in sorted({int(owner[i]) for i in leaves})),
                leaves=leaves,
            )
        )
    return tuple(nodes)


def _parents(names: Iterable[Leaves]) -> dict[Leaves, Leaves]:
    """The smallest set that holds each one; sets of a tree are nested, so the first larger one that does is it."""
    by_size = sorted(names, key=lambda n: (len(n), n))
    held = {n: frozenset(n) for n in by_size}
    return {
        one: next((more for more in by_size[i + 1 :] if held[one] < held[more]), ())
        for i, one in enumerate(by_size)
    }  # fmt: skip


class _Words:
    """Which words set a node apart, in the language that leads it."""

    def __init__(self, places: Places) -> None:
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer

        texts, languages = places.corpus.texts[:READ], places.languages[:READ]
        self._leaf, self._language = places.leaf[:READ], np.array([name or "" for name in languages])
        stop = common_words(texts, languages) | function_words() | ENGLISH_STOP_WORDS
        try:
            count = CountVectorizer(analyzer=analyser(stop), binary=True, min_df=min(2, len(texts)), dtype=np.float64)
            self._held: csr_matrix = count.fit_transform(texts)
            self._terms = count.get_feature_names_out()
        except ValueError:  # no word comes twice
            self._held, self._terms = csr_matrix((len(texts), 0)), np.zeros(0, dtype=str)

    def terms(self, leaves: Leaves, within: Leaves | None) -> tuple[str, ...]:
        """Terms of a node against the rest of what it lies in, or of the whole view."""
        inside = np.isin(self._leaf, leaves)
        around = np.isin(self._leaf, within) if within else np.ones(len(self._leaf), dtype=bool)
        spoken, counts = np.unique(self._language[inside], return_counts=True)
        if not len(spoken) or not self._held.shape[1]:
            return ()
        english = counts[spoken == "en"].sum() >= ENGLISH_LEADS * counts.sum()
        same = self._language == ("en" if english else spoken[counts.argmax()])
        one = np.asarray(self._held[inside & same].sum(axis=0)).ravel()
        two = np.asarray(self._held[around & ~inside & same].sum(axis=0)).ravel()
        if not two.any():  # the rest speaks another language, or there is none
            two = np.asarray(self._held[around & ~inside].sum(axis=0)).ravel()
        ratio, error = log_odds(one, two, one.sum(), two.sum()) if two.any() else (one, np.ones_like(one))
        score = ratio / error
        best = np.argsort(-score, kind="stable")[:STRONGEST]
        often = {str(self._terms[i]): int(one[i]) for i in best if score[i] > 0 and one[i] > 0}
        return tuple(prune(often, often)[:TERMS])
