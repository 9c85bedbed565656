from gne_analytics.agents.cite import record_backtest, record_cause, record_proposal, record_shift, record_theme


def test_recording_fills_the_ids_in_and_keeps_those_that_were_there(shift, cause, theme, proposal, backtest, store):
    old = store.add(0.5, "score").id
    kept = record_cause(store, cause.model_copy(update={"evidence": (old,)}), shift)
    assert kept.evidence[0] == old
    recorded = [record_shift(store, shift), kept, record_theme(store, theme), record_backtest(store, backtest)]
    recorded.append(record_proposal(store, proposal, backtest))
    for result in recorded:
        assert result.evidence
        assert all(i in store for i in result.evidence)


def test_recording_twice_changes_nothing(shift, cause, store):
    once = record_cause(store, cause, shift)
    size = len(store)
    assert record_cause(store, once, shift) == once
    assert len(store) == size


def test_the_figures_of_a_cause_carry_counts_filter_and_label_source(shift, cause, store):
    recorded = record_cause(store, cause, shift)
    rates = [store.get(i) for i in recorded.evidence if store.get(i).unit == "rate"]
    assert [(e.numerator, e.denominator) for e in rates] == [(20, 120), (190, 260)]
    assert all("category=beauty" in e.filter and "policy_id=counterfeit" in e.filter for e in rates)
    assert {e.label_source for e in rates} == {"appeal_final"}


def test_a_backtest_without_affected_cases_has_no_coverage(backtest, store):
    from gne_analytics.evidence.proposals import Identification

    recorded = record_backtest(store, backtest.model_copy(update={"identification": Identification()}))
    coverage = [store.get(i) for i in recorded.evidence if store.get(i).arguments.get("metric") == "coverage"]
    assert [e.value for e in coverage] == [None]
