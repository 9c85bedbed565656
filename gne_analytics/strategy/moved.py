"""The threshold that a proposal moves, and the frontier of its rule, so that the one is seen beside the other."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from gne_analytics.errors import DataError
from gne_analytics.evidence.proposals import Proposal
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Edit, EditKind
from gne_analytics.policy.files import PolicySet
from gne_analytics.policy.predicates import segment_of
from gne_analytics.strategy.frontier import POINTS, Frontier, frontier
from gne_analytics.strategy.places import threshold_of
from gne_analytics.strategy.study import Study

_SET: Final = frozenset({EditKind.SET_THRESHOLD, EditKind.ADD_OVERRIDE, EditKind.SET_OVERRIDE})


def threshold_set(edit: Edit) -> float | None:
    """Return the threshold, in [0, 1], that an edit sets; None where it sets none."""
    new = edit.new.get("value") if isinstance(edit.new, Mapping) else edit.new
    return float(new) if edit.kind in _SET and isinstance(new, int | float) and not isinstance(new, bool) else None


def first_moved(edits: Sequence[Edit]) -> Edit | None:
    """Return the first of some edits that moves a threshold; None where none does."""
    return next((edit for edit in edits if edit.rule and threshold_set(edit) is not None), None)


def dimension_moved(edit: Edit, policies: PolicySet) -> tuple[str, ...]:
    """Return the one dimension whose value an override names; none for a default, or where it names several."""
    match = edit.new.get("match") if isinstance(edit.new, Mapping) else None
    if edit.kind is EditKind.SET_OVERRIDE and edit.rule:
        overrides = threshold_of(policies.policy(edit.policy).rule(edit.rule)).overrides
        match = next((o.match for o in overrides if o.id == edit.item), None)
    segment = segment_of(str(match)) if match else None
    return segment.dimensions if segment is not None and segment.depth == 1 else ()


def frontier_beside(proposal: Proposal, study: Study, *, store: EvidenceStore, points: int = POINTS) -> Frontier | None:
    """Return the frontier of the rule whose threshold a proposal moves, on the cases that the proposal is judged on.

    By the dimension of the proposal's override, where it is one and its values have cases enough; else one threshold
    for the whole rule. None where the proposal moves no threshold.

    Raises:
        PolicyError: the rule has no threshold that may be moved. DataError: no case to search on.
    """
    edit = first_moved(proposal.edits)
    if edit is None or edit.rule is None:
        return None
    drawn = partial(
        frontier, study, policy=edit.policy, rule=edit.rule, store=store, since=proposal.since, points=points
    )
    by = dimension_moved(edit, study.policies)
    try:
        return drawn(by=by)
    except DataError:
        if not by:
            raise
        return drawn()
