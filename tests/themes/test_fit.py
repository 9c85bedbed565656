"""Themes end to end: found, described, reproducible, and never a crash."""

import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import adjusted_mutual_info_score

from gne_analytics.errors import DataError
from gne_analytics.themes import Themes, assign, fit_themes, load, save


@pytest.fixture(scope="module")
def themes(complaints: pl.DataFrame) -> Themes:
    return fit_themes(complaints, "seller_text", embedder="use")


def agreement(found: pl.DataFrame, complaints: pl.DataFrame) -> float:
    rows = complaints.join(found, on="id")
    return float(adjusted_mutual_info_score(rows["subject"].to_list(), rows["theme_id"].to_list()))


def test_themes_follow_the_subjects(themes: Themes, complaints: pl.DataFrame) -> None:
    assert agreement(themes.assignments, complaints) > 0.6
    assert len(themes.themes) >= 4


def test_every_text_has_a_theme_and_counts_add_up(themes: Themes, complaints: pl.DataFrame) -> None:
    assert themes.assignments["theme_id"].null_count() == 0
    assert sum(t.size for t in themes.themes) == complaints.height
    assert sum(t.folded for t in themes.themes) == themes.assignments["folded_into"].null_count()


def test_a_theme_tells_languages_sellers_and_outcomes(themes: Themes, complaints: pl.DataFrame) -> None:
    logo = max(themes.themes, key=lambda t: t.overturn.value if t.overturn else 0)
    rows = complaints.join(themes.assignments.filter(pl.col("theme_id") == logo.id), on="id")
    assert logo.overturn is not None
    assert logo.overturn.n == rows["overturned"].count()
    assert logo.overturn.value == pytest.approx(rows["overturned"].mean())
    assert logo.overturn.interval is not None
    assert logo.units == rows["unit"].n_unique()
    assert sum(logo.languages.values()) == logo.size


def test_labels_are_short_and_hold_only_words_of_the_texts(themes: Themes, complaints: pl.DataFrame) -> None:
    said = " ".join(complaints["text"].to_list()).casefold()
    for theme in themes.themes:
        assert 1 <= len(theme.label.split()) <= 6
        assert all(term in said for term in theme.terms)


@pytest.mark.parametrize("outcome", ["yes", 1.5])
def test_outcomes_that_are_not_true_or_false_are_refused(outcome: object) -> None:
    frame = pl.DataFrame({"id": ["1"], "text": ["a word"], "overturned": [outcome]})
    with pytest.raises(DataError, match=r"'overturned' is \w+; it holds true, false or null"):
        fit_themes(frame, "seller_text", embedder="ngrams")


def test_largest_themes_come_first(themes: Themes) -> None:
    sizes = [t.folded for t in themes.themes]
    assert sizes == sorted(sizes, reverse=True)


def test_exemplars_come_from_different_sellers_and_are_redacted() -> None:
    texts = [f"the invoice of my supplier was ignored {w}, write to jo@shop.example" for w in "abcdefgh"]
    frame = pl.DataFrame({"id": list("abcdefgh"), "text": texts, "unit": ["S1"] * 7 + ["S2"]})
    found = fit_themes(frame, "seller_text", embedder="ngrams")
    assert "@" not in str(found.themes)
    assert len(found.themes[0].exemplars) <= 2


def test_shuffled_rows_give_the_same_themes(complaints: pl.DataFrame) -> None:
    one = fit_themes(complaints, "seller_text", embedder="ngrams")
    other = fit_themes(complaints.sample(fraction=1, shuffle=True, seed=5), "seller_text", embedder="ngrams")
    assert one.assignments.equals(other.assignments)
    assert one.themes == other.themes


def test_a_saved_model_assigns_new_texts_as_the_fitted_one_does(
    themes: Themes, complaints: pl.DataFrame, tmp_path: Path
) -> None:
    save(themes.model, tmp_path)
    assert {f.suffix for f in tmp_path.iterdir()} == {".json", ".npz"}
    fresh = complaints.with_columns(pl.format("{} please", pl.col("text")).alias("text"))
    found = assign(load(tmp_path), fresh)
    assert found.equals(assign(themes.model, fresh))
    assert agreement(found, complaints) > 0.5


def test_a_text_about_nothing_known_is_flagged_as_far_from_its_theme(themes: Themes) -> None:
    strange = pl.DataFrame({"id": ["1"], "text": ["quantum chromodynamics predicts confinement of gluons"]})
    assert assign(themes.model, strange)["low_similarity"].to_list() == [True]


def test_a_folder_without_a_model_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="fit the themes again"):
        load(tmp_path)


def test_another_embedder_is_refused(themes: Themes, complaints: pl.DataFrame) -> None:
    from gne_analytics.themes.embedders import Ngrams

    with pytest.raises(DataError, match="fitted with the embedder"):
        assign(themes.model, complaints, embedder=Ngrams())


@pytest.mark.parametrize(
    "texts",
    [
        ["one", "two", "three"],
        ["all the same"] * 50,
        ["word"] + ["😀"] * 30,
        ["a b c " * 10_000, "short one", "x" * 50_000],
        ["ÿØÿà\x00\x10JFIF\x01", "\x7fELF\x02\x01", "PK\x03\x04zip", "hello there"],
        [f"{i} unique word{chr(97 + i % 26)}" for i in range(40)],
        ["ไม่มีโลโก้", "没有标志", "لا يوجد شعار", "không có logo", "no hay logotipo"] * 6,
    ],
    ids=["three", "equal", "emoji", "long", "binary", "short", "scripts"],
)
def test_odd_texts_never_crash_a_fit(texts: list[str]) -> None:
    found = fit_themes(
        pl.DataFrame({"id": [str(i) for i in range(len(texts))], "text": texts}), "facts", embedder="ngrams"
    )
    assert len(found.themes) >= 1
    assert found.assignments.height == len(texts)
    assert found.assignments["theme_id"].null_count() == found.wordless


def test_printed_themes_are_a_page_and_their_repr_a_line(tmp_path: Path) -> None:
    texts = pl.DataFrame({"id": ["1", "2"], "text": ["the parcel is late", "the licence is attached"]})
    found = fit_themes(texts, "signals", embedder="ngrams")
    save(found.model, tmp_path)
    assert str(found) == found.summary()
    for result in (found, found.model, load(tmp_path)):
        assert "\n" not in repr(result)
        assert len(repr(result)) < 300


def test_too_few_texts_to_part_are_said_to_be_and_named_by_what_most_sellers_say() -> None:
    texts = ["And now the parcel is late"] * 9 + ["about an apple"]
    rows = pl.DataFrame({"id": [str(i) for i in range(10)], "text": texts, "unit": [f"S{i}" for i in range(10)]})
    found = fit_themes(rows, "signals", embedder="ngrams")
    assert found.themes[0].label == "parcel, late, apple"
    assert found.notes == ("Too little is said to part it (distinct texts: 2): all of it is one theme.",)


def test_a_foreign_clusterers_outliers_are_settled(complaints: pl.DataFrame) -> None:
    from sklearn.cluster import HDBSCAN

    found = fit_themes(complaints, "seller_text", embedder="ngrams", clusterer=HDBSCAN(min_cluster_size=5, copy=True))
    assert found.assignments["theme_id"].null_count() == 0


def test_an_unknown_clusterer_is_a_data_error(complaints: pl.DataFrame) -> None:
    with pytest.raises(DataError, match="did you mean 'graph'"):
        fit_themes(complaints, "seller_text", embedder="ngrams", clusterer="graf")


def test_the_default_embedder_reads_every_language_into_one_theme(complaints: pl.DataFrame) -> None:
    found = fit_themes(complaints.gather_every(4), "seller_text")
    assert found.model.embedder_id.startswith("auto-")
    assert agreement(found.assignments, complaints) > 0.5


def test_bertopic_does_not_silence_warnings_for_the_rest_of_the_process(themes: Themes) -> None:
    assert themes.bertopic is not None
    with pytest.warns(UserWarning, match="still heard"):
        warnings.warn("still heard", UserWarning, stacklevel=1)


class Together:
    """A clusterer that parts nothing."""

    def fit(self, X: np.ndarray, y: object = None) -> None:  # noqa: N803
        self.labels_ = np.zeros(len(X), dtype=np.int64)


@pytest.mark.parametrize(("english", "leads"), [(40, "en"), (5, "es")])
def test_a_label_is_english_where_a_fifth_of_the_theme_is(complaints: pl.DataFrame, english: int, leads: str) -> None:
    part = complaints.filter(pl.col("language").is_in(["en", "es"]))
    rows = pl.concat(
        [part.filter(pl.col("language") == "en").sample(english, seed=1), part.filter(pl.col("language") == "es")]
    )
    label = fit_themes(rows, "seller_text", embedder="ngrams", clusterer=Together()).themes[0].label
    said = " ".join(rows.filter(pl.col("language") == leads)["text"].to_list()).casefold()
    assert all(term in said for term in label.split(", "))
