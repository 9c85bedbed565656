"""What engines other than Polars make of column names, said before a pass over rows could count the wrong column."""

from collections.abc import Iterable
from typing import Any

import narwhals as nw

from gne_analytics.errors import DataError


def check_names(rows: "nw.LazyFrame[Any]", used: Iterable[str], made: Iterable[str] = ()) -> None:
    """Refuse a frame that lacks a column, or whose names its engine cannot tell apart or read.

    DuckDB and Spark take ``N`` for ``n``, and a dot or a backtick for syntax. Polars does neither.

    Args:
        rows: the frame.
        used: columns that are read.
        made: columns that are added.

    Raises:
        DataError: it names the column.
    """
    used, names = list(used), rows.collect_schema().names()
    for column in used:
        if column not in names:
            raise DataError.missing_column("rows", column, names)
    if rows.implementation.is_polars():
        return
    engine = rows.implementation.value
    own = {*used, *made}
    spelled: dict[str, str] = {}
    for column in (*sorted(own), *names):
        other = spelled.setdefault(column.lower(), column)
        if other != column and other in own:
            raise DataError(f"Columns {other!r} and {column!r} are one to {engine}; rename one.")
    for column in used:
        if "." in column or "`" in column:
            raise DataError(f"Column {column!r} cannot be read on {engine}; rename it without dots and backticks.")
