import math

import pytest

from benchmarks.score import upper_limit


def test_the_upper_limit_is_the_share_at_which_so_few_have_one_chance_in_twenty():
    k, n = 3, 60
    u = upper_limit(k, n)
    assert sum(math.comb(n, i) * u**i * (1 - u) ** (n - i) for i in range(k + 1)) == pytest.approx(0.05)
    assert upper_limit(0, n) == pytest.approx(1 - 0.05 ** (1 / n))
    assert upper_limit(n, n) == 1.0
