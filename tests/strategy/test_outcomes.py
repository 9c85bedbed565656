import numpy as np
import polars as pl
import pytest
from statsmodels.stats.proportion import proportion_confint

from gne_analytics.evidence.render import render
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Edit
from gne_analytics.strategy import backtest
from gne_analytics.strategy.outcomes import appeal_error

RAISE = Edit(kind="set_threshold", policy="counterfeit", rule="logo-match", old=0.7, new=0.8)


def cases_of(decided, audited, prob):
    schema = dict.fromkeys(("decided_violating", "audit_violating", "audit_prob"), pl.Float64)
    return pl.DataFrame({"decided_violating": decided, "audit_violating": audited, "audit_prob": prob}, schema=schema)


def test_the_appeal_error_rate_is_the_share_of_audited_appeals_that_the_audit_contradicts():
    found = appeal_error(cases_of([1, 0, 0, 1, None, 1] * 10, [1, 1, 0, 1, 1, None] * 10, [0.5] * 60))
    assert (found.value, found.n) == (0.25, 40)
    want = proportion_confint(10, 40, method="wilson")
    assert (found.interval.lo, found.interval.hi) == pytest.approx(want, abs=1e-9)


def test_an_appeal_that_was_rarely_audited_stands_for_many():
    assert appeal_error(cases_of([1, 1], [1, 0], [0.5, 0.1])).value == pytest.approx(10 / 12)


def test_two_audits_of_one_appeal_that_differ_contradict_it_by_half():
    assert appeal_error(cases_of([1], [0.5], [0.2])).value == 0.5


def test_without_an_audited_appeal_there_is_no_rate():
    assert appeal_error(cases_of([1, None], [None, 1], [None, 0.5])) is None


def test_a_backtest_of_latent_truth_prints_the_appeal_error_rate_and_both_coverages(quiet):
    store = EvidenceStore()
    found = backtest([RAISE], quiet.record, quiet.policies, store=store, study=quiet.study, label="latent")
    cases = quiet.study.population.cases
    both = cases.filter(pl.col("decided_violating").is_not_null() & pl.col("audit_violating").is_not_null())
    assert 0 < found.appeal_error.n < both.height
    assert any("the audit disagrees" in render(said, store) for said in found.assumptions)
    assert found.coverage_by_label["latent"] == found.identification.coverage
    other = backtest([RAISE], quiet.record, quiet.policies, store=store, study=quiet.study)
    assert other.coverage_by_label == found.coverage_by_label
    assert np.isfinite(found.appeal_error.value)
