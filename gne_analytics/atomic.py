"""Files that are written whole or not at all."""

import json
from pathlib import Path

from gne_analytics.errors import DataError


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old one or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8", newline="")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Write JSON for people and machines: indented, UTF-8, keys in the order given."""
    write_whole(path, json.dumps(value, ensure_ascii=False, indent=1, default=str) + "\n")


def read_json(path: Path, remedy: str = "give the folder of a finished run, or run again with --fresh") -> object:
    """Read a JSON file; a missing or broken one is a DataError that names it and the remedy."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; {remedy}.") from None
    except json.JSONDecodeError as fault:
        raise DataError(f"{path}, line {fault.lineno} is not JSON; {remedy}.") from None
