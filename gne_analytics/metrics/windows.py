"""Windows: what a shift compares. Two periods (``2013``, ``2026-W40``) or two segments (``market=TH``)."""

import re
from datetime import date, timedelta

import polars as pl

from gne_analytics.errors import DataError, did_you_mean
from gne_analytics.evidence.segment import MISSING, Segment
from gne_analytics.evidence.types import Period, Window
from gne_analytics.metrics.segments import Held, nothing_held, parse_segment

OWN = frozenset({
    "id", "k", "n", "event_date", "event_week", "event_month", "event_year", "unit", "fold", "matured",
})  # fmt: skip
"""Columns that every row of observations has."""
_YEAR = re.compile(r"\d{4}")
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_WEEK = re.compile(r"(\d{4})-W(\d{2})")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_SPAN = re.compile(r"(\d{4}(?:-\d{2}(?:-\d{2})?|-W\d{2})?)\.\.(\d{4}(?:-\d{2}(?:-\d{2})?|-W\d{2})?)")


def parse_window(text: str, held: Held = nothing_held) -> Window:
    """Read a window: a year, month, ISO week, day, a half-open span ``a..b``, or a segment (`parse_segment`).

    Example:
        >>> parse_window("2026-W40")
        Period(start=datetime.date(2026, 9, 28), end=datetime.date(2026, 10, 5), label='2026-W40')
        >>> parse_window("market=TH & category=beauty")
        Segment(category=beauty & market=TH)
    """
    text = text.strip()
    if "=" in text or " in {" in text:
        return parse_segment(text, held)
    try:
        if span := _SPAN.fullmatch(text):
            start, end = _period(span[1]).start, _period(span[2]).start
            if start >= end:
                raise DataError(f"Window {text!r} is empty: its end must come after its start.")
            return Period(start=start, end=end, label=text)
        return _period(text)
    except ValueError as fault:
        raise DataError(
            f"Window {text!r} is not a window ({fault}); write 2025, 2026-10, 2026-W40, 2026-10-01..2026-11-01 "
            "or market=TH."
        ) from None


def _period(text: str) -> Period:
    if _DAY.fullmatch(text):
        day = date.fromisoformat(text)
        return Period(start=day, end=day + timedelta(days=1), label=text)
    if week := _WEEK.fullmatch(text):
        monday = date.fromisocalendar(int(week[1]), int(week[2]), 1)
        return Period(start=monday, end=monday + timedelta(days=7), label=text)
    if month := _MONTH.fullmatch(text):
        first = date(int(month[1]), int(month[2]), 1)
        return Period(start=first, end=(first + timedelta(days=32)).replace(day=1), label=text)
    if _YEAR.fullmatch(text):
        return Period(start=date(int(text), 1, 1), end=date(int(text) + 1, 1, 1), label=text)
    raise ValueError("neither a date nor dimension=value")


def segment_mask(segment: Segment, paths: frozenset[str] = frozenset()) -> pl.Expr:
    """Return the expression that is true on a segment's rows and false, never null, elsewhere.

    In a path dimension a value holds itself and all below it: ``beauty`` holds ``beauty/sun-care``.
    """
    mask = pl.lit(True)
    for dimension, values in segment.items():
        column = pl.col(dimension).cast(pl.String).fill_null(MISSING)
        hit = column == next(iter(values)) if len(values) == 1 else column.is_in(list(values))
        if dimension in paths:
            for value in values:
                hit = hit | column.str.starts_with(f"{value}/")
        mask = mask & hit
    return mask


def window_mask(window: Window, frame: pl.DataFrame, paths: frozenset[str] = frozenset()) -> pl.Expr:
    """Return the expression that is true on a window's rows; an unknown dimension is a DataError."""
    if isinstance(window, Segment):
        for dimension in window.dimensions:
            if dimension not in frame.columns:
                known = [c for c in frame.columns if c not in OWN]
                raise DataError(
                    f"The window names dimension {dimension!r}, which the rows do not have"
                    f"{did_you_mean(dimension, known)}."
                )
        return segment_mask(window, paths)
    day = pl.col("event_date")
    return ((day >= window.start) & (day < window.end)).fill_null(False)
