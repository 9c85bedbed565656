"""Predicates against an oracle in plain Python, on every combination of a small world, on two engines."""

from collections.abc import Callable
from itertools import product

import duckdb
import narwhals as nw
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from gne_analytics.errors import PolicyError
from gne_analytics.policy.predicates import compile as compile_predicate

Row = dict[str, object]
Truth = Callable[[Row], bool | None]
"""An oracle in Kleene's logic: None is unknown."""
Node = tuple[str, Truth, Callable[[Row], bool]]
"""SQL text, three-valued oracle, two-valued oracle."""

VALUES: dict[str, list[object]] = {
    "market": [None, "ID", "TH"],
    "category": [None, "beauty", "beauty/sun", "beautyful"],
    "score": [None, 0.2, 0.7, 0.9],
    "trusted": [None, True, False],
}
ROWS: list[Row] = [dict(zip(VALUES, combination, strict=True)) for combination in product(*VALUES.values())]
FRAME = pl.DataFrame(
    ROWS, schema={"market": pl.String, "category": pl.String, "score": pl.Float64, "trusted": pl.Boolean}
)


def atom(sql: str, column: str, test: Callable[[object], bool]) -> Node:
    def truth(row: Row) -> bool | None:
        return None if row[column] is None else test(row[column])

    return sql, truth, lambda row: truth(row) is True


def null_test(column: str) -> Node:
    return f"{column} IS NULL", lambda row: row[column] is None, lambda row: row[column] is None


ATOMS: list[Node] = [
    atom("market = 'ID'", "market", lambda v: v == "ID"),
    atom("market <> 'ID'", "market", lambda v: v != "ID"),
    atom("market IN ('ID', 'VN')", "market", lambda v: v in ("ID", "VN")),
    atom("market LIKE '%H'", "market", lambda v: str(v).endswith("H")),
    atom("lower(market) = 'id'", "market", lambda v: str(v).lower() == "id"),
    atom("category UNDER 'beauty'", "category", lambda v: v == "beauty" or str(v).startswith("beauty/")),
    atom("category > 'beauty'", "category", lambda v: str(v) > "beauty"),
    atom("score >= 0.7", "score", lambda v: v >= 0.7),
    atom("score < 0.7", "score", lambda v: v < 0.7),
    atom("0.2 = score", "score", lambda v: v == 0.2),
    atom("score BETWEEN 0.1 AND 0.7", "score", lambda v: 0.1 <= v <= 0.7),
    atom("score * 2 > 1", "score", lambda v: v * 2 > 1),
    atom("trusted", "trusted", bool),
    atom("trusted = FALSE", "trusted", lambda v: v is False),
    null_test("market"),
    null_test("score"),
]


def negated(node: Node) -> Node:
    sql, truth, two = node

    def turned(row: Row) -> bool | None:
        found = truth(row)
        return None if found is None else not found

    return f"NOT ({sql})", turned, lambda row: not two(row)


def joined(nodes: list[Node], word: str) -> Node:
    decisive = word == "OR"

    def truth(row: Row) -> bool | None:
        found = [node[1](row) for node in nodes]
        if decisive in found:
            return decisive
        return None if None in found else not decisive

    fold = any if decisive else all
    return f" {word} ".join(f"({n[0]})" for n in nodes), truth, lambda row: fold(n[2](row) for n in nodes)


def compound(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(inner, min_size=2, max_size=3)
    return inner.map(negated) | several.map(lambda n: joined(n, "AND")) | several.map(lambda n: joined(n, "OR"))


NODES = st.recursive(st.sampled_from(ATOMS), compound, max_leaves=8)


def readings(sql: str, frame: object) -> list[tuple[bool, bool, bool]]:
    predicate = compile_predicate(sql, FRAME.schema)
    told = nw.from_native(frame).select(a=predicate.expr(), b=predicate.certain(), c=predicate.possible()).to_native()
    return told.rows() if isinstance(told, pl.DataFrame) else told.fetchall()


def expected(node: Node) -> list[tuple[bool, bool, bool]]:
    _, truth, two = node
    return [(two(row), truth(row) is True, truth(row) is not False) for row in ROWS]


@settings(max_examples=150, deadline=None)
@given(NODES)
def test_polars_agrees_with_the_oracle_or_the_predicate_is_constant(node: Node) -> None:
    wanted = expected(node)
    try:
        found = readings(node[0], FRAME)
    except PolicyError:
        assert len({two for two, _, _ in wanted}) == 1
        return
    assert found == wanted


@settings(max_examples=15, deadline=None)
@given(NODES)
def test_duckdb_agrees_with_the_oracle(node: Node) -> None:
    wanted = expected(node)
    if len({two for two, _, _ in wanted}) == 1:
        return
    with duckdb.connect() as connection:
        relation = connection.from_arrow(FRAME.with_row_index("row").to_arrow()).order("row")
        found = readings(node[0], relation)
    assert sorted(found) == sorted(wanted)
