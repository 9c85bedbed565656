"""Two views crossed as a figure: counts beside chance, intervals drawn, hostile and right-to-left labels in place."""

import pytest

from gne_analytics import figures
from gne_analytics.figures.theme import shut_in
from gne_analytics.testing.said import HOSTILE, a_crossing

CROSSED = a_crossing()


def notes(figure):
    return [note.text for note in figure.layout.annotations]


def test_the_title_says_the_strongest_pair_beside_chance():
    strongest = CROSSED.meeting[0]
    title = figures.words_of(figures.themes_crossed(CROSSED)).title
    assert title.startswith("Where reviewers say “")
    assert f"“{strongest.one_label}” {strongest.k} times" in title
    assert title.endswith(f"chance alone would give {strongest.expected:.0f}")


def test_a_pair_stands_under_its_theme_of_the_other_view_with_its_interval():
    figure = figures.themes_crossed(CROSSED)
    lines = [trace for trace in figure.data if trace.mode == "lines"]
    dots = [trace for trace in figure.data if trace.mode == "markers"]
    assert len(lines) == len(dots) == len(CROSSED.meeting) == 2
    assert all(line.x[0] < dot.x[0] < line.x[1] for line, dot in zip(lines, dots, strict=True))
    heads = [note for note in figure.layout.annotations if "Where reviewers say" in note.text]
    labels = [note for note in figure.layout.annotations if ", by chance" in note.text]
    for head, label, dot in zip(heads, labels, dots, strict=True):
        assert head.y == label.y == dot.y[0]
        assert head.yshift > label.yshift
    assert any(f"{CROSSED.meeting[0].k}, by chance" in note for note in notes(figure))


@pytest.mark.parametrize("lift", [1.4, 9.0, 120.0, 4_000.0])
def test_ticks_are_few_whatever_the_lift(lift):
    far = CROSSED.meeting[0].lift
    far = far.model_copy(update={"interval": far.interval.model_copy(update={"hi": lift})})
    pairs = tuple(p.model_copy(update={"lift": far}) for p in CROSSED.pairs)
    ticks = figures.themes_crossed(CROSSED.model_copy(update={"pairs": pairs})).layout.xaxis.tickvals
    assert 2 <= len(ticks) <= 8


def test_only_pairs_that_meet_more_often_than_by_chance_are_drawn():
    rare = CROSSED.model_copy(update={"pairs": tuple(p.model_copy(update={"q": 0.5}) for p in CROSSED.pairs)})
    assert not figures.themes_crossed(rare).data
    assert "more often than by chance" in figures.words_of(figures.themes_crossed(rare)).title


def test_a_pair_opens_its_rows_and_a_hostile_label_opens_nothing():
    pair = CROSSED.meeting[0]
    figure = figures.themes_crossed(CROSSED, links={(pair.one, pair.other): "?theme=a&with=b"})
    assert sum('<a href="?theme=a&amp;with=b"' in note for note in notes(figure)) == 1
    assert HOSTILE not in figure.to_json()
    assert not any("<script" in note or "<b>refund" in note for note in notes(figure))
    assert "<script" not in figures.still(figure)


def test_a_surest_theme_does_not_hide_the_others():
    pair, other = CROSSED.meeting
    many = tuple(pair.model_copy(update={"one": f"T{i}"}) for i in range(9))
    shown = CROSSED.model_copy(update={"pairs": (*many, other)}).strongest()
    assert [p.other for p in shown] == [pair.other] * 4 + [other.other]


def test_a_label_from_right_to_left_is_shut_in_and_no_other_one():
    assert shut_in("صورة خاطئة  ") == "\u2068صورة خاطئة\u2069  "
    assert shut_in("plain") == "plain"
    label = CROSSED.model_copy(
        update={"pairs": tuple(p.model_copy(update={"one_label": "صورة"}) for p in CROSSED.pairs)}
    )
    assert any("\u2068صورة\u2069  <b>" in note for note in notes(figures.themes_crossed(label)))
    assert "\u2068صورة\u2069" in figures.still(figures.themes_crossed(label))
