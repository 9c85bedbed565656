"""The default embedder: USE where it knows a text's language, E5 where it does not, and spelling beside either.

Measured on the labelled sets of METHODS.md. USE was taught sixteen languages. Of others it knows some letters and no
more: it puts every text in one place, and the theme becomes the language. E5 knows a hundred languages and is slow, so
it reads what is strange to USE, and a ridge learnt on texts that both know carries its vectors over into the space of
USE; left out, these texts would be nearer to one another than to any other. Spelling tells two near subjects apart (a
card that is lost, a card that is late) where either takes them for one.

Few texts are read by both, side by side, which is better than either alone. So are many of which USE knows too few to
learn a bridge from.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gne_analytics.themes.cache import Progress, embed
from gne_analytics.themes.embedders import E5, Embedder, Ngrams, UseAndStrange, Vectors, unit_length
from gne_analytics.themes.texts import unshouted

FEW = 300
"""Up to so many distinct texts, E5 reads them all."""
STRANGE = 1_500
"""So many texts strange to USE are read by E5 itself; a ridge guesses what it would make of the rest."""
LESSONS = 200
"""So many texts that USE knows are read by E5 too, drawn by content hash, for the bridge from one to the other."""
TAUGHT = 50
"""Of fewer texts nothing is learnt, neither a bridge nor a guess; fewer strange ones are not worth E5's time."""
LEGIBLE = 0.1
"""A text of which USE's tokeniser has no name for more than that share of the pieces is strange to it: a fifth of a
Vietnamese text, next to none of an Indonesian one."""
SPELLING = 0.5
"""What spelling weighs beside meaning,"""
SPELT = 256
"""in so many columns."""
RIDGE = 0.3
_TAUGHT = """ar ara arb arabic zh zho chi cmn chinese mandarin en eng english fr fra fre french de deu ger german it ita
italian ja jpn japanese ko kor korean nl nld dut dutch pl pol polish pt por portuguese es spa spanish th tha thai tr tur
turkish ru rus russian"""
LANGUAGES = frozenset(_TAUGHT.split())
"""Those that USE was taught, by their codes of ISO 639 and their English names. A text that is known to be of another
one is strange to it."""
UNTOLD = frozenset(("", "und", "mis", "mul", "zxx", "xx", "unknown"))
"""What stands where a language is not known, or is several."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Auto:
    """What the default embedder learnt from the texts it was made for."""

    use_mean: Array
    spelling_mean: Array
    e5_mean: Array | None = None
    """None where E5 was not asked: a text that USE cannot read is then known by its spelling alone."""
    bridge: Array | None = None
    """From E5 to USE, for strange texts; without one E5 stands beside USE, for all texts."""
    weights: Array | None = None
    """Of the ridge from USE and spelling to E5; None where E5 reads whatever it has a say in."""
    offset: Array | None = None
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
        """Embed texts of unknown languages, those the fit has not seen as well."""
        return self.read(texts, [None] * len(texts))

    def read(
        self, texts: Sequence[str], languages: Sequence[str | None], progress: Progress | None = None,
        strange: int = STRANGE,
    ) -> Vectors:  # fmt: skip
        """Embed texts and report the slow part's progress; E5 reads so many at most that are strange to USE."""
        return self._blend(_Read.of(texts, languages, self.cache_dir), progress, strange)

    def unread(self, texts: Sequence[str], languages: Sequence[str | None]) -> int:
        """How many texts are strange to USE, where the fit met too few such texts to ask E5."""
        if self.e5_mean is not None:
            return 0
        share = UseAndStrange().strange([unshouted(text) for text in texts])
        return len(texts) - int(((share <= LEGIBLE) & _taught(languages)).sum())

    def _blend(self, read: "_Read", progress: Progress | None, strange: int) -> Vectors:
        meaning = _centred(read.use, self.use_mean) * read.legible[:, None]
        spelling = SPELLING * _centred(read.spelling, self.spelling_mean)
        if self.e5_mean is None:
            return unit_length(np.hstack([meaning, spelling]))
        rows = np.arange(len(meaning)) if self.bridge is None else np.flatnonzero(~read.known)
        asked = np.ones(len(rows), dtype=bool)
        slow = np.empty((len(rows), len(self.e5_mean)), dtype=np.float32)
        if self.weights is not None and self.offset is not None:
            asked = ~read.known[rows]
            asked &= np.cumsum(asked) <= strange
            slow[~asked] = read.features(rows[~asked]) @ self.weights + self.offset
        if asked.any():
            slow[asked] = read.by_e5(rows[asked], progress)
        slow = _centred(slow, self.e5_mean)
        if self.bridge is None:
            return unit_length(np.hstack([meaning, spelling, slow]))
        meaning[rows] = unit_length(slow @ self.bridge)
        return unit_length(np.hstack([meaning, spelling]))


def reading(
    reader: Embedder, texts: Sequence[str], languages: Sequence[str | None], cache_dir: Path | None = None,
    progress: Progress | None = None, strange: int = STRANGE,
) -> Vectors:  # fmt: skip
    """Return the texts' vectors, what the cache holds not read anew; ``strange`` as in `Auto.read`."""
    if isinstance(reader, Auto):
        return replace(reader, cache_dir=cache_dir or reader.cache_dir).read(texts, languages, progress, strange)
    return embed(reader, texts, cache_dir, progress)


def make_auto(
    texts: Sequence[str],
    languages: Sequence[str | None],
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> tuple[Auto, Vectors]:
    """Make the default embedder for distinct texts in order of their content hash, and read them by it.

    ``languages`` of the texts, None where unknown: the letters alone then say which are strange to USE.
    """
    read = _Read.of(texts, languages, cache_dir)
    known, strange = np.flatnonzero(read.known), np.flatnonzero(~read.known)
    seen = known if len(known) else np.arange(len(texts))
    auto = Auto(read.use[seen].mean(axis=0), read.spelling.mean(axis=0), cache_dir=cache_dir)
    few = len(texts) <= FEW
    if not few and len(strange) < TAUGHT:
        return auto, auto._blend(read, progress, 0)
    chosen = np.arange(len(texts)) if few else np.union1d(strange[:STRANGE], known[:LESSONS])
    slow = read.by_e5(chosen, progress)
    e5_mean = slow.mean(axis=0)
    auto = replace(auto, e5_mean=e5_mean)
    if not few:
        weights, offset = _ridge(read.features(chosen), slow)
        auto = replace(auto, weights=weights, offset=offset)
        taught = np.isin(chosen, known)
        if taught.sum() >= TAUGHT:
            fast = _centred(read.use[chosen[taught]], auto.use_mean)
            auto = replace(auto, bridge=_bridge(_centred(slow[taught], e5_mean), fast))
    return auto, auto._blend(read, progress, STRANGE)


@dataclass(frozen=True)
class _Read:
    """Texts as the fast readers see them, and which of them USE knows."""

    texts: Sequence[str]
    use: Vectors
    legible: NDArray[np.bool_]
    """USE's tokeniser has names for nearly all pieces."""
    known: NDArray[np.bool_]
    """Legible, and of no language that USE was not taught, as far as languages are known."""
    spelling: Vectors
    cache_dir: Path | None
    slow: dict[int, Vectors] = field(default_factory=dict)
    """What E5 made of the rows that it was asked about."""

    @classmethod
    def of(cls, texts: Sequence[str], languages: Sequence[str | None], cache_dir: Path | None) -> "_Read":
        read = embed(UseAndStrange(), texts, cache_dir)
        legible = read[:, -1] <= LEGIBLE
        known = legible & _taught(languages)
        return cls(texts, read[:, :-1], legible, known, Ngrams(SPELT).encode(texts), cache_dir)

    def features(self, rows: NDArray[np.int64]) -> Array:
        """What E5 is guessed from."""
        return np.hstack([self.use[rows] * self.legible[rows, None], self.spelling[rows]])

    def by_e5(self, rows: NDArray[np.int64], progress: Progress | None) -> Vectors:
        """What E5 makes of some of the texts; none is read twice."""
        new = [int(i) for i in rows if int(i) not in self.slow]
        self.slow.update(zip(new, embed(E5(), [self.texts[i] for i in new], self.cache_dir, progress), strict=True))
        return np.stack([self.slow[int(i)] for i in rows])


def _taught(languages: Sequence[str | None]) -> NDArray[np.bool_]:
    """Where a text may be of a language that USE was taught, as far as languages are known."""
    return np.array([_code(language or "") in LANGUAGES | UNTOLD for language in languages], dtype=bool)


def _code(language: str) -> str:
    """The language of a code such as en, pt-BR, zh_Hant, or its name, in small letters."""
    return language.strip().replace("_", "-").split("-")[0].lower()


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
