"""Exact decomposition of a shift: causes on disjoint rows, mix by Shapley over dimensions, and what is left.

delta = sum of contributions + mix + residual, to 1e-9.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial

import numpy as np

from gne_analytics.causes.baseline import Baseline
from gne_analytics.causes.cells import STANDARD
from gne_analytics.causes.cube import Codes, Cube, Mask
from gne_analytics.evidence.types import Decomposition, MixEffect
from gne_analytics.metrics.intervals import Floats

PLAYERS = 4
OTHER = "(other dimensions)"


@dataclass(frozen=True)
class Part:
    """A cause as the decomposition needs it: its id, its rows in the cube, its kind and its effect."""

    id: str
    rows: Mask
    kind: int
    effect: float


@dataclass(frozen=True)
class Split:
    """A new or vanished segment's contribution: what it is (rate) and how much there is of it (amount)."""

    what_it_is: float
    how_much: float


def leave_out(cube: Cube, rows: Mask) -> float:
    """Return what the shift loses when some rows are left out of both windows; nan when nothing would be left."""
    return _delta(cube.n0, cube.k0, cube.n1, cube.k1) - _delta(
        cube.n0[~rows], cube.k0[~rows], cube.n1[~rows], cube.k1[~rows]
    )


def decompose(
    cube: Cube, baseline: Baseline, parts: Sequence[Part], *, mix: bool = True
) -> tuple[Decomposition, Mapping[str, Split]]:
    """Split the shift over causes, mix and residual.

    Parts take disjoint rows in the order given. With weights w, a rate shift contributes its effect times the mean
    weight of its rows (Kitagawa, 1955); a new segment w1 (r1 - R0) - w0 (r0 - R0), a vanished one the mirror image;
    the mix is the symmetric Kitagawa term of the remaining rows, shared over dimensions by Shapley values.
    """
    T0, T1 = float(cube.n0.sum()), float(cube.n1.sum())  # noqa: N806
    if T0 <= 0 or T1 <= 0:
        return Decomposition(delta=float("nan"), causes={}, mix=(), residual=float("nan")), {}
    R0 = float(cube.k0.sum()) / T0  # noqa: N806
    delta = float(cube.k1.sum()) / T1 - R0
    free = np.ones(cube.size, dtype=bool)
    owned: list[tuple[Part, Mask]] = []
    for part in parts:
        rows = part.rows & free
        free &= ~rows
        owned.append((part, rows))
    apart = np.zeros(cube.size, dtype=bool)
    for part, rows in owned:
        if part.kind != STANDARD:
            apart |= rows
    rest = ~apart
    W0, W1 = float(cube.n0[rest].sum()) / T0, float(cube.n1[rest].sum()) / T1  # noqa: N806
    causes, splits = _separate(cube, baseline, owned, (T0, T1), R0)
    if W0 <= 0 or W1 <= 0:
        causes = {part.id: causes.get(part.id, 0.0) for part in parts}
        closing = delta - sum(causes.values())
        return Decomposition(delta=delta, causes=causes, mix=(), residual=closing), splits
    u0, u1 = np.where(rest, cube.n0, 0.0) / (T0 * W0), np.where(rest, cube.n1, 0.0) / (T1 * W1)
    lift = np.zeros(cube.size)
    for part, rows in owned:
        if part.kind == STANDARD:
            lift[rows] = part.effect
            causes[part.id] = W1 * part.effect * float(((u0 + u1) / 2)[rows].sum())
    noise = W1 * (
        _noise(cube.k1, cube.n1, baseline.p + lift, rest, T1 * W1) - _noise(cube.k0, cube.n0, baseline.p, rest, T0 * W0)
    )
    level = lift
    level /= 2
    level += baseline.p
    shared = _shapley(cube, rest, u0, u1, level) if mix else {}
    effects = tuple(MixEffect(dimension=d, contribution=W1 * v) for d, v in shared.items())
    causes = {part.id: causes[part.id] for part, _ in owned}
    # What the dimensions cannot tell apart (rows alike in all of them, in a cause and outside it) stays unexplained.
    untold = W1 * (float(((u1 - u0) * level)[rest].sum()) - sum(shared.values()))
    return Decomposition(delta=delta, causes=causes, mix=effects, residual=noise + untold), splits


def _separate(
    cube: Cube, baseline: Baseline, owned: Sequence[tuple[Part, Mask]], totals: tuple[float, float], rate: float
) -> tuple[dict[str, float], dict[str, Split]]:
    """Contributions of new and vanished segments, so that they and W1 (R1 rest - R0 rest) add up to the shift."""
    T0, T1 = totals  # noqa: N806
    apart = np.zeros(cube.size, dtype=bool)
    own: dict[str, float] = {}
    baseline_weight: dict[str, float] = {}
    amounts: dict[str, float] = {}
    for part, rows in owned:
        if part.kind == STANDARD:
            continue
        apart |= rows
        n0, k0, n1, k1 = (float(a[rows].sum()) for a in (cube.n0, cube.k0, cube.n1, cube.k1))
        own[part.id] = (k1 - n1 * rate) / T1 - (k0 - n0 * rate) / T0
        baseline_weight[part.id] = n0 / T0
        expected = float((baseline.p * (cube.n1 / T1 - cube.n0 / T0))[rows].sum())
        amount = expected - rate * (n1 / T1 - n0 / T0)
        amounts[part.id] = amount
    w0, w1 = float(cube.n0[apart].sum()) / T0, float(cube.n1[apart].sum()) / T1
    left = float(cube.n0[~apart].sum())
    if left > 0 and w0 > 0:
        displaced = (w0 - w1) * (float(cube.k0[~apart].sum()) / left - rate)
        for key, weight in baseline_weight.items():
            own[key] += displaced * weight / w0
    return own, {key: Split(own[key] - amount, amount) for key, amount in amounts.items()}


def _noise(k: Floats, n: Floats, expected: Floats, rows: Mask, total: float) -> float:
    return float((k - n * expected)[rows].sum()) / total


def _delta(n0: Floats, k0: Floats, n1: Floats, k1: Floats) -> float:
    a, b = float(n0.sum()), float(n1.sum())
    return float(k1.sum()) / b - float(k0.sum()) / a if a and b else float("nan")


def _shapley(cube: Cube, rest: Mask, u0: Floats, u1: Floats, level: Floats) -> dict[str, float]:
    """Share the mix effect over dimensions: the game's value is the between-cell term of the cuboid they span.

    The largest dimensions play; what the others add to all of these together is one share.
    """
    dimensions = list(dict.fromkeys(a.dimension for a in cube.axes))
    every = rest.all()  # the usual case, which then copies nothing
    flows = [x if every else x[rest] for x in (u0, u1, (u0 + u1) * level)]
    codes = {d: _finest(cube, d) if every else _finest(cube, d)[rest] for d in dimensions}
    single = {d: _between(*_summed(codes[d], flows)) for d in dimensions}
    ranked = sorted(single, key=lambda d: -abs(single[d]))
    players = ranked[:PLAYERS] if len(ranked) > PLAYERS + 1 else ranked
    cells, sums = _joint([codes[d] for d in players], flows)
    worth = {
        frozenset(players[i] for i in subset): _between(*_summed(_key([cells[i] for i in subset]), sums))
        if subset
        else 0.0
        for size in range(len(players) + 1)
        for subset in combinations(range(len(players)), size)
    }
    count = len(players)
    shares = dict.fromkeys(players, 0.0)
    for name in players:
        others = [x for x in players if x != name]
        for size in range(count):
            factor = factorial(size) * factorial(count - size - 1) / factorial(count)
            for subset in combinations(others, size):
                before = frozenset(subset)
                shares[name] += factor * (worth[before | {name}] - worth[before])
    if len(players) < len(ranked):
        shares[OTHER] = _between(*_alike(list(codes.values()), flows)) - worth[frozenset(players)]
    return dict(sorted(shares.items(), key=lambda item: -abs(item[1])))


def _finest(cube: Cube, dimension: str) -> Codes:
    """Each leaf's value of a dimension as one code: of a path, of all its levels together."""
    levels = [a.codes for a in cube.levels(dimension)]
    return _key(levels) if len(levels) > 1 else levels[0] + levels[0].dtype.type(1)


def _key(codes: Sequence[Codes]) -> Codes:
    """Columns of codes as one code a row, dense where it would grow large."""
    key: Codes = codes[0].astype(np.int32)
    key += 1
    span = int(key.max(initial=0)) + 1
    for column in codes[1:]:
        wide = int(column.max(initial=-1)) + 2
        if span * wide >= 2**31:
            key = np.unique(key, return_inverse=True)[1].astype(np.int64)
            span = int(key.max(initial=0)) + 1
        key = key * key.dtype.type(wide)
        key += column + key.dtype.type(1)
        span *= wide
    if span > 4 * key.size + 65_536:
        key = np.unique(key, return_inverse=True)[1]
    return key


def _joint(codes: Sequence[Codes], flows: Sequence[Floats]) -> tuple[list[Codes], Sequence[Floats]]:
    """The cells that some dimensions span, as a column of codes each, with the flows summed."""
    key = _key(codes)
    size = int(key.max(initial=-1)) + 1
    first = np.full(size, -1, dtype=np.int64)
    first[key[::-1]] = np.arange(key.size - 1, -1, -1)
    held = first >= 0
    sums = [np.bincount(key, flow, size)[held].astype(np.float64) for flow in flows]
    return [c[first[held]] for c in codes], sums


def _alike(codes: Sequence[Codes], flows: Sequence[Floats]) -> tuple[Floats, ...]:
    """The flows summed over leaves that are alike in all dimensions: neighbours, since leaves are in order."""
    new = np.zeros(flows[0].size, dtype=bool)
    new[0] = True
    for column in codes:
        new[1:] |= column[1:] != column[:-1]
    starts = np.flatnonzero(new)
    return tuple(np.add.reduceat(flow, starts) for flow in flows)


def _summed(ids: Codes, flows: Sequence[Floats]) -> tuple[Floats, Floats, Floats]:
    size = int(ids.max(initial=0)) + 1
    w0, w1, product = (np.bincount(ids, flow, size).astype(np.float64) for flow in flows)
    return w0, w1, product


def _between(w0: Floats, w1: Floats, product: Floats) -> float:
    """What the weights' change is worth at the cells' mean levels."""
    return float(((w1 - w0) * product / np.maximum(w0 + w1, 1e-300)).sum())
