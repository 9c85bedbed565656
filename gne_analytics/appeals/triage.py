"""Triage: which pending appeals look most like those that were overturned, and whether that ranking is worth anything.

It orders a queue; it decides nothing. What it says of itself is measured on sellers it has not seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gne_analytics.errors import DataError
from gne_analytics.evidence.segment import MISSING

MIN_DECIDED = 200
MIN_EACH = 30
MIN_UNITS = 20
RARE = 10
"""A value with fewer decided appeals is told apart from no other rare one."""
PARTS = 4

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Triage:
    """Pending appeals by their chance of being overturned, and how good such chances were on held-out sellers."""

    queue: pl.DataFrame = field(repr=False)
    """id and chance, highest first; empty when the ranking was not worth showing."""
    reliability: pl.DataFrame = field(repr=False)
    """Held-out appeals in fifths of their chance: n, expected, overturned. Calibrated: the two agree."""
    decided: int
    skill: float
    """Brier skill on held-out sellers: 1 perfect, 0 no better than the base rate, nan when not measured."""
    auc: float
    """Chance that an overturned appeal ranks over an upheld one, held out."""
    note: str
    """Whether to use it, in one sentence."""

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.note)}</p>{self.queue.head(20)._repr_html_()}"


def triage(appeals: pl.DataFrame, features: Sequence[str]) -> Triage:
    """Rank pending appeals by likeness to overturned ones.

    Args:
        appeals: id, overturned (null: pending), fold (0..63, of the seller), and the features.
        features: columns that were known when the appeal was filed; text columns are values, numbers are numbers.

    With under 200 decided appeals, 30 of either outcome or 20 folds of sellers, and where it does no better than the
    base rate on held-out sellers, the queue is empty and ``note`` says why.
    """
    for column in ("id", "overturned", "fold", *features):
        if column not in appeals.columns:
            raise DataError.missing_column("appeals", column, appeals.columns, "triage")
    known = appeals.filter(pl.col("overturned").is_not_null() & pl.col("fold").is_not_null())
    pending = appeals.filter(pl.col("overturned").is_null())
    y = known["overturned"].cast(pl.Float64).to_numpy()
    short = _too_little(y, known["fold"].n_unique())
    if short:
        return _nothing(len(y), short)
    x, x_pending = _design(known, pending, features)
    part = (known["fold"].to_numpy().astype(np.int64) * PARTS) // 64
    held_out = np.full(len(y), y.mean())
    for number in range(PARTS):
        test = part == number
        if test.any() and 0 < y[~test].mean() < 1:
            held_out[test] = _chance(_logistic(x[~test], y[~test]), x[test])
    skill = 1 - float(((held_out - y) ** 2).mean() / (y.mean() * (1 - y.mean())))
    auc = _auc(held_out, y)
    reliability = _reliability(held_out, y)
    if skill <= 0:
        note = "No order of the queue is offered: on sellers it had not seen it was no better than the base rate."
        return Triage(_empty(), reliability, len(y), skill, auc, note)
    chance = _chance(_logistic(x, y), x_pending)
    queue = pl.DataFrame({"id": pending["id"], "chance": chance}).sort(["chance", "id"], descending=[True, False])
    note = "The order of the queue held on sellers it had not seen; it decides no appeal."
    return Triage(queue, reliability, len(y), skill, auc, note)


def _too_little(y: Floats, folds: int) -> str:
    if len(y) < MIN_DECIDED:
        return "too few decided appeals"
    if min(y.sum(), len(y) - y.sum()) < MIN_EACH:
        return "too few appeals of one outcome"
    return "too few sellers" if folds < MIN_UNITS else ""


def _nothing(decided: int, why: str) -> Triage:
    note = f"No order of the queue is offered: {why}."
    return Triage(_empty(), _reliability(np.empty(0), np.empty(0)), decided, float("nan"), float("nan"), note)


def _empty() -> pl.DataFrame:
    return pl.DataFrame(schema={"id": pl.String, "chance": pl.Float64})


def _design(known: pl.DataFrame, pending: pl.DataFrame, features: Sequence[str]) -> tuple[Floats, Floats]:
    """One column per frequent value; numbers centred and scaled, a missing one in the middle."""
    left: list[Floats] = []
    right: list[Floats] = []
    for name in features:
        a, b = known[name], pending[name]
        if a.dtype.is_numeric():
            values = a.cast(pl.Float64).drop_nulls().drop_nans().to_numpy()
            middle = float(values.mean()) if len(values) else 0.0
            scale = float(values.std()) if len(values) else 1.0
            for side, column in ((left, a), (right, b)):
                number = column.cast(pl.Float64).fill_nan(None).fill_null(middle).to_numpy()
                side.append((number - middle) / (scale or 1.0))
        else:
            a, b = (c.cast(pl.String).fill_null(MISSING) for c in (a, b))
            often = a.value_counts().filter(pl.col("count") >= RARE)[name].sort()
            for value in often:
                left.append((a == value).cast(pl.Float64).to_numpy())
                right.append((b == value).cast(pl.Float64).to_numpy())
    return np.column_stack([np.ones(known.height), *left]), np.column_stack([np.ones(pending.height), *right])


def _logistic(x: Floats, y: Floats, ridge: float = 1.0, steps: int = 30) -> Floats:
    """Ridge logistic regression by Newton's method; the intercept is free."""
    beta = np.zeros(x.shape[1])
    penalty = np.full(x.shape[1], ridge)
    penalty[0] = 1e-6
    for _ in range(steps):
        p = _chance(beta, x)
        gradient = x.T @ (y - p) - penalty * beta
        weight = np.maximum(p * (1 - p), 1e-6)
        step = np.linalg.solve((x * weight[:, None]).T @ x + np.diag(penalty), gradient)
        beta += step
        if np.abs(step).max() < 1e-8:
            break
    return beta


def _chance(beta: Floats, x: Floats) -> Floats:
    chance: Floats = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
    return chance


def _auc(score: Floats, y: Floats) -> float:
    rank = pl.Series(score).rank("average").to_numpy()
    hits = y.sum()
    return float((rank[y > 0].sum() - hits * (hits + 1) / 2) / (hits * (len(y) - hits)))


def _reliability(chance: Floats, y: Floats) -> pl.DataFrame:
    schema = {"n": pl.UInt32, "expected": pl.Float64, "overturned": pl.Float64}
    if not len(y):
        return pl.DataFrame(schema=schema)
    order = pl.Series(chance).rank("ordinal").to_numpy() - 1
    fifth = (order * 5) // len(y)
    rows = pl.DataFrame({"fifth": fifth, "chance": chance, "y": y}).group_by("fifth")
    found = rows.agg(n=pl.len(), expected=pl.col("chance").mean(), overturned=pl.col("y").mean()).sort("fifth")
    return found.drop("fifth").cast(schema)  # type: ignore[arg-type]
