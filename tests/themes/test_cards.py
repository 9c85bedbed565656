"""A theme's card: figures that add up, segments that were planted and none that were not, hostile text escaped."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from gne_analytics.errors import DataError
from gne_analytics.themes import Themes
from gne_analytics.themes.cards import ThemeCard, _growth, _spread, theme_cards
from gne_analytics.themes.segments import LEAST_VOTES, segments_of


def card_of(themes: Themes, word: str) -> ThemeCard:
    return next(c for c in themes.cards if word in c.theme.label)


def test_the_planted_market_stands_out_and_what_was_drawn_by_lot_does_not(voices: Themes) -> None:
    logo = card_of(voices, "logo")
    assert (logo.more[0].dimension, logo.more[0].value) == ("market", "TH")
    assert logo.more[0].odds.interval is not None
    assert logo.more[0].odds.interval.lo > 1
    assert not [s for c in voices.cards for s in c.segments if s.dimension == "colour"]


def test_a_theme_that_is_new_in_the_last_weeks_grew(voices: Themes) -> None:
    logo = card_of(voices, "logo")
    assert logo.growth is not None
    assert logo.growth.interval is not None
    assert logo.growth.interval.lo > 0
    assert "grew" in logo.summary()


def test_sizes_and_shares_add_up(voices: Themes) -> None:
    assert sum(c.theme.folded for c in voices.cards) == voices.assignments["folded_into"].null_count()
    assert sum(c.share for c in voices.cards) == pytest.approx(1)
    for card in voices.cards:
        assert sum(card.markets.values()) == card.theme.size
        assert card.effective_sellers is not None
        assert 1 <= card.effective_sellers <= card.theme.units


def test_one_loud_seller_counts_as_few_effective_sellers() -> None:
    texts = pl.DataFrame({"id": [f"{i}" for i in range(20)], "unit": ["loud"] * 18 + ["b", "c"]})
    effective, largest = _spread(texts)
    assert largest == pytest.approx(0.9)
    assert effective == pytest.approx(1 / (0.9**2 + 2 * 0.05**2))


def test_a_card_shows_hostile_text_as_text(voices: Themes) -> None:
    card = voices.cards[0]
    evil = card.theme.model_copy(update={"label": "<script>x</script>", "exemplars": ("<img src=x onerror=y>",)})
    page = card.model_copy(update={"theme": evil, "markets": {"<b>": 3}})._repr_html_()
    assert "<script" not in page
    assert "<img" not in page
    assert "<b>" not in page


def test_cards_come_as_rows(voices: Themes) -> None:
    table = voices.table()
    assert table["theme_id"].to_list() == [t.id for t in voices.themes]
    assert table.filter(pl.col("label").str.contains("logo"))["stands_out"].to_list() == ["market=TH"]


def test_a_theme_without_a_record_still_has_a_card(voices: Themes) -> None:
    bare = replace(voices, about=None)
    cards = theme_cards(bare.themes, bare.assignments, bare._known())
    assert len(cards) == 3
    assert all(c.growth is None and c.appeal is None and not c.segments for c in cards)


def test_where_no_seller_is_known_none_is_counted(voices: Themes) -> None:
    theme = voices.themes[0].model_copy(update={"units": 0})
    assert "sellers" not in replace(voices, themes=(theme,)).summary().splitlines()[1]


def test_an_unknown_theme_is_answered_with_the_nearest(voices: Themes) -> None:
    with pytest.raises(DataError, match="did you mean 'seller_text-01'"):
        voices.card("seller_text-1")


@pytest.mark.parametrize(("sellers", "told"), [(LEAST_VOTES - 1, []), (LEAST_VOTES, ["rare"])])
def test_a_value_of_few_sellers_is_not_looked_at(sellers: int, told: list[str]) -> None:
    value = ["rare"] * sellers + ["common"] * (1020 - sellers)
    votes = pl.DataFrame({
        "voter": [f"S{i}" for i in range(1020)], "theme_id": ["a"] * 20 + ["b"] * 1000, "market": value,
    })  # fmt: skip
    assert [s.value for s in segments_of(votes, ["market"]).get("a", []) if s.odds.value > 1] == told


def test_a_seller_who_says_it_often_makes_no_segment() -> None:
    votes = pl.DataFrame({
        "voter": [f"S{i}" for i in range(400)] + ["loud"] * 400, "theme_id": ["a", "b"] * 200 + ["a"] * 400,
        "market": ["TH", "TH", "ID", "ID"] * 100 + ["TH"] * 400,
    })  # fmt: skip
    assert not segments_of(votes, ["market"])


def test_themes_without_a_trend_are_rarely_said_to_grow_or_shrink_however_many_there_are() -> None:
    names = [f"t{i:02}" for i in range(25)]
    alone = told = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        days = [date(2026, 1, 5) + timedelta(days=int(d)) for d in rng.integers(0, 112, 1500)]
        votes = pl.DataFrame({
            "id": [f"A{i}" for i in range(1500)], "unit": [f"S{u}" for u in rng.integers(0, 500, 1500)],
            "theme_id": rng.choice(names, 1500), "event_date": pl.Series(days),
        })  # fmt: skip
        found = _growth(votes, names).values()
        alone += sum(g.interval is not None and not g.interval.lo <= 0 <= g.interval.hi for _, _, g, _ in found)
        told += any(q <= 0.05 for *_, q in found)
    assert alone > 5
    assert told <= 2


def test_a_theme_that_grows_by_itself_but_not_among_many_is_not_said_to_grow(voices: Themes) -> None:
    logo = card_of(voices, "logo")
    assert logo.grew is True
    chance = logo.model_copy(update={"growth_q": 0.2})
    assert chance.grew is None
    assert "gives so many themes" in chance.summary()
    assert logo.growth is not None
    less = logo.model_copy(update={"growth": logo.growth.model_copy(update={"value": -0.2})})
    assert less.grew is False


def test_null_segments_are_rarely_reported() -> None:
    reported = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        votes = pl.DataFrame({
            "voter": [f"S{i}" for i in range(600)], "theme_id": rng.choice(["a", "b", "c"], 600),
            "market": rng.choice(list("uvwxyz"), 600), "tier": rng.choice(["new", "old"], 600),
        })  # fmt: skip
        reported += bool(segments_of(votes, ["market", "tier"]))
    assert reported <= 3
