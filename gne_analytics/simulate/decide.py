"""What a policy set does to the cases, edition by edition, through the same replay that backtests use."""

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from gne_analytics.enforcement.replay import replay
from gne_analytics.policy.files import PolicySet
from gne_analytics.policy.model import Rule


def before(policies: PolicySet, overrides: frozenset[str]) -> PolicySet:
    """The edition of a policy set before the named overrides came into it."""
    if not overrides:
        return policies
    kept = {
        policy.id: policy.model_copy(update={"rules": tuple(_without(rule, overrides) for rule in policy.rules)})
        for policy in policies.policies.values()
    }
    return replace(policies, policies=kept)


def decide(policies: PolicySet, cases: pl.DataFrame, since: Mapping[str, int]) -> pl.DataFrame:
    """Return one row per case, in their order: rule_id, policy_id, clause_id, action, points, threshold, review.

    ``since`` says from which week an override holds that came into the set during the record. All but ``review`` are
    null where nothing fired.
    """
    weeks = sorted({0, *since.values()})
    parts = []
    for at, until in zip(weeks, [*weeks[1:], None], strict=True):
        span = cases.filter(pl.col("week") >= at, pl.lit(True) if until is None else pl.col("week") < until)
        later = frozenset(name for name, week in since.items() if week > at)
        parts.append(_decisions(before(policies, later), span))
    return cases.select("case_id").join(pl.concat(parts), on="case_id", how="left", maintain_order="left")


def _decisions(policies: PolicySet, cases: pl.DataFrame) -> pl.DataFrame:
    said = replay(policies, cases)
    facts = said.firings.select("case_id", "rule_id", "clause_id", "threshold", "points")
    return said.decisions.join(facts, on=["case_id", "rule_id"], how="left", maintain_order="left").select(
        "case_id", "rule_id", "policy_id", "clause_id", "action", "points", "threshold", "review"
    )


def _without(rule: Rule, overrides: frozenset[str]) -> Rule:
    if rule.threshold is None or not overrides & {o.id for o in rule.threshold.overrides}:
        return rule
    left = tuple(o for o in rule.threshold.overrides if o.id not in overrides)
    return rule.model_copy(update={"threshold": rule.threshold.model_copy(update={"overrides": left})})
