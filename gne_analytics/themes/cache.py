"""Embeddings on disk by content: a text is embedded once, whatever run, order or view it comes in."""

import os
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from gne_analytics.errors import DataError
from gne_analytics.themes.embedders import Embedder, Vectors
from gne_analytics.themes.texts import content_key, unshouted

BLOCK = 256
"""Texts embedded between two writes, all that an interruption costs; an embedder may name its own ``block``."""

Progress = Callable[[int, int], None]
"""Called with texts done and texts to do."""


def embed(
    embedder: Embedder, texts: Sequence[str], cache_dir: Path | None = None, progress: Progress | None = None
) -> Vectors:
    """Return one vector of length one per text; with a cache_dir, only texts it has not seen are computed.

    Texts in capitals are read in small letters (`texts.unshouted`). Each block is written whole and renamed, so an
    interrupted run or an endpoint that fails half-way loses one block.
    """
    texts = [unshouted(t) for t in texts]
    keys = [content_key(t) for t in texts]
    folder = None if cache_dir is None else Path(cache_dir) / re.sub(r"[^\w.-]+", "_", embedder.id)
    known = {} if folder is None else _shelf(folder.resolve()).take(frozenset(keys))
    missing = sorted({key: text for key, text in zip(keys, texts, strict=True) if key not in known}.items())
    size = int(getattr(embedder, "block", BLOCK))
    for start in range(0, len(missing), size):
        block = missing[start : start + size]
        # Rounded, since the last bits follow the batch a text was in: a warm cache gives what a cold one does.
        vectors = np.round(embedder.encode([text for _, text in block]), 5)
        known.update(zip((key for key, _ in block), vectors, strict=True))
        if folder is not None:
            _write(folder, [key for key, _ in block], vectors)
        if progress is not None:
            progress(start + len(block), len(missing))
    return np.stack([known[key] for key in keys]) if keys else embedder.encode([])


class _Shelf:
    """The files of one embedder: which one holds a text's vector. Vectors stay on disk until they are asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: frozenset[Path] = frozenset()
        self._file: dict[str, Path] = {}

    def take(self, keys: frozenset[str]) -> dict[str, Vectors]:
        """Return the vectors that are here, of those asked for."""
        self._look()
        known: dict[str, Vectors] = {}
        file_of = self._file
        for file in sorted({file_of[key] for key in keys if key in file_of}):
            held, vectors = _load(file, "keys", "vectors")
            # Copies, so that a row does not keep its whole block in memory.
            known.update((key, vectors[i].copy()) for i, key in enumerate(held.tolist()) if key in keys)
        return known

    def _look(self) -> None:
        """Learn of files that came, and forget all where one went."""
        files = frozenset(self._folder.glob("*.npz"))
        if self._seen - files:
            self._seen, self._file = frozenset(), {}
        for file in sorted(files - self._seen):
            self._file.update(dict.fromkeys(_load(file, "keys")[0].tolist(), file))
        self._seen = files


_shelf = lru_cache(maxsize=8)(_Shelf)


def _load(file: Path, *names: str) -> tuple[np.ndarray, ...]:
    try:
        with np.load(file, allow_pickle=False) as block:
            return tuple(block[name] for name in names)
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise DataError(f"the embedding cache {file} cannot be read ({error}); delete that file.") from error


def _write(folder: Path, keys: Sequence[str], vectors: Vectors) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{keys[0]}.{os.getpid()}.partial"
    with partial.open("wb") as file:
        np.savez(file, keys=np.array(keys), vectors=vectors)
    partial.replace(folder / f"{keys[0]}-{len(keys)}.npz")
