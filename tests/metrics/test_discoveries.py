"""Adjusted p-values beside those of statsmodels."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from gne_analytics.metrics.discoveries import benjamini_hochberg, holm


@pytest.mark.parametrize(("ours", "theirs"), [(benjamini_hochberg, "fdr_bh"), (holm, "holm")])
def test_adjusted_p_values_are_those_of_statsmodels_ties_and_certainties_among_them(ours, theirs):
    rng = np.random.default_rng(2)
    for size in (1, 2, 12, 50):
        p = np.round(rng.random(size) ** 3, 2)
        assert ours(p) == pytest.approx(multipletests(p, method=theirs)[1])


@pytest.mark.parametrize("adjusted", [benjamini_hochberg, holm])
def test_of_no_tests_nothing_is_adjusted(adjusted):
    assert adjusted([]).size == 0
