"""Named streams of chance: each stage draws from its own, so that a change in one does not reshuffle the others."""

from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Draws:
    """Random streams by name, spawned from one seed; a name always gives the same stream.

    Longer draws extend shorter ones: ``uniform("x", 20)[:10]`` equals ``uniform("x", 10)``.

    Example:
        >>> bool((Draws(1).uniform("a", 5)[:3] == Draws(1).uniform("a", 3)).all())
        True
    """

    seed: int

    def stream(self, name: str) -> np.random.Generator:
        """A fresh generator for the named stage."""
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=(crc32(name.encode()),))))

    def uniform(self, name: str, n: int) -> Floats:
        """n draws from [0, 1)."""
        return self.stream(name).random(n)

    def normal(self, name: str, n: int) -> Floats:
        """n draws of a standard normal."""
        return self.stream(name).standard_normal(n)


def pick(u: Floats, weights: Floats) -> Ints:
    """Turn uniforms into indices with the given weights (one vector for all, or one row per draw)."""
    share = np.cumsum(weights, axis=-1, dtype=np.float64)
    total = share[..., -1:]
    if weights.ndim == 1:
        return np.minimum(np.searchsorted(share / total, u, side="right"), len(weights) - 1).astype(np.int64)
    return np.minimum((share / total <= u[:, None]).sum(axis=1), weights.shape[1] - 1).astype(np.int64)


def logistic(x: Floats) -> Floats:
    """1 / (1 + exp(-x))."""
    return np.asarray(1.0 / (1.0 + np.exp(-x)), dtype=np.float64)


def logit(p: float) -> float:
    """log(p / (1 - p))."""
    return float(np.log(p / (1.0 - p)))
