"""Proposals in words: the edits, what they would have done on the record, and what cannot be known."""

from collections.abc import Mapping

from gne_analytics.agents.cite import BacktestCited, OutcomeCited, cite_backtest
from gne_analytics.agents.narrate_whom import on_how_few, on_the_ladder
from gne_analytics.agents.phrases import LABEL_SOURCES, VERDICTS, counted, enumerate_words
from gne_analytics.agents.quote import quoted
from gne_analytics.evidence.claims import Claim, ClaimKind, Finding, FindingKind
from gne_analytics.evidence.proposals import Backtest, ExperimentPlan, Guardrail, Proposal, Recommendation
from gne_analytics.evidence.store import EvidenceStore, Unit
from gne_analytics.evidence.types import Edit, EditKind

SHOWN_EDITS = 4
KNOWN = "The truth is known"
"""How the sentence on coverage begins; the summary looks for it."""
LONGEST = 160
"""Characters of a config value that a sentence shows."""


def proposal_finding(proposal: Proposal, test: Backtest | None, store: EvidenceStore) -> Finding:
    """Say what a proposal would change, what its backtest shows, how sure that is and what stays open."""
    recommendation = test.recommendation if test else proposal.recommendation
    claims = [Claim(template=edit_sentence(e, store), kind=ClaimKind.PROPOSAL) for e in proposal.edits[:SHOWN_EDITS]]
    left = len(proposal.edits) - SHOWN_EDITS
    if left > 0:
        more = store.add(left, "count", tool="propose").ref()
        claims.append(
            Claim(template=f"{more} more {counted(left, 'edit')} can be read in the patch.", kind=ClaimKind.PROPOSAL)
        )
    claims += [Claim(template=quoted(r, store, "propose"), kind=ClaimKind.WHY) for r in proposal.rationale]
    if test is not None:
        claims += _tested(test, store)
    if proposal.experiment is not None:
        claims.append(_experiment(proposal.experiment, store))
    claims.append(Claim(template=_signing(proposal, recommendation, store), kind=ClaimKind.CERTAINTY))
    return Finding(
        id=f"proposal-{proposal.id}",
        kind=FindingKind.PROPOSAL,
        title=Claim(template=f"Proposed for {store.add(proposal.policy, 'name').ref()}: {_title(proposal, store)}"),
        claims=tuple(claims),
        subject=f"The proposal for {store.add(proposal.policy, 'name').ref()}",
        cause_id=proposal.cause_ids[0] if proposal.cause_ids else "",
        proposal_id=proposal.id,
    )


def backtest_finding(test: Backtest, store: EvidenceStore) -> Finding:
    """Say what a backtest shows, where it stands alone."""
    verdict = f"It is {VERDICTS[test.recommendation]}."
    return Finding(
        id=f"backtest-{test.proposal_id}",
        kind=FindingKind.PROPOSAL,
        title=Claim(template=f"What the edits would have done on the record. {verdict}"),
        claims=(*_tested(test, store), Claim(template=verdict, kind=ClaimKind.CERTAINTY)),
        subject="The backtest",
        proposal_id=test.proposal_id,
    )


def _title(proposal: Proposal, store: EvidenceStore) -> str:
    return quoted(proposal.title.strip().rstrip("."), store, "propose")


def _signing(proposal: Proposal, recommendation: Recommendation, store: EvidenceStore) -> str:
    needed = proposal.approvals_needed
    who = store.add(needed, "constant", tool="approvals_needed").ref()
    people = counted(needed, "named person has", "different named people have")
    return f"It is {VERDICTS[recommendation]}. Nothing changes until {who} {people} signed it."


_SENTENCES: Mapping[EditKind, str] = {
    EditKind.SET_THRESHOLD: "{place}: the threshold goes from {old} to {new}.",
    EditKind.ADD_OVERRIDE: "{place}: a threshold of its own, {value}, where {match}.",
    EditKind.SET_OVERRIDE: "{place}: the threshold of {item} goes from {old} to {new}.",
    EditKind.REMOVE_OVERRIDE: "{place}: the segment's own threshold {item} goes.",
    EditKind.ADD_EXEMPTION: "{place}: cases where {match} are exempt.",
    EditKind.REMOVE_EXEMPTION: "{place}: the exemption {item} goes.",
    EditKind.SET_HUMAN_REVIEW: "{place}: a person decides, not the detector, where {new}.",
    EditKind.SET_ACTION: "{place}: the action goes from {old} to {new}.",
    EditKind.SET_POINTS: "{place}: the points go from {old} to {new}.",
    EditKind.SET_STATUS: "{place}: the status goes from {old} to {new}.",
    EditKind.ADD_RULE: "{place} is new, a draft that acts on nobody yet.",
    EditKind.REMOVE_RULE: "{place} goes.",
    EditKind.ADD_CLAUSE: "{place} is new.",
    EditKind.REMOVE_CLAUSE: "{place} goes.",
    EditKind.EDIT_CLAUSE: "{place} is reworded.",
    EditKind.SET_EVIDENCE: "{place}: an appeal asks for {new}.",
    EditKind.EDIT_NOTICE: "{place}: the notice {item} is reworded.",
}


def edit_sentence(edit: Edit, store: EvidenceStore) -> str:
    """Say one edit in a sentence, its place and values as references."""
    kind, which = (
        ("Rule", edit.rule) if edit.rule else ("Clause", edit.clause) if edit.clause else ("Policy", edit.policy)
    )
    values = {
        "item": edit.item or _part(edit.new, "id"),
        "match": _part(edit.new, "match"),
        "value": _part(edit.new, "value"),
        "old": _shown(edit.old),
        "new": _shown(edit.new),
    }
    spelled = {name: _value(value, store) for name, value in values.items()}
    return _SENTENCES[edit.kind].format(place=f"{kind} {_value(which, store)}", **spelled)


def _part(value: object, key: str) -> str | float | None:
    return _shown(value.get(key)) if isinstance(value, Mapping) else None


def _shown(value: object) -> str | float | None:
    if isinstance(value, Mapping):
        return _part(value, "value")
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, list | tuple):
        return enumerate_words([str(v).replace("_", " ") for v in value]) or None
    return None


def _value(value: str | float | None, store: EvidenceStore) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        short = value if len(value) <= LONGEST else f"{value[: LONGEST - 1].rstrip()}…"
        return store.add(" ".join(short.split()), "name", tool="propose").ref()
    return store.add(value, "constant", tool="propose").ref()


def _tested(test: Backtest, store: EvidenceStore) -> list[Claim]:
    cited = cite_backtest(store, test)
    claims = [Claim(template=_flow(test, cited), kind=ClaimKind.PROPOSAL)]
    claims += [Claim(template=_outcome(o), kind=ClaimKind.PROPOSAL) for o in cited.outcomes]
    claims += [Claim(template=said(test, store), kind=ClaimKind.PROPOSAL) for said in (on_how_few, on_the_ladder)]
    sources = dict.fromkeys(o.label_source for o in test.outcomes)
    if sources:
        rest = f"These outcomes rest on {enumerate_words([LABEL_SOURCES[s] for s in sources])}."
        claims.append(Claim(template=rest, kind=ClaimKind.LIMIT))
    claims += [Claim(template=quoted(test.why, store, "backtest"), kind=ClaimKind.CERTAINTY)] if test.why else []
    if test.identification.total:
        known = (
            f"{KNOWN} or can be estimated for {cited.coverage.ref('of')} affected cases "
            f"({cited.coverage.ref('pct')}); for {cited.unidentified.ref()} it cannot be known from this record."
        )
        claims.append(Claim(template=known, kind=ClaimKind.LIMIT))
    if test.guardrails:
        claims.append(Claim(template=_guardrails(test, cited, store), kind=ClaimKind.CERTAINTY))
    sentences = (*test.limits, *test.assumptions)
    return claims + [Claim(template=quoted(s, store, "backtest"), kind=ClaimKind.LIMIT) for s in sentences]


def _flow(test: Backtest, cited: BacktestCited) -> str:
    moves = (
        (test.flow.released, cited.released, "released"),
        (test.flow.new, cited.new, "newly enforced"),
        (test.flow.rerouted, cited.rerouted, "sent another way"),
    )
    parts = [f"{evidence.ref()} would have been {word}" for n, evidence, word in moves if n]
    fate = enumerate_words(parts) if parts else "all would have fared the same"
    return f"Replayed over {cited.cases.ref()} {counted(test.cases, 'case')} of the record: {fate}."


def _outcome(cited: OutcomeCited) -> str:
    outcome = cited.outcome
    plain = cited.size.unit in {Unit.MONEY, Unit.POINTS}
    noun = "" if plain else f" {outcome.unit.replace('_', ' ')}"
    text = f"{cited.name.ref()}: {cited.size.ref('pp' if cited.size.unit is Unit.POINTS else 'signed')}{noun}"
    if cited.size.interval:
        kind = "interval" if outcome.difference.interval else "worst-case bounds"
        text += f" ({kind} {cited.size.ref('ci')})"
    if cited.today and cited.proposed:
        text += f", from {cited.today.ref()} under today's set to {cited.proposed.ref()}"
    return f"{text}."


def _guardrails(test: Backtest, cited: BacktestCited, store: EvidenceStore) -> str:
    passed, failed, unsure = cited.guardrails
    text = f"Guardrails: {passed.ref()} passed, {failed.ref()} failed, for {unsure.ref()} the record cannot tell."
    broken = [g for g in test.guardrails if g.verdict == "fail"]
    return f"{text} Failed: {enumerate_words([_slice(g, store) for g in broken[:3]])}." if broken else text


def _slice(guardrail: Guardrail, store: EvidenceStore) -> str:
    where = f", {guardrail.slice}" if guardrail.slice.depth else ""
    return store.add(f"{guardrail.name.replace('_', ' ')}{where}", "name", tool="guardrails").ref()


def _experiment(plan: ExperimentPlan, store: EvidenceStore) -> Claim:
    size = store.add(plan.size_per_arm, "count", tool="experiment").ref()
    detectable = store.add(plan.detectable, "points", tool="experiment", arguments={"metric": plan.metric}).ref(
        "points"
    )
    unit = store.add(plan.unit.replace("_", " "), "name").ref()
    metric = store.add(plan.metric.replace("_", " "), "name").ref()
    arms = enumerate_words([store.add(a, "name", tool="experiment").ref() for a in plan.arms], "against")
    split = f"{arms}, split by {unit}, {size} in each arm"
    aim = f"to see a change of {detectable} in the {metric}"
    return Claim(template=f"Replay cannot judge wording, so try it: {split}, {aim}.", kind=ClaimKind.PROPOSAL)
