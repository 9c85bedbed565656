"""Incidents as data: what goes wrong (or only looks so), how badly, and what must then be seen.

An incident's effect is a set of *knobs*: numbers added to the cases of its segment from its onset on. The stages read
knobs and know nothing of incidents, so incidents compose. The table ``EFFECTS`` is the whole of the behaviour that
severities change.
"""

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from gne_analytics.errors import DataError, did_you_mean
from gne_analytics.evidence.segment import Frozen, Segment
from gne_analytics.evidence.types import Edit, EditKind, Mechanism


class Severity(StrEnum):
    """How strong an incident is."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"


class Decoy(StrEnum):
    """What moves a number without being a failing of the policy."""

    MIX_SHIFT = "mix_shift"
    SEASONALITY = "seasonality"
    BATCH_CORRECTION = "batch_correction"
    PLATFORM_EVENT = "platform_event"
    NEW_SEGMENT = "new_segment"


MECHANISMS: tuple[str, ...] = tuple(m.value for m in Mechanism if m is not Mechanism.UNKNOWN)
KINDS: tuple[str, ...] = (*MECHANISMS, *(d.value for d in Decoy))

EFFECTS: dict[str, dict[str, tuple[float, float, float]]] = {
    "detector_error": {"legit_score": (0.8, 1.3, 2.1), "say_misread": (0.5, 0.6, 0.7)},
    "threshold": {"threshold_drop": (0.12, 0.19, 0.27), "say_misread": (0.1, 0.1, 0.1)},
    "clause_ambiguous": {
        "coin": (0.55, 0.75, 0.95),
        "audit_flip": (0.12, 0.20, 0.30),
        "appeal_lift": (0.3, 0.5, 0.7),
        "say_which_rule": (0.35, 0.5, 0.65),
    },
    "clause_scope": {"made_legit": (0.40, 0.65, 0.90), "certain": (0.6, 0.8, 0.9), "say_authorised": (0.6, 0.7, 0.8)},
    "taxonomy_gap": {"volume": (0.010, 0.020, 0.040)},
    "evidence_not_requested": {
        "wrong_evidence": (0.45, 0.65, 0.90),
        "missed_at_first": (0.35, 0.55, 0.75),
        "second_level": (0.8, 1.3, 1.8),
        "say_evidence": (0.2, 0.3, 0.4),
    },
    "notice_unclear": {
        "appeal_lift": (0.7, 1.1, 1.6),
        "appeal_lift_violating": (0.2, 0.3, 0.4),
        "cure_drop": (0.4, 0.6, 0.8),
        "say_which_rule": (0.15, 0.2, 0.25),
        "say_what_happened": (0.35, 0.5, 0.6),
    },
    "reviewer_error": {"reviewer_fp": (0.40, 0.60, 0.80)},
    "reviewer_inconsistent": {
        "coin": (0.35, 0.55, 0.80),
        "audit_flip": (0.12, 0.20, 0.30),
        "appeal_lift": (0.1, 0.1, 0.2),
    },
    "routing": {"reroute": (0.50, 0.75, 0.95), "reviewer_fp_rerouted": (0.45, 0.55, 0.65)},
    "data_error": {"corrupt": (0.25, 0.45, 0.70)},
    "seller_abuse": {"volume": (0.006, 0.011, 0.018), "paste": (0.9, 0.9, 0.9), "appeal_lift": (3.5, 4.0, 4.5)},
    "mix_shift": {"volume": (0.05, 0.09, 0.15)},
    "seasonality": {"swing": (0.5, 0.8, 1.1)},
    "batch_correction": {"batch": (0.4, 0.6, 0.8)},
    "platform_event": {"appeal_lift": (0.35, 0.6, 0.9)},
    "new_segment": {"volume": (0.03, 0.05, 0.08), "legit_score": (0.6, 0.8, 1.0)},
}  # fmt: skip
"""Kind -> knob -> its size at small, medium, large severity."""

OWNERS: dict[str, str] = {
    "detector_error": "detector",
    "threshold": "policy",
    "clause_ambiguous": "policy",
    "clause_scope": "policy",
    "taxonomy_gap": "policy",
    "evidence_not_requested": "messaging",
    "notice_unclear": "messaging",
    "reviewer_error": "review operations",
    "reviewer_inconsistent": "review operations",
    "routing": "operations",
    "data_error": "data",
    "seller_abuse": "risk",
}
"""Who can mend a mechanism; nobody needs to mend a decoy."""

METRICS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(KINDS, ("overturn_rate", "up")),
    "taxonomy_gap": ("signals_without_violation", "up"),
    "evidence_not_requested": ("second_level_overturn_rate", "up"),
    "notice_unclear": ("appeal_rate", "up"),
    "seller_abuse": ("appeal_rate", "up"),
    "platform_event": ("appeal_rate", "up"),
    "batch_correction": ("reversal_rate", "up"),
}
"""Kind -> the metric in which it shows most plainly, and its direction."""


@dataclass(frozen=True)
class Incident:
    """An order to plant something. What is left open is drawn from the world's seed.

    Example:
        >>> Incident("threshold", Severity.LARGE).effect("threshold_drop")
        0.27
    """

    kind: str
    severity: Severity = Severity.MEDIUM
    policy: str | None = None
    segment: Segment | None = None
    onset_week: int | None = None
    options: dict[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.kind not in EFFECTS:
            raise DataError(f"no incident is called {self.kind!r}{did_you_mean(self.kind, EFFECTS)}.")

    @property
    def is_decoy(self) -> bool:
        """Whether it only looks like a failing."""
        return self.kind in set(Decoy)

    def effect(self, knob: str) -> float:
        """The size of one knob at this severity; 0 for a knob that the kind does not turn."""
        sizes = EFFECTS[self.kind].get(knob)
        return sizes[list(Severity).index(self.severity)] if sizes else 0.0


class Planted(Frozen):
    """An incident as it came to stand in a world: the truth that a root-cause analysis is measured against."""

    id: str
    kind: str
    decoy: bool
    severity: Severity
    policy: str | None
    """The policy it concerns; None for all."""
    segment: Segment
    """Its true segment, within the policy."""
    alternatives: tuple[Segment, ...] = ()
    """Other descriptions of the same or nearly the same rows."""
    onset: date
    end: date | None = None
    metric: str
    direction: str
    owner: str = ""
    right_edits: tuple[Edit, ...] = ()
    """What a perfect analyst would propose; empty where no edit of a policy mends it."""
    levers: tuple[EditKind, ...] = ()
    """Kinds of edit that could mend it; empty where none in policy can."""
    sellers: tuple[str, ...] = ()
    """The organised sellers, where there are any."""
    change_id: str | None = None
    """The row of ``changes`` that goes with it, if the world logged one."""
    description: str
