"""A frontier as words and pictures: tables, a notebook's output, and the proposal beside the points."""

from dataclasses import replace
from xml.etree import ElementTree as ET

import polars as pl
import pytest

from gne_analytics.evidence.proposals import Proposal
from gne_analytics.evidence.types import Edit, EditKind
from gne_analytics.figures import still
from gne_analytics.strategy.frontier import DEFAULT
from gne_analytics.strategy.losing import losing_sellers
from gne_analytics.tables import record_from_frames
from gne_analytics.testing.frames import appeals_frame, audits_frame, violations_frame
from gne_analytics.testing.frontiers import a_frontier
from gne_analytics.testing.policies import small_policy_set
from gne_analytics.testing.results import a_backtest
from gne_analytics.workspace import Workspace
from gne_analytics.workspace.traded import Traded, points_table, thresholds_table

RAISE = Edit(kind=EditKind.SET_THRESHOLD, policy="counterfeit", rule="logo-match", old=0.7, new=0.8)
POINTS = Edit(kind=EditKind.SET_POINTS, policy="counterfeit", rule="logo-match", old=8, new=9)
LOWER = RAISE.model_copy(update={"new": 0.5})


def proposal(*edits, id="P-1"):  # noqa: A002
    return Proposal(id=id, title="", policy="counterfeit", policy_base="", edits=edits)


@pytest.fixture(scope="module")
def workspace():
    violations = violations_frame(2_000, sellers=300, weeks=12).with_columns(object_type=pl.lit("listing"))
    tables = {"violations": violations, "appeals": appeals_frame(violations), "audits": audits_frame(violations)}
    return Workspace(record_from_frames(tables), small_policy_set())


def test_the_points_are_a_table_that_marks_the_best_and_what_capacity_forbids():
    table = points_table(a_frontier())
    assert [row[0] for row in table.rows] == ["0", "1 *", "2", "3"]
    assert table.rows[1][2] == "−391 (−431 to −346)"
    assert [row[-1] for row in table.rows] == [
        "not recommended", "recommended", "today", "not recommended; beyond the review capacity",
    ]  # fmt: skip


def test_only_thresholds_that_move_are_listed_the_largest_move_first():
    rows = thresholds_table(a_frontier()).rows
    assert [r[0].startswith("market=ID") for r in rows] == [True, False]
    assert rows[0][1:] == ("0.7", "0.74")
    today = thresholds_table(a_frontier(), 2)
    assert (today.rows, today.note) == ((), "It changes no threshold.")


def test_a_default_is_named_in_words(workspace):
    found = workspace.frontier("counterfeit", "logo-match", points=3)
    named = {row[0] for n in range(found.table.height) for row in thresholds_table(found, n).rows}
    assert named == {DEFAULT}


def test_a_notebook_shows_picture_sentence_and_tables_and_nothing_hostile_runs():
    shown = Traded.of(a_frontier(), a_backtest())._repr_html_()
    assert "<svg" in shown
    assert "At the stated costs point 1 was best on the sellers searched" in shown
    assert "<script" not in shown
    assert "http" not in shown.replace("http://www.w3.org/2000/svg", "")


def test_a_still_frontier_has_star_square_diamond_cross_and_intervals_inside_the_picture():
    svg = "{http://www.w3.org/2000/svg}"
    root = ET.fromstring(still(Traded.of(a_frontier(), a_backtest()).figure()))  # noqa: S314 - our own
    width, height = float(root.get("width")), float(root.get("height"))
    lines = [e for e in root.iter(f"{svg}line") if e.get("stroke") in {"#0072B2", "#CC79A7"}]
    assert len(lines) == 4  # two intervals of the best point, two of the proposal
    for line in lines:
        for name, most in (("x1", width), ("x2", width), ("y1", height), ("y2", height)):
            assert 0 <= float(line.get(name)) <= most
    said = ["".join(t.itertext()) for t in root.iter(f"{svg}text")]
    legend = {
        "a choice of thresholds",
        "best at the stated costs",
        "this proposal",
        "today",
        "too many reviews",
    }
    assert legend <= set(said)


def test_a_frontier_beside_a_proposal_has_its_own_backtest_and_is_not_computed_twice(workspace):
    found = workspace.frontier_beside(proposal(RAISE), points=3)
    assert (found.policy, found.rule, found.by) == ("counterfeit", "logo-match", ())
    assert found.own == workspace.backtest(proposal(RAISE))
    assert workspace.frontier_beside(proposal(RAISE), points=3) is found
    assert workspace.frontier_beside(proposal(POINTS, id="P-2"), points=3) is None


def test_the_sellers_who_lose_are_those_of_the_strategy(workspace):
    found = workspace.losing_sellers(proposal(LOWER), limit=3)
    assert found.equals(losing_sellers(proposal(LOWER), workspace.record, workspace.policies, limit=3))


def test_a_frontier_without_a_proposal_marks_none():
    names = {t.name for t in Traded.of(a_frontier()).figure().data}
    assert "this proposal" not in names
    without = a_backtest().model_copy(update={"outcomes": ()})
    assert "this proposal" not in {t.name for t in replace(Traded.of(a_frontier()), own=without).figure().data}
