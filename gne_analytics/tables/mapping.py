"""From a file's columns to the contract's, by what ``columns`` of source.yaml says."""

from collections.abc import Mapping
from typing import Literal

import polars as pl

from gne_analytics.errors import DataError
from gne_analytics.tables.parsing import Unreadable, as_text
from gne_analytics.tables.source_model import NULL, ColumnSource

_EPOCHS: Mapping[str, Literal["s", "ms", "us"]] = {"epoch_s": "s", "epoch_ms": "ms", "epoch_us": "us"}


def map_columns(
    raw: pl.DataFrame, rows: pl.Series, columns: Mapping[str, ColumnSource], table: str, place: str
) -> pl.DataFrame:
    """Build a table's declared columns from a file's; the others are left to the caller.

    Raises:
        DataError: a column of the file that is named is not there, or a format fits nothing.
    """
    built = {name: _build(raw, rows, name, source, table, place) for name, source in columns.items()}
    return pl.DataFrame([series.rename(name) for name, series in built.items()]) if built else pl.DataFrame()


def _build(raw: pl.DataFrame, rows: pl.Series, name: str, source: ColumnSource, table: str, place: str) -> pl.Series:
    if source.row_id:
        return rows.cast(pl.String)
    if source.has_const:
        value = source.const if not isinstance(source.const, bool) else str(source.const).lower()
        return pl.Series([value]).new_from_index(0, raw.height)
    column = source.from_ or name
    if column not in raw.columns:
        raise DataError.missing_column(table, column, raw.columns, place)
    series = raw[column]
    try:
        if source.map is not None:
            series = _mapped(series, source)
        return _formatted(series, source.format) if source.format else series
    except Unreadable as problem:
        raise DataError(f"{place}: table {table!r}, column {column!r} {problem}.") from None


def _mapped(series: pl.Series, source: ColumnSource) -> pl.Series:
    known = {k: v for k, v in (source.map or {}).items() if k != NULL}
    text = as_text(series)
    found = text.replace_strict(
        known, default=text if source.default is None else source.default, return_dtype=pl.String
    )
    on_null = (source.map or {}).get(NULL)
    return pl.select(pl.when(text.is_null()).then(pl.lit(on_null, dtype=pl.String)).otherwise(found)).to_series()


def _formatted(series: pl.Series, form: str) -> pl.Series:
    """Times by a strptime format, as ISO text; what does not fit stays as it is, so that sifting can show it."""
    if form in _EPOCHS:
        epochs: pl.Series = pl.from_epoch(series.cast(pl.Int64, strict=False), time_unit=_EPOCHS[form])
        return epochs.dt.replace_time_zone("UTC")
    text = as_text(series)
    zoned = "%z" in form or "%:z" in form or "%#z" in form
    timed = any(f in form for f in ("%H", "%I", "%T", "%s", "%X", "%R", "%c"))
    if not timed:
        read = text.str.to_date(form, strict=False).cast(pl.String)
    elif zoned:
        read = text.str.to_datetime(form, time_zone="UTC", strict=False).dt.to_string("%Y-%m-%dT%H:%M:%S%.f%:z")
    else:
        read = text.str.to_datetime(form, strict=False).dt.to_string("%Y-%m-%dT%H:%M:%S%.f")
    if len(text) > 1 and read.null_count() == len(read) and text.null_count() < len(text):
        raise Unreadable(f"holds {text.drop_nulls()[0]!r}, which does not fit the format {form!r}")
    return pl.select(pl.coalesce(read, text)).to_series()
