"""source.yaml: any user's files, mapped to the contract without code.

A source is a YAML file, or a folder that holds a ``source.yaml``, or a folder of files named after the tables
(``violations.parquet``, ``appeals.csv``). ``source.example.yaml`` beside this module shows every key with a comment;
``source_schema()`` gives the JSON Schema.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
from pydantic import ValidationError

from gne_analytics.errors import DataError, PolicyError, did_you_mean
from gne_analytics.tables.contract import TABLES, Role
from gne_analytics.tables.mapping import map_columns
from gne_analytics.tables.parsing import Clock, as_text
from gne_analytics.tables.reading import SUFFIXES, hash_inputs, matching, read_file, read_query, with_numbers
from gne_analytics.tables.record import Record, build_record, check_zone, default_unit
from gne_analytics.tables.sift import Extract, sift
from gne_analytics.tables.source_model import Source, TableSource, model_at, source_schema
from gne_analytics.tables.yamlfile import load_yaml, one_sentence

__all__ = ["Source", "load_source", "open_source", "own_columns", "source_schema"]


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
    raw = _read_all(folder, source)
    sifted = sift(_extracts(source, raw), as_of=as_of, now=now or datetime.now(UTC), strict=strict)
    stated = "unit" in source.model_fields_set
    return build_record(
        sifted,
        unit=source.unit if stated else default_unit(sifted.tables),
        timezone=source.reporting_timezone,
        roles={name: table.roles for name, table in source.tables.items()},
        name=source.name or folder.resolve().name,
        as_of=as_of,
        source_hash=hash_inputs(text, _files(folder, source), _answers(source, raw)),
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
        raise one_sentence(problem, path.name, model_at) from None
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
    names = {t.from_ for t in source.tables.values() if isinstance(t.from_, str)}
    return [file for name in sorted(names) for file in matching(_at(folder, name), name)]


def _answers(source: Source, raw: Mapping[str, pl.DataFrame]) -> list[pl.DataFrame]:
    return [raw[o] for o in sorted({t.origin for t in source.tables.values() if not isinstance(t.from_, str)})]


def _read_all(folder: Path, source: Source) -> dict[str, pl.DataFrame]:
    """Every file and query once, however many tables it feeds."""
    return {table.origin: _rows(folder, table) for table in {t.origin: t for t in source.tables.values()}.values()}


def _rows(folder: Path, table: TableSource) -> pl.DataFrame:
    if isinstance(table.from_, str):
        return read_file(_at(folder, table.from_), table.from_)
    return read_query(table.from_.query, table.from_.database, folder)


def _extracts(source: Source, raw: Mapping[str, pl.DataFrame]) -> dict[str, Extract]:
    extracts: dict[str, Extract] = {}
    left_out = {"violation_id": pl.Series(dtype=pl.String), "case_id": pl.Series(dtype=pl.String)}
    for name in (t for t in TABLES if t in source.tables):
        table = source.tables[name]
        if table.timezone:
            check_zone(table.timezone)
        sharing = {n: t for n, t in source.tables.items() if t.origin == table.origin}
        extract = _extract(name, table, raw[table.origin], sharing, source.reporting_timezone)
        if table.where is not None:
            kept = _where(raw[table.origin], table.where, f"{table.place}, where of table {name!r}")
            if name in ("violations", "assessments"):
                left_out = _left_out(extract.frame, kept, left_out)
            extract = extract.filter(kept)
        if name not in ("violations", "assessments"):
            extract = extract.filter(_inside(extract.frame, left_out))
        extracts[name] = extract
    return extracts


def _extract(
    name: str, table: TableSource, raw: pl.DataFrame, sharing: Mapping[str, TableSource], zone: str
) -> Extract:
    rows = pl.int_range(1, raw.height + 1, eager=True)
    mapped = map_columns(raw, rows, table.columns, name, table.place)
    own = own_columns(name, raw.columns, sharing)
    extras = [c for c in own if c not in TABLES[name].columns]
    frame = pl.concat([mapped, with_numbers(raw.select(own), extras)], how="horizontal")
    return Extract(frame, raw, rows, table.place, Clock(zone, table.timezone, table.grain))


def _left_out(frame: pl.DataFrame, kept: pl.Series, before: Mapping[str, pl.Series]) -> dict[str, pl.Series]:
    """The ids that a ``where`` takes out of the record, and with them the appeals and audits that name them."""
    found = dict(before)
    for key in set(found) & set(frame.columns):
        ids = as_text(frame[key])
        gone = ids.filter(~kept)
        found[key] = pl.concat([found[key], gone.filter(~gone.is_in(ids.filter(kept).implode()))])
    return found


def _inside(frame: pl.DataFrame, left_out: Mapping[str, pl.Series]) -> pl.Series:
    outside = pl.repeat(False, frame.height, dtype=pl.Boolean, eager=True)
    for key in set(left_out) & set(frame.columns):
        outside |= as_text(frame[key]).is_in(left_out[key].implode()).fill_null(False)
    return ~outside


def _where(raw: pl.DataFrame, text: str, place: str) -> pl.Series:
    from gne_analytics.policy.predicates import compile as compile_predicate

    try:
        typed = with_numbers(raw, compile_predicate(text, raw.columns).columns)
        return compile_predicate(text, typed.schema).mask(typed)
    except PolicyError as problem:
        raise DataError(f"{place}: {problem}") from None


def own_columns(name: str, columns: Sequence[str], sharing: Mapping[str, TableSource]) -> list[str]:
    """Which undeclared columns of a file come into a table under their own names.

    A column that this table names under ``columns`` is spoken for. Of the others, a column of this table's contract
    comes in (into appeals from a shared file only if it is required or an id, since appeals are joined to violations).
    A column that no table of the file speaks for and no contract knows goes to the first table of the file, and to
    assessments.
    """
    told = {n: {c.from_ or target for target, c in t.columns.items() if c.reads_file} for n, t in sharing.items()}
    spoken = {column for columns_of in told.values() for column in columns_of}
    taken = told[name] | set(sharing[name].columns)
    first = next(t for t in TABLES if t in sharing)
    contracts = {c for t in sharing for c in TABLES[t].columns}
    elsewhere = {c for t in sharing if t != name for c in TABLES[t].columns}
    own = []
    for column in columns:
        if column in taken:
            continue
        known = TABLES[name].columns.get(column)
        if known is None:
            if column not in spoken | contracts and name in (first, "assessments"):
                own.append(column)
        elif name != "appeals" or known.required or known.role is Role.ID or column not in elsewhere:
            own.append(column)
    return own
