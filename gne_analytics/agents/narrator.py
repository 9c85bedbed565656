"""The narrator: findings in plain words from computed results, with no model and no chance.

It is the default and the baseline. A language model may reword what stands here, never add to it.
"""

import math
from collections.abc import Sequence
from typing import Protocol

from gne_analytics.agents.cite import cite_shift
from gne_analytics.agents.narrate_causes import cause_finding
from gne_analytics.agents.narrate_proposals import backtest_finding, proposal_finding
from gne_analytics.agents.narrate_themes import theme_findings
from gne_analytics.agents.phrases import LABEL_SOURCES, RESTS_ON, enumerate_words, moved, spell_metric, spell_segment
from gne_analytics.agents.quote import quoted
from gne_analytics.evidence.claims import Claim, ClaimKind, Finding, FindingKind
from gne_analytics.evidence.proposals import Backtest, Proposal
from gne_analytics.evidence.store import Evidence, EvidenceStore
from gne_analytics.evidence.types import Cause, Decomposition, Period, Shift, Theme
from gne_analytics.metrics.intervals import NOT_ESTIMABLE
from gne_analytics.metrics.judged import Unjudged

__all__ = [
    "backtest_finding",
    "cause_finding",
    "narrate",
    "proposal_finding",
    "quiet_finding",
    "shift_finding",
    "theme_findings",
]

NO_UNIT = "The source declares no unit"
FEW = 30
"""Below so many rows on a side, a sentence warns of it."""


class Explained(Protocol):
    """What the narrator reads of an explanation."""

    @property
    def shift(self) -> Shift: ...
    @property
    def causes(self) -> Sequence[Cause]: ...
    @property
    def decomposition(self) -> Decomposition | None: ...
    @property
    def notes(self) -> Sequence[str]: ...


def narrate(
    shifts: Sequence[Shift],
    explanations: Sequence[Explained],
    themes: Sequence[Theme],
    proposals: Sequence[Proposal],
    backtests: Sequence[Backtest],
    store: EvidenceStore,
    unjudged: Unjudged = Unjudged(),  # noqa: B008 - frozen
) -> list[Finding]:
    """Say what moved, where, why, what is proposed, how sure that is and what cannot be known.

    Each shift is followed by its causes, then come themes and proposals. With nothing to say, one finding says so, and
    which metrics could not be judged. The same results give the same findings, byte for byte.
    """
    explained = {e.shift.id: e for e in explanations}
    listed = [*shifts, *(e.shift for e in explanations if e.shift.id not in {s.id for s in shifts})]
    tests = {t.proposal_id: t for t in backtests}
    findings: list[Finding] = []
    for shift in listed:
        explanation = explained.get(shift.id)
        findings.append(shift_finding(shift, explanation, store))
        findings += [cause_finding(c, shift, store) for c in (explanation.causes if explanation else ())]
    findings = findings or [quiet_finding(unjudged, store)]
    findings += theme_findings(themes, store)
    return findings + [proposal_finding(p, tests.get(p.id), store) for p in proposals]


def quiet_finding(unjudged: Unjudged, store: EvidenceStore) -> Finding:
    """Say that nothing moved, or that it cannot be judged, and of each metric that cannot be judged why not."""
    title, said = "Nothing moved beyond chance", "No policy's series moved by more than chance would."
    if unjudged.everything:
        title = "It cannot be judged whether anything moved"
        said = f"{title}: the record holds too little of every metric."
    small = "A change too small for the size of the record would not show here."
    reasons = (quoted(text, store, "shifts") for text in unjudged.sentences())
    return Finding(
        id="quiet",
        kind=FindingKind.QUIET,
        title=Claim(template=title),
        claims=(*(Claim(template=t) for t in (said, *reasons)), Claim(template=small, kind=ClaimKind.LIMIT)),
    )


def shift_finding(shift: Shift, explanation: Explained | None, store: EvidenceStore) -> Finding:
    """Say what moved, by how much, between which windows, by whose label, and with what limits."""
    cited = cite_shift(store, shift)
    metric, place = spell_metric(shift.metric), f" in {cited.scope.ref()}" if cited.scope else ""
    verb = moved(shift.delta.value)
    span = f" (interval {cited.delta.ref('ci')})" if cited.delta.interval else ""
    if cited.delta.interval and cited.delta.interval.method == NOT_ESTIMABLE:
        span = " (no interval can be estimated)"
    rates = f"{cited.before.ref('pct')} to {cited.after.ref('pct')}"
    comparable = not math.isnan(shift.delta.value)
    if not comparable:
        title = f"The {metric}{place} cannot be compared with {cited.baseline.ref()}"
        what = f"In {cited.focus.ref()} the {metric}{place} cannot be compared with {cited.baseline.ref()}"
    elif isinstance(shift.focus, Period):
        title = f"The {metric}{place} {verb} from {rates}"
        what = f"From {cited.baseline.ref()} to {cited.focus.ref()} the {metric}{place} {verb}"
    else:
        level = "is higher" if shift.delta.value > 0 else "is lower" if shift.delta.value < 0 else "is the same"
        than = "as" if not shift.delta.value else "than"
        title = f"The {metric}{place} {level} in {cited.focus.ref()} {than} in {cited.baseline.ref()}"
        what = f"In {cited.focus.ref()}, beside {cited.baseline.ref()}, the {metric}{place} {level}"
    size = f" by {cited.delta.ref('points')}{span}" if comparable and shift.delta.value else ""
    sides = ("before", "after") if isinstance(shift.focus, Period) else ("there", "here")
    counts = f"{cited.before.ref('of')} {sides[0]}, {cited.after.ref('of')} {sides[1]}"
    claims = [Claim(template=f"{what}{size}: {counts}.")]
    if explanation is not None and comparable:
        claims += _where(explanation, store)
    if isinstance(shift.focus, Period) and comparable:
        claims.append(Claim(template=_how_sure(shift, cited.delta), kind=ClaimKind.CERTAINTY))
    elif comparable and not shift.significant:
        unsure = "The difference is not shown to be beyond chance."
        claims.append(Claim(template=unsure, kind=ClaimKind.CERTAINTY))
    claims.append(Claim(template=f"{RESTS_ON}{LABEL_SOURCES[shift.label_source]}.", kind=ClaimKind.LIMIT))
    if min(shift.before.n, shift.after.n) < FEW:
        thin = cited.before if shift.before.n < shift.after.n else cited.after
        claims.append(Claim(template=f"One side holds only {thin.ref('n')} cases.", kind=ClaimKind.LIMIT))
    if shift.strongest.depth:
        place = store.add(spell_segment(shift.strongest), "name").ref()
        claims.append(Claim(template=f"It shows most plainly in {place}.", kind=ClaimKind.WHERE))
    limits = _once((*shift.flags, *(explanation.notes if explanation else ())))
    claims += [Claim(template=quoted(text, store, "shifts"), kind=ClaimKind.LIMIT) for text in limits]
    return Finding(
        id=f"shift-{shift.id}",
        kind=FindingKind.SHIFT,
        title=Claim(template=title),
        claims=tuple(claims),
        shift_id=shift.id,
    )


def _once(limits: Sequence[str]) -> list[str]:
    """Each limit once; that there is no unit is said by the first that rests on it."""
    told: list[str] = []
    for text in dict.fromkeys(limits):
        again = text.startswith(NO_UNIT) and any(t.startswith(NO_UNIT) for t in told)
        told.append(f"For the same reason {text.rpartition(', so ')[2]}" if again else text)
    return told


def _how_sure(shift: Shift, delta: Evidence) -> str:
    if not shift.significant:
        return "The move is not shown to be beyond chance."
    interval = delta.interval
    if interval is not None and not interval.lo <= 0 <= interval.hi:
        return f"A move of {delta.ref('pp')} is beyond chance, over all series that were looked at."
    return "The move survives the false-discovery control over all series that were looked at."


def _where(explanation: Explained, store: EvidenceStore) -> list[Claim]:
    split = explanation.decomposition
    if split is None:
        return []
    metric = explanation.shift.metric
    rows = f"decomposition of shift {explanation.shift.id}"

    def part(value: float, name: str) -> str:
        return store.add(
            value, "points", filter=f"{name}; {rows}", tool="decompose", arguments={"metric": metric}
        ).ref()

    causes = sum(split.causes.values())
    mix = sum(m.contribution for m in split.mix)
    pieces = [f"{part(causes, 'causes')} come from the segments told of below"] if split.causes else []
    if split.mix:
        largest = max(split.mix, key=lambda m: abs(m.contribution))
        over = store.add(largest.dimension.replace("_", " ").strip("()"), "name").ref()
        how = "changed" if isinstance(explanation.shift.focus, Period) else "different"
        pieces.append(f"{part(mix, 'mix')} come from a {how} mix of cases (above all over {over})")
    pieces.append(f"{part(split.residual, 'residual')} stay unexplained")
    text = f"Of the {part(split.delta, 'whole')}, {enumerate_words(pieces)}."
    found = [Claim(template=text, kind=ClaimKind.WHERE)]
    if not explanation.causes:
        found.append(Claim(template="No segment stands out from the rest as its cause.", kind=ClaimKind.WHERE))
    return found
