"""Embedders by name, behind one contract, cached by content."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gne_analytics.errors import DataError, ModelError
from gne_analytics.themes import cache
from gne_analytics.themes.cache import embed
from gne_analytics.themes.embedders import Endpoint, Ngrams, Use, Vectors, make_embedder
from gne_analytics.themes.student import teach

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


def test_use_is_not_trusted_with_a_language_it_was_not_taught() -> None:
    trust = Use().trust(["nobody read my invoice", "không ai đọc hóa đơn mua hàng của tôi", "ไม่มีใครอ่านใบแจ้งหนี้ของฉัน"])
    assert trust[0] == 1
    assert trust[1] < 0.5
    assert trust[2] > 0.5


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


def test_the_student_stands_in_for_e5_where_there_are_many_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    from gne_analytics.themes import student

    monkeypatch.setattr(student, "EXACT", 20)
    monkeypatch.setattr(student, "LESSONS", 20)
    monkeypatch.setattr(student, "PER_LANGUAGE", 20)
    texts = [f"{a} {b}" for a in NEAR for b in ["", "today", "again", "dear team", "please", "now", "in May", "twice"]]
    fused, read = teach(texts)
    vectors = fused.encode(texts)
    assert np.allclose(read, vectors)
    assert fused.weights is not None
    assert fused.fidelity > 0.3
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[-1]


def test_every_language_teaches_the_student_by_texts_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    from gne_analytics.themes import student

    monkeypatch.setattr(student, "LESSONS", 10)
    monkeypatch.setattr(student, "PER_LANGUAGE", 3)
    assert student._lessons(["en"] * 40) == list(range(10))
    assert student._lessons(["en"] * 40 + ["th"] * 2 + ["id"] * 9) == [0, 1, 2, 40, 41, 42, 43, 44]


def test_use_and_its_trust_are_read_by_many_threads_as_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from gne_analytics.themes import embedders

    texts = ["nobody read my invoice", "không ai đọc hóa đơn của tôi", "mi tienda es auténtica", "ร้านนี้ของแท้"]
    alone = embedders.UseAndTrust().encode(texts)
    assert np.allclose(alone[:, :-1], embedders.Use().encode(texts), atol=1e-5)
    assert alone[1, -1] < 0.5 < alone[0, -1]
    monkeypatch.setattr(embedders, "ALONE", 2)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert np.allclose(embedders.UseAndTrust().encode(texts), alone, atol=1e-5)


def test_what_is_shouted_is_read_as_what_is_said(tmp_path: Path) -> None:
    counting = Counting()
    shouted, said, _ = embed(
        counting, ["WHY WAS MY SHOP CLOSED", "why was my shop closed", "the NASA and ESA logo"], tmp_path
    )
    assert np.array_equal(shouted, said)
    assert sorted(counting.asked) == ["the NASA and ESA logo", "why was my shop closed"]
