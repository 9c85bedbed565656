"""What a cause may be instead of a failing: a correction run over many decisions, a move of the whole platform."""

from datetime import timedelta

import numpy as np
import polars as pl

from gne_analytics.causes.changes import rows_beside
from gne_analytics.causes.context import MechanismContext
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Period, Shift
from gne_analytics.metrics.intervals import rate_difference
from gne_analytics.metrics.observations import Observations
from gne_analytics.metrics.windows import segment_mask

BATCH_SHARE = 0.4
"""So much of a segment's reversals in one run, or marked so, is one correction."""
RUN = timedelta(hours=1)
"""A run takes back its decisions within so long; a day where times are days."""
MIN_REVERSED = 10
ALIKE = 0.5
"""Other policies that moved by so much of it, and so large a part of them: it is the platform that moved."""
MIN_POLICIES = 3
MIN_SIDE = 30


def is_batch(shift: Shift, segment: Segment, context: MechanismContext | None) -> bool:
    """Whether a segment's reversals came in one run: by their source, or at one instant.

    Looked at in the focus window, for metrics of reversals and of overturned appeals. What is reversed at one time at
    that rate before as well is the daily business.
    """
    if context is None or context.cases is None or not isinstance(shift.focus, Period):
        return False
    cases = context.rows(context.cases, Segment.of({**dict(shift.scope.items()), **dict(segment.items())}))
    if cases is None or "reversed_at" not in cases.columns or shift.metric not in BATCHED:
        return False
    late = (pl.col("event_date") >= shift.focus.start) & (pl.col("event_date") < shift.focus.end)
    taken = cases.filter(late, pl.col("reversed_at").is_not_null())
    if taken.height < MIN_REVERSED:
        return False
    marked = 0.0
    if "reversal_source" in taken.columns:
        marked = taken.filter(pl.col("reversal_source").cast(pl.String) == "batch").height / taken.height
    return max(marked, _in_one_run(taken)) > BATCH_SHARE


BATCHED = frozenset({"reversal_rate", "overturn_rate", "first_level_overturn_rate"})


def _in_one_run(taken: pl.DataFrame) -> float:
    """The largest share of reversals within one run, of decisions that lie further apart than the run is long.

    Decisions of one moment that are each taken back at once are a burst of decisions, not a correction of them.
    """
    counted = taken.sort("reversed_at").with_columns(
        inside=pl.col("reversed_at").search_sorted(pl.col("reversed_at") + RUN, side="right").cast(pl.Int64)
        - pl.int_range(pl.len())
    )
    first = int(counted["inside"].arg_max() or 0)
    run = counted.slice(first, int(counted["inside"][first]))
    if "decided_at" in run.columns:
        middle = run["decided_at"].sort().slice(run.height // 10, max(run.height - 2 * (run.height // 10), 1))
        if middle[-1] - middle[0] <= RUN:
            return 0.0
    return run.height / taken.height


def moved_beyond(obs: Observations, shift: Shift, context: MechanismContext | None) -> bool:
    """Whether the policies outside a shift's scope moved with it: most of them, and by much of it on the whole."""
    if context is None or not isinstance(shift.focus, Period) or not isinstance(shift.baseline, Period):
        return False
    frame = rows_beside(obs, shift, context.cases).frame
    if frame is obs.frame or set(shift.scope.dimensions) - {POLICY} or POLICY not in frame.columns:
        return False
    day = pl.col("event_date")
    sided = frame.filter(~segment_mask(shift.scope, context.paths)).with_columns(
        side=pl.when((day >= shift.baseline.start) & (day < shift.baseline.end)).then(0)
        .when((day >= shift.focus.start) & (day < shift.focus.end)).then(1)
    ).drop_nulls("side")  # fmt: skip
    least = ALIKE * abs(shift.delta.value)
    sign = 1.0 if shift.delta.value >= 0 else -1.0
    together = _difference(sided)
    if together is None or sign * together[0] < least or sign * together[0] < 2 * together[1]:
        return False
    each = [_difference(part) for _, part in sided.group_by(POLICY, maintain_order=True)]
    judged = [d for d in each if d is not None]
    moved = sum(sign * d[0] > max(d[1], 0.0) for d in judged)
    return len(judged) >= MIN_POLICIES and moved >= ALIKE * len(judged)


POLICY = "policy_id"


def _difference(sided: pl.DataFrame) -> tuple[float, float] | None:
    """Focus rate less baseline rate and its standard error over units; None for few rows."""
    side = sided["side"].to_numpy()
    k, n = sided["k"].to_numpy().astype(float), sided["n"].to_numpy().astype(float)
    if min(float(n[side == 0].sum()), float(n[side == 1].sum())) < MIN_SIDE:
        return None
    unit = None
    if sided["unit"].null_count() < sided.height:
        own = pl.concat_str(pl.lit("\x00row "), pl.int_range(pl.len()).cast(pl.String))
        unit = sided.select(pl.coalesce("unit", own)).to_series().rank("dense").to_numpy().astype(np.int64) - 1
    zero, one = (side == 0).astype(float), (side == 1).astype(float)
    found = rate_difference(k * zero, n * zero, k * one, n * one, unit)
    return found.value, found.se
