"""The baseline model: the rate each leaf would have had if nothing but the mix had changed."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from gne_analytics.causes.cube import Cube
from gne_analytics.metrics.intervals import Floats

SWEEPS = 10
RICH = 40.0
"""A leaf with so many baseline rows speaks for itself."""


@dataclass(frozen=True)
class Baseline:
    """Expected rate p per leaf of the cube it was fitted on, and how it was made."""

    p: Floats
    rate: float
    kind: Literal["additive", "saturated"]


def fit_baseline(cube: Cube, trained_on: Cube | None = None) -> Baseline:
    """Fit the baseline's rates and predict every leaf of ``cube``.

    Additive logit by coordinate Newton over bincounts, each axis with an empirical-Bayes ridge; where the leaves that
    hold the focus rows are rich in baseline rows, each leaf's own rate, drawn to the additive one. The size decides.
    ``trained_on`` has the same axes and other rows (the other half); without it the cube trains itself.
    """
    train = trained_on or cube
    total = float(train.n0.sum())
    if total <= 0:
        return Baseline(np.full(cube.size, np.nan), float("nan"), "additive")
    rate = float(np.clip(train.k0.sum() / total, 0.0, 1.0))
    eta = _additive(cube, train, rate)
    p = _sigmoid(eta)
    if trained_on is None:
        leaf = _leaf_ids(cube)
        n0, k0 = np.bincount(leaf, cube.n0)[leaf], np.bincount(leaf, cube.k0)[leaf]
        rich = float(cube.n1[n0 >= RICH].sum()) >= 0.9 * float(cube.n1.sum()) > 0
        if rich:
            return Baseline(np.clip((k0 + 4 * p) / (n0 + 4), 1e-6, 1 - 1e-6), rate, "saturated")
    return Baseline(np.clip(p, 1e-4, 1 - 1e-4), rate, "additive")


def _additive(cube: Cube, train: Cube, rate: float) -> Floats:
    known = train.n0 > 0
    n, k = train.n0[known], np.minimum(train.k0, train.n0)[known]
    smooth = (rate * n.sum() + 0.5) / (n.sum() + 1)
    intercept = float(np.log(smooth / (1 - smooth)))
    codes = [a.codes[known] + 1 for a in train.axes]  # bucket 0: no value at this level
    effects = [np.zeros(a.size + 1) for a in train.axes]
    spread = [0.25 for _ in train.axes]
    eta = np.full(n.size, intercept)
    for _ in range(SWEEPS):
        p = _sigmoid(eta)
        step = float((k - n * p).sum() / max((n * p * (1 - p)).sum(), 1e-9))
        intercept, eta = intercept + step, eta + step
        largest = abs(step)
        for j, code in enumerate(codes):
            p = _sigmoid(eta)
            size = effects[j].size
            gradient = np.bincount(code, k - n * p, size) - effects[j] / spread[j]
            curvature = np.bincount(code, n * p * (1 - p), size) + 1 / spread[j]
            move = np.clip(gradient / curvature, -2.0, 2.0)
            effects[j] += move
            eta += move[code]
            seen = np.bincount(code, n, size) > 0
            spread[j] = float(np.clip((effects[j] ** 2 + 1 / curvature)[seen].mean(), 1e-3, 4.0))
            largest = max(largest, float(np.abs(move).max()))
        if largest < 1e-3:
            break
    out = np.full(cube.size, intercept)
    for axis, effect in zip(cube.axes, effects, strict=True):
        out += effect[axis.codes + 1]
    return out


def _leaf_ids(cube: Cube) -> "np.typing.NDArray[np.int64]":
    key = np.zeros(cube.size, dtype=np.int64)
    for axis in cube.axes:
        key = np.unique(key * (axis.size + 1) + axis.codes + 1, return_inverse=True)[1].astype(np.int64)
    return key


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -30, 30))))
