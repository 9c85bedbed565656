"""Found segments held against planted ones, by rows of the focus or by name; and how sure a share of worlds is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from gne_analytics.evidence.segment import Segment
from gne_analytics.metrics.windows import segment_mask

SAME = 0.9
"""A found segment is right when its focus rows and those of a planted one have at least this Jaccard index."""


@dataclass(frozen=True)
class Hits:
    """How many were planted, told, right by their rows and right by their name; adds up over tables."""

    planted: int = 0
    told: int = 0
    rows: int = 0
    names: int = 0

    def __add__(self, other: "Hits") -> "Hits":
        return Hits(
            self.planted + other.planted, self.told + other.told, self.rows + other.rows, self.names + other.names
        )

    @property
    def f1(self) -> float:
        """F1 by rows: the harmonic mean of precision and recall over all tables together."""
        return 2 * self.rows / max(self.planted + self.told, 1)

    @property
    def exact_f1(self) -> float:
        """The same, where only the same name counts."""
        return 2 * self.names / max(self.planted + self.told, 1)


def hold(
    found: Iterable[Segment], planted: Sequence[Segment], focus: pl.DataFrame, paths: frozenset[str]
) -> tuple[Hits, list[Segment]]:
    """Count the hits; a planted segment is found once, what tells it again is wrong. Returns what was missed too."""
    told = list(found)
    masks = focus.select(
        *(segment_mask(s, paths).alias(f"t{i}") for i, s in enumerate(told)),
        *(segment_mask(s, paths).alias(f"p{i}") for i, s in enumerate(planted)),
    )
    open_rows, open_names = set(range(len(planted))), set(planted)
    for i, segment in enumerate(told):
        mine = masks[f"t{i}"]
        same = [p for p in open_rows if _jaccard(mine, masks[f"p{p}"]) >= SAME]
        open_rows -= set(same[:1])
        open_names.discard(segment)
    hits = Hits(len(planted), len(told), len(planted) - len(open_rows), len(planted) - len(open_names))
    return hits, [planted[p] for p in sorted(open_rows)]


def upper_limit(k: int, n: int, level: float = 0.95) -> float:
    """Return the exact one-sided upper limit of a share k of n (Clopper and Pearson, 1934)."""
    from scipy.special import betaincinv

    return 1.0 if k >= n else float(betaincinv(k + 1, n - k, level))


def _jaccard(one: pl.Series, other: pl.Series) -> float:
    either = int((one | other).sum())
    return int((one & other).sum()) / either if either else 0.0
