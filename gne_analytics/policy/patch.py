"""Two policy sets side by side: a patch for people and git, a JSON Patch for machines."""

import copy
import difflib
import json
from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from gne_analytics.evidence.types import Edit, EditKind
from gne_analytics.policy._operations import AddItem, Operation, RemoveItem, change, look_up, operations
from gne_analytics.policy._splice import Item, Path
from gne_analytics.policy._yaml import read
from gne_analytics.policy.edits import applied
from gne_analytics.policy.files import PolicySet

Texts = PolicySet | Mapping[str, str]
"""A policy set, or its texts by relative path."""


def diff(before: Texts, after: Texts) -> str:
    """Return the unified patch between two sets, as ``git apply`` and ``patch -p1`` take it; empty when equal."""
    old, new = _files(before), _files(after)
    names = sorted(old.keys() | new.keys())
    return "".join(_file_diff(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name))


def json_patch(policies: PolicySet, edits: Sequence[Edit]) -> dict[str, list[JsonValue]]:
    """Return the edits as RFC 6902 operations by file, each behind a ``test`` of what it replaces.

    Positions in pointers hold for the base file only; notices are not JSON and are left out.
    """
    patches: dict[str, list[JsonValue]] = {}
    for edit in edits:
        if edit.kind is not EditKind.EDIT_NOTICE:
            name = policies.sources[edit.policy]
            data = copy.deepcopy(read(policies.files[name], name).data)
            for operation in operations(edit, policies.policy(edit.policy), data):
                patches.setdefault(name, []).extend(_machine(operation, data))
                change(data, operation)
        policies = applied(policies, [edit])
    return patches


def _machine(operation: Operation, data: object) -> Iterator[JsonValue]:
    path = operation.path
    found = look_up(data, path)
    if found is None and look_up(data, path[:-1]) is None:
        yield {"op": "add", "path": _pointer(path[:-1], data), "value": {}}
    if isinstance(operation, RemoveItem):
        here: Path = (*path, operation.item)
        yield {"op": "test", "path": _pointer(here, data), "value": _json(look_up(data, here))}
        yield {"op": "remove", "path": _pointer(here, data)}
    elif isinstance(operation, AddItem):
        first = found is None
        value = [_json(operation.item)] if first else _json(operation.item)
        yield {"op": "add", "path": _pointer(path, data) + ("" if first else "/-"), "value": value}
    elif found is None:
        yield {"op": "add", "path": _pointer(path, data), "value": _json(operation.new)}
    else:
        yield {"op": "test", "path": _pointer(path, data), "value": _json(found)}
        change_it: dict[str, JsonValue] = {"op": "replace", "path": _pointer(path, data), "value": _json(operation.new)}
        yield {"op": "remove", "path": _pointer(path, data)} if operation.new is None else change_it


def _pointer(path: Path, data: object) -> str:
    pointer = ""
    for depth, step in enumerate(path):
        if isinstance(step, Item):
            items = look_up(data, path[:depth])
            found = items if isinstance(items, list) else []
            index = next(i for i, item in enumerate(found) if isinstance(item, dict) and item.get("id") == step.id)
            pointer += f"/{index}"
        else:
            pointer += "/" + step.replace("~", "~0").replace("/", "~1")
    return pointer


def _json(value: object) -> JsonValue:
    found: JsonValue = json.loads(json.dumps(value, default=str))  # dates become ISO texts
    return found


def _files(texts: Texts) -> Mapping[str, str]:
    return texts.files if isinstance(texts, PolicySet) else texts


def _file_diff(name: str, old: str | None, new: str | None) -> str:
    a, b = _rows(old), _rows(new)
    head = f"diff --git a/{name} b/{name}\n"
    if old is None or new is None:
        head += "new file mode 100644\n" if old is None else "deleted file mode 100644\n"
    source = "/dev/null" if old is None else f"a/{name}"
    target = "/dev/null" if new is None else f"b/{name}"
    rows = difflib.unified_diff(a, b, source, target)
    return head + "".join(row if row.endswith("\n") else f"{row}\n\\ No newline at end of file\n" for row in rows)


def _rows(text: str | None) -> list[str]:
    """Split at newlines only: a form feed or a carriage return is content, as it is for git."""
    pieces = (text or "").split("\n")
    return [f"{piece}\n" for piece in pieces[:-1]] + ([pieces[-1]] if pieces[-1] else [])
