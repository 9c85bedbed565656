"""The penalty ladder against a naive replay, and its promises one at a time."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gne_analytics.enforcement.ladder import replay
from gne_analytics.errors import DataError
from gne_analytics.policy.model import Ladder

START = datetime(2026, 1, 1, tzinfo=UTC)
Violation = tuple[str, int, int, int | None]
"""Seller, day, points, day of the reversal."""


def ladder(**more: object) -> Ladder:
    steps = [
        {"id": "limits", "points": 10, "consequence": "restrict", "days": 7},
        {"id": "out", "points": 20, "consequence": "terminate"},
    ]
    return Ladder.model_validate({"window_days": 30, "milestones": steps, **more})


def frame(violations: list[Violation]) -> pl.DataFrame:
    def day(n: int | None) -> datetime | None:
        return None if n is None else START + timedelta(days=n)

    rows = [(seller, day(at), points, day(back)) for seller, at, points, back in violations]
    times = pl.Datetime("us", "UTC")
    schema = {"seller_id": pl.String, "decided_at": times, "points": pl.Int64, "reversed_at": times}
    return pl.DataFrame(rows, schema=schema, orient="row")


def live_points(violations: list[Violation], of: Ladder) -> list[tuple[str, int, float]]:
    done = replay(of, frame(violations)).points
    return [(unit, (at - START).days, live) for unit, at, live in done.select("unit", "at", "live").rows()]


def test_points_add_up_within_the_window_and_no_longer() -> None:
    assert live_points([("a", 0, 4, None), ("a", 29, 4, None), ("a", 30, 4, None)], ladder()) == [
        ("a", 0, 4),
        ("a", 29, 8),
        ("a", 30, 8),
    ]


def test_sellers_do_not_share_points() -> None:
    assert live_points([("a", 0, 9, None), ("b", 1, 9, None)], ladder()) == [("a", 0, 9), ("b", 1, 9)]


def test_a_reversal_gives_the_points_back_from_its_day_on() -> None:
    violations: list[Violation] = [("a", 0, 6, 5), ("a", 4, 3, None), ("a", 6, 1, None)]
    assert [live for _, _, live in live_points(violations, ladder())] == [6, 9, 4]
    assert [live for _, _, live in live_points(violations, ladder(return_on_reversal=False))] == [6, 9, 10]


def test_linear_decay_halves_a_violation_at_half_the_window() -> None:
    assert live_points([("a", 0, 8, None), ("a", 15, 1, None)], ladder(decay="linear"))[1] == ("a", 15, 5.0)


def test_a_milestone_is_reached_at_its_points_and_again_after_falling_below() -> None:
    done = replay(ladder(), frame([("a", 0, 9, None), ("a", 1, 1, None), ("a", 2, 1, None), ("a", 40, 10, None)]))
    reached = [((at - START).days, name) for at, name in done.milestones.select("at", "milestone").rows()]
    assert reached == [(1, "limits"), (40, "limits")]
    assert done.milestones["until"].to_list()[0] == START + timedelta(days=8)


def test_one_violation_may_reach_two_milestones_and_the_standing_names_the_highest() -> None:
    done = replay(ladder(), frame([("a", 0, 25, None), ("b", 0, 1, None)]))
    assert done.milestones["milestone"].to_list() == ["limits", "out"]
    assert done.milestones["until"].to_list()[1] is None
    assert done.standing.rows() == [("a", 25.0, "out", "terminate"), ("b", 1.0, None, None)]


def test_listings_that_went_with_an_account_action_count_once() -> None:
    violations = frame([("a", 0, 6, None), ("a", 0, 6, None)]).with_columns(parent_violation_id=pl.Series([None, "v1"]))
    assert replay(ladder(), violations).standing["peak"].to_list() == [6.0]


def test_violations_without_points_or_seller_are_no_step() -> None:
    done = replay(
        ladder(),
        frame([("a", 0, 0, None)]).vstack(frame([("a", 0, 5, None)]).with_columns(seller_id=pl.lit(None, pl.String))),
    )
    assert done.points.is_empty()
    assert done.standing.is_empty()


def test_a_ladder_per_account_needs_the_account() -> None:
    with pytest.raises(DataError, match="no column 'account_id'"):
        replay(ladder(per="account"), frame([]))


def naive(violations: list[Violation], of: Ladder) -> tuple[list[tuple[str, int, float]], list[tuple[str, int, str]]]:
    """Look at every violation's moment and add what counts then, one by one."""
    kept = [v for v in violations if v[2] > 0 and not (of.return_on_reversal and v[3] is not None and v[3] <= v[1])]
    order = sorted(kept, key=lambda v: (v[0], v[1]))
    points, reached = [], []
    for index, (seller, now, own, _) in enumerate(order):
        live = 0.0
        for other, at, amount, back in order[: index + 1]:
            alive = (
                other == seller
                and now - at < of.window_days
                and not (of.return_on_reversal and back is not None and back <= now)
            )
            if alive:
                live += amount * (1 - (now - at) / of.window_days if of.decay == "linear" else 1)
        points.append((seller, now, round(live, 6)))
        reached += [(seller, now, m.id) for m in of.milestones if round(live - own, 9) < m.points <= round(live, 9)]
    return points, reached


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 80), st.integers(0, 12), st.none() | st.integers(0, 100)),
        max_size=20,
    ),
    st.sampled_from(["none", "linear"]),
    st.booleans(),
)
def test_the_ladder_agrees_with_a_naive_one(violations: list[Violation], decay: str, returns: bool) -> None:
    of = ladder(decay=decay, return_on_reversal=returns)
    done = replay(of, frame(violations))
    points, reached = naive(violations, of)
    assert [
        (u, (at - START).days, round(live, 6)) for u, at, live in done.points.select("unit", "at", "live").rows()
    ] == points
    found = [(u, (at - START).days, name) for u, at, name in done.milestones.select("unit", "at", "milestone").rows()]
    assert sorted(found) == sorted(reached)
