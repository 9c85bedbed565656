"""Themes of a column of texts, on every engine, against those that `assign` gives the same rows."""

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

from gne_analytics.errors import DataError
from gne_analytics.themes import ThemeModel, assign, engines, fit_themes, save, with_themes

pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas")  # which is not used here

SAID = {
    "invoice": "the {} invoice of my supplier was {} ignored",
    "logo": "there is no brand logo {} on this shirt, {} look",
    "rule": "which rule {} did I break, the notice names {} no clause",
    "dinero": "mi familia {} vive de esta tienda, {} piedad",
}
FILL = ["", "really", "again", "today", "honestly", "dear team", "twice", "already"]
ODD = [None, "", "😀", "12 34", "a\x00b invoice", "ไม่มีโลโก้", "没有标志", "'; DROP TABLE rows; --", "rule " * 900]


@pytest.fixture(scope="module")
def texts() -> pl.DataFrame:
    rows = [
        {"text": said.format(a, b), "language": "es" if subject == "dinero" else "en"}
        for subject, said in SAID.items() for a in FILL for b in FILL
    ]  # fmt: skip
    rows += [{"text": text, "language": None} for text in ODD]
    return pl.DataFrame(rows, schema={"text": pl.String, "language": pl.String}).select(
        "text", "language", id=pl.format("T{}", pl.int_range(pl.len()).cast(pl.String).str.zfill(4))
    )


@pytest.fixture(scope="module")
def model(texts: pl.DataFrame) -> ThemeModel:
    return fit_themes(texts[::2], "signals", embedder="ngrams").model


@pytest.fixture
def folder(model: ThemeModel, tmp_path: Path) -> Path:
    save(model, tmp_path / "model")
    return tmp_path / "model"


def rows_of(found) -> pl.DataFrame:
    """The rows of any engine's answer, as a Polars frame."""
    if isinstance(found, pl.LazyFrame):
        return found.collect(engine="streaming")
    if isinstance(found, pl.DataFrame):
        return found
    return pl.from_arrow(found.read_all() if isinstance(found, pa.RecordBatchReader) else found.toArrow())


@pytest.mark.parametrize("batch", [7, 8192])
def test_each_row_has_the_theme_that_assign_gives_it(engine, texts, model, folder, monkeypatch, batch) -> None:
    expected = texts.join(assign(model, texts), on="id").select(*texts.columns, *engines.TOLD)
    monkeypatch.setattr(engines, "BATCH", batch)
    for sent in (model, folder):
        found = rows_of(with_themes(engine(texts), sent)).sort("id")
        assert_frame_equal(found, expected, check_exact=True)
    assert expected["theme_id"].null_count() == 4
    assert expected["theme_id"].drop_nulls().n_unique() == len(model.themes) > 2


def test_other_names_of_columns_and_none_of_languages(engine, texts, model) -> None:
    named = texts.rename({"text": "note", "language": "tongue"})
    with_languages = rows_of(with_themes(engine(named), model, text="note", language="tongue")).sort("id")
    assert with_languages["theme_id"].equals(assign(model, texts)["theme_id"])
    without = rows_of(with_themes(engine(named), model, text="note")).sort("id")
    assert without["similarity"].equals(assign(model, texts.drop("language"))["similarity"])


def test_a_column_of_nulls_and_languages_from_a_list_are_read(near_engine, texts, model) -> None:
    spoken = texts.with_columns(pl.col("language").cast(pl.Enum(["en", "es"])))
    assert rows_of(with_themes(near_engine(spoken), model))["similarity"].equals(assign(model, texts)["similarity"])
    nulls = texts.head(3).with_columns(text=pl.lit(None), language=pl.lit(None))
    found = with_themes(nulls, model)
    assert found["theme_id"].null_count() == 3
    assert found["low_similarity"].all()


def test_a_model_is_sent_without_this_machines_folder_of_vectors(model, tmp_path) -> None:
    from dataclasses import replace

    from gne_analytics.themes.auto import Auto

    empty = np.zeros((0,), dtype=np.float32)
    auto = Auto(empty, empty, cache_dir=tmp_path)
    sent = engines._unbound(replace(model, auto=auto)).auto
    assert sent == replace(auto, cache_dir=None)
    assert engines._unbound(model) is model


def test_no_row_has_no_theme(engine, texts, model) -> None:
    found = rows_of(with_themes(engine(texts.clear()), model))
    assert found.columns == [*texts.columns, *engines.TOLD]
    assert found.is_empty()


def test_what_is_asked_of_a_lazy_frame_afterwards_does_not_reach_below_the_themes(texts, model) -> None:
    found = with_themes(texts.lazy(), model)
    theme = model.themes[0].id
    assert found.filter(pl.col("theme_id") == theme).select("id").collect().height > 10
    assert (
        found.select("theme_id").head(3).collect()["theme_id"].to_list()
        == assign(model, texts)["theme_id"][:3].to_list()
    )


@pytest.mark.parametrize(
    ("change", "how", "sentence"),
    [
        (lambda f: f.rename({"text": "texts"}), {}, "no column 'text' .did you mean 'texts'"),
        (lambda f: f, {"language": "tongue"}, "no column 'tongue'"),
        (lambda f: f.with_columns(text=pl.int_range(pl.len())), {}, "not text"),
        (lambda f: f.with_columns(theme_id=pl.lit("x")), {}, "'theme_id' already"),
    ],
    ids=["no text", "no language", "numbers", "taken"],
)
def test_a_frame_that_cannot_be_read_is_refused_before_anything_runs(
    engine, texts, model, change, how, sentence
) -> None:
    with pytest.raises(DataError, match=sentence):
        with_themes(engine(change(texts)), model, **how)


def test_another_embedder_a_folder_without_a_model_and_another_engine_are_refused(texts, model, tmp_path) -> None:
    from gne_analytics.themes.embedders import Ngrams

    class Other(Ngrams):
        id = "other"

    with pytest.raises(DataError, match="fitted with the embedder"):
        with_themes(texts, model, embedder=Other())
    with pytest.raises(DataError, match="fit the themes again"):
        with_themes(texts, tmp_path)
    with pytest.raises(DataError, match="give a frame of Polars, DuckDB or Spark"):
        with_themes(texts.to_arrow(), model)
    with pytest.raises(DataError, match="give a frame of Polars, DuckDB or Spark"):
        with_themes({"text": ["a"]}, model)
