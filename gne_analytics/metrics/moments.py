"""Counts and second moments over units of a series and its slices: all that a scan needs of the rows, small in size."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from gne_analytics.metrics.intervals import Floats, Ints

Singles: TypeAlias = npt.NDArray[np.float32]
DENSE = 60_000
"""Up to so many units times bins a dense table is faster than a sparse one."""
CHUNK = 3_000_000
"""So many matrix entries are held at once: slices are taken in groups that fit."""


@dataclass(frozen=True)
class Moments:
    """Sums over the units of some slices: slices x bins, x bins.

    ``kk``, ``kn``, ``nn`` hold ``sum_u x_ut y_us``, from which the variance of any contrast of windows follows without
    going back to units; ``signed_k`` and ``signed_n`` hold the bins' counts under sets of random signs per unit.
    """

    k: Floats
    n: Floats
    kk: Floats
    kn: Floats
    nn: Floats
    signed_k: Singles
    signed_n: Singles
    clustered: bool

    @property
    def bins(self) -> int:
        """How many bins there are."""
        return int(self.n.shape[1])

    def rate(self) -> Floats:
        """Each slice's rate over all bins, off 0 and 1."""
        total = np.maximum(self.n.sum(axis=1), 1e-9)
        return np.asarray(np.clip(self.k.sum(axis=1) / total, 0.5 / (total + 1), 1 - 0.5 / (total + 1)))

    def likeness(self) -> float:
        """How alike rows of one unit are in the first slice (intraclass correlation, by moments); 0 without units."""
        if not self.clustered:
            return 0.0
        q, total = float(self.rate()[0]), float(self.n[0].sum())
        together = float(self.nn[0].sum()) - total
        squares = float(self.kk[0].sum() - 2 * q * self.kn[0].sum() + q * q * self.nn[0].sum())
        excess = squares - total * q * (1 - q)
        return float(np.clip(excess / (q * (1 - q) * together), 0.0, 1.0)) if together > 0 else 0.0


def moments(
    k: Floats, n: Floats, time: Ints, unit: Ints | None, bins: int, slices: Sequence[Ints], signs: Singles
) -> Iterator[tuple[int, Moments]]:
    """Yield, for groups of slices that fit the memory, the place of the first and the moments of all in the group.

    ``slices`` are row numbers; ``signs`` is units (bins, where there is no unit) x sets.
    """
    size = max(1, CHUNK // max(3 * bins * bins, 2 * bins * signs.shape[1]))
    for first in range(0, len(slices), size):
        group = slices[first : first + size]
        made = [
            _no_units(k[r], n[r], time[r], bins, signs)
            if unit is None
            else _by_unit(k[r], n[r], time[r], unit[r], bins, signs)
            for r in group
        ]
        k_, n_, kk, kn, nn, signed_k, signed_n = (np.stack(part) for part in zip(*made, strict=True))
        yield first, Moments(k_, n_, kk, kn, nn, signed_k, signed_n, unit is not None)


def _by_unit(k: Floats, n: Floats, time: Ints, unit: Ints, bins: int, signs: Singles) -> tuple[Floats | Singles, ...]:
    ids, code = np.unique(unit, return_inverse=True)
    gram, signed = (_dense if ids.size * bins <= DENSE else _sparse)(k, n, time, code, bins, signs[ids])
    return (
        np.bincount(time, k, bins).astype(np.float64), np.bincount(time, n, bins).astype(np.float64),
        gram[:bins, :bins], gram[:bins, bins:], gram[bins:, bins:], signed[:bins], signed[bins:],
    )  # fmt: skip


def _dense(k: Floats, n: Floats, time: Ints, code: Ints, bins: int, signs: Singles) -> tuple[Floats, Singles]:
    shape = (signs.shape[0], bins)
    cell = code * bins + time
    table = np.hstack([np.bincount(cell, x, shape[0] * bins).astype(np.float64).reshape(shape) for x in (k, n)])
    return table.T @ table, table.T.astype(np.float32) @ signs


def _sparse(k: Floats, n: Floats, time: Ints, code: Ints, bins: int, signs: Singles) -> tuple[Floats, Singles]:
    from scipy.sparse import csr_array

    shape = (signs.shape[0], 2 * bins)
    cells = csr_array((np.concatenate([k, n]), (np.tile(code, 2), np.concatenate([time, time + bins]))), shape=shape)
    across = cells.T.tocsr()
    return (across @ cells).toarray(), (across.astype(np.float32) @ signs).astype(np.float32)


def _no_units(k: Floats, n: Floats, time: Ints, bins: int, signs: Singles) -> tuple[Floats | Singles, ...]:
    """Bins in the place of units, each with its binomial spread."""
    kb, nb = (np.bincount(time, x, bins).astype(np.float64) for x in (k, n))
    q = float(np.clip(kb.sum() / max(nb.sum(), 1.0), 1e-6, 1 - 1e-6))
    spread, none = np.sqrt(nb * q * (1 - q)), np.zeros((bins, bins))
    signed = (spread[:, None] * signs).astype(np.float32)
    return kb, nb, np.diag(spread**2), none, none, signed, np.zeros_like(signed)
