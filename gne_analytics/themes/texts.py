"""From rows of text to the distinct texts that are worth an embedding: checked, redacted, near-duplicates folded."""

import hashlib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gne_analytics.errors import DataError
from gne_analytics.evidence.redact import MARK, redact

SHOUTED = 8
"""Capitals from which a text without as many small letters is taken for shouting, not for a name."""
MAX_CHARS = 600
"""What an embedder reads of a text; the rest of a 50,000-character paste says no more about its theme."""
EXEMPLAR_CHARS = 280

CAMPAIGN_UNITS = 3
CAMPAIGN_ROWS = 5
"""A near-identical text counts as pasted when at least so many rows of so many sellers carry it."""

_SHINGLE = 5
_HASHES = 32
_BAND = 4
_NEAR = 0.8
_BLOCK = 20_000
"""Texts that are cut to shingles at once."""


@dataclass(frozen=True)
class Corpus:
    """The rows of one view, and the distinct texts behind them.

    ``rows`` has id, group (index into ``texts``; null where the text holds no word), unit, language, in order of id.
    ``texts`` and ``keys`` are in order of the content hash, so that the order of the rows means nothing downstream.
    """

    rows: pl.DataFrame
    texts: tuple[str, ...]
    keys: tuple[str, ...]
    wordless: int

    @property
    def n(self) -> int:
        """How many distinct texts there are."""
        return len(self.texts)


def content_key(text: str) -> str:
    """Return the hash under which an embedding of the text is cached: 128 bits of blake2b, in hex."""
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def clean(text: str) -> str:
    """Return the text as an embedder shall read it: compatibility forms folded, redacted, cut to MAX_CHARS."""
    # Lone surrogates come out of broken extracts and can be neither hashed nor embedded.
    whole = text[: 8 * MAX_CHARS].encode("utf-8", "ignore").decode("utf-8", "ignore")
    return redact(unicodedata.normalize("NFKC", whole), MAX_CHARS)


def unshouted(text: str) -> str:
    """Return a text that is mostly in capitals in small letters: embedders hear the shouting, not what is said.

    Example:
        >>> unshouted("MY SHOP WAS CLOSED, WHY?")
        'my shop was closed, why?'
    """
    upper = sum(map(str.isupper, text))
    return text.lower() if upper >= SHOUTED and upper > sum(map(str.islower, text)) else text


def shortened(text: str) -> str:
    """Return a text as an exemplar shows it, cut to EXEMPLAR_CHARS."""
    return text if len(text) <= EXEMPLAR_CHARS else text[: EXEMPLAR_CHARS - 1].rstrip() + "…"


def skeleton(text: str) -> str:
    """Return the letters and marks alone, case folded: texts that differ in blanks, digits or signs are one text."""
    return "".join(c for c in MARK.sub("", text).casefold() if unicodedata.category(c)[0] in "LM")


def corpus(frame: pl.DataFrame, view: str) -> Corpus:
    """Check a frame of texts and fold it to its distinct texts.

    Columns: id and text; unit and language where known. Texts that hold no letter (empty, emoji, digits) belong to no
    theme; they are counted in ``wordless``. A frame without a single word is a DataError.
    """
    rows = checked(frame, view)
    texts = [clean(t) for t in rows["text"].to_list()]
    bones = [skeleton(t) for t in texts]
    representative: dict[str, str] = {}
    for bone, text in sorted(zip(bones, texts, strict=True)):
        if bone:
            representative.setdefault(bone, text)
    if not representative:
        raise DataError(f"themes of {view!r}: none of the {len(texts)} texts holds a word; map another text column.")
    group_of = _fold(sorted(representative))
    heads = {bone: representative[head] for bone, head in group_of.items()}
    distinct = sorted({content_key(text): text for text in heads.values()}.items())
    index = {text: i for i, (_, text) in enumerate(distinct)}
    groups = [index[heads[bone]] if bone else None for bone in bones]
    return Corpus(
        rows=rows.drop("text").with_columns(group=pl.Series(groups, dtype=pl.Int64)),
        texts=tuple(text for _, text in distinct),
        keys=tuple(key for key, _ in distinct),
        wordless=sum(1 for bone in bones if not bone),
    )


def said_by(texts: int, sellers: int) -> str:
    """Say how many texts there are, and of how many sellers where these are known.

    Example:
        >>> said_by(1_200, 0)
        '1,200 texts'
    """
    return f"{texts:,} texts of {sellers:,} sellers" if sellers else f"{texts:,} texts"


def voter() -> pl.Expr:
    """Who speaks in a row: its unit or, where nobody knows that, the row; a unit never bears the name of a row."""
    return pl.coalesce(pl.concat_str(pl.lit("unit "), "unit"), pl.concat_str(pl.lit("row "), "id"))


def unit_codes(rows: pl.DataFrame) -> NDArray[np.int64] | None:
    """Number the voters of rows from zero; None where no unit is known, so that rows are taken as independent."""
    if rows["unit"].null_count() == rows.height:
        return None
    return rows.select(voter().rank("dense").cast(pl.Int64) - 1).to_series().to_numpy()


def folded_into(rows: pl.DataFrame) -> pl.DataFrame:
    """Add folded_into (the id that speaks for a seller's near-identical texts) and campaign (what many sellers paste).

    Rows without a unit fold by text alone: where nobody knows the seller, a copy is no further vote.
    """
    voice = pl.col("id").first().over("group", "unit")
    known = pl.col("group").is_not_null()
    sellers = pl.col("unit").drop_nulls().n_unique().over("group")
    pasted = (pl.len().over("group") >= CAMPAIGN_ROWS) & (sellers >= CAMPAIGN_UNITS)
    return rows.with_columns(
        folded_into=pl.when(known & (voice != pl.col("id"))).then(voice),
        campaign=pl.when(known & pasted).then(pl.col("id").first().over("group")),
    )


def checked(frame: pl.DataFrame, view: str) -> pl.DataFrame:
    """Return id, text (empty where null), unit and language, in order of id; what is no such frame is a DataError."""
    for column in ("id", "text"):
        if column not in frame.columns:
            raise DataError.missing_column(view, column, frame.columns, "themes")
    if frame.schema["text"] not in (pl.String, pl.Null):
        raise DataError(f"themes of {view!r}: column 'text' is {frame.schema['text']}, not text; map a text column.")
    if frame.is_empty():
        raise DataError(f"themes of {view!r}: there is no row of text.")
    optional = [
        pl.col(name).cast(pl.String) if name in frame.columns else pl.lit(None, pl.String).alias(name)
        for name in ("unit", "language")
    ]
    rows = frame.select(pl.col("id").cast(pl.String), pl.col("text").cast(pl.String).fill_null(""), *optional)
    if rows["id"].null_count() or rows["id"].n_unique() < rows.height:
        raise DataError(
            f"themes of {view!r}: column 'id' is empty or repeated in some rows; give each text its own id."
        )
    return rows.sort("id")


def _fold(bones: Sequence[str]) -> dict[str, str]:
    """Map each skeleton to the head of its near-duplicates: MinHash bands propose, shingle Jaccard >= .8 decides."""
    blocks = [_shingled(bones[start : start + _BLOCK]) for start in range(0, len(bones), _BLOCK)]
    shingles = [one for held, _ in blocks for one in held]
    parent = list(range(len(bones)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, j in _candidates(np.concatenate([signatures for _, signatures in blocks])):
        # A copy is compared with the head of its group, so that a chain of small edits does not tie strangers.
        a, b = sorted((root(i), root(j)))
        if a != b and _jaccard(shingles[a], shingles[b]) >= _NEAR:
            parent[b] = a
    return {bone: bones[root(i)] for i, bone in enumerate(bones)}


def _shingled(bones: Sequence[str]) -> tuple[list[NDArray[np.uint64]], NDArray[np.uint64]]:
    """Return each skeleton's different shingles in order of their hash, and its MinHash signature (Broder, 1997)."""
    padded = [bone.ljust(_SHINGLE + 1, "\0") for bone in bones]
    length = np.array([len(bone) for bone in padded])
    code = np.frombuffer("".join(padded).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    windows = len(code) - _SHINGLE + 1
    shingle = np.zeros(windows, dtype=np.uint64)
    for place in range(_SHINGLE):
        shingle += code[place : place + windows] * np.uint64(1000003**place % 2**64)
    owner = np.repeat(np.arange(len(bones)), length)[:windows]
    whole = (np.cumsum(length)[owner] - np.arange(windows)) >= _SHINGLE
    shingle, owner = shingle[whole], owner[whole]
    order = np.lexsort((shingle, owner))
    shingle, owner = shingle[order], owner[order]
    new = np.ones(len(shingle), dtype=bool)
    new[1:] = (shingle[1:] != shingle[:-1]) | (owner[1:] != owner[:-1])
    shingle, owner = shingle[new], owner[new]
    starts = np.searchsorted(owner, np.arange(len(bones)))
    rng = np.random.default_rng(20261122)
    odd = rng.integers(1, 2**63, _HASHES, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    shift = rng.integers(0, 2**63, _HASHES, dtype=np.uint64)
    hashed = ((shingle * o + s) >> np.uint64(16) for o, s in zip(odd, shift, strict=True))
    return np.split(shingle, starts[1:]), np.stack([np.minimum.reduceat(h, starts) for h in hashed], axis=1)


def _candidates(signatures: NDArray[np.uint64]) -> Iterable[tuple[int, int]]:
    """Pairs that share a band of the signature."""
    seen: set[tuple[int, int]] = set()
    for start in range(0, _HASHES, _BAND):
        buckets: dict[bytes, int] = {}
        for i, band in enumerate(signatures[:, start : start + _BAND]):
            first = buckets.setdefault(band.tobytes(), i)
            if first != i and (first, i) not in seen:
                seen.add((first, i))
                yield first, i


def _jaccard(a: np.ndarray, b: np.ndarray) -> float:
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both / (len(a) + len(b) - both)
