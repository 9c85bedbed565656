"""Claims: sentences in which every figure, date and name is a reference to evidence, and the check of that.

``The overturn rate rose by {{E3:points}}, to {{E4:pct}}.`` is a claim. A free digit is an error, and so is a bare
"half", "twice" or "most": a number that nobody can trace.
"""

import re
import unicodedata
from collections.abc import Mapping
from enum import StrEnum

from gne_analytics.errors import GneError
from gne_analytics.evidence.segment import Frozen
from gne_analytics.evidence.store import DEFAULT_FORMAT, EvidenceStore, Unit

REFERENCE = re.compile(r"\{\{\s*(E\d+)\s*(?::\s*([a-z]+)\s*)?\}\}")
"""``{{E12:pct}}``; without a format the unit's default is used."""

FORMATS: Mapping[str, frozenset[Unit]] = {
    "pct": frozenset({Unit.RATE, Unit.CONSTANT}),
    "pp": frozenset({Unit.POINTS}),
    "points": frozenset({Unit.POINTS}),
    "n": frozenset({Unit.COUNT, Unit.RATE, Unit.POINTS, Unit.CONSTANT}),
    "x": frozenset({Unit.RATIO}),
    "num": frozenset({Unit.SCORE, Unit.COUNT, Unit.RATIO, Unit.CONSTANT, Unit.DAYS, Unit.HOURS, Unit.MONEY}),
    "signed": frozenset({Unit.COUNT, Unit.MONEY, Unit.DAYS, Unit.HOURS}),
    "money": frozenset({Unit.MONEY}),
    "ci": frozenset(Unit) - {Unit.DATE, Unit.NAME},
    "of": frozenset({Unit.RATE}),
    "date": frozenset({Unit.DATE}),
    "name": frozenset({Unit.NAME}),
}
"""Format -> units that it can show. ``pp`` is signed points, ``points`` their size; ``n`` of a rate its denominator;
``signed`` a difference of counts, times or costs."""

_QUANTITIES = """
    two three four five six seven eight nine ten eleven twelve (?:thir|four|fif|six|seven|eigh|nine)teen
    twenty thirty forty fifty sixty seventy eighty ninety hundreds? thousands? millions? billions? zero
    half halves halv(?:ed|es|ing) thirds? quarters? fifths? tenths? dozens? percent per\\scent
    twice thrice doubl(?:e|ed|es|ing) tripl(?:e|ed|es|ing) trebl(?:e|ed|es|ing) quadrupl(?:e|ed|es|ing)
    (?:two|three|four|five|ten|hundred)-?fold most(?!\\s+(?:likely|recent)\\b) mostly majority minority
"""
QUANTITY_WORDS = re.compile(rf"(?<!\w)(?:{'|'.join(_QUANTITIES.split())})(?!\w)", re.IGNORECASE)
"""Numbers in words. "One" passes, as a pronoun, and so do ordinals; "most likely" and "most recent" count nothing."""


class ClaimKind(StrEnum):
    """What a claim tells the reader; a finding reads in this order."""

    WHAT = "what"
    WHERE = "where"
    WHY = "why"
    RIVAL = "rival"
    PROPOSAL = "proposal"
    CERTAINTY = "certainty"
    LIMIT = "limit"


class Claim(Frozen):
    """One sentence or two, as a template of text and references to evidence."""

    template: str
    kind: ClaimKind = ClaimKind.WHAT

    @property
    def references(self) -> tuple[str, ...]:
        """Ids of the evidence that the claim cites, in order, each once."""
        return references(self.template)


class FindingKind(StrEnum):
    """What a finding is about."""

    SHIFT = "shift"
    CAUSE = "cause"
    MIX = "mix"
    BATCH = "batch"
    ONE_ACTOR = "one_actor"
    NEW_SEGMENT = "new_segment"
    CAMPAIGN = "campaign"
    THEME = "theme"
    PROPOSAL = "proposal"
    QUIET = "quiet"


class Finding(Frozen):
    """A cause, a mix effect, a batch, a campaign or a new segment in words, made of claims that cite evidence."""

    id: str
    kind: FindingKind
    title: Claim
    claims: tuple[Claim, ...]
    subject: str = ""
    """What it is about in a word or two, as a template: usually one reference."""
    shift_id: str = ""
    cause_id: str = ""
    proposal_id: str = ""
    written_by: str = "narrator"
    """narrator, or the id of the model whose wording passed the checks."""
    notes: tuple[str, ...] = ()
    """What befell the wording: a model's answer that was refused, a claim that was left out."""

    @property
    def evidence(self) -> tuple[str, ...]:
        """Ids of all evidence that the finding cites, each once."""
        return tuple(dict.fromkeys(r for c in (self.title, *self.claims) for r in c.references))

    def of_kind(self, kind: ClaimKind) -> tuple[Claim, ...]:
        """The claims of one kind, in order."""
        return tuple(c for c in self.claims if c.kind is kind)


class Fault(StrEnum):
    """Why a template is refused."""

    FREE_DIGIT = "free_digit"
    BARE_QUANTITY = "bare_quantity"
    UNKNOWN_REFERENCE = "unknown_reference"
    UNKNOWN_FORMAT = "unknown_format"
    UNIT_MISMATCH = "unit_mismatch"
    MISSING_PART = "missing_part"
    MALFORMED = "malformed"


class Problem(Frozen):
    """One fault of one template, with the words at fault."""

    fault: Fault | str
    what: str

    def __str__(self) -> str:
        return f"{self.fault}: {self.what}"


class ClaimError(GneError):
    """A claim template breaks the rule that every number is traceable."""

    def __init__(self, template: str, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__(f"The claim {template!r} is refused: {'; '.join(map(str, problems))}.")


def references(template: str) -> tuple[str, ...]:
    """Ids of the evidence that a template cites, in order, each once."""
    return tuple(dict.fromkeys(m.group(1) for m in REFERENCE.finditer(template)))


def check_template(template: str, store: EvidenceStore, *, words: bool = True) -> tuple[Problem, ...]:
    """Find every fault of a template; an empty tuple means that each number in it is traceable.

    With ``words=False`` bare quantity words pass: the renderer's own, laxer gate.

    Example:
        >>> [p.fault.value for p in check_template("About half rose by 3 points in {{E9}}.", EvidenceStore())]
        ['unknown_reference', 'free_digit', 'bare_quantity']
    """
    problems = [p for m in REFERENCE.finditer(template) for p in _check_reference(m, store)]
    bare = REFERENCE.sub("\x00", template)
    if "{{" in bare or "}}" in bare:
        problems.append(Problem(fault=Fault.MALFORMED, what="braces that are no reference like {{E12:pct}}"))
    digits = [w for w in bare.split() if any(unicodedata.numeric(c, None) is not None for c in w)]
    problems += [Problem(fault=Fault.FREE_DIGIT, what=w.replace("\x00", "")) for w in digits]
    if words:
        problems += [Problem(fault=Fault.BARE_QUANTITY, what=m.group(0)) for m in QUANTITY_WORDS.finditer(bare)]
    return tuple(problems)


def _check_reference(match: re.Match[str], store: EvidenceStore) -> list[Problem]:
    identifier, form = match.group(1), match.group(2)
    if identifier not in store:
        return [Problem(fault=Fault.UNKNOWN_REFERENCE, what=identifier)]
    evidence = store.get(identifier)
    form = form or DEFAULT_FORMAT[evidence.unit]
    if form not in FORMATS:
        return [Problem(fault=Fault.UNKNOWN_FORMAT, what=f"{form} (known: {', '.join(FORMATS)})")]
    if evidence.unit not in FORMATS[form]:
        return [Problem(fault=Fault.UNIT_MISMATCH, what=f"{identifier} is a {evidence.unit.value}, not for {form!r}")]
    if form == "of" and (evidence.numerator is None or evidence.denominator is None):
        return [Problem(fault=Fault.MISSING_PART, what=f"{identifier} has no numerator and denominator")]
    if form == "ci" and evidence.interval is None:
        return [Problem(fault=Fault.MISSING_PART, what=f"{identifier} has no interval")]
    if form == "n" and evidence.unit in {Unit.RATE, Unit.POINTS} and evidence.denominator is None:
        return [Problem(fault=Fault.MISSING_PART, what=f"{identifier} has no denominator")]
    return []
