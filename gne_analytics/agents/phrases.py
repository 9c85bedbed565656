"""Words for the closed sets of the vocabulary, and for segments and windows."""

import math
import re
from collections.abc import Mapping, Sequence

from gne_analytics.evidence.proposals import Recommendation
from gne_analytics.evidence.segment import MISSING, Segment
from gne_analytics.evidence.types import EditKind, LabelSource, Mechanism, Window

MECHANISMS: Mapping[Mechanism, str] = {
    Mechanism.DETECTOR_ERROR: "a detector error",
    Mechanism.THRESHOLD: "a threshold that is too low there",
    Mechanism.CLAUSE_AMBIGUOUS: "an ambiguous clause",
    Mechanism.CLAUSE_SCOPE: "a clause or rule that misses an exemption",
    Mechanism.TAXONOMY_GAP: "a kind of harm that no policy names yet",
    Mechanism.EVIDENCE_NOT_REQUESTED: "a notice that never asks for the right proof",
    Mechanism.NOTICE_UNCLEAR: "an unclear notice",
    Mechanism.REVIEWER_ERROR: "a review team that decides otherwise than the others",
    Mechanism.REVIEWER_INCONSISTENT: "reviewers who disagree on like cases",
    Mechanism.ROUTING: "cases sent to the wrong queue",
    Mechanism.DATA_ERROR: "wrong or late fields in the data",
    Mechanism.SELLER_ABUSE: "pasted appeals from organised sellers",
    Mechanism.UNKNOWN: "not known",
}
"""What each mechanism is called in a sentence."""

LABEL_SOURCES: Mapping[LabelSource, str] = {
    LabelSource.AUDIT: "audits by quality assurance",
    LabelSource.APPEAL_FINAL: "the final outcomes of appeals",
    LabelSource.APPEAL_FIRST: "first-level outcomes of appeals",
    LabelSource.REVERSAL: "reversals, whoever asked for them",
    LabelSource.SIGNAL: "signals from outside",
    LabelSource.PROXY: "a stand-in for the truth, not the truth",
    LabelSource.RECORD: "plain counts of the record; they claim no truth",
}
"""Where the truth behind a number comes from, in a sentence."""

VERDICTS: Mapping[Recommendation, str] = {
    Recommendation.RECOMMEND: "recommended, for its owner to sign or not",
    Recommendation.CANNOT_TELL: "not recommended: the record cannot tell",
    Recommendation.REFUSE: "not recommended",
    Recommendation.EXPERIMENT: "to be tried as an experiment, since a replay cannot judge it",
}
"""What the software says of a proposal, in a sentence."""

VIEWS: Mapping[str, str] = {
    "seller_text": "what sellers write in their appeals",
    "appeals": "what sellers write in their appeals",
    "reviewer_rationale": "what reviewers give as their reasons",
    "facts": "the facts stated with violations",
    "signals": "signals from outside",
}
"""The views of texts, in a sentence."""

LEVERS: Mapping[str, str] = {
    EditKind.SET_THRESHOLD: "another threshold",
    EditKind.ADD_OVERRIDE: "a threshold of its own for the segment",
    EditKind.SET_OVERRIDE: "another threshold for the segment",
    EditKind.ADD_EXEMPTION: "an exemption",
    EditKind.SET_HUMAN_REVIEW: "human review before enforcement",
    EditKind.SET_STATUS: "retiring or shadowing the rule",
    EditKind.ADD_CLAUSE: "a new clause",
    EditKind.ADD_RULE: "a new rule, as a draft",
    EditKind.EDIT_CLAUSE: "a clearer clause",
    EditKind.SET_EVIDENCE: "asking for the right proof",
    EditKind.EDIT_NOTICE: "a clearer notice",
}
"""What each kind of edit is called as a remedy; the rest are spelled as they stand."""

RESTS_ON = "The figures rest on "
"""So begins the sentence that names the label source."""


def short_source(phrase: str) -> str:
    """Shorten a label source's phrase for a line of the summary: "final outcomes of appeals"."""
    return re.split(r"[,;]", phrase.strip().rstrip("."))[0].removeprefix("the ")


_DIMENSIONS = {"policy_id": "policy", "clause_id": "clause", "rule_id": "rule", "seller_id": "seller"}


def spell_segment(segment: Segment) -> str:
    """Spell a segment as a reader says it: ``category beauty and market ID or TH``; "all cases" for the empty one."""
    return enumerate_words([f"{_dimension(d)} {_any_of(d, v)}" for d, v in segment.items()]) or "all cases"


def spell_window(window: Window) -> str:
    """Spell a period as "2013", "October 2026" or "5 January–28 June 2026", or the segment where one was compared."""
    return spell_segment(window) if isinstance(window, Segment) else window.words


def _dimension(name: str) -> str:
    return _DIMENSIONS.get(name, name).replace("_", " ")


def _any_of(dimension: str, values: Sequence[str]) -> str:
    return enumerate_words([f"(no {_dimension(dimension)} given)" if v == MISSING else v for v in values], "or")


_RATIOS = frozenset({"rate", "share", "precision", "completeness", "exposure", "disagreement"})


def spell_metric(metric: str) -> str:
    """Spell a metric inside a sentence: "overturn rate", or "share of ..." for one that is no rate by name."""
    words = re.sub(r"[_\s]+", " ", metric).strip()
    return words if words.split(" ")[-1] in _RATIOS else f"share of {words}"


def enumerate_words(words: Sequence[str], conjunction: str = "and") -> str:
    """Join words as prose does: "a", "a and b", "a, b and c"."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {conjunction} {words[-1]}"


def moved(delta: float, *, past: bool = True) -> str:
    """Say the direction of a change: "rose", "fell" or "did not move"; "went" where a side has no rate (nan)."""
    if math.isnan(delta):
        return "went" if past else "would go"
    if not delta:
        return "did not move" if past else "would not move"
    return ("rose" if delta > 0 else "fell") if past else ("would rise" if delta > 0 else "would fall")


def counted(n: float, singular: str, plural: str = "") -> str:
    """Choose the noun that fits a count."""
    return singular if n == 1 else plural or f"{singular}s"


def capital(text: str) -> str:
    """Give a sentence its capital letter."""
    return text[:1].upper() + text[1:]


def sentence(text: str) -> str:
    """Give a sentence its full stop; nothing stays nothing."""
    trimmed = text.strip()
    return trimmed if not trimmed or trimmed[-1] in ".!?" else f"{trimmed}."
