"""Between refits: new texts get their theme, and a theme is born of what is new, alike, and growing."""

import itertools
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from gne_analytics.errors import DataError
from gne_analytics.themes import ThemeModel, births, fit_themes, load, save, update
from gne_analytics.themes.births import BORN_SELLERS, BORN_TEXTS
from gne_analytics.themes.embedders import Ngrams, Vectors

LAST = date(2026, 5, 3)
WHAT = ["nicotine pouches", "nicotine pouch tins", "a nicotine pouch"]
HOW = ["sold as mint candy to pupils", "sold to pupils as mint sweets", "found in the mint candy of pupils"]


@pytest.fixture(scope="module")
def past(complaints: pl.DataFrame) -> pl.DataFrame:
    """Complaints spread evenly over the ten weeks that end with LAST."""
    days = pl.int_range(pl.len()) * 37 % 70
    return complaints[::2].with_columns(event_date=pl.lit(LAST) - pl.duration(days=days)).drop("overturned", "subject")


@pytest.fixture(scope="module")
def model(past: pl.DataFrame) -> ThemeModel:
    return fit_themes(past, "signals", embedder="ngrams").model


def novel(n: int, sellers: int = 99, *, last: date = LAST) -> pl.DataFrame:
    said = [
        f"{what} {how} {when}" for what, how, when in itertools.product(WHAT, HOW, ["today", "near school", "again"])
    ]
    return pl.DataFrame(
        {
            "language": ["en"] * n,
            "text": said[:n],
            "id": [f"N{i}" for i in range(n)],
            "unit": [f"new {i % sellers}" for i in range(n)],
            "event_date": [last - timedelta(days=i % 10) for i in range(n)],
        }
    )


def test_a_theme_is_born_of_new_texts_of_several_sellers(model: ThemeModel, past: pl.DataFrame) -> None:
    found = update(model, pl.concat([past, novel(12)]))
    (born,) = found.births
    assert born.id == f"signals-{len(model.themes) + 1:02d}"
    assert "nicotine" in born.terms
    assert set(found.assignments.filter(pl.col("theme_id") == born.id)["id"]) == {f"N{i}" for i in range(12)}
    assert f"born: {born.id}" in found.summary()


def test_nothing_is_born_where_nothing_is_new(model: ThemeModel, past: pl.DataFrame) -> None:
    found = update(model, past)
    assert found.births == ()
    assert found.model is model


@pytest.mark.parametrize(("n", "sellers"), [(BORN_TEXTS - 1, 99), (12, BORN_SELLERS - 1)])
def test_too_few_texts_or_sellers_bear_no_theme(model: ThemeModel, past: pl.DataFrame, n: int, sellers: int) -> None:
    assert update(model, pl.concat([past, novel(n, sellers)])).births == ()


def test_what_was_said_as_much_before_is_not_new(model: ThemeModel, past: pl.DataFrame) -> None:
    old = novel(12).with_columns(
        pl.col("id") + "-old", event_date=pl.lit(LAST) - pl.duration(days=pl.int_range(12) + 20)
    )
    assert update(model, pl.concat([past, novel(12), old])).births == ()


def test_new_texts_where_nearly_all_texts_are_recent_bear_no_theme(model: ThemeModel, past: pl.DataFrame) -> None:
    early = pl.int_range(pl.len()) % 8 == 0
    rush = past.with_columns(
        event_date=pl.when(early).then(pl.lit(LAST - timedelta(days=30))).otherwise(pl.lit(LAST)).cast(pl.Date)
    )
    found = update(model, pl.concat([rush, novel(12)]))
    assert found.strange >= 12
    assert found.births == ()


@pytest.mark.parametrize(("sellers", "born"), [(12, 1), (3, 0)])
def test_a_few_sellers_who_write_much_have_one_vote_a_week_each(
    model: ThemeModel, past: pl.DataFrame, sellers: int, born: int
) -> None:
    late = pl.int_range(pl.len()) % 2 == 0
    half = past.with_columns(event_date=pl.when(late).then(pl.lit(LAST)).otherwise(pl.lit(LAST - timedelta(days=30))))
    found = update(model, pl.concat([half, novel(12, sellers)]))
    assert found.strange >= 12
    assert len(found.births) == born


def test_texts_after_the_day_asked_about_are_not_seen(model: ThemeModel, past: pl.DataFrame) -> None:
    later = novel(12, last=LAST + timedelta(days=30))
    found = update(model, pl.concat([past, later]), as_of=LAST)
    assert found.births == ()
    assert set(found.assignments["id"]) == set(past["id"])


def test_the_newborn_are_saved_assigned_and_not_born_again(
    model: ThemeModel, past: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("model")
    texts = pl.concat([past, novel(12)])
    first = update(model, texts)
    save(first.model, folder)
    again = update(load(folder), texts)
    assert again.births == ()
    assert again.assignments.equals(first.assignments)


def test_without_a_past_no_birth_is_told_and_it_says_why(model: ThemeModel) -> None:
    found = update(model, novel(12))
    assert found.births == ()
    assert "compare with" in found.summary()


def test_a_week_costs_only_its_new_texts(model: ThemeModel, past: pl.DataFrame, tmp_path: Path) -> None:
    asked: list[str] = []

    class Counting(Ngrams):
        def encode(self, texts: Sequence[str]) -> Vectors:
            asked.extend(texts)
            return super().encode(texts)

    update(model, past, embedder=Counting(), cache_dir=tmp_path)
    assert len(asked) > 100
    asked.clear()
    new = novel(BORN_TEXTS - 1)
    update(model, pl.concat([past, new]), embedder=Counting(), cache_dir=tmp_path)
    assert set(asked) == set(new["text"])


def test_order_of_rows_means_nothing(model: ThemeModel, past: pl.DataFrame) -> None:
    texts = pl.concat([past, novel(12)])
    one, other = update(model, texts), update(model, texts.sample(fraction=1, shuffle=True, seed=1))
    assert one.births == other.births
    assert one.assignments.equals(other.assignments)


def test_texts_without_dates_are_refused_with_the_column_they_need(model: ThemeModel, past: pl.DataFrame) -> None:
    with pytest.raises(DataError, match="event_date"):
        update(model, past.drop("event_date"))


def test_what_many_sellers_paste_is_told_as_a_campaign_and_not_as_a_theme(
    model: ThemeModel, past: pl.DataFrame
) -> None:
    pasted = novel(12).with_columns(text=pl.format("restore my nicotine order {} at once", pl.int_range(12)))
    found = update(model, pl.concat([past, pasted]))
    assert found.births == ()
    assert found.campaigns.select("texts", "sellers").row(0) == (12, 12)
    assert "pasted by 12 sellers" in found.summary()
    old = pasted.with_columns(pl.col("id") + "-old", event_date=pl.lit(LAST - timedelta(days=30)))
    assert update(model, pl.concat([past, pasted, old])).campaigns.is_empty()


def test_blocks_change_no_birth_and_a_part_of_the_past_is_enough_to_tell_it(
    model: ThemeModel, past: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = pl.concat([past, novel(12)])
    whole = update(model, texts)
    monkeypatch.setattr(births, "_BLOCK", 7)
    in_blocks = update(model, texts)
    assert in_blocks.strange == whole.strange
    assert in_blocks.assignments.equals(whole.assignments)
    monkeypatch.setattr(births, "COMPARED", 90)
    in_part = update(model, texts)
    assert in_part.assignments.equals(whole.assignments)
    assert len(in_part.births) == 1


def test_the_newborn_is_a_theme_of_one_leaf_and_the_others_keep_theirs(model: ThemeModel, past: pl.DataFrame) -> None:
    grown = update(model, pl.concat([past, novel(12)])).model.leaves
    assert grown.owner.tolist() == [*model.leaves.owner.tolist(), len(model.themes)]
    assert grown.centres[-1].tolist() == grown.themes[-1].tolist()
    assert grown.centres[:-1].tolist() == model.leaves.centres.tolist()
