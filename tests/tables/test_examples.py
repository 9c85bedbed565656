import doctest
from importlib import import_module

import pytest


@pytest.mark.parametrize("module", ["derived", "dsa", "record", "scopes"])
def test_the_examples_in_the_docstrings_run(module):
    result = doctest.testmod(import_module(f"gne_analytics.tables.{module}"))
    assert result.attempted > 0
    assert result.failed == 0
