"""Theme shares by segment and period."""

import polars as pl
import pytest

from gne_analytics.errors import DataError
from gne_analytics.themes import theme_rates

ASSIGNED = pl.DataFrame(
    {
        "id": list("abcdef"),
        "theme_id": ["t1", "t1", "t2", "t1", "t2", None],
        "folded_into": [None, None, None, "a", None, None],
    }
)
TEXTS = pl.DataFrame({"id": list("abcdef"), "market": ["ID", "ID", "ID", "ID", "TH", "TH"]})


def test_shares_are_taken_over_votes_and_name_what_is_absent() -> None:
    rates = theme_rates(ASSIGNED, TEXTS, ["market"])
    assert rates.select("market", "theme_id", "k", "n").rows() == [
        ("ID", "t1", 2, 3), ("ID", "t2", 1, 3), ("TH", "t1", 0, 1), ("TH", "t2", 1, 1),
    ]  # fmt: skip
    assert ((rates["lo"] <= rates["share"]) & (rates["share"] <= rates["hi"])).all()


def test_no_grouping_gives_the_whole() -> None:
    assert theme_rates(ASSIGNED, TEXTS, [])["k"].to_list() == [2, 2]


def test_an_unknown_column_is_named() -> None:
    with pytest.raises(DataError, match="did you mean 'market'"):
        theme_rates(ASSIGNED, TEXTS, ["markt"])
