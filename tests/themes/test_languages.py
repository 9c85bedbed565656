"""Languages are taken out of the space of texts without scattering what only one of them says."""

import numpy as np
import polars as pl

from gne_analytics.themes.embedders import unit_length
from gne_analytics.themes.fit import fit_themes
from gne_analytics.themes.languages import ENOUGH, agreement_with_language, places_of


def spoken(seed=0, *, own=120, each=40, wide=48):
    """Three languages that speak of four themes; half of what the first says is a fifth that no other knows."""
    rng = np.random.default_rng(seed)
    theme, accent = rng.normal(size=(5, wide)), 1.2 * rng.normal(size=(3, wide))
    rows = [(t, lang) for lang in range(3) for t in range(4) for _ in range(each)] + [(4, 0)] * own
    said, language = (np.array(x) for x in zip(*rows, strict=True))
    vectors = unit_length(theme[said] + accent[language] + 0.4 * rng.normal(size=(len(rows), wide)))
    order = rng.permutation(len(rows))
    return vectors[order], said[order], [("id", "th", "en")[i] for i in language[order]]


def test_what_one_language_alone_says_does_not_move_its_place():
    vectors, said, languages = spoken()
    place = places_of(vectors, languages)
    indonesian = np.array(languages) == "id"
    shared = vectors[indonesian & (said < 4)].mean(axis=0)
    mean = vectors[indonesian].mean(axis=0)
    general = vectors[~indonesian].mean(axis=0) - np.mean([place["th"], place["en"]], axis=0)
    assert np.linalg.norm(place["id"] - (shared - general)) < 0.5 * np.linalg.norm(mean - (shared - general))


def test_one_language_alone_and_languages_of_a_few_texts_are_centred_by_their_mean_or_not_at_all():
    vectors, _, _ = spoken()
    alone = places_of(vectors, ["id"] * len(vectors))
    assert np.allclose(alone["id"], vectors.mean(axis=0))
    few = ["th"] * (ENOUGH - 1) + ["id"] * (len(vectors) - ENOUGH) + [None]
    assert set(places_of(vectors, few)) == {"id"}
    assert places_of(vectors, [None] * len(vectors)) == {}


def test_agreement_with_language_is_one_where_the_language_makes_the_theme_and_unknown_under_two():
    theme = np.array([0, 0, 1, 1, 0, 1])
    assert agreement_with_language(theme, ["id", "id", "th", "th", "id", "th"]) == 1
    assert agreement_with_language(theme, ["id", "th", "th", "id", None, None]) == 0
    assert agreement_with_language(theme, ["id"] * 6) is None


def test_a_theme_that_lives_in_one_market_is_found_beside_those_that_all_share():
    vectors, said, languages = spoken(own=100)

    class Given:
        id = "given"

        def encode(self, texts):
            return vectors[[int(t.split()[1].replace("o", "0").replace("l", "1"), 2) for t in texts]]

    numbered = [f"text {i:010b} ".replace("0", "o").replace("1", "l") for i in range(len(said))]
    letters = [t + "ab"[i % 2] * (i % 7 + 3) + "xyz"[i % 3] * (i % 5 + 2) for i, t in enumerate(numbered)]
    frame = pl.DataFrame({"id": [f"{i:04}" for i in range(len(said))], "text": letters, "language": languages})
    found = fit_themes(frame, "appeals", embedder=Given())
    theme = found.assignments.sort("id")["theme_id"].to_numpy()
    own = said == 4
    best = max(np.unique(theme), key=lambda t: (own & (theme == t)).sum())
    assert (own & (theme == best)).sum() > 0.8 * own.sum()
    assert (own & (theme == best)).sum() > 0.8 * (theme == best).sum()
    assert found.language_nmi < 0.3
    assert "language" in found.summary()
