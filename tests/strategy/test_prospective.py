import numpy as np
import polars as pl
import pytest
from scipy.stats import binom, norm
from scipy.stats import t as student

from gne_analytics.evidence.proposals import Recommendation
from gne_analytics.evidence.render import render
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Edit
from gne_analytics.strategy import backtest
from gne_analytics.strategy.estimate import Bounded, Price, Reviewers, corners, difference, tally
from gne_analytics.strategy.identify import identify
from gne_analytics.strategy.prospective import LARGE_PARTS, MAX_GROUPS, MIN_GROUPS, deal, jackknife, widen, without

RAISE = Edit(kind="set_threshold", policy="counterfeit", rule="logo-match", old=0.7, new=0.8)


def cases_of(units):
    return pl.DataFrame({"case_id": [f"c{i:05d}" for i in range(len(units))], "unit": units})


def total_of(values):
    """Make an estimator of a plain sum over cases."""
    return lambda times: np.array([values.join(times, on="case_id").select(pl.col("y").dot("times")).item()])


def draw_sellers(seed, *, sellers=120, audit_rate=0.25):
    """Draw released cases of sellers who differ in size and in how often they violate."""
    r = np.random.default_rng(seed)
    unit = np.repeat(np.arange(sellers), r.poisson(8, sellers) + 1)
    violating = r.random(len(unit)) < r.beta(1.2, 0.8, sellers)[unit]
    audited = r.random(len(unit)) < audit_rate
    return pl.DataFrame(
        {
            "case_id": [f"c{i:05d}" for i in range(len(unit))], "unit": [f"s{u:03d}" for u in unit],
            "cell": "released", "policy": "p", "appealed": False, "score": r.random(len(unit)),
            "decided_violating": pl.Series([None] * len(unit), dtype=pl.Float64),
            "audit_violating": pl.Series(np.where(audited, violating, np.nan).astype(float)).fill_nan(None),
            "audit_prob": pl.Series(np.where(audited, audit_rate, np.nan)).fill_nan(None),
            "alpha": -1.0, "beta": 0.0,
        }
    )  # fmt: skip


def test_sellers_are_dealt_whole_and_large_ones_by_case():
    cases = cases_of(["big"] * 300 + [f"s{i}" for i in range(240) for _ in range(3)])
    groups = deal(cases)
    own = groups.cases.join(cases, on="case_id")
    per_unit = own.group_by("unit").agg(pl.col("large").first(), pl.col("group").n_unique())
    assert per_unit.filter("large")["unit"].to_list() == ["big"]
    assert per_unit.filter("large")["group"].item() == LARGE_PARTS
    assert per_unit.filter(~pl.col("large"))["group"].max() == 1
    assert (groups.small, groups.large) == (MAX_GROUPS, LARGE_PARTS)


def test_the_jackknife_of_a_sum_over_sellers_is_the_variance_of_sellers():
    r = np.random.default_rng(0)
    unit = np.repeat(np.arange(90), r.integers(1, 9, 90))
    values = cases_of([f"s{u}" for u in unit]).with_columns(y=pl.Series(r.random(len(unit))))
    totals = values.group_by("unit").agg(pl.col("y").sum())["y"].to_numpy()
    groups = deal(values)
    assert (groups.small, groups.large) == (len(totals), 0)
    variance, effective = jackknife(groups, total_of(values))
    assert variance[0] == pytest.approx(len(totals) * totals.var(ddof=1))
    assert MIN_GROUPS < effective[0] <= len(totals) - 1


def test_a_large_seller_adds_the_variance_of_its_cases_and_not_of_itself():
    small = cases_of([f"s{i}" for i in range(400)]).with_columns(y=0.0)
    large = pl.DataFrame({"case_id": [f"l{i:03d}" for i in range(200)], "unit": "big"}).with_columns(
        y=pl.Series(np.arange(200) % 2.0)
    )
    values = pl.concat([small, large])
    variance, _ = jackknife(deal(values, 1), total_of(values))
    assert variance[0] == pytest.approx(200 * 0.25, rel=0.6)
    assert variance[0] < 100**2 / 10


def test_a_figure_that_two_sellers_make_rests_on_few_groups():
    values = cases_of([f"s{i}" for i in range(200)]).with_columns(y=pl.Series([50.0, 60.0] + [0.01] * 198))
    assert jackknife(deal(values), total_of(values))[1][0] < 8


def test_what_is_certain_has_no_variance():
    values = cases_of([f"s{i}" for i in range(200)]).with_columns(y=1.0)
    variance, effective = jackknife(deal(values), lambda times: np.array([7.0]))
    assert (variance[0], effective[0]) == (0.0, MAX_GROUPS - 1)


def test_the_interval_uses_t_and_is_never_narrower_than_that_of_the_record():
    known = Bounded(10.0, 10.0, (9.0, 12.0))
    wide = widen(known, np.array([4.0, 4.0]), 12.0)
    assert wide.interval == pytest.approx((10 - 2 * student.ppf(0.975, 12), 10 + 2 * student.ppf(0.975, 12)))
    assert widen(known, np.zeros(2), 80.0).interval == (9.0, 12.0)
    bounds = widen(Bounded(0.0, 1000.0, (0.0, 1000.0)), np.array([4.0, 9.0]), 1e9)
    assert bounds.interval == pytest.approx((-2 * norm.ppf(0.95), 1000 + 3 * norm.ppf(0.95)), rel=1e-4)


def test_a_replicate_counts_each_case_as_often_as_it_stands_for():
    moved = identify(draw_sellers(0))
    twice = without(moved, pl.DataFrame(), moved.select("case_id", times=pl.lit(2.0)))
    once, double = tally(moved), tally(twice)
    assert double.cases == pytest.approx(2 * once.cases)
    assert double.share == pytest.approx(once.share)


def test_the_windows_that_bound_modelled_cases_are_made_again():
    moved = pl.DataFrame(
        {"case_id": ["a"], "floor": [0.0], "floor_window": [-1], "ceiling": [0.5], "ceiling_window": [3]}
    )
    windows = pl.DataFrame({"case_id": ["x", "y"], "window": [3, 3], "weight": [1.0, 1.0], "known": [1.0, 0.0]})
    left = without(moved, windows, pl.DataFrame({"case_id": ["a", "x"], "times": [1.0, 1.0]}))
    assert left.select("floor", "ceiling").row(0) == (0.0, 1.0)


def test_prospective_intervals_cover_what_such_sellers_do_in_the_mean(monkeypatch):
    """Where sellers differ, the record's own interval misses the mean of such records far more often."""
    monkeypatch.setattr("gne_analytics.strategy.prospective.MAX_GROUPS", 50)
    price, worlds, hits, narrow = Price(missed=1.0), 12, 0, 0
    truth = 120 * 9 * 1.2 / 2.0
    for seed in range(worlds):
        moved = identify(draw_sellers(seed))
        found = difference(tally(moved), price)

        def both_ends(times, moved=moved):
            low, high = corners(tally(without(moved, pl.DataFrame(), times)), price, Reviewers())
            return np.array([low.value, high.value])

        variance, effective = jackknife(deal(moved), both_ends)
        wide = widen(found, variance, float(effective.min()))
        hits += wide.interval[0] <= truth <= wide.interval[1]
        narrow += found.interval[0] <= truth <= found.interval[1]
    assert hits >= binom.ppf(0.005, worlds, 0.95)
    assert narrow < hits


def test_a_prospective_backtest_is_wider_and_prints_its_effective_groups(quiet):
    store = EvidenceStore()
    then, now = (
        backtest([RAISE], quiet.record, quiet.policies, store=store, study=quiet.study, target=target)
        for target in ("prospective", "retrospective")
    )
    assert (then.target, now.target) == ("prospective", "retrospective")
    for a, b in zip(then.outcomes, now.outcomes, strict=True):
        assert a.difference.value == b.difference.value
        assert a.difference.interval.lo <= b.difference.interval.lo
        assert a.difference.interval.hi >= b.difference.interval.hi
        assert a.effective_groups > 1
        assert b.effective_groups is None
    assert then.outcomes[2].difference.interval.hi > now.outcomes[2].difference.interval.hi
    assert "left out in turn" in render(then.limits[-1], store)


def test_with_too_few_sellers_there_is_no_prospective_interval_and_it_is_said(quiet):
    store = EvidenceStore()
    few = quiet.study.population.cases["unit"].drop_nulls().unique().sort()[:40]
    cases = quiet.study.population.cases.filter(pl.col("unit").is_in(few.implode()))
    study = type(quiet.study)(
        quiet.record, quiet.policies, type(quiet.study.population)(**{**vars(quiet.study.population), "cases": cases})
    )
    found = backtest([RAISE], quiet.record, quiet.policies, store=store, study=study, target="prospective")
    assert found.recommendation is not Recommendation.RECOMMEND
    assert [o.difference.interval for o in found.outcomes] == [None] * 4
    assert "no interval is given" in render(found.limits[-1], store)
