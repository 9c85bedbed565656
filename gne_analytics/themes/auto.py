"""The default embedder: USE where it knows the language, and E5 beside it where texts come in several.

Measured on the labelled sets of METHODS.md. USE was taught sixteen languages. Of others it knows some letters and no
more: it puts every text in one place, and the theme becomes the language. E5 knows a hundred languages, lays them side
by side, and is slow. So texts of one language that USE knows are read by USE alone. Where there are several, or some
strange to USE, E5 reads what is strange and lessons of each language, from which a ridge learns to guess what it would
make of the rest; and what USE makes of a strange text is guessed from E5 by a bridge, a ridge learnt on texts that both
know. Left empty, such texts would be nearer to one another than to any other.

Few texts are read by both, which is better than either alone.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gne_analytics.themes.cache import Progress, embed
from gne_analytics.themes.embedders import E5, Embedder, Ngrams, UseAndStrange, Vectors, unit_length
from gne_analytics.themes.texts import unshouted

FEW = 300
"""Up to so many distinct texts, E5 reads them all."""
STRANGE = 1_500
"""So many texts strange to USE are read by E5 itself; the rest is guessed."""
LESSONS = 200
"""So many texts that USE knows are read by E5 for the ridge to learn from, drawn by content hash;"""
PER_LANGUAGE = 60
"""of each language so many, where there are several."""
TAUGHT = 50
"""Of fewer texts no bridge is learnt. So many of two languages make several; fewer strange ones are not worth E5."""
LEGIBLE = 0.1
"""A text of which USE's tokeniser has no name for more than that share of the pieces is strange to it: a fifth of those
of a Vietnamese text, next to none of an Indonesian one, which USE reads by what it shares with others."""
SPELT = 512
"""Places of the n-grams from which, with USE, E5 is guessed."""
RIDGE = 0.3
UNTOLD = frozenset(("", "und", "mis", "mul", "zxx", "xx", "unknown"))
"""What stands where a language is not known, or is several."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Auto:
    """What the default embedder learnt from the texts it was made for."""

    use_mean: Array
    e5_mean: Array | None = None
    """None where USE reads alone."""
    weights: Array | None = None
    """Of the ridge from USE and n-grams to E5; None where E5 reads every text."""
    offset: Array | None = None
    bridge: Array | None = None
    """From E5 to USE, for strange texts; None where too few texts taught it."""
    cache_dir: Path | None = None

    @property
    def id(self) -> str:
        """Names the embedder and what it learnt."""
        learnt = b"".join(name.encode() + part.tobytes() for name, part in self.arrays().items())
        return f"auto-2-{blake2b(learnt, digest_size=6).hexdigest()}"

    def arrays(self) -> dict[str, Array]:
        """What was learnt, by name."""
        return {f.name: part for f in fields(self) if isinstance(part := getattr(self, f.name), np.ndarray)}

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Embed texts, those the fit has not seen as well."""
        return self.read(texts)

    def read(self, texts: Sequence[str], progress: Progress | None = None, strange: int = STRANGE) -> Vectors:
        """Embed texts and report the slow part's progress; E5 reads so many at most that are strange to USE."""
        return self._beside(_Read.of(texts, self.cache_dir), progress, strange)

    def _beside(self, read: "_Read", progress: Progress | None, strange: int) -> Vectors:
        fast = _centred(read.use, self.use_mean)
        if self.e5_mean is None:
            return fast
        asked = np.ones(len(fast), dtype=bool)
        slow = np.empty((len(fast), len(self.e5_mean)), dtype=np.float32)
        if self.weights is not None and self.offset is not None:
            asked = read.strange & (np.cumsum(read.strange) <= strange)
            slow[~asked] = read.features(~asked) @ self.weights + self.offset
        if asked.any():
            slow[asked] = read.by_e5(np.flatnonzero(asked), progress)
        slow = _centred(slow, self.e5_mean)
        fast[read.strange] = 0 if self.bridge is None else unit_length(slow[read.strange] @ self.bridge)
        return unit_length(np.hstack([fast, slow]))


def reading(
    reader: Embedder, texts: Sequence[str], cache_dir: Path | None = None, progress: Progress | None = None,
    strange: int = STRANGE,
) -> Vectors:  # fmt: skip
    """Return the texts' vectors, what the cache holds not read anew; ``strange`` as in `Auto.read`."""
    if isinstance(reader, Auto):
        return replace(reader, cache_dir=cache_dir or reader.cache_dir).read(texts, progress, strange)
    return embed(reader, texts, cache_dir, progress)


def unread(reader: Embedder, texts: Sequence[str]) -> NDArray[np.bool_]:
    """Which texts the default embedder cannot read: strange to USE, where the fit did not ask E5."""
    if not isinstance(reader, Auto) or reader.e5_mean is not None:
        return np.zeros(len(texts), dtype=bool)
    return UseAndStrange().strange([unshouted(text) for text in texts]) > LEGIBLE


def not_learnt(unread: NDArray[np.bool_]) -> tuple[str, ...]:
    """Say it where a language came that the default embedder has not learnt, in as many texts as it takes to learn."""
    n = int(unread.sum())
    if n < TAUGHT:
        return ()
    told = f"{n:,} distinct texts are in languages of which the fit met too few texts to learn them, and are read badly"
    return (f"{told}; fit the themes anew.",)


def make_auto(
    texts: Sequence[str],
    languages: Sequence[str | None],
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> tuple[Auto, Vectors]:
    """Make the default embedder for distinct texts in order of their content hash, and read them by it.

    ``languages`` of the texts where known: each of several teaches the ridge by texts of its own.
    """
    read = _Read.of(texts, cache_dir)
    known, strange = np.flatnonzero(~read.strange), np.flatnonzero(read.strange)
    auto = Auto(read.use[known if len(known) else strange].mean(axis=0), cache_dir=cache_dir)
    codes = [_code(language) for language in languages]
    spoken = Counter(code for code in codes if code is not None)
    several = sum(texts >= TAUGHT for texts in spoken.values()) > 1
    few = len(texts) <= FEW
    if not few and not several and len(strange) < TAUGHT:
        return auto, auto._beside(read, progress, 0)
    lessons = known[_lessons([codes[int(i)] for i in known])]
    chosen = np.arange(len(texts)) if few else np.union1d(strange[:STRANGE], lessons)
    slow = read.by_e5(chosen, progress)
    e5_mean = slow.mean(axis=0)
    auto = replace(auto, e5_mean=e5_mean)
    if not few:
        weights, offset = _ridge(read.features(chosen), slow)
        auto = replace(auto, weights=weights, offset=offset)
    taught = ~read.strange[chosen]
    if taught.sum() >= TAUGHT:
        fast = _centred(read.use[chosen[taught]], auto.use_mean)
        auto = replace(auto, bridge=_bridge(_centred(slow[taught], e5_mean), fast))
    return auto, auto._beside(read, progress, STRANGE)


def _code(language: str | None) -> str | None:
    """The language of a code such as en, pt-BR, zh_Hant; None where it names none."""
    code = (language or "").strip().replace("_", "-").split("-")[0].lower()
    return None if code in UNTOLD else code


def _lessons(languages: Sequence[str | None]) -> list[int]:
    """The first texts of each language, as many as a ridge needs."""
    each = max(PER_LANGUAGE, LESSONS // max(len(set(languages)), 1))
    place: Counter[str | None] = Counter()
    chosen = []
    for i, language in enumerate(languages):
        if place[language] < each:
            chosen.append(i)
        place[language] += 1
    return chosen


@dataclass(frozen=True)
class _Read:
    """Texts as USE sees them."""

    texts: Sequence[str]
    use: Vectors
    strange: NDArray[np.bool_]
    """USE's tokeniser has no name for too many pieces."""
    cache_dir: Path | None
    slow: dict[int, Vectors] = field(default_factory=dict)
    """What E5 made of the rows that it was asked about."""

    @classmethod
    def of(cls, texts: Sequence[str], cache_dir: Path | None) -> "_Read":
        read = embed(UseAndStrange(), texts, cache_dir)
        return cls(texts, read[:, :-1], read[:, -1] > LEGIBLE, cache_dir)

    def features(self, rows: NDArray[Any]) -> Array:
        """What E5 is guessed from."""
        spelt = Ngrams(SPELT).encode([self.texts[i] for i in np.arange(len(self.texts))[rows]])
        return np.hstack([self.use[rows] * ~self.strange[rows, None], spelt])

    def by_e5(self, rows: NDArray[np.int64], progress: Progress | None) -> Vectors:
        """What E5 makes of some of the texts; none is read twice."""
        new = [int(i) for i in rows if int(i) not in self.slow]
        self.slow.update(zip(new, embed(E5(), [self.texts[i] for i in new], self.cache_dir, progress), strict=True))
        return np.stack([self.slow[int(i)] for i in rows])


def _centred(vectors: Array, mean: Array) -> Vectors:
    return unit_length(vectors - mean)


def _bridge(slow: Array, fast: Array) -> Array:
    """Ridge from E5 to USE, both centred, from texts that both know."""
    gram = slow.T.astype(np.float64) @ slow + np.eye(slow.shape[1])
    return np.linalg.solve(gram, slow.T @ fast).astype(np.float32)


def _ridge(x: Array, y: Array) -> tuple[Array, Array]:
    """Ridge regression with an intercept, in closed form."""
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    a = (x - x_mean).astype(np.float64)
    weights = np.linalg.solve(a.T @ a + RIDGE * np.eye(a.shape[1]), a.T @ (y - y_mean)).astype(np.float32)
    return weights, (y_mean - x_mean @ weights).astype(np.float32)
