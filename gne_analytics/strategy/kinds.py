"""What kind of edit can be replayed, what relaxes enforcement, and the name that an edit set keeps."""

import json
from collections.abc import Sequence
from hashlib import blake2b

from gne_analytics.evidence.types import Edit, EditKind

WORDING = frozenset(
    {EditKind.EDIT_CLAUSE, EditKind.ADD_CLAUSE, EditKind.REMOVE_CLAUSE, EditKind.SET_EVIDENCE, EditKind.EDIT_NOTICE}
)
"""Edits of words: no replay tells what they do, so they carry an experiment plan."""
PRICELESS = frozenset({EditKind.SET_POINTS, EditKind.SET_ACTION})
"""Edits of what follows an enforcement; objectives.yaml puts no price on that. An action also says which of several
firings decides, and so whether a person is asked: that is replayed like any other edit."""


def is_replayable(edit: Edit) -> bool:
    """Say whether a replay of the record tells what the edit does; a draft or shadow rule acts on nothing."""
    if edit.kind is EditKind.ADD_RULE:
        return isinstance(edit.new, dict) and edit.new.get("status") == "live"
    return edit.kind not in WORDING


def proposal_id(edits: Sequence[Edit], policy_base: str) -> str:
    """Return the id of a set of edits against a policy base: what they do counts, not why or with what evidence.

    Example:
        >>> proposal_id([], "abc")
        'P-3dcbd2e6'
    """
    canonical = [
        edit.model_dump(mode="json", include={"kind", "policy", "rule", "clause", "item", "old", "new"})
        for edit in edits
    ]
    text = json.dumps([canonical, policy_base], sort_keys=True, ensure_ascii=False)
    return f"P-{blake2b(text.encode(), digest_size=4).hexdigest()}"
