"""Split decisions on like cases: where two reviewers, given the same kind of case, decide otherwise."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gne_analytics.errors import DataError
from gne_analytics.metrics.discoveries import benjamini_hochberg

MIN_REVIEWERS = 5
"""Findings about reviewers need so many; they show no names."""
MIN_DECISIONS = 30
LEVEL = 0.05


def split_decisions(decisions: pl.DataFrame, like: Sequence[str]) -> pl.DataFrame:
    """Measure how far reviewers disagree on like cases.

    Args:
        decisions: one row per decision: reviewer_id, overturned (bool), and the columns of ``like`` (theme_id,
            clause_id, market): what makes two cases alike.
        like: those columns.

    Returns:
        one row per kind of case with at least five reviewers and thirty decisions, most split first: n, reviewers,
        rate (overturned), disagreement (chance that two reviewers decide two such cases otherwise) with lo and hi
        (95 %, jackknife by reviewer), chance (what it would be if all reviewers were alike), spread (standard
        deviation of the reviewers' own rates beyond chance), p and split (survives Benjamini-Hochberg at 5 %).
        No reviewer is named.
    """
    for column in ("reviewer_id", "overturned", *like):
        if column not in decisions.columns:
            raise DataError.missing_column("decisions", column, decisions.columns, "split_decisions")
    rows = decisions.drop_nulls(["reviewer_id", "overturned", *like])
    table = (
        rows.group_by([*like, "reviewer_id"]).agg(k=pl.col("overturned").sum(), n=pl.len()).sort([*like, "reviewer_id"])
    )
    found = []
    for key, part in table.group_by(like, maintain_order=True):
        k, n = part["k"].cast(pl.Float64).to_numpy(), part["n"].cast(pl.Float64).to_numpy()
        if len(n) >= MIN_REVIEWERS and n.sum() >= MIN_DECISIONS:
            found.append(dict(zip(like, key, strict=True)) | _split(k, n))
    kinds = {c: table.schema[c] for c in like}
    numbers = dict.fromkeys(("rate", "disagreement", "lo", "hi", "chance", "spread", "p"), pl.Float64)
    frame = pl.DataFrame(found, schema={**kinds, "n": pl.Int64, "reviewers": pl.Int64, **numbers})
    split = pl.Series("split", benjamini_hochberg(frame["p"].to_numpy()) <= LEVEL)
    return frame.with_columns(split).sort(["p", "disagreement"], descending=[False, True])


def _split(k: NDArray[np.float64], n: NDArray[np.float64]) -> dict[str, float | int]:
    p = k.sum() / n.sum()
    whole = _disagreement(k, n)
    left_out = np.array([_disagreement(np.delete(k, i), np.delete(n, i)) for i in range(len(n))])
    error = float(np.sqrt((len(n) - 1) / len(n) * ((left_out - left_out.mean()) ** 2).sum()))
    return {
        "n": int(n.sum()),
        "reviewers": len(n),
        "rate": float(p),
        "disagreement": whole,
        "lo": max(0.0, whole - 1.96 * error),
        "hi": min(1.0, whole + 1.96 * error),
        "chance": float(2 * p * (1 - p)),
        "spread": _spread(k, n),
        "p": _heterogeneity(k, n),
    }


def _disagreement(k: NDArray[np.float64], n: NDArray[np.float64]) -> float:
    """Of all pairs of decisions by two reviewers, the share that differ."""
    pairs = n.sum() ** 2 - (n**2).sum()
    differ = 2 * (k.sum() * (n - k).sum() - (k * (n - k)).sum())
    return float(differ / pairs) if pairs > 0 else 0.0


def _spread(k: NDArray[np.float64], n: NDArray[np.float64]) -> float:
    """Between-reviewer standard deviation by moments (Kleinman, 1973); 0 when chance explains it all."""
    p = k.sum() / n.sum()
    between = (n * (k / n - p) ** 2).sum() - (len(n) - 1) * p * (1 - p)
    weight = n.sum() - (n**2).sum() / n.sum() - (len(n) - 1)
    return float(np.sqrt(max(between / weight, 0.0))) if weight > 0 else 0.0


def _heterogeneity(k: NDArray[np.float64], n: NDArray[np.float64], draws: int = 2000) -> float:
    """Chance of reviewers at least so far apart if all were alike: permuted, since chi-square fails on small counts."""
    total, overturned = int(n.sum()), int(k.sum())
    if overturned in (0, total):
        return 1.0
    seen = ((k - n * overturned / total) ** 2 / n).sum()
    rng = np.random.default_rng(0)
    again = rng.multivariate_hypergeometric(n.astype(np.int64), overturned, size=draws, method="marginals")
    drawn = ((again - n * overturned / total) ** 2 / n).sum(axis=1)
    return float((1 + (drawn >= seen - 1e-9).sum()) / (draws + 1))
