"""The baseline model: the rate each leaf would have had if nothing but the mix had changed."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from gne_analytics.causes.cube import Codes, Cube, Mask
from gne_analytics.metrics.intervals import Floats

SWEEPS = 10
CLOSE = 0.02
"""A sweep that moves no effect further than this, in log-odds, is the last."""
FIT_LEAVES = 25_000
"""So many baseline leaves settle the effects of the dimensions; a unit's own level takes all of its rows."""
RICH = 40.0
"""A leaf with so many baseline rows speaks for itself."""
STEADY = (1e-3, 4.0)
"""Bounds of the variance of an axis's effects, in squared log-odds."""


@dataclass(frozen=True)
class Baseline:
    """Expected rates per leaf of the cube they were made for, and how."""

    p: Floats
    """By dimensions."""
    own: Floats
    """By dimensions and by the level of the leaf's unit, drawn to zero by how little the unit's baseline says of it."""
    rate: float
    kind: Literal["additive", "saturated"]


def fit_baseline(cube: Cube, trained_on: Mask | None = None) -> Baseline:
    """Fit the baseline's rates and predict every leaf of ``cube``.

    Additive logit by coordinate Newton over bincounts, each axis with an empirical-Bayes ridge, the units as one more
    axis; where the leaves that hold the focus rows are rich in baseline rows, each leaf's own rate, drawn to the
    additive one. The size decides. ``trained_on`` tells the leaves to learn the effects from, such as one half; without
    it all of them. A unit's level always comes from its own baseline rows, seen in training or not.
    """
    total, hits = (float((x if trained_on is None else x[trained_on]).sum()) for x in (cube.n0, cube.k0))
    if total <= 0:
        unknown = np.full(cube.size, np.nan)
        return Baseline(unknown, unknown, float("nan"), "additive")
    rate = float(np.clip(hits / total, 0.0, 1.0))
    eta, spread = _additive(cube, trained_on, rate)
    p = _sigmoid(eta)
    if trained_on is None and cube.unit is None:
        leaf = _leaf_ids(cube)
        n0, k0 = np.bincount(leaf, cube.n0)[leaf], np.bincount(leaf, cube.k0)[leaf]
        rich = float(cube.n1[n0 >= RICH].sum()) >= 0.9 * float(cube.n1.sum()) > 0
        if rich:
            p = np.clip((k0 + 4 * p) / (n0 + 4), 1e-6, 1 - 1e-6)
            return Baseline(p, p, rate, "saturated")
    p = np.clip(p, 1e-4, 1 - 1e-4)
    own = p if cube.unit is None else np.clip(_with_units(cube, eta, spread), 1e-4, 1 - 1e-4)
    return Baseline(p, own, rate, "additive")


def _with_units(cube: Cube, eta: Floats, spread: float) -> Floats:
    """Add to the dimensions' log-odds what each unit's own baseline rows say of its level: two Newton steps."""
    assert cube.unit is not None  # noqa: S101
    known = np.flatnonzero(cube.n0 > 0)
    unit, n, base = cube.unit[known], cube.n0[known], eta[known]
    k = np.minimum(cube.k0[known], n)
    level = np.zeros(cube.units)
    for _ in range(3):
        p = _sigmoid(base + level[unit])
        step, curvature = _step(unit, k - n * p, n * p * (1 - p), level, spread)
        level += np.clip(step / curvature, -1.5, 1.5)
    return _sigmoid(eta + level[cube.unit])


def _step(code: Codes, residual: Floats, weight: Floats, effects: Floats, spread: float) -> tuple[Floats, Floats]:
    gradient: Floats = (np.bincount(code, residual, effects.size) - effects / spread).astype(np.float64)
    curvature: Floats = (np.bincount(code, weight, effects.size) + 1 / spread).astype(np.float64)
    return gradient, curvature


def _additive(cube: Cube, trained_on: Mask | None, rate: float) -> tuple[Floats, float]:
    """The dimensions' log-odds of every leaf, and the variance of the units' levels beside them."""
    known = np.flatnonzero(cube.n0 > 0 if trained_on is None else (cube.n0 > 0) & trained_on)
    if known.size > FIT_LEAVES:
        known = known[:: -(-known.size // FIT_LEAVES)]  # leaves are in order, so that every n-th is a fair part
    n = cube.n0[known]
    k = np.minimum(cube.k0[known], n)
    smooth = (rate * n.sum() + 0.5) / (n.sum() + 1)
    intercept = float(np.log(smooth / (1 - smooth)))
    codes: list[Codes] = [a.codes[known] + 1 for a in cube.axes]  # bucket 0: no value at this level
    sizes = [a.size + 1 for a in cube.axes]
    if cube.unit is not None:
        units, dense = np.unique(cube.unit[known], return_inverse=True)
        codes.append(dense)
        sizes.append(units.size)
    effects = [np.zeros(size) for size in sizes]
    seen = [np.bincount(code, n, size) > 0 for code, size in zip(codes, sizes, strict=True)]
    spread = [0.25 for _ in sizes]
    eta = np.full(n.size, intercept)
    for _ in range(SWEEPS):
        p = _sigmoid(eta)
        step = float((k - n * p).sum() / max((n * p * (1 - p)).sum(), 1e-9))
        intercept, eta = intercept + step, eta + step
        largest = abs(step)
        for j, code in enumerate(codes):
            p = _sigmoid(eta)
            gradient, curvature = _step(code, k - n * p, n * p * (1 - p), effects[j], spread[j])
            move = np.clip(gradient / curvature, -2.0, 2.0)
            effects[j] += move
            eta += move[code]
            spread[j] = float(np.clip((effects[j] ** 2 + 1 / curvature)[seen[j]].mean(), *STEADY))
            if j < len(cube.axes):
                largest = max(largest, float(np.abs(move).max()))
        if largest < CLOSE:
            break
    out = np.full(cube.size, intercept)
    for axis, effect in zip(cube.axes, effects, strict=False):
        out += effect[axis.codes + 1]
    return out, spread[-1] if cube.unit is not None else 0.0


def _leaf_ids(cube: Cube) -> "np.typing.NDArray[np.int64]":
    key = np.zeros(cube.size, dtype=np.int64)
    for axis in cube.axes:
        key = np.unique(key * (axis.size + 1) + axis.codes + 1, return_inverse=True)[1].astype(np.int64)
    return key


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -30, 30))))
