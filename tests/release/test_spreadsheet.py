import polars as pl
import pytest

from gne_analytics.release.spreadsheet import cell, write_csv


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=1", "  =1", "＝1"])
def test_a_text_that_looks_like_a_formula_is_made_a_text(text):
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "plain", "a=b", "3-4", "ok +1"])
def test_other_texts_stay_as_they_are(text):
    assert cell(text) == text


def test_numbers_keep_their_sign_and_nulls_stay_empty(tmp_path):
    frame = pl.DataFrame({"text": ["=x", None], "value": [-1.5, 2.0]})
    write_csv(tmp_path / "t.csv", frame)
    assert (tmp_path / "t.csv").read_text() == "text,value\n'=x,-1.5\n,2.0\n"
