"""Segments to predicates and back, by one pair of functions."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gne_analytics.errors import PolicyError
from gne_analytics.evidence.segment import MISSING, Segment
from gne_analytics.policy.predicates import compile as compile_predicate
from gne_analytics.policy.predicates import predicate_of, segment_of

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
PATHS = st.text("abc-", min_size=1, max_size=4).map(lambda s: s.strip("-") or "a")
SEGMENTS = st.dictionaries(
    st.sampled_from(["market", "seller_tier", "order", "under", "odd name", 'quo"te']),
    st.sets(TEXT | st.just(MISSING), min_size=1, max_size=3).map(tuple),
    min_size=1,
    max_size=3,
)


@given(SEGMENTS, st.none() | st.sets(PATHS | st.just(MISSING), min_size=1, max_size=2).map(tuple))
def test_a_segment_comes_back_from_its_predicate(
    conditions: dict[str, tuple[str, ...]], paths: tuple[str, ...] | None
) -> None:
    segment = Segment(conditions | ({"category": paths} if paths else {}))
    assert segment_of(predicate_of(segment)) == segment
    assert segment_of(predicate_of(segment), paths={"category"}) == segment


@given(st.sets(TEXT | st.just(MISSING), min_size=1, max_size=3), TEXT)
def test_the_predicate_holds_for_the_segments_rows_only(values: set[str], other: str) -> None:
    segment = Segment.of(market=sorted(values))
    rows = pl.DataFrame({"market": [*sorted(values - {MISSING}), other, None]}, schema={"market": pl.String})
    try:
        held = compile_predicate(predicate_of(segment), rows.schema).mask(rows).to_list()
    except PolicyError as error:
        assert "every case" in str(error)  # noqa: PT017 - the only fault that a generated segment may have
        return
    assert held == [(MISSING if value is None else value) in values for value in rows["market"]]


def test_a_segment_reads_as_a_person_would_write_it() -> None:
    segment = Segment.of(market=["ID", MISSING], category="beauty", seller_tier=["new", "small"])
    assert predicate_of(segment) == (
        "category UNDER 'beauty' AND (market = 'ID' OR market IS NULL) AND seller_tier IN ('new', 'small')"
    )


def test_numbers_and_flags_stand_without_quotes_when_types_are_known() -> None:
    schema = {"tier": pl.Int64(), "trusted": pl.Boolean(), "market": pl.String()}
    text = predicate_of(Segment.of(tier=["3", "-1"], trusted="true", market="3"), dtypes=schema)
    assert text == "market = '3' AND tier IN (-1, 3) AND trusted = true"
    assert segment_of(text) == Segment.of(tier=["3", "-1"], trusted="true", market="3")


@pytest.mark.parametrize(
    "text",
    [
        "score < 0.5",
        "NOT market = 'ID'",
        "market <> 'ID'",
        "market = 'ID' OR category UNDER 'beauty'",
        "market = 'ID' AND market = 'TH' AND tier = 'a'",
        "category UNDER 'beauty' OR category = 'toys'",
        "lower(market) = 'id'",
    ],
)
def test_what_says_more_than_a_segment_is_none(text: str) -> None:
    assert segment_of(text) is None


def test_an_exact_value_of_a_path_is_no_segment() -> None:
    assert segment_of("category = 'beauty'", paths={"category"}) is None
    assert segment_of("category = 'beauty'", paths=set()) == Segment.of(category="beauty")


def test_the_empty_segment_has_no_predicate() -> None:
    with pytest.raises(PolicyError, match="every case"):
        predicate_of(Segment({}))
