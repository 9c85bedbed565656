"""The predicate language: what it says, and what it refuses with which words."""

from datetime import date

import narwhals as nw
import polars as pl
import pytest

from gne_analytics.errors import PolicyError
from gne_analytics.policy.predicates import Predicate
from gne_analytics.policy.predicates import compile as compile_predicate

CASES = pl.DataFrame(
    {
        "market": ["ID", "TH", None],
        "category": ["beauty", "beauty/sun-care", "beautyful"],
        "score": pl.Series([0.7, 0.2, None], dtype=pl.Float32),
        "points": [3, 0, None],
        "trusted": [True, None, False],
        "since": pl.Series([date(2026, 10, 1), date(2026, 9, 30), None]),
    }
)


def held(text: str, cases: pl.DataFrame = CASES) -> list[bool]:
    return compile_predicate(text, cases.schema).mask(cases).to_list()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("market = 'ID'", [True, False, False]),
        ("NOT market = 'ID'", [False, True, True]),
        ("market <> 'ID'", [False, True, False]),
        ("market IN ('ID', 'SG')", [True, False, False]),
        ("market NOT IN ('ID', 'SG')", [False, True, True]),
        ("market IS NULL", [False, False, True]),
        ("market IS NOT NULL", [True, True, False]),
        ("market LIKE 'I_'", [True, False, False]),
        ("market NOT LIKE 'I%'", [False, True, True]),
        ("market ILIKE 'i%'", [True, False, False]),
        ("lower(market) = 'th'", [False, True, False]),
        ("category UNDER 'beauty'", [True, True, False]),
        ("category NOT UNDER 'beauty'", [False, False, True]),
        ("category LIKE 'beauty/%'", [False, True, False]),
        ("score >= 0.7", [True, False, False]),
        ("0.5 > score", [False, True, False]),
        ("score BETWEEN 0.2 AND 0.5", [False, True, False]),
        ("score NOT BETWEEN 0.2 AND 0.5", [True, False, True]),
        ("coalesce(points, 5) > 2", [True, False, True]),
        ("points * 2 - 1 = 5", [True, False, False]),
        ("1 / points < 1", [True, False, False]),
        ("-points <= -3", [True, False, False]),
        ("trusted", [True, False, False]),
        ("NOT trusted", [False, True, True]),
        ("trusted = FALSE", [False, False, True]),
        ("since >= '2026-10-01'", [True, False, False]),
        ("(market = 'ID' OR market = 'TH') AND NOT (score < 0.5)", [True, False, False]),
    ],
)
def test_predicates_mean_what_they_say(text: str, expected: list[bool]) -> None:
    assert held(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("mraket = 'ID'", "unknown column 'mraket' (did you mean 'market'?)"),
        ("market = 3", "market (text) with 3 (number)"),
        ("score = '0.7'", "numbers have no quotes"),
        ("market BETWEEN 1 AND 2", "texts are quoted"),
        ("points IN (1, 'two')", "points (number) with 'two' (text)"),
        ("trusted > FALSE", "true or false"),
        ("market = NULL", "write IS NULL"),
        ("market = market", "with itself"),
        ("score", "compare it with something"),
        ("market AND score > 0", "compare it with something"),
        ("lower(score) = 'a'", "reads 'score' as text"),
        ("market + 1 > 2", "calculates with 'market'"),
        ("since > 'soon'", "write it as '2026-10-31'"),
        ("category UNDER 'beauty/'", "without a slash"),
        ("category UNDER ''", "without a slash"),
        ("category UNDER market", "a quoted text on the right"),
        ("market LIKE market", "a quoted text on the right"),
        ("(market = 'ID') = TRUE", "as a value"),
        ("market = 'ID'; DROP TABLE cases", "';' is not part"),
        ("market = 'ID' -- and more", "holds a comment"),
        ("market = 'ID' /* hidden */", "holds a comment"),
        ("max(score) > 0.5", "not in the language"),
        ("sum(score) OVER () > 0.5", "not in the language"),
        ("now() > since", "not in the language"),
        ("score IN (SELECT 1)", "not in the language"),
        ("cases.score > 0.5", "not in the language"),
        ("CASE WHEN trusted THEN 1 END = 1", "not in the language"),
        ("market SIMILAR TO 'I.*'", "not in the language"),
        ("market LIKE 'I!%' ESCAPE '!'", "not in the language"),
        ("score > ?", "not in the language"),
        ("market GLOB 'I*'", "cannot be read"),
        ("market = 'ID", "cannot be read"),
        ("market =", "cannot be read"),
        ("market = 'x' OR " * 400 + "market = 'y'", "4000 is the limit"),
        ("NOT " * 900 + "trusted", "nested too deep"),
        ("(" * 1500 + "trusted" + ")" * 1500, "nested too deep"),
        ("(" * 40 + "trusted" + ")" * 40, "nested too deep"),
    ],
)
def test_what_is_not_in_the_language_is_refused_with_a_hint(text: str, words: str) -> None:
    with pytest.raises(PolicyError) as refused:
        compile_predicate(text, CASES.schema)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "1 = 1",
        "TRUE",
        "market = 'ID' OR 1 = 1",
        "market = 'ID' OR TRUE",
        "market = 'ID' OR NOT market = 'ID'",
        "market = 'ID' AND market = 'TH'",
        "score < 0.5 AND score > 0.7",
        "score >= 0.5 OR NOT score >= 0.5",
        "category UNDER 'beauty' AND category = 'toys'",
        "market IS NULL OR market IS NOT NULL",
        "market LIKE 'I%' OR NOT market LIKE 'I%'",
        "trusted AND NOT trusted",
    ],
)
def test_a_rule_that_is_the_same_for_every_case_is_refused(text: str) -> None:
    with pytest.raises(PolicyError, match=r"every case|where a condition should stand"):
        compile_predicate(text)


@pytest.mark.parametrize(
    "text",
    [
        "market = 'ID' OR market <> 'ID'",  # false where market is null
        "score >= 0 OR score < 0",
        "score >= 0.5 AND score <= 0.5",
        "category UNDER 'beauty' AND NOT category = 'beauty'",
        "market > 'ID' AND market < 'IE'",
        "trusted = TRUE OR trusted = FALSE",
    ],
)
def test_a_narrow_rule_is_not_mistaken_for_a_constant(text: str) -> None:
    assert isinstance(compile_predicate(text), Predicate)


@pytest.mark.parametrize("hostile", ["it's", '"', "'; DROP TABLE x; --", "\\", "%_", "ü 標誌", "\u202e", "a\nb", "🧴"])
def test_hostile_literals_match_themselves_and_nothing_else(hostile: str) -> None:
    cases = pl.DataFrame({"title": [hostile, hostile + "x", "y", None]})
    assert held("title = '" + hostile.replace("'", "''") + "'", cases) == [True, False, False, False]


def test_like_takes_regular_expression_characters_literally() -> None:
    cases = pl.DataFrame({"title": ["a.b", "axb", "(a)[b]", "a\nb", "über"]})
    assert held("title LIKE 'a.b'", cases) == [True, False, False, False, False]
    assert held("title LIKE '(a)[b]'", cases) == [False, False, True, False, False]
    assert held("title LIKE 'a%b'", cases) == [True, True, False, True, False]
    assert held("title ILIKE 'ÜBER'", cases) == [False, False, False, False, True]


def test_an_edge_is_cast_to_the_scores_own_type() -> None:
    cases = pl.DataFrame({"score": pl.Series([0.7, 0.82], dtype=pl.Float32)})
    assert held("score >= 0.7", cases) == [True, True]
    assert held("score = 0.82", cases) == [False, True]


def test_categories_and_all_null_columns_read_as_text() -> None:
    cases = pl.DataFrame({"tier": pl.Series(["gold", None], dtype=pl.Categorical), "market": pl.Series([None, None])})
    assert held("tier LIKE 'g%' OR market UNDER 'ID'", cases) == [True, False]


def test_a_quoted_name_reads_any_column() -> None:
    cases = pl.DataFrame({"under": ["a", "b"], 'odd "name"': [1, 2]})
    assert held('"under" = \'a\' OR "odd ""name""" = 2', cases) == [True, True]


def test_certain_and_possible_keep_what_is_unknown_apart() -> None:
    cases = pl.DataFrame({"market": ["ID", "TH", None], "score": [0.1, 0.1, 0.1]})
    predicate = compile_predicate("NOT market = 'ID' AND score < 0.5", cases.schema)
    told = nw.from_native(cases).select(
        holds=predicate.expr(), certain=predicate.certain(), possible=predicate.possible()
    )
    assert told.rows() == [(False, False, False), (True, True, True), (True, False, True)]


def test_columns_are_named_once_and_sorted() -> None:
    assert compile_predicate("b = 1 AND a = 2 AND b < 3").columns == ("a", "b")
