"""The scene of a cause: its cases before and since the onset, those beside it, and how to tell a rise from luck."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from math import sqrt

import polars as pl

from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import CauseKind, MatchedChange, Shift
from gne_analytics.metrics.definitions import METRICS

ENOUGH = 15
"""Fewer rows on a side: a clue is not known."""
NEAR = timedelta(days=28)
"""What arrives with an onset is looked for so near to it."""
CAREFUL = 1.0
"""Standard errors that are taken off a rise before it counts as one."""


@dataclass(frozen=True)
class Clue:
    """What was observed: strength from 0 (not seen) to 1 (plain), and the sentence with references to its figures."""

    strength: float
    reason: str = ""


@dataclass(frozen=True)
class Share:
    """k of n."""

    k: float
    n: float

    @property
    def value(self) -> float:
        """k / n, 0 for nothing."""
        return self.k / self.n if self.n else 0.0

    @property
    def variance(self) -> float:
        """Of the share, drawn a little to a half so that none and all have one too."""
        p = (self.k + 0.5) / (self.n + 1)
        return p * (1 - p) / max(self.n, 1.0)

    @classmethod
    def of(cls, flags: pl.Series) -> "Share":
        """The share of flags that are true; nulls are not."""
        return cls(float(flags.cast(pl.Float64).sum()), float(len(flags)))


def rise(before: Share, after: Share, rest: tuple[Share, Share] | None = None) -> float:
    """How far a share surely rose, beyond that of the rest where it is known; less than it rose, by chance's reach."""
    value, variance = after.value - before.value, after.variance + before.variance
    if rest is not None and min(r.n for r in rest) >= ENOUGH:
        value -= rest[1].value - rest[0].value
        variance += rest[0].variance + rest[1].variance
    return value - CAREFUL * sqrt(variance)


def unit(value: float) -> float:
    """The value, held between 0 and 1."""
    return min(max(value, 0.0), 1.0)


@dataclass(frozen=True)
class Scene:
    """A segment's cases before and after its onset, and those of the scope outside it."""

    shift: Shift
    segment: Segment
    kind: CauseKind
    onset: date
    changes: Sequence[MatchedChange]
    changes_known: bool
    before: pl.DataFrame
    after: pl.DataFrame
    """The segment's own cases since its onset, of the versions that it names."""
    wider: pl.DataFrame
    """The same of all versions."""
    rest_before: pl.DataFrame
    rest_after: pl.DataFrame
    audits_before: pl.DataFrame
    audits_after: pl.DataFrame
    signals: tuple[pl.DataFrame, pl.DataFrame] | None
    """Signals since the onset, of the segment and of the rest."""
    themes: pl.DataFrame | None
    rising: bool
    """Whether the segment's rate rose."""
    store: EvidenceStore

    @cached_property
    def sides(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The segment's cases, before and after."""
        return self.before, self.after

    @cached_property
    def rest(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The other cases of the scope, before and after."""
        return self.rest_before, self.rest_after

    def near(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The segment's cases of all versions, four weeks on each side of the onset; all where these are few."""
        day, reach = pl.col("event_date"), NEAR
        close = (self.before.filter(day >= self.onset - reach), self.wider.filter(day < self.onset + reach))
        return close if min(f.height for f in close) >= ENOUGH else (self.before, self.wider)

    def hits(self, frame: pl.DataFrame) -> Share | None:
        """The shift's metric over some cases; None where it is none of cases, or their columns do not allow it."""
        definition = METRICS.get(self.shift.metric)
        if definition is None or definition.table != "violations":
            return None
        if not {*definition.rows.meta.root_names(), *definition.hit.meta.root_names()} <= set(frame.columns):
            return None
        counted = frame.filter(definition.rows).select(hit=definition.hit.fill_null(False))
        return Share.of(counted["hit"]) if counted.height >= ENOUGH else None

    def share(self, share: Share | float, of: int, what: str) -> str:
        """Record a share and return its reference."""
        value = share.value if isinstance(share, Share) else share
        return self.store.add(
            value, "rate", numerator=round(value * of), denominator=of, filter=str(self.segment),
            tool="causes.clues", arguments={"what": what},
        ).ref("pct")  # fmt: skip

    def name(self, text: str) -> str:
        """Record a name and return its reference."""
        return self.store.add(text, "name", tool="causes.clues").ref("name")

    def number(self, value: float) -> str:
        """Record a score and return its reference."""
        return self.store.add(value, "score", tool="causes.clues").ref("num")


def shares(frame: pl.DataFrame, column: str) -> dict[str, float]:
    """Each value's share of the rows."""
    counts = frame[column].cast(pl.String).fill_null("(missing)").value_counts()
    return {str(v): n / frame.height for v, n in counts.iter_rows()}
