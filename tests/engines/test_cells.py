"""The cells of the policy search, on every engine, against cases counted by hand."""

from collections import Counter

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gne_analytics.policy.predicates import compile as compile_predicate
from gne_analytics.strategy.cells import count_cells
from gne_analytics.strategy.rows import NO_SCORE, Condition

EDGES = [0.9, 0.1 + 0.2, 0.3, 0.5, 0.7, 1.0]
TESTS = {
    "market = 'ID'": lambda c: c["market"] == "ID",
    "category UNDER 'beauty'": lambda c: c["category"] == "beauty" or (c["category"] or "").startswith("beauty/"),
    "NOT tier = 'standard'": lambda c: c["tier"] != "standard",
    "tier IS NULL": lambda c: c["tier"] is None,
    "market IN ('TH', '中国')": lambda c: c["market"] in ("TH", "中国"),
}


def cases(score=pl.Float64, n=600):
    rng = np.random.default_rng(4)
    scores = rng.choice([0.0, 0.29, 0.3, 0.1 + 0.2, 0.31, 0.5, np.nextafter(0.5, 0), 0.7, 0.9, 1.0, np.nan], n)
    columns = {
        "market": ["ID", "TH", "中国", "id", "ID ", None],
        "category": ["beauty", "beauty/sun-care", "beautyx", "Beauty", "", None],
        "tier": ["standard", "new", None],
    }
    drawn = {name: [values[i] for i in rng.integers(0, len(values), n)] for name, values in columns.items()}
    return pl.DataFrame(
        {"score": pl.Series(scores).fill_nan(None).cast(score), **drawn, "weight": rng.integers(0, 9, n) / 4}
    )


def counted_by_hand(frame, by, bits, edges):
    n, weight = Counter(), Counter()
    for case in frame.iter_rows(named=True):
        signature = sum(1 << i for i, test in enumerate(bits) if test(case))
        score = case["score"]
        key = (signature, *(case[b] for b in by), NO_SCORE if score is None else sum(e <= score for e in edges))
        n[key] += 1
        weight[key] += case["weight"]
    order = sorted(n, key=lambda key: [(v is not None, v) for v in key])
    types = {"sig_0": pl.Int64, **dict.fromkeys(by, pl.String), "bin": pl.Int32, "n": pl.Int64, "weight": pl.Float64}
    return pl.DataFrame([(*key, n[key], weight[key]) for key in order], schema=types, orient="row")


@pytest.mark.parametrize("score", [pl.Float64, pl.Float32], ids=str)
def test_cells_are_those_counted_by_hand(engine, score):
    frame = cases(score)
    compiled = {sql: compile_predicate(sql, frame.schema) for sql in TESTS}
    predicates = {sql: Condition(p.expr(), p.columns) for sql, p in compiled.items()}
    cells = count_cells(engine(frame), predicates, EDGES, by=["market", "tier"], sums=["weight"])
    edges = sorted({float(np.float32(e)) if score == pl.Float32 else e for e in EDGES})
    assert cells.edges.tolist() == edges
    assert_frame_equal(cells.frame, counted_by_hand(frame, ["market", "tier"], TESTS.values(), edges), check_exact=True)


def test_more_predicates_than_one_word_holds_keep_their_bits(engine):
    values = [f"v{i}" for i in range(62)]
    frame = pl.DataFrame({"score": [0.5] * 62, "x": values})
    predicates = {v: compile_predicate(f"x = '{v}'", frame.schema).expr() for v in values}
    found = count_cells(engine(frame), predicates, [0.5], by=["x"]).frame
    signatures = {x: (first, second) for first, second, x in found.select("sig_0", "sig_1", "x").iter_rows()}
    assert signatures == {v: (1 << i, 0) if i < 60 else (0, 1 << (i - 60)) for i, v in enumerate(values)}


def test_no_case_makes_no_cell(engine):
    frame = cases().clear()
    predicates = {sql: compile_predicate(sql, frame.schema).expr() for sql in TESTS}
    cells = count_cells(engine(frame), predicates, EDGES, by=["market"], sums=["weight"])
    assert_frame_equal(cells.frame, counted_by_hand(frame, ["market"], TESTS.values(), EDGES))
