"""The evidence store: an append-only list of numbers, dates and names, each with what it was computed from.

Prose never holds a figure. It holds a reference to one of these records, and the renderer puts the figure in.
"""

import json
import math
import threading
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Self, SupportsFloat

from gne_analytics.errors import DataError, did_you_mean
from gne_analytics.evidence.segment import Frozen
from gne_analytics.evidence.types import Interval, LabelSource

Scalar = str | float | int | bool | None
"""What an argument of a computation may be, so that evidence is plain JSON."""


class Unit(StrEnum):
    """What an evidence value measures; it decides which formats may show it."""

    RATE = "rate"  # a share in [0, 1]
    POINTS = "points"  # a difference of shares: 0.084 is 8.4 percentage points
    COUNT = "count"
    RATIO = "ratio"  # so many times as much
    DAYS = "days"
    HOURS = "hours"
    MONEY = "money"
    SCORE = "score"  # a detector's score or threshold
    DATE = "date"  # ISO text
    NAME = "name"  # a policy, segment, period, change, theme: anything that is spelled and may hold digits
    CONSTANT = "constant"  # chosen, not measured: a minimum n, a level, a margin


DEFAULT_FORMAT: Mapping[Unit, str] = {
    Unit.RATE: "pct",
    Unit.POINTS: "pp",
    Unit.COUNT: "n",
    Unit.RATIO: "x",
    Unit.DAYS: "num",
    Unit.HOURS: "num",
    Unit.MONEY: "money",
    Unit.SCORE: "num",
    Unit.DATE: "date",
    Unit.NAME: "name",
    Unit.CONSTANT: "num",
}
"""The format a reference without one is shown in."""


class Evidence(Frozen):
    """One figure, date or name, with the filter and the computation behind it."""

    id: str
    value: float | str | None
    """A number; ISO text for a date; the spelling of a name; None when it could not be computed (0 of 0)."""
    unit: Unit
    numerator: float | None = None
    denominator: float | None = None
    interval: Interval | None = None
    filter: str = ""
    """The rows behind it, as a predicate a reader can check."""
    tool: str = ""
    """The function that computed it."""
    arguments: Mapping[str, Scalar] = {}
    label_source: LabelSource | None = None
    data_hash: str = ""

    @property
    def number(self) -> float:
        """The value as a float; nan for text and for what could not be computed."""
        return self.value if isinstance(self.value, float) else math.nan

    def ref(self, format: str = "") -> str:  # noqa: A002
        """Write the reference that a claim template holds, e.g. ``{{E12:pct}}``."""
        return f"{{{{{self.id}:{format or DEFAULT_FORMAT[self.unit]}}}}}"


class EvidenceStore:
    """Append-only evidence with ids E1, E2, ...; the same content twice is the same record.

    Example:
        >>> store = EvidenceStore()
        >>> store.add(0.412, "rate", numerator=412, denominator=1000).ref("pct")
        '{{E1:pct}}'
    """

    def __init__(self) -> None:
        self._items: dict[str, Evidence] = {}
        self._by_content: dict[str, str] = {}
        self._lock = threading.Lock()

    def add(
        self,
        value: SupportsFloat | str | date | None,
        unit: Unit | str,
        *,
        numerator: SupportsFloat | None = None,
        denominator: SupportsFloat | None = None,
        interval: Interval | None = None,
        filter: str = "",  # noqa: A002
        tool: str = "",
        arguments: Mapping[str, Scalar] | None = None,
        label_source: LabelSource | str | None = None,
        data_hash: str = "",
    ) -> Evidence:
        """Record a value and return it with its id; the same content again returns the record that is there.

        A nan or infinite value is kept as None and shown as "not known"; an interval with an infinite end is dropped.
        """
        unit = Unit(unit)
        bounded = interval if interval and math.isfinite(interval.lo) and math.isfinite(interval.hi) else None
        record = Evidence(
            id="",
            value=_clean(value, unit),
            unit=unit,
            numerator=_finite(numerator),
            denominator=_finite(denominator),
            interval=bounded,
            filter=filter,
            tool=tool,
            arguments=dict(sorted((arguments or {}).items())),
            label_source=LabelSource(label_source) if label_source else None,
            data_hash=data_hash,
        )
        key = _content_hash(record)
        with self._lock:
            if key not in self._by_content:
                numbered = record.model_copy(update={"id": f"E{len(self._items) + 1}"})
                self._items[numbered.id] = numbered
                self._by_content[key] = numbered.id
            return self._items[self._by_content[key]]

    def get(self, id: str) -> Evidence:  # noqa: A002
        """Return a record by id; KeyError names the nearest ids."""
        if id not in self._items:
            raise KeyError(f"no evidence {id!r}{did_you_mean(id, self._items)}")
        return self._items[id]

    def items(self) -> tuple[Evidence, ...]:
        """All records in the order in which they were added."""
        return tuple(self._items.values())

    def to_json(self) -> str:
        """All records as a JSON list, one record a line."""
        lines = (json.dumps(e.model_dump(mode="json"), ensure_ascii=False, sort_keys=True) for e in self.items())
        return "[\n" + ",\n".join(lines) + "\n]\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote; a record out of order or changed beyond its schema is a DataError."""
        store = cls()
        try:
            rows = json.loads(text)
            records = [Evidence.model_validate(row) for row in rows]
        except (ValueError, TypeError) as error:
            raise DataError(f"The evidence file cannot be read ({error}); run again with --fresh.") from error
        for position, record in enumerate(records, start=1):
            if record.id != f"E{position}":
                raise DataError(f"The evidence file has {record.id} where E{position} belongs; run again with --fresh.")
            store._items[record.id] = record
            store._by_content[_content_hash(record)] = record.id
        return store

    def __contains__(self, identifier: object) -> bool:
        return identifier in self._items

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Evidence]:
        return iter(self.items())

    def __repr__(self) -> str:
        return f"EvidenceStore({len(self)} records)"


def _clean(value: SupportsFloat | str | date | None, unit: Unit) -> float | str | None:
    if unit is Unit.DATE:
        if isinstance(value, datetime):
            return value.date().isoformat()
        return date.fromisoformat(str(value)[:10]).isoformat()
    if unit is Unit.NAME:
        return str(value)
    if isinstance(value, str | date):
        raise TypeError(f"a {unit} must be a number, not {value!r}")
    return _finite(value)


def _finite(value: SupportsFloat | None) -> float | None:
    number = math.nan if value is None else float(value)
    return number if math.isfinite(number) else None


def _content_hash(record: Evidence) -> str:
    content = json.dumps(record.model_dump(mode="json", exclude={"id"}), sort_keys=True)
    return blake2b(content.encode(), digest_size=16).hexdigest()
