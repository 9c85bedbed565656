import numpy as np
import pytest

from gne_analytics.simulate.draws import Draws, Knobs, Noise, logistic, logit, pick


def test_a_stage_draws_the_same_whatever_the_others_do():
    draws = Draws(3)
    alone = draws.uniform("appeal", 50)
    draws.uniform("audit", 1_000)
    assert np.array_equal(draws.uniform("appeal", 50), alone)
    assert not np.array_equal(draws.uniform("audit", 50), alone)
    assert not np.array_equal(Draws(4).uniform("appeal", 50), alone)


@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_a_longer_draw_extends_a_shorter_one(kind):
    draw = getattr(Draws(1), kind)
    assert np.array_equal(draw("x", 200)[:70], draw("x", 70))


def test_a_new_stream_of_cases_leaves_the_noise_of_the_others_alone():
    one = Noise(Draws(1), (("base", 30),), np.arange(30))
    two = Noise(Draws(1), (("base", 30), ("extra", 10)), np.arange(40))
    assert np.array_equal(one.uniform("score"), two.uniform("score")[:30])
    assert np.array_equal(two.kept(np.array([3, 35])).uniform("score"), two.uniform("score")[[3, 35]])


def test_pick_follows_its_weights_by_vector_and_by_row():
    u = np.random.default_rng(0).random(20_000)
    weights = np.array([1.0, 0.0, 3.0])
    by_vector = pick(u, weights)
    assert np.bincount(by_vector, minlength=3) / len(u) == pytest.approx([0.25, 0, 0.75], abs=0.02)
    assert np.array_equal(by_vector, pick(u, np.tile(weights, (len(u), 1))))


def test_knobs_add_up_and_are_zero_where_nobody_turned_them():
    knobs = Knobs(3)
    knobs.turn("coin", np.array([True, True, False]), 0.2)
    knobs.turn("coin", np.array([False, True, False]), 0.3)
    assert knobs["coin"].tolist() == pytest.approx([0.2, 0.5, 0.0])
    assert knobs["other"].tolist() == [0, 0, 0]
    assert knobs.kept(np.array([1]))["coin"].tolist() == pytest.approx([0.5])


def test_logistic_undoes_logit():
    assert logistic(np.array([logit(0.3)]))[0] == pytest.approx(0.3)
