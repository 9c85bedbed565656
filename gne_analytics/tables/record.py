"""The record: every table sifted and typed, with the calendar, the folds, the roles and what they switch on."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from gne_analytics.errors import DataError, did_you_mean
from gne_analytics.tables.capabilities import Capability, capabilities
from gne_analytics.tables.contract import TABLES, Grain, Kind, Role
from gne_analytics.tables.derived import with_calendar, with_folds
from gne_analytics.tables.extras import settle_extras
from gne_analytics.tables.parsing import Clock, as_text
from gne_analytics.tables.reading import hash_frame
from gne_analytics.tables.sift import Extract, Sifted, sift


@dataclass(frozen=True, eq=False)
class Record:
    """What happened: the six tables, each sorted by time and id; an absent table is empty, with the contract's columns.

    An optional column that the source lacks is absent from its frame.
    """

    name: str
    violations: pl.DataFrame = field(repr=False)
    appeals: pl.DataFrame = field(repr=False)
    assessments: pl.DataFrame = field(repr=False)
    audits: pl.DataFrame = field(repr=False)
    signals: pl.DataFrame = field(repr=False)
    changes: pl.DataFrame = field(repr=False)
    roles: dict[str, dict[str, Role]] = field(repr=False)
    """Table -> column -> role, for the columns that are there."""
    unit: str | None
    as_of: datetime
    """The last event of the record (UTC), never the clock."""
    timezone: str
    """The reporting time zone, in which days, weeks and months begin."""
    grain: dict[str, Grain] = field(repr=False)
    rejects: pl.DataFrame = field(repr=False)
    capabilities: tuple[Capability, ...] = field(repr=False)
    source_hash: str
    """Hash of the inputs: bytes of the files, or the content of the frames."""
    policies: Path | None = None
    """The policy set that the source names."""

    def table(self, name: str) -> pl.DataFrame:
        """A table by name."""
        if name not in TABLES:
            raise DataError(f"There is no table {name!r} in the contract{did_you_mean(name, TABLES)}.")
        frame: pl.DataFrame = getattr(self, name)
        return frame

    def has(self, table: str) -> bool:
        """Whether the source holds any row of the table."""
        return not self.table(table).is_empty()

    def dims(self, table: str) -> list[str]:
        """The dimension columns of a table that are there and not always null, in the frame's order."""
        frame, roles = self.table(table), self.roles.get(table, {})
        return [c for c in frame.columns if roles.get(c) is Role.DIMENSION and frame[c].null_count() < frame.height]

    def empty_columns(self) -> list[str]:
        """The columns, as ``table.column``, that are there and null in every row."""
        named = [(n, c, self.table(n)[c]) for n in TABLES if self.has(n) for c in self.roles.get(n, {})]
        return [f"{n}.{c}" for n, c, column in named if len(column) and column.null_count() == len(column)]

    def can(self, capability: str) -> bool:
        """Whether a capability is on."""
        return any(c.on for c in self.capabilities if c.name == capability)

    def summary(self) -> str:
        """What the record holds, in plain lines."""
        rows = [f"{n}: {self.table(n).height:,} rows" for n in TABLES if self.has(n)]
        off = [str(c) for c in self.capabilities if not c.on]
        return "\n".join(
            [
                f"{self.name}, as of {self.as_of:%Y-%m-%d}, unit {self.unit or 'none'}",
                *rows,
                f"rejected: {self.rejects.height:,} rows",
                *off,
            ]
        )

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.summary())}</pre>"


def record_from_frames(
    tables: Mapping[str, pl.DataFrame],
    *,
    unit: str | None = "seller_id",
    timezone: str = "UTC",
    strict: bool = False,
    as_of: datetime | None = None,
    grain: Mapping[str, Grain] | None = None,
    roles: Mapping[str, Mapping[str, Role]] | None = None,
    name: str = "frames",
) -> Record:
    """Sift frames in memory into a record; the same path that files take.

    Args:
        tables: table name -> frame; an empty frame is an absent table, save violations.
        unit: the column of violations whose rows are not independent; ``seller_id`` is dropped silently where absent.
        timezone: the reporting zone, in which times without a zone are read too.
        strict: raise when any row is rejected.
        as_of: the end of the record; the last event where None.
        grain: table -> how fine its times are; found from the data where not given.
        roles: table -> column -> role, over the contract's.
        name: what the record is called.

    Raises:
        DataError: a whole table is at fault (see ``sift``), or there are no violations.

    Example:
        >>> rows = {"violation_id": ["V1"], "decided_at": ["2026-03-04T10:00:00Z"], "policy_id": ["counterfeit"]}
        >>> record_from_frames({"violations": pl.DataFrame(rows)}).violations["event_week"].item()
        datetime.date(2026, 3, 2)
    """
    check_zone(timezone)
    grains = grain or {}
    extracts = {
        table: Extract(frame, clock=Clock(timezone, timezone, grains.get(table)))
        for table, frame in tables.items()
        if table == "violations" or not frame.is_empty()
    }
    if as_of is not None:
        as_of = (as_of if as_of.tzinfo else as_of.replace(tzinfo=ZoneInfo(timezone))).astimezone(UTC)
    sifted = sift(extracts, as_of=as_of, strict=strict)
    unit = default_unit(sifted.tables) if unit == "seller_id" else unit
    return build_record(sifted, unit=unit, timezone=timezone, roles=roles or {}, name=name, as_of=as_of)


def build_record(
    sifted: Sifted,
    *,
    unit: str | None,
    timezone: str,
    roles: Mapping[str, Mapping[str, Role]],
    name: str,
    as_of: datetime | None = None,
    source_hash: str | None = None,
    policies: Path | None = None,
) -> Record:
    """Derive calendar, folds, roles and capabilities of sifted tables."""
    if "violations" not in sifted.tables:
        raise DataError("The source has no table 'violations'; every record needs one.")
    if unit is not None and unit not in sifted.tables["violations"].columns:
        raise DataError.missing_column("violations", unit, sifted.tables["violations"].columns, "unit")
    frames: dict[str, pl.DataFrame] = {}
    settled: dict[str, dict[str, Role]] = {}
    for table, frame in sifted.tables.items():
        repeated = sifted.tables["violations"].columns if table == "appeals" else ()
        frame, found = settle_extras(TABLES[table], frame, roles.get(table, {}), repeated)
        frame = with_calendar(frame, TABLES[table].time, sifted.grain[table], timezone)
        if unit is not None and unit in frame.columns:
            frame = with_folds(frame.with_columns(as_text(frame[unit]).alias(unit)), unit)
            found[unit] = Role.UNIT
        frames[table], settled[table] = frame, found
    return Record(
        name=name,
        **{table: frames.get(table, TABLES[table].empty()) for table in TABLES},
        roles=settled,
        unit=unit,
        as_of=as_of or _last_event(frames),
        timezone=timezone,
        grain=dict(sifted.grain),
        rejects=sifted.rejects,
        capabilities=capabilities(frames, unit=unit, grain=sifted.grain),
        source_hash=source_hash or _content_hash(frames),
        policies=policies,
    )


def default_unit(tables: Mapping[str, pl.DataFrame]) -> str | None:
    """``seller_id`` where violations has it."""
    return "seller_id" if "violations" in tables and "seller_id" in tables["violations"].columns else None


def _last_event(frames: Mapping[str, pl.DataFrame]) -> datetime:
    last = [
        frame[c.name].max()
        for table, frame in frames.items()
        for c in TABLES[table]
        if c.kind is Kind.TIME and c.name in frame.columns
    ]
    return max(t for t in last if isinstance(t, datetime))


def _content_hash(frames: Mapping[str, pl.DataFrame]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for table in sorted(frames):
        digest.update(table.encode())
        digest.update(hash_frame(frames[table]))
    return digest.hexdigest()


def check_zone(timezone: str) -> None:
    """Raise a DataError when a time zone is unknown."""
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise DataError(f"Time zone {timezone!r} is unknown; name one such as Asia/Singapore or UTC.") from None


def appealed(record: Record) -> pl.DataFrame:
    """Every appeal beside the violation that it appeals.

    One row per appeal, in the order of the appeals. The appeals' columns carry the prefix ``appeal_`` (``appeal_id``
    stays as it is), ``violation_id`` is shared, every other column is the violation's.
    """
    names = {c: c if c.startswith("appeal_") else f"appeal_{c}" for c in record.appeals.columns if c != "violation_id"}
    appeals = record.appeals.rename(names)
    clashing = [c for c in record.violations.columns if c in set(names.values())]
    violations = record.violations.drop(clashing)
    return appeals.join(violations, on="violation_id", how="inner", maintain_order="left")
