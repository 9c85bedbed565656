"""Wording by a model: it may rewrite the narrator's claims, and what it writes passes the same checks or is dropped.

The model sees templates and, for each reference, the unit and the sign of its value: no name, no text from outside. A
rewritten claim must cite the same references in the same formats, say no more and no less, and pass every check of a
claim; else the narrator's words stand. What says how sure something is, and what cannot be known, is never reworded.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence

from gne_analytics.agents.checks import CAUSAL, NEGATIONS, SIGNIFICANT, check_claim
from gne_analytics.agents.model import Question
from gne_analytics.agents.phrases import LABEL_SOURCES, LEVERS, MECHANISMS
from gne_analytics.agents.session import ModelSession
from gne_analytics.errors import ModelError
from gne_analytics.evidence.claims import REFERENCE, Claim, ClaimKind, Finding
from gne_analytics.evidence.segment import Frozen
from gne_analytics.evidence.store import DEFAULT_FORMAT, Evidence, EvidenceStore

REWORDED = frozenset({ClaimKind.WHAT, ClaimKind.WHERE, ClaimKind.WHY, ClaimKind.PROPOSAL})
"""Kinds that a model may reword; certainty, limits and rivals stay the narrator's."""
FIXED = tuple(
    phrase
    for phrase in (*MECHANISMS.values(), *LEVERS.values(), *LABEL_SOURCES.values(), "draft", "confirmed", "candidate")
)
"""Phrases of fixed meaning: a rewritten claim holds the same ones, no other."""

RULES = """You edit sentences of a report on policy enforcement for a strategy lead: plain, short, British English.
You get sentences as JSON, each with an id, and what each reference like {{E12:pct}} stands for.
Rewrite a sentence where it reads better so; leave it out of your answer where it does not.
Keep every reference exactly as it is, each as often as before. Keep the meaning, the direction, every "not".
Write no digit, no number in words, no name, and nothing that the sentence does not say already."""


class Rewritten(Frozen):
    """One rewritten sentence."""

    id: int
    template: str


class Rewriting(Frozen):
    """A model's answer: the sentences that it rewrote."""

    sentences: tuple[Rewritten, ...]


def word(findings: Sequence[Finding], session: ModelSession, store: EvidenceStore) -> list[Finding]:
    """Return the findings in a model's words where those hold, else as they were, with a note. Never raises."""
    return [_worded(finding, session, store) for finding in findings]


def _worded(finding: Finding, session: ModelSession, store: EvidenceStore) -> Finding:
    open_ids = [i for i, claim in enumerate(finding.claims) if claim.kind in REWORDED]
    if not open_ids:
        return finding
    try:
        answer = session.ask(Question(rules=RULES, material=_material(finding, open_ids, store)), Rewriting)
    except ModelError as error:
        return _noted(finding, f"The narrator's wording stands, since the model did not help: {error}")
    claims, notes = list(finding.claims), []
    for sentence in answer.sentences:
        if sentence.id not in open_ids:
            notes.append("A sentence that nobody asked for was dropped.")
            continue
        fault = rewording_fault(finding.claims[sentence.id], sentence.template, store)
        if fault:
            notes.append(f"The narrator's wording of a sentence stands, since the model's {fault}.")
        else:
            claims[sentence.id] = finding.claims[sentence.id].model_copy(update={"template": sentence.template.strip()})
    changed = tuple(claims) != finding.claims
    written_by = session.model.name if changed else finding.written_by
    return _noted(finding.model_copy(update={"claims": tuple(claims), "written_by": written_by}), *notes)


def rewording_fault(claim: Claim, template: str, store: EvidenceStore) -> str:
    """Say why a rewritten claim cannot stand for the first one; nothing when it can."""
    bare, old = REFERENCE.sub("", template), REFERENCE.sub("", claim.template)
    if _cited(template, store) != _cited(claim.template, store):
        return "cites other evidence"
    problems = check_claim(claim.model_copy(update={"template": template}), store)
    if problems:
        return f"does not pass the checks ({problems[0].fault})"
    if _count(bare, NEGATIONS) != _count(old, NEGATIONS):
        return "adds or drops a negation"
    if any(bool(p.search(bare)) and not p.search(old) for p in (CAUSAL, SIGNIFICANT)):
        return "claims a cause or a certainty that was not claimed"
    if [bare.lower().count(p) for p in FIXED] != [old.lower().count(p) for p in FIXED]:
        return "names another mechanism, remedy or standing"
    if _names(template) - _names(claim.template):
        return "brings in a name"
    if len(template) > 1.5 * len(claim.template) + 40 or re.search(r"[<>\n\r]|https?:|www\.", template):
        return "is longer than it needs or holds markup"
    return ""


def _cited(template: str, store: EvidenceStore) -> Counter[tuple[str, str]]:
    found = ((m.group(1), m.group(2) or "") for m in REFERENCE.finditer(template))
    return Counter((i, form or (DEFAULT_FORMAT[store.get(i).unit] if i in store else "")) for i, form in found)


def _count(text: str, words: frozenset[str]) -> int:
    return sum(w in words or w.endswith("n't") for w in re.findall(r"[a-z']+", text.lower().replace("’", "'")))


def _names(template: str) -> set[str]:
    """Words with a capital that does not begin a sentence."""
    bare = REFERENCE.sub("x", template)
    return set(re.findall(r"(?<![.!?:]\s)(?<!^)(?<!\w)\w*[A-Z]\w*", bare))


def _material(finding: Finding, open_ids: Sequence[int], store: EvidenceStore) -> str:
    sentences = [{"id": i, "template": finding.claims[i].template} for i in open_ids]
    cited = dict.fromkeys(e for i in open_ids for e in finding.claims[i].references)
    return json.dumps(
        {"sentences": sentences, "references": {e: _meaning(store.get(e)) for e in cited}}, ensure_ascii=False
    )


def _meaning(evidence: Evidence) -> str:
    metric = evidence.arguments.get("metric")
    sign = " below zero" if evidence.number < 0 else ""
    return f"a {evidence.unit.value}{f' of {metric}' if metric else ''}{sign}"


def _noted(finding: Finding, *notes: str) -> Finding:
    return finding.model_copy(update={"notes": (*finding.notes, *dict.fromkeys(notes))}) if notes else finding
