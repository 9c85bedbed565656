"""The map of texts: every point, the names of the largest themes, hostile exemplars as text, quick with many points."""

import numpy as np
import polars as pl
import pytest

from gne_analytics import figures
from gne_analytics.testing import results

TREE = results.a_tree()
SPOTS = results.some_spots()


def texts_drawn(figure):
    return sum(len(trace.x) for trace in figure.data if trace.type == "scattergl")


@pytest.mark.parametrize("level", range(len(TREE.levels)))
def test_every_text_is_a_point_at_every_level(level):
    figure = figures.themes_map(SPOTS, TREE.level(level))
    assert texts_drawn(figure) == SPOTS.height
    assert len({trace.marker.color for trace in figure.data if trace.type == "scattergl"}) == len(TREE.level(level))


def test_only_exemplars_show_their_text_and_that_escaped():
    figure = figures.themes_map(SPOTS, TREE.level(1))
    told = [trace for trace in figure.data if trace.hoverinfo != "skip"]
    assert len(told) == 1
    assert len(told[0].x) == SPOTS["exemplar"].count() == 1
    assert results.HOSTILE not in figure.to_json()
    assert "<script" not in figure.to_json()
    assert "&lt;script" in told[0].hovertext[0]


def test_a_hostile_label_is_text_too():
    hostile = [n.model_copy(update={"label": "<a href=javascript:x>y</a>"}) for n in TREE.level(1)]
    figure = figures.themes_map(SPOTS, hostile)
    assert not [note for note in figure.layout.annotations if "<a" in note.text]
    assert "<a href" not in figure.layout.title.text


def test_names_do_not_cover_each_other_and_link_to_their_card():
    nodes = TREE.level(1)
    figure = figures.themes_map(SPOTS, nodes, links={n.id: f"?theme={n.id}" for n in nodes})
    assert '<a href="?theme=T1"' in figure.layout.annotations[0].text
    crowd = SPOTS.with_columns(x=pl.lit(0.0), y=pl.lit(0.0))
    assert len(figures.themes_map(crowd, nodes).layout.annotations) == 1


def test_a_chosen_theme_stands_out_from_grey_ones():
    figure = figures.themes_map(SPOTS, TREE.level(1), chosen="T2")
    sizes = {trace.marker.color: len(trace.x) for trace in figure.data if trace.type == "scattergl"}
    assert sorted(sizes.values()) == [5, SPOTS.height - 5]
    assert figure.layout.title.text.startswith("“logo is our own brand”")


def test_a_name_is_in_the_readers_language_and_hovering_shows_the_themes_own_words():
    glossed = [n.model_copy(update={"gloss": f"gloss of {n.id}"}) for n in TREE.level(1)]
    note = figures.themes_map(SPOTS, glossed).layout.annotations[0]
    assert note.text == "gloss of T1"
    assert TREE.level(1)[0].label in note.hovertext


def test_no_theme_is_an_empty_map():
    assert texts_drawn(figures.themes_map(SPOTS.clear(), [])) == 0


def test_a_hundred_thousand_points_stay_a_small_page():
    many = SPOTS[np.random.default_rng(0).integers(0, SPOTS.height, 100_000)]
    figure = figures.themes_map(many.with_columns(pl.col("x", "y").cast(pl.Float32), exemplar=None), TREE.level(1))
    assert texts_drawn(figure) == 100_000
    assert len(figure.to_json()) < 2_000_000
