"""The theme: names, contrast, and what a figure carries in words."""

import plotly.graph_objects as go
import plotly.io as pio
import pytest

from gne_analytics.figures.theme import GREY, OKABE_ITO, Words, drawing, label_rows, plain, words_of

WORDS = Words("Overturns rose", "n = 10", "A line that rises.")


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", ["gne", "gne_dark"])
def test_text_of_either_template_passes_wcag_aaa_on_its_paper(name):
    layout = pio.templates[name].layout
    assert contrast(layout.font.color, layout.paper_bgcolor) >= 7


@pytest.mark.parametrize("name", ["gne", "gne_dark"])
def test_grey_marks_are_seen_on_either_paper(name):
    assert contrast(GREY, pio.templates[name].layout.paper_bgcolor) >= 3


def test_categories_take_distinct_colours_of_okabe_and_ito():
    assert list(pio.templates["gne"].layout.colorway) == list(OKABE_ITO)
    assert len(set(OKABE_ITO)) == len(OKABE_ITO)


def test_the_diverging_scale_is_the_paper_at_its_middle():
    for name in ("gne", "gne_dark"):
        layout = pio.templates[name].layout
        assert tuple(layout.colorscale.diverging[1]) == (0.5, layout.paper_bgcolor)


def test_a_figure_carries_its_words_for_a_page():
    assert words_of(drawing(WORDS, height=100)) == WORDS
    assert words_of(go.Figure()) == Words("", "", "")


def test_a_long_title_is_wrapped_and_gets_its_room():
    short, long = drawing(WORDS, height=100), drawing(Words("word " * 60, "", ""), height=100)
    assert "<br>" in long.layout.title.text
    assert long.layout.margin.t > short.layout.margin.t


def test_text_from_outside_cannot_bring_tags():
    assert plain("<a href='x'>A & B</a>\n  again") == "&lt;a href='x'&gt;A &amp; B&lt;/a&gt; again"
    assert len(plain("long " * 40, 30)) <= 30


def test_row_labels_are_escaped_and_in_order():
    figure = drawing(WORDS, height=100)
    label_rows(figure, ["<b>one</b>", "two"], ["1", "2"])
    assert [a.y for a in figure.layout.annotations] == [0, 1]
    assert figure.layout.annotations[0].text == "&lt;b&gt;one&lt;/b&gt;  <b>1</b>"
