"""The model of source.yaml: every key, with its meaning; the JSON Schema comes from here."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from gne_analytics.tables.contract import Grain, Role

NULL = "null"
"""The key of ``map`` that stands for a missing value."""
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


def _dated(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value


class ColumnSource(BaseModel):
    """Where a column's values come from: a column of the file, a constant, or the row's number."""

    model_config = _STRICT

    from_: str | None = Field(None, alias="from")
    """The file's column; the same name where left out."""
    const: Annotated[Scalar | None, BeforeValidator(_dated)] = None
    """One value for every row."""
    map: (
        Annotated[dict[str, str | None], BeforeValidator(_texts, json_schema_input_type=dict[str, Scalar | None])]
        | None
    ) = None
    """File value -> contract value, as text (true, 1 and 1.0 are read as they are written); the key null is a missing
    value; what is not listed stays as it is."""
    default: Annotated[str, BeforeValidator(_map_key, json_schema_input_type=Scalar)] | None = None
    """With map: the value for everything that is not listed."""
    format: str | None = None
    """How a text tells time, in strptime's letters (``%d/%m/%Y %H:%M``), or epoch_s, epoch_ms, epoch_us."""
    row_id: Literal[True] | None = None
    """The number of the row in its file, from 1; the same for every table that the file feeds."""

    @property
    def has_const(self) -> bool:
        """Whether a constant is given, null included."""
        return "const" in self.model_fields_set

    @property
    def reads_file(self) -> bool:
        """Whether a column of the file is read."""
        return not self.has_const and not self.row_id

    @model_validator(mode="after")
    def _one_origin(self) -> "ColumnSource":
        origins = [bool(self.from_ or self.map or self.format), self.has_const, bool(self.row_id)]
        if sum(origins) != 1:
            raise ValueError("needs exactly one of from (with map or format), const, row_id")
        if self.default is not None and self.map is None:
            raise ValueError("has a default without a map")
        return self


def _shorthand(column: object) -> object:
    return {"from": column} if isinstance(column, str) else column


Column = Annotated[ColumnSource, BeforeValidator(_shorthand, json_schema_input_type=str | ColumnSource)]
"""A column's source; a bare name is the file's column of that name."""


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
    """A predicate over the file's columns; rows that it does not hold for are not part of the record, nor are the
    appeals, audits and signals that name them."""
    columns: dict[str, Column] = Field(default_factory=dict)
    """Contract column (or a dimension of one's own) -> where it comes from. Columns of the file that are not named
    come in under their own names."""
    roles: dict[str, Role] = Field(default_factory=dict)
    """Column -> role, over the contract's and over what is guessed of other columns: a number with many values, say, is
    ignored unless it is declared a dimension here."""
    grain: Grain | None = None
    """How fine the times are; found from the data where not given."""
    timezone: str | None = None
    """The zone of times that name none."""

    @property
    def place(self) -> str:
        """What messages call the rows."""
        return self.from_ if isinstance(self.from_, str) else "query"

    @property
    def origin(self) -> str:
        """The same for tables that one file or query feeds."""
        return self.from_ if isinstance(self.from_, str) else f"{self.from_.database}: {self.from_.query}"


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


def model_at(key: Sequence[str]) -> type[BaseModel]:
    """The model that holds a key of source.yaml, given as its path."""
    if len(key) == 1:
        return Source
    if "columns" in key[2:3] and len(key) > 4:
        return ColumnSource
    return Query if "from" in key[2:3] else TableSource


def source_schema() -> dict[str, object]:
    """The JSON Schema of source.yaml."""
    return Source.model_json_schema(by_alias=True)
