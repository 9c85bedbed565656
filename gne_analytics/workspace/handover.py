"""What one stage needs of another, as plain frames.

The stages do not know each other, so the workspace hands these over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import polars as pl

from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Cause, Period, Shift, Theme

if TYPE_CHECKING:
    from gne_analytics.causes.context import MechanismContext
    from gne_analytics.metrics.observations import Observations
    from gne_analytics.tables.record import Record
    from gne_analytics.workspace.loop import Said

NEAR = timedelta(days=90)
"""Changes of the world so long before the focus window, or in it, are drawn beside a series."""


def audited(record: Record) -> pl.DataFrame | None:
    """Return audits beside the case that each looked at, or None where there are none."""
    if not record.has("audits"):
        return None
    audits = record.audits
    cases = record.assessments if record.has("assessments") else record.violations
    key = "case_id" if {"case_id"} <= set(audits.columns) & set(cases.columns) else "violation_id"
    if key not in audits.columns or key not in cases.columns:
        return None
    new = [c for c in cases.columns if c == key or c not in audits.columns]
    return audits.drop_nulls(key).join(cases.select(new).unique(key, maintain_order=True), on=key, how="left")


def themes_by_violation(record: Record, themes: Sequence[Theme], assignments: pl.DataFrame) -> pl.DataFrame:
    """Return one row per appeal text: id of its violation, theme_id, label, folded_into."""
    labels = {t.id: t.label for t in themes}
    violation = dict(zip(record.appeals["appeal_id"], record.appeals["violation_id"], strict=True))
    return assignments.select(
        pl.col("id").replace_strict(violation, default=None, return_dtype=pl.String),
        "theme_id",
        pl.col("theme_id").replace_strict(labels, default=None, return_dtype=pl.String).alias("label"),
        "folded_into",
    )


def in_scope(cause: Cause, scope: Segment) -> Cause:
    """Return a cause with its shift's scope made part of its segment: what an edit must hold to."""
    return cause.model_copy(update={"segment": Segment.of({**dict(scope.items()), **dict(cause.segment.items())})})


def mechanism_context(record: Record, said: pl.DataFrame | None) -> MechanismContext:
    """Gather what causes may know beside the metric: cases, audits, signals and what sellers said."""
    from gne_analytics.causes.context import MechanismContext
    from gne_analytics.metrics.cases import case_frame

    return MechanismContext(
        cases=case_frame(record),
        audits=audited(record),
        signals=record.signals if record.has("signals") else None,
        themes=said,
    )


def rising_of(record: Record, said: Said | None) -> pl.DataFrame | None:
    """Return the themes of signals that rise (`sensing.emerging`), each with its label; None without signals."""
    from gne_analytics.sensing.emerging import emerging

    if said is None or not said.themes or not record.has("signals"):
        return None
    votes = said.assignments.filter(pl.col("theme_id").is_not_null() & pl.col("folded_into").is_null())
    themed = record.signals.join(votes.select(pl.col("id").alias("signal_id"), "theme_id"), on="signal_id")
    if themed.is_empty():
        return None
    found = emerging(themed, record.as_of.date(), since=record.signals["event_date"].drop_nulls()[0]).filter("rising")
    labels = {t.id: t.label for t in said.themes}
    return found.with_columns(label=pl.col("theme_id").replace_strict(labels, default=None, return_dtype=pl.String))


def series_of(obs: Observations) -> pl.DataFrame:
    """Return a metric over time with Wilson intervals: week (first day of the step), k, n, lo, hi, matured."""
    step = {"day": "event_week", "month": "event_month"}.get(obs.grain)
    first = pl.col(step) if step else pl.date(pl.col("event_year"), 1, 1)
    counted = (
        obs.frame.with_columns(week=first)
        .drop_nulls("week")
        .group_by("week")
        .agg(pl.col("k").sum(), pl.col("n").sum(), pl.col("matured").all())
        .sort("week")
    )
    return _with_interval(counted)


def series_within(obs: Observations, segment: Segment) -> pl.DataFrame:
    """Return a metric over time inside one segment, with the columns of `series_of`."""
    from gne_analytics.metrics.windows import window_mask

    return series_of(replace(obs, frame=obs.frame.filter(window_mask(segment, obs.frame, obs.paths))))


def rows_of(obs: Observations, shift: Shift, cause: Cause) -> pl.DataFrame:
    """Return the rows behind a cause in both windows, those of the focus window first."""
    from gne_analytics.metrics.windows import window_mask

    sided = obs.frame.with_columns(focus=obs.sides(shift.baseline, shift.focus) == 1).drop_nulls("focus")
    held = sided.filter(window_mask(cause.segment, sided, obs.paths))
    return held.select("id", "event_date", "focus", "k", "n", "unit", "matured", *obs.dims).sort(
        "focus", "event_date", descending=True, nulls_last=True
    )


def siblings_of(obs: Observations, shift: Shift, cause: Cause) -> pl.DataFrame:
    """Return a cause's segment beside its siblings along its most telling dimension, in both windows.

    Columns value, window, k, n, lo, hi, in_cause; the other dimensions of the segment are held fixed.
    """
    from gne_analytics.metrics.windows import window_mask

    along = cause.segment.dimensions[-1]
    fixed = Segment.of({d: v for d, v in cause.segment.items() if d != along})
    rows = obs.frame.with_columns(side=obs.sides(shift.baseline, shift.focus)).filter(
        window_mask(fixed, obs.frame, obs.paths)
    )
    inside = window_mask(Segment.of({along: cause.segment.values(along)}), rows, obs.paths)
    counted = (
        rows.with_columns(in_cause=inside)
        .drop_nulls("side")
        .group_by(
            pl.col(along).alias("value"),
            pl.col("side").replace_strict({0: "baseline", 1: "focus"}, return_dtype=pl.String).alias("window"),
        )
        .agg(pl.col("k").sum(), pl.col("n").sum(), pl.col("in_cause").any())
        .sort("value", "window")
    )
    return _with_interval(counted)


def _with_interval(counted: pl.DataFrame) -> pl.DataFrame:
    from gne_analytics.metrics.intervals import wilson

    bounds = [wilson(k, n) if n > 0 and k <= n else None for k, n in counted.select("k", "n").iter_rows()]
    return counted.with_columns(
        lo=pl.Series([b.lo if b else None for b in bounds], dtype=pl.Float64),
        hi=pl.Series([b.hi if b else None for b in bounds], dtype=pl.Float64),
    )


def changes_near(record: Record, shift: Shift) -> tuple[tuple[date, str], ...]:
    """Return the changes of the world near a shift's focus window: day and description."""
    if not record.has("changes") or not isinstance(shift.focus, Period):
        return ()
    near = record.changes.filter(
        pl.col("event_date").is_between(shift.focus.start - NEAR, shift.focus.end, closed="left")
    )
    names: Mapping[str, pl.Expr] = {c: pl.col(c).cast(pl.String) for c in ("description", "kind") if c in near.columns}
    said = pl.coalesce(*names.values(), pl.col("change_id"))
    return tuple((day, text) for day, text in near.select("event_date", said.alias("text")).iter_rows())
