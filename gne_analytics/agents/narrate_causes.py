"""Causes in words: where the shift comes from, since when, why most likely, what else it could be, who can mend it."""

from collections.abc import Mapping

from gne_analytics.agents.cite import cite_cause, cite_change, cite_shift
from gne_analytics.agents.phrases import LEVERS, MECHANISMS, enumerate_words, moved, sentence, spell_metric
from gne_analytics.agents.quote import quoted
from gne_analytics.evidence.claims import Claim, ClaimKind, Finding, FindingKind
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Cause, CauseKind, MatchedChange, Mechanism, Period, Rival, Shift

SHOWN_RIVALS = 2
SHOWN_NAMES = 3

_TITLES: Mapping[CauseKind, str] = {
    CauseKind.RATE_SHIFT: "In {segment}, the {metric} {verb} from {before} to {after}",
    CauseKind.NEW_SEGMENT: "A new segment, {segment}, with {metric} at {after}",
    CauseKind.VANISHED_SEGMENT: "A segment is gone, {segment}, whose {metric} was {before}",
    CauseKind.ONE_ACTOR: "A single actor moved the {metric} in {segment}",
    CauseKind.MIX_SHIFT: "The mix of cases moved in {segment}, not the {metric} itself",
    CauseKind.SEASONALITY: "The season moves {segment}",
    CauseKind.PLATFORM_EVENT: "An event on the whole platform moved {segment}",
    CauseKind.BATCH_CORRECTION: "A batch of corrections, not appeals, moved {segment}",
}
_BETWEEN_SEGMENTS: Mapping[CauseKind, str] = {
    CauseKind.RATE_SHIFT: "In {segment}, the {metric} is {after} here and {before} there",
    CauseKind.NEW_SEGMENT: "Only here: {segment}, with {metric} at {after}",
    CauseKind.VANISHED_SEGMENT: "Only there: {segment}, whose {metric} is {before}",
    CauseKind.PLATFORM_EVENT: "The difference runs through {segment}",
}
"""Titles where a shift compares two segments: nothing is new or gone, nothing rose or fell."""
_ALONE = "All rows are of one actor, so the {metric} in {segment} is that actor's"
_ALONE_WHY = "One actor is the whole record here, so nothing can be told of the policy or of any other actor."
_FINDING_KINDS = {
    CauseKind.NEW_SEGMENT: FindingKind.NEW_SEGMENT,
    CauseKind.BATCH_CORRECTION: FindingKind.BATCH,
    CauseKind.ONE_ACTOR: FindingKind.ONE_ACTOR,
    CauseKind.MIX_SHIFT: FindingKind.MIX,
}
_NOT_POLICY = {
    CauseKind.ONE_ACTOR: "One actor holds so much of it that it stands apart; this is no failing of the policy.",
    CauseKind.MIX_SHIFT: "Rates held still while the mix changed; this is no failing of the policy.",
    CauseKind.SEASONALITY: "The same move comes with the season; this is no failing of the policy.",
    CauseKind.PLATFORM_EVENT: "Many series moved at once, so it is said once here; this is no failing of the policy.",
    CauseKind.BATCH_CORRECTION: "These reversals are the operator's own corrections, not appeals won.",
}


def cause_finding(cause: Cause, shift: Shift, store: EvidenceStore) -> Finding:
    """Say where the shift comes from, since when, why most likely, what else it could be and who can mend it."""
    cited = cite_cause(store, cause, shift)
    in_time = isinstance(shift.focus, Period)
    titles = _TITLES if in_time else {**_TITLES, **_BETWEEN_SEGMENTS}
    title = (_ALONE if _is_whole(cause, shift) else titles[cause.kind]).format(
        segment=cited.segment.ref(),
        metric=spell_metric(shift.metric),
        verb=moved(cause.after.rate - cause.before.rate),
        before=cited.before.ref("pct"),
        after=cited.after.ref("pct"),
    )
    claims = [*_where_cause(cause, shift, store), *_why(cause, shift, store), *_changes(cause, shift, store)]
    claims += _rivals(cause, store) + _how_sure(cause, shift, store) + _who(cause)
    return Finding(
        id=f"cause-{cause.id}",
        kind=_FINDING_KINDS.get(cause.kind, FindingKind.CAUSE),
        title=Claim(template=title),
        claims=tuple(claims),
        subject=cited.segment.ref(),
        shift_id=shift.id,
        cause_id=cause.id,
    )


def _is_whole(cause: Cause, shift: Shift) -> bool:
    """Whether the one actor of a cause is the only one in the record."""
    return cause.kind is CauseKind.ONE_ACTOR and max(shift.before.units, shift.after.units) == 1


def _where_cause(cause: Cause, shift: Shift, store: EvidenceStore) -> list[Claim]:
    cited, metric = cite_cause(store, cause, shift), spell_metric(shift.metric)
    in_time = isinstance(shift.focus, Period)
    first, then = ("before", "after") if in_time else ("there", "here")
    if not in_time and cause.kind in (CauseKind.NEW_SEGMENT, CauseKind.VANISHED_SEGMENT):
        text = f"That is {cited.before.ref('of')} there and {cited.after.ref('of')} here."
    elif cause.kind is CauseKind.NEW_SEGMENT:
        baseline = f"hardly any such cases ({cited.before.ref('of')})" if cause.before.n else "no such cases"
        text = f"The baseline has {baseline}; now the {metric} is {cited.after.ref('pct')} ({cited.after.ref('of')})."
    elif cause.kind is CauseKind.VANISHED_SEGMENT:
        text = f"There are no such cases any more; in the baseline {cited.before.ref('of')} counted."
    else:
        span = f" (interval {cited.effect.ref('ci')})" if cited.effect.interval else ""
        text = (
            f"That is {cited.before.ref('of')} {first} and {cited.after.ref('of')} {then}; "
            f"with the mix of cases held still, {cited.effect.ref('pp')}{span}."
        )
    whole = cite_shift(store, shift).delta
    parts = (
        f"Leaving these cases out takes away {cited.leave_out.ref('pp')} of the {whole.ref('pp')}; "
        f"in the exact sum of all parts they are {cited.contribution.ref('pp')}."
    )
    claims = [Claim(template=text, kind=ClaimKind.WHERE)]
    if cause.segment.depth:
        claims.append(Claim(template=parts, kind=ClaimKind.WHERE))
    if cited.same_rows:
        names = "; ".join(e.ref() for e in cited.same_rows[:SHOWN_NAMES])
        claims.append(Claim(template=f"Nearly the same cases go by other names: {names}.", kind=ClaimKind.WHERE))
    return claims


def _why(cause: Cause, shift: Shift, store: EvidenceStore) -> list[Claim]:
    if cause.kind is CauseKind.PLATFORM_EVENT and not isinstance(shift.focus, Period):
        return [Claim(template="No segment stands out: the difference is everywhere.", kind=ClaimKind.WHY)]
    if cause.kind in _NOT_POLICY:
        why = _ALONE_WHY if _is_whole(cause, shift) else _NOT_POLICY[cause.kind]
        return [Claim(template=why, kind=ClaimKind.WHY), *_reasons(cause, store)]
    if cause.mechanism is Mechanism.UNKNOWN:
        unknown = "Why is not known: the record shows no mechanism's signature."
        if not isinstance(shift.focus, Period):
            unknown = "Why is not asked between two segments: a mechanism is read from a change over time."
        return [Claim(template=unknown, kind=ClaimKind.WHY), *_reasons(cause, store)]
    likely = f"The mechanism that fits best is {MECHANISMS[cause.mechanism]}."
    return [Claim(template=likely, kind=ClaimKind.WHY), *_reasons(cause, store)]


def _reasons(cause: Cause, store: EvidenceStore) -> list[Claim]:
    return [Claim(template=quoted(r, store, "mechanism"), kind=ClaimKind.WHY) for r in cause.mechanism_reasons]


def _changes(cause: Cause, shift: Shift, store: EvidenceStore) -> list[Claim]:
    claims: list[Claim] = []
    cited = cite_cause(store, cause, shift)
    if cited.onset:
        between = ""
        if cited.onset_from and cited.onset_to and cited.onset_from != cited.onset_to:
            between = f", somewhere from {cited.onset_from.ref()} to {cited.onset_to.ref()}"
        what = "ended" if cause.kind is CauseKind.VANISHED_SEGMENT else "began"
        claims.append(Claim(template=f"It {what} around {cited.onset.ref()}{between}.", kind=ClaimKind.WHY))
    claims += [_change(c, shift, store) for c in cause.changes]
    return claims


def _change(change: MatchedChange, shift: Shift, store: EvidenceStore) -> Claim:
    cited = cite_change(store, change, shift.metric)
    kind = store.add(change.kind.replace("_", " "), "name").ref()
    text = f"Its place and date fit {cited.name.ref()}, a change of kind {kind} on {cited.at.ref()}"
    if cited.did:
        span = f" (interval {cited.did.ref('ci')})" if cited.did.interval else ""
        text += f": against cases outside that change's scope the difference is {cited.did.ref('pp')}{span}"
    if cited.placebo:
        text += f", and {cited.placebo.ref('pp')} a window earlier, where nothing should show"
    return Claim(template=f"{text}.", kind=ClaimKind.WHY)


def _rivals(cause: Cause, store: EvidenceStore) -> list[Claim]:
    told = [r for r in cause.rivals if r.mechanism is not Mechanism.UNKNOWN][:SHOWN_RIVALS]
    return [Claim(template=_rival(r, store), kind=ClaimKind.RIVAL) for r in told]


def _rival(rival: Rival, store: EvidenceStore) -> str:
    apart = sentence(quoted(rival.tell_apart, store, "mechanism"))
    return f"It could also be {MECHANISMS[rival.mechanism]}. {apart}".strip()


def _how_sure(cause: Cause, shift: Shift, store: EvidenceStore) -> list[Claim]:
    cited = cite_cause(store, cause, shift)
    if cause.status == "confirmed":
        text = (
            "Confirmed: the units were split, either side found it, and each find held on the other side, "
            f"at a false-discovery level of {cited.error_level.ref()}."
        )
        return [Claim(template=text, kind=ClaimKind.CERTAINTY)]
    why = quoted(cause.status_reason, store, "explain")
    return [Claim(template=f"A candidate, not confirmed. {sentence(why)}".strip(), kind=ClaimKind.CERTAINTY)]


def _who(cause: Cause) -> list[Claim]:
    if not cause.owner and not cause.levers:
        return []
    whose = f"Who can mend it: the owner of the {cause.owner or 'policy'}"
    if not cause.levers:
        return [Claim(template=f"{whose}; no edit of a policy can mend it.", kind=ClaimKind.PROPOSAL)]
    how = enumerate_words([LEVERS.get(lever, lever.replace("_", " ")) for lever in cause.levers], "or")
    return [Claim(template=f"{whose}; what could mend it: {how}.", kind=ClaimKind.PROPOSAL)]
