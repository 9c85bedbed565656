"""Fit themes: texts in, a few themes with terms, exemplars and a model for next week's texts out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gne_analytics.errors import DataError, did_you_mean
from gne_analytics.evidence.types import Estimate, Theme
from gne_analytics.metrics.intervals import rate
from gne_analytics.themes.auto import Auto, make_auto, reading
from gne_analytics.themes.cache import Progress
from gne_analytics.themes.embedders import E5, Embedder, Ngrams, Use, Vectors, make_embedder
from gne_analytics.themes.graph import GraphClusterer, Labels, Partition, centroids
from gne_analytics.themes.languages import agreement_with_language, places_of
from gne_analytics.themes.model import ThemeModel, assignments, languages_of, place
from gne_analytics.themes.places import Ground, Places, Stand
from gne_analytics.themes.texts import Corpus, corpus, folded_into, said_by, shortened, unit_codes
from gne_analytics.themes.topics import Clusterer, find_topics, label_of

if TYPE_CHECKING:
    from bertopic import BERTopic

    from gne_analytics.themes.cards import ThemeCard
    from gne_analytics.themes.hierarchy import Hierarchy, Node
    from gne_analytics.themes.outcomes import Outcomes

FIT_TEXTS = 20_000
"""Distinct texts that are clustered; the rest, drawn by content hash, is assigned."""
ASSIGNED_AT_ONCE = 20_000
EXEMPLARS = 3
CENTRED = 20
"""Of fewer distinct texts the mean is no centre."""


@dataclass(frozen=True)
class Themes:
    """The themes of one view, which text is in which, and the model that assigns new ones."""

    view: str
    themes: tuple[Theme, ...] = field(repr=False)
    """Largest first, by texts after folding."""
    assignments: pl.DataFrame = field(repr=False)
    """id, theme_id (null: no word in it), similarity, low_similarity, folded_into, campaign; in order of id."""
    model: ThemeModel = field(repr=False)
    wordless: int = 0
    """Texts without a letter: empty, emoji, digits."""
    notes: tuple[str, ...] = ()
    """What limits the themes, in plain sentences."""
    partition: Partition | None = field(default=None, repr=False)
    """The cut that was chosen and its rivals, coarse to fine; None under four distinct texts."""
    places: Places | None = field(default=None, repr=False)
    """Where each distinct text stands in the hierarchy and on the map."""
    about: pl.DataFrame | None = field(default=None, repr=False)
    """What the record knows of each text (`views.about_texts`): violation, unit, fold, week, outcome, dimensions."""
    bertopic: "BERTopic | None" = field(default=None, repr=False)
    """The BERTopic model, for those who know their way in it; row order is that of the distinct texts."""

    def __str__(self) -> str:
        return self.summary()

    def summary(self) -> str:
        """The view in one sentence and its largest themes in a line each."""
        themes = "1 theme" if len(self.themes) == 1 else f"{len(self.themes)} themes"
        lines = [f"{self.view}: {themes} in {self.assignments.height:,} texts; a seller's own copies count once:"]
        lines += [f"  {t.id}  {said_by(t.folded, t.units):>26}: {t.label}" for t in self.themes[:10]]
        if (more := len(self.themes) - 10) > 0:
            lines.append(f"  and {more} more; at(10) gives about ten coarser ones")
        if self.language_nmi is not None:
            lines.append(f"Agreement of themes with language: {self.language_nmi:.2f} of 1 (NMI).")
        return "\n".join([*lines, *self.notes])

    @cached_property
    def language_nmi(self) -> float | None:
        """How far themes go with languages, 0 to 1; None where no two are known. High: the language makes the theme."""
        return None if self.places is None else agreement_with_language(self.places.theme, self.places.languages)

    @cached_property
    def tree(self) -> "Hierarchy":
        """The hierarchy, coarse to fine; the fitted themes are one of its levels."""
        from gne_analytics.themes.hierarchy import tree_of

        return tree_of(self._placed(), self.themes, self.view)

    def at(self, themes: int) -> "tuple[Node, ...]":
        """Return the level of the hierarchy with about so many themes, largest first."""
        return self.tree.at(themes)

    @cached_property
    def cards(self) -> "tuple[ThemeCard, ...]":
        """What is known of each theme, largest first; less where the record tells nothing of its texts."""
        from gne_analytics.themes.cards import theme_cards
        from gne_analytics.themes.places import stability

        steady = stability(self._placed(), self.partition) if self.partition is not None else ()
        by_id = {t.id: float(s) for t, s in zip(self.themes, steady, strict=False) if s == s}
        return theme_cards(self.themes, self.assignments, self._known(), by_id)

    def table(self) -> pl.DataFrame:
        """Return the cards as rows: size, spread, growth, rates with intervals, where each theme stands out."""
        from gne_analytics.themes.cards import card_table

        return card_table(self.cards)

    def card(self, theme: str) -> "ThemeCard":
        """Return the card of one fitted theme, named by its id; a coarser or finer node has none, but `rows`."""
        found = next((c for c in self.cards if c.theme.id == self._named(theme)), None)
        if found is None:
            raise DataError(
                f"{theme!r} is no fitted theme of {self.view!r} and has no card; rows({theme!r}) has its texts."
            )
        return found

    def rows(self, node: str) -> pl.DataFrame:
        """Return the texts of a theme, or of any node of the hierarchy, nearest the centre first, with their facts.

        Texts are redacted; they come from outside all the same, so escape them on every screen.
        """
        from gne_analytics.themes.places import rows_of

        return rows_of(self._placed(), self.tree.by_id[self._named(node)].leaves, self.assignments, self._known())

    def outcomes(self, themes: int | None = None) -> "Outcomes":
        """Return which themes overturn, and what separates overturned from upheld inside each, on held-out sellers.

        ``themes`` asks about the level of the hierarchy with about so many; the fitted themes where None.
        """
        from gne_analytics.themes.outcomes import theme_outcomes

        level = self.tree.level(self.tree.fitted) if themes is None else self.at(themes)
        node = {leaf: n.id for n in level for leaf in n.leaves}
        group = pl.col("leaf").replace_strict(node, return_dtype=pl.String)
        texts = self._placed().rows().select("id", group=group).join(self._known(), on="id", maintain_order="left")
        return theme_outcomes(self.view, level, self._placed(), texts)

    def with_leaves(self) -> pl.DataFrame:
        """Return the assignments with each text's leaf of the hierarchy, so that the rows of any node can be found."""
        leaves = self._placed().rows().select("id", "leaf")
        return self.assignments.join(leaves, on="id", how="left", maintain_order="left")

    def spots(self, limit: int = 100_000) -> pl.DataFrame:
        """Return the map, one row per distinct text (`places.spots_of`); `figures.themes_map` draws it."""
        from gne_analytics.themes.places import spots_of

        return spots_of(self._placed(), self.themes, limit)

    def _placed(self) -> Places:
        if self.places is None:
            raise DataError(f"the themes of {self.view!r} keep no texts; fit them again with fit_themes.")
        return self.places

    def _known(self) -> pl.DataFrame:
        """The facts of each text; those that came with the texts where no record stands behind them."""
        from gne_analytics.themes.views import bare_facts

        return bare_facts(self._placed().corpus.rows) if self.about is None else self.about

    def _named(self, node: str) -> str:
        if node not in self.tree.by_id:
            raise DataError(f"there is no theme {node!r} in {self.view!r}{did_you_mean(node, self.tree.by_id)}.")
        return node

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.summary())}</pre>"


def fit_themes(
    texts: pl.DataFrame,
    view: str,
    *,
    embedder: str | Embedder = "auto",
    clusterer: str | Clusterer = "graph",
    seed: int = 0,
    centre_languages: bool = True,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> Themes:
    """Cluster the texts of one view; the same rows and seed give the same themes, in whatever order the rows come.

    Args:
        texts: id and text; unit (one seller, one vote), language, and overturned (true, false, null while undecided)
            where known.
        view: what the texts are: seller_text, reviewer_rationale, facts, signals.
        embedder: auto, e5, use, ngrams, openai:MODEL, or an object with ``id`` and ``encode``.
        clusterer: graph, or an object with ``fit`` and ``labels_``.
        seed: of the clusterer.
        centre_languages: subtract each language's place among the others (`languages.places_of`), so that themes run
            across languages, and one that only a single language has stays together.
        cache_dir: where embeddings are kept by content.
        progress: called with (done, to do) while texts are embedded.

    Raises:
        DataError: no text column, no row, no word, ids repeated, outcomes that are not true or false, an unknown
            embedder.
        ModelError: an embeddings endpoint failed.
    """
    found = corpus(texts, view)
    if texts.schema.get("overturned", pl.Boolean) not in (pl.Boolean, pl.Null):
        kind = texts.schema["overturned"]
        raise DataError(f"themes of {view!r}: column 'overturned' is {kind}; it holds true, false or null.")
    languages = languages_of(found)
    fitted = min(found.n, FIT_TEXTS)
    reader, vectors = _read(embedder, found.texts[:fitted], languages[:fitted], cache_dir, progress)
    mean, by_language = _means(vectors, languages[:fitted], centre_languages)
    placed = place(vectors, mean, by_language, languages[:fitted])
    grouper = _clusterer(clusterer, seed)
    speakers = _speakers(found)
    topics = find_topics(
        found.texts[:fitted],
        placed,
        grouper,
        languages=languages[:fitted],
        speakers=speakers[:fitted],
        word_embedder=_for_words(reader),
    )
    cut = grouper.partition_ if isinstance(grouper, GraphClusterer) else None
    ground = Ground.of(placed, topics.labels, centroids(placed, topics.labels), cut)
    stands = [ground.fitted]
    for start in range(fitted, found.n, ASSIGNED_AT_ONCE):
        part = slice(start, start + ASSIGNED_AT_ONCE)
        block = reading(reader, found.texts[part], cache_dir, progress, strange=0)
        stands.append(ground.stand(place(block, mean, by_language, languages[part])))
    stand = Stand.joined(stands)
    order = _by_size(found, stand.theme)
    ground, stand = ground.renumbered(order, stand)
    floors = tuple(_fence(stand.similarity[stand.theme == t]) for t in range(len(order)))
    facts = _Facts(found, stand.theme, stand.similarity, speakers, languages)
    overturns = _overturns(found, texts, stand.theme)
    themes = tuple(
        facts.theme(view, t, topics.terms[order[t]], topics.leading[order[t]], overturns.get(t))
        for t in range(len(order))
    )
    model = ThemeModel(
        view=view,
        themes=themes,
        leaves=ground.leaves,
        mean=mean,
        floors=floors,
        embedder_name=embedder if isinstance(embedder, str) else reader.id,
        embedder_id=reader.id,
        seed=seed,
        auto=reader if isinstance(reader, Auto) else None,
        language_means=by_language,
    )
    return Themes(
        view=view,
        themes=themes,
        assignments=assignments(found, stand.theme, stand.similarity, model),
        model=model,
        wordless=found.wordless,
        notes=_notes(found, cut, parted=topics.bertopic is not None),
        partition=cut,
        places=ground.places(found, languages, stand),
        bertopic=topics.bertopic,
    )


def _read(
    embedder: str | Embedder, texts: Sequence[str], languages: Sequence[str | None], cache_dir: Path | None,
    progress: Progress | None,
) -> tuple[Embedder, Vectors]:  # fmt: skip
    if embedder == "auto":
        return make_auto(texts, languages, cache_dir, progress)
    reader = make_embedder(embedder) if isinstance(embedder, str) else embedder
    return reader, reading(reader, texts, cache_dir, progress)


def _for_words(reader: Embedder) -> Embedder:
    """Single words are read by what is fast and here: they only have to be told apart."""
    return Use() if isinstance(reader, Auto | E5) else reader if isinstance(reader, Use) else Ngrams()


def _clusterer(clusterer: str | Clusterer, seed: int) -> Clusterer:
    if not isinstance(clusterer, str):
        return clusterer
    if clusterer != "graph":
        raise DataError(f"there is no clusterer {clusterer!r}{did_you_mean(clusterer, ['graph'])}.")
    return GraphClusterer(seed)


def _means(vectors: Vectors, languages: Sequence[str | None], centre: bool) -> tuple[Vectors, dict[str, Vectors]]:
    mean: Vectors = vectors.mean(axis=0) if len(vectors) >= CENTRED else np.zeros_like(vectors[0])
    return mean, places_of(vectors, languages) if centre else {}


def _speakers(found: Corpus) -> list[frozenset[str]]:
    """Who wrote each distinct text; where no unit is known, its rows speak for themselves."""
    who: list[set[str]] = [set() for _ in range(found.n)]
    for group, unit, row in found.rows.select("group", "unit", "id").iter_rows():
        if group is not None:
            who[group].add(f"unit {unit}" if unit is not None else f"row {row}")
    return [frozenset(people) for people in who]


def _by_size(found: Corpus, labels: Labels) -> np.ndarray:
    """Themes in order of their texts after folding, then of their first content hash."""
    votes = folded_into(found.rows).filter(pl.col("group").is_not_null() & pl.col("folded_into").is_null())
    size = np.bincount(labels[votes["group"].to_numpy()], minlength=int(labels.max()) + 1)
    first = np.array([int(np.argmax(labels == t)) for t in range(len(size))])
    return np.lexsort((first, -size))


def _fence(similarity: np.ndarray) -> float:
    """Tukey's lower fence: under it a text stands far out of its theme."""
    low, high = np.quantile(similarity, [0.25, 0.75])
    return float(low - 1.5 * (high - low))


def _overturns(found: Corpus, texts: pl.DataFrame, labels: Labels) -> dict[int, Estimate]:
    """The share overturned among the decided texts of each theme, its interval clustered by unit."""
    if "overturned" not in texts.columns:
        return {}
    truth = texts.select(pl.col("id").cast(pl.String), pl.col("overturned").cast(pl.Boolean))
    rows = found.rows.join(truth, on="id").filter(pl.col("overturned").is_not_null() & pl.col("group").is_not_null())
    rows = rows.with_columns(theme=pl.Series(labels[rows["group"].to_numpy()], dtype=pl.Int64))
    rates: dict[int, Estimate] = {}
    for (theme,), part in rows.group_by("theme", maintain_order=True):
        k = part["overturned"].cast(pl.Float64).to_numpy()
        rates[int(str(theme))] = rate(k, np.ones(part.height), unit_codes(part))
    return rates


def _notes(found: Corpus, cut: Partition | None, *, parted: bool) -> tuple[str, ...]:
    notes = []
    if not parted:
        notes.append(f"Too little is said to part it (distinct texts: {found.n:,}): all of it is one theme.")
    if found.wordless:
        notes.append(f"{found.wordless:,} texts hold no word and are in no theme.")
    if found.n > FIT_TEXTS:
        notes.append(f"Fitted on {FIT_TEXTS:,} of {found.n:,} distinct texts, the rest assigned.")
    if cut is not None and cut.unsure:
        notes.append("The cut is not stable: another number of themes would have served as well.")
    return tuple(notes)


class _Facts:
    """What a reader is told of each theme."""

    def __init__(
        self, found: Corpus, labels: Labels, similarity: np.ndarray, speakers: Sequence[frozenset[str]],
        languages: Sequence[str | None],
    ) -> None:  # fmt: skip
        self._labels, self._similarity = labels, similarity
        self._speakers, self._languages, self._texts = speakers, languages, found.texts
        themed = found.rows.filter(pl.col("group").is_not_null())
        self._rows = folded_into(themed).with_columns(
            theme=pl.Series(labels[themed["group"].to_numpy()], dtype=pl.Int64)
        )

    def theme(self, view: str, number: int, terms: tuple[str, ...], leading: int, overturn: Estimate | None) -> Theme:
        """Describe one theme."""
        rows = self._rows.filter(pl.col("theme") == number)
        exemplars = self._exemplars(number)
        spoken = rows.group_by("language").len().drop_nulls().sort("len", "language", descending=[True, False])
        return Theme(
            id=f"{view}-{number + 1:02d}",
            view=view,
            label=label_of(terms[:leading] or terms, exemplars[0]),
            terms=terms,
            size=rows.height,
            folded=rows["folded_into"].null_count(),
            units=rows["unit"].drop_nulls().n_unique(),
            languages=dict(spoken.iter_rows()),
            exemplars=exemplars,
            overturn=overturn,
        )

    def _exemplars(self, number: int) -> tuple[str, ...]:
        """The texts nearest the centre, no two of one seller while there are others."""
        members = np.flatnonzero(self._labels == number)
        near = members[np.lexsort((members, -self._similarity[members]))]
        chosen: list[int] = []
        heard: set[str] = set()
        for i in near:
            if self._speakers[i] - heard:
                chosen.append(int(i))
                heard |= self._speakers[i]
            if len(chosen) == EXEMPLARS:
                break
        return tuple(shortened(self._texts[i]) for i in chosen)
