"""What a person may ask of a record by name: the values that a dimension holds, and windows that are not empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gne_analytics.errors import DataError
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Window
from gne_analytics.tables.contract import TABLES

if TYPE_CHECKING:
    from gne_analytics.tables.record import Record


def values_held(record: Record, dimension: str) -> frozenset[str]:
    """Return the values that violations and signals hold in a dimension, none of one that is unknown."""
    tables = [record.table(t) for t in ("violations", "signals")]
    columns = [t[dimension].unique() for t in tables if dimension in t.columns]
    return frozenset(str(v) for column in columns for v in column if v is not None)


def check_not_empty(record: Record, *windows: Window) -> None:
    """Refuse windows that name a column which is null in every row."""
    for window in windows:
        for dimension in window.dimensions if isinstance(window, Segment) else ():
            held = [t[dimension] for n in TABLES if dimension in (t := record.table(n)).columns]
            if held and all(column.null_count() == len(column) for column in held):
                raise DataError(f"Column {dimension!r} is empty in every row, so no window can be named by it.")
