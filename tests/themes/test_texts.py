"""Rows become distinct texts; copies are counted, not believed."""

import polars as pl
import pytest

from gne_analytics.errors import DataError
from gne_analytics.themes.texts import MAX_CHARS, clean, content_key, corpus, folded_into, unit_codes, voter


def frame(texts: list[str | None], units: list[str | None] | None = None) -> pl.DataFrame:
    rows = pl.DataFrame(
        {"id": [f"A{i}" for i in range(len(texts))], "text": texts}, schema={"id": pl.String, "text": pl.String}
    )
    return rows if units is None else rows.with_columns(unit=pl.Series(units, dtype=pl.String))


LONG = "The pattern on the perfume tester is only stripes, your computer thinks it is a logo"


def test_texts_that_differ_in_case_blanks_digits_or_signs_are_one() -> None:
    assert corpus(frame(["Not fake!", "not  fake", "NOT FAKE 123"]), "v").n == 1


def test_a_pasted_text_with_a_small_edit_is_a_near_duplicate() -> None:
    assert corpus(frame([LONG, LONG + " ok", "Please tell me which rule I broke"]), "v").n == 2


def test_different_texts_stay_apart() -> None:
    assert corpus(frame([LONG, "The invoice of my supplier is attached to this appeal again"]), "v").n == 2


def test_one_seller_has_one_vote_and_two_sellers_two() -> None:
    found = folded_into(corpus(frame([LONG] * 4, ["S1", "S1", "S2", "S2"]), "v").rows)
    assert found["folded_into"].to_list() == [None, "A0", None, "A2"]


def test_a_text_that_many_sellers_paste_is_a_campaign() -> None:
    rows = corpus(frame([LONG] * 6 + ["my own words about this"], ["S1", "S2", "S3", "S4", "S5", "S6", "S7"]), "v").rows
    assert folded_into(rows)["campaign"].to_list() == ["A0"] * 6 + [None]


def test_unknown_sellers_are_no_further_seller_of_a_campaign() -> None:
    found = folded_into(corpus(frame([LONG] * 6, ["S1", "S1", "S1", "S2", None, None]), "v").rows)
    assert found["campaign"].null_count() == 6


def test_a_seller_and_a_row_of_one_name_are_two_voters() -> None:
    rows = pl.DataFrame({"id": ["1", "2", "3"], "unit": ["2", None, "2"]})
    assert rows.select(voter()).to_series().to_list() == ["unit 2", "row 2", "unit 2"]
    codes = unit_codes(rows)
    assert codes is not None
    assert len(set(codes.tolist())) == 2
    assert set(codes.tolist()) == {0, 1}
    assert unit_codes(rows.with_columns(unit=pl.lit(None, pl.String))) is None


def test_copies_of_one_seller_are_no_campaign() -> None:
    assert folded_into(corpus(frame([LONG] * 8, ["S1"] * 8), "v").rows)["campaign"].null_count() == 8


def test_texts_without_a_word_are_counted_apart() -> None:
    found = corpus(frame(["", None, "😭😭", "12345", "help me"]), "v")
    assert (found.wordless, found.n) == (4, 1)


def test_the_order_of_the_rows_means_nothing() -> None:
    rows = frame([LONG, LONG + " ok", "a b", "which rule?", "which  RULE"])
    one, other = corpus(rows, "v"), corpus(rows.reverse(), "v")
    assert one.texts == other.texts
    assert one.rows.equals(other.rows)


def test_what_an_embedder_reads_is_redacted_and_short() -> None:
    assert clean("write to jo@shop.example") == "write to [email]"
    assert len(clean("a b " * 20_000)) <= MAX_CHARS


def test_broken_characters_survive() -> None:
    assert corpus(frame(["bad \ud800 surrogate".encode("utf-8", "replace").decode(), "ÿØÿà\x00\x10JFIF"]), "v").n == 2
    assert content_key("\ud800") != content_key("")


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (pl.DataFrame({"id": ["1"]}), "no column 'text'"),
        (pl.DataFrame({"id": ["1"], "text": [5]}), "not text"),
        (pl.DataFrame({"id": ["1"], "text": [b"\x00"]}), "not text"),
        (frame([]), "no row"),
        (frame(["", "😀", "42"]), "holds a word"),
        (pl.DataFrame({"id": ["1", "1"], "text": ["a", "b"]}), "repeated"),
    ],
)
def test_a_frame_that_cannot_be_clustered_says_why(rows: pl.DataFrame, says: str) -> None:
    with pytest.raises(DataError, match=says):
        corpus(rows, "seller_text")
