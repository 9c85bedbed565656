"""Typed edits of a policy set: each changes the lines it must and no other, and has an inverse.

An edit addresses stable ids and carries ``old``, an optimistic lock: it fails where the config no longer says that.
The text is spliced (``_splice``) and then read again: what it says must be what the edit means, or nothing is returned.
"""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from gne_analytics.errors import PolicyError
from gne_analytics.evidence.types import Edit, EditKind
from gne_analytics.policy._hunks import hunk_between, restore
from gne_analytics.policy._operations import (
    LISTS,
    AddItem,
    Operation,
    RemoveItem,
    canonical,
    change,
    fault,
    given,
    items_of,
    named,
    operations,
    wanted,
)
from gne_analytics.policy._splice import add_item, remove_item, set_value
from gne_analytics.policy._yaml import read
from gne_analytics.policy.files import NOTICES, PolicySet, from_files, load, parse
from gne_analytics.policy.model import Appeal, Clause, Policy, Rule, Threshold

ORDER: Final = (
    *Policy.model_fields,
    *Rule.model_fields,
    *Threshold.model_fields,
    *Clause.model_fields,
    *Appeal.model_fields,
)


def apply(policies: PolicySet | str | Path, edits: Sequence[Edit]) -> dict[str, str]:
    """Return the new texts of the files that the edits change, by relative path; nothing is written.

    The edits are applied in their order, each to the result of those before. The edited set passes every check of
    ``load``, or PolicyError says which it does not.
    """
    before = policies if isinstance(policies, PolicySet) else load(policies)
    after = applied(before, edits)
    return {name: text for name, text in after.files.items() if before.files.get(name) != text}


def applied(policies: PolicySet, edits: Sequence[Edit]) -> PolicySet:
    """Return the policy set as it would be after the edits, in memory."""
    for edit in edits:
        policies = _step(policies, edit)
    return policies


def inverse(edits: Sequence[Edit], before: PolicySet | str | Path) -> tuple[Edit, ...]:
    """Return the edits that undo these, in the order in which to apply them.

    Applied right after, they give the first bytes again; applied later, when the same lines still stand, too; else they
    undo the meaning and leave what others wrote since.
    """
    here = before if isinstance(before, PolicySet) else load(before)
    undo: list[Edit] = []
    for edit in edits:
        there = _step(here, edit)
        undo.append(_opposite(edit, here, there))
        here = there
    return tuple(reversed(undo))


def _step(policies: PolicySet, edit: Edit) -> PolicySet:
    policy = policies.policy(edit.policy)
    if edit.kind is EditKind.EDIT_NOTICE:
        return from_files(_edited_notice(policies, edit), policies.path)
    name = policies.sources[edit.policy]
    text = policies.files[name]
    data = copy.deepcopy(read(text, name).data)
    done = operations(edit, policy, data)
    for operation in done:
        change(data, operation)
    expected = canonical(_validated(edit, data))
    restored = restore(text, edit.hunk) if edit.hunk is not None and edit.hunk.file == name else None
    if restored is not None and canonical(parse(Policy, restored, name)) == expected:
        return from_files({**policies.files, name: restored}, policies.path)
    for operation in done:
        text = _splice(text, name, operation)
    if canonical(parse(Policy, text, name)) != expected:
        raise PolicyError(f"{name}: {edit.kind.value} cannot be written without touching more; edit the file by hand.")
    return from_files({**policies.files, name: text}, policies.path)


def _validated(edit: Edit, data: object) -> Policy:
    try:
        return Policy.model_validate(data)
    except ValidationError as error:
        raise PolicyError(f"{named(edit)} gives a policy that is not valid: {fault(error)}.") from None


def _splice(text: str, file: str, operation: Operation) -> str:
    if isinstance(operation, AddItem):
        return add_item(text, file, operation.path, operation.item, ORDER)
    if isinstance(operation, RemoveItem):
        return remove_item(text, file, operation.path, operation.item)
    old, new = operation.old, operation.new
    if isinstance(old, list) and isinstance(new, list) and old and all(isinstance(x, str) for x in old + new):
        gone, fresh = [x for x in old if x not in new], [x for x in new if x not in old]
        if [x for x in old if x in new] + fresh == new and len(gone) < len(old):  # keep the comments beside the others
            for item in gone:
                text = remove_item(text, file, operation.path, str(item))
            for item in fresh:
                text = add_item(text, file, operation.path, item, ORDER)
            return text
    return set_value(text, file, operation.path, new, ORDER)


def _edited_notice(policies: PolicySet, edit: Edit) -> dict[str, str]:
    notice_id = wanted(edit, "item")
    name = f"{NOTICES}/{notice_id}.md"
    found = policies.files.get(name)
    if found != edit.old:
        state = "does not exist" if found is None else "reads otherwise"
        raise PolicyError(f"{named(edit)}: {name} {state} now; make the edit anew.")
    files = {key: text for key, text in policies.files.items() if key != name}
    if edit.new is None:
        return files
    if not isinstance(edit.new, str):
        raise PolicyError(f"{named(edit)}: new must be the notice's text.")
    return {**files, name: edit.new}


def _opposite(edit: Edit, before: PolicySet, after: PolicySet) -> Edit:
    """Return the edit that leads from after to before, with the lines to restore."""
    changes: dict[str, object] = {"old": edit.new, "new": edit.old, "reason": f"undo: {edit.reason}".removesuffix(": ")}
    if edit.kind is EditKind.EDIT_NOTICE:
        return edit.model_copy(update=changes)
    if edit.kind in LISTS:
        changes |= _opposite_item(edit, before.policy(edit.policy), after.policy(edit.policy))
    name = before.sources[edit.policy]
    changes["hunk"] = hunk_between(name, after.files[name], before.files[name])
    return edit.model_copy(update=changes)


def _opposite_item(edit: Edit, before: Policy, after: Policy) -> dict[str, object]:
    """Turn an addition into a removal of what was added, and a removal into an addition of what was removed."""
    verb, _, noun = edit.kind.value.partition("_")
    adds = verb == "add"
    more, fewer = (after, before) if adds else (before, after)
    known = {item.id for item in items_of(fewer, edit)}
    item = next(item for item in items_of(more, edit) if item.id not in known)
    place = noun if noun in ("rule", "clause") else "item"
    old, new = (given(item), None) if adds else (None, given(item))
    return {"kind": EditKind(f"{'remove' if adds else 'add'}_{noun}"), place: item.id, "old": old, "new": new}
