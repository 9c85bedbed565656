"""BERTopic as the frame: our vectors, our clusterer and our terms plugged into it.

BERTopic is imported when themes are fitted, never before: it costs seconds.
"""

import logging
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from gne_analytics.themes.embedders import Embedder, Vectors
from gne_analytics.themes.graph import Labels, centroids, settle
from gne_analytics.themes.tokens import analyser, common_words, function_words, prune, words

if TYPE_CHECKING:
    from bertopic import BERTopic

TERMS = 10
CANDIDATES = 20
CONSIDERED = 300
"""Words by c-TF-IDF among which the candidates are looked for: a language with a small part has its own there."""
DIVERSITY = 0.3
LABEL_WORDS = 6
LABEL_TERMS = 3
ENGLISH_LEADS = 0.2
"""From this share of English texts on, a theme is labelled in English; below it, in its largest language."""
FEWEST = 10
SHOWN = 3
"""Texts of a theme that BERTopic's own views show."""
SPEAKERS = 2
"""A term that a reader sees was written by so many sellers, so that a name or a slip of one of them is none."""

Scored = list[tuple[str, float]]


class Documents(Protocol):
    """The frame that BERTopic hands to a representation: Document, ID (the row), Topic."""

    def __getitem__(self, column: str) -> Iterable[int]:
        """A column."""
        ...


class Clusterer(Protocol):
    """Anything with ``fit`` and ``labels_``; label -1 is given to the nearest theme."""

    labels_: Labels

    def fit(self, X: Vectors, y: object = None) -> object:  # noqa: N803
        """Cluster rows of length one."""
        ...


@dataclass(frozen=True)
class Topics:
    """What the frame found: a label per text (0 is the largest theme), terms per theme, and the BERTopic model."""

    labels: Labels
    terms: tuple[tuple[str, ...], ...]
    """Those of the language that leads the theme come first."""
    leading: tuple[int, ...]
    """Per theme, how many of its terms are of that language: a label is made of these."""
    bertopic: "BERTopic"


class Settled:
    """A clusterer without an outlier pile: what another one leaves over joins the nearest theme."""

    def __init__(self, inner: Clusterer) -> None:
        self._inner = inner
        self.labels_: Labels = np.zeros(0, dtype=np.int64)

    def fit(self, X: Vectors, y: object = None) -> "Settled":  # noqa: ARG002, N803
        """Cluster, then settle."""
        self._inner.fit(X)
        self.labels_ = settle(X, np.asarray(self._inner.labels_, dtype=np.int64))
        return self


def find_topics(
    texts: Sequence[str],
    vectors: Vectors,
    clusterer: Clusterer,
    *,
    languages: Sequence[str | None],
    speakers: Sequence[frozenset[str]],
    word_embedder: Embedder,
) -> Topics:
    """Run BERTopic on given vectors: empty reducer, our clusterer, c-TF-IDF over our words, MMR.

    ``speakers`` holds, per text, who wrote it: the sellers, or the text itself where nobody knows. Under ten texts, or
    ten words, there is nothing to compare: they are one theme.
    """
    held = [frozenset(words(text)) for text in texts]
    if len(texts) < FEWEST or len(frozenset().union(*held)) < TERMS:
        return _one_theme(texts, held, speakers)
    # BERTopic switches warnings off for the whole process when it is imported; that does not leave this block.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from bertopic import BERTopic
        from bertopic.backend import BaseEmbedder
        from bertopic.dimensionality import BaseDimensionalityReduction
        from bertopic.representation import BaseRepresentation
        from bertopic.vectorizers import ClassTfidfTransformer
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer
    logging.getLogger("BERTopic").setLevel(logging.ERROR)  # it warns of CONSIDERED, which is meant

    leading: dict[int, int] = {}

    class Terms(BaseRepresentation):  # type: ignore[misc]
        def extract_topics(
            self, topic_model: object, documents: Documents, c_tf_idf: object, topics: Mapping[int, Scored]
        ) -> dict[int, Scored]:
            del topic_model, c_tf_idf
            members: dict[int, list[int]] = defaultdict(list)
            for topic, row in zip(documents["Topic"], documents["ID"], strict=True):
                members[topic].append(row)
            said = {t: _speakers_of_words(members[t], held, speakers) for t in topics}
            local = {t: _words_of_leading_language(members[t], held, languages) for t in topics}
            heard = {t: (_heard(found, said[t], local[t]), _heard(found, said[t])) for t, found in topics.items()}
            vocabulary = sorted({word for pair in heard.values() for found in pair for word, _ in found})
            space = dict(zip(vocabulary, word_embedder.encode(vocabulary), strict=True))
            chosen: dict[int, Scored] = {}
            for t, (own, every) in heard.items():
                first = _diverse(own, said[t], space)
                taken = {word for word, _ in first}
                rest = [pair for pair in every if pair[0] not in local[t] | taken]
                leading[t] = len(first)
                chosen[t] = (first + _diverse(rest, said[t], space))[:TERMS] or [("", 0.0)]
            return chosen

    class Frame(BERTopic):  # type: ignore[misc]
        def _save_representative_docs(self, documents: Documents) -> None:
            """The nearest to each theme's centre; BERTopic would count words again."""
            labels = np.asarray(documents["Topic"])
            likeness = np.einsum("ij,ij->i", vectors, centroids(vectors, labels)[labels])
            nearest = np.lexsort((-likeness, labels))
            rows = {t: nearest[labels[nearest] == t][:SHOWN] for t in range(int(labels.max()) + 1)}
            self.representative_docs_ = {t: [texts[i] for i in some] for t, some in rows.items()}

    model = Frame(
        language="multilingual",  # "english", its default, deletes every letter beyond a to z
        embedding_model=BaseEmbedder(),
        umap_model=BaseDimensionalityReduction(),
        hdbscan_model=Settled(clusterer),
        vectorizer_model=CountVectorizer(analyzer=analyser(_stop_words(texts, held, languages, ENGLISH_STOP_WORDS))),
        ctfidf_model=ClassTfidfTransformer(reduce_frequent_words=True),
        representation_model=Terms(),
        top_n_words=CONSIDERED,
        verbose=False,
    )
    found, _ = model.fit_transform(list(texts), embeddings=vectors)
    labels = np.asarray(found, dtype=np.int64)
    terms = tuple(tuple(word for word, _ in model.get_topic(t) if word) for t in range(int(labels.max()) + 1))
    return Topics(labels, terms, tuple(leading.get(t, 0) for t in range(len(terms))), model)


def _stop_words(
    texts: Sequence[str], held: Sequence[frozenset[str]], languages: Sequence[str | None], english: frozenset[str]
) -> frozenset[str]:
    """Common words of each language, unless nearly all words are: then none is left out."""
    stop = common_words(texts, languages) | english | function_words()
    left = frozenset().union(*held) - stop
    return stop if len(left) >= TERMS else frozenset()


def _one_theme(texts: Sequence[str], held: Sequence[frozenset[str]], speakers: Sequence[frozenset[str]]) -> Topics:
    """What most sellers say, without function words; words said as often stand in the order of the texts."""
    said = _speakers_of_words(range(len(texts)), held, speakers)
    every = list(dict.fromkeys(word for text in texts for word in words(text)))
    telling = [word for word in every if word not in function_words()] or every
    terms = prune(sorted(telling, key=lambda word: -said[word]), said)
    return Topics(np.zeros(len(held), dtype=np.int64), (tuple(terms[:TERMS]),), (0,), None)


def label_of(terms: Sequence[str], exemplar: str) -> str:
    """Return a theme's label: its first terms, at most six words, nothing that its texts do not say.

    Example:
        >>> label_of(["invoice", "supplier", "genuine", "brand"], "")
        'invoice, supplier, genuine'
    """
    chosen = [term for term in terms if len(term) <= 30][:LABEL_TERMS]
    if chosen:
        return ", ".join(chosen)
    return " ".join(words(exemplar)[:LABEL_WORDS])[:60] or "no words"


def _speakers_of_words(
    members: Sequence[int], held: Sequence[frozenset[str]], speakers: Sequence[frozenset[str]]
) -> Counter[str]:
    who: dict[str, set[str]] = defaultdict(set)
    for i in members:
        for word in held[i]:
            who[word] |= speakers[i]
    return Counter({word: len(people) for word, people in who.items()})


def _words_of_leading_language(
    members: Sequence[int], held: Sequence[frozenset[str]], languages: Sequence[str | None]
) -> frozenset[str]:
    """Words that stand mostly in texts of the language that leads the theme; all words where none is known."""
    spoken = Counter(language for i in members if (language := languages[i]) is not None)
    lead = "en" if spoken["en"] >= ENGLISH_LEADS * spoken.total() else max(sorted(spoken), key=lambda k: spoken[k])
    inside: Counter[str] = Counter()
    anywhere: Counter[str] = Counter()
    for i in members:
        anywhere.update(held[i])
        if languages[i] in (lead, None):
            inside.update(held[i])
    return frozenset(word for word, n in anywhere.items() if 2 * inside[word] > n)


def _heard(found: Scored, said: Mapping[str, int], among: frozenset[str] | None = None) -> Scored:
    """Keep c-TF-IDF's candidates that several sellers wrote; all of them where none was."""
    spoken = [(word, score) for word, score in found if word and (among is None or word in among)]
    return [(w, s) for w, s in spoken if said.get(w, 0) >= SPEAKERS][:CANDIDATES] or spoken[:CANDIDATES]


def _diverse(found: Scored, said: Mapping[str, int], space: Mapping[str, Vectors]) -> Scored:
    """Choose terms by maximal marginal relevance (Carbonell and Goldstein, 1998): score less likeness to the chosen."""
    # c-TF-IDF loves the rare word; a reader wants the one that many of the theme's sellers use.
    scores = {word: score * said[word] ** 0.5 for word, score in found}
    left = prune(sorted(scores, key=lambda w: (-scores[w], w)), said)
    if not left:
        return []
    top = max(scores.values()) or 1.0
    chosen: list[str] = []
    while left and len(chosen) < TERMS:
        best = max(left, key=lambda w: (1 - DIVERSITY) * scores[w] / top - DIVERSITY * _likeness(w, chosen, space))
        chosen.append(best)
        left.remove(best)
    return [(word, scores[word]) for word in chosen]


def _likeness(word: str, chosen: Sequence[str], space: Mapping[str, Vectors]) -> float:
    return max((float(space[word] @ space[c]) for c in chosen), default=0.0)
