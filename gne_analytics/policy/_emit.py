"""Plain values to YAML text in a given style: only what an edit adds to a config is ever written this way."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from ruamel.yaml.nodes import ScalarNode

Plain = str | int | float | bool | date | Sequence["Plain"] | Mapping[str, "Plain"] | None
"""What a config is made of once read."""

UNSAFE: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
BARE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./()+-]*(?: [A-Za-z0-9_./()+-]+)*")
WORDS_WITH_A_MEANING: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"})
WIDTH: Final = 110


def flow(value: Plain) -> str:
    """Write any value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str):
        return value if _is_bare(value) else quoted(value)
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(flow, value)) + "]"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    text = repr(value)
    return f"{value:.12f}".rstrip("0") if "e" in text else text


def quoted(text: str) -> str:
    """Write a text in double quotes, or in single ones where that saves the escapes."""
    if '"' in text and "'" not in text and text.isprintable():
        return f"'{text}'"
    return UNSAFE.sub(lambda m: f"\\u{ord(m.group()):04x}", json.dumps(text, ensure_ascii=False))


def scalar(value: Plain, like: ScalarNode, indent: int, eol: str) -> str:
    """Write a value in the style of the scalar that it replaces; ``indent`` is the column of its key."""
    if not isinstance(value, str):
        return flow(value)
    if like.style in ("|", ">"):
        block = _block(value, like.style, " " * (indent + 2), eol)
        if block is not None:
            return block
    if like.style == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    return quoted(value) if like.style == '"' else flow(value)


def lines(value: Mapping[str, Plain], indent: int, eol: str) -> str:
    """Write a mapping as the lines of a block sequence's item, whose dash stands at ``indent``."""
    body = [f"{flow(key)}: {flow(item)}" for key, item in value.items()]
    return eol.join(" " * indent + ("- " if i == 0 else "  ") + line for i, line in enumerate(body))


def _is_bare(text: str) -> bool:
    return len(text) <= WIDTH and BARE.fullmatch(text) is not None and text.lower() not in WORDS_WITH_A_MEANING


def _block(text: str, style: str, margin: str, eol: str) -> str | None:
    """Write a block scalar, or None where block style cannot say the text."""
    body, chomp = (text[:-1], "") if text.endswith("\n") else (text, "-")
    rows = body.split("\n")
    if not all(row.strip() and row[0] not in " \t" and row[-1] not in " \t" and row.isprintable() for row in rows):
        return None
    if style == ">":
        if len(rows) > 1 or "  " in body:
            return None
        rows = _wrapped(body)
    return f"{style}{chomp}{eol}" + eol.join(margin + row for row in rows)


def _wrapped(text: str) -> list[str]:
    rows: list[str] = []
    for word in text.split(" "):
        if rows and len(rows[-1]) + len(word) < WIDTH:
            rows[-1] += f" {word}"
        else:
            rows.append(word)
    return rows
