"""What `gne frontier` prints: the points, what is best at the stated costs, its thresholds; or one JSON document."""

import json

import polars as pl
import pytest

ASKED = ("--policy", "counterfeit", "--rule", "logo-match", "--points", 3)


@pytest.fixture
def source(source):
    """The same source with listings alone, which the rule asks for."""
    held = source / "violations.parquet"
    pl.read_parquet(held).with_columns(object_type=pl.lit("listing")).write_parquet(held)
    return source


def test_the_points_and_the_thresholds_of_the_best_are_printed(gne, source):
    said = gne("frontier", source, *ASKED)
    assert said.code == 0, said.err
    assert "What the thresholds of logo-match can trade" in said.out
    assert "At the stated costs" in said.out
    assert sum(" *" in line for line in said.out.splitlines()) == 2  # the point, and the note that explains it


def test_json_holds_every_point_and_nothing_else_is_printed(gne, source):
    found = json.loads(gne("frontier", source, *ASKED, "--by", "market", "--json").out)
    assert [row["point"] for row in found["points"]] == list(range(len(found["points"])))
    assert found["points"][found["stated"]]["stated"]
    assert {t["segment"].split("=")[0] for t in found["points"][0]["thresholds"]} == {"market"}


def test_a_rule_that_is_not_there_is_an_error_that_names_the_nearest(gne, source):
    said = gne("frontier", source, "--policy", "counterfeit", "--rule", "logo-mach")
    assert said.code == 2
    assert "logo-match" in said.err
    assert "Traceback" not in said.err
