"""The figure of two views crossed: what sellers say where reviewers say X, more often than chance would have it."""

from collections.abc import Mapping
from html import escape
from textwrap import wrap
from types import MappingProxyType
from typing import Final

import plotly.graph_objects as go

from gne_analytics.evidence.render import number, percent
from gne_analytics.figures.theme import BLUE, GREY, LABEL_WIDTH, Words, drawing, label_rows, mark, plain, rows_height
from gne_analytics.themes.crossed import SAYS, Crossed, Pair

HEAD: Final = 0.7
"""Rows that the name of a theme of the other view takes above its pairs."""


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
    places, heads = _places(shown)
    labels = [p.one_label for p in shown]
    figure = drawing(words, height=rows_height(labels) + round(48 * HEAD * len(heads)))
    for place, pair in zip(places, shown, strict=True):
        _lift(figure, place, pair)
    label_rows(figure, labels, [f"{number(p.k)}, by chance {_by_chance(p.expected)}" for p in shown], at=places)
    for note, pair in zip(figure.layout.annotations, shown, strict=False):
        if link := links.get((pair.one, pair.other)):
            note.text = f'<a href="{escape(link)}" target="_self">{note.text}</a>'
    for place, pair in heads.items():
        _head(figure, place, f"Where {SAYS.get(crossed.other, crossed.other)} “{pair.other_label}”")
    figure.add_vline(x=1, line={"color": GREY, "width": 1})
    top = max((p.lift.interval.hi for p in shown if p.lift.interval), default=2.0)
    ticks = list(range(0, int(1.05 * top) + 1, 1 if top < 8 else 5))
    figure.update_xaxes(
        range=[0, 1.05 * top], tickvals=ticks, ticktext=[f"{t}×" for t in ticks],
        title_text="times as often as by chance",
    )  # fmt: skip
    return figure


def _places(shown: tuple[Pair, ...]) -> tuple[list[float], dict[float, Pair]]:
    """Where each pair stands, and each head above the first pair of its theme."""
    places: list[float] = []
    heads: dict[float, Pair] = {}
    for before, pair in zip((None, *shown), shown, strict=False):
        place = places[-1] + 1 if places else 0.0
        if before is None or before.other != pair.other:
            heads[place] = pair
            place += HEAD
        places.append(place)
    return places, heads


def _head(figure: go.Figure, place: float, text: str) -> None:
    line = wrap(text, LABEL_WIDTH + 10, max_lines=1, placeholder=" …”")
    figure.add_annotation(
        x=0, xref="x domain", xanchor="left", y=place, yref="y", yanchor="bottom", yshift=6, align="left",
        text=f"<b>{plain(line[0])}</b>" if line else "", hovertext=plain(text), font={"size": 13},
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


def _by_chance(expected: float) -> str:
    """The votes that chance would give, never nought: that would read as impossible."""
    return number(round(expected)) if expected >= 1 else "under 1"


def _title(crossed: Crossed, shown: tuple[Pair, ...]) -> str:
    if not shown:
        return "No pair of themes meets more often than by chance"
    first = shown[0]
    return (
        f"Where {SAYS.get(crossed.other, crossed.other)} “{first.other_label}”, {SAYS.get(crossed.one, crossed.one)} "
        f"“{first.one_label}” {number(first.k)} times; chance alone would give {_by_chance(first.expected)}"
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
        f"chance {_by_chance(pair.expected)}"
    )
