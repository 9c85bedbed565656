"""The kinds of value that a config's keys take, each checked where it is read."""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from gne_analytics.errors import PolicyError
from gne_analytics.policy.predicates import compile as compile_predicate

ALWAYS: Final = "always"
"""The one word that ``human_review`` takes beside a predicate: every firing goes to a reviewer."""
KNOWN_AFTERWARDS: Final = frozenset(
    {"violation_id", "parent_violation_id", "action", "points", "automated_decision", "reviewer_id", "corrected_at"}
    | {"reversed_at", "reversal_source", "reversal_reason", "template_id", "template_version", "notice_text"}
)
"""Contract columns that are known only after the decision; no predicate may read them, nor ``appeal_`` columns."""


def _share(value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError("it must lie between 0 and 1")
    return value


def _not_negative(value: float) -> float:
    if not 0 <= value < float("inf"):
        raise ValueError("it must be 0 or more")
    return value


def _predicate(text: str) -> str:
    try:
        found = compile_predicate(text)
    except PolicyError as error:
        raise ValueError(str(error).rstrip(".")) from None
    late = [c for c in found.columns if c in KNOWN_AFTERWARDS or c.startswith("appeal_")]
    if late:
        raise ValueError(f"it reads {late[0]!r}, which is known only after the decision")
    return text


def review(text: str) -> str:
    """Take ``always`` or a predicate."""
    return text if text == ALWAYS else _predicate(text)


def iso_text(value: object) -> object:
    """Write an unquoted date as the text that its owner sees."""
    return value.isoformat() if isinstance(value, date) else value


Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$", max_length=80)]
"""A stable id: letters, digits, ``_ . -``."""
Share = Annotated[float, Field(strict=True, json_schema_extra={"minimum": 0, "maximum": 1}), AfterValidator(_share)]
Amount = Annotated[float, Field(strict=True, json_schema_extra={"minimum": 0}), AfterValidator(_not_negative)]
Count = Annotated[int, Field(strict=True, json_schema_extra={"minimum": 0}), AfterValidator(_not_negative)]
Flag = Annotated[bool, Field(strict=True)]
PredicateText = Annotated[str, AfterValidator(_predicate)]
Scalar = str | float | bool | date | None


def unique(where: str, key: str, values: Iterable[str]) -> None:
    """Raise ValueError where a value of a list of ids stands twice."""
    for value, count in Counter(values).items():
        if count > 1:
            raise ValueError(f"{where} has {key} {value!r} {count} times; each must be unique")
