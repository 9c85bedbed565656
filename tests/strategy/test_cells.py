from collections import Counter

import duckdb
import narwhals as nw
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gne_analytics.enforcement.replay import replay
from gne_analytics.errors import PolicyError
from gne_analytics.evidence.types import Edit, EditKind
from gne_analytics.policy.edits import applied
from gne_analytics.policy.predicates import compile as compile_predicate
from gne_analytics.simulate.world import default_policies
from gne_analytics.strategy import rows
from gne_analytics.strategy.cells import CellRule, count_cells, densify
from gne_analytics.strategy.rows import NO_SCORE, Bins, Condition
from gne_analytics.strategy.rules import compile_rules

DAY = pl.date_range(pl.date(2026, 5, 1), pl.date(2026, 5, 1), eager=True)[0]
MATCHES = ("market = 'ID'", "category UNDER 'beauty'", "NOT seller_tier = 'standard'", "market IN ('TH', 'VN')",
           "seller_tier IS NULL", "category UNDER 'beauty' AND market = 'ID'")  # fmt: skip
RULES = {"logo-match": "counterfeit", "cure-claim": "misleading-health-claims", "price-bait": "misleading-listing"}


def random_cases(seed, n=250):
    r = np.random.default_rng(seed)
    text = lambda values: r.choice(np.array([*values, None], dtype=object), n)  # noqa: E731
    return pl.DataFrame(
        {
            "case_id": [f"c{i:04d}" for i in range(n)],
            "detector": text(["logo_match", "claims_text", "price_bait"]),
            "detector_version": text(["v6", "v7"]),
            "score": pl.Series(np.where(r.random(n) < 0.1, np.nan, r.integers(40, 100, n) / 100)).fill_nan(None),
            "market": text(["ID", "TH", "VN", "DE"]),
            "language": text(["id", "en"]),
            "category": text(["beauty", "beauty/sun-care", "health/supplements", "beautyx"]),
            "object_type": text(["listing", "video", "live"]),
            "seller_tier": text(["standard", "gold", "brand_authorised"]),
            "account_type": text(["business", "personal"]),
            "event_date": DAY,
        }
    ).with_columns(pl.col(pl.Object).map_elements(lambda v: v, pl.String))


def random_edits(r, policies):
    edits = []
    for rule, policy in RULES.items():
        found = policies.policy(policy).rule(rule)
        value = float(r.integers(45, 95)) / 100
        if value != found.threshold.default:
            edits.append(Edit(kind="set_threshold", policy=policy, rule=rule, old=found.threshold.default, new=value))
        for i, match in enumerate(r.choice(MATCHES, 2, replace=False)):
            new = {"id": f"o{i}", "match": str(match), "value": float(r.integers(40, 99)) / 100, "priority": 10 + i}
            edits.append(Edit(kind=EditKind.ADD_OVERRIDE, policy=policy, rule=rule, new=new))
        new = {"id": "e0", "match": str(r.choice(MATCHES))}
        edits.append(Edit(kind=EditKind.ADD_EXEMPTION, policy=policy, rule=rule, new=new))
        review = f"score < {int(r.integers(50, 95)) / 100:g} OR {r.choice(MATCHES)}"
        edits.append(Edit(kind="set_human_review", policy=policy, rule=rule, old=found.human_review, new=review))
    return edits


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10_000))
def test_cells_decide_every_case_as_a_replay_of_random_policies_does(seed):
    r = np.random.default_rng(seed)
    today = default_policies()
    sets = [today, applied(today, random_edits(r, today))]
    cases = random_cases(seed)
    compiled = compile_rules(sets, cases.schema, DAY)
    tensor = densify(count_cells(cases, compiled.predicates, compiled.edges, by=["case_id"]))
    where = tensor.counts() > 0
    for policies, rules in zip(sets, compiled.rules, strict=True):
        rank, review = tensor.states(rules)
        of_case = np.argwhere(where)
        got = {tensor.classes["case_id"][int(c)]: (int(rank[s, b]), bool(review[s, b])) for s, b, c in of_case}
        order = ["warn", "demote", "restrict", "remove", "suspend", "terminate"]
        said = replay(policies, cases, at=DAY).decisions
        want = {
            case: (order.index(action) + 1 if action else 0, review)
            for case, action, review in said.select("case_id", "action", "review").iter_rows()
        }
        assert got == want
        decided = Counter(map(bool, (review for action, review in want.values() if action)))
        assert tuple(part.sum() for part in tensor.acted(rules)) == (decided[False], decided[True])


@pytest.mark.parametrize("dtype", [pl.Float64, pl.Float32])
def test_every_threshold_is_a_look_up_and_exact_at_the_edge(dtype):
    scores = pl.Series("score", [0.69, 0.7, 0.7, 0.71, None], dtype=dtype)
    cells = count_cells(pl.DataFrame({"score": scores}), {}, [0.7, 0.1, 0.71, 0.7])
    above = densify(cells).at(np.array([0.1, 0.7, 0.71]))
    assert above.ravel().tolist() == [4, 3, 1]


def test_a_threshold_that_the_cells_were_not_cut_at_is_an_error_and_never_the_nearest_edge():
    cells = count_cells(pl.DataFrame({"score": [0.2, 0.9]}), {}, [0.7])
    with pytest.raises(PolicyError, match=r"0\.75 is not among the edges"):
        densify(cells).at(np.array([0.75]))


def test_duckdb_counts_the_same_cells_as_polars():
    cases = random_cases(1, 2_000).with_columns(weight=pl.int_range(pl.len()).cast(pl.Float64))
    predicates = {m: compile_predicate(m, cases.schema).expr() for m in MATCHES}
    edges = [0.5, 0.55, 0.7, 0.71, 0.9]
    native = count_cells(cases, predicates, edges, by=["object_type"], sums=["weight"])
    relation = duckdb.from_arrow(cases.to_arrow())
    other = count_cells(relation, predicates, edges, by=["object_type"], sums=["weight"])
    assert other.frame.cast(native.frame.schema).equals(native.frame)


def test_cells_of_two_weeks_add_up_to_the_cells_of_both():
    cases = random_cases(2, 600)
    predicates = {"id": nw.col("market") == "ID"}
    whole = count_cells(cases, predicates, [0.5, 0.8], by=["seller_tier"])
    first, second = (
        count_cells(part, predicates, [0.5, 0.8], by=["seller_tier"]) for part in (cases.head(250), cases.tail(350))
    )
    assert first.merge(second).frame.equals(whole.frame)


def test_overrides_of_equal_priority_with_different_values_on_a_real_case_are_an_error():
    cases = pl.DataFrame({"score": [0.6], "market": ["ID"], "tier": ["gold"]})
    predicates = {"m": nw.col("market") == "ID", "t": nw.col("tier") == "gold"}
    tensor = densify(count_cells(cases, predicates, [0.5, 0.7, 0.8]))
    rule = CellRule("r", default=0.5, overrides=((0, 0.7, 0), (1, 0.8, 0)))
    with pytest.raises(PolicyError, match=r"'r'.*0.7.*0.8.*priority"):
        tensor.states([rule])


def test_more_predicates_than_one_word_holds_keep_their_bits():
    values = [f"v{i}" for i in range(130)]
    cases = pl.DataFrame({"score": [0.5] * 130, "x": values})
    predicates = {v: nw.col("x") == v for v in values}
    tensor = densify(count_cells(cases, predicates, [0.5], by=["x"]))
    for s, _, c in np.argwhere(tensor.counts() > 0):
        assert [values[i] for i in np.flatnonzero(tensor.signatures[s])] == [tensor.classes["x"][int(c)]]


AWKWARD = (0.1 + 0.2, 0.3, np.nextafter(0.3, 1), 1e-300, 0.999999, 1.0)


@pytest.mark.parametrize("edges", [AWKWARD, np.linspace(0, 1, 301), np.array([0.7]), np.array([]), np.arange(-3.0, 4)])
def test_a_score_finds_its_bin_exactly_however_close_the_edges_lie(edges):
    r = np.random.default_rng(0)
    edges = np.sort(np.asarray(edges, np.float64))
    near = np.concatenate(
        [edges, np.nextafter(edges, -9), np.nextafter(edges, 9), r.uniform(-4, 5, 500), [np.inf, -np.inf]]
    )
    assert Bins(edges).of(near).tolist() == np.searchsorted(edges, near, side="right").tolist()
    assert Bins(edges).of(np.array([np.nan])).tolist() == [NO_SCORE]


@pytest.mark.parametrize("part", [1 << 20, 7])
def test_rows_counted_by_position_are_the_rows_that_were_grouped(monkeypatch, part):
    monkeypatch.setattr(rows, "PART", part)
    monkeypatch.setattr(rows, "STRETCH", part)
    cases = random_cases(3, 3_000).with_columns(
        weight=pl.int_range(pl.len()),
        size=pl.int_range(pl.len()) % 7 - 3,
        day=DAY,
        flag=pl.int_range(pl.len()) % 2 == 0,
    )
    told = {m: compile_predicate(m, cases.schema) for m in (*MATCHES, "score < 0.7", "size > 0 OR flag = true")}
    counted, grouped = (
        count_cells(frame, conditions, [0.5, 0.7, 0.71], by=["object_type", "size", "day"], sums=["weight"]).frame
        for frame, conditions in (
            (cases, {m: Condition(p.expr(), p.columns) for m, p in told.items()}),
            (cases.lazy(), {m: p.expr() for m, p in told.items()}),
        )
    )
    assert counted.equals(grouped)


def test_a_score_that_is_no_number_is_no_score():
    cases = pl.DataFrame({"score": [0.9, float("nan"), None]})
    for frame in (cases, cases.lazy()):
        assert count_cells(frame, {}, [0.5]).frame.rows() == [(0, NO_SCORE, 2), (0, 1, 1)]


def test_a_class_with_more_values_than_can_be_counted_by_position_is_grouped(monkeypatch):
    cases = random_cases(4, 300)
    predicates = {"id": Condition(nw.col("market") == "ID", ("market",))}
    want = count_cells(cases, predicates, [0.5], by=["case_id"]).frame
    for name in ("MOST_VALUES", "MOST_GROUPS", "MOST_CELLS"):
        with monkeypatch.context() as limit:
            limit.setattr(rows, name, 100)
            assert count_cells(cases, predicates, [0.5], by=["case_id"]).frame.equals(want)


def test_a_value_that_the_first_rows_do_not_hold_is_counted_all_the_same(monkeypatch):
    monkeypatch.setattr(rows, "MOST_VALUES", 10)
    markets = ["ID", "TH", None] * 20 + ["VN"]
    cases = pl.DataFrame({"market": markets, "score": 0.9})
    predicates = {"late": Condition(nw.col("market") == "VN", ("market",))}
    found = count_cells(cases, predicates, [0.5], by=["market"]).frame
    assert found.rows() == [(0, None, 1, 20), (0, "ID", 1, 20), (0, "TH", 1, 20), (1, "VN", 1, 1)]


@pytest.mark.parametrize("share", range(1, 8))
def test_edges_that_share_a_step_of_the_table_are_told_apart(share):
    crowd = [0.5]
    for _ in range(share - 1):
        crowd.append(np.nextafter(crowd[-1], 1))
    edges = np.array([0.1, *crowd, 0.9])
    near = np.concatenate([edges, np.nextafter(edges, 0), np.nextafter(edges, 1)])
    assert Bins(edges).of(near).tolist() == np.searchsorted(edges, near, side="right").tolist()
