"""The frontier of a rule's thresholds, held against every combination there is, counted by hand."""

from datetime import date
from itertools import pairwise, product

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gne_analytics.enforcement.replay import replay
from gne_analytics.errors import DataError, PolicyError
from gne_analytics.evidence.render import percent
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import EditKind
from gne_analytics.policy.edits import applied
from gne_analytics.strategy.arena import build_arena
from gne_analytics.strategy.estimate import Reviewers
from gne_analytics.strategy.frontier import SAID, frontier
from gne_analytics.strategy.sweep import Options, sweep, total

RULE = """- {id: r, clause: c, status: live, detector: d, action: remove,
   threshold: {default: 0.6, overrides: [{id: b, match: "market = 'B'", value: 0.7}]}}
- {id: other, clause: c, status: live, detector: d, action: warn, when: ["market = 'C'"], threshold: {default: 0.9}}
"""
REVIEWED = """- {id: r, clause: c, status: live, detector: d, action: remove, threshold: {default: 0.6},
   human_review: "score < 0.8"}
"""
GRID = (0.4, 0.5, 0.6, 0.7, 0.8)
TODAY = {"A": 0.6, "B": 0.7, "C": 0.6}


@pytest.fixture(scope="module")
def market(small_market, draw_cases):
    return small_market(draw_cases(1, 300), RULE)


@pytest.fixture(scope="module")
def found(market):
    return frontier(market.study, policy="p", rule="r", by=("market",), store=EvidenceStore(), thresholds=GRID)


def enforced(case, thresholds):
    """Decide one case by hand: the rule's threshold in its market, and the other rule, which acts in C from 0.9 on."""
    return case["score"] >= thresholds[case["market"]] or (case["market"] == "C" and case["score"] >= 0.9)


def by_hand(cases, thresholds):
    """Count the differences in wrongful enforcement and in missed violations, case by case."""
    wrongful = missed = 0
    for case in cases:
        change = enforced(case, thresholds) - enforced(case, TODAY)
        wrongful += change * (not case["violating"])
        missed -= change * case["violating"]
    return wrongful, missed


def lower_hull(points):
    """Return the points that are best at some positive prices, by trying every pair of neighbours as a price."""
    front = [p for p in points if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in points)]
    prices = {(q[1] - p[1]) / (p[0] - q[0]) for p, q in product(front, front) if q[1] > p[1] and p[0] > q[0]}
    between = [(a + b) / 2 for a, b in pairwise(sorted({1e-6, 1e6} | prices))]
    return {min(front, key=lambda p: price * p[0] + p[1]) for price in between}


def test_the_frontier_is_the_hull_of_every_combination_of_thresholds(market, found):
    cases = market.half(0)
    every = {by_hand(cases, dict(zip("ABC", v, strict=True))) for v in product(GRID, repeat=3)}
    swept = {by_hand(cases, {t["segment"][-1]: t["threshold"] for t in row}) for row in found.table["thresholds"]}
    assert swept == lower_hull(every)
    assert len(swept) == found.table.height > 3


def test_every_point_shows_what_its_thresholds_do_on_the_sellers_not_searched(market, found):
    cases = market.half(1)
    for row in found.table.iter_rows(named=True):
        thresholds = {t["segment"][-1]: t["threshold"] for t in row["thresholds"]}
        assert (row["wrongful"], row["missed"]) == by_hand(cases, thresholds)
        assert (row["wrongful_lo"], row["wrongful_hi"]) == (row["wrongful"], row["wrongful"])


def test_the_edits_of_a_point_replay_row_by_row_as_the_point_says(market, found):
    kinds = set()
    for row in found.table.iter_rows(named=True):
        thresholds = {t["segment"][-1]: t["threshold"] for t in row["thresholds"]}
        edits = found.edits(row["point"])
        done = replay(applied(market.policies, edits), market.study.population.scores)
        acted = dict(done.decisions.select("case_id", pl.col("action").is_not_null()).iter_rows())
        assert all(acted[c["case_id"]] == enforced(c, thresholds) for c in market.cases.iter_rows(named=True))
        kinds |= {e.kind for e in edits}
    assert kinds == {EditKind.ADD_OVERRIDE, EditKind.SET_OVERRIDE}


def test_a_failing_slice_is_named_and_is_no_matter_of_capacity(found):
    failing = found.table.filter(pl.col("failed").list.len() > 0)
    assert failing.height
    assert not failing["forbidden"].any()
    assert any(" in market=" in name for names in failing["failed"] for name in names)
    assert not any("review_capacity" in name for names in failing["failed"] for name in names)


def test_of_thresholds_that_do_alike_the_one_nearest_to_todays_is_taken(market):
    alike = (0.72, 0.71, 0.74, 0.52, 0.54, 0.51)  # scores lie at steps of 0.05
    found = frontier(market.study, policy="p", rule="r", store=EvidenceStore(), thresholds=alike)
    assert {t["threshold"] for row in found.table["thresholds"] for t in row} == {0.54, 0.6, 0.71}
    same = Options(np.array([[0.0, 0, 0], [0, 0, 0], [-1, 2, 0], [-1, 2, 0]]))
    assert [c.options for c in sweep([same], (1.0, 1.0, 0.0))] == [(2,), (0,)]


def test_a_change_inside_a_segment_counts_alike_among_its_own_cells_and_among_all(small_market, draw_cases):
    drawn = draw_cases(7, 400).with_columns(audited=pl.Series(np.random.default_rng(7).random(400) < 0.3))
    market = small_market(drawn, REVIEWED, audit_prob=0.3)
    policy = market.policies.policy("p")
    arena = build_arena(market.study, policy, policy.rule("r"), ["market = 'A'"], list(GRID), Reviewers())
    inside = arena.within("market = 'A'")
    for value in GRID:
        both = [a.outcomes(a.with_override("market = 'A'", value, 1)) for a in (arena, inside)]
        assert both[0] == pytest.approx(both[1])


def test_without_segments_the_rules_own_threshold_moves(market):
    found = frontier(market.record, market.policies, policy="p", rule="r", store=EvidenceStore(), thresholds=GRID)
    edits = [e for n in range(found.table.height) for e in found.edits(n)]
    assert {e.kind for e in edits} == {EditKind.SET_THRESHOLD}
    assert {e.old for e in edits} == {0.6}


def test_the_stated_point_has_the_least_loss_of_all_on_the_sellers_searched(small_market, draw_cases):
    objectives = "default: {cost: {wrongful_enforcement: 3, missed_violation: 1, review: 0}}"
    market = small_market(draw_cases(2, 300), RULE, objectives=objectives)
    found = frontier(market.study, policy="p", rule="r", by=("market",), store=EvidenceStore(), thresholds=GRID)
    cases = market.half(0)
    row = found.table.row(found.stated, named=True)
    loss = lambda v: 3 * by_hand(cases, v)[0] + by_hand(cases, v)[1]  # noqa: E731
    best = min(loss(dict(zip("ABC", v, strict=True))) for v in product(GRID, repeat=3))
    assert loss({t["segment"][-1]: t["threshold"] for t in row["thresholds"]}) == best
    assert row["weight_from"] <= 0.5 <= row["weight_to"]
    assert found.table["stated"].sum() == 1


def test_a_point_that_needs_more_reviews_than_there_is_capacity_for_is_marked(small_market, draw_cases):
    objectives = "default: {review_capacity: 100, cost: {wrongful_enforcement: 1, missed_violation: 9, review: 0.1}}"
    market = small_market(draw_cases(3, 300), REVIEWED, objectives=objectives)
    found = frontier(market.study, policy="p", rule="r", store=EvidenceStore(), thresholds=GRID)
    for row in found.table.iter_rows(named=True):
        lowest = row["thresholds"][0]["threshold"]
        reviews = market.cases.filter(pl.col("score") >= lowest, pl.col("score") < 0.8).height
        today = market.cases.filter(pl.col("score") >= 0.6, pl.col("score") < 0.8).height
        assert row["forbidden"] == (reviews > 100 and reviews > today)
        assert ("review_capacity" in row["failed"]) == row["forbidden"]
    assert found.table["forbidden"].any()
    assert not found.table["forbidden"].all()


def test_a_protected_policy_is_offered_stricter_thresholds_only(small_market, draw_cases):
    market = small_market(draw_cases(1, 300), RULE, protected=True)
    found = frontier(market.study, policy="p", rule="r", by=("market",), store=EvidenceStore(), thresholds=GRID)
    for row in found.table.iter_rows(named=True):
        assert all(t["threshold"] <= t["today"] for t in row["thresholds"])
    with pytest.raises(PolicyError, match="protected"):
        frontier(market.study, policy="p", rule="r", store=EvidenceStore(), thresholds=[0.8])


def test_segments_too_small_to_search_on_stay_as_they_are_and_the_result_says_so(small_market, draw_cases):
    cases = draw_cases(1, 200).with_columns(
        market=pl.when(pl.int_range(pl.len()) < 20).then(pl.lit("Z")).otherwise("market")
    )
    market = small_market(cases, RULE)
    found = frontier(market.study, policy="p", rule="r", by=("market",), store=EvidenceStore(), thresholds=GRID)
    assert not any(t["segment"] == "market=Z" for row in found.table["thresholds"] for t in row)
    assert any("segments too small" in limit for limit in found.limits)


def test_only_so_many_points_are_judged_and_the_result_says_how_many_there_are(market, found):
    few = frontier(market.study, policy="p", rule="r", by=("market",), store=EvidenceStore(), thresholds=GRID, points=4)
    assert few.table.height <= 4
    assert {few.table["weight_to"][0], few.table["weight_from"][-1]} == {1.0, 0.0}
    assert f"of {found.table.height} points" in repr(few)


HOSTILE = {
    "market": ["O'Hara", "a\nb", '<script>"', "; DROP TABLE"], "category": ["/x", "a'/b", "b/c", "b//c"],
    "mood": [True, False], "size": [1, 2, 3],
}  # fmt: skip


@pytest.mark.parametrize("dimension", HOSTILE)
def test_segments_of_any_value_are_named_so_that_they_replay_or_are_left_alone(small_market, draw_cases, dimension):
    r = np.random.default_rng(0)
    odd = pl.Series(dimension, [HOSTILE[dimension][i] for i in r.integers(0, len(HOSTILE[dimension]), 400)])
    market = small_market(draw_cases(1, 400).with_columns(odd), RULE.replace("market = 'B'", "detector = 'none'"))
    found = frontier(market.study, policy="p", rule="r", by=(dimension,), store=EvidenceStore(), thresholds=GRID)
    assert found.table["changed"].max() > 0
    for row in found.table.iter_rows(named=True):
        done = replay(applied(market.policies, found.edits(row["point"])), market.study.population.scores)
        wanted = {t["segment"].removeprefix(f"{dimension}=").strip("'\""): t["threshold"] for t in row["thresholds"]}
        rows = market.study.population.scores.join(
            done.firings.filter(rule_id="r").select("case_id", "threshold"), on="case_id"
        )
        for value, threshold in rows.select(pl.col(dimension).cast(pl.String), "threshold").iter_rows():
            top = value.split("/")[0] if dimension == "category" else value
            assert threshold == wanted.get(top.strip("'\""), 0.6)


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({"rule": "nosuch"}, PolicyError, "nosuch"),
        ({"by": ("mood",)}, DataError, "mood"),
        ({"thresholds": [1.4]}, PolicyError, "between 0 and 1"),
        ({"thresholds": [0.5, float("nan")]}, PolicyError, "between 0 and 1"),
        ({"thresholds": []}, PolicyError, "none to try"),
        ({"by": ("seller_id",)}, DataError, "name fewer dimensions"),
        ({"since": date(2030, 1, 1)}, DataError, "no case to search on"),
    ],
)
def test_what_cannot_be_swept_is_an_error_that_says_why(market, asked, error, says):
    with pytest.raises(error, match=says):
        frontier(market.study, **{"policy": "p", "rule": "r", "store": EvidenceStore(), **asked})


def test_a_point_that_is_not_there_is_an_error(found):
    with pytest.raises(PolicyError, match="points 0 to"):
        found.edits(found.table.height)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_every_point_of_a_sweep_is_best_at_its_prices_and_no_combination_is_missed(seed):
    r = np.random.default_rng(seed)
    segments = [Options(r.integers(-6, 7, (int(r.integers(2, 6)), 3)).astype(float)) for _ in range(3)]
    costs = (2.0, 3.0, 0.5)
    every = [total(segments, o) for o in product(*[range(len(s.outcomes)) for s in segments])]
    found = sweep(segments, costs)
    for choice in found:
        weight = sum(choice.weights) / 2
        price = np.array([2 * weight, 3 * (1 - weight), choice.review_price * 0.25])
        assert total(segments, choice.options) @ price == pytest.approx(min(e @ price for e in every))
    for weight in r.random(5):
        price = np.array([2 * weight, 3 * (1 - weight), 0.25])
        assert min(total(segments, c.options) @ price for c in found) == pytest.approx(min(e @ price for e in every))


def test_the_sentence_says_what_is_best_and_what_became_of_it_on_the_other_sellers(found):
    row = found.table.row(found.stated, named=True)
    said = found.sentence()
    assert f"At the stated costs point {row['point']} was best on the sellers searched" in said
    assert f"for {percent(row['coverage'])} of the cases it changes" in said
    assert said.endswith(f"{SAID[row['recommendation']]}.")
    assert said in found.summary()


def test_the_thresholds_that_a_point_moves_come_largest_change_first(found):
    for point in range(found.table.height):
        moved = found.moved(point)
        assert len(moved) == len(found.edits(point))
        assert all(a != b for _, a, b in moved)
        sizes = [abs(b - a) for _, a, b in moved]
        assert sizes == sorted(sizes, reverse=True)
    assert found.moved() == found.moved(found.stated)
