"""From mechanism to lever, as data: which edits could mend a cause, who owns it, and how words would be tested."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gne_analytics.evidence.types import EditKind, Mechanism


@dataclass(frozen=True)
class Lever:
    """What can be done about one mechanism."""

    owner: str
    searched: tuple[EditKind, ...] = ()
    """Families of edits whose values are searched and confirmed by replay."""
    drafted: tuple[EditKind, ...] = ()
    """Edits of words or drafts, which no replay can judge."""
    metric: str = ""
    """What an experiment on words measures."""
    from_onset: bool = False
    """The cases, or what was done with them, changed at the onset, so older ones tell nothing of the edit."""
    refer: str = ""
    """What to hand to the owner where no edit of policy helps."""


LEVERS: Mapping[Mechanism, Lever] = MappingProxyType(
    {
        Mechanism.DETECTOR_ERROR: Lever(
            "detector", searched=(EditKind.ADD_OVERRIDE, EditKind.SET_HUMAN_REVIEW), from_onset=True
        ),
        Mechanism.THRESHOLD: Lever("policy", searched=(EditKind.ADD_OVERRIDE,), from_onset=True),
        Mechanism.CLAUSE_AMBIGUOUS: Lever("policy", drafted=(EditKind.EDIT_CLAUSE,), metric="reviewer_disagreement"),
        Mechanism.CLAUSE_SCOPE: Lever("policy", searched=(EditKind.ADD_EXEMPTION,), from_onset=True),
        Mechanism.TAXONOMY_GAP: Lever(
            "policy", drafted=(EditKind.ADD_CLAUSE, EditKind.ADD_RULE), metric="proactive_rate"
        ),
        Mechanism.EVIDENCE_NOT_REQUESTED: Lever(
            "messaging", drafted=(EditKind.SET_EVIDENCE, EditKind.EDIT_NOTICE), metric="evidence_mismatch_rate"
        ),
        Mechanism.NOTICE_UNCLEAR: Lever("messaging", drafted=(EditKind.EDIT_NOTICE,), metric="cure_rate"),
        Mechanism.REVIEWER_ERROR: Lever(
            "review operations",
            refer="Calibrate the team on a sample of these cases and measure its disagreement with the others again.",
        ),
        Mechanism.REVIEWER_INCONSISTENT: Lever(
            "review operations", drafted=(EditKind.EDIT_CLAUSE,), metric="reviewer_disagreement"
        ),
        Mechanism.ROUTING: Lever(
            "operations",
            refer="Send these cases to the queue they came from before; the policy itself decides as it did.",
        ),
        Mechanism.DATA_ERROR: Lever(
            "data", refer="Mend the feed and replay the record; no threshold should be fitted to wrong fields."
        ),
        Mechanism.SELLER_ABUSE: Lever(
            "risk", refer="Look into these sellers together; their appeals count once and should move no policy."
        ),
        Mechanism.UNKNOWN: Lever(
            "policy", refer="Read a sample of these cases first; the record does not tell why they moved."
        ),
    }
)
"""Mechanism -> lever. A mechanism without edits is referred to its owner."""
