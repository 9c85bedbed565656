"""5c Proposals: candidates, backtest, guardrails and the plan of audits that would settle what is unknown."""

from gne_analytics.strategy.audits import AuditPlan, audit_plan, plan_audits
from gne_analytics.strategy.backtest import backtest, replay_change
from gne_analytics.strategy.certify import Certified, certify
from gne_analytics.strategy.counterexamples import counterexamples
from gne_analytics.strategy.experiment import plan_experiment, plan_from_record
from gne_analytics.strategy.exposure import Exposure, ladder_exposure
from gne_analytics.strategy.frontier import Frontier, frontier
from gne_analytics.strategy.greedy import search_rules
from gne_analytics.strategy.losing import losing_sellers
from gne_analytics.strategy.moved import frontier_beside
from gne_analytics.strategy.population import Population, build_population
from gne_analytics.strategy.propose import Answer, Referral, answer, propose
from gne_analytics.strategy.retire import Retirement, retirement
from gne_analytics.strategy.study import Study, open_study

__all__ = [
    "Answer",
    "AuditPlan",
    "Certified",
    "Exposure",
    "Frontier",
    "Population",
    "Referral",
    "Retirement",
    "Study",
    "answer",
    "audit_plan",
    "backtest",
    "build_population",
    "certify",
    "counterexamples",
    "frontier",
    "frontier_beside",
    "ladder_exposure",
    "losing_sellers",
    "open_study",
    "plan_audits",
    "plan_experiment",
    "plan_from_record",
    "propose",
    "replay_change",
    "retirement",
    "search_rules",
]
