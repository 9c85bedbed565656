"""Themes for a column of texts that lies on another engine: a batch at a time, where the rows are.

Nothing is fitted there: workers are sent the folder of a saved model, or the model itself.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, cast, overload

import narwhals as nw
import polars as pl
import pyarrow as pa

from gne_analytics.errors import DataError
from gne_analytics.metrics.engines import check_names
from gne_analytics.themes.assigning import BATCH, TOLD, themes_of
from gne_analytics.themes.embedders import Embedder
from gne_analytics.themes.model import ThemeModel, load, reader_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation
    from pyspark.sql import DataFrame as SparkFrame

_ONE_AT_A_TIME = Lock()
"""Polars may ask for two batches at once; embedders use all cores as it is, and not all may be asked twice."""
_ARROW = {"theme_id": pa.string(), "similarity": pa.float64(), "low_similarity": pa.bool_()}


@overload
def with_themes(
    frame: pl.DataFrame, model: ThemeModel | Path, *, text: str = ..., language: str | None = ...,
    embedder: Embedder | None = ..., cache_dir: Path | None = ..., guess: bool = ...,
) -> pl.DataFrame: ...  # fmt: skip
@overload
def with_themes(
    frame: pl.LazyFrame, model: ThemeModel | Path, *, text: str = ..., language: str | None = ...,
    embedder: Embedder | None = ..., cache_dir: Path | None = ..., guess: bool = ...,
) -> pl.LazyFrame: ...  # fmt: skip
@overload
def with_themes(
    frame: "DuckDBPyRelation", model: ThemeModel | Path, *, text: str = ..., language: str | None = ...,
    embedder: Embedder | None = ..., cache_dir: Path | None = ..., guess: bool = ...,
) -> pa.RecordBatchReader: ...  # fmt: skip
@overload
def with_themes(
    frame: "SparkFrame", model: ThemeModel | Path, *, text: str = ..., language: str | None = ...,
    embedder: Embedder | None = ..., cache_dir: Path | None = ..., guess: bool = ...,
) -> "SparkFrame": ...  # fmt: skip
def with_themes(
    frame: "pl.DataFrame | pl.LazyFrame | DuckDBPyRelation | SparkFrame",
    model: ThemeModel | Path,
    *,
    text: str = "text",
    language: str | None = None,
    embedder: Embedder | None = None,
    cache_dir: Path | None = None,
    guess: bool = False,
) -> "pl.DataFrame | pl.LazyFrame | pa.RecordBatchReader | SparkFrame":
    """Add theme_id, similarity and low_similarity to rows, each as `assign` tells them; memory holds a batch at a time.

    Folds and campaigns are told of many rows at once; where they are wanted, ask `assign`.

    Args:
        frame: of Polars, DuckDB or Spark (`mapInArrow`).
        model: the folder of a saved model, which every worker must reach, or a model, which is sent to them.
        text: the column of texts.
        language: the column of their languages; where none is named, ``language`` if the frame has one.
        embedder: that of the model, where it is not one by name; it is sent along.
        cache_dir: where embeddings are kept by content, on each worker.
        guess: as `assign` takes it.

    Returns:
        The frame's columns and three more, in the frame's order, of the frame's kind and as lazy as it is; of DuckDB,
        which cannot call back in batches, a reader of record batches that DuckDB and Polars take for a table.

    Raises:
        DataError: no such column, or not of texts; names that are taken; another embedder than the model's; another
            engine. Raised before anything runs.
    """
    rows = _narwhals(frame)
    language = _checked(rows, text, language)
    held = model if isinstance(model, ThemeModel) else load(model, cache_dir)
    reader_of(held, embedder)
    themed = _Themed(held, text, language, embedder, cache_dir, guess)
    if isinstance(frame, pl.DataFrame):
        return themed.polars(frame)
    if isinstance(frame, pl.LazyFrame):
        return frame.map_batches(themed.polars, schema={**frame.collect_schema(), **TOLD}, streamable=True)
    if rows.implementation.is_duckdb():
        return _reader(themed, cast("DuckDBPyRelation", frame).to_arrow_reader(BATCH))
    sent = _unbound(model) if isinstance(model, ThemeModel) else model
    return _spark(replace(themed, model=sent), cast("SparkFrame", frame))


def _narwhals(frame: object) -> "nw.LazyFrame[Any]":
    """The frame as narwhals sees it; what is of no engine known here is a DataError."""
    rows = nw.from_native(cast("Any", frame), pass_through=True)
    if isinstance(rows, nw.DataFrame | nw.LazyFrame):
        engine = rows.implementation
        if engine.is_polars() or engine.is_duckdb() or engine.is_pyspark() or engine.is_pyspark_connect():
            return rows.lazy()
    raise DataError(f"themes cannot be told of a {type(frame).__name__}; give a frame of Polars, DuckDB or Spark.")


def _checked(rows: "nw.LazyFrame[Any]", text: str, language: str | None) -> str | None:
    """Refuse what cannot be read on its engine, and return the column of languages."""
    schema = rows.collect_schema()
    if language is None and "language" in schema:
        language = "language"
    read = [text] if language is None else [text, language]
    check_names(rows, read, TOLD)
    for column in TOLD:
        if column in schema:
            raise DataError(f"The rows have a column {column!r} already; drop or rename it.")
    kinds = {text: (nw.String,), language: (nw.String, nw.Enum, nw.Categorical)}
    for column in read:
        if not isinstance(schema[column], kinds[column]) and not _empty(rows, column):
            raise DataError(f"Column {column!r} is {schema[column]}, not text; name a column of text.")
    return language


def _empty(rows: "nw.LazyFrame[Any]", column: str) -> bool:
    """Whether it is a column of nulls of Polars, a type that narwhals has no name for."""
    native = rows.to_native()
    return isinstance(native, pl.LazyFrame) and native.collect_schema()[column] == pl.Null


@dataclass(frozen=True)
class _Themed:
    """What is sent to a worker: plain data, from which the model and its embedder are made there."""

    model: ThemeModel | Path
    text: str
    language: str | None
    embedder: Embedder | None
    cache_dir: Path | None
    guess: bool

    def _open(self) -> tuple[ThemeModel, Embedder]:
        model = self.model if isinstance(self.model, ThemeModel) else load(self.model, self.cache_dir)
        return model, reader_of(model, self.embedder)

    def polars(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Add the columns to a frame."""
        model, reader = self._open()
        with _ONE_AT_A_TIME:
            parts = [self._told(model, reader, part) for part in frame.iter_slices(BATCH)]
        return frame.hstack(pl.concat(parts) if parts else pl.DataFrame(schema=TOLD))

    def arrow(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Add the columns to record batches; the model is opened once for all of them."""
        model, reader = self._open()
        for batch in batches:
            columns = list(batch.columns)
            read = {name: pl.Series(batch.column(name).to_pylist(), dtype=pl.String) for name in self._read}
            told = self._told(model, reader, pl.DataFrame(read))
            made = [told[name].to_arrow().cast(kind) for name, kind in _ARROW.items()]
            yield pa.RecordBatch.from_arrays([*columns, *made], names=[*batch.schema.names, *_ARROW])

    @property
    def _read(self) -> tuple[str, ...]:
        return (self.text,) if self.language is None else (self.text, self.language)

    def _told(self, model: ThemeModel, reader: Embedder, rows: pl.DataFrame) -> pl.DataFrame:
        languages = [None] * rows.height if self.language is None else rows[self.language].cast(pl.String).to_list()
        return themes_of(model, reader, rows[self.text].to_list(), languages, self.cache_dir, self.guess)


def _reader(themed: _Themed, rows: pa.RecordBatchReader) -> pa.RecordBatchReader:
    schema = pa.schema([*rows.schema, *(pa.field(name, kind) for name, kind in _ARROW.items())])
    return pa.RecordBatchReader.from_batches(schema, themed.arrow(rows))


def _unbound(model: ThemeModel) -> ThemeModel:
    """The model without the folder of this machine in which its embedder keeps vectors."""
    return model if model.auto is None else replace(model, auto=replace(model.auto, cache_dir=None))


def _spark(themed: _Themed, rows: "SparkFrame") -> "SparkFrame":
    from pyspark.sql.types import BooleanType, DoubleType, StringType, StructType

    schema = StructType(list(rows.schema.fields))
    for name, kind in zip(_ARROW, (StringType(), DoubleType(), BooleanType()), strict=True):
        schema = schema.add(name, kind)
    return rows.mapInArrow(themed.arrow, schema)
