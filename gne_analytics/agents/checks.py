"""Checks in code of what a claim says: direction, comparison, n, significance and cause, beside the template itself.

The narrator's claims pass them by construction; a model's must, or the narrator's stand.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import pairwise

from gne_analytics.evidence.claims import REFERENCE, Claim, Finding, Problem, check_template
from gne_analytics.evidence.store import DEFAULT_FORMAT, Evidence, EvidenceStore, Unit

MIN_N = 30
"""A rate over fewer rows must show them: 3 of 4 is not "75 %"."""

UP = re.compile(
    r"rose|ris(?:e|es|en|ing)|increas(?:e|es|ed|ing)|gr(?:ew|ow|ows|own|owing)|climb(?:s|ed|ing)?|up|upward|higher|more|"
    r"gain(?:s|ed)?|jump(?:s|ed)?|worsened"
)
DOWN = re.compile(
    r"fell|fall(?:s|en|ing)?|drop(?:s|ped|ping)?|decreas(?:e|es|ed|ing)|declin(?:e|es|ed|ing)|down|downward|lower|fewer|"
    r"less|shrank|shrink(?:s|ing)?|reduc(?:e|es|ed|ing)"
)
NEGATIONS = frozenset({"not", "no", "never", "neither", "nor", "nothing", "none", "hardly", "cannot"})
NEUTRAL = re.compile(r"\b(?:change|difference) of\s*$", re.IGNORECASE)
"""Before a size that goes either way."""
COMPARING = re.compile(r"\b(?:than|compared|against|versus|beside|whereas|exceeds?)\b|\bfrom\b.*\bto\b", re.IGNORECASE)
SIGNIFICANT = re.compile(
    r"\b(?:significant(?:ly)?|beyond chance|clearly|certain(?:ly)?|proven|proves|undoubtedly)\b", re.IGNORECASE
)
CAUSAL = re.compile(
    r"\b(?:because|caus(?:e[ds]?|ing)|due to|led to|leads to|owing to|as a result|drove|driven by|responsible for|"
    r"thanks to|explains?|explained by|stems from|triggered)\b",
    re.IGNORECASE,
)


class Slip(StrEnum):
    """Why a claim is refused although each of its numbers is traceable."""

    WRONG_DIRECTION = "wrong_direction"
    INCOMPARABLE = "incomparable"
    FEW_ROWS = "few_rows"
    NOT_SIGNIFICANT = "not_significant"
    NO_CONTRAST = "no_contrast"


def check_claim(claim: Claim, store: EvidenceStore) -> tuple[Problem, ...]:
    """Find every fault of a claim: of its template first, then of what it says of the evidence.

    Example:
        >>> store = EvidenceStore()
        >>> fell = store.add(-0.03, "points")
        >>> [p.fault for p in check_claim(Claim(template=f"It rose by {fell.ref('points')}."), store)]
        ['wrong_direction']
    """
    faults = check_template(claim.template, store)
    if faults:
        return faults
    return tuple(p for part in sentences(claim.template) for p in _check_sentence(part, store))


def check_finding(finding: Finding, store: EvidenceStore) -> tuple[Problem, ...]:
    """Find every fault in a finding's title and claims."""
    return tuple(p for claim in (finding.title, *finding.claims) for p in check_claim(claim, store))


def sentences(template: str) -> list[str]:
    """Cut a template into sentences; the dots inside references do not cut."""
    return [s for s in re.split(r"(?<=[.!?;])\s+", template) if s]


def _check_sentence(text: str, store: EvidenceStore) -> Iterator[Problem]:
    cited = [(store.get(m.group(1)), m.group(2) or "", m) for m in REFERENCE.finditer(text)]
    bare = REFERENCE.sub(" ", text)
    evidence = [e for e, _, _ in cited]
    yield from _direction(text, cited)
    if COMPARING.search(bare):
        yield from _comparison(evidence)
    yield from _rows(text, evidence, {(e.id, form) for e, form, _ in cited})
    if SIGNIFICANT.search(bare) and not _negated(bare, SIGNIFICANT):
        yield from _significance(evidence)
    if CAUSAL.search(bare) and not any(e.arguments.get("contrast") for e in evidence):
        found = CAUSAL.search(bare)
        yield _slip(Slip.NO_CONTRAST, f"{found.group(0) if found else ''!r} cites no contrast with other cases")


def _slip(slip: Slip, what: str) -> Problem:
    return Problem(fault=slip.value, what=what)


def _direction(text: str, cited: Sequence[tuple[Evidence, str, re.Match[str]]]) -> Iterator[Problem]:
    """Each difference must have the sign of the direction word nearest before it, else after it."""
    previous = 0
    for evidence, form, match in cited:
        before, after = text[previous : match.start()], text[match.end() :]
        form = form or DEFAULT_FORMAT[evidence.unit]
        if form in {"pp", "points", "signed", "x"} and evidence.value is not None:
            says = _last_direction(before) or _first_direction(after)
            size = evidence.number - (1.0 if evidence.unit is Unit.RATIO else 0.0)
            if says * size < 0:
                yield _slip(Slip.WRONG_DIRECTION, f"{evidence.id} is {'positive' if size > 0 else 'negative'}")
            elif form == "points" and not says and size and not NEUTRAL.search(before):
                yield _slip(Slip.WRONG_DIRECTION, f"{evidence.id} is shown without its sign and no word gives it one")
        if form in {"pp", "points", "signed", "x"}:
            previous = match.end()
    yield from _from_to(text, cited)


def _from_to(text: str, cited: Sequence[tuple[Evidence, str, re.Match[str]]]) -> Iterator[Problem]:
    """In "rose from A to B" B must be the larger."""
    for (old, _, first), (new, _, second) in pairwise(cited):
        joint, lead = text[first.end() : second.start()], text[: first.start()]
        if old.unit != new.unit or not re.fullmatch(r"[^{}.;]*\bto\b\s*", joint) or not re.search(r"\bfrom\s*$", lead):
            continue
        says = _last_direction(lead)
        if says and says * (new.number - old.number) < 0:
            yield _slip(Slip.WRONG_DIRECTION, f"from {old.id} to {new.id} goes the other way")


def _directions(text: str) -> list[int]:
    words = re.findall(r"[a-z']+", REFERENCE.sub(" ", text).lower())
    found = []
    for at, word in enumerate(words):
        sign = 1 if UP.fullmatch(word) else -1 if DOWN.fullmatch(word) else 0
        if sign:
            denied = any(w in NEGATIONS or w.endswith("n't") for w in words[max(0, at - 3) : at])
            found.append(-sign if denied else sign)
    return found


def _last_direction(text: str) -> int:
    found = _directions(re.split(r"[,:]\s", text)[-1]) or _directions(text)
    return found[-1] if found else 0


def _first_direction(text: str) -> int:
    found = _directions(re.split(r"[,;:.]\s|\{\{", text)[0])
    return found[0] if found else 0


def _comparison(evidence: Sequence[Evidence]) -> Iterator[Problem]:
    rates = [e for e in evidence if e.unit is Unit.RATE]
    kinds = {(e.arguments.get("metric"), e.label_source) for e in rates}
    if len(rates) > 1 and len(kinds) > 1:
        yield _slip(Slip.INCOMPARABLE, f"{' and '.join(e.id for e in rates)} have different denominators or labels")


def _rows(text: str, evidence: Iterable[Evidence], shown: set[tuple[str, str]]) -> Iterator[Problem]:
    for e in evidence:
        few = e.unit is Unit.RATE and e.denominator is not None and e.denominator < MIN_N
        counted = (e.id, "of") in shown or (e.id, "n") in shown
        if few and not counted:
            yield _slip(Slip.FEW_ROWS, f"{e.id} stands on {e.denominator:g} rows, and {text!r} does not say so")


def _significance(evidence: Sequence[Evidence]) -> Iterator[Problem]:
    differences = [e for e in evidence if e.unit in {Unit.POINTS, Unit.RATIO}]
    if not differences:
        yield _slip(Slip.NOT_SIGNIFICANT, "no difference is cited")
    for e in differences:
        null = 1.0 if e.unit is Unit.RATIO else 0.0
        if e.interval is None or e.interval.lo <= null <= e.interval.hi:
            yield _slip(Slip.NOT_SIGNIFICANT, f"the interval of {e.id} does not exclude no difference")


def _negated(text: str, pattern: re.Pattern[str]) -> bool:
    found = pattern.search(text)
    lead = text[: found.start()].lower().split()[-4:] if found else []
    return any(w in NEGATIONS or w.endswith("n't") for w in lead)
