import math

import numpy as np
import pytest

from gne_analytics.strategy.sequence import (
    MAX_STAKE,
    NUISANCE,
    WARM_UP,
    Arms,
    difference_interval,
    spent,
    spread_before,
)


def draw(seed, n=200, *, base=0.2, effect=0.0, share=0.5):
    """Sellers of uneven size, whose own rates differ, in a random order."""
    r = np.random.default_rng(seed)
    canary = r.random(n) < share
    rows = np.minimum(r.zipf(1.8, n), 500)
    own = r.beta(9 * base, 9 * (1 - base), n) + effect * canary
    rate = r.binomial(rows, np.clip(own, 0, 1)) / rows
    return Arms(canary, rate, np.minimum(rows, 5) / 5)


def naive_wins(arms, stakes, m, delta, side):
    """Whether the bet against one pair of rates ever reaches what it must: one product, seller by seller."""
    wealth, most = 1.0, 1.0
    for canary, rate, weight, stake in zip(arms.canary, arms.rate, arms.weight, stakes, strict=True):
        sign = side if canary else -side
        wealth *= 1 + sign * stake * weight * (rate - m - delta * canary)
        most = max(most, wealth)
    return most


def naive_stakes(arms, side_error):
    """The stakes from the sellers before, one at a time."""
    n1 = int(arms.canary.sum())
    n0 = arms.canary.size - n1
    stakes = []
    for i in range(arms.canary.size):
        w, x = arms.weight[:i], arms.rate[:i]
        if i < WARM_UP:
            stakes.append(0.0)
            continue
        centre = (float(w @ x) + 0.5) / (w.sum() + 1)
        prior = centre * (1 - centre) * (w**2).mean()
        spread = ((w * (x - centre)) ** 2).sum() + WARM_UP * prior
        spread /= i + WARM_UP
        total = min(math.sqrt(2 * math.log(1 / side_error) / (spread * (1 / n1 + 1 / n0))), MAX_STAKE * min(n1, n0))
        stakes.append(total / (n1 if arms.canary[i] else n0))
    return stakes


@pytest.mark.parametrize("seed", [1, 2])
def test_no_rate_of_the_control_arm_lets_a_difference_beyond_the_limits_stand(seed):
    arms, error = draw(seed, 120, effect=0.2), 0.2
    side = error * (1 - NUISANCE) / 2
    lo, hi = difference_interval(arms, error)
    stakes = naive_stakes(arms, side)
    assert -1 < lo < hi < 1
    for m in np.linspace(arms.mean(False) - 0.05, arms.mean(False) + 0.05, 9):
        assert naive_wins(arms, stakes, m, lo - 1e-3, 1) >= 1 / side
        assert naive_wins(arms, stakes, m, hi + 1e-3, -1) >= 1 / side


@pytest.mark.parametrize("seed", [1, 2])
def test_a_difference_within_the_limits_stands_for_some_rate_of_the_control_arm(seed):
    arms, error = draw(seed, 400, effect=0.2), 0.2
    side = error * (1 - NUISANCE) / 2
    lo, hi = difference_interval(arms, error)
    stakes = naive_stakes(arms, side)
    rates = np.linspace(0.1, 0.3, 41)
    assert min(naive_wins(arms, stakes, m, lo + 0.03, 1) for m in rates if m + lo + 0.03 >= 0) < 1 / side
    assert min(naive_wins(arms, stakes, m, hi - 0.03, -1) for m in rates if m + hi - 0.03 <= 1) < 1 / side


@pytest.mark.parametrize("share", [0.5, 0.15])
def test_the_interval_of_one_look_misses_no_more_often_than_it_may(share):
    error, worlds = 0.4, 300
    missed = sum(
        not lo <= 0 <= hi for lo, hi in (difference_interval(draw(s, share=share), error) for s in range(worlds))
    )
    assert 0 < missed / worlds < error


def test_the_errors_of_all_weeks_add_up_to_the_level_and_no_more():
    assert sum(spent(t, 8, 0.05) for t in range(1, 100_000)) == pytest.approx(0.05, abs=1e-6)
    assert all(spent(t, 8, 0.05) > 0 for t in (1, 8, 9, 50))


def test_an_effect_is_found_and_has_the_right_sign():
    lo, hi = difference_interval(draw(5, 2_000, effect=0.2), 0.01)
    assert 0 < lo < 0.2 < hi < 0.4
    arms = draw(5, 2_000, effect=0.2)
    swapped = difference_interval(Arms(~arms.canary, arms.rate, arms.weight), 0.01)
    assert -0.4 < swapped[0] < -0.2 < swapped[1] < 0


def test_six_sellers_that_all_disagree_decide_nothing():
    canary = np.arange(40) % 2 == 0
    rate = np.where(canary & (np.arange(40) >= 28), 1.0, 0.0)
    lo, _ = difference_interval(Arms(canary, rate, np.ones(40)), spent(1, 1, 0.05))
    assert lo < 0


def test_one_seller_alone_moves_the_limits_a_little_only():
    arms = draw(7, 400)
    giant = int(np.flatnonzero(arms.canary)[50])
    weight, rates = arms.weight.copy(), [arms.rate.copy(), arms.rate.copy()]
    weight[giant] = 1.0
    rates[0][giant], rates[1][giant] = 0.0, 1.0
    without, with_all = (difference_interval(Arms(arms.canary, rate, weight), 0.02) for rate in rates)
    assert abs(with_all[0] - without[0]) < 0.02
    assert abs(with_all[1] - without[1]) < 0.02


def test_what_is_staked_on_a_seller_knows_nothing_of_it_nor_of_those_after():
    arms = draw(9, 100)
    rate, weight = arms.rate.copy(), arms.weight.copy()
    rate[60:], weight[60:] = 1 - rate[60:], 1.0
    other = Arms(arms.canary, rate, weight)
    assert (spread_before(other)[:61] == spread_before(arms)[:61]).all()
    assert spread_before(other)[61] != spread_before(arms)[61]


@pytest.mark.parametrize("n", [0, 1, WARM_UP])
def test_too_few_sellers_tell_nothing(n):
    arms = Arms(np.arange(n) % 2 == 0, np.ones(n), np.ones(n))
    assert difference_interval(arms, 0.05) == (-1.0, 1.0)


def test_rates_that_are_all_alike_are_no_error():
    for value in (0.0, 1.0):
        arms = Arms(np.arange(500) % 2 == 0, np.full(500, value), np.ones(500))
        lo, hi = difference_interval(arms, 0.05)
        assert -0.2 < lo <= 0 <= hi < 0.2
