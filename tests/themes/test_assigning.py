"""New texts get the themes of a saved model: each by itself, in batches, read once, and placed as the fit places."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from gne_analytics.errors import DataError
from gne_analytics.testing.embedders import Counting
from gne_analytics.themes import Themes, assign, assigning, fit_themes, load, refit, save
from gne_analytics.themes.embedders import Vectors
from gne_analytics.themes.fit import FIT_TEXTS
from gne_analytics.themes.leaves import PLACED_AT_ONCE, Leaves, Nearest
from gne_analytics.themes.model import READ_AT_ONCE, blocks_of
from gne_analytics.themes.texts import clean, corpus


@pytest.fixture(scope="module")
def themes(complaints: pl.DataFrame) -> Themes:
    return fit_themes(complaints, "seller_text", embedder="ngrams")


def agreement(one: pl.DataFrame, other: pl.DataFrame) -> float:
    both = one.join(other, on="id")
    return float((both["theme_id"] == both["theme_id_right"]).mean())  # type: ignore[arg-type]


def older(folder: Path) -> None:
    """Make of a saved model one of the version before leaves."""
    card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    del card["arrays"]
    (folder / "model.json").write_text(json.dumps(card | {"version": 1}), encoding="utf-8")
    held = next(folder.glob("arrays-*.npz"))
    with np.load(held) as file:
        kept = {name: file[name] for name in file.files if name not in ("leaf_centres", "owner")}
    held.unlink()
    np.savez(folder / "arrays.npz", **kept)  # type: ignore[arg-type]


def test_a_text_goes_to_the_theme_of_its_leaf_where_another_centre_is_nearer() -> None:
    def at(*angles: float) -> NDArray[np.float32]:
        turned = np.radians(np.array(angles))
        return np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32)

    leaves = Leaves(at(-60, 60, 25), np.array([0, 0, 1]), at(0, 25))
    found = leaves.nearest(at(50, 30, -50))
    assert found.leaf.tolist() == [1, 2, 0]
    assert found.theme.tolist() == [0, 1, 0]
    assert found.similarity == pytest.approx(np.cos(np.radians([50, 5, 50])), abs=1e-6)
    many = np.tile(at(50, 30, -50), (PLACED_AT_ONCE, 1))
    assert leaves.nearest(many).leaf.tolist() == [1, 2, 0] * PLACED_AT_ONCE


def test_the_texts_of_the_fit_are_placed_where_the_fit_has_them(themes: Themes, complaints: pl.DataFrame) -> None:
    assert len(themes.model.leaves.owner) > len(themes.themes)
    assert agreement(assign(themes.model, complaints), themes.assignments) > 0.95


def test_texts_beyond_the_sample_are_placed_by_the_fit_as_by_assign(
    complaints: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gne_analytics.themes import fit

    monkeypatch.setattr(fit, "FIT_TEXTS", 150)
    found = fit.fit_themes(complaints, "seller_text", embedder="ngrams")
    heads = corpus(complaints, "seller_text")
    beyond = heads.rows.filter(pl.col("group") >= 150).join(complaints.select("id", "text"), on="id")
    alone = beyond.filter(pl.col("text").is_in(heads.texts[150:]))
    assert alone.height > 50
    told = assign(found.model, alone)
    shown = alone.select("id").join(found.assignments, on="id")
    assert told.select("theme_id", "similarity").equals(shown.select("theme_id", "similarity"))


def test_batches_bound_what_is_held_and_change_nothing(
    themes: Themes, complaints: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = assign(themes.model, complaints)
    held: list[int] = []
    nearest = Leaves.nearest

    def noting(leaves: Leaves, placed: Vectors) -> Nearest:
        held.append(len(placed))
        return nearest(leaves, placed)

    monkeypatch.setattr(assigning, "BATCH", 17)
    monkeypatch.setattr(Leaves, "nearest", noting)
    told: list[tuple[int, int]] = []
    parts = assign(themes.model, complaints, progress=lambda done, todo: told.append((done, todo)))
    assert parts.equals(whole)
    assert told[-1] == (complaints.height, complaints.height)
    assert told == sorted(told)
    assert max(held) == 17
    assert sum(held) == complaints.height


def test_a_text_alone_has_the_theme_that_it_has_among_others(themes: Themes, complaints: pl.DataFrame) -> None:
    whole = assign(themes.model, complaints)
    columns = ("id", "theme_id", "similarity", "low_similarity")
    for i in (0, 100, 333):
        one = assign(themes.model, complaints.sort("id")[i : i + 1])
        assert one.select(columns).equals(whole[i : i + 1].select(columns))


def test_a_weeks_new_texts_are_all_that_is_read(themes: Themes, complaints: pl.DataFrame, tmp_path: Path) -> None:
    first = Counting()
    assign(themes.model, complaints[:300], embedder=first, cache_dir=tmp_path)
    assert len(first.asked) == len(set(first.asked)) > 200
    again = Counting()
    warm = assign(themes.model, complaints, embedder=again, cache_dir=tmp_path)
    assert len(again.asked) == len(set(again.asked))
    assert set(again.asked).isdisjoint(first.asked)
    assert {*again.asked, *first.asked} == {clean(text) for text in complaints["text"]}
    third = Counting()
    assert assign(themes.model, complaints, embedder=third, cache_dir=tmp_path).equals(warm)
    assert third.asked == []
    assert warm.equals(assign(themes.model, complaints))


def test_what_the_fit_read_is_not_read_again(complaints: pl.DataFrame, tmp_path: Path) -> None:
    reader = Counting()
    found = fit_themes(complaints, "seller_text", embedder=reader, cache_dir=tmp_path)
    heads = set(corpus(complaints, "seller_text").texts)
    reader.asked.clear()
    assign(found.model, complaints, embedder=reader, cache_dir=tmp_path)
    assert heads.isdisjoint(reader.asked)


def test_a_model_of_the_version_before_leaves_is_read_as_themes_of_one_leaf(
    themes: Themes, complaints: pl.DataFrame, tmp_path: Path
) -> None:
    save(themes.model, tmp_path)
    assert agreement(assign(load(tmp_path), complaints), assign(themes.model, complaints)) == 1
    older(tmp_path)
    model = load(tmp_path)
    assert model.leaves.centres is model.leaves.themes
    assert agreement(assign(model, complaints), themes.assignments) > 0.8
    again = refit(model, complaints)
    assert again.lineage.kept_share == 1
    save(again.themes.model, tmp_path)
    assert len(load(tmp_path).leaves.owner) > len(again.themes.themes)


@pytest.mark.parametrize("version", [0, 3, "2"])
def test_a_model_of_an_unknown_version_is_refused(themes: Themes, tmp_path: Path, version: object) -> None:
    save(themes.model, tmp_path)
    card = json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))
    (tmp_path / "model.json").write_text(json.dumps(card | {"version": version}), encoding="utf-8")
    with pytest.raises(DataError, match=f"version {version}; fit it again"):
        load(tmp_path)


def test_leaves_that_are_not_those_of_the_themes_are_refused(themes: Themes, tmp_path: Path) -> None:
    save(themes.model, tmp_path)
    held = next(tmp_path.glob("arrays-*.npz"))
    with np.load(held) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(held, **arrays | {"owner": arrays["owner"] + 1})  # type: ignore[arg-type]
    with pytest.raises(DataError, match="not those of its themes"):
        load(tmp_path)


def test_a_model_whose_saving_was_cut_off_is_the_older_one(
    themes: Themes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(themes.model, tmp_path)
    grown = replace(
        themes.model,
        themes=(*themes.model.themes, themes.themes[0].model_copy(update={"id": "seller_text-99"})),
        leaves=themes.model.leaves.with_new([themes.model.leaves.themes[0]]),
        floors=(*themes.model.floors, 0.0),
    )

    def cut_off(path: Path, to: Path) -> Path:
        if to.name == "model.json":
            raise KeyboardInterrupt
        return moved(path, to)

    moved = Path.replace
    monkeypatch.setattr(Path, "replace", cut_off)
    with pytest.raises(KeyboardInterrupt):
        save(grown, tmp_path)
    monkeypatch.undo()
    left = load(tmp_path)
    assert left.themes == themes.model.themes
    assert left.leaves.themes.tolist() == themes.model.leaves.themes.tolist()
    save(grown, tmp_path)
    assert len(load(tmp_path).themes) == len(grown.themes)
    assert len(list(tmp_path.glob("*.npz"))) == 1


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"floors": [0.1]}, "not those of its themes"),
        ({"themes": []}, "not those of its themes"),
        ({"arrays": "../arrays.npz"}, "no file of arrays"),
        ({"embedder": {"name": "auto", "id": "auto-2-0"}}, "what its embedder learnt is missing"),
    ],
)
def test_a_card_that_does_not_fit_its_arrays_is_refused(
    themes: Themes, tmp_path: Path, changed: dict[str, object], sentence: str
) -> None:
    save(themes.model, tmp_path)
    card = json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))
    (tmp_path / "model.json").write_text(json.dumps(card | changed), encoding="utf-8")
    with pytest.raises(DataError, match=sentence):
        load(tmp_path)


def test_a_model_of_the_default_embedder_before_is_refused(themes: Themes, tmp_path: Path) -> None:
    save(themes.model, tmp_path)
    held = next(tmp_path.glob("arrays-*.npz"))
    with np.load(held) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(held, **arrays, fused_e5_mean=np.zeros(384, dtype=np.float32))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="older default embedder; fit them again"):
        load(tmp_path)


def test_rows_without_a_word_have_no_theme(themes: Themes) -> None:
    texts = pl.DataFrame({"id": ["1", "2", "3", "4"], "text": [None, "", "😀 12", "the invoice"]})
    found = assign(themes.model, texts)
    assert found["theme_id"].is_null().to_list() == [True, True, True, False]
    assert found["low_similarity"].to_list()[:3] == [True, True, True]


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        ({"id": ["1"], "note": ["a"]}, "no column 'text'"),
        ({"text": ["a"]}, "no column 'id'"),
        ({"id": ["1"], "text": [4]}, "not text; map a text column"),
        ({"id": ["1", "1"], "text": ["a", "b"]}, "repeated"),
        ({"id": ["1", "2"], "text": [None, None]}, "holds a word"),
        ({"id": [], "text": []}, "no row of text"),
    ],
    ids=["no text", "no id", "numbers", "ids twice", "nulls", "no row"],
)
def test_what_is_no_frame_of_texts_is_refused(themes: Themes, texts: dict[str, list[object]], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        assign(themes.model, pl.DataFrame(texts))


def test_vectors_come_in_blocks_the_first_of_which_holds_every_fitted_text(
    themes: Themes, complaints: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gne_analytics.themes import model

    assert READ_AT_ONCE >= FIT_TEXTS
    found = corpus(complaints, "seller_text")
    (whole,) = blocks_of(themes.model, found)
    monkeypatch.setattr(model, "READ_AT_ONCE", 100)
    blocks = list(blocks_of(themes.model, found))
    assert {len(block) for block in blocks[:-1]} == {100}
    assert np.array_equal(np.concatenate(blocks), whole)


def test_a_refit_by_blocks_is_that_of_one_piece(
    themes: Themes, complaints: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gne_analytics.themes import fit, model

    monkeypatch.setattr(fit, "FIT_TEXTS", 150)
    one = refit(themes.model, complaints)
    monkeypatch.setattr(model, "READ_AT_ONCE", 150)
    other = refit(themes.model, complaints)
    both = one.themes.assignments.join(other.themes.assignments, on="id")
    assert adjusted_rand_score(both["theme_id"], both["theme_id_right"]) == 1
    assert abs(len(one.lineage.kept) - len(other.lineage.kept)) <= 1  # closeness is taken on the fitted texts


def test_asked_to_guess_no_text_is_read_by_the_slow_embedder(
    themes: Themes, complaints: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[int] = []

    def reading(reader, texts, cache_dir=None, progress=None, strange=0):  # type: ignore[no-untyped-def]
        limits.append(strange)
        return reader.encode(texts)

    monkeypatch.setattr(assigning, "reading", reading)
    few = complaints.head(20)
    assign(themes.model, few)
    assign(themes.model, few, guess=True)
    assert limits[0] > 0
    assert limits[1] == 0
