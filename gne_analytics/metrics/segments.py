"""Segments as a person types them: ``market=TH & category=beauty``, quoted where a value holds ``&`` or a comma."""

import re
from collections.abc import Callable, Collection, Sequence

from gne_analytics.errors import DataError, did_you_mean
from gne_analytics.evidence.segment import MISSING, Segment

Held = Callable[[str], Collection[str]]
"""Dimension -> the values that its rows hold; none where it is unknown."""

_AND = re.compile(r"\s*&\s*|\s+AND\s+")
_COMMA = re.compile(r"\s*,\s*")
_SET = re.compile(r"([^=\s]+)\s+in\s+\{(.+)\}", re.DOTALL)
_ONE = re.compile(r"([^=\s]+)\s*=\s*(.+)", re.DOTALL)
_OPENS = re.compile(r"(?:^|[=,{])\s*$")
"""What stands before a quote that quotes: a value begins there. Elsewhere it is an apostrophe."""


def nothing_held(_: str) -> Collection[str]:
    """Know no value of any dimension."""
    return ()


def parse_segment(text: str, held: Held = nothing_held) -> Segment:
    """Read a segment, ``market=TH & category=beauty``; anything else is a DataError that names the part.

    A value may be a set, ``market in {TH, ID}`` or ``market=TH,ID``. One that holds ``&``, ``AND`` or a comma is
    quoted, ``policy="Suicide & Self-Harm"``; where ``held`` knows it as a value of its dimension it need not be.

    Example:
        >>> parse_segment('policy="Suicide & Self-Harm" & market=TH')
        Segment(market=TH & policy="Suicide & Self-Harm")
        >>> parse_segment("field=Imaging, Screening", {"field": ["Imaging, Screening"]}.__getitem__)
        Segment(field="Imaging, Screening")
    """
    parts = _cut(text, _AND)
    conditions: dict[str, list[str]] = {}
    while parts:
        dimension, values, used = _condition(parts, text, held)
        conditions[dimension] = values
        parts = parts[used:]
    return Segment.of(conditions)


def _condition(parts: Sequence[str], text: str, held: Held) -> tuple[str, list[str], int]:
    """The dimension and values with which the parts begin, and how many parts they take."""
    first = parts[0].strip()
    found = _SET.fullmatch(first) or _ONE.fullmatch(first)
    if found is None:
        raise DataError(f"{first!r} in {text!r} is not dimension=value; quote a value that holds & or a comma.")
    known = held(found[1])
    for used in range(len(parts), 0, -2):
        whole = _ONE.fullmatch("".join(parts[:used]).strip())
        if whole is not None and whole[2] in known:
            return found[1], [whole[2]], used + 1
    return found[1], _values(found[2], known), 2


def _values(text: str, known: Collection[str]) -> list[str]:
    """The values of a list, each as long as a known value allows."""
    parts = _cut(text, _COMMA)
    values = []
    while parts:
        used = next((n for n in range(len(parts), 0, -2) if "".join(parts[:n]).strip() in known), 1)
        values.append(_unquoted("".join(parts[:used]).strip()))
        parts = parts[used + 1 :]
    return values


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def _cut(text: str, separator: re.Pattern[str]) -> list[str]:
    """Cut a text at a separator outside quotes and braces: part, separator, part and so on."""
    parts, start, at = [], 0, 0
    while at < len(text):
        if (closed := _closing(text, at)) is not None:
            at = closed + 1
        elif found := separator.match(text, at):
            parts += [text[start:at], found[0]]
            start = at = found.end()
        else:
            at += 1
    return [*parts, text[start:]]


def _closing(text: str, at: int) -> int | None:
    """Where the quote or brace that opens here closes; None where nothing opens."""
    if text[at] in "'\"" and _OPENS.search(text[:at]):
        end = text.find(text[at], at + 1)
        return end if end > 0 else None
    if text[at] == "{" and text[:at].endswith("in "):
        inside = at + 1
        while inside < len(text):
            if text[inside] == "}":
                return inside
            inside = (_closing(text, inside) or inside) + 1
    return None


def check_values(segment: Segment, held: Held, paths: frozenset[str] = frozenset()) -> None:
    """Refuse a segment with a value that no row has, naming the nearest; of a path any level will do."""
    for dimension, values in segment.items():
        known = held(dimension)
        for value in values:
            deeper = dimension in paths and any(k.startswith(f"{value}/") for k in known)
            if value not in known and value != MISSING and not deeper:
                raise DataError(f"No row has {dimension}={value}{did_you_mean(value, known)}.")
