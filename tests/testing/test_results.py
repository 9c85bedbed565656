"""The made-up results agree with themselves."""

import pytest

from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.testing import results


def test_the_parts_of_the_made_up_shift_add_up():
    split = results.a_decomposition()
    parts = sum(split.causes.values()) + sum(m.contribution for m in split.mix) + split.residual
    assert parts == pytest.approx(results.a_shift().delta.value, abs=1e-12)


def test_estimates_lie_within_their_intervals():
    shift = results.a_shift()
    effects = [shift.delta, *(c.effect for c in results.some_causes()), *(t.overturn for t in results.some_themes())]
    effects += [o.difference for o in results.a_backtest().outcomes]
    assert all(e.interval.lo <= e.value <= e.interval.hi for e in effects)


def test_outcomes_differ_by_what_today_and_proposed_say():
    for outcome in results.a_backtest().outcomes:
        assert outcome.proposed - outcome.today == outcome.difference.value


def test_flow_and_identification_count_the_same_cases():
    test = results.a_backtest()
    flow = test.flow
    assert flow.kept + flow.released + flow.new + flow.rerouted + flow.untouched == test.cases
    assert flow.released + flow.new + flow.rerouted == test.identification.total


def test_a_report_takes_the_store_it_is_given():
    store = EvidenceStore()
    assert results.a_report(store).store is store
    assert len(store) > 20
