"""A record and a policy set, replayed once: what every backtest and search of them shares."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import polars as pl

from gne_analytics.enforcement.replay import Replay, replay
from gne_analytics.errors import PolicyError
from gne_analytics.evidence.proposals import Agreement
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Edit
from gne_analytics.policy.edits import applied
from gne_analytics.policy.files import PolicySet
from gne_analytics.policy.predicates import PATHS, predicate_of
from gne_analytics.policy.predicates import compile as compile_predicate
from gne_analytics.strategy.flows import flow_of
from gne_analytics.strategy.population import Population, build_population
from gne_analytics.tables.record import Record


@dataclass(frozen=True)
class Study:
    """The case table of a record beside today's policy set, replayed."""

    record: Record
    policies: PolicySet
    population: Population

    @property
    def day(self) -> date:
        """The last day of the record, at which exemptions are held to have expired or not."""
        return self.population.as_of.date()

    @cached_property
    def today(self) -> Replay:
        """Today's set over the whole record, as it stands on the record's last day."""
        return replay(self.policies, self.population.scores, at=self.day)

    @cached_property
    def history(self) -> Replay:
        """Today's set with every exemption as it stood on the day of the case: to compare with the log."""
        return replay(self.policies, self.population.scores)

    @cached_property
    def policy_of_rule(self) -> dict[str, str]:
        """Rule id -> policy id, in today's set."""
        return {rule.id: policy.id for policy, rule in self.policies.rules()}

    def predicate(self, segment: Segment) -> str:
        """Write a segment as a predicate over this record's columns; PolicyError for one that none can name."""
        schema = self.population.scores.schema
        return compile_predicate(predicate_of(segment, PATHS, schema), schema).text

    def can_name(self, segment: Segment) -> bool:
        """Say whether a predicate can name a segment: not the empty one, nor values that no predicate may hold."""
        try:
            return bool(self.predicate(segment))
        except PolicyError:
            return False

    def flows(self, edits: Sequence[Edit]) -> pl.DataFrame:
        """Return the case table with every case's flow under the edits, and the policy whose costs count."""
        proposed = replay(applied(self.policies, edits), self.population.scores, at=self.day)
        policy = pl.coalesce("policy_today", "policy_proposed")
        frame = flow_of(self.population.cases, self.today.decisions, proposed.decisions)
        return frame.with_columns(policy=policy)

    def agreement(self, rule_id: str) -> Agreement:
        """Return how often today's rule says what the log says, on cases decided under today's revision.

        Enforced cases tell their revision; a passed case counts from the first enforcement under that revision on. A
        case that the rule sends to a person agrees either way.
        """
        policy = self.policies.policy(self.policy_of_rule[rule_id])
        decided = self.history.decisions.select("case_id", "review", said=pl.col("rule_id"))
        cases = self.population.cases.join(decided, on="case_id", how="left")
        if "logged_policy_revision" in cases.columns:
            same = pl.col("logged_policy_revision").cast(pl.String) == policy.revision
            own = cases.filter(same & (pl.col("logged_policy_id") == policy.id))
            if own.is_empty():
                return Agreement(rule=rule_id, n=0, agreed=0.0)
            start = own["assessed_at"].min()
            cases = cases.filter((same | ~pl.col("enforced")) & (pl.col("assessed_at") >= start))
        logged = pl.col("enforced")
        if "logged_rule_id" in cases.columns:
            logged = (pl.col("logged_rule_id") == rule_id).fill_null(False)
        says = (pl.col("said") == rule_id).fill_null(False)
        rows = cases.filter(logged | says)
        if rows.is_empty():
            return Agreement(rule=rule_id, n=0, agreed=0.0)
        agrees = (logged & says) | (says & pl.col("review") & ~pl.col("enforced"))
        return Agreement(rule=rule_id, n=rows.height, agreed=float(rows.select(agrees.mean()).item()))


def open_study(record: Record, policies: PolicySet) -> Study:
    """Build the case table of a record and hold it beside a policy set."""
    return Study(record, policies, build_population(record))


def study_of(record: Record | Study, policies: PolicySet | None = None) -> Study:
    """Return a study as it is, or open one of a record and its policy set; PolicyError where the set is not given."""
    if isinstance(record, Study):
        return record
    if policies is None:
        raise PolicyError("a record needs its policy set beside it; give policies, or a study of both.")
    return open_study(record, policies)
