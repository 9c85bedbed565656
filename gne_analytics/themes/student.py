"""The default embedder: E5 beside USE, each where it knows the language, and a student of E5 where E5 is too slow.

Measured on the labelled sets of METHODS.md: the two side by side cluster better than either alone, unless USE meets a
language it was not taught. It then puts every text in one place, and the theme becomes the language. Its tokeniser
gives that away: a fifth of a Vietnamese text's pieces are unknown to it, next to none of a Thai or Indonesian one.
So USE's part fades out with the share of unknown pieces, and E5 itself reads such texts, as many as time allows.
In place of USE's part such a text gets what a ridge from E5 to USE makes of it: left empty, these texts were nearer to
one another than to any other (demo's appeals, E5 for all: agreement with the language .27 empty, .23 filled; with the
reason among Vietnamese texts .21 and .26).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gne_analytics.themes.cache import Progress, embed
from gne_analytics.themes.embedders import E5, Embedder, Ngrams, UseAndTrust, Vectors, unit_length

EXACT = 300
"""Up to so many distinct texts, E5 reads them all."""
LESSONS = 200
"""Beyond that, E5 reads so many, drawn by content hash, and the ridge learns from them;"""
PER_LANGUAGE = 60
"""of each language so many, where there are several."""
KNOWN = 0.5
"""From this trust on, USE is taken to know a text's language."""
STRANGE = 1_500
"""So many texts of languages that USE does not know are read by E5 itself; the student guesses the rest by spelling."""
RIDGE = 0.3
TAUGHT = 50
"""Texts that both embedders know, under which no bridge from one to the other is learnt."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Fused:
    """E5 (or its student) and USE in one vector; what was learnt from the texts it was made for is part of it."""

    e5_mean: Array
    use_mean: Array
    weights: Array | None
    """Of the ridge from USE and n-grams to E5; None where E5 itself reads everything."""
    offset: Array | None
    fidelity: float = 1.0
    """Mean cosine of student and E5 on texts that the student had not seen."""
    cache_dir: Path | None = None
    bridge: Array | None = None
    """From E5 to USE, for texts that USE cannot read; None where too few texts taught it."""

    @property
    def id(self) -> str:
        """Names the embedder and what it learnt."""
        learnt = b"".join(
            a.tobytes() for a in (self.e5_mean, self.use_mean, self.weights, self.bridge) if a is not None
        )
        return f"auto-{blake2b(learnt, digest_size=6).hexdigest()}"

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Embed texts, those the fit has not seen as well."""
        return self.read(texts)

    def read(self, texts: Sequence[str], progress: Progress | None = None, strange: int = STRANGE) -> Vectors:
        """Embed texts and report the slow part's progress; E5 reads so many at most that are strange to USE."""
        return self._fuse(texts, *_fast(texts, self.cache_dir), progress, strange)

    def _fuse(
        self, texts: Sequence[str], fast: Vectors, trust: Array, progress: Progress | None, strange: int
    ) -> Vectors:
        slow = self._slow(texts, fast, trust, progress, strange)
        left, right = _centred(slow, self.e5_mean), trust[:, None] * _centred(fast, self.use_mean)
        if self.bridge is not None:
            right = right + (1 - trust)[:, None] * unit_length(left @ self.bridge)
        return unit_length(np.hstack([left, right]))

    def _slow(
        self, texts: Sequence[str], fast: Vectors, trust: Array, progress: Progress | None, strange: int
    ) -> Array:
        if self.weights is None or self.offset is None:
            return embed(E5(), texts, self.cache_dir, progress)
        wide = fast.shape[1]
        known, spelt = (trust[:, None] * fast) @ self.weights[:wide], Ngrams().sparse(texts) @ self.weights[wide:]
        guess = np.asarray(known + spelt + self.offset, dtype=np.float32)
        if len(read := np.flatnonzero(trust < KNOWN)[:strange]):
            guess[read] = embed(E5(), [texts[int(i)] for i in read], self.cache_dir, progress)
        return guess


def reading(
    reader: Embedder, texts: Sequence[str], cache_dir: Path | None = None, progress: Progress | None = None,
    strange: int = STRANGE,
) -> Vectors:  # fmt: skip
    """Return the texts' vectors, what the cache holds not read anew; ``strange`` as in `Fused.read`."""
    if isinstance(reader, Fused):
        return replace(reader, cache_dir=cache_dir or reader.cache_dir).read(texts, progress, strange)
    return embed(reader, texts, cache_dir, progress)


def teach(
    texts: Sequence[str],
    languages: Sequence[str | None] = (),
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> tuple[Fused, Vectors]:
    """Make the default embedder for distinct texts in order of their content hash, and read them by it.

    ``languages`` of the texts where known: each is taught by texts of its own.
    """
    fast, trust = _fast(texts, cache_dir)
    chosen = np.arange(len(texts))
    if len(texts) > EXACT:
        strange = np.flatnonzero(trust < KNOWN)[:STRANGE]  # these are read anyway
        chosen = np.union1d(_lessons(languages or [None] * len(texts)), strange)
    sample = [texts[int(i)] for i in chosen]
    slow = embed(E5(), sample, cache_dir, progress)
    seen, trusted = fast[chosen], trust[chosen]
    known = seen[trusted > KNOWN]
    use_mean = (known if len(known) else seen).mean(axis=0)
    e5_mean = slow.mean(axis=0)
    bridge = _bridge(_centred(slow, e5_mean)[trusted > 0.99], _centred(seen, use_mean)[trusted > 0.99])
    fused = Fused(e5_mean, use_mean, None, None, 1.0, cache_dir, bridge)
    if len(texts) > EXACT:
        features = _features(sample, seen, trusted)
        taught = np.arange(len(sample)) % 5 < 4
        weights, offset = _ridge(features[taught], slow[taught])
        guess = unit_length(features[~taught] @ weights + offset - e5_mean)
        fidelity = float((guess * _centred(slow[~taught], e5_mean)).sum(axis=1).mean())
        weights, offset = _ridge(features, slow)
        fused = replace(fused, weights=weights, offset=offset, fidelity=fidelity)
    return fused, fused._fuse(texts, fast, trust, progress, STRANGE)


def _lessons(languages: Sequence[str | None]) -> list[int]:
    """The first texts of each language, as many as a student needs."""
    each = max(PER_LANGUAGE, LESSONS // max(len(set(languages)), 1))
    place: Counter[str | None] = Counter()
    chosen = []
    for i, language in enumerate(languages):
        if place[language] < each:
            chosen.append(i)
        place[language] += 1
    return chosen


def _fast(texts: Sequence[str], cache_dir: Path | None) -> tuple[Vectors, Array]:
    """What USE makes of the texts, and how far it knows their language."""
    read = embed(UseAndTrust(), texts, cache_dir)
    return read[:, :-1], read[:, -1]


def _centred(vectors: Array, mean: Array) -> Vectors:
    return unit_length(vectors - mean)


def _bridge(slow: Array, fast: Array) -> Array | None:
    """Ridge from E5 to USE, both centred, from texts that both know."""
    if len(slow) < TAUGHT:
        return None
    gram = slow.T.astype(np.float64) @ slow + np.eye(slow.shape[1])
    return np.linalg.solve(gram, slow.T @ fast).astype(np.float32)


def _features(texts: Sequence[str], fast: Vectors, trust: Array) -> Array:
    return np.hstack([trust[:, None] * fast, Ngrams().encode(texts)])


def _ridge(x: Array, y: Array) -> tuple[Array, Array]:
    """Ridge regression with an intercept, in closed form."""
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    a = (x - x_mean).astype(np.float64)
    weights = np.linalg.solve(a.T @ a + RIDGE * np.eye(a.shape[1]), a.T @ (y - y_mean)).astype(np.float32)
    return weights, (y_mean - x_mean @ weights).astype(np.float32)
