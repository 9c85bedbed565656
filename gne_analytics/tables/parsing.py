"""From any column to the kind that the contract asks for; what cannot be read is marked, never dropped or guessed."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from gne_analytics.errors import DataError
from gne_analytics.tables.contract import Column, Grain, Kind
from gne_analytics.tables.scopes import canonical_scope

TRUE = ("true", "yes", "y", "t", "1")
FALSE = ("false", "no", "n", "f", "0")
_UTC = pl.Datetime("us", "UTC")
_NESTED = (pl.Struct, pl.List, pl.Array)


@dataclass(frozen=True)
class Clock:
    """How a table's times are to be read."""

    reporting: str = "UTC"
    """The zone in which days begin, and in which a date without a time of day is read."""
    naive: str | None = None
    """The zone of times that name none; without it they are refused."""
    grain: Grain | None = None
    """How fine the times are; found from the data where None."""


@dataclass(frozen=True)
class Parsed:
    """A column after reading: its values, and which rows held something that could not be read."""

    values: pl.Series
    bad: pl.Series
    grain: Grain | None = None
    """Of a time column: how fine it is."""


class Unreadable(DataError):
    """A whole column is of a type that cannot be read; the caller adds table and file."""


def parse(column: Column, raw: pl.Series, clock: Clock) -> Parsed:
    """Read a raw column as its kind; rows that hold a value but cannot be read are marked bad and become null.

    Raises:
        Unreadable: the whole column is of a wrong type, or a time needs a zone that nobody stated.
    """
    if column.kind is Kind.TIME:
        return parse_time(raw, clock)
    readers = {Kind.NUMBER: _number, Kind.FLAG: _flag, Kind.CODE: _code, Kind.LIST: _list, Kind.SCOPE: _scope}
    values = readers.get(column.kind, as_text)(raw).rename(raw.name)
    blank = raw.is_null()
    if raw.dtype == pl.String:
        blank |= raw.str.strip_chars() == ""
    elif raw.dtype.is_float():
        blank |= raw.is_nan().fill_null(True)
    bad = values.is_null() & ~blank
    if column.kind in _WANTED and _hopeless(bad, blank):
        raise Unreadable(f"holds {_example(raw, bad)}, where {_WANTED[column.kind]} is needed")
    return Parsed(values, bad)


_WANTED: Mapping[Kind, str] = {Kind.NUMBER: "a number", Kind.FLAG: "yes or no"}


def _hopeless(bad: pl.Series, blank: pl.Series) -> bool:
    """Whether nothing in a column can be read, and not just because a stray value stands among blanks."""
    return int(bad.sum()) > max(1, len(bad) // 20) and not (~bad & ~blank).any()


def _example(raw: pl.Series, bad: pl.Series) -> str:
    return repr(as_text(raw.filter(bad).head(1))[0])


def as_text(raw: pl.Series) -> pl.Series:
    """Any column as text: whole floats without their ``.0``, nested values as JSON, blank as null."""
    dtype = raw.dtype
    if isinstance(dtype, _NESTED):
        frame = pl.DataFrame({"v": raw})
        as_json = frame.select(pl.struct("v").struct.json_encode())["v"].str.slice(5)
        text = as_json.str.head(-1)
        return text.set(raw.is_null(), None) if raw.null_count() else text
    if dtype.is_float():
        whole = ((raw.fill_nan(None) % 1) == 0).fill_null(False) & (raw.abs() < 2**53).fill_null(False)
        return _pick(whole, raw.cast(pl.Int64, strict=False).cast(pl.String), raw.fill_nan(None).cast(pl.String))
    if isinstance(dtype, pl.Binary):
        raise Unreadable("holds bytes, where text is needed")
    if isinstance(dtype, pl.Duration):
        return raw.dt.to_string("iso")
    if isinstance(dtype, pl.Object):
        return pl.Series(raw.name, [None if v is None else str(v) for v in raw.to_list()], dtype=pl.String)
    text = raw.cast(pl.String).str.strip_chars()
    return text.set(text == "", None) if (text == "").any() else text


def _pick(mask: pl.Series, yes: pl.Series, no: pl.Series) -> pl.Series:
    return pl.select(pl.when(mask).then(yes).otherwise(no)).to_series()


def _number(raw: pl.Series) -> pl.Series:
    """Read numbers; one of single precision as the decimal that it stands for, so that 0.7 is not under 0.7."""
    if isinstance(raw.dtype, pl.Boolean) or raw.dtype.is_temporal() or raw.dtype.is_nested():
        raise Unreadable(f"is of type {raw.dtype}, where a number is needed")
    if raw.dtype == pl.Float32:
        raw = raw.cast(pl.String)
    if raw.dtype.is_numeric():
        return raw.cast(pl.Float64).fill_nan(None)
    return as_text(raw).cast(pl.Float64, strict=False).fill_nan(None)


def _flag(raw: pl.Series) -> pl.Series:
    if isinstance(raw.dtype, pl.Boolean):
        return raw
    if raw.dtype.is_temporal() or raw.dtype.is_nested():
        raise Unreadable(f"is of type {raw.dtype}, where yes or no is needed")
    text = as_text(raw).str.to_lowercase()
    known = text.is_in([*TRUE, *FALSE])
    return _pick(known, text.is_in(TRUE), pl.Series([None], dtype=pl.Boolean))


def _code(raw: pl.Series) -> pl.Series:
    if raw.dtype.is_nested() or raw.dtype.is_temporal():
        raise Unreadable(f"is of type {raw.dtype}, where a code is needed")
    return as_text(raw).str.to_lowercase().str.replace_all(r"[\s\-]+", "_")


def _list(raw: pl.Series) -> pl.Series:
    if isinstance(raw.dtype, (pl.List, pl.Array)):
        return raw.cast(pl.List(pl.String))
    text = as_text(raw)
    bare = text.str.strip_chars("[] ").str.replace_all(r'"', "")
    pieces = (
        bare.str.split(",").list.eval(pl.element().str.strip_chars()).list.eval(pl.element().filter(pl.element() != ""))
    )
    return pieces.set(text.is_null(), None) if text.null_count() else pieces


def _scope(raw: pl.Series) -> pl.Series:
    return pl.Series(raw.name, [canonical_scope(v) for v in raw.to_list()], dtype=pl.String)


# ---- times


def parse_time(raw: pl.Series, clock: Clock) -> Parsed:
    """Read a column of times as UTC instants, cut to the clock's grain in its reporting zone."""
    if isinstance(raw.dtype, (pl.Categorical, pl.Enum)):
        raw = raw.cast(pl.String)
    values, found = _instants(raw, clock)
    values = values.rename(raw.name)
    blank = raw.is_null() | (raw.str.strip_chars() == "" if raw.dtype == pl.String else False)
    bad = values.is_null() & ~blank
    if _hopeless(bad, blank):
        raise Unreadable(
            f"holds {_example(raw, bad)}, which is no ISO 8601 time; state its format, e.g. "
            f'{{from: {raw.name}, format: "%d/%m/%Y %H:%M"}}'
        )
    grain = clock.grain or found
    return Parsed(cut(values, grain, clock.reporting), bad, grain)


def _instants(raw: pl.Series, clock: Clock) -> tuple[pl.Series, Grain]:
    dtype = raw.dtype
    if isinstance(dtype, pl.Null):
        return raw.cast(_UTC), Grain.INSTANT
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone is not None:
            return raw.dt.convert_time_zone("UTC").cast(_UTC), Grain.INSTANT
        return _local(raw.cast(pl.Datetime("us")), _zone_of_naive(clock)), Grain.INSTANT
    if isinstance(dtype, pl.Date):
        return _local(raw.cast(pl.Datetime("us")), clock.reporting), Grain.DAY
    if dtype.is_numeric() and clock.grain not in (None, Grain.INSTANT):
        raw = as_text(raw)
    if raw.dtype == pl.String:
        return _from_text(raw.str.strip_chars(), clock)
    raise Unreadable(
        f"is of type {dtype}, where a time is needed; state grain: year for years, or format: epoch_s for seconds"
    )


def _zone_of_naive(clock: Clock) -> str:
    if clock.naive is None and clock.grain in (None, Grain.INSTANT):
        raise Unreadable("holds times without a time zone; state the table's timezone, e.g. timezone: Asia/Singapore")
    return clock.naive or clock.reporting


def _local(naive: pl.Series, zone: str) -> pl.Series:
    if zone == "UTC":
        return naive.dt.replace_time_zone("UTC")
    return naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")


def _from_text(text: pl.Series, clock: Clock) -> tuple[pl.Series, Grain]:
    if clock.grain is not None and clock.grain.coarseness >= Grain.WEEK.coarseness:
        return _local(_periods(text, clock.grain), clock.reporting), clock.grain
    tidy = text.str.replace(r"^(\d{4}-\d{2}-\d{2}) +", "${1}T").str.replace(r"[zZ]$|\s*UTC$", "+00:00")
    tidy = tidy.str.replace(r"(T.*[+-]\d{2})$", "${1}:00")
    day = tidy.str.len_chars() <= 10
    offset = tidy.str.contains(r"[+-]\d{2}:?\d{2}$") & ~day
    naive = ~day & ~offset
    found = pl.select(pl.when(day).then(_local(_days(tidy.set(~day, None)), clock.reporting))).to_series()
    if offset.any():
        zoned = tidy.set(~offset, None).str.to_datetime(
            "%Y-%m-%dT%H:%M:%S%.f%#z", time_zone="UTC", time_unit="us", strict=False
        )
        short = tidy.set(~offset, None).str.to_datetime(
            "%Y-%m-%dT%H:%M%#z", time_zone="UTC", time_unit="us", strict=False
        )
        found = _first(found, _first(zoned, short))
    if naive.any():
        clocks = tidy.set(~naive, None)
        plain = _first(_strptime(clocks, "%Y-%m-%dT%H:%M:%S%.f"), _strptime(clocks, "%Y-%m-%dT%H:%M"))
        if plain.null_count() < len(plain):
            found = _first(found, _local(plain, _zone_of_naive(clock)))
    grain = Grain.DAY if day.any() and not (~day).any() else Grain.INSTANT
    return found, grain


def _first(a: pl.Series, b: pl.Series) -> pl.Series:
    return pl.select(pl.coalesce(a, b)).to_series()


def _strptime(text: pl.Series, form: str) -> pl.Series:
    return text.str.to_datetime(form, time_unit="us", strict=False)


def _days(text: pl.Series) -> pl.Series:
    return _first(_strptime(text, "%Y-%m-%d"), _strptime(text, "%Y%m%d"))


def _periods(text: pl.Series, grain: Grain) -> pl.Series:
    """The first day of years (2013), months (2026-10, 202610) and ISO weeks (2026-W40); whole dates are read too."""
    whole = _strptime(text.str.slice(0, 10), "%Y-%m-%d")
    if grain is Grain.YEAR:
        year = text.str.extract(r"^(\d{4})$")
        return _first(whole, _strptime(year + "-01-01", "%Y-%m-%d"))
    if grain is Grain.MONTH:
        month = text.str.replace(r"^(\d{4})-?(\d{2})$", "${1}-${2}-01")
        return _first(whole, _strptime(month, "%Y-%m-%d"))
    week = text.str.replace(r"^(\d{4})-?W(\d{2})$", "${1}-W${2}-1")
    return _first(whole, _strptime(week, "%G-W%V-%u"))


_STEP = {Grain.DAY: "1d", Grain.WEEK: "1w", Grain.MONTH: "1mo", Grain.YEAR: "1y"}


def cut(values: pl.Series, grain: Grain, zone: str) -> pl.Series:
    """Cut instants down to the start of their day, ISO week, month or year in a zone."""
    if grain is Grain.INSTANT:
        return values
    return values.dt.convert_time_zone(zone).dt.truncate(_STEP[grain]).dt.convert_time_zone("UTC")
