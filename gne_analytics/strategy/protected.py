"""Protected policies: no edit relaxes them, by what it says or by what it does to their cases."""

from collections.abc import Sequence

import polars as pl

from gne_analytics.errors import PolicyError
from gne_analytics.evidence.proposals import Guardrail
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Edit, EditKind, Estimate
from gne_analytics.policy.files import PolicySet
from gne_analytics.policy.model import Action, Rule, Status
from gne_analytics.strategy.flows import NOTHING

NEVER_RELAX = frozenset({EditKind.ADD_CLAUSE, EditKind.EDIT_NOTICE})
"""Edits after which no case is enforced less."""


def relaxes(edit: Edit, policies: PolicySet) -> bool:
    """Say whether an edit of today's set can leave a case less enforced, on this record or on another.

    Judged by what the edit says, never by the cases at hand; where that does not tell (a clause's words, another
    predicate for review, a rule that today's set does not hold), it may. New rules, lower thresholds and exemptions
    removed relax only where they put a person, by a stricter action, before a milder one that happens by itself.
    """
    if edit.kind in NEVER_RELAX:
        return False
    if edit.kind is EditKind.ADD_RULE:
        return isinstance(edit.new, dict) and edit.new.get("human_review") is not None
    rule = next((r for r in policies.policy(edit.policy).rules if r.id == edit.rule), None)
    if rule is None:
        return True
    if edit.kind in (EditKind.SET_THRESHOLD, EditKind.SET_OVERRIDE):
        return rule.human_review is not None or not _at_most(edit.new, edit.old)
    if edit.kind is EditKind.ADD_OVERRIDE:
        value = edit.new.get("value") if isinstance(edit.new, dict) else None
        return rule.human_review is not None or not all(_at_most(value, other) for other in _thresholds(rule))
    if edit.kind is EditKind.REMOVE_OVERRIDE:
        value = edit.old.get("value") if isinstance(edit.old, dict) else None
        return rule.human_review is not None or not all(_at_most(other, value) for other in _thresholds(rule))
    if edit.kind is EditKind.REMOVE_EXEMPTION:
        return rule.human_review is not None
    if edit.kind is EditKind.SET_HUMAN_REVIEW:
        return edit.new is not None
    if edit.kind is EditKind.SET_ACTION:
        return Action(str(edit.new)).strictness < rule.action.strictness or rule.human_review is not None
    if edit.kind is EditKind.SET_POINTS:
        return not _at_most(edit.old, edit.new)
    if edit.kind is EditKind.SET_STATUS:
        return rule.status is Status.LIVE or rule.human_review is not None
    return True


def refuse_relaxed(edits: Sequence[Edit], policies: PolicySet) -> None:
    """Raise PolicyError for an edit that may relax a protected policy; whoever makes edits asks here first."""
    for edit in edits:
        if policies.policy(edit.policy).protected and relaxes(edit, policies):
            raise PolicyError(
                f"policy {edit.policy!r} is protected and {edit.kind.value} may relax it; "
                "no such edit is proposed, and its owner decides what to do."
            )


def check_protected(flows: pl.DataFrame, policies: PolicySet) -> tuple[Guardrail, ...]:
    """Count the cases of protected policies that a change leaves less enforced, whichever policy it edits.

    Less: released, left to a person's answer, no longer asked about, or acted on more mildly. A count, so it never
    cannot tell. Args: ``flows`` as ``Study.flows`` returns them.
    """
    protected = [p.id for p in policies.policies.values() if p.protected]
    mine = flows.filter(pl.col("policy_today").is_in(protected) & (pl.col("state_today") != NOTHING))
    dropped = (pl.col("alpha") == 0) & (pl.col("beta") < 0)
    hurt = mine.filter((pl.col("alpha") < 0) | dropped | pl.col("milder")).group_by("policy_today").len()
    return tuple(
        Guardrail(
            name="protected_policy",
            slice=Segment.of(policy_id=str(policy)),
            margin=0.0,
            difference=Estimate(value=float(n), n=mine.height),
            verdict="fail",
            why="Cases of a protected policy would be enforced less.",
        )
        for policy, n in hurt.sort("policy_today").iter_rows()
    )


def _thresholds(rule: Rule) -> list[float]:
    return [rule.threshold.default, *(o.value for o in rule.threshold.overrides)] if rule.threshold else []


def _at_most(value: object, other: object) -> bool:
    """Say whether both are numbers and the first is no larger; what cannot be compared is not."""
    return isinstance(value, int | float) and isinstance(other, int | float) and value <= other
