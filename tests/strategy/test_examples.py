import doctest
from importlib import import_module

import pytest


@pytest.mark.parametrize("module", ["canary", "certify", "experiment", "kinds", "sequence", "sweep", "traffic"])
def test_the_examples_of_the_docstrings_run(module):
    result = doctest.testmod(import_module(f"gne_analytics.strategy.{module}"))
    assert result.failed == 0
    assert result.attempted > 0
