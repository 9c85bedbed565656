"""Two verbs at the edge: ``sift`` returns the good rows and the rejected ones with a reason each; ``validate`` raises.

dataframely is not used here: its ``filter`` drops columns outside the schema (ours are dimensions), rejects both rows
of a duplicate, knows no rule across tables, and its rules name no value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import polars as pl

from gne_analytics.errors import DataError, did_you_mean
from gne_analytics.tables.contract import DERIVED, TABLES, Column, Grain, Kind, Table
from gne_analytics.tables.faults import REJECTS, Faults
from gne_analytics.tables.horizon import Horizon, horizon
from gne_analytics.tables.parsing import Clock, Unreadable, cut, parse

TOLERATED = 0.05
"""The share of a table's rows that may be rejected before the table itself is at fault."""

HINTED = 100
"""Up to so many distinct unknown codes each get a hint of their own."""


@dataclass(frozen=True, eq=False)
class Extract:
    """A table as it came: columns named by the contract, values not yet read."""

    frame: pl.DataFrame
    raw: pl.DataFrame | None = None
    """The same rows as they stand in the file, kept for the rejects; the frame itself where None."""
    rows: pl.Series | None = None
    """Row numbers in the file, from 1; in order of the frame where None."""
    place: str = ""
    """The file, for messages."""
    clock: Clock = field(default_factory=Clock)

    @property
    def standing(self) -> pl.DataFrame:
        """The rows as they stand in the file."""
        return self.frame if self.raw is None else self.raw

    def filter(self, kept: pl.Series) -> "Extract":
        """The same extract with the rows that are kept."""
        return replace(
            self,
            frame=self.frame.filter(kept),
            raw=None if self.raw is None else self.raw.filter(kept),
            rows=None if self.rows is None else self.rows.filter(kept),
        )

    @property
    def prefix(self) -> str:
        """``file: `` for the start of a message."""
        return f"{self.place}: " if self.place else ""


@dataclass(frozen=True, eq=False)
class Sifted:
    """The good rows of every table, and the rejected ones."""

    tables: Mapping[str, pl.DataFrame]
    rejects: pl.DataFrame
    """One row per rejected row: table, row, key, column, reason, raw (the row as it stood, JSON)."""
    grain: Mapping[str, Grain]


@dataclass
class _Reading:
    """One table on its way through the sieve."""

    table: Table
    extract: Extract
    frame: pl.DataFrame
    grains: dict[str, Grain]
    faults: Faults

    @property
    def good(self) -> pl.DataFrame:
        return self.frame.filter(~self.faults.mask)


def sift(
    extracts: Mapping[str, Extract | pl.DataFrame],
    *,
    as_of: datetime | None = None,
    now: datetime | None = None,
    strict: bool = False,
) -> Sifted:
    """Read every table by the contract and set apart the rows that break it, with a reason each.

    Args:
        extracts: table name -> extract; a bare frame has UTC for its naive times.
        as_of: the end of the record, where the source states it.
        now: the moment of reading; see ``horizon`` for what it limits.
        strict: raise on the first table that has any reject.

    Raises:
        DataError: a whole table is at fault: unknown, empty, a required column missing or of a wrong type, more than
            5 % of its rows rejected. Rows that fall only because the row they point at fell do not count again.
    """
    unknown = [name for name in extracts if name not in TABLES]
    if unknown:
        raise DataError(f"There is no table {unknown[0]!r} in the contract{did_you_mean(unknown[0], TABLES)}.")
    given = {n: e if isinstance(e, Extract) else Extract(e, clock=Clock(naive="UTC")) for n, e in extracts.items()}
    readings = {name: _read(TABLES[name], given[name]) for name in TABLES if name in given}
    _check_horizon(readings, as_of, now)
    for reading in readings.values():
        _check_order(reading)
        _check_duplicates(reading)
    _check_pointers(readings)
    for reading in readings.values():
        _check_share(reading, strict)
    rejects = [r.faults.rejects(r.extract.standing) for r in readings.values()]
    return Sifted(
        tables={name: r.good.sort(r.table.time, r.table.id, maintain_order=True) for name, r in readings.items()},
        rejects=pl.concat(rejects) if rejects else pl.DataFrame(schema=REJECTS),
        grain={name: r.grains[r.table.time] for name, r in readings.items()},
    )


def validate(
    extracts: Mapping[str, Extract | pl.DataFrame], *, as_of: datetime | None = None, now: datetime | None = None
) -> Mapping[str, pl.DataFrame]:
    """Return the tables when every row of them keeps the contract.

    Raises:
        DataError: a whole table or any single row is at fault; the message names the first.
    """
    return sift(extracts, as_of=as_of, now=now, strict=True).tables


def _read(table: Table, extract: Extract) -> _Reading:
    frame, place = extract.frame.drop(DERIVED, strict=False), extract.prefix
    for name in table.required:
        if name not in frame.columns:
            raise DataError.missing_column(table.name, name, frame.columns, extract.place)
    if table.points_at and not set(table.points_at) & set(frame.columns):
        raise DataError.missing_column(table.name, " or ".join(table.points_at), frame.columns, extract.place)
    if frame.is_empty():
        raise DataError(f"{place}table {table.name!r} has no rows; mend the extract, or leave the table out.")
    rows = extract.rows if extract.rows is not None else pl.int_range(1, frame.height + 1, eager=True)
    faults = Faults(table.name, rows.cast(pl.Int64))
    grains: dict[str, Grain] = {}
    for column in (c for c in table if c.name in frame.columns):
        raw = frame[column.name]
        try:
            parsed = parse(column, raw, extract.clock)
        except Unreadable as problem:
            raise DataError(f"{place}table {table.name!r}, column {column.name!r} {problem}.") from None
        faults.add(parsed.bad, column.name, f"is no {_WORDS.get(column.kind, 'value')}", raw)
        frame = frame.with_columns(parsed.values.alias(column.name))
        grains[column.name] = parsed.grain or Grain.INSTANT
        _check_values(column, frame[column.name], parsed.bad, faults)
    faults.keys = frame[table.id]
    if table.points_at:
        empty = pl.Series([True]).new_from_index(0, frame.height)
        for name in set(table.points_at) & set(frame.columns):
            empty &= frame[name].is_null()
        faults.add(empty, table.points_at[0], f"is missing, and so is {' and '.join(table.points_at[1:])}")
    return _Reading(table, extract, frame, grains, faults)


_WORDS = {Kind.NUMBER: "number", Kind.FLAG: "yes or no", Kind.TIME: "time that can be read", Kind.SCOPE: "scope"}


def _check_values(column: Column, values: pl.Series, bad: pl.Series, faults: Faults) -> None:
    if column.required:
        faults.add(values.is_null() & ~bad, column.name, "is missing")
    if column.values:
        unknown = ~values.is_in(column.values) & values.is_not_null()
        distinct = values.filter(unknown).unique().sort()
        if len(distinct) > HINTED:
            faults.add(unknown, column.name, f"is unknown{did_you_mean('', column.values)}", values)
        else:
            for value in distinct:
                hint = did_you_mean(value, column.values)
                faults.add(values.eq_missing(value), column.name, f"{value!r} is unknown{hint}")
    if column.lo is not None:
        below = values <= column.lo if column.above else values < column.lo
        outside = below | (values > column.hi) if column.hi is not None else below
        faults.add(outside.fill_null(False), column.name, f"lies outside {column.range}", values)


def _check_horizon(readings: Mapping[str, _Reading], as_of: datetime | None, now: datetime | None) -> None:
    span: Horizon | None = horizon([r.frame[r.table.time] for r in readings.values()], as_of=as_of, now=now)
    if span is None:
        return
    for reading in readings.values():
        for column in (c.name for c in reading.table if c.kind is Kind.TIME and c.name in reading.frame.columns):
            times = reading.frame[column]
            late, early = (times > span.last).fill_null(False), (times < span.first).fill_null(False)
            reading.faults.add(late, column, f"lies in the future, after {span.why}", times)
            reading.faults.add(early, column, "lies decades before the rest of the record", times)


ORDER = {
    "violations": (("decided_at", "reversed_at"), ("decided_at", "corrected_at")),
    "appeals": (("filed_at", "decided_at"),),
}
"""What cannot come before what, within a table."""


def _check_order(reading: _Reading) -> None:
    for first, then in ORDER.get(reading.table.name, ()):
        if then in reading.frame.columns:
            grain = max(reading.grains[first], reading.grains[then], key=lambda g: g.coarseness)
            before = reading.frame[then] < cut(reading.frame[first], grain, reading.extract.clock.reporting)
            reading.faults.add(before.fill_null(False), then, f"lies before {first}", reading.frame[then])


def _check_duplicates(reading: _Reading) -> None:
    """The first good row of an id stays; the later ones are rejected."""
    key = [c for c in (reading.table.key or (reading.table.id,)) if c in reading.frame.columns]
    good = reading.good.select(key).with_columns(seat=reading.faults.seats.filter(~reading.faults.mask))
    again = good.filter(~pl.struct(key).is_first_distinct())["seat"]
    mask = reading.faults.seats.is_in(again.implode()) & reading.frame[reading.table.id].is_not_null()
    reading.faults.add(mask, reading.table.id, "is a duplicate", reading.frame[reading.table.id])


def _check_pointers(readings: Mapping[str, _Reading]) -> None:
    """Rows that point at a violation or case which is not there, or not there any more."""
    violations = readings.get("violations")
    if violations is None:
        return
    kept, fallen = _ids(violations, "violation_id")
    for name in ("assessments", "appeals", "signals"):
        if name in readings and "violation_id" in readings[name].frame.columns:
            _check_pointer(readings[name], "violation_id", kept, fallen)
    if "appeals" in readings:
        _check_filed(readings["appeals"], violations)
    if "audits" not in readings:
        return
    audits = readings["audits"]
    if "violation_id" in audits.frame.columns:
        _check_pointer(audits, "violation_id", kept, fallen)
    if "case_id" in audits.frame.columns:
        for other in ("violations", "assessments"):
            if other in readings and "case_id" in readings[other].frame.columns:
                more, less = _ids(readings[other], "case_id")
                kept, fallen = pl.concat([kept, more]), pl.concat([fallen, less])
        _check_pointer(audits, "case_id", kept, fallen)


def _ids(reading: _Reading, column: str) -> tuple[pl.Series, pl.Series]:
    ids = reading.frame[column].rename("id")
    return ids.filter(~reading.faults.mask).drop_nulls(), ids.filter(reading.faults.mask).drop_nulls()


def _check_pointer(reading: _Reading, column: str, kept: pl.Series, fallen: pl.Series) -> None:
    target = "case" if column == "case_id" else "violation"
    ids = reading.frame[column]
    lost = ids.is_not_null() & ~ids.is_in(kept.implode())
    if not lost.any():
        return
    cascade = lost & ids.is_in(fallen.implode())
    reading.faults.add(cascade, column, f"names a {target} that was itself rejected", ids, cascade=True)
    reading.faults.add(lost & ~cascade, column, f"names a {target} that is not in the record", ids)


def _check_filed(appeals: _Reading, violations: _Reading) -> None:
    grain = max(appeals.grains["filed_at"], violations.grains["decided_at"], key=lambda g: g.coarseness)
    zone = appeals.extract.clock.reporting
    decided = violations.good.select("violation_id", decision=cut(violations.good["decided_at"], grain, zone))
    decision = appeals.frame.select("violation_id").join(decided, on="violation_id", how="left", maintain_order="left")[
        "decision"
    ]
    filed = appeals.frame["filed_at"]
    early = (filed < decision).fill_null(False)
    appeals.faults.add(early, "filed_at", "lies before the decision that it appeals", filed)


def _check_share(reading: _Reading, strict: bool) -> None:
    faults = reading.faults
    if not faults.mask.any():
        return
    if strict:
        raise DataError(f"{reading.extract.prefix}table {reading.table.name!r}, {faults.first()}; mend the extract.")
    count, total = faults.own, reading.frame.height
    if count > TOLERATED * total:
        raise DataError(
            f"{reading.extract.prefix}table {reading.table.name!r}: {count} of {total} rows break the contract, more "
            f"than {TOLERATED:.0%}; mend the extract, most often: {faults.commonest()}."
        )
