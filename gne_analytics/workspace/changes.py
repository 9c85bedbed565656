"""Changes of policy as users hand them over: proposals, edits, dicts that spell edits, and files of any of these."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gne_analytics.atomic import read_json
from gne_analytics.errors import DataError
from gne_analytics.evidence.proposals import Proposal
from gne_analytics.evidence.types import Edit

Change = Proposal | Sequence[Edit | Mapping[str, object]]
"""A proposal, or edits that are tried together."""
HELP = "docs/edits.md shows every kind"


def change_of(change: Change) -> Proposal | tuple[Edit, ...]:
    """Return a change with its edits checked; DataError for what is no edit."""
    return change if isinstance(change, Proposal) else edits_of(change)


def edits_of(items: Sequence[Edit | Mapping[str, object]], where: str = "edits") -> tuple[Edit, ...]:
    """Return edits, read from dicts where they are spelt so; DataError that names the place of what is wrong."""
    try:
        return TypeAdapter(tuple[Edit, ...]).validate_python(tuple(items))
    except ValidationError as fault:
        first = fault.errors()[0]
        place = ".".join(str(p) for p in first["loc"])
        raise DataError(f"{where}, edit {place}: {first['msg']}; {HELP}.") from None


def read_changes(path: str | Path) -> tuple[Proposal | tuple[Edit, ...], ...]:
    """Read changes from a JSON file: a list of edits (one change), a proposal, or a list of proposals.

    A proposal of a run keeps its window and is judged as the run judged it; an object with nothing but ``edits`` is a
    change of these edits.
    """
    held = read_json(Path(path), "give a JSON file with a list of edits, or a proposal of a run's proposals.json")
    items: list[Any] = held if isinstance(held, list) else [held]
    if not any(isinstance(item, dict) and "edits" in item for item in items):
        return (edits_of(items, str(path)),)
    return tuple(_change(item, str(path)) for item in items)


def _change(item: object, where: str) -> Proposal | tuple[Edit, ...]:
    if not isinstance(item, dict) or "edits" not in item:
        raise DataError(f"{where} mixes edits and proposals; give a list of one of them. {HELP}.")
    if "policy_base" not in item:
        return edits_of(item["edits"], where)
    try:
        return Proposal.model_validate(item)
    except ValidationError as fault:
        first = fault.errors()[0]
        place = ".".join(str(p) for p in first["loc"])
        raise DataError(f"{where}, proposal {item.get('id')}, {place}: {first['msg']}.") from None
