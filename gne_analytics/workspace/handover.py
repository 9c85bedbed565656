"""What one stage needs of another, as plain frames.

The stages do not know each other, so the workspace hands these over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

import polars as pl

from gne_analytics.errors import DataError
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Cause, Period, Shift, Theme

if TYPE_CHECKING:
    from gne_analytics.causes.context import MechanismContext
    from gne_analytics.tables.record import Record
    from gne_analytics.themes.crossed import Crossed
    from gne_analytics.themes.weeks import ThemeWeeks
    from gne_analytics.workspace.loop import Said

CROSSED = ("seller_text", "reviewer_rationale")
"""The views that a run crosses: what is said, and where."""
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


def weeks_of(record: Record, said: Mapping[str, Said]) -> dict[str, ThemeWeeks]:
    """Return the themes of each view over weeks, named as a reader sees them; a view without a dated text is left out.

    Texts are those of a run's assignments.
    """
    from gne_analytics.themes.views import texts_of
    from gne_analytics.themes.weeks import weekly

    weeks = {v: weekly(v, s.themes, s.assignments, texts_of(record, v)) for v, s in said.items() if s.themes}
    return {view: found for view, found in weeks.items() if not found.weeks.is_empty()}


def crossed_of(record: Record, said: Mapping[str, Said]) -> Crossed | None:
    """Return what sellers say where reviewers say something; None where the views speak of no violation in common."""
    from gne_analytics.themes.crossed import Side, cross
    from gne_analytics.themes.views import texts_of

    sides = []
    for view in CROSSED:
        if view not in said or not said[view].themes:
            return None
        about = texts_of(record, view).select(pl.col("id", "violation_id", "unit").cast(pl.String))
        sides.append(Side(view, said[view].themes, said[view].assignments, about))
    try:
        return cross(*sides)
    except DataError:
        return None


def changes_near(record: Record, shift: Shift) -> tuple[tuple[date, str], ...]:
    """Return the changes of the world near a shift's focus window: day and description."""
    if not record.has("changes") or not isinstance(shift.focus, Period):
        return ()
    near = record.changes.filter(
        pl.col("event_date").is_between(shift.focus.start - NEAR, shift.focus.end, closed="left")
    )
    return tuple((day, text) for day, text in near.select("event_date", _said_of(near).alias("text")).iter_rows())


def changes_of(record: Record, cause: Cause) -> tuple[tuple[date, str], ...]:
    """Return the changes that fit a cause, as a picture names them: day and description."""
    if not cause.changes or not record.has("changes"):
        return tuple((c.at, c.change_id) for c in cause.changes)
    key = pl.col("change_id").cast(pl.String)
    held = record.changes.filter(key.is_in([c.change_id for c in cause.changes]))
    said = dict(held.select(key, _said_of(held).alias("text")).iter_rows())
    return tuple((c.at, said.get(c.change_id) or c.change_id) for c in cause.changes)


def _said_of(changes: pl.DataFrame) -> pl.Expr:
    names = [pl.col(c).cast(pl.String) for c in ("description", "kind") if c in changes.columns]
    return pl.coalesce(*names, pl.col("change_id").cast(pl.String))
