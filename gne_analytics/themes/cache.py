"""Embeddings on disk by content: a text is embedded once, whatever run, order or view it comes in."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from gne_analytics.errors import DataError
from gne_analytics.themes.embedders import Embedder, Vectors
from gne_analytics.themes.texts import content_key

BLOCK = 256
"""Texts embedded between two writes, all that an interruption costs; an embedder may name its own ``block``."""

Progress = Callable[[int, int], None]
"""Called with texts done and texts to do."""


def embed(
    embedder: Embedder, texts: Sequence[str], cache_dir: Path | None = None, progress: Progress | None = None
) -> Vectors:
    """Return one vector of length one per text; with a cache_dir, only texts it has not seen are computed.

    Each block is written whole and renamed, so an interrupted run or an endpoint that fails half-way loses one block.
    """
    keys = [content_key(t) for t in texts]
    folder = None if cache_dir is None else Path(cache_dir) / re.sub(r"[^\w.-]+", "_", embedder.id)
    known = _read(folder)
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


def _read(folder: Path | None) -> dict[str, Vectors]:
    known: dict[str, Vectors] = {}
    if folder is None or not folder.is_dir():
        return known
    for file in sorted(folder.glob("*.npz")):
        try:
            with np.load(file, allow_pickle=False) as block:
                known.update(zip(block["keys"].tolist(), block["vectors"], strict=True))
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"the embedding cache {file} cannot be read ({error}); delete that file.") from error
    return known


def _write(folder: Path, keys: Sequence[str], vectors: Vectors) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{keys[0]}.{os.getpid()}.partial"
    with partial.open("wb") as file:
        np.savez(file, keys=np.array(keys), vectors=vectors)
    partial.replace(folder / f"{keys[0]}-{len(keys)}.npz")
