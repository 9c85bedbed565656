"""`gne explain`: the ranked causes, what adds up, and what lies behind each cause, in a terminal and as one page."""

import json
import re
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from gne_analytics.cli import run_command
from gne_analytics.testing.frames import appeals_frame, violations_frame

SOURCE = """
name: planted
tables:
  violations: {from: violations.parquet}
  appeals: {from: appeals.parquet}
"""
ONSET = datetime(2026, 4, 6, tzinfo=UTC)
WINDOWS = ("--baseline", "2026-01-05..2026-04-06", "--focus", "2026-04-06..2026-06-29")
MARKETS = ("--baseline", "market=TH", "--focus", "market=ID", "--metric", "overturn_rate")
TURNED = "\u202e=HYPERLINK(evil)\x1b[31m"


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Toys in ID rise on the sixth of April and so stand higher than in TH; what sellers say tries to turn lines."""
    folder = tmp_path_factory.mktemp("planted")
    rng = np.random.default_rng(0)
    violations = violations_frame(5_000, sellers=500, weeks=26)
    appeals = appeals_frame(violations, appealed=0.8, overturned=0.25)
    cases = appeals.select("violation_id").join(violations, on="violation_id", maintain_order="left")
    toys = (pl.col("market") == "ID") & (pl.col("category") == "toys") & (pl.col("decided_at") >= ONSET)
    hit = cases.select(toys.alias("hit"))["hit"].to_numpy() & (rng.random(cases.height) < 0.7)
    appeals = appeals.with_columns(outcome=pl.Series(np.where(hit, "overturned", appeals["outcome"].to_numpy())))
    violations.write_parquet(folder / "violations.parquet")
    appeals.with_columns(reason_text=pl.lit(TURNED) + pl.col("reason_text")).write_parquet(folder / "appeals.parquet")
    (folder / "source.yaml").write_text(SOURCE)
    return folder


@pytest.fixture(scope="module")
def said(planted):
    """What `gne explain` prints between two windows, and between two markets."""
    from contextlib import redirect_stdout
    from io import StringIO

    told = []
    for windows in (WINDOWS, MARKETS):
        out = StringIO()
        with redirect_stdout(out):
            assert run_command(["explain", str(planted), *windows]) == 0
        told.append(out.getvalue())
    return told


def numbers_of(text):
    """The sizes of the steps, in points, and what they add up to, as the table prints them."""
    block = text.split("How it adds up\n")[1].split("Rounded here")[0]
    sizes = [float(m.replace("−", "-")) for m in re.findall(r"([+−]?\d+\.?\d*) points", block)]
    return sizes[:-1], sizes[-1]


def test_it_prints_the_ranked_table_the_sum_and_what_lies_behind_each_cause(said):
    for title in ("Causes", "How it adds up", "Siblings along", "Rival descriptions", "Example rows"):
        for text in said:
            assert title in text
    assert "category: toys, market: ID" in said[0]
    assert "It began around" in said[0]


def test_the_printed_steps_add_up_to_the_printed_shift(said):
    for text in said:
        steps, together = numbers_of(text)
        assert sum(steps) == pytest.approx(together, abs=0.05 * len(steps))


def test_between_two_markets_it_speaks_of_these_and_not_of_time(said):
    assert "The overturn rate is higher in market ID than in market TH" in said[1]
    assert re.search(r"n TH +n ID", said[1])
    assert not re.search(r"\b(before|after|onset|began|new segment|vanished|rose|fell)\b", said[1], re.IGNORECASE)


def test_no_value_can_turn_a_line_or_speak_to_the_terminal(said):
    for text in said:
        assert "HYPERLINK" in text
        assert not {"\u202e", "\x1b"} & set(text)


def test_a_page_is_written_beside_what_is_printed_and_json_holds_what_the_page_shows(planted, gne, tmp_path):
    page = tmp_path / "why.html"
    said = gne("explain", planted, *WINDOWS, "--html", page, "--json")
    assert said.code == 0
    told = json.loads(said.out)
    assert set(told) >= {"shift", "causes", "decomposition", "dimensions", "refused", "notes", "steps", "series"}
    adds = sum(step["adds"] for step in told["steps"])
    assert adds == pytest.approx(told["shift"]["delta"]["value"], abs=1e-9)
    behind = told["behind"][told["causes"][0]["id"]]
    assert {name: bool(rows) for name, rows in behind.items()} == dict.fromkeys(
        ("series", "siblings", "rivals", "rows"), True
    )
    assert behind["series"][0]["week"] == "2026-01-05"
    html = page.read_text(encoding="utf-8")
    assert html.startswith("<!DOCTYPE html>")
    assert "How it adds up" in html


def test_investigate_names_the_rivals_and_says_where_the_rest_stands(planted, gne, tmp_path):
    assert gne("run", planted, *WINDOWS, "--runs", tmp_path / "runs").code == 0
    run = next((tmp_path / "runs").glob("planted-*"))
    (cause,) = json.loads((run / "causes.json").read_text())[:1]
    said = gne("investigate", run, cause["id"])
    assert said.code == 0
    assert "Rival descriptions" in said.out
    assert "category=toys (overlaps)" in said.out
    assert f"example rows stand in {run / 'report.html'}" in said.out.replace("\n", " ")
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Rival descriptions" in page
    assert "Example rows" in page
