"""Exemption and review rules found among what is observed of the cases, with no cause to point at a segment.

Greedy: the condition that lowers the loss most, then the one that lowers it most beside the first, and so on, a few at
most; a longer predicate must bring clearly more than a shorter one. Searched over cells, where a conjunction costs no
further pass over rows, on some sellers; judged on the others.
"""

from collections.abc import Callable, Mapping
from datetime import date

import polars as pl

from gne_analytics.errors import PolicyError
from gne_analytics.evidence.proposals import Proposal
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Edit, EditKind
from gne_analytics.policy.files import PolicySet
from gne_analytics.policy.model import ALWAYS, Policy, Rule, Status
from gne_analytics.policy.predicates import PATHS
from gne_analytics.strategy.arena import Arena, build_arena, policy_reviewers
from gne_analytics.strategy.candidates import WORTH, Target, slug
from gne_analytics.strategy.judged import judge, new_proposal
from gne_analytics.strategy.study import Study, study_of
from gne_analytics.tables.record import Record

MOST_CONDITIONS = 3
"""Conditions that a predicate may join."""
MOST_VALUES, MOST_OBSERVED = 6, 40
"""Values tried per dimension, and in all: the most frequent among the cases that the rule decides."""
MIN_CASES = 20
"""Cases that a condition, or several joined, must hold of those that the rule decides on the sellers to search on."""

Loss = Callable[[Arena, str], float]


def search_rules(
    record: Record | Study,
    policies: PolicySet | None = None,
    *,
    policy: str,
    rule: str,
    store: EvidenceStore,
    since: date | None = None,
) -> list[Proposal]:
    """Search an exemption and a review rule among the predicates observed, each judged on the sellers not searched.

    At most one of each, and none where nothing lowers the loss. Reviews are searched only where it is known how people
    decide the policy's cases. A protected policy gets none, since both relax.

    Args:
        record: what happened, or the record already replayed.
        policies: today's policy set; not needed beside a study.
        policy: the policy.
        rule: its live rule.
        store: where the figures are recorded.
        since: leave out the cases before this day.
    """
    study = study_of(record, policies)
    owner = study.policies.policy(policy)
    own = owner.rule(rule)
    if own.status is not Status.LIVE:
        raise PolicyError(f"rule {rule!r} is {own.status.value}; only a live rule decides cases to search among.")
    if owner.protected:
        return []
    arena, conditions = observed(study, owner, own, since)
    made = []
    path = greedy(arena, conditions, Arena.exemption_loss)
    if path:
        made.append(exemption(study, owner, own, path[-1]))
    reviewers = arena.reviewers
    if reviewers.wrong and reviewers.right and own.human_review != ALWAYS:
        path = greedy(arena, conditions, Arena.review_loss)
        made += [review(study, owner, own, segment) for segment in path[-1:]]
    said = store.add(rule, "name")
    why = (
        f"Of the predicates observed among the cases of rule {said.ref()}, this one lowers the loss of those searched."
    )
    return [judge(new_proposal([edit], owner, study, [why], [said.id], since), study, store)[0] for edit in made]


def observed_segments(target: Target, study: Study) -> dict[str, Segment]:
    """Return what an exemption from a target's rule may name though its cause does not: predicate -> segment."""
    arena, conditions = observed(study, target.policy, target.rule, target.since)
    return {study.predicate(s): s for s in greedy(arena, conditions, Arena.exemption_loss)}


def observed(study: Study, policy: Policy, rule: Rule, since: date | None) -> tuple[Arena, dict[str, Segment]]:
    """Return a rule's arena that knows the conditions observed often among the cases it decides, and these by name."""
    decided = study.today.decisions.filter(pl.col("rule_id") == rule.id).select("case_id")
    cases = study.population.cases.filter(pl.col("part") == 0).join(decided, on="case_id", how="semi")
    if since is not None:
        cases = cases.filter(pl.col("event_date") >= since)
    found: list[tuple[int, Segment]] = []
    for name in study.population.attributes:
        if name.endswith("_id") or name == "detector":
            continue
        values = cases[name].drop_nulls().cast(pl.String)
        if name in PATHS:
            parts = values.str.split("/")
            tops = parts.list.first()
            values = pl.concat([values, tops.filter(parts.list.len() > 1)])
        counted = values.value_counts(sort=True, name="n").filter(pl.col("n").is_between(MIN_CASES, cases.height - 1))
        ranked = counted.sort("n", name, descending=[True, False]).head(MOST_VALUES)
        segments = [(n, Segment({name: (value,)})) for value, n in ranked.iter_rows()]
        found += [(n, segment) for n, segment in segments if study.can_name(segment)]
    found.sort(key=lambda pair: (-pair[0], str(pair[1])))
    conditions = {study.predicate(segment): segment for _, segment in found[:MOST_OBSERVED]}
    arena = build_arena(study, policy, rule, list(conditions), [], policy_reviewers(policy.id, study), since)
    return arena, conditions


def greedy(arena: Arena, conditions: Mapping[str, Segment], loss_of: Loss) -> list[Segment]:
    """Return the segments found one condition after the other, each clearly better than the one before."""
    path: list[Segment] = []
    names: tuple[str, ...] = ()
    best, here = 0.0, Segment({})
    while len(path) < MOST_CONDITIONS:
        tried = []
        for text, condition in conditions.items():
            if here.values(condition.dimensions[0]):
                continue
            joined = (*names, text)
            name = " AND ".join(joined)
            wider = arena if len(joined) == 1 else arena.joined(name, joined)
            if wider.acted_on(name) >= MIN_CASES:
                tried.append((loss_of(wider, name), joined, condition))
        if not tried:
            break
        loss, joined, condition = min(tried, key=lambda t: t[0])
        if loss >= best / WORTH or loss >= 0:
            break
        best, names, here = loss, joined, Segment({**here.root, **condition.root})
        path.append(here)
    return path


def exemption(study: Study, policy: Policy, rule: Rule, segment: Segment) -> Edit:
    """Return the edit that exempts a segment's cases from a rule."""
    taken = [e.id.removeprefix("ex-") for e in rule.exemptions]
    reason = f"{rule.id} is more often wrong than right in {segment}"
    new = {"id": f"ex-{slug(segment, taken)}", "match": study.predicate(segment), "reason": reason}
    return Edit(kind=EditKind.ADD_EXEMPTION, policy=policy.id, rule=rule.id, new=new, reason=reason)


def review(study: Study, policy: Policy, rule: Rule, segment: Segment) -> Edit:
    """Return the edit that sends a segment's cases to a person, beside those that go there today."""
    match = study.predicate(segment)
    new = f"({rule.human_review}) OR ({match})" if rule.human_review else match
    reason = f"people decide {segment} better than {rule.id} does"
    return Edit(
        kind=EditKind.SET_HUMAN_REVIEW, policy=policy.id, rule=rule.id, old=rule.human_review, new=new, reason=reason
    )
