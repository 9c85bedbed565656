"""What stands beside a cause: rivals whose label follows what they share, and siblings that have rows."""

from datetime import date

import polars as pl
import pytest

from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Cause, CauseKind, Counts, Estimate
from gne_analytics.figures.causes import beside, shown_siblings, sibling_rows
from gne_analytics.metrics.observations import Observations, measure_shift
from gne_analytics.metrics.windows import parse_window
from gne_analytics.workspace.behind import names_of, siblings_of
from gne_analytics.workspace.told import siblings_table

DAYS = {"baseline": date(2026, 1, 5), "focus": date(2026, 2, 2)}
WINDOWS = parse_window("2026-01"), parse_window("2026-02")


def observed(*rows):
    """Rows of (a, b, window, k, n), each counted as n sellers of one row, k of which count."""
    frame = pl.concat(
        pl.DataFrame({"a": [a] * n, "b": [b] * n, "event_date": [DAYS[w]] * n, "k": [1] * k + [0] * (n - k)})
        for a, b, w, k, n in rows
    ).with_row_index("seller")
    return Observations.from_frame(frame, dims=("a", "b"), unit="seller")


def cause_of(segment, **more):
    counts = Counts(k=1, n=1)
    return Cause(
        id="c", shift_id="s", rank=1, segment=segment, kind=CauseKind.RATE_SHIFT, status="candidate", before=counts,
        after=counts, effect=Estimate(value=0.1), leave_out=0, contribution=0, mechanism="unknown", **more,
    )  # fmt: skip


BOTH = [
    *(("x", "p", w, k, 100) for w, k in (("baseline", 10), ("focus", 60))),
    *(("y", "p", w, 20, 100) for w in DAYS),
    *(("y", "q", w, 30, 100) for w in DAYS),
    *(("z", "q", w, 1, 2) for w in DAYS),
]


@pytest.fixture
def told():
    obs = observed(*BOTH)
    return obs, measure_shift(obs, *WINDOWS)


def test_a_rival_is_called_by_what_it_shares_and_the_nearest_comes_first(told):
    obs, shift = told
    near, half, far = Segment.of(a=["x", "z"]), Segment.of(b="p"), Segment.of(b="q")
    names = names_of(obs, shift, cause_of(Segment.of(a="x"), same_rows=(half,), runners_up=(far, near)))
    assert [(n.segment, n.how) for n in names] == [
        (Segment.of(a="x"), "named"), (near, "same rows"), (half, "overlaps"),
    ]  # fmt: skip
    assert names[1].shared == pytest.approx(200 / 204)
    assert [n.shared for n in names] == sorted((n.shared for n in names), reverse=True)


def test_siblings_lie_along_the_dimension_in_which_there_are_some(told):
    obs, shift = told
    frame = siblings_of(obs, shift, cause_of(Segment.of(a="x", b="p")))
    assert (frame["along"][0], frame["held"].all()) == ("a", True)
    assert set(frame["value"]) == {"x", "y"}


def test_where_none_has_rows_the_other_dimensions_are_left_free_and_the_page_says_so():
    obs = observed(*BOTH[:2], *(("y", "q", w, 30, 100) for w in DAYS))
    shift = measure_shift(obs, *WINDOWS)
    cause = cause_of(Segment.of(a="x", b="p"))
    frame = siblings_of(obs, shift, cause)
    assert not frame["held"].any()
    assert sibling_rows(frame) == 200
    own = frame.filter("in_cause").sort("window")
    assert (own["k"].to_list(), own["n"].to_list()) == ([10, 60], [100, 100])
    assert "siblings of any" in str(beside(frame, shift, cause).layout.meta["subtitle"])


def test_the_picture_and_the_table_show_the_same_siblings_in_the_same_order_and_moves_with_intervals(told):
    obs, shift = told
    cause = cause_of(Segment.of(a="x"))
    frame = siblings_of(obs, shift, cause)
    order, left = shown_siblings(frame)
    assert (order, left) == (["x", "y"], 1)  # z has four rows
    table = siblings_table(frame, shift)
    assert [row[0].removesuffix(" (the cause)") for row in table.rows] == order
    assert table.note == "and 1 smaller one"
    drawn = [a.text.split("  ")[0].removesuffix(" (the cause)") for a in beside(frame, shift, cause).layout.annotations]
    assert drawn == order
    assert table.rows[0][3].startswith("+50.0 points (+3")
