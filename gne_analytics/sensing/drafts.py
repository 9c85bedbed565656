"""A first draft of a clause and a rule for a theme that no policy catches: data for its owner, acting on nobody."""

import re

from gne_analytics.errors import DataError
from gne_analytics.evidence.types import Edit, EditKind, Theme

DRAFT_THRESHOLD = 0.9


def draft_for_gap(
    theme: Theme, policy: str, *, detector: str | None = None, evidence: tuple[str, ...] = ()
) -> tuple[Edit, ...]:
    """Suggest a clause, and a rule with status draft, for a theme of signals.

    The clause is worded from the theme's own terms; its owner rewrites it. The reports themselves stay out of the
    config: they are other people's words, and unverified. The rule reads ``detector`` at a high threshold where one is
    named, else it has no condition: a draft fires nowhere. ``evidence`` are the ids of the figures that show the gap.
    """
    words = [re.sub(r"[^a-z0-9]+", "-", term.casefold()).strip("-") for term in theme.terms]
    name = "-".join([word for word in words if word][:3]) or re.sub(r"[^A-Za-z0-9]+", "-", theme.id).strip("-")
    if not theme.terms:
        raise DataError(f"the theme {theme.id!r} has no terms to word a clause from; name the clause by hand.")
    clause = f"{policy}.{name}"[:80]
    reason = "Signals of this theme rise and no violation is attached to them."
    text = f"To be worded by the policy's owner. Reported about: {', '.join(theme.terms[:6])}."
    rule: dict[str, object] = {"id": f"{name}-draft"[:80], "clause": clause, "status": "draft"}
    if detector is not None:
        rule |= {"detector": detector, "threshold": {"default": DRAFT_THRESHOLD}}
    rule |= {"human_review": "always", "action": "restrict", "points": 0}
    return (
        Edit(
            kind=EditKind.ADD_CLAUSE,
            policy=policy,
            clause=clause,
            new={"id": clause, "text": text},
            reason=reason,
            evidence=evidence,
        ),
        Edit(kind=EditKind.ADD_RULE, policy=policy, rule=str(rule["id"]), new=rule, reason=reason, evidence=evidence),
    )
