"""Columns outside the contract: dimensions, unless their values say that they are of no use as such.

A flag, a code or a text of few values is a dimension. A number with many values, a nested value, a span of time is
ignored; a date is a time; a text that is nearly unique per row is an id, or a text where it is long. A column named
``appeal_...`` in the violations was known only afterwards. A column of the appeals that the violations have too is
ignored, for appeals are joined to violations. The source's ``roles`` overrule all of this.
"""

from collections.abc import Collection, Mapping

import polars as pl

from gne_analytics.errors import DataError
from gne_analytics.tables.contract import DERIVED, Role, Table

MANY_FLOATS = 50
MANY_INTEGERS = 1000
NEARLY_UNIQUE = 0.5
ENOUGH_ROWS = 50
LONG_TEXT = 40


def settle_extras(
    table: Table, frame: pl.DataFrame, declared: Mapping[str, Role], repeated: Collection[str] = ()
) -> tuple[pl.DataFrame, dict[str, Role]]:
    """Bring columns outside the contract to plain types and give every column its role.

    Args:
        table: the table of the contract.
        frame: its rows.
        declared: roles that the source states.
        repeated: names of columns that only repeat another table's, to be ignored.
    """
    for column in declared:
        if column not in frame.columns:
            raise DataError.missing_column(table.name, column, frame.columns, "roles")
    roles: dict[str, Role] = {}
    for name in frame.columns:
        if name in table.columns:
            roles[name] = declared.get(name, table.columns[name].role)
        elif name not in DERIVED:
            plain = _plain(frame[name])
            frame = frame.with_columns(plain.alias(name))
            guess = Role.IGNORE if name in repeated else _role_of(table.name, plain)
            roles[name] = declared.get(name, guess)
    return frame, roles


def _plain(raw: pl.Series) -> pl.Series:
    dtype = raw.dtype
    if isinstance(dtype, (pl.Categorical, pl.Enum, pl.Null)):
        return raw.cast(pl.String)
    if isinstance(dtype, pl.Decimal):
        return raw.cast(pl.Float64)
    if isinstance(dtype, pl.Object):
        return pl.Series(raw.name, [None if v is None else str(v) for v in raw.to_list()], dtype=pl.String)
    return raw


def _role_of(table: str, values: pl.Series) -> Role:
    dtype = values.dtype
    if table == "violations" and values.name.startswith("appeal_"):
        return Role.POST_DECISION
    if isinstance(dtype, (pl.Date, pl.Datetime)):
        return Role.TIME
    if dtype.is_nested() or isinstance(dtype, (pl.Binary, pl.Duration, pl.Time)):
        return Role.IGNORE
    if isinstance(dtype, pl.Boolean):
        return Role.DIMENSION
    if dtype.is_numeric():
        return (
            Role.IGNORE if values.n_unique() > (MANY_FLOATS if dtype.is_float() else MANY_INTEGERS) else Role.DIMENSION
        )
    return _role_of_text(values.drop_nulls())


def _role_of_text(values: pl.Series) -> Role:
    if len(values) < ENOUGH_ROWS or values.n_unique() < NEARLY_UNIQUE * len(values):
        return Role.DIMENSION
    length = values.str.len_chars().mean()
    return Role.TEXT if isinstance(length, float) and length >= LONG_TEXT else Role.ID
