"""From cause to proposal: typed edits towards objectives.yaml, chosen on some sellers and confirmed on the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from gne_analytics.evidence.proposals import ExperimentPlan, Proposal, Recommendation
from gne_analytics.evidence.segment import Frozen, Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Cause, CauseKind, Edit, EditKind, Mechanism
from gne_analytics.policy.files import PolicySet
from gne_analytics.policy.model import Policy
from gne_analytics.strategy.admissible import choose_threshold
from gne_analytics.strategy.arena import policy_reviewers
from gne_analytics.strategy.backtest import replay_change
from gne_analytics.strategy.candidates import (
    Candidate,
    Target,
    choose,
    joined,
    search_exemptions,
    search_reviews,
    search_thresholds,
    signatures_of,
    targets_of,
)
from gne_analytics.strategy.contributions import minimal
from gne_analytics.strategy.drafts import draft_edits
from gne_analytics.strategy.estimate import Reviewers
from gne_analytics.strategy.experiment import plan_from_record
from gne_analytics.strategy.greedy import observed_segments
from gne_analytics.strategy.judged import judge, new_proposal
from gne_analytics.strategy.levers import LEVERS, Lever
from gne_analytics.strategy.recommend import COVERAGE_FLOOR
from gne_analytics.strategy.study import Study, open_study
from gne_analytics.tables.record import Record

POLICY_KINDS = frozenset({CauseKind.RATE_SHIFT, CauseKind.NEW_SEGMENT})
"""Kinds of cause that a policy may answer; the others only look like a failing."""

RULE_ALONE, RULE_OF_SEVERAL = 0.2, 0.05
"""The share of a segment's cases that a rule must decide: to be edited for itself, and beside others."""


class Referral(Frozen):
    """A cause that no edit of policy mends, handed to who can."""

    cause_id: str
    mechanism: Mechanism
    owner: str
    why: str
    """A claim template."""


@dataclass(frozen=True)
class Answer:
    """What is proposed for a list of causes, and what is referred."""

    proposals: tuple[Proposal, ...]
    referrals: tuple[Referral, ...]


def propose(
    causes: Sequence[Cause],
    record: Record,
    policies: PolicySet,
    *,
    store: EvidenceStore,
    seed: int = 0,
    study: Study | None = None,
) -> list[Proposal]:
    """Propose typed edits for causes, the best set per cause and policy, each judged by its backtest.

    Values are searched on the sellers of one part of the folds; the recommendation comes from the others. Protected
    policies get none. Causes without a lever in policy are left to ``answer``, which names their owner.

    Example:
        >>> propose(causes, record, policies, store=EvidenceStore())  # doctest: +SKIP
    """
    return list(answer(causes, record, policies, store=store, seed=seed, study=study).proposals)


def answer(
    causes: Sequence[Cause],
    record: Record,
    policies: PolicySet,
    *,
    store: EvidenceStore,
    seed: int = 0,
    study: Study | None = None,
) -> Answer:
    """Answer every cause: with proposals where an edit of policy can mend it, else with a referral to its owner."""
    study = study or open_study(record, policies)
    proposals: dict[str, Proposal] = {}
    referrals: list[Referral] = []
    for cause in causes:
        found, why = _for_cause(cause, study, store, seed)
        for proposal in found:
            if (known := proposals.get(proposal.id)) is not None:
                proposal = known.model_copy(update={"cause_ids": (*known.cause_ids, cause.id)})
            proposals[proposal.id] = proposal
        if not found:
            referrals.append(Referral(cause_id=cause.id, mechanism=cause.mechanism, owner=_owner(cause), why=why))
    return Answer(tuple(proposals.values()), tuple(referrals))


def _owner(cause: Cause) -> str:
    return LEVERS[cause.mechanism].owner


def _for_cause(cause: Cause, study: Study, store: EvidenceStore, seed: int) -> tuple[list[Proposal], str]:
    lever = LEVERS[cause.mechanism]
    if cause.kind not in POLICY_KINDS:
        return [], "This is no failing of a policy, so no edit answers it."
    if lever.refer:
        return [], lever.refer
    since = cause.onset if lever.from_onset else None
    if not cause.segment.depth:
        return [], "The cause names no segment; an edit for every rule of the platform would answer nothing."
    share = RULE_OF_SEVERAL if EditKind.ADD_EXEMPTION in lever.searched else RULE_ALONE
    targets = targets_of(cause.segment, study, since, share)
    protected = [t for t in targets if t.policy.protected]
    targets = [t for t in targets if not t.policy.protected]
    if protected and not targets:
        name = store.add(protected[0].policy.id, "name")
        return [], f"Policy {name.ref()} is protected: no relaxing edit is proposed; its owner decides what to do."
    by_policy: dict[str, list[Target]] = {}
    for target in targets:
        by_policy.setdefault(target.policy.id, []).append(target)
    made = [_searched(cause, lever, same, study, store, seed) for same in by_policy.values()]
    found = [proposal for proposal in made if proposal is not None]
    policy = _policy_of(cause, targets, study)
    if policy is not None and lever.drafted:
        found += _drafted(cause, lever, policy, study, store)
    return (
        found,
        "On the labels that there are, no edit of this kind lowers the loss of the sellers that were searched.",
    )


def _policy_of(cause: Cause, targets: Sequence[Target], study: Study) -> Policy | None:
    """Return the policy whose words to change: the segment's own, that of its cases, or the nearest by category."""
    named = [p for p in cause.segment.values("policy_id") if p in study.policies.policies]
    chosen = study.policies.policy(named[0]) if named else (targets[0].policy if targets else None)
    if chosen is None and cause.mechanism is Mechanism.TAXONOMY_GAP:
        tops = [c.split("/")[0] for c in cause.segment.values("category")]
        cases = study.population.cases.filter("enforced")
        if tops and "category" in cases.columns:
            cases = cases.filter(pl.col("category").str.split("/").list.first().is_in(tops))
        counted = cases.drop_nulls("logged_policy_id").group_by("logged_policy_id").len()
        ranked = counted.sort(["len", "logged_policy_id"], descending=[True, False])["logged_policy_id"]
        wanted = [p for p in ranked if p in study.policies.policies]
        open_ = [p for p in wanted if not study.policies.policy(p).protected]
        chosen = study.policies.policy(open_[0]) if open_ else None
    return None if chosen is None or chosen.protected else chosen


def _searched(
    cause: Cause, lever: Lever, targets: Sequence[Target], study: Study, store: EvidenceStore, seed: int
) -> Proposal | None:
    """Search the lever's families of edits on one policy's rules, take the best, let the unseen sellers judge it."""
    reviewers = policy_reviewers(targets[0].policy.id, study)
    reason = f"{_words(cause.mechanism)} in {cause.segment}"
    signatures: dict[str, Segment] = {}
    if EditKind.ADD_EXEMPTION in lever.searched:
        known = signatures_of(targets, study)
        signatures = {**known, **{k: s for k, s in observed_segments(targets[0], study).items() if k not in known}}
    families: list[Candidate] = []
    for kind in lever.searched:
        found: list[Candidate | None] = []
        if kind is EditKind.ADD_OVERRIDE:
            lower = cause.mechanism is Mechanism.THRESHOLD and cause.effect.value < 0
            tried = [search_thresholds(t, study, reviewers, reason, lower) for t in targets]
            found = [choose_threshold(c, study, targets[0].since) for c in tried]
        elif kind is EditKind.ADD_EXEMPTION:
            found = [choose(joined([search_exemptions(t, study, reviewers, reason, signatures) for t in targets]))]
        elif kind is EditKind.SET_HUMAN_REVIEW and reviewers.wrong and reviewers.right:
            found = [choose(search_reviews(t, study, reviewers, reason)) for t in targets]
        families += joined([[c] for c in found if c is not None])
    best = _first(families, study, targets[0].since) or _unsearched(lever, targets[0], study, reviewers, reason)
    if best is None:
        return None
    since = targets[0].since
    edits = minimal(best.edits, study, since)
    made = _proposal(edits, cause, targets[0].policy, study, store, since=since)
    return judge(made, study, store, seed=seed)[0]


def _first(families: Sequence[Candidate], study: Study, since: date | None) -> Candidate | None:
    """Return the best of the families' candidates, those first that the record can judge at all.

    Whether it can is seen on the searched sellers too, so that the others have no part in the choice.
    """
    if len(families) < 2:
        return next(iter(families), None)

    def rank(candidate: Candidate) -> tuple[bool, float]:
        known = replay_change(candidate.edits, study, label="final_decision", on="search", since=since).identification
        return known.coverage < COVERAGE_FLOOR, candidate.in_sample

    return min(families, key=rank)


def _unsearched(lever: Lever, target: Target, study: Study, reviewers: Reviewers, reason: str) -> Candidate | None:
    """Offer review of the whole segment where nothing is known of reviewers: no search can weigh it, an audit can."""
    if EditKind.SET_HUMAN_REVIEW not in lever.searched or (reviewers.wrong and reviewers.right):
        return None
    return next(iter(search_reviews(target, study, reviewers, reason)), None)


def _drafted(cause: Cause, lever: Lever, policy: Policy, study: Study, store: EvidenceStore) -> list[Proposal]:
    edits = draft_edits(lever.drafted, cause, policy, study)
    if not edits:
        return []
    plan = plan_from_record(lever.metric, cause.effect.value, study.record, Segment.of(policy_id=policy.id))
    made = _proposal(edits, cause, policy, study, store, experiment=plan)
    return [made.model_copy(update={"recommendation": Recommendation.EXPERIMENT})]


def _proposal(
    edits: tuple[Edit, ...],
    cause: Cause,
    policy: Policy,
    study: Study,
    store: EvidenceStore,
    *,
    since: date | None = None,
    experiment: ExperimentPlan | None = None,
) -> Proposal:
    edits = tuple(edit.model_copy(update={"evidence": cause.evidence}) for edit in edits)
    segment, name = store.add(str(cause.segment), "name"), store.add(policy.id, "name")
    said = f"In {segment.ref()} the mechanism is {_words(cause.mechanism)}, under policy {name.ref()}."
    cited = (*cause.evidence, segment.id, name.id)
    made = new_proposal(edits, policy, study, [said, *cause.mechanism_reasons], cited, since)
    return made.model_copy(update={"cause_ids": (cause.id,), "experiment": experiment})


def _words(mechanism: Mechanism) -> str:
    return mechanism.value.replace("_", " ")
