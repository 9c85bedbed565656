import numpy as np
import polars as pl
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import binom

from gne_analytics.strategy.assist import MIN_ASSISTED, MIN_GAIN, assist, power
from gne_analytics.strategy.estimate import Price, difference, tally
from gne_analytics.strategy.identify import identify


def draw_markets(seed, *, n=3_000, audit_rate=0.15, spread=2.5, sellers=300):
    """Draw released cases whose truth hangs on the market, which the score does not tell."""
    r = np.random.default_rng(seed)
    score, unit, market = r.random(n), r.integers(0, sellers, n), r.integers(0, 5, n)
    chance = 1 / (1 + np.exp(-(0.5 + (score - 0.5) + spread * (market - 2) / 2)))
    violating, audited = r.random(n) < chance, r.random(n) < audit_rate
    return pl.DataFrame(
        {
            "case_id": [f"c{i:05d}" for i in range(n)], "unit": [f"s{u}" for u in unit], "cell": "released",
            "policy": "p", "appealed": False, "market": [f"m{i}" for i in market],
            "decided_violating": pl.Series([None] * n, dtype=pl.Float64),
            "audit_violating": pl.Series(np.where(audited, violating, np.nan).astype(float)).fill_nan(None),
            "audit_prob": pl.Series(np.where(audited, audit_rate, np.nan)).fill_nan(None),
            "score": score, "alpha": -1.0, "beta": 0.0, "latent": violating.astype(float),
        }
    )  # fmt: skip


def assisted(cases, label="final_decision", **more):
    return assist(identify(cases, label), cases, label, ["market", "seller_id"], **more)


def one_domain():
    """Draw 400 cases of one domain with a guess each, 80 labels and their weights, as ppi-python was given them."""
    r = np.random.default_rng(5)
    y = (r.random(400) < 0.6).astype(float)
    guess = np.clip(0.3 * y + 0.35 + 0.2 * r.standard_normal(400), 0, 1)
    return y, guess, r.choice([2.0, 5.0, 9.0], 80)


@pytest.mark.parametrize(
    ("weighted", "rate", "want"),
    [
        (False, 1.0, 0.5378195137392995),
        (False, 0.4, 0.5451278054957197),
        (True, 1.0, 0.5199151188126502),
        (True, 0.4, 0.5251089046679172),
    ],
)
def test_the_estimate_is_that_of_ppi_python(weighted, rate, want):
    """ppi-python 0.2.3 needs numba, which this project keeps out, so what it said stands here."""
    y, guess, weights = one_domain()
    labelled = np.arange(400) < 80
    weight = np.where(labelled, np.append(weights, np.ones(320)) if weighted else 1.0, np.nan)
    frame = pl.DataFrame(
        {
            "domain": 0, "policy": "p", "alpha": -1.0, "beta": 0.0, "gain": 1.0, "predicted": rate * guess,
            "standing": np.where(labelled, "audited", "estimable"),
            "weight": pl.Series(weight).fill_nan(None),
            "known": pl.Series(np.where(labelled, y, np.nan)).fill_nan(None),
        }
    )  # fmt: skip
    assert tally(frame).share[0] == pytest.approx(want, abs=1e-12)


def test_lambda_is_that_of_ppi_python_where_the_unlabelled_are_many():
    y, guess, _ = one_domain()
    y, guess = y[:80], 3 * guess[:80]
    rate = power(y, guess, np.ones(80), np.zeros(80, int))
    assert 0 < rate < 1
    assert y.mean() + rate * 1.0 == pytest.approx(0.9815220578272696, abs=2e-3)  # the unlabelled lie higher by one


def test_lambda_makes_the_weighted_variance_within_domains_smallest():
    y, guess, weights = one_domain()
    y, guess, domain = y[:80], guess[:80], np.arange(80) % 3

    def variance(rate):
        left, total = y - rate * guess, 0.0
        for d in range(3):
            inside = domain == d
            mean = np.average(left[inside], weights=weights[inside])
            total += (weights[inside] ** 2 * (left[inside] - mean) ** 2).sum()
        return total

    best = minimize_scalar(variance, bounds=(0, 1), method="bounded", options={"xatol": 1e-9}).x
    own = power(y, guess, weights, domain)
    assert 0 < own <= 1
    assert own == pytest.approx(best, abs=0.02)  # the mean of each domain does not turn with the square of the weights
    assert power(y, 1 - guess, weights, domain) == 0.0
    assert power(y, guess * 0, weights, domain) == 0.0


def test_a_model_that_knows_no_more_than_the_score_changes_nothing():
    cases = draw_markets(0, spread=0.0)
    plain = identify(cases)
    assert assist(plain, cases, "final_decision", ["market"]).equals(plain)


def test_with_few_labels_or_one_truth_alone_nothing_is_guessed():
    few = draw_markets(1, audit_rate=0.02)
    assert few["audit_violating"].count() < MIN_ASSISTED
    assert "gain" not in assisted(few).columns
    only = draw_markets(1).with_columns(pl.col("audit_violating") * 0 + 1)
    assert "gain" not in assisted(only).columns


def test_what_a_label_gains_narrows_the_interval_by_its_root():
    cases = draw_markets(2)
    found = assisted(cases)
    gain = found.filter(pl.col("standing") == "estimable")["gain"].unique().item()
    widths = [np.ptp(difference(tally(f), Price(missed=1.0)).interval) for f in (identify(cases), found)]
    assert gain > MIN_GAIN
    assert widths[1] / widths[0] == pytest.approx(gain**-0.5, rel=0.03)


def test_no_label_of_a_seller_enters_the_guess_of_its_own_cases():
    cases = draw_markets(3)
    part = cases["unit"].rank("dense") % 5
    before = assisted(cases.with_columns(fold=part.cast(pl.UInt8)))
    some = pl.Series(part == 2) & (pl.int_range(cases.height, eager=True) % 4 == 0)  # a few, so that it still helps
    other = cases.with_columns(
        fold=part.cast(pl.UInt8),
        audit_violating=pl.when(some).then(1 - pl.col("audit_violating")).otherwise("audit_violating"),
    )
    after = assisted(other)
    mine = pl.col("fold") == 2
    assert before.filter(mine)["predicted"].max() > 0
    assert after["gain"].max() > 1
    assert before.filter(mine)["predicted"].to_numpy() == pytest.approx(after.filter(mine)["predicted"].to_numpy())
    assert (before.filter(~mine)["predicted"] - after.filter(~mine)["predicted"]).abs().max() > 1e-3


def test_under_the_latent_label_the_decision_of_an_appeal_is_what_the_model_learns_from():
    r = np.random.default_rng(4)
    cases = draw_markets(4, spread=0.0)
    right = r.random(cases.height) < 0.9
    cases = cases.with_columns(
        appealed=True,
        decided_violating=pl.when(pl.Series(right)).then("latent").otherwise(1 - pl.col("latent")),
    )  # fmt: skip
    found = assist(identify(cases, "latent"), cases, "latent", [])
    assert found["gain"].max() > 2
    assert "gain" not in assist(identify(cases), cases, "final_decision", []).columns


def test_assisted_intervals_cover_the_truth_and_are_narrower():
    worlds, hits, ratios = 50, 0, []
    for seed in range(worlds):
        cases = draw_markets(seed, n=1_500, audit_rate=0.2)
        found, plain = (difference(tally(f), Price(wrong=1, missed=1)) for f in (assisted(cases), identify(cases)))
        hits += found.interval[0] <= (2 * cases["latent"] - 1).sum() <= found.interval[1]
        ratios.append(np.ptp(found.interval) / np.ptp(plain.interval))
    assert hits >= binom.ppf(0.005, worlds, 0.95)
    assert np.median(ratios) < 0.9
