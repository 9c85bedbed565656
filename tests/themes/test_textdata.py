"""Themes against labels that nobody here made; thresholds stand a little under what was measured."""

import os
from pathlib import Path

import polars as pl
import pytest
from sklearn.metrics import adjusted_mutual_info_score, normalized_mutual_info_score

from gne_analytics.themes import Themes, fit_themes

pytestmark = pytest.mark.textdata


def sample(name: str, n: int) -> pl.DataFrame:
    frame = pl.read_parquet(Path(os.environ["GNE_TEXTDATA"]) / name).with_row_index("id")
    return frame.sample(n, seed=1, shuffle=True).with_columns(pl.col("id").cast(pl.String))


def labels(frame: pl.DataFrame, found: Themes, column: str) -> tuple[list[str], list[str]]:
    rows = frame.join(found.assignments, on="id").drop_nulls("theme_id")
    return rows[column].cast(pl.String).to_list(), rows["theme_id"].to_list()


def test_themes_follow_the_intents_of_bank_customers() -> None:
    frame = sample("banking77.parquet", 2000)
    found = fit_themes(frame, "seller_text", embedder="use")
    assert adjusted_mutual_info_score(*labels(frame, found, "label")) > 0.6
    assert 25 <= len(found.themes) <= 77 * 2  # 31 measured: too few yet for 77 intents


def test_themes_centred_by_language_follow_the_topic_and_not_the_language() -> None:
    frame = sample("sib200_16lang.parquet", 1500).rename({"lang": "language"})
    found = fit_themes(frame, "seller_text", embedder="use")
    assert adjusted_mutual_info_score(*labels(frame, found, "label")) > 0.4
    assert normalized_mutual_info_score(*labels(frame, found, "language")) < 0.15  # .106 measured
