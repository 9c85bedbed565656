"""Where a theme is said more, or less, than elsewhere: every value of every dimension, one seller one vote."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from gne_analytics.evidence.render import percent
from gne_analytics.evidence.segment import Frozen
from gne_analytics.evidence.types import Estimate, Interval
from gne_analytics.metrics.discoveries import benjamini_hochberg
from gne_analytics.themes.keyness import LEVEL, Z95, log_odds, p_two_sided

LEAST_VOTES = 10
"""A dimension's value that fewer sellers have, in the theme and outside together, is not looked at."""


class ThemeSegment(Frozen):
    """A value of a dimension that a theme has more, or less, than the rest of its view."""

    dimension: str
    value: str
    k: int
    """Sellers of the theme with this value, one vote each."""
    n: int
    """Votes of the theme in this dimension."""
    k_rest: int
    n_rest: int
    odds: Estimate
    """Odds ratio against the rest, shrunk (`keyness.log_odds`), with its 95 % interval."""
    q: float
    """Adjusted p over all themes, dimensions and values of the view (Benjamini and Hochberg)."""

    def __str__(self) -> str:
        here, there = percent(self.k / self.n, self.n), percent(self.k_rest / self.n_rest, self.n_rest)
        return f"{spelt(self.dimension)} {self.value}: {here} of the theme's sellers, {there} elsewhere"


def segments_of(votes: pl.DataFrame, dims: Sequence[str]) -> dict[str, list[ThemeSegment]]:
    """Return, by theme, the values that pass the false-discovery control, over-represented first, strongest first.

    ``votes`` has voter, theme_id and the dimensions. One control runs over all themes, dimensions and values. A seller
    has one vote per theme and value; the rest are the votes of the other themes.
    """
    tried: list[tuple[str, ThemeSegment]] = []
    p: list[float] = []
    for dim in dims:
        one = votes.select("voter", "theme_id", value=pl.col(dim)).drop_nulls().unique()
        counts = one.group_by("theme_id", "value").len("k").sort("theme_id", "value")
        counts = counts.with_columns(
            pl.col("k").cast(pl.Float64),
            n=pl.col("k").sum().over("theme_id").cast(pl.Float64),
            everywhere=pl.col("k").sum().over("value").cast(pl.Float64),
        )
        whole = float(counts["k"].sum())
        wide = counts.filter(pl.col("everywhere") >= LEAST_VOTES, pl.col("n") < whole)
        if counts["value"].n_unique() < 2 or wide.is_empty():
            continue
        for (theme,), part in wide.group_by("theme_id", maintain_order=True):
            k, everywhere, n = part["k"].to_numpy(), part["everywhere"].to_numpy(), float(part["n"][0])
            ratio, error = log_odds(k, everywhere - k, n, whole - n)
            p += p_two_sided(ratio / error).tolist()
            for i, value in enumerate(part["value"]):
                odds = _odds(float(ratio[i]), float(error[i]), int(n))
                tried.append((str(theme), ThemeSegment(
                    dimension=dim, value=str(value), k=int(k[i]), n=int(n), k_rest=int(everywhere[i] - k[i]),
                    n_rest=int(whole - n), odds=odds, q=1.0,
                )))  # fmt: skip
    kept: dict[str, list[tuple[float, ThemeSegment]]] = {}
    for (theme_id, segment), q, raw in zip(tried, benjamini_hochberg(p), p, strict=True):
        if q <= LEVEL:
            kept.setdefault(theme_id, []).append((raw, segment.model_copy(update={"q": float(q)})))
    order = {t: sorted(found, key=lambda f: (f[1].odds.value <= 1, f[0])) for t, found in kept.items()}
    return {t: [segment for _, segment in found] for t, found in order.items()}


def _odds(ratio: float, error: float, n: int) -> Estimate:
    interval = Interval(
        lo=float(np.exp(ratio - Z95 * error)), hi=float(np.exp(ratio + Z95 * error)), method="shrunk log odds"
    )
    return Estimate(value=float(np.exp(ratio)), interval=interval, n=n)


def spelt(dimension: str) -> str:
    """Spell a dimension's column: ``policy_id`` is ``policy``."""
    return dimension.removesuffix("_id").replace("_", " ")
