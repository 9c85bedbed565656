"""What a policy set truly costs in a simulated world, whom it truly harms, and the best edits that perfect labels find.

The oracle searches the space of edits that proposals come from (`strategy.levers`: which families go with a mechanism;
a higher threshold, an exemption or a review for a segment, on any rule of the policy that went wrong) by brute force
over the latent truth, the weeks after the record included. It is told where the world was spoilt and by what, and keeps
every guardrail in truth; none of its code is shared with the search that it judges.

What a reviewer would say of a case that no rule sends to one is no label of the case: no record holds it, so reviews
are left out of the space, unless they are asked for.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import binom

from gne_analytics.enforcement.replay import replay
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Edit, EditKind, Mechanism
from gne_analytics.policy.edits import applied
from gne_analytics.policy.files import PolicySet
from gne_analytics.policy.model import ALWAYS, Costs, Rule, Status
from gne_analytics.policy.predicates import PATHS, predicate_of
from gne_analytics.policy.predicates import compile as compile_predicate
from gne_analytics.policy.resolve import resolve
from gne_analytics.simulate.incidents import Planted
from gne_analytics.strategy.guardrails import slice_value
from gne_analytics.strategy.levers import LEVERS

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NAMEABLE = ("market", "language", "category", "object_type", "seller_tier", "account_type", "detector_version")
"""What a predicate may name of a case."""
VALUES, STEPS, MOST = 6, 6, 40
"""Values of a further dimension that are tried, edits that are made, candidates held against the guardrails."""
WORTH = 0.002
"""The share of the loss that a further edit must remove."""
CHANCE = 0.05
"""A guardrail is broken where as many harmed would be rarer than this, were the slice's true share at its margin."""


def fare(policies: PolicySet, cases: pl.DataFrame) -> pl.DataFrame:
    """Return the cases (`simulate.world.Truth.cases`) with ``enforced`` and ``reviewed`` under a policy set."""
    said = replay(policies, cases).decisions
    fired = said["action"].is_not_null()
    reviewed = fired & said["review"]
    return cases.with_columns(enforced=fired & (~reviewed | cases["confirms"] | cases["ordered"]), reviewed=reviewed)


def loss(policies: PolicySet, cases: pl.DataFrame) -> float:
    """Return the true loss of cases as they fared: mistakes and reviews at the prices of objectives.yaml."""
    total = 0.0
    for (policy,), own in cases.group_by("policy_id"):
        cost = policies.objectives.of(str(policy)).cost
        wrong = own.filter(pl.col("enforced") & ~pl.col("violating")).height
        missed = own.filter(~pl.col("enforced") & pl.col("violating")).height
        total += wrong * (cost.wrongful_enforcement or 0.0) + missed * (cost.missed_violation or 0.0)
        total += float(own["reviewed"].sum()) * (cost.review or 0.0)
    return total


@dataclass(frozen=True)
class Harm:
    """A slice in which mistakes grew by more than its margin."""

    policy: str
    name: str
    slice: str
    cases: int
    share: float
    margin: float
    by_chance: bool
    """So many cases harmed need not mean that the slice's true share is beyond its margin."""


def harms(policies: PolicySet, before: pl.DataFrame, after: pl.DataFrame) -> list[Harm]:
    """Return the slices that a change harms beyond their margin: the same cases, as they fared before and after.

    Reviews are held against the capacity in the busiest week.
    """
    both = before.with_columns(then=after["enforced"], asked=after["reviewed"])
    found = []
    for (name,), own in both.group_by("policy_id", maintain_order=True):
        if own.filter((pl.col("then") != pl.col("enforced")) | (pl.col("asked") != pl.col("reviewed"))).is_empty():
            continue
        objective = policies.objectives.of(str(name))
        margins = objective.guardrails
        for dimension in margins.slices or ():
            grew = (pl.col("then").cast(pl.Int32) - pl.col("enforced").cast(pl.Int32)).cast(pl.Float64)
            shares = own.group_by(slice_value(dimension).alias("slice")).agg(
                n=pl.len(),
                wrongful_enforcement=(grew * ~pl.col("violating")).sum(),
                missed_violations=-(grew * pl.col("violating")).sum(),
            )
            for metric, margin in (("wrongful_enforcement", margins.wrongful_enforcement or 0.0),
                                   ("missed_violations", margins.missed_violation or 0.0)):  # fmt: skip
                for value, n, harmed in shares.sort("slice").select("slice", "n", metric).iter_rows():
                    if harmed > margin * n + 1e-9:
                        rare = binom.sf(harmed - 1, n, margin) < CHANCE
                        found.append(Harm(str(name), metric, f"{dimension}={value}", n, harmed / n, margin, not rare))
        per_week = own.group_by("week").agg(now=pl.col("reviewed").sum(), then=pl.col("asked").sum())
        capacity, peak = objective.review_capacity, per_week.sort("then", "week").row(-1, named=True)
        if capacity is not None and peak["then"] > max(capacity, peak["now"]):
            found.append(
                Harm(str(name), "review_capacity", "all", own.height, float(peak["then"]), float(capacity), False)
            )
    return found


@dataclass(frozen=True)
class Best:
    """What perfect labels find for one failing after the other."""

    policies: PolicySet
    edits: tuple[Edit, ...]
    removed: tuple[float, ...]
    """Per failing, the true loss that its edits remove."""


def oracle(
    policies: PolicySet,
    planted: Sequence[Planted],
    cases: pl.DataFrame,
    counted: pl.DataFrame,
    *,
    reviews: bool = False,
) -> Best:
    """Return the edits that remove most of the true loss of cases and break no guardrail, found greedily one by one.

    Args:
        policies: today's set.
        planted: the failings, mended in this order.
        cases: what is searched.
        counted: the cases whose loss is reported.
        reviews: send cases to people too, who answer as they will.
    """
    today, now = fare(policies, cases), policies
    total = loss(policies, today)
    edits, removed = [], []
    for failing in planted:
        before = loss(policies, fare(now, counted))
        for step in range(STEPS):
            ranked = sorted(
                _candidates(now, failing, cases, f"{failing.id}-{step}", reviews=reviews), key=lambda c: c.gain
            )
            worth = [c for c in ranked if c.gain <= -WORTH * total][:MOST]
            found = next((c.edit for c in worth if _is_admissible(now, c.edit, today, cases)), None)
            if found is None:
                break
            edits.append(found)
            now = applied(now, [found])
        removed.append(before - loss(policies, fare(now, counted)))
    return Best(now, tuple(edits), tuple(removed))


def _is_admissible(now: PolicySet, edit: Edit, today: pl.DataFrame, cases: pl.DataFrame) -> bool:
    mine = pl.col("policy_id") == edit.policy
    after = fare(applied(now, [edit]), cases.filter(mine))
    return all(h.by_chance for h in harms(now, today.filter(mine), after))


@dataclass(frozen=True)
class _Candidate:
    kind: EditKind
    policy: str
    rule: str
    new: object
    gain: float
    """Change of the true loss."""
    old: object = None

    @property
    def edit(self) -> Edit:
        return Edit(kind=self.kind, policy=self.policy, rule=self.rule, old=self.old, new=self.new)


def _candidates(
    policies: PolicySet, planted: Planted, cases: pl.DataFrame, name: str, *, reviews: bool
) -> Iterator[_Candidate]:
    families = set(LEVERS[Mechanism(planted.kind)].searched) - (set() if reviews else {EditKind.SET_HUMAN_REVIEW})
    if planted.policy is None or not families or policies.policies[planted.policy].protected:
        return
    own = cases.filter(pl.col("policy_id") == planted.policy)
    matches = {predicate_of(s, PATHS): compile_predicate(predicate_of(s, PATHS)).mask(own).to_numpy()
               for s in _segments(planted, own)}  # fmt: skip
    for rule in policies.policies[planted.policy].rules:
        if rule.status is Status.LIVE and rule.threshold is not None and rule.human_review != ALWAYS:
            yield from _of_rule(policies, planted.policy, rule, own, matches, name, families)


def _segments(planted: Planted, own: pl.DataFrame) -> list[Segment]:
    """The planted segment and its other names, their parts, and each with one more value of another dimension."""
    found: dict[Segment, None] = {}
    for name in (planted.segment, *planted.alternatives):
        items = [(d, v) for d, v in name.items() if d in NAMEABLE]
        for depth in range(len(items), 0, -1):
            found |= dict.fromkeys(Segment(dict(part)) for part in combinations(items, depth))
    for segment in list(found):
        for dimension in (d for d in NAMEABLE if d not in segment.dimensions):
            values = own[dimension].drop_nulls().cast(pl.String)
            top = values.str.split("/").list.first() if dimension in PATHS else values
            for value in top.value_counts(sort=True)[dimension].head(VALUES):
                found[Segment({**segment.root, dimension: (value,)})] = None
    return list(found)


def _of_rule(
    policies: PolicySet,
    policy: str,
    rule: Rule,
    own: pl.DataFrame,
    matches: Mapping[str, Bools],
    name: str,
    families: Set[EditKind],
) -> Iterator[_Candidate]:
    assert rule.threshold is not None
    said = resolve(rule, own)
    asks, could = said["human_review"].to_numpy(), (said["applies"] & ~said["exempt"]).to_numpy()
    score, limit = own["score"].to_numpy(), said["threshold"].to_numpy()
    others = _state(replay(_without(policies, policy, rule.id), own).decisions)
    prices = _prices(policies.objectives.of(policy).cost, own)
    now = _cost(prices, np.maximum(others, np.where(could & (score >= limit), np.where(asks, 1, 2), 0)))
    priority = max((o.priority for o in rule.threshold.overrides), default=-1) + 1
    for match, inside in matches.items():
        here = np.flatnonzero(inside & could)
        if here.size == 0:
            continue
        held, scores, before = prices[:, here], score[here], now[here]
        elsewhere, acts = others[here], np.where(asks[here], 1, 2)

        def candidate(
            kind: EditKind, new: object, then: NDArray[np.int64], old: object = None,
            held: Floats = held, elsewhere: NDArray[np.int64] = elsewhere, before: Floats = before,
        ) -> _Candidate:  # fmt: skip
            gain = float((_cost(held, np.maximum(elsewhere, then)) - before).sum())
            return _Candidate(kind, policy, rule.id, new, gain, old)

        if EditKind.ADD_OVERRIDE in families:
            for value in np.round(np.arange(float(limit[here].min()) + 0.01, 0.99, 0.01), 2):
                new = {"id": name, "match": match, "value": float(value), "priority": priority, "reason": "oracle"}
                yield candidate(EditKind.ADD_OVERRIDE, new, np.where(scores >= value, acts, 0))
        if EditKind.ADD_EXEMPTION in families:
            exempt = {"id": f"ex-{name}", "match": match, "reason": "oracle"}
            yield candidate(EditKind.ADD_EXEMPTION, exempt, np.zeros_like(acts))
        if EditKind.SET_HUMAN_REVIEW in families:
            fires = scores >= limit[here]
            for cut in (None, *np.round(np.arange(float(limit[here].min()) + 0.05, 0.99, 0.05), 2)):
                wanted = f"({match})" if cut is None else f"({match}) AND score < {cut:g}"
                text = f"({rule.human_review}) OR ({wanted})" if rule.human_review else wanted
                sent = asks[here] | (scores < (2.0 if cut is None else cut))
                then = np.where(fires, np.where(sent, 1, 2), 0)
                yield candidate(EditKind.SET_HUMAN_REVIEW, text, then, rule.human_review)


def _without(policies: PolicySet, policy: str, rule: str) -> PolicySet:
    kept = policies.policies[policy]
    kept = kept.model_copy(update={"rules": tuple(r for r in kept.rules if r.id != rule)})
    return replace(policies, policies={policy: kept})


def _state(decisions: pl.DataFrame) -> NDArray[np.int64]:
    """0 nothing, 1 a person decides, 2 enforced at once."""
    asked = pl.when(pl.col("action").is_null()).then(0).when("review").then(1).otherwise(2)
    return decisions.select(asked.alias("s"))["s"].to_numpy().astype(np.int64)


def _prices(cost: Costs, own: pl.DataFrame) -> Floats:
    """What each case costs in each of the three states, state by case."""
    violating = own["violating"].to_numpy()
    wrong, missed = (np.where(m, price or 0.0, 0.0) for m, price in (
        (~violating, cost.wrongful_enforcement), (violating, cost.missed_violation)))  # fmt: skip
    said = (own["confirms"] | own["ordered"]).to_numpy()
    return np.stack([missed, np.where(said, wrong, missed) + (cost.review or 0.0), wrong])


def _cost(prices: Floats, state: NDArray[np.int64]) -> Floats:
    return np.asarray(prices[state, np.arange(prices.shape[1])])
