"""Read a file or a query as it stands: parquet, csv, ndjson, or what DuckDB answers, and hash what was read."""

import csv
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import polars as pl
import polars.selectors as cs

from gne_analytics.errors import DataError

SUFFIXES = (".parquet", ".csv", ".csv.gz", ".tsv", ".ndjson", ".jsonl")
_LEADING_ZERO = r"^[+-]?0\d"


def read_file(path: Path, shown: str) -> pl.DataFrame:
    """Read a file by its suffix; csv values stay text, so that ids keep their leading zeros.

    Args:
        path: the file; a pattern such as ``days/*.parquet`` reads all that match, in the order of their names.
        shown: how messages name it.

    Raises:
        DataError: the file is missing, of another format, or cannot be read.
    """
    frames = [_read_one(p, shown if len(files) == 1 else p.name) for files in [matching(path, shown)] for p in files]
    return frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal_relaxed")


def matching(path: Path, shown: str) -> list[Path]:
    """The files that a path or a pattern stands for."""
    files = sorted(path.parent.glob(path.name)) if any(c in path.name for c in "*?[") else [path]
    if not files or not files[0].is_file():
        beside = ", ".join(sorted(p.name for p in path.parent.glob("*") if p.name.endswith(SUFFIXES))[:12])
        there = f"{path.parent} holds {beside or 'no table'}" if path.parent.is_dir() else f"no folder {path.parent}"
        raise DataError(f"There is no file {shown}; {there}. Mend `from` in the source.")
    return files


def _read_one(path: Path, shown: str) -> pl.DataFrame:
    name = path.name.lower()
    if not name.endswith(SUFFIXES):
        raise DataError(f"{shown} has no known suffix; known are {', '.join(SUFFIXES)}.")
    if path.stat().st_size == 0:
        raise DataError(f"{shown} is empty; mend the extract, or leave the table out.")
    try:
        if name.endswith(".parquet"):
            return pl.read_parquet(path)
        if name.endswith((".ndjson", ".jsonl")):
            return pl.read_ndjson(path, infer_schema_length=None)
        separator = "\t" if name.endswith(".tsv") else ","
        frame = pl.read_csv(path, infer_schema=False, separator=separator)
    except (pl.exceptions.PolarsError, OSError, ValueError) as problem:
        faults = {".csv": _fault_of_csv, ".tsv": _fault_of_csv, ".ndjson": _fault_of_json, ".jsonl": _fault_of_json}
        cause = faults[path.suffix.lower()](path) if path.suffix.lower() in faults else None
        cause = cause or str(problem).strip().splitlines()[0][:200].rstrip(".")
        raise DataError(f"{shown} cannot be read: {cause}. Write the file again.") from None
    if any("\0" in column for column in frame.columns):
        raise DataError(f"{shown} cannot be read: it is not UTF-8 text. Write the file again.")
    return frame


def _fault_of_json(path: Path) -> str | None:
    """Which line of an ndjson file is no JSON object."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            try:
                if line.strip() and not isinstance(json.loads(line), dict):
                    return f"line {number} is no JSON object"
            except (json.JSONDecodeError, UnicodeDecodeError):
                return f"line {number} is no JSON"
    return None


def _fault_of_csv(path: Path) -> str | None:
    """What is wrong with a csv that Polars refused, in words that name the row."""
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.reader(stream, delimiter=delimiter)
            width = len(next(rows))
            for number, row in enumerate(rows, 1):
                if len(row) > width:
                    return f"row {number} has {len(row)} fields, the header {width}"
                if any("\n" in value for value in row) and len(row) < width:
                    return f"row {number} holds a quote that is never closed"
    except UnicodeDecodeError:
        return "it is not UTF-8 text"
    except csv.Error as problem:
        return str(problem)
    return None


def read_query(query: str, database: str | None, folder: Path) -> pl.DataFrame:
    """Ask DuckDB one SELECT, and put the answer in order, since a query promises none.

    A database is a DuckDB file, opened read-only; it and the files that the query names are found relative to folder.

    Raises:
        DataError: the query is not one SELECT, the database is missing or no DuckDB file, or DuckDB refuses.
    """
    import duckdb

    if database is not None and "://" in database:
        raise DataError(f"{database.split('://')[0]} databases cannot be read; write their tables to parquet files.")
    path = None if database is None else folder / Path(database).expanduser()
    if path is not None and not path.is_file():
        raise DataError(f"There is no database {database}; mend `database` in the source.")
    try:
        statements = duckdb.extract_statements(query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise DataError(f"The query {query[:60]!r} is not one SELECT; write one, or write its result to a file.")
        with duckdb.connect(str(path or ":memory:"), read_only=path is not None) as connection:
            for setting in ("autoinstall_known_extensions = false", "TimeZone = 'UTC'", "enable_progress_bar = false"):
                connection.execute(f"SET {setting}")
            connection.execute("SET file_search_path = $folder", {"folder": str(folder.resolve())})
            answer: pl.DataFrame = connection.sql(query).pl()
    except duckdb.Error as problem:
        cause = str(problem).strip().splitlines()[0][:200].rstrip(".")
        raise DataError(f"DuckDB cannot answer the query {query[:60]!r}: {cause}.") from None
    flat = [name for name, dtype in answer.schema.items() if not dtype.is_nested()]
    return answer.sort(flat, maintain_order=True) if flat else answer


def with_numbers(frame: pl.DataFrame, columns: Iterable[str]) -> pl.DataFrame:
    """Turn text columns that hold nothing but numbers into numbers; codes with leading zeros stay text."""
    for name in columns:
        if frame[name].dtype != pl.String:
            continue
        text = frame[name].drop_nulls()
        if text.is_empty() or text.str.contains(_LEADING_ZERO).any():
            continue
        for dtype in (pl.Int64, pl.Float64):
            if text.cast(dtype, strict=False).null_count() == 0:
                frame = frame.with_columns(pl.col(name).cast(dtype))
                break
    return frame


def hash_inputs(source: bytes, files: Iterable[Path], answers: Iterable[pl.DataFrame] = ()) -> str:
    """A hash over the source's text, the bytes of its files and the answers of its queries, in the order given."""
    digest = hashlib.blake2b(len(source).to_bytes(8, "big") + source, digest_size=16)
    for path in files:
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).digest())
    for answer in answers:
        digest.update(hash_frame(answer))
    return digest.hexdigest()


def hash_frame(frame: pl.DataFrame) -> bytes:
    """A hash over a frame's columns, types and values, the same however the frame lies in memory."""
    digest = hashlib.blake2b(repr(frame.schema).encode(), digest_size=16)
    digest.update(frame.with_columns(cs.binary().bin.encode("hex")).write_ndjson().encode())
    return digest.digest()
