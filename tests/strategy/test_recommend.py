import pytest

from gne_analytics.evidence.proposals import Agreement, Guardrail, Identification, Outcome, Recommendation
from gne_analytics.evidence.render import render
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Estimate, Interval
from gne_analytics.strategy.recommend import recommend

KNOWN = Identification(appeal_decided=50, audited=30, estimable=20)
AGREES = [Agreement(rule="r", n=100, agreed=0.99)]


def loss(lo, hi):
    estimate = Estimate(value=(lo + hi) / 2, interval=Interval(lo=lo, hi=hi), n=100)
    return Outcome(name="loss", unit="money", difference=estimate)


def guard(verdict):
    return Guardrail(name="missed_violations", margin=0.01, difference=Estimate(value=0.02), verdict=verdict)


@pytest.mark.parametrize(
    ("outcome", "known", "guardrails", "agreement", "want"),
    [
        (loss(-90, -10), KNOWN, [guard("pass")], AGREES, Recommendation.RECOMMEND),
        (loss(-90, -10), KNOWN, [guard("cannot_tell")], AGREES, Recommendation.RECOMMEND),
        (loss(-90, 10), KNOWN, [], AGREES, Recommendation.CANNOT_TELL),
        (loss(10, 90), KNOWN, [], AGREES, Recommendation.REFUSE),
        (loss(-90, -10), KNOWN, [guard("pass"), guard("fail")], AGREES, Recommendation.REFUSE),
        (loss(-90, -10), Identification(appeal_decided=7, unidentified=3), [], AGREES, Recommendation.REFUSE),
        (loss(-90, -10), Identification(audited=7, modelled=3), [], AGREES, Recommendation.REFUSE),
        (loss(-90, -10), KNOWN, [], [Agreement(rule="r", n=100, agreed=0.94)], Recommendation.REFUSE),
        (loss(-90, -10), KNOWN, [], [Agreement(rule="r", n=0, agreed=0.0)], Recommendation.REFUSE),
        (loss(-90, -10), Identification(), [], AGREES, Recommendation.CANNOT_TELL),
    ],
)
def test_a_proposal_is_recommended_only_when_nothing_speaks_against_it(outcome, known, guardrails, agreement, want):
    store = EvidenceStore()
    found = recommend(outcome, known, guardrails, agreement, store)
    assert found.recommendation is want
    assert render(found.why, store)
    assert all(e in store for e in found.evidence)
