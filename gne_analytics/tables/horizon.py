"""Which dates are possible: what ``a date in the future`` means for a record that carries its own clock.

``as_of`` is the last event of the record, so one mistyped year would move it. The rule, in this order:

1. A source that states ``as_of`` is taken at its word: a row later than that is a fault.
2. Otherwise, for files, the moment of reading is the limit, and the clock is used for nothing else.
3. A record whose bulk (its 95th percentile) lies beyond that moment comes from a simulated future, and frames in memory
   have no moment of reading: there a row is a fault when it lies further beyond the 95th percentile than the record is
   long (5th to 95th percentile), and at least a year.
4. In every case a row is a fault when it lies before the 5th percentile by twice that length, and at least 20 years.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

YEAR = timedelta(days=366)


@dataclass(frozen=True)
class Horizon:
    """The first and the last instant at which a row may lie, and how the last was found."""

    first: datetime
    last: datetime
    why: str


def horizon(
    times: Sequence[pl.Series], *, as_of: datetime | None = None, now: datetime | None = None
) -> Horizon | None:
    """The possible span of a record's main times (UTC); None when there are none."""
    pooled = pl.concat([t.rename("t").drop_nulls() for t in times]).sort() if times else pl.Series("t", [])
    if pooled.is_empty():
        return None
    steps = len(pooled) - 1
    low, high = pooled[-(-steps // 20)], pooled[steps * 19 // 20]
    length = max(high - low, timedelta(0))
    first = low - max(2 * length, 20 * YEAR) if low.year > 60 else low
    if as_of is not None:
        return Horizon(first, as_of, f"as_of {as_of:%Y-%m-%d %H:%M} of the source")
    if now is not None and high <= now:
        return Horizon(first, now, "the moment of reading")
    last = high + max(length, YEAR) if high.year < 9000 else high
    return Horizon(first, last, f"{last:%Y-%m-%d}, far beyond the rest of the record")
