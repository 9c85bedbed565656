"""The data contract: every table, every column, its kind, role and range, stated once, as data.

A table has an id, a main time and few required columns; every other column unlocks a capability (``capabilities.py``).
A column outside the contract is welcome: it becomes a dimension unless the source gives it another role.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

import polars as pl


class Role(StrEnum):
    """What a column may be used for; search takes dimensions only, predicates only what was known at the decision."""

    ID = "id"
    TIME = "time"
    DIMENSION = "dimension"
    OUTCOME = "outcome"
    TEXT = "text"
    UNIT = "unit"
    """Rows of one unit are not independent: the seller, by default."""
    POST_DECISION = "post_decision"
    """Known only after the decision, so it explains nothing."""
    IGNORE = "ignore"


class Grain(StrEnum):
    """How finely a table tells time, from fine to coarse."""

    INSTANT = "instant"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"

    @property
    def coarseness(self) -> int:
        """0 for an instant, 4 for a year."""
        return list(Grain).index(self)


class Kind(StrEnum):
    """How a column's values are read."""

    TEXT = "text"
    CODE = "code"
    """One of a closed list of values."""
    NUMBER = "number"
    FLAG = "flag"
    TIME = "time"
    LIST = "list"
    """A list of texts; a JSON array or a comma-separated text is read too."""
    SCOPE = "scope"
    """Dimension -> values, kept as JSON text: ``{"market": ["ID"]}``."""


DTYPES: Mapping[Kind, pl.DataType] = MappingProxyType(
    {
        Kind.TEXT: pl.String(),
        Kind.CODE: pl.String(),
        Kind.NUMBER: pl.Float64(),
        Kind.FLAG: pl.Boolean(),
        Kind.TIME: pl.Datetime("us", "UTC"),
        Kind.LIST: pl.List(pl.String()),
        Kind.SCOPE: pl.String(),
    }
)
"""The Polars type in which each kind is held."""


@dataclass(frozen=True)
class Column:
    """One column of the contract."""

    name: str
    kind: Kind = Kind.TEXT
    role: Role = Role.DIMENSION
    required: bool = False
    values: tuple[str, ...] = ()
    lo: float | None = None
    hi: float | None = None
    above: bool = False
    """The lower end itself is not allowed: (0, 1]."""
    path: bool = False
    """A value holds all below it: ``beauty`` holds ``beauty/sun-care``."""

    @property
    def dtype(self) -> pl.DataType:
        """The Polars type in which the column is held."""
        return DTYPES[self.kind]

    @property
    def range(self) -> str:
        """The allowed range in words, e.g. ``(0, 1]``; empty when there is none."""
        if self.lo is None:
            return ""
        return f"{'(' if self.above else '['}{self.lo:g}, {'inf)' if self.hi is None else f'{self.hi:g}]'}"


@dataclass(frozen=True)
class Table:
    """One table of the contract: its columns by name, its key and its main time."""

    name: str
    id: str
    time: str
    columns: Mapping[str, Column] = field(repr=False)
    key: tuple[str, ...] = ()
    """Columns that are unique together; the id alone where empty."""
    points_at: tuple[str, ...] = ()
    """Columns of which at least one must be given: an audit names a case or a violation."""

    def __iter__(self) -> Iterator[Column]:
        yield from self.columns.values()

    @property
    def required(self) -> tuple[str, ...]:
        """The names of the required columns."""
        return tuple(c.name for c in self if c.required)

    def empty(self) -> pl.DataFrame:
        """An empty frame with every column of the table."""
        return pl.DataFrame(schema={c.name: c.dtype for c in self})


ACTIONS = ("warn", "demote", "restrict", "remove", "suspend", "terminate")
"""What a violation leads to, from mild to strict."""
OUTCOMES = (
    "upheld",
    "overturned",
    "partially_overturned",
    "modified",
    "cured",
    "dismissed",
    "withdrawn",
    "pending",
)
OBJECT_TYPES = ("listing", "video", "live", "review", "account", "message", "order")
REVERSAL_SOURCES = ("appeal", "own_initiative", "batch", "court", "error")
AUTOMATION = ("fully", "partially", "not")
APPEAL_LEVELS = ("1", "2", "out_of_court")
CHANGE_KINDS = ("policy", "detector", "template", "process", "campaign", "marketplace")


def _table(name: str, time: str, columns: list[Column], **more: tuple[str, ...]) -> Table:
    return Table(name, columns[0].name, time, MappingProxyType({c.name: c for c in columns}), **more)


def _id(name: str, *, required: bool = False) -> Column:
    return Column(name, role=Role.ID, required=required)


def _time(name: str, role: Role = Role.TIME, *, required: bool = False) -> Column:
    return Column(name, Kind.TIME, role, required)


def _code(name: str, values: tuple[str, ...], role: Role = Role.DIMENSION, *, required: bool = False) -> Column:
    return Column(name, Kind.CODE, role, required, values)


def _number(name: str, lo: float | None = 0.0, hi: float | None = None, *, required: bool = False) -> Column:
    return Column(name, Kind.NUMBER, Role.IGNORE, required, lo=lo, hi=hi)


def _text(name: str) -> Column:
    return Column(name, role=Role.TEXT)


_OBJECT = [
    Column("market"),
    Column("language"),
    Column("category", path=True),
    _code("object_type", OBJECT_TYPES),
    _id("object_id"),
    _id("seller_id"),
    Column("seller_tier"),
    Column("account_type"),
]
_DETECTOR = [Column("detector"), Column("detector_version"), _number("score", 0.0, 1.0)]

TABLES: Mapping[str, Table] = MappingProxyType(
    {
        t.name: t
        for t in (
            _table(
                "violations",
                "decided_at",
                [
                    _id("violation_id", required=True),
                    _time("decided_at", required=True),
                    Column("policy_id", required=True),
                    _id("case_id"),
                    _id("parent_violation_id"),
                    Column("clause_id"),
                    Column("rule_id"),
                    Column("policy_revision"),
                    *_OBJECT,
                    *_DETECTOR,
                    _number("threshold_at_decision", 0.0, 1.0),
                    Column("source_type"),
                    Column("automated_detection", Kind.FLAG),
                    _code("automated_decision", AUTOMATION),
                    _id("reviewer_id"),
                    Column("queue"),
                    _code("action", ACTIONS),
                    _number("points"),
                    Column("template_id"),
                    Column("template_version"),
                    _text("notice_text"),
                    _text("content_text"),
                    _text("facts"),
                    _number("exposure"),
                    Column("exposure_unit", role=Role.IGNORE),
                    Column("correction_allowed", Kind.FLAG),
                    _time("corrected_at", Role.POST_DECISION),
                    _time("reversed_at", Role.POST_DECISION),
                    _code("reversal_source", REVERSAL_SOURCES, Role.POST_DECISION),
                    Column("reversal_reason", role=Role.POST_DECISION),
                ],
            ),
            _table(
                "appeals",
                "filed_at",
                [
                    _id("appeal_id", required=True),
                    _id("violation_id", required=True),
                    _time("filed_at", required=True),
                    _code("outcome", OUTCOMES, Role.OUTCOME, required=True),
                    _code("level", APPEAL_LEVELS),
                    Column("reason_code"),
                    _text("reason_text"),
                    Column("language"),
                    Column("evidence", Kind.LIST, Role.IGNORE),
                    _time("decided_at", Role.POST_DECISION),
                    Column("decided_by_human", Kind.FLAG),
                    _id("reviewer_id"),
                    Column("queue"),
                    Column("outcome_reason", role=Role.POST_DECISION),
                ],
            ),
            _table(
                "assessments",
                "assessed_at",
                [
                    _id("case_id", required=True),
                    _time("assessed_at", required=True),
                    *_DETECTOR,
                    *_OBJECT,
                    Column("violation_id", role=Role.POST_DECISION),
                ],
                key=("case_id", "detector"),
            ),
            _table(
                "audits",
                "audited_at",
                [
                    _id("audit_id", required=True),
                    _id("case_id"),
                    _id("violation_id"),
                    _time("audited_at", required=True),
                    Column("violating", Kind.FLAG, Role.OUTCOME, required=True),
                    Column("audit_prob", Kind.NUMBER, Role.IGNORE, True, lo=0.0, hi=1.0, above=True),
                    Column("stratum"),
                ],
                points_at=("case_id", "violation_id"),
            ),
            _table(
                "signals",
                "at",
                [
                    _id("signal_id", required=True),
                    _time("at", required=True),
                    Column("kind"),
                    _text("text"),
                    *_OBJECT,
                    Column("violation_id", role=Role.POST_DECISION),
                ],
            ),
            _table(
                "changes",
                "at",
                [
                    _id("change_id", required=True),
                    _time("at", required=True),
                    _code("kind", CHANGE_KINDS),
                    Column("scope", Kind.SCOPE, Role.IGNORE),
                    _text("description"),
                ],
            ),
        )
    }
)
"""Every table by name, in the order in which they are read."""

DERIVED = ("event_date", "event_week", "event_month", "event_year", "fold")
"""Columns that ingest adds to every table; a source's own columns of these names are replaced."""

PATHS = frozenset(c.name for t in TABLES.values() for c in t if c.path)
"""Dimensions whose values are paths."""
