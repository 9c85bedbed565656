"""The small public face of the package."""

import subprocess
import sys

import pytest

import gne_analytics as gne


def test_every_public_name_can_be_had_and_no_other_is_promised():
    assert {name: getattr(gne, name) for name in gne.__all__}
    assert set(gne.__all__) == set(gne._HOME_OF)


def test_the_front_door_is_small():
    assert len(gne.__all__) <= 25


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        gne.opne  # noqa: B018


def test_importing_the_package_does_not_pull_in_the_heavy_libraries():
    code = (
        "import sys, gne_analytics, gne_analytics.workspace;"
        "print(sorted({'numba','sklearn','plotly','openai','marimo','bertopic','duckdb','umap'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert out.stdout.strip() == "[]"
