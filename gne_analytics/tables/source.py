"""source.yaml: any user's files, mapped to the contract without code.

A source is a YAML file, or a folder that holds a ``source.yaml``, or a folder of files named after the tables
(``violations.parquet``, ``appeals.csv``). ``source.example.yaml`` beside this module shows every key with a comment;
``source_schema()`` gives the JSON Schema.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import polars as pl
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from gne_analytics.errors import DataError, PolicyError, did_you_mean
from gne_analytics.tables.contract import TABLES, Grain, Role
from gne_analytics.tables.mapping import NULL, map_columns
from gne_analytics.tables.parsing import Clock
from gne_analytics.tables.reading import SUFFIXES, hash_files, matching, numbers_and_flags, read_file, read_query
from gne_analytics.tables.record import Record, build_record, check_zone, default_unit
from gne_analytics.tables.sift import Extract, sift
from gne_analytics.tables.yamlfile import load_yaml, one_sentence

Scalar = str | bool | int | float
_STRICT = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, use_attribute_docstrings=True)


def _map_key(key: object) -> str:
    if key is None:
        return NULL
    return str(key).lower() if isinstance(key, bool) else str(key)


def _texts(mapping: object) -> object:
    if not isinstance(mapping, dict):
        return mapping
    return {_map_key(k): None if v is None else _map_key(v) for k, v in mapping.items()}


class ColumnSource(BaseModel):
    """Where a column's values come from: a column of the file, a constant, or the row's number."""

    model_config = _STRICT

    from_: str | None = Field(None, alias="from")
    """The file's column; the same name where left out."""
    const: Scalar | None = None
    """One value for every row."""
    map: Annotated[dict[str, str | None], BeforeValidator(_texts)] | None = None
    """File value -> contract value, as text (true, 1 and 1.0 are read as they are written); the key null is a missing
    value; what is not listed stays as it is."""
    default: str | None = None
    """With map: the value for everything that is not listed."""
    format: str | None = None
    """How a text tells time, in strptime's letters (``%d/%m/%Y %H:%M``), or epoch_s, epoch_ms, epoch_us."""
    row_id: Literal[True] | None = None
    """The number of the row in its file, from 1; the same for every table that the file feeds."""

    @property
    def has_const(self) -> bool:
        """Whether a constant is given, null included."""
        return "const" in self.model_fields_set

    @model_validator(mode="after")
    def _one_origin(self) -> "ColumnSource":
        origins = [bool(self.from_ or self.map or self.format), self.has_const, bool(self.row_id)]
        if sum(origins) != 1:
            raise ValueError("needs exactly one of from (with map or format), const, row_id")
        if self.default is not None and self.map is None:
            raise ValueError("has a default without a map")
        return self


class Query(BaseModel):
    """A DuckDB query as a source of rows."""

    model_config = _STRICT

    query: str
    """One SELECT; files in it are found relative to the source."""
    database: str | None = None
    """A DuckDB database file, opened read-only; none for a query over files."""


class TableSource(BaseModel):
    """One table: its rows, their filter, and what the columns mean."""

    model_config = _STRICT

    from_: str | Query = Field(alias="from")
    """A parquet, csv, tsv or ndjson file (a pattern reads several), or a query."""
    where: str | None = None
    """A predicate over the file's columns; rows that it does not hold for are not part of the table."""
    columns: dict[str, str | ColumnSource] = Field(default_factory=dict)
    """Contract column (or a dimension of one's own) -> where it comes from. Columns of the file that are not named
    come in under their own names."""
    roles: dict[str, Role] = Field(default_factory=dict)
    """Column -> role, over the contract's and over what is guessed of other columns."""
    grain: Grain | None = None
    """How fine the times are; found from the data where not given."""
    timezone: str | None = None
    """The zone of times that name none."""

    def column_sources(self) -> dict[str, ColumnSource]:
        """The declared columns, each written out."""
        return {n: ColumnSource(from_=c) if isinstance(c, str) else c for n, c in self.columns.items()}

    def place(self) -> str:
        """What messages call the rows."""
        return self.from_ if isinstance(self.from_, str) else "query"


class Source(BaseModel):
    """A source.yaml."""

    model_config = _STRICT

    name: str | None = None
    """What the record is called; the folder's name where not given."""
    reporting_timezone: str = "UTC"
    """The zone in which days, weeks and months begin."""
    unit: str | None = "seller_id"
    """The column of violations whose rows are not independent; null for none."""
    as_of: datetime | date | None = None
    """When the extract was made; rows later than that are faults. The last event where not given."""
    policies: str | None = None
    """The folder of the policy set."""
    tables: dict[str, TableSource]
    """Contract table -> where it comes from."""


_MODELS: Mapping[str, type[BaseModel]] = {m.__name__: m for m in (Source, TableSource, ColumnSource, Query)}


def source_schema() -> dict[str, object]:
    """The JSON Schema of source.yaml."""
    return Source.model_json_schema(by_alias=True)


def open_source(path: str | Path, *, strict: bool = False, now: datetime | None = None) -> Record:
    """Open a source: read its files, map them to the contract, sift the rows, derive the calendar and the folds.

    Args:
        path: a source.yaml, a folder that holds one, or a folder of files named after the tables.
        strict: raise when any row is rejected.
        now: the moment of reading, used only to tell a date in the future; the clock where None.

    Raises:
        DataError: a file, a column, a key or a whole table is at fault; one sentence says where and what to do.
    """
    folder, source, text = _load(Path(path))
    check_zone(source.reporting_timezone)
    as_of = _end(source)
    sifted = sift(_extracts(folder, source), as_of=as_of, now=now or datetime.now(UTC), strict=strict)
    stated = "unit" in source.model_fields_set
    return build_record(
        sifted,
        unit=source.unit if stated else default_unit(sifted.tables),
        timezone=source.reporting_timezone,
        roles={name: table.roles for name, table in source.tables.items()},
        name=source.name or folder.resolve().name,
        as_of=as_of,
        source_hash=hash_files(_files(folder, source), text),
        policies=_at(folder, source.policies) if source.policies else None,
    )


def load_source(path: str | Path) -> Source:
    """Read and check a source.yaml, or what a folder of files named after the tables amounts to, and open nothing.

    Raises:
        DataError: there is no such source, or a key of it is at fault.
    """
    return _load(Path(path))[1]


def _load(path: Path) -> tuple[Path, Source, bytes]:
    if path.is_dir():
        inside = next((path / n for n in ("source.yaml", "source.yml") if (path / n).is_file()), None)
        if inside is None:
            source = _by_convention(path)
            return path, source, source.model_dump_json(by_alias=True).encode()
        path = inside
    if not path.is_file():
        raise DataError(f"There is no source at {path}; name a source.yaml, or a folder that holds one.")
    data = path.read_bytes()
    try:
        document = load_yaml(data.decode("utf-8-sig"), path.name)
    except UnicodeDecodeError:
        raise DataError(
            f"{path.name} is not UTF-8 text; a source is a YAML file or the folder that holds it."
        ) from None
    try:
        source = Source.model_validate(document)
    except ValidationError as problem:
        raise one_sentence(problem, path.name, _MODELS) from None
    for name in source.tables:
        if name not in TABLES:
            raise DataError(f"{path.name}, tables.{name} is no table of the contract{did_you_mean(name, TABLES)}.")
    return path.parent, source, data


def _by_convention(folder: Path) -> Source:
    found = {}
    for table in TABLES:
        files = [f"{table}{suffix}" for suffix in SUFFIXES if (folder / f"{table}{suffix}").is_file()]
        if len(files) > 1:
            raise DataError(f"{folder} holds {' and '.join(files)}; keep one, or say which in a source.yaml.")
        if files:
            found[table] = TableSource.model_validate({"from": files[0]})
    if not found:
        raise DataError(
            f"{folder} holds neither a source.yaml nor a file such as violations.parquet; write a source.yaml."
        )
    return Source(tables=found)


def _at(folder: Path, path: str) -> Path:
    return folder / Path(path).expanduser()


def _end(source: Source) -> datetime | None:
    """The end of the record in UTC: a date stands for its last microsecond in the reporting zone."""
    zone, end = ZoneInfo(source.reporting_timezone), source.as_of
    if end is None:
        return None
    if not isinstance(end, datetime):
        end = datetime.combine(end + timedelta(days=1), time(), zone) - timedelta(microseconds=1)
    return (end if end.tzinfo else end.replace(tzinfo=zone)).astimezone(UTC)


def _files(folder: Path, source: Source) -> list[Path]:
    files: set[Path] = set()
    for table in source.tables.values():
        if isinstance(table.from_, str):
            files.update(matching(_at(folder, table.from_), table.from_))
        elif table.from_.database:
            files.add(_at(folder, table.from_.database))
    return sorted(files)


def _extracts(folder: Path, source: Source) -> dict[str, Extract]:
    raw: dict[str, pl.DataFrame] = {}
    extracts = {}
    for name in (t for t in TABLES if t in source.tables):
        table = source.tables[name]
        key = _origin(table)
        if key not in raw:
            raw[key] = _rows(folder, table)
        sharing = {n: t for n, t in source.tables.items() if _origin(t) == key}
        clock = Clock(source.reporting_timezone, table.timezone, table.grain)
        if table.timezone:
            check_zone(table.timezone)
        extracts[name] = _extract(name, table, raw[key], sharing, clock)
    return extracts


def _origin(table: TableSource) -> str:
    return table.from_ if isinstance(table.from_, str) else f"{table.from_.database} {table.from_.query}"


def _rows(folder: Path, table: TableSource) -> pl.DataFrame:
    if isinstance(table.from_, str):
        return read_file(_at(folder, table.from_), table.from_)
    database = _at(folder, table.from_.database) if table.from_.database else None
    return read_query(table.from_.query, database, folder)


def _extract(
    name: str, table: TableSource, raw: pl.DataFrame, sharing: Mapping[str, TableSource], clock: Clock
) -> Extract:
    rows = pl.int_range(1, raw.height + 1, eager=True)
    if table.where is not None:
        kept = _where(raw, table.where, f"{table.place()}, where of table {name!r}")
        raw, rows = raw.filter(kept), rows.filter(kept)
    mapped = map_columns(raw, rows, table.column_sources(), name, table.place())
    own = own_columns(name, raw.columns, sharing)
    extras = [c for c in own if c not in TABLES[name].columns]
    frame = pl.concat([mapped, numbers_and_flags(raw.select(own), extras)], how="horizontal")
    return Extract(frame, raw, rows, table.place(), clock)


def _where(raw: pl.DataFrame, text: str, place: str) -> pl.Series:
    from gne_analytics.policy.predicates import compile as compile_predicate

    try:
        typed = numbers_and_flags(raw, compile_predicate(text, raw.columns).columns)
        return compile_predicate(text, typed.schema).mask(typed)
    except PolicyError as problem:
        raise DataError(f"{place}: {problem}") from None


def own_columns(name: str, columns: Sequence[str], sharing: Mapping[str, TableSource]) -> list[str]:
    """Which undeclared columns of a file come into a table under their own names.

    A column that any table of the file names under ``columns`` is spoken for. The others: a column of this table's
    contract comes in (into appeals from a shared file only if it is required or an id, since appeals are joined to
    violations). A column outside every contract of the file goes to the first table of the file, and to assessments.
    """
    spoken = {c.from_ or n for t in sharing.values() for n, c in t.column_sources().items() if not c.has_const}
    declared = set(sharing[name].columns)
    first = next(t for t in TABLES if t in sharing)
    contracts = {c for t in sharing for c in TABLES[t].columns}
    elsewhere = {c for t in sharing if t != name for c in TABLES[t].columns}
    own = []
    for column in columns:
        if column in spoken or column in declared:
            continue
        known = TABLES[name].columns.get(column)
        if known is None:
            if column not in contracts and name in (first, "assessments"):
                own.append(column)
        elif name != "appeals" or known.required or known.role is Role.ID or column not in elsewhere:
            own.append(column)
    return own
