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
        return np.random.Generator(
            np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=(crc32(name.encode()),)))
        )

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
    return np.asarray(np.minimum((share / total <= u[:, None]).sum(axis=1), weights.shape[1] - 1), dtype=np.int64)


def logistic(x: Floats) -> Floats:
    """1 / (1 + exp(-x))."""
    return np.asarray(1.0 / (1.0 + np.exp(-x)), dtype=np.float64)


def logit(p: float) -> float:
    """log(p / (1 - p))."""
    return float(np.log(p / (1.0 - p)))


@dataclass(frozen=True)
class Noise:
    """Per-case chance: every stream of cases draws its own, so an added stream leaves the others' draws alone."""

    draws: Draws
    parts: tuple[tuple[str, int], ...]
    """Stream name and its number of cases, in row order."""
    keep: Ints
    """The rows that are left after the logging floor."""

    def uniform(self, stage: str) -> Floats:
        """One uniform draw per kept case."""
        return np.concatenate([self.draws.uniform(f"{stage}/{name}", n) for name, n in self.parts])[self.keep]

    def normal(self, stage: str) -> Floats:
        """One standard normal draw per kept case."""
        return np.concatenate([self.draws.normal(f"{stage}/{name}", n) for name, n in self.parts])[self.keep]

    def heavy(self, stage: str, median: float, sigma: float) -> Floats:
        """One lognormal draw per kept case."""
        return np.asarray(median * np.exp(sigma * self.normal(stage)))

    def kept(self, rows: Ints) -> "Noise":
        """The same noise for a subset of the kept cases."""
        return Noise(self.draws, self.parts, self.keep[rows])


class Knobs:
    """What incidents do to cases: named numbers, one per case, zero unless an incident turned them.

    Example:
        >>> knobs = Knobs(3)
        >>> knobs.turn("appeal_lift", np.array([True, False, False]), 1.5)
        >>> knobs["appeal_lift"].tolist()
        [1.5, 0.0, 0.0]
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self._values: dict[str, Floats] = {}

    def turn(self, knob: str, where: Bools, by: float) -> None:
        """Add ``by`` to a knob on the cases of a mask."""
        self._values.setdefault(knob, np.zeros(self.n))[where] += by

    def __getitem__(self, knob: str) -> Floats:
        return self._values.get(knob, np.zeros(self.n))

    def starting(self, prefix: str) -> dict[str, Floats]:
        """The turned knobs whose name begins with a prefix, by the rest of their name."""
        return {k.removeprefix(prefix): v for k, v in self._values.items() if k.startswith(prefix)}

    def kept(self, rows: Ints) -> "Knobs":
        """The knobs of a subset of the cases."""
        fewer = Knobs(len(rows))
        fewer._values = {k: v[rows] for k, v in self._values.items()}
        return fewer
