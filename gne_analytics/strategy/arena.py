"""The arena of a search: one rule's cells on the sellers to search on, where every candidate costs a look-up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gne_analytics.policy.files import PolicySet
from gne_analytics.policy.model import Costs, Policy, Rule
from gne_analytics.policy.predicates import compile as compile_predicate
from gne_analytics.strategy.cells import Bools, CellRule, Tensor, count_cells, densify
from gne_analytics.strategy.estimate import Floats, Reviewers
from gne_analytics.strategy.rows import Condition
from gne_analytics.strategy.rules import compile_rules
from gne_analytics.strategy.study import Study

PRIOR_LABELS = 5.0
"""Labels that the rule's own average weighs in the share of a small region; a search may shrink, a test may not."""
CLASSES = ("enforced", "by_person", "appealed")
MOVES = ((1, 0), (-1, 0), (-1, 1), (1, -1), (0, 1), (0, -1))
"""How the chance of enforcement can change: (alpha, beta) of ``estimate``."""
SUMS = ("settled", "settled_violating", "weight", "weighted_violating", "labels")


@dataclass(frozen=True)
class Arena:
    """The cells of one detector's cases, today's rules on them, and what they cost."""

    tensor: Tensor
    rules: tuple[CellRule, ...]
    target: int
    """Position of the rule that is searched."""
    bits: Mapping[str, int]
    """Candidate predicate -> its bit."""
    cost: Costs
    reviewers: Reviewers

    def with_override(self, predicate: str, value: float, priority: int) -> tuple[CellRule, ...]:
        """Return the rules with a threshold of its own for the cases of a predicate."""
        rule = self.rules[self.target]
        return self._with(replace(rule, overrides=(*rule.overrides, (self.bits[predicate], value, priority))))

    def with_default(self, value: float) -> tuple[CellRule, ...]:
        """Return the rules with another default threshold."""
        return self._with(replace(self.rules[self.target], default=value))

    def with_exemption(self, predicate: str) -> tuple[CellRule, ...]:
        """Return the rules with the cases of a predicate exempt."""
        rule = self.rules[self.target]
        return self._with(replace(rule, exempt=(*rule.exempt, self.bits[predicate])))

    def with_review(self, predicate: str) -> tuple[CellRule, ...]:
        """Return the rules with the cases of a predicate sent to a person, and no others."""
        return self._with(replace(self.rules[self.target], review=self.bits[f"review: {predicate}"]))

    def _with(self, rule: CellRule) -> tuple[CellRule, ...]:
        return (*self.rules[: self.target], rule, *self.rules[self.target + 1 :])

    def loss(self, rules: Sequence[CellRule]) -> float:
        """Return the difference in loss to today's rules, in sample: to choose by, never to report."""
        today, then = self.tensor.states(self.rules), self.tensor.states(rules)
        certain_now, open_now = self._chance(*today, today)
        certain_then, open_then = self._chance(*then, today)
        alpha, beta = certain_then - certain_now, open_then - open_now
        total = 0.0
        code = 3 * alpha + beta
        for a, b in MOVES:
            if not (mask := code == 3 * a + b).any():
                continue
            violating, legitimate = self._truth(mask)
            wrong = self.reviewers.wrong.value if self.reviewers.wrong else 0.5
            right = self.reviewers.right.value if self.reviewers.right else 0.5
            total += (self.cost.wrongful_enforcement or 0.0) * (a + b * wrong) * legitimate
            total -= (self.cost.missed_violation or 0.0) * (a + b * right) * violating
        n = self.tensor.counts("n").sum(2)
        reviews = float((n * (then[1].astype(int) - today[1].astype(int))).sum())
        return total + (self.cost.review or 0.0) * reviews

    def _chance(
        self, rank: NDArray[np.int8], review: Bools, today: tuple[NDArray[np.int8], Bools]
    ) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
        """Return, per cell, whether a case is enforced for certain, and whether a person yet unknown decides."""
        classes = self.tensor.classes
        by_person, enforced = classes["by_person"].to_numpy(), classes["enforced"].to_numpy()
        acts, asks = (rank > 0)[:, :, None], (review & (rank > 0))[:, :, None]
        passed = ~enforced[None, None, :] & (today[1] & (today[0] > 0))[:, :, None]
        certain = (acts & ~asks) | (asks & by_person[None, None, :])
        open_ = asks & ~by_person[None, None, :] & ~passed
        return certain.astype(np.int8), open_.astype(np.int8)

    def _truth(self, mask: Bools) -> tuple[float, float]:
        """Estimate the violating and the legitimate cases under a mask: appeals as decided, the rest from audits."""
        sums = {name: (self.tensor.counts(name) * mask).sum((0, 1)) for name in ("n", *SUMS)}
        prior = self._prior(sums["settled"].sum(), sums["settled_violating"].sum())
        mean_weight = np.where(sums["labels"] > 0, sums["weight"] / np.maximum(sums["labels"], 1), 1.0)
        k = PRIOR_LABELS * mean_weight
        share = (sums["weighted_violating"] + k * prior) / (sums["weight"] + k)
        violating = sums["settled_violating"] + (sums["n"] - sums["settled"]) * share
        return float(violating.sum()), float((sums["n"] - violating).sum())

    def _prior(self, settled: float, violating: float) -> Floats:
        """Return the share to shrink to, per class: the rule's audited one, moved as far as the region's appeals are.

        A region whose appeals are overturned more often than the rule's holds fewer violations among its other cases
        too; the odds are moved alike. This guides a search only; the test on unseen sellers takes nothing from it.
        """
        total = {m: self.tensor.counts(m).sum((0, 1)) for m in ("weight", "weighted_violating", *SUMS[:2])}
        weight = total["weight"]
        overall = total["weighted_violating"].sum() / weight.sum() if weight.sum() else 0.5
        audited = np.where(weight > 0, total["weighted_violating"] / np.maximum(weight, 1e-12), overall)
        here = (violating + 1) / (settled + 2)
        everywhere = (total["settled_violating"].sum() + 1) / (total["settled"].sum() + 2)
        shift = settled / (settled + PRIOR_LABELS) * (_logit(here) - _logit(everywhere))
        return np.asarray(1 / (1 + np.exp(-(_logit(np.clip(audited, 0.02, 0.98)) + shift))), np.float64)


def build_arena(
    study: Study,
    policy: Policy,
    rule: Rule,
    predicates: Sequence[str],
    edges: Sequence[float],
    reviewers: Reviewers,
    since: date | None = None,
) -> Arena:
    """Count the searched sellers' cases of a rule's detector into cells that know all candidates.

    Args:
        study: the replayed record.
        policy: the rule's policy.
        rule: the rule to search on.
        predicates: every predicate that a candidate may use; a review's is read as replay reads it.
        edges: every threshold that a candidate may use.
        reviewers: how people decide.
        since: leave out the cases before this day.
    """
    cases = _cases(study, rule, since)
    compiled = compile_rules([_only(study.policies, rule.detector)], cases.schema, study.day)
    known = dict(compiled.predicates)
    for text in predicates:
        predicate = compile_predicate(text, cases.schema)
        known[f"candidate: {text}"] = Condition(predicate.certain(), predicate.columns)
        known[f"review: {text}"] = Condition(predicate.possible(), predicate.columns)
    names = list(known)
    cells = count_cells(cases, known, [*compiled.edges, *edges], by=CLASSES, sums=SUMS)
    rules = compiled.rules[0]
    bits = {t: names.index(f"candidate: {t}") for t in predicates}
    bits |= {f"review: {t}": names.index(f"review: {t}") for t in predicates}
    position = [r.name for r in rules].index(rule.id)
    return Arena(densify(cells), rules, position, bits, study.policies.objectives.of(policy.id).cost, reviewers)


def _logit(share: Floats | float) -> Floats:
    return np.asarray(np.log(share) - np.log1p(-np.asarray(share)), np.float64)


def _cases(study: Study, rule: Rule, since: date | None) -> pl.DataFrame:
    own = pl.col("detector").cast(pl.String) == rule.detector if rule.detector else pl.lit(True)
    settled = pl.col("decided_violating").is_not_null()
    weight = pl.when(~settled & pl.col("audit_violating").is_not_null()).then(1 / pl.col("audit_prob")).fill_null(0.0)
    truth = study.population.cases.filter(pl.col("part") == 0).select(
        "case_id",
        "enforced",
        "appealed",
        by_person=pl.col("enforced") & pl.col("human").fill_null(False),
        settled=settled.cast(pl.Float64),
        settled_violating=pl.col("decided_violating").fill_null(0.0),
        weight=weight,
        weighted_violating=weight * pl.col("audit_violating").fill_null(0.0),
        labels=(weight > 0).cast(pl.Float64),
    )
    rows = study.population.scores.filter(own)
    if since is not None:
        rows = rows.filter(pl.col("event_date") >= since)
    return rows.join(truth, on="case_id", how="inner")


def _only(policies: PolicySet, detector: str | None) -> PolicySet:
    """Keep the rules that read one detector; the others decide the same cases alike before and after."""
    kept = {
        name: policy.model_copy(update={"rules": tuple(r for r in policy.rules if r.detector in (detector, None))})
        for name, policy in policies.policies.items()
    }
    return replace(policies, policies=kept)
