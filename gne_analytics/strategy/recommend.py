"""What the software says of a proposal, and why, in one claim; a person decides."""

from collections.abc import Sequence
from typing import NamedTuple

from gne_analytics.evidence.proposals import Agreement, Guardrail, Identification, Outcome, Recommendation
from gne_analytics.evidence.store import Evidence, EvidenceStore

COVERAGE_FLOOR = 0.8
"""The share of affected cases whose truth must be known or estimable."""
AGREEMENT_FLOOR = 0.95
"""How often replay must say what the log says, on rows of the same revision."""

NEVER_ALONE = "A fall of the appeal rate or of the overturn rate is never in itself an improvement; the loss decides."


class Verdict(NamedTuple):
    """A recommendation with its reason as a claim template and the evidence it cites."""

    recommendation: Recommendation
    why: str
    evidence: tuple[str, ...] = ()


def recommend(
    loss: Outcome,
    identification: Identification,
    guardrails: Sequence[Guardrail],
    agreement: Sequence[Agreement],
    store: EvidenceStore,
    untried: int = 0,
) -> Verdict:
    """Judge a replayed proposal: every reason to refuse is tried before the loss is looked at.

    ``untried`` counts the cases sent to people of whom no like was ever reviewed.
    """
    if not identification.total:
        return _harms(guardrails, store) or Verdict(
            Recommendation.CANNOT_TELL, "No case of the record fares otherwise, so there is nothing to judge by."
        )
    protected = [g for g in guardrails if g.name == "protected_policy"]
    return (
        _harms(protected, store)
        or _disagrees(agreement, store)
        or _unknown(identification, untried, store)
        or _harms(guardrails, store)
        or _weigh(loss, guardrails, store)
    )


def _disagrees(agreement: Sequence[Agreement], store: EvidenceStore) -> Verdict | None:
    for found in agreement:
        rule = store.add(found.rule, "name")
        floor = store.add(AGREEMENT_FLOOR, "constant")
        if not found.n:
            why = f"No case was decided under today's revision of rule {rule.ref()}, so replay stands unchecked."
            return Verdict(Recommendation.REFUSE, why, (rule.id,))
        if found.agreed < AGREEMENT_FLOOR:
            rate = store.add(
                found.agreed, "rate", numerator=round(found.agreed * found.n), denominator=found.n, tool="replay"
            )
            why = (
                f"Replay of rule {rule.ref()} agrees with the log on {rate.ref('pct')} of its cases, under "
                f"{floor.ref('pct')}, so the record does not tell what the rule does."
            )
            return Verdict(Recommendation.REFUSE, why, (rule.id, rate.id, floor.id))
    return None


def _unknown(identification: Identification, untried: int, store: EvidenceStore) -> Verdict | None:
    if identification.coverage >= COVERAGE_FLOOR:
        return None
    if untried > (1 - COVERAGE_FLOOR) * identification.total:
        part = store.add(
            untried / identification.total, "rate", numerator=untried, denominator=identification.total,
            filter="rerouted, none like them reviewed", tool="identification",
        )  # fmt: skip
        why = (
            f"Too few cases like {part.ref('of')} affected ones were ever reviewed, so nothing tells how people would "
            "decide them; a trial review of some of them would, further audits alone would not."
        )
        return Verdict(Recommendation.REFUSE, why, (part.id,))
    share, floor = coverage_evidence(identification, store), store.add(COVERAGE_FLOOR, "constant")
    why = (
        f"The truth of {share.ref('pct')} of the affected cases is known or estimable, under {floor.ref('pct')}; "
        "the audit plan says which labels would settle it."
    )
    return Verdict(Recommendation.REFUSE, why, (share.id, floor.id))


def coverage_evidence(identification: Identification, store: EvidenceStore) -> Evidence:
    """Record the share of affected cases whose truth is known or estimable."""
    known = identification.total - identification.unidentified - identification.modelled
    return store.add(
        identification.coverage, "rate", numerator=known, denominator=identification.total, tool="identification"
    )


def _harms(guardrails: Sequence[Guardrail], store: EvidenceStore) -> Verdict | None:
    failed = [g for g in guardrails if g.verdict == "fail"]
    if not failed:
        return None
    where = f" in {failed[0].slice}" if failed[0].slice.depth else ""
    name = store.add(f"{failed[0].name}{where}", "name")
    return Verdict(Recommendation.REFUSE, f"The guardrail {name.ref()} fails.", (name.id,))


def _weigh(loss: Outcome, guardrails: Sequence[Guardrail], store: EvidenceStore) -> Verdict:
    interval = loss.difference.interval
    amount = store.add(loss.difference.value, "money", interval=interval, tool="backtest")
    if interval is None:
        return Verdict(
            Recommendation.CANNOT_TELL, f"The loss changes by {amount.ref()}, with no interval.", (amount.id,)
        )
    if interval.hi < 0:
        why = f"The loss changes by {amount.ref()} ({amount.ref('ci')}), all of it below nought"
        return Verdict(Recommendation.RECOMMEND, f"{why}, {_none_fails(guardrails)}.", (amount.id,))
    if interval.lo > 0:
        why = f"The loss would rise by {amount.ref()} ({amount.ref('ci')})."
        return Verdict(Recommendation.REFUSE, why, (amount.id,))
    why = f"The loss changes by {amount.ref()}, but its interval ({amount.ref('ci')}) holds a rise as well as a fall."
    return Verdict(Recommendation.CANNOT_TELL, why, (amount.id,))


def _none_fails(guardrails: Sequence[Guardrail]) -> str:
    told = sum(g.verdict == "pass" for g in guardrails)
    if told == len(guardrails):
        return "and no guardrail fails"
    return "and no guardrail fails, though the record cannot tell of " + ("some" if told else "any")
