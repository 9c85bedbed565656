"""Edits to operations: which keys and items of the file an edit means, and whether its lock still holds.

Pure on plain values; ``edits`` runs the same operations on the text and compares.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from operator import itemgetter
from typing import Final, cast

from pydantic import BaseModel, ValidationError

from gne_analytics.errors import PolicyError, did_you_mean
from gne_analytics.evidence.types import Edit, EditKind
from gne_analytics.policy._emit import Plain
from gne_analytics.policy._splice import Item, Path, Step, address
from gne_analytics.policy.model import Clause, Exemption, Override, Policy, Rule

SCALARS: Final[dict[EditKind, Path]] = {
    EditKind.SET_THRESHOLD: ("threshold", "default"),
    EditKind.SET_HUMAN_REVIEW: ("human_review",),
    EditKind.SET_ACTION: ("action",),
    EditKind.SET_POINTS: ("points",),
    EditKind.SET_STATUS: ("status",),
}
"""Edits of one value of a rule: where it stands below the rule."""
LISTS: Final[dict[EditKind, tuple[Path, type[BaseModel]]]] = {
    EditKind.ADD_OVERRIDE: (("threshold", "overrides"), Override),
    EditKind.REMOVE_OVERRIDE: (("threshold", "overrides"), Override),
    EditKind.ADD_EXEMPTION: (("exemptions",), Exemption),
    EditKind.REMOVE_EXEMPTION: (("exemptions",), Exemption),
    EditKind.ADD_RULE: (("rules",), Rule),
    EditKind.REMOVE_RULE: (("rules",), Rule),
    EditKind.ADD_CLAUSE: (("clauses",), Clause),
    EditKind.REMOVE_CLAUSE: (("clauses",), Clause),
}
"""Edits of a list: where it stands below the rule or the policy, and what it holds."""


@dataclass(frozen=True)
class SetValue:
    """A key takes a value; None removes it."""

    path: Path
    old: Plain
    new: Plain


@dataclass(frozen=True)
class AddItem:
    """A list takes another item at its end."""

    path: Path
    item: Mapping[str, Plain]


@dataclass(frozen=True)
class RemoveItem:
    """A list loses the item with an id."""

    path: Path
    item: Item


Operation = SetValue | AddItem | RemoveItem


def operations(edit: Edit, policy: Policy, data: object) -> tuple[Operation, ...]:
    """Translate an edit into changes of keys and items, checking its lock against the file's plain values."""
    if edit.kind in LISTS:
        return (_list_operation(edit, policy),)
    return tuple(
        SetValue(path, _locked(edit, path, old, data), _plain(new)) for path, old, new in _settings(edit, policy)
    )


def change(data: object, operation: Operation) -> None:
    """Do to plain values what ``_splice`` does to their text."""
    *above, last = operation.path
    parent = look_up(data, tuple(above), create=True)
    if not isinstance(parent, dict) or not isinstance(last, str):
        raise TypeError("an operation ends at a key of a mapping")
    if isinstance(operation, AddItem):
        parent[last] = [*(parent.get(last) or []), dict(operation.item)]
    elif isinstance(operation, RemoveItem):
        parent[last] = [item for item in parent[last] if item.get("id") != operation.item.id]
    elif operation.new is None:
        parent.pop(last, None)
    else:
        parent[last] = operation.new


def look_up(data: object, path: Sequence[Step], create: bool = False) -> Plain:
    here = data
    for step in path:
        if isinstance(step, Item):
            items = here if isinstance(here, list) else []
            here = next((x for x in items if isinstance(x, dict) and x.get("id") == step.id), None)
        elif isinstance(here, dict):
            if create and here.get(step) is None:
                here[step] = {}
            here = here.get(step)
        else:
            return None
    return cast(Plain, here)


def _settings(edit: Edit, policy: Policy) -> list[tuple[Path, object, object]]:
    """Return path, old and new of every key that a setting edit names."""
    if edit.kind is EditKind.SET_EVIDENCE:
        return [(("appeal", "evidence"), edit.old, edit.new)]
    if edit.kind is EditKind.EDIT_CLAUSE:
        clause = policy.clause(wanted(edit, "clause"))
        return _fields(edit, ("clauses", Item(clause.id)), Clause)
    rule = policy.rule(wanted(edit, "rule"))
    here: Path = ("rules", Item(rule.id))
    if edit.kind is EditKind.SET_OVERRIDE:
        found = rule.threshold.overrides if rule.threshold else ()
        item = wanted(edit, "item")
        if item not in {o.id for o in found}:
            raise PolicyError(
                f"{named(edit)}: there is no override {item!r}{did_you_mean(item, (o.id for o in found))}."
            )
        if not isinstance(edit.new, Mapping):
            edit = edit.model_copy(update={"old": {"value": edit.old}, "new": {"value": edit.new}})
        return _fields(edit, (*here, "threshold", "overrides", Item(item)), Override)
    return [((*here, *SCALARS[edit.kind]), edit.old, edit.new)]


def _fields(edit: Edit, here: Path, model: type[BaseModel]) -> list[tuple[Path, object, object]]:
    """Return one setting per key of ``new``; ``old`` must name the same keys."""
    if not isinstance(edit.new, Mapping) or not isinstance(edit.old, Mapping) or set(edit.new) != set(edit.old):
        raise PolicyError(f"{named(edit)}: old and new must be mappings with the same keys, e.g. {{text: ...}}.")
    for key in edit.new:
        if key not in model.model_fields or key == "id":
            raise PolicyError(
                f"{named(edit)}: {key!r} cannot be set{did_you_mean(str(key), set(model.model_fields) - {'id'})}."
            )
    return [((*here, str(key)), edit.old[key], value) for key, value in edit.new.items()]


def _locked(edit: Edit, path: Path, old: object, data: object) -> Plain:
    """Return what the file says at a path, or raise when ``old`` says otherwise."""
    found = look_up(data, path)
    if canonical(found) != canonical(old) and not (found is None and canonical(old) in _ABSENT):
        raise PolicyError(
            f"{named(edit)}: {address(path)} is {found!r} now, not {old!r}; make the edit anew "
            f"from what holds, with old: {found!r}."
        )
    return found


_ABSENT: Final[tuple[object, ...]] = (None, [], "", 0)
"""What an absent key may be locked as: its default."""


def _list_operation(edit: Edit, policy: Policy) -> Operation:
    below, model = LISTS[edit.kind]
    path: Path = below
    if model in (Override, Exemption):
        path = ("rules", Item(policy.rule(wanted(edit, "rule")).id), *below)
    present = {str(item.id): item for item in items_of(policy, edit)}
    if edit.kind.value.startswith("add_"):
        return _addition(edit, path, model, set(present))
    target = edit.item or (edit.clause if model is Clause else edit.rule) or ""
    if target not in present:
        raise PolicyError(f"{named(edit)}: there is no {target!r} to remove{did_you_mean(target, present)}.")
    here = Item(target)
    if canonical(modelled(edit, model, edit.old)) != canonical(present[target]):
        raise PolicyError(f"{named(edit)}: {address((*path, here))} is not what 'old' says; make the edit anew.")
    return RemoveItem(path, here)


def _addition(edit: Edit, path: Path, model: type[BaseModel], present: set[str]) -> AddItem:
    item = given(modelled(edit, model, edit.new))
    identity = str(item["id"])
    if identity in present:
        raise PolicyError(f"{named(edit)}: {address((*path, Item(identity)))} is there already; give it another id.")
    if edit.old is not None:
        raise PolicyError(f"{named(edit)}: 'old' must be empty, since the item is new.")
    return AddItem(path, item)


def modelled(edit: Edit, model: type[BaseModel], value: object) -> BaseModel:
    """Read an edit's value as the item that it means."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise PolicyError(f"{named(edit)}: {model.__name__.lower()} {fault(error)}.") from None


def fault(error: ValidationError) -> str:
    """Say the first fault of a value: where, and what."""
    first = error.errors()[0]
    place = ".".join(str(step) for step in first["loc"])
    problem = str(first["msg"]).removeprefix("Value error, ")
    return f"{place}: {problem}" if place else problem


def items_of(policy: Policy, edit: Edit) -> Sequence[Rule | Clause | Override | Exemption]:
    """Return the items of the list that an edit changes."""
    model = LISTS[edit.kind][1]
    if model is Rule:
        return policy.rules
    if model is Clause:
        return policy.clauses
    rule = policy.rule(wanted(edit, "rule"))
    if model is Exemption:
        return rule.exemptions
    return rule.threshold.overrides if rule.threshold else ()


def wanted(edit: Edit, field: str) -> str:
    value = getattr(edit, field)
    if not value:
        raise PolicyError(f"edit {edit.kind.value} of policy {edit.policy!r} names no {field}; add it.")
    return str(value)


def named(edit: Edit) -> str:
    names = [edit.policy, edit.rule, edit.clause, edit.item]
    return f"edit {edit.kind.value} of {'/'.join(name for name in names if name)}"


def given(model: BaseModel) -> dict[str, Plain]:
    """Return what was given to a model, as plain values in the model's order."""
    found = model.model_dump(mode="python", exclude_unset=True)
    return {name: _plain(found[name]) for name in type(model).model_fields if found.get(name) is not None}


def _plain(value: object) -> Plain:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return cast(Plain, value)


def canonical(value: object) -> object:
    """Return a value so that equal configs are equal: plain types, and items with ids in the order of their ids."""
    if isinstance(value, BaseModel):
        return canonical(value.model_dump(mode="python"))
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [canonical(item) for item in value]
        keyed = [(str(item["id"]), item) for item in items if isinstance(item, dict) and "id" in item]
        return [item for _, item in sorted(keyed, key=itemgetter(0))] if len(keyed) == len(items) else items
    return value
