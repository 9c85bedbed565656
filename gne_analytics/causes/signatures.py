"""The table of mechanisms as data: who owns each, what could mend it, and which clues speak for and against it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gne_analytics.evidence.types import EditKind, Mechanism


@dataclass(frozen=True)
class Signature:
    """How a mechanism shows: clue -> weight (negative: speaks against), and the clues without which it is not typed."""

    owner: str
    levers: tuple[EditKind, ...]
    clues: Mapping[str, float]
    needs: tuple[str, ...]
    """At least one of these must be seen."""
    tell_apart: str
    """What would tell it from its rivals; a sentence without figures."""


SIGNATURES: Mapping[Mechanism, Signature] = MappingProxyType(
    {
        Mechanism.DETECTOR_ERROR: Signature(
            "detector", (EditKind.SET_HUMAN_REVIEW, EditKind.ADD_OVERRIDE, EditKind.SET_STATUS),
            {"version_arrived": 3.0, "version_carries": 1.5, "change_detector": 1.5, "legit_scores_up": 2.0,
             "says_misread": 1.0, "threshold_fell": -2.0, "floor_fell": -2.0, "queue_named": -1.0,
             "class_named": -1.0, "upheld": -2.0, "impossible_values": -2.0},
            ("version_arrived", "change_detector", "legit_scores_up"),
            "Score a sample of the segment with the version before: low scores there point at the version.",
        ),
        Mechanism.THRESHOLD: Signature(
            "policy", (EditKind.SET_THRESHOLD, EditKind.SET_OVERRIDE),
            {"threshold_fell": 3.0, "floor_fell": 2.5, "near_threshold": 1.0, "low_scores_carry": 1.5,
             "change_policy": 1.0, "version_carries": -1.5, "legit_scores_up": -1.0, "impossible_values": -2.0},
            ("threshold_fell", "floor_fell"),
            "Look at cases well above the threshold: if they are still right, the threshold is at fault.",
        ),
        Mechanism.CLAUSE_AMBIGUOUS: Signature(
            "policy", (EditKind.EDIT_CLAUSE,),
            {"clause_named": 1.5, "audits_disagree": 1.5, "split_decisions": 1.5, "change_policy": 1.5,
             "says_unclear": 2.0, "revision_arrived": 1.0, "threshold_fell": -2.0, "floor_fell": -2.0,
             "queue_named": -2.0, "class_named": -1.5, "change_template": -1.5, "template_arrived": -1.5,
             "cures_down": -1.0, "second_level_up": -0.5, "impossible_values": -2.0},
            ("audits_disagree", "says_unclear", "clause_named"),
            "Give the same cases to several reviewers with the same wording: if they differ, the clause is at fault.",
        ),
        Mechanism.CLAUSE_SCOPE: Signature(
            "policy", (EditKind.ADD_EXEMPTION,),
            {"class_named": 2.0, "nearly_always": 2.5, "far_above_rest": 1.5, "says_permission": 1.5,
             "version_carries": -1.5, "floor_fell": -1.0, "threshold_fell": -1.0, "queue_named": -1.0,
             "impossible_values": -2.0},
            ("class_named",),
            "Ask whether the clause was meant to bind this class of sellers at all.",
        ),
        Mechanism.TAXONOMY_GAP: Signature(
            "policy", (EditKind.ADD_CLAUSE, EditKind.ADD_RULE),
            {"signals_uncaught": 4.0},
            ("signals_uncaught",),
            "Read the signals: if they name a harm that a clause already forbids, a rule is missing, not a clause.",
        ),
        Mechanism.EVIDENCE_NOT_REQUESTED: Signature(
            "messaging", (EditKind.SET_EVIDENCE, EditKind.EDIT_NOTICE),
            {"second_level_up": 2.5, "proof_changed": 3.0, "first_level_down": 1.5, "says_proof": 1.0,
             "reversed_on_proof": 4.0, "change_process": 1.0, "split_decisions": -0.5, "audits_disagree": -1.5,
             "impossible_values": -2.0},
            ("second_level_up", "proof_changed", "reversed_on_proof"),
            "Compare the documents that won at the second level with what the notice asked for.",
        ),
        Mechanism.NOTICE_UNCLEAR: Signature(
            "messaging", (EditKind.EDIT_NOTICE,),
            {"template_arrived": 2.5, "change_template": 2.0, "appeals_up": 1.0, "overturns_flat": 1.0,
             "cures_down": 1.5, "says_unclear": 1.5, "reversed_on_word": 4.0, "pasted": -2.0, "overturns_up": -1.0,
             "impossible_values": -1.0},
            ("template_arrived", "change_template", "cures_down", "says_unclear", "reversed_on_word"),
            "Send the former wording to a random part of the segment.",
        ),
        Mechanism.REVIEWER_ERROR: Signature(
            "review operations", (),
            {"queue_named": 3.0, "other_queues_flat": 2.0, "queue_mix_changed": -3.0, "version_carries": -1.0,
             "impossible_values": -2.0},
            ("queue_named",),
            "Give the team's cases to another team blindly.",
        ),
        Mechanism.REVIEWER_INCONSISTENT: Signature(
            "review operations", (EditKind.EDIT_CLAUSE,),
            {"audits_disagree": 3.0, "split_decisions": 1.5, "whole_scope": 1.0, "change_policy": -1.5,
             "says_unclear": -1.5, "revision_arrived": -1.0, "queue_named": -2.0, "clause_named": -1.5,
             "class_named": -1.5, "proof_changed": -1.5, "threshold_fell": -2.0, "floor_fell": -2.0,
             "version_carries": -1.5, "impossible_values": -2.0},
            ("audits_disagree",),
            "Have the same cases decided again within a team and between teams.",
        ),
        Mechanism.ROUTING: Signature(
            "operations", (EditKind.SET_HUMAN_REVIEW,),
            {"queue_mix_changed": 3.0, "queue_named": 1.0, "change_process": 1.0, "version_carries": -1.0,
             "impossible_values": -2.0},
            ("queue_mix_changed",),
            "Send a sample of the rerouted cases back to the queue that had them.",
        ),
        Mechanism.DATA_ERROR: Signature(
            "data", (),
            {"impossible_values": 4.0, "fields_missing": 3.5, "change_process": 0.5},
            ("impossible_values", "fields_missing"),
            "Compare a few rows with the system they came from.",
        ),
        Mechanism.SELLER_ABUSE: Signature(
            "risk", (),
            {"pasted": 3.0, "few_sellers": 2.0, "upheld": 1.5, "overturns_up": -2.5, "template_arrived": -1.0},
            ("pasted",),
            "Look at who the few sellers are and whether their texts and times agree.",
        ),
    }
)  # fmt: skip
"""Mechanism -> signature."""
