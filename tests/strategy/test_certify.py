"""Fixed-sequence testing: the laxest threshold below a limit, at a level that holds."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom

from gne_analytics.errors import DataError, PolicyError
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import EditKind
from gne_analytics.strategy.certify import certify, fixed_sequence

RULE = """- {id: r, clause: c, status: live, detector: d, action: remove, threshold: {default: 0.6}}
"""
GRID = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


def run(market, **asked):
    return certify(market.study, **{"policy": "p", "rule": "r", "store": EvidenceStore(), "thresholds": GRID, **asked})


@pytest.fixture(scope="module")
def market(small_market, draw_cases):
    return small_market(draw_cases(1, 1200), RULE)


def test_a_sequence_stops_at_the_first_that_is_not_rejected_and_shares_the_level_between_its_starts():
    p = np.array([0.01, 0.04, 0.06, 0.01, 0.02, 0.5])
    assert fixed_sequence(p, 0.05, starts=1).tolist() == [True, True, False, False, False, False]
    assert fixed_sequence(p, 0.05, starts=2).tolist() == [True, False, False, True, True, False]
    assert not fixed_sequence(np.array([np.nan, 0.0]), 0.05, starts=1).any()


@pytest.mark.parametrize("mistake", ["wrongful_enforcement", "missed_violations"])
def test_rates_and_p_values_are_those_of_a_count_by_hand(market, mistake):
    found = run(market, limit=0.3, mistake=mistake)
    for row in found.tests.iter_rows(named=True):
        fires = market.cases.filter(pl.col("score") >= row["threshold"])
        wrong, base = (~fires["violating"]).sum(), fires.height
        if mistake == "missed_violations":
            base = market.cases["violating"].sum()
            wrong = base - fires["violating"].sum()
        assert row["rate"] == pytest.approx(wrong / base)
        assert row["p"] == pytest.approx(binom.cdf(wrong, base, 0.3))


def test_an_audit_stands_for_the_cases_it_was_drawn_from(small_market, draw_cases):
    cases = draw_cases(9, 600)
    often = pl.col("case_id").cast(pl.Int64) % 4 == 0
    drawn = cases.with_columns(audited=often | (pl.col("case_id").cast(pl.Int64) % 4 == 1))
    market = small_market(drawn, RULE, audit_prob=pl.when(often).then(1.0).otherwise(1 / 3))
    row = run(market, limit=0.4).tests.filter(threshold=0.5).row(0, named=True)
    fires = drawn.filter("audited", pl.col("score") >= 0.5).with_columns(weight=pl.when(often).then(1.0).otherwise(3.0))
    weight = fires["weight"]
    assert row["rate"] == pytest.approx((weight * ~fires["violating"]).sum() / weight.sum())
    assert row["labels"] == pytest.approx(weight.sum() ** 2 / (weight**2).sum())


def test_the_lax_end_is_low_for_wrongful_enforcement_and_high_for_missed_violations(market):
    wrong, missed = (run(market, limit=0.35, mistake=m) for m in ("wrongful_enforcement", "missed_violations"))
    assert wrong.tests["threshold"].to_list() == GRID[::-1]
    assert missed.tests["threshold"].to_list() == GRID
    assert wrong.threshold == wrong.tests.filter("certified")["threshold"].min()
    assert missed.threshold == missed.tests.filter("certified")["threshold"].max()
    assert wrong.tests.filter(threshold=wrong.threshold)["rate"][0] < 0.35


def test_what_is_certified_comes_with_the_edit_that_sets_it_in_the_rule_or_in_a_segment(market):
    (whole,) = run(market, limit=0.35).edits
    (part,) = run(market, limit=0.5, segment=Segment.of(market="C")).edits
    assert (whole.kind, whole.old) == (EditKind.SET_THRESHOLD, 0.6)
    assert (part.kind, part.new["match"]) == (EditKind.ADD_OVERRIDE, "market = 'C'")


@pytest.mark.parametrize("mistake", ["wrongful_enforcement", "missed_violations"])
def test_the_chance_of_certifying_what_is_over_the_limit_stays_at_the_level(small_market, draw_cases, mistake):
    runs, level, over = 40, 0.2, 0
    cases = draw_cases(2, 900)
    for seed in range(runs):
        drawn = cases.with_columns(audited=pl.Series(np.random.default_rng(seed).random(cases.height) < 0.15))
        market = small_market(drawn, RULE, audit_prob=0.15)
        found = run(market, limit=0.33, level=level, mistake=mistake)
        if found.threshold is not None:
            fires = cases.filter(pl.col("score") >= found.threshold)
            wrong = 1 - fires["violating"].mean()
            missed = 1 - fires["violating"].sum() / cases["violating"].sum()
            over += (wrong if mistake == "wrongful_enforcement" else missed) >= 0.33
    assert over <= binom.ppf(0.999, runs, level)


def test_without_audits_on_both_sides_no_miss_rate_is_certified_and_the_result_says_what_would_help(
    small_market, draw_cases
):
    cases = draw_cases(3, 600).with_columns(audited=pl.col("score") >= 0.6)
    found = run(small_market(cases, RULE), limit=0.9, mistake="missed_violations", thresholds=[0.6, 0.7])
    assert found.threshold is None
    assert found.edits == ()
    assert "audits drawn from all scored cases" in repr(found)


def test_a_protected_policy_gets_no_edit_that_might_relax_it(small_market, draw_cases):
    market = small_market(draw_cases(1, 600), RULE, protected=True)
    found = run(market, limit=0.6, mistake="missed_violations")
    assert found.tests["threshold"].max() <= 0.6
    assert all(e.new <= 0.6 for e in found.edits)


def test_a_segment_without_a_case_is_an_error(market):
    with pytest.raises(DataError, match="nothing to test"):
        run(market, limit=0.2, segment=Segment.of(market="Z"))


@pytest.mark.parametrize("asked", [{"limit": 1.2}, {"limit": 0.1, "level": 0}])
def test_a_limit_or_level_outside_its_range_is_an_error(market, asked):
    with pytest.raises(PolicyError, match="between 0 and 1"):
        run(market, **asked)
