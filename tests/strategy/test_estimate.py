from itertools import product

import numpy as np
import polars as pl
import pytest
from scipy.optimize import brentq
from scipy.stats import norm
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from gne_analytics.strategy.estimate import (
    Domains,
    Price,
    Rate,
    Reviewers,
    difference,
    foreseen,
    imbens_manski,
    mover,
    stratified,
    tally,
    terms,
    wilson,
)
from gne_analytics.strategy.identify import identify


def domains_of(cases, label="final_decision"):
    return tally(identify(cases, label))


@pytest.mark.parametrize(("k", "n"), [(0, 30), (29, 30), (95, 100), (12, 40)])
def test_wilson_limits_are_those_of_statsmodels(k, n):
    lo, hi = wilson(np.array([k / n]), np.array([float(n)]), norm.ppf(0.975))
    assert (lo[0], hi[0]) == pytest.approx(proportion_confint(k, n, method="wilson"), abs=1e-9)


def test_a_census_has_no_interval():
    lo, hi = wilson(np.array([0.3]), np.array([np.inf]), 1.96)
    assert (lo[0], hi[0]) == (0.3, 0.3)


def test_mover_of_one_share_is_its_wilson_interval_and_turns_with_the_sign():
    share, labels = np.array([0.2]), np.array([50.0])
    lo, hi = wilson(share, labels, 1.96)
    assert mover(np.array([10.0]), share, labels, 1.96) == pytest.approx((10 * (0.2 - lo[0]), 10 * (hi[0] - 0.2)))
    assert mover(np.array([-10.0]), share, labels, 1.96) == pytest.approx((10 * (hi[0] - 0.2), 10 * (0.2 - lo[0])))


@pytest.mark.parametrize(("counts", "sizes"), [((56, 48), (70, 80)), ((9, 3), (10, 10)), ((0, 5), (40, 30))])
def test_mover_of_a_difference_is_newcombes_interval_of_statsmodels(counts, sizes):
    shares = np.array(counts) / np.array(sizes)
    below, above = mover(np.array([1.0, -1.0]), shares, np.array(sizes, float), norm.ppf(0.975))
    want = confint_proportions_2indep(counts[0], sizes[0], counts[1], sizes[1], method="newcomb")
    assert (shares[0] - shares[1] - below, shares[0] - shares[1] + above) == pytest.approx(want, abs=1e-9)


def test_strata_alike_have_the_interval_of_the_whole_as_if_it_were_one_sample():
    """As the score interval of one sample of all labels, which statsmodels gives: nothing is lost by cutting it up."""
    strata, k, n = 8, 2, 40
    below, above = mover(
        np.full(strata, 1 / strata), np.full(strata, k / n), np.full(strata, float(n)), norm.ppf(0.975)
    )
    want = proportion_confint(strata * k, strata * n, method="wilson")
    assert (k / n - below, k / n + above) == pytest.approx(want, abs=2e-4)


def test_strata_without_a_single_failure_still_have_a_reach():
    below, above = mover(np.full(5, 0.2), np.ones(5), np.full(5, 40.0), norm.ppf(0.975))
    assert (1 - below, 1 + above) == pytest.approx(proportion_confint(200, 200, method="wilson"), abs=1e-4)


@pytest.mark.parametrize(("width", "sigma"), [(0.0, 1.0), (0.5, 1.0), (3.0, 1.0), (100.0, 1.0)])
def test_the_multiplier_of_imbens_and_manski_solves_their_equation(width, sigma):
    want = brentq(lambda c: norm.cdf(c + width / sigma) - norm.cdf(-c) - 0.95, 1.0, 2.5)
    assert imbens_manski(width, sigma, 0.95) == pytest.approx(want, abs=1e-6)


def test_bounds_hold_for_every_truth_that_a_tiny_world_could_have(affected_cases):
    cases = affected_cases(1, n=9, contested=0.9, audit_rate=0.3)
    price = Price(wrong=24.0, missed=30.0)
    found = difference(domains_of(cases), price)
    known = pl.coalesce("decided_violating", "audit_violating")
    fixed = cases.select(known.alias("known"))["known"].to_list()
    free = [i for i, y in enumerate(fixed) if y is None]
    totals = []
    for guess in product([0.0, 1.0], repeat=len(free)):
        y = np.array([f if f is not None else np.nan for f in fixed])
        y[free] = guess
        totals.append(float((-24.0 * (1 - y) + 30.0 * y).sum()))
    assert len(free) > 0
    assert (found.low, found.high) == pytest.approx((min(totals), max(totals)))


def test_with_every_case_known_the_difference_is_exact(affected_cases):
    cases = affected_cases(2, n=300).with_columns(audit_violating="latent", audit_prob=pl.lit(1.0))
    found = difference(domains_of(cases), Price(missed=1.0))
    assert found.low == found.high == pytest.approx(cases["final"].sum())
    assert found.interval == pytest.approx((found.low, found.high))


def test_released_violations_are_missed_and_newly_enforced_legitimate_cases_are_wrongs(affected_cases):
    known = {"audit_violating": pl.col("latent"), "audit_prob": pl.lit(1.0)}
    released = affected_cases(3, contested=0.0).with_columns(**known)
    new = affected_cases(3, contested=0.0, flow="new", alpha=1.0).with_columns(**known)
    violating, legitimate = released["latent"].sum(), released.height - released["latent"].sum()
    assert difference(domains_of(released), Price(missed=1.0)).low == pytest.approx(violating)
    assert difference(domains_of(released), Price(wrong=1.0)).low == pytest.approx(-legitimate)
    assert difference(domains_of(new), Price(missed=1.0)).low == pytest.approx(-violating)
    assert difference(domains_of(new), Price(wrong=1.0)).low == pytest.approx(legitimate)


def test_unknown_reviewers_leave_a_reroute_anywhere_between_a_perfect_one_and_a_blind_one(affected_cases):
    cases = affected_cases(4, contested=0.0, flow="rerouted", beta=1.0).with_columns(
        audit_violating="latent", audit_prob=pl.lit(1.0)
    )
    violating, n = cases["latent"].sum(), cases.height
    price = Price(wrong=2.0, missed=3.0)
    open_ = difference(domains_of(cases), price)
    assert (open_.low, open_.high) == pytest.approx((-2.0 * (n - violating), 3.0 * violating))
    perfect = Reviewers(Rate(0.0, np.inf), Rate(1.0, np.inf))
    assert difference(domains_of(cases), price, perfect).high == pytest.approx(-2.0 * (n - violating))


def test_less_certain_reviewers_widen_the_interval(affected_cases):
    cases = affected_cases(5, flow="rerouted", beta=1.0, audit_rate=0.3)
    sure, unsure = (Reviewers(Rate(0.1, n), Rate(0.9, n)) for n in (1e6, 40.0))
    width = [np.ptp(difference(domains_of(cases), Price(1.0, 1.0), r).interval) for r in (sure, unsure)]
    assert width[0] < width[1]


@pytest.mark.parametrize("label", ["final_decision", "latent"])
@pytest.mark.parametrize(
    ("n", "rate", "violating", "widest"),
    [(900, 0.2, 0.6, 0.2), (900, 0.2, 0.95, 0.12), (2_500, 0.04, 0.7, 0.25), (900, 0.004, 0.6, 1.0)],
)
def test_intervals_cover_the_truth_in_cheap_worlds(affected_cases, label, n, rate, violating, widest):
    """And are no wider than a share of what nothing known would leave open; with next to no audits, as wide."""
    worlds, hits, widths = 150, 0, []
    truth = "final" if label == "final_decision" else "latent"
    for seed in range(worlds):
        cases = affected_cases(seed, n=n, audit_rate=rate, violating=violating)
        found = difference(domains_of(cases, label), Price(wrong=1.0, missed=1.0))
        true = float((2 * cases[truth] - 1).sum())
        hits += found.interval[0] <= true <= found.interval[1]
        widths.append(found.interval[1] - found.interval[0])
    lower = 0.95 - norm.ppf(0.995) * np.sqrt(0.95 * 0.05 / worlds)
    assert hits / worlds >= lower
    assert np.median(widths) < widest * 2 * n


def test_the_share_overturned_among_appeals_does_not_cover_where_the_estimator_does(affected_cases):
    usual = 0
    for seed in range(40):
        cases = affected_cases(seed, n=900, audit_rate=0.2)
        decided = cases["decided_violating"].drop_nulls()
        lo, hi = proportion_confint((decided == 0).sum(), decided.len(), method="wilson")
        usual += lo <= 1 - cases["final"].mean() <= hi
    assert usual == 0


@pytest.mark.parametrize("share", [0.9, 0.96, 0.99])
def test_many_small_strata_of_nearly_sure_cases_are_covered(share):
    r = np.random.default_rng(0)
    weights, labels = np.full(4, 0.25), np.full(4, 30.0)
    found = r.binomial(30, share, (2_000, 4)) / 30
    limits = [stratified(weights, f, labels, norm.ppf(0.975)) for f in found]
    held = [below >= f.mean() - share >= -above for f, (below, above) in zip(found, limits, strict=True)]
    assert 0.935 <= np.mean(held) <= 0.98


def test_a_census_adds_nothing_to_the_reach_of_a_sample():
    weights, shares = np.array([5.0, 3.0]), np.array([0.2, 0.7])
    alone = stratified(weights[:1], shares[:1], np.array([40.0]), 1.96)
    assert stratified(weights, shares, np.array([40.0, np.inf]), 1.96) == pytest.approx(alone)
    assert stratified(weights, shares, np.array([40.0, 10.0]), 0.0) == (0.0, 0.0)


def audited_strata(often, rarely, violating_often, violating_rarely):
    """One domain of two strata: (audits, probability) and how many of the audits found a violation."""
    rows = [
        {"audit_prob": prob, "audit_violating": float(i < k)}
        for (n, prob), k in ((often, violating_often), (rarely, violating_rarely))
        for i in range(n)
    ]
    unaudited = sum(round(n / prob) - n for n, prob in (often, rarely))
    frame = pl.DataFrame(rows + [{"audit_prob": None, "audit_violating": None}] * unaudited)
    return frame.with_columns(
        case_id=pl.int_range(pl.len()), cell=pl.lit("c"), policy=pl.lit("p"), appealed=False, score=0.5,
        decided_violating=pl.lit(None, pl.Float64), alpha=-1.0, beta=0.0,
    )  # fmt: skip


def test_labels_are_worth_their_variance_where_audits_are_rarest_among_what_is_hard_to_tell():
    cases = audited_strata((60, 0.1), (20, 0.02), 60, 10)
    w = np.repeat([10.0, 50.0], [60, 20])
    y = np.repeat([1.0, 1.0, 0.0], [60, 10, 10])
    share = np.average(y, weights=w)
    variance = (w * (w - 1) * (y - share) ** 2).sum() / w.sum() ** 2
    (labels,) = domains_of(cases, "latent").labels
    kish = w.sum() ** 2 / (w**2).sum() / (1 - 80 / len(cases))
    assert labels == pytest.approx(share * (1 - share) / variance)
    assert labels < kish / 1.2


def test_labels_are_never_more_than_the_weights_allow():
    cases = audited_strata((60, 0.1), (20, 0.02), 30, 20)  # what is rarely audited is plain
    w = np.repeat([10.0, 50.0], [60, 20])
    (labels,) = domains_of(cases, "latent").labels
    assert labels == pytest.approx(w.sum() ** 2 / (w**2).sum() / (1 - 80 / len(cases)))


def test_what_reviewers_would_answer_is_foretold_with_the_luck_of_their_answers():
    r = np.random.default_rng(1)
    learnt, asked, chance = 400, 300, 0.2
    held = []
    for _ in range(2_000):
        rate = Rate(r.binomial(learnt, chance) / learnt, float(learnt))
        domains = Domains(("p",), *(np.array([x]) for x in (-1.0, 1.0, float(asked), 0.0, np.inf, 0.0)))
        lo, hi = difference(domains, Price(wrong=1.0), Reviewers(rate, Rate(0.9, 100.0))).interval
        held.append(lo <= r.binomial(asked, chance) - asked <= hi)
    assert 0.935 <= np.mean(held) <= 0.97


def test_unknown_reviewers_stay_certain_to_be_nought_or_one():
    violating = Domains(("p",), *([np.array([1.0])] * 6))
    assert foreseen(Reviewers(), violating) == Reviewers()
    known = foreseen(Reviewers(Rate(0.2, np.inf), Rate(0.9, 50.0)), violating)
    assert known.wrong == Rate(0.2, np.inf)  # no legitimate case is rerouted: nothing to foretell
    assert known.right.labels == pytest.approx(1 / (1 / 50 + 1))


def settled_reroute():
    """Three settled cases in four were upheld; all of them, and forty others, go to review."""
    return Domains(
        ("p", "p"), *(np.array(x) for x in ([-1.0, -1.0], [1.0, 1.0], [400.0, 40.0], [0.75, 0.5], [np.inf, 20.0])),
        np.zeros(2), settled=np.array([True, False]),
    )  # fmt: skip


def test_a_wrongly_upheld_case_is_decided_by_reviewers_as_the_legitimate_one_that_it_is():
    known = Reviewers(*(Rate(value, 50.0) for value in (0.2, 0.9, 0.1, 0.3)))
    missed = difference(settled_reroute(), Price(missed=1.0), known)
    assert missed.low == missed.high == pytest.approx(300 * (1 - (0.7 * 0.9 + 0.3 * 0.2)) + 20 * (1 - 0.9))
    wrong = difference(settled_reroute(), Price(wrong=1.0), known)
    assert wrong.low == pytest.approx(-100 * (1 - (0.9 * 0.2 + 0.1 * 0.9)) - 20 * (1 - 0.2))


def test_where_no_appeal_was_audited_how_these_err_is_bounded():
    unknown = difference(settled_reroute(), Price(missed=1.0), Reviewers(Rate(0.2, 50.0), Rate(0.9, 50.0)))
    assert (unknown.low, unknown.high) == pytest.approx((300 * 0.1 + 20 * 0.1, 300 * 0.8 + 20 * 0.1))


def test_how_well_reviewers_are_known_is_in_the_interval_of_cases_whose_truth_is_not():
    unknown = Domains(("p",), *(np.array([x]) for x in (-1.0, 1.0, 0.0, 0.5, np.inf, 1_000.0)))
    loose, tight = (difference(unknown, Price(wrong=1.0), Reviewers(Rate(0.2, n), Rate(0.9, n))) for n in (30.0, 1e9))
    assert (loose.low, loose.high) == pytest.approx((-800.0, 0.0))
    assert (tight.low, tight.high) == pytest.approx((-800.0, 0.0))
    assert loose.interval[0] < -890  # thirty labels do not tell one in five from one in nine
    assert tight.interval[0] == pytest.approx(-800, abs=1)


def test_each_rate_weighs_in_the_interval_by_how_far_it_moves_the_total():
    rates = {"wrong": 0.2, "right": 0.9, "overturned": 0.1, "upheld": 0.3}
    price, step = Price(wrong=2.0, missed=3.0), 1e-6

    def at(**moved):
        read = {name: Rate(value, 50.0) for name, value in (rates | moved).items()}
        return terms(settled_reroute(), price, read["wrong"], read["right"], (read["overturned"], read["upheld"]))

    weights = at().weights[-4:]
    slopes = [(at(**{n: v + step}).value - at(**{n: v - step}).value) / (2 * step) for n, v in rates.items()]
    assert weights == pytest.approx(slopes)
