"""The plan of a proposal's canary: who sees it first, what is watched with which margins, and for how long."""

from datetime import date, timedelta

from gne_analytics.errors import DataError, PolicyError
from gne_analytics.evidence.proposals import Proposal
from gne_analytics.evidence.segment import Segment
from gne_analytics.policy.files import PolicySet
from gne_analytics.strategy.canary import CanaryPlan, Watched, make_plan
from gne_analytics.strategy.kinds import is_replayable
from gne_analytics.strategy.population import Population, build_population
from gne_analytics.strategy.sellers import MISSED, OVERTURNED, WRONGFUL, seller_rows
from gne_analytics.strategy.traffic import ASSUMED, Traffic, traffic_of, weeks_needed
from gne_analytics.tables.record import Record

SHARE = 0.2
"""Of the sellers, in the canary."""
LEVEL = 0.05
LONGEST = 26
"""Weeks of a canary at most; where the traffic does not do within them, the monitor ends with 'cannot tell'."""


def plan_canary(
    proposal: Proposal,
    record: Record,
    policies: PolicySet,
    *,
    share: float = SHARE,
    start: date | None = None,
    population: Population | None = None,
) -> CanaryPlan:
    """Plan the canary of a proposal: its guardrails from objectives.yaml, its length from the record's traffic.

    Watched are wrongful enforcement and missed violations, from audits, over all cases that the edited rules' detectors
    score. Without audits overturned enforcement stands for the first and the second cannot be watched: the plan names
    it as blind, and its monitor never says to roll out. A record with neither, or without sellers, is a DataError.

    Args:
        proposal: whose edits are tried.
        record: of before the launch.
        policies: today's set, with its objectives.
        share: of the sellers, in the canary.
        start: the first day of the canary; the Monday after the record's end by default.
        population: the record's case table, where it is built already.
    """
    if not any(is_replayable(edit) for edit in proposal.edits):
        raise PolicyError(f"{proposal.id} changes words or drafts only; its experiment plan says how to try these.")
    if record.unit is None:
        raise DataError(f"{record.name} names no unit; map seller_id in source.yaml, since a canary needs sellers.")
    margins = policies.objectives.of(proposal.policy).guardrails
    scope = _scope(proposal, record, policies)
    wanted = {WRONGFUL: margins.wrongful_enforcement or 0.0, MISSED: margins.missed_violation or 0.0}
    audited = not record.audits.is_empty()
    if not audited:
        wanted = {OVERTURNED: wanted[WRONGFUL]}
    population = population or build_population(record)
    traffic = {m: traffic_of(*seller_rows(record, m, scope, population), most=LONGEST) for m in wanted}
    worst = max((t for t in traffic.values() if t), key=lambda t: t.correlation, default=None)
    weeks = [_weeks(t, wanted[m], share, len(wanted)) for m, t in traffic.items()]
    return make_plan(
        proposal.id,
        [Watched(metric=m, margin=margin) for m, margin in wanted.items()],
        unit=record.unit,
        share=share,
        start=start or record.as_of.date() + timedelta(days=7 - record.as_of.weekday()),
        weeks=max(w or LONGEST for w in weeks),
        decides=None not in weeks,
        level=LEVEL,
        correlation=worst.correlation if worst else ASSUMED,
        caps=worst.caps if worst else (1.0,),
        scope=scope,
        blind=() if audited else (MISSED,),
    )


def _weeks(traffic: Traffic | None, margin: float, share: float, metrics: int) -> int | None:
    if traffic is None:
        return None
    return weeks_needed(traffic, margin, share=share, baseline=traffic.baseline, level=LEVEL / metrics)


def _scope(proposal: Proposal, record: Record, policies: PolicySet) -> Segment:
    """Return the cases that the edited rules' detectors score; all, where a rule reads none or the record has none."""
    rules = [r for p, r in policies.rules() if p.id == proposal.policy and r.id in {e.rule for e in proposal.edits}]
    detectors = {r.detector for r in rules}
    named = any("detector" in frame.columns for frame in (record.violations, record.assessments))
    if not detectors or None in detectors or not named:
        return Segment({})
    return Segment.of(detector=sorted(d for d in detectors if d))
