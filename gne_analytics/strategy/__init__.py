"""5c Proposals: candidates, backtest, guardrails and the plan of audits that would settle what is unknown."""

from gne_analytics.strategy.audits import AuditPlan, audit_plan, plan_audits
from gne_analytics.strategy.backtest import backtest, replay_change
from gne_analytics.strategy.counterexamples import counterexamples
from gne_analytics.strategy.experiment import plan_experiment, plan_from_record
from gne_analytics.strategy.population import Population, build_population
from gne_analytics.strategy.propose import Answer, Referral, answer, propose
from gne_analytics.strategy.study import Study, open_study

__all__ = [
    "Answer",
    "AuditPlan",
    "Population",
    "Referral",
    "Study",
    "answer",
    "audit_plan",
    "backtest",
    "build_population",
    "counterexamples",
    "open_study",
    "plan_audits",
    "plan_experiment",
    "plan_from_record",
    "propose",
    "replay_change",
]
