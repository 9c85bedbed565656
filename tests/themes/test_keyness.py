"""Log odds with a prior, beside a second way to reckon them."""

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.contingency_tables import Table2x2

from gne_analytics.themes import keyness
from gne_analytics.themes.keyness import log_odds, p_two_sided


def test_without_a_prior_it_is_the_log_odds_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyness, "PRIOR", 1e-9)
    ratio, error = log_odds([30, 70], [40, 160], 100, 200)
    table = Table2x2([[30, 70], [40, 160]])
    assert ratio[0] == pytest.approx(table.log_oddsratio)
    assert error[0] == pytest.approx(table.log_oddsratio_se)


def test_the_prior_pulls_what_few_say_more_than_what_many_say() -> None:
    few, _ = log_odds([3, 7], [10, 90], 10, 100)
    many, _ = log_odds([300, 700], [1000, 9000], 1000, 10000)
    assert 0 < few[0] < 0.5 * many[0]


def test_what_nobody_says_tells_nothing() -> None:
    ratio, error = log_odds([0, 5], [0, 5], 5, 5)
    assert ratio.tolist() == [0.0, pytest.approx(0.0)]
    assert np.isinf(error[0])
    assert np.isinf(log_odds([1], [0], 1, 0)[1]).all()


def test_p_values_of_normal_scores() -> None:
    assert p_two_sided(np.array([1.96])) == pytest.approx(2 * norm.sf(1.96))
