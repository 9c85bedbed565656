"""The figure of two views crossed: what sellers say where reviewers say X, more often than chance would have it."""

from collections.abc import Mapping, Sequence
from html import escape
from textwrap import wrap
from types import MappingProxyType
from typing import Final

import plotly.graph_objects as go

from gne_analytics.evidence.render import number, percent
from gne_analytics.figures.theme import (
    BLUE,
    GREY,
    Words,
    drawing,
    label_rows,
    mark,
    nice_step,
    plain,
    rows_height,
    shut_in,
)
from gne_analytics.themes.crossed import SAYS, Crossed, Pair

HEAD: Final = 0.5
"""Rows that a line of the name of a theme of the other view takes above its pairs."""
HEAD_WIDTH: Final = 40
"""Characters of such a line; bold ones, so fewer fit a phone's screen than of a label."""


def themes_crossed(
    crossed: Crossed,
    *,
    limit: int = 12,
    links: Mapping[tuple[str, str], str] = MappingProxyType({}),
    title: str | None = None,
    subtitle: str | None = None,
) -> go.Figure:
    """Draw the surest pairs under the theme of the other view: how many times as often as by chance, with its interval.

    ``links`` maps a pair's two ids to the address that its name opens.
    """
    shown = crossed.strongest(limit)
    words = Words(
        title or _title(crossed, shown),
        subtitle or _subtitle(crossed, shown),
        "Dots, one row per pair: " + "; ".join(_in_words(crossed, p) for p in shown) + ".",
    )
    named = {p.other: f"Where {SAYS.get(crossed.other, crossed.other)} “{p.other_label}”" for p in shown}
    heads = {other: wrap(name, HEAD_WIDTH, max_lines=2, placeholder=" …”") for other, name in named.items()}
    labels, places = [p.one_label for p in shown], _places(shown, heads)
    figure = drawing(words, height=rows_height(labels) + round(48 * HEAD * sum(map(len, heads.values()))))
    for place, pair in zip(places, shown, strict=True):
        _lift(figure, place, pair)
    label_rows(figure, labels, [f"{number(p.k)}, by chance {p.by_chance}" for p in shown], at=places)
    for note, pair in zip(figure.layout.annotations, shown, strict=False):
        if link := links.get((pair.one, pair.other)):
            note.text = f'<a href="{escape(link)}" target="_self">{note.text}</a>'
    for other, lines in heads.items():
        first = next(place for place, pair in zip(places, shown, strict=True) if pair.other == other)
        _head(figure, first, lines, named[other])
    figure.add_vline(x=1, line={"color": GREY, "width": 1})
    top = max((p.lift.interval.hi for p in shown if p.lift.interval), default=2.0)
    ticks = list(range(0, int(1.05 * top) + 1, max(1, round(nice_step(top)))))
    figure.update_xaxes(
        range=[0, 1.05 * top], tickvals=ticks, ticktext=[f"{t}×" for t in ticks],
        title_text="times as often as by chance",
    )  # fmt: skip
    return figure


def _places(shown: Sequence[Pair], heads: Mapping[str, Sequence[str]]) -> list[float]:
    """Where each pair stands: below the head of its theme, where it is the first of it."""
    places: list[float] = []
    for before, pair in zip((None, *shown), shown, strict=False):
        place = places[-1] + 1 if places else 0.0
        new = before is None or before.other != pair.other
        places.append(place + (HEAD * len(heads[pair.other]) if new else 0))
    return places


def _head(figure: go.Figure, place: float, lines: Sequence[str], whole: str) -> None:
    figure.add_annotation(
        x=0, xref="x domain", xanchor="left", xshift=3, y=place, yref="y", yanchor="bottom", yshift=34, align="left",
        text="<br>".join(f"<b>{shut_in(plain(line))}</b>" for line in lines), hovertext=plain(whole),
    )  # fmt: skip


def _lift(figure: go.Figure, place: float, pair: Pair) -> None:
    interval = pair.lift.interval
    if interval is not None:
        figure.add_scatter(
            x=[interval.lo, interval.hi], y=[place, place], mode="lines", line={"color": BLUE, "width": 3},
            showlegend=False, hoverinfo="skip",
        )  # fmt: skip
    figure.add_scatter(
        x=[pair.lift.value], y=[place], mode="markers", showlegend=False, marker=mark(BLUE),
        customdata=[[percent(pair.share, pair.n_other), percent(pair.elsewhere, pair.n - pair.n_other)]],
        hovertemplate="%{x:.1f} times as often; %{customdata[0]} of what is said there, %{customdata[1]} elsewhere"
        "<extra></extra>",
    )  # fmt: skip


def _title(crossed: Crossed, shown: tuple[Pair, ...]) -> str:
    if not shown:
        return "No pair of themes meets more often than by chance"
    first = shown[0]
    return (
        f"Where {SAYS.get(crossed.other, crossed.other)} “{first.other_label}”, {SAYS.get(crossed.one, crossed.one)} "
        f"“{first.one_label}” {number(first.k)} times; chance alone would give {first.by_chance}"
    )


def _subtitle(crossed: Crossed, shown: tuple[Pair, ...]) -> str:
    return (
        f"{number(len(shown))} of the {number(len(crossed.meeting))} pairs beyond chance, of {number(crossed.tested)} "
        f"looked at in {number(crossed.violations)} violations of {number(crossed.sellers)} sellers; one seller counts "
        "once per pair; dots are held towards one where counts are few, lines are 95 % intervals"
    )


def _in_words(crossed: Crossed, pair: Pair) -> str:
    return (
        f"{pair.one_label} where {SAYS.get(crossed.other, crossed.other)} {pair.other_label}: {number(pair.k)}, by "
        f"chance {pair.by_chance}"
    )
