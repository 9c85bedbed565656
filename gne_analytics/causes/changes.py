"""Logged changes that fit a cause's place and onset, each with a difference in differences and a placebo in time."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from gne_analytics.causes.cells import is_version
from gne_analytics.causes.onset import Onset
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Estimate, MatchedChange, Period, Shift
from gne_analytics.metrics.definitions import METRICS
from gne_analytics.metrics.intervals import Difference, Floats, clustered_variance
from gne_analytics.metrics.observations import Observations
from gne_analytics.metrics.windows import segment_mask

SLACK = timedelta(days=14)
"""A change may come so long before or after the onset that the data show."""
BEYOND = timedelta(days=5)
"""Or so long outside the onset's interval: logs are wrong by days."""
FITS = 0.5
"""A change's scope must hold so much of the segment's rows since its onset."""
REACH = timedelta(days=28)
"""Days on each side of a change that the difference in differences compares."""
MIN_CELL = 10.0
"""Rows that each of its four cells needs."""
AS_MUCH = 0.8
"""A placebo of so large a part of the did shows as much: the trends were not parallel before."""
MOST = 3


@dataclass(frozen=True)
class Rows:
    """Rows of a metric, inside the shift's scope and, where they are known, outside it, to compare with."""

    frame: pl.DataFrame
    """event_date, k, n, unit (null: a row of its own), and the dimensions."""
    paths: frozenset[str]


def rows_beside(obs: Observations, shift: Shift, cases: pl.DataFrame | None) -> Rows:
    """Return the metric's rows with those outside the shift's scope, as far as the case frame allows.

    A change that covers the whole scope can only be held against what lies outside it. Rows younger than the metric's
    youngest mature one are left out.
    """
    own = Rows(obs.frame, obs.paths)
    definition = METRICS.get(shift.metric)
    if cases is None or definition is None or definition.table != "violations" or not shift.scope.depth:
        return own
    needed = {*definition.rows.meta.root_names(), *definition.hit.meta.root_names(), "event_date"}
    if not needed <= set(cases.columns):
        return own
    unit = pl.col(obs.unit).cast(pl.String) if obs.unit in cases.columns else pl.lit(None, pl.String)
    frame = cases.filter(definition.rows).with_columns(
        k=definition.hit.fill_null(False).cast(pl.Int64), n=pl.lit(1, pl.Int64), unit=unit
    )
    last = obs.frame["event_date"].max()
    return Rows(frame.filter(pl.col("event_date") <= last), obs.paths)


def match_changes(
    obs: Observations, shift: Shift, segment: Segment, onset: Onset | None, changes: pl.DataFrame | None,
    cases: pl.DataFrame | None = None, *, rising: bool | None = None,
) -> tuple[MatchedChange, ...]:  # fmt: skip
    """Return the changes whose date fits the onset and whose scope meets the segment, best first.

    Each with a difference in differences of the metric, its scope against the rest around its date, and a placebo a
    window earlier, where nothing should show; units enter once, on whichever sides they stand. ``supported`` says what
    these two tell.
    """
    if changes is None or changes.is_empty() or not isinstance(shift.focus, Period):
        return ()
    if not isinstance(shift.baseline, Period):
        return ()
    rising = shift.delta.value >= 0 if rising is None else rising
    since = onset.day if onset else shift.focus.start
    first = min(since - SLACK, onset.lo - BEYOND) if onset else since - SLACK
    last = max(since + SLACK, onset.hi + BEYOND) if onset else since + SLACK
    day = pl.col("event_date") if "event_date" in changes.columns else pl.col("at").dt.date()
    near = changes.with_columns(day=day).filter(pl.col("day").is_between(first, last))
    if near.is_empty():
        return ()
    late = obs.frame.filter(
        (pl.col("event_date") >= since) & (pl.col("event_date") < shift.focus.end), segment_mask(segment, obs.paths)
    )
    beside: Rows | None = None
    found: list[tuple[int, float, int, MatchedChange]] = []
    for row in near.iter_rows(named=True):
        scope = scope_of(row.get("scope"), {*obs.dims, *shift.scope.dimensions})
        fit = _fit(scope, segment, shift.scope, late, obs.paths)
        if fit < FITS:
            continue
        rows = Rows(obs.frame, obs.paths)
        did = did_around(rows, scope, row["day"])
        if did is None and scope.depth:
            rows = beside = beside or rows_beside(obs, shift, cases)
            did = did_around(rows, scope, row["day"])
        placebo = did_around(rows, scope, row["day"] - REACH) if did else None
        supported = supports(did, placebo, rising=rising)
        change = MatchedChange(
            change_id=str(row["change_id"]), kind=str(row.get("kind") or ""), at=row["day"],
            did=_told(did, rows, row["day"]), placebo=_told(placebo, rows, row["day"] - REACH), supported=supported,
        )  # fmt: skip
        order = {True: 0, None: 1, False: 2}[supported]
        found.append((order, -round(fit, 1), abs((row["day"] - since).days), change))
    return tuple(change for *_, change in sorted(found, key=lambda f: (*f[:3], f[3].change_id))[:MOST])


def supports(did: Difference | None, placebo: Difference | None, *, rising: bool) -> bool | None:
    """Say whether a change's date and place show in the metric: True, False, or None where the rows cannot tell.

    False: the scope moved no further than the rest, or as far at the placebo's date already.
    """
    if did is None or not np.isfinite(did.se):
        return None
    sign = 1.0 if rising else -1.0
    moved, reach = sign * did.value, 2 * did.se
    if placebo is not None and np.isfinite(placebo.se):
        before = sign * placebo.value
        if before >= AS_MUCH * moved and before > placebo.se:
            return False
    if moved - reach > 0:
        return True
    return False if moved <= 0 else None


def did_around(rows: Rows, scope: Segment, at: date) -> Difference | None:
    """Return the difference in differences of a rate around a date: a scope's rows against all others.

    Four weeks on each side. Each unit's influence on all four rates is summed before it is squared, so that a unit
    inside and outside the scope, or before and after, enters once; never under the binomial variance.
    """
    usable = Segment.of({d: v for d, v in scope.items() if d in rows.frame.columns and not is_version(d)})
    if not usable.depth:
        return None
    near = rows.frame.filter((pl.col("event_date") >= at - REACH) & (pl.col("event_date") < at + REACH))
    if near.height < 4 * MIN_CELL:
        return None
    flags = near.select(
        inside=segment_mask(usable, rows.paths), late=pl.col("event_date") >= at, k=pl.col("k"), n=pl.col("n")
    )
    k, n = flags["k"].to_numpy().astype(float), flags["n"].to_numpy().astype(float)
    inside, late = flags["inside"].to_numpy(), flags["late"].to_numpy()
    unit = None
    if near["unit"].null_count() < near.height:
        own = pl.concat_str(pl.lit("\x00row "), pl.int_range(pl.len()).cast(pl.String))
        unit = near.select(pl.coalesce("unit", own)).to_series().rank("dense").to_numpy().astype(np.int64) - 1
    return did_of(k, n, inside, late, unit)


def did_of(k: Floats, n: Floats, inside: np.ndarray, late: np.ndarray, unit: np.ndarray | None) -> Difference | None:
    """Return (inside after - before) - (outside after - before), None where a cell has too few rows."""
    influence = np.zeros(k.size)
    value = floor = 0.0
    for side, sign in ((inside & late, 1), (inside & ~late, -1), (~inside & late, -1), (~inside & ~late, 1)):
        total = float(n[side].sum())
        if total < MIN_CELL:
            return None
        rate = float(k[side].sum()) / total
        value += sign * rate
        smooth = (rate * total + 0.5) / (total + 1)
        floor += smooth * (1 - smooth) / total
        influence += np.where(side, sign * (k - n * rate) / total, 0.0)
    if unit is None:
        return Difference(value, float(np.sqrt(floor)), max(float(n.sum()) - 4, 1.0))
    variance, dof = clustered_variance(np.bincount(unit, influence).astype(np.float64))
    return Difference(value, float(np.sqrt(max(variance, floor))), dof)


def _told(difference: Difference | None, rows: Rows, at: date) -> Estimate | None:
    if difference is None:
        return None
    n = rows.frame.filter((pl.col("event_date") >= at - REACH) & (pl.col("event_date") < at + REACH)).height
    return difference.estimate(n, "difference in differences, clustered by unit")


def scope_of(text: object, known: Sequence[str] | set[str] = ()) -> Segment:
    """Read a change's scope; a dimension that is written without its ``_id`` is the one that has it."""
    read = json.loads(text) if isinstance(text, str) and text.strip() else {}
    named = {d if d in known or f"{d}_id" not in known else f"{d}_id": v for d, v in read.items()}
    return Segment.of({str(d): [str(x) for x in v] if isinstance(v, list) else [str(v)] for d, v in named.items()})


def _fit(scope: Segment, segment: Segment, within: Segment, late: pl.DataFrame, paths: frozenset[str]) -> float:
    """The share of the segment's rows since its onset that a change's scope holds; 0 where it cannot be told.

    A change of everything fits only what moved everywhere; one whose scope is the shift's own fits it wholly.
    """
    if not scope.depth:
        return 0.0 if segment.depth or within.depth else 1.0
    told = Segment.of({d: v for d, v in scope.items() if d in late.columns})
    if told.depth < scope.depth and set(scope.dimensions) - set(told.dimensions) - set(within.dimensions):
        return 0.0
    if not late.height:
        return 0.0
    return float(late.select(segment_mask(told, paths).mean()).item() or 0.0)
