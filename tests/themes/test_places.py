"""The map: discs that do not cover one another, texts within their theme's."""

from dataclasses import replace

import numpy as np
import pytest

from gne_analytics.errors import DataError
from gne_analytics.themes import Themes
from gne_analytics.themes.places import spots_of, stability


def test_texts_lie_in_the_disc_of_their_theme_and_discs_lie_apart(told: Themes) -> None:
    places = told.places
    assert places is not None
    middle = np.array([places.spots[places.theme == t].mean(axis=0) for t in range(len(told.themes))])
    nearest = np.linalg.norm(places.spots[:, None] - middle[None], axis=2).argmin(axis=1)
    assert (nearest == places.theme).mean() > 0.95


def test_the_map_shows_texts_of_exemplars_only_and_draws_no_more_than_asked(told: Themes) -> None:
    places = told.places
    assert places is not None
    spots = spots_of(places, told.themes, limit=20)
    shown = set(spots["exemplar"].drop_nulls())
    assert shown == {text for theme in told.themes for text in theme.exemplars}
    assert 20 <= spots.height <= 20 + len(shown)
    assert told.spots()["texts"].sum() == told.assignments.height


def test_leaves_are_parts_of_one_theme_each(told: Themes) -> None:
    places = told.places
    assert places is not None
    for leaf in range(len(places.means)):
        assert len(np.unique(places.theme[places.leaf == leaf])) == 1


def test_stability_is_one_where_all_cuts_agree(told: Themes) -> None:
    assert told.places is not None
    assert told.partition is not None
    cut = told.partition.chosen
    same = [replace(cut, labels=told.places.theme.copy(), themes=cut.themes + more) for more in (-1, 0, 1)]
    steady = stability(told.places, replace(told.partition, chosen=same[1], cuts=tuple(same)))
    assert steady == pytest.approx(np.ones(len(told.themes)))
    mixed = replace(cut, labels=np.arange(len(told.places.theme)) % 7, themes=cut.themes + 2)
    loose = stability(told.places, replace(told.partition, chosen=same[1], cuts=(same[1], mixed)))
    assert loose.max() < 0.5


def test_themes_without_their_texts_say_so(told: Themes) -> None:
    with pytest.raises(DataError, match="keep no texts"):
        replace(told, places=None).spots()
