"""The arena of a search: one rule's cells on the sellers to search on, where every candidate costs a look-up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gne_analytics.policy.files import PolicySet
from gne_analytics.policy.model import Costs, Policy, Rule
from gne_analytics.policy.predicates import compile as compile_predicate
from gne_analytics.strategy.cells import Bools, CellRule, Tensor, count_cells, densify
from gne_analytics.strategy.estimate import Floats, Reviewers
from gne_analytics.strategy.flows import flow_of
from gne_analytics.strategy.reviewers import reviewer_rates
from gne_analytics.strategy.rows import Condition
from gne_analytics.strategy.rules import compile_rules
from gne_analytics.strategy.study import Study

PRIOR_LABELS = 5.0
"""Labels that the rule's own average weighs in the share of a small region; a search may shrink, a test may not."""
CLASSES = ("enforced", "by_person", "appealed")
MOVES = ((1, 0), (-1, 0), (-1, 1), (1, -1), (0, 1), (0, -1))
"""How the chance of enforcement can change: (alpha, beta) of ``estimate``."""
READINGS = ("", "review: ")
"""How a candidate's predicate is read: as an exemption's, surely so; as a review's, perhaps."""
SUMS = ("settled", "settled_violating", "weight", "weighted_violating", "labels", "labelled_violating")


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
    of: Tensor | None = None
    """The whole rule's cells, where the arena is a part of them (``within``)."""

    def within(self, predicate: str) -> "Arena":
        """Return the arena of a candidate predicate's cases alone: what a change in them does is cheaper there."""
        inside = self.tensor.signatures[:, self.bits[predicate]]
        return replace(self, tensor=self.tensor.part(inside), of=self.of or self.tensor)

    def joined(self, name: str, predicates: Sequence[str]) -> "Arena":
        """Return the arena with one candidate predicate more: all of some that it knows, for which no row is read."""
        of = self.tensor.signatures
        return self._knowing(
            {
                r + name: np.asarray(of[:, [self.bits[r + p] for p in predicates]].all(axis=1), np.bool_)
                for r in READINGS
            }
        )

    def acted_on(self, predicate: str) -> float:
        """Return how many of a candidate predicate's cases today's rules act on."""
        inside = self.tensor.signatures[:, self.bits[predicate]]
        return float(self.tensor.counts("n").sum(2)[inside][self._today[0][inside] > 0].sum())

    def exemption_loss(self, predicate: str) -> float:
        """Return the difference in loss of an exemption, in sample."""
        return self.loss(self.with_exemption(predicate))

    def review_loss(self, predicate: str) -> float:
        """Return the difference in loss where a person decides a predicate's cases beside those of today, in sample."""
        today = self.rules[self.target].review
        if today is None:
            return self.loss(self.with_review(predicate))
        of = self.tensor.signatures
        wider = self._knowing({"review: either": of[:, today] | of[:, self.bits[f"review: {predicate}"]]})
        return wider.loss(wider.with_review("either"))

    def _knowing(self, columns: Mapping[str, Bools]) -> "Arena":
        """Return the arena with further predicates, told by their value in every signature."""
        known = self.tensor.signatures.shape[1]
        signatures = np.column_stack([self.tensor.signatures, *columns.values()])
        bits = {**self.bits, **{name: known + i for i, name in enumerate(columns)}}
        return replace(self, tensor=replace(self.tensor, signatures=signatures), bits=bits)

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

    def with_set_override(self, position: int, value: float) -> tuple[CellRule, ...]:
        """Return the rules with another threshold in one of the rule's overrides, by its place among them."""
        rule = self.rules[self.target]
        bit, _, priority = rule.overrides[position]
        overrides = (*rule.overrides[:position], (bit, value, priority), *rule.overrides[position + 1 :])
        return self._with(replace(rule, overrides=overrides))

    def loss(self, rules: Sequence[CellRule]) -> float:
        """Return the difference in loss to today's rules, in sample: to choose by, never to report."""
        wrongful, missed, reviews = self.outcomes(rules)
        cost = self.cost
        loss = (cost.wrongful_enforcement or 0.0) * wrongful + (cost.missed_violation or 0.0) * missed
        return loss + (cost.review or 0.0) * reviews

    def outcomes(self, rules: Sequence[CellRule]) -> tuple[float, float, float]:
        """Return the differences to today's rules in wrongful enforcement, missed violations and reviews, in sample.

        To choose by, never to report.
        """
        today, then = self._today, self.tensor.states(rules)
        certain_now, open_now = self._chance(*today, today)
        certain_then, open_then = self._chance(*then, today)
        code = 3 * (certain_then - certain_now) + (open_then - open_now)
        by_wrong = self.reviewers.wrong.value if self.reviewers.wrong else 0.5
        by_right = self.reviewers.right.value if self.reviewers.right else 0.5
        wrongful, missed = 0.0, 0.0
        for a, b in MOVES:
            if not (mask := code == 3 * a + b).any():
                continue
            violating, legitimate = self._truth(mask)
            wrongful += (a + b * by_wrong) * legitimate
            missed -= (a + b * by_right) * violating
        n = self.tensor.counts("n").sum(2)
        asks_then, asks_now = then[1] & (then[0] > 0), today[1] & (today[0] > 0)
        return wrongful, missed, float((n * (asks_then.astype(int) - asks_now.astype(int))).sum())

    @cached_property
    def _totals(self) -> Mapping[str, Floats]:
        whole = self.of or self.tensor
        return {m: whole.counts(m).sum((0, 1)) for m in ("weight", "weighted_violating", *SUMS[:2])}

    @cached_property
    def _today(self) -> tuple[NDArray[np.int8], Bools]:
        return self.tensor.states(self.rules)

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
        """Estimate the violating and the legitimate cases under a mask: as appeals and audits say, the rest by them."""
        sums = {name: (self.tensor.counts(name) * mask).sum((0, 1)) for name in ("n", *SUMS)}
        prior = self._prior(sums["settled"].sum(), sums["settled_violating"].sum())
        mean_weight = np.where(sums["labels"] > 0, sums["weight"] / np.maximum(sums["labels"], 1), 1.0)
        k = PRIOR_LABELS * mean_weight
        share = (sums["weighted_violating"] + k * prior) / (sums["weight"] + k)
        known = sums["settled_violating"] + sums["labelled_violating"]
        violating = known + (sums["n"] - sums["settled"] - sums["labels"]) * share
        return float(violating.sum()), float((sums["n"] - violating).sum())

    def _prior(self, settled: float, violating: float) -> Floats:
        """Return the share to shrink to, per class: the rule's audited one, moved as far as the region's appeals are.

        A region whose appeals are overturned more often than the rule's holds fewer violations among its other cases
        too; the odds are moved alike. This guides a search only; the test on unseen sellers takes nothing from it.
        """
        total = self._totals
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


def policy_reviewers(policy_id: str, study: Study) -> Reviewers:
    """Return how people decide a policy's reviewed cases, to search by; a backtest learns from the like alone."""
    frame = flow_of(study.population.cases, study.today.decisions, study.today.decisions)
    own = frame.filter(pl.col("policy_today") == policy_id)
    return reviewer_rates(own, own)


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
        labelled_violating=pl.when(weight > 0).then("audit_violating").otherwise(0.0),
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
