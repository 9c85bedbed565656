"""One plotly theme, ``gne`` and its dark twin ``gne_dark``, and the words that every figure carries.

Categories take Okabe and Ito's colours (Color Universal Design, 2008), sequences cividis, and a diverging scale is
centred at zero. No mark is told from another by colour alone: shape, fill or pattern says it too. Only ``scatter`` and
``bar`` traces are drawn, so a figure shows alike under plotly.js 3 and 4; the map of texts alone has ``scattergl``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from re import compile as compile_
from textwrap import shorten, wrap
from typing import Final
from unicodedata import bidirectional

import plotly.graph_objects as go
import plotly.io as pio

BLUE: Final = "#0072B2"
VERMILION: Final = "#D55E00"
GREEN: Final = "#009E73"
ORANGE: Final = "#E69F00"
PURPLE: Final = "#CC79A7"
SKY: Final = "#56B4E9"
GREY: Final = "#7B7B7B"
"""What is set back: small n, immature weeks, totals. It keeps its contrast on white and on dark."""

OKABE_ITO: Final = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)
"""The order in which categories take colours; yellow and black are left out, each vanishes on one background."""

SMALL_N: Final = 30
"""Below this many rows a mark is greyed: its interval is wide and its place means little."""

FONT: Final = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', Arial, sans-serif"
LABEL_WIDTH: Final = 54
"""Characters of a row's label in a line; a phone's screen holds as many."""
TITLE_WIDTH: Final = 78
TURNING: Final = compile_("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Invisible marks that turn the direction of the text around them."""


@dataclass(frozen=True)
class Words:
    """What a figure says in words: the finding, what lies behind it, and the text for who cannot see it."""

    title: str
    subtitle: str
    alt: str


def _template(*, ink: str, paper: str, grid: str) -> go.layout.Template:
    axis = {
        "gridcolor": grid,
        "linecolor": grid,
        "zerolinecolor": GREY,
        "zerolinewidth": 1,
        "ticks": "outside",
        "tickcolor": grid,
        "automargin": True,
        "title": {"standoff": 8, "font": {"size": 13}},
    }
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "size": 13, "color": ink},
            "title": {
                "x": 0,
                "xanchor": "left",
                "xref": "paper",
                "y": 1,
                "yref": "container",
                "yanchor": "top",
                "pad": {"t": 12},
                "font": {"size": 17, "color": ink},
                "subtitle": {"font": {"size": 12.5, "color": ink}},
            },
            "paper_bgcolor": paper,
            "plot_bgcolor": paper,
            "colorway": list(OKABE_ITO),
            "colorscale": {
                "sequential": "Cividis",
                "sequentialminus": "Cividis",
                "diverging": [[0.0, BLUE], [0.5, paper], [1.0, VERMILION]],
            },
            "hoverlabel": {"bgcolor": paper, "bordercolor": GREY, "font": {"color": ink, "family": FONT}},
            "legend": {
                "orientation": "h",
                "x": 0,
                "xanchor": "left",
                "xref": "paper",
                "y": 0,
                "yanchor": "bottom",
                "yref": "container",
            },
            "margin": {"l": 16, "r": 24, "t": 84, "b": 52},
            "xaxis": axis,
            "yaxis": axis,
            "annotationdefaults": {"font": {"size": 12, "color": ink}, "showarrow": False, "bgcolor": paper},
            "separators": ".,",
        }
    )


pio.templates["gne"] = _template(ink="#1B1D21", paper="#FFFFFF", grid="#E3E5E8")
pio.templates["gne_dark"] = _template(ink="#E7E9EC", paper="#161A20", grid="#333A44")


def plain(text: str, width: int = 0) -> str:
    """Return text from outside made safe for plotly, which reads tags in every label; cut to ``width`` if given."""
    flat = " ".join(TURNING.sub("", str(text)).split())
    return escape(shorten(flat, width, placeholder=" …") if width and len(flat) > width else flat, quote=False)


def drawing(words: Words, *, height: int, legend: bool = False) -> go.Figure:
    """Return an empty figure in the ``gne`` template that carries its title, subtitle and alt text.

    The three stand in ``layout.meta`` too, so that a page can set them as real text (`words_of`). ``legend`` leaves
    room for one below the axis.
    """
    title = wrap(words.title, TITLE_WIDTH) or [""]
    subtitle = wrap(words.subtitle, TITLE_WIDTH + 22)
    drop = 10 * (len(title) - 1)  # plotly sets a title of several lines higher than one of one line
    top = 34 + drop + 22 * len(title) + 18 * len(subtitle)
    return go.Figure(
        layout={
            "template": "gne",
            "height": height + top + (36 if legend else 0),
            "margin": {"t": top, "b": 88 if legend else 52},
            "title": {
                "text": "<br>".join(plain(line) for line in title),
                "subtitle": {"text": "<br>".join(plain(line) for line in subtitle)},
                "pad": {"t": 12 + drop},
            },
            "meta": {"title": words.title, "subtitle": words.subtitle, "alt": words.alt},
        }
    )


def words_of(figure: go.Figure) -> Words:
    """Return the title, subtitle and alt text of a figure made here."""
    meta = figure.layout.meta or {}
    return Words(meta.get("title", ""), meta.get("subtitle", ""), meta.get("alt", ""))


def rows_height(labels: Sequence[str]) -> int:
    """The height of a panel of labelled rows and its axis, in pixels; taller where a label takes two lines."""
    return 58 + _row_height(labels) * max(len(labels), 1)


def _row_height(labels: Sequence[str]) -> int:
    return 48 if all(len(label) <= LABEL_WIDTH for label in labels) else 62


def shut_in(text: str) -> str:
    """Return text whose direction does not turn the words beside it: isolated where a letter runs from right to left.

    Give it what `plain` returned, which has no such marks of its own.
    """
    core = text.strip()
    turns = any(bidirectional(letter) in {"R", "AL"} for letter in core)
    return text.replace(core, f"\u2068{core}\u2069", 1) if turns else text


def label_rows(
    figure: go.Figure, labels: Sequence[str], values: Sequence[str] = (), *, row: int = 1, at: Sequence[float] = ()
) -> None:
    """Write each row's label and value above its mark, from the left edge, so that long names fit a narrow screen.

    ``at`` says where the rows stand, where not at 0, 1, 2 and so on.
    """
    places = at or range(len(labels))
    suffix = "" if row == 1 else str(row)
    notes = []
    for index, label in enumerate(labels):
        lines = "<br>".join(shut_in(plain(line)) for line in wrap(label, LABEL_WIDTH, max_lines=2, placeholder=" …"))
        value = f"  <b>{plain(values[index])}</b>" if values else ""
        notes.append({
            "x": 0, "xref": f"x{suffix} domain", "xanchor": "left", "xshift": 3,
            "y": places[index], "yref": f"y{suffix}", "yanchor": "bottom", "yshift": 11,
            "text": lines + value, "hovertext": plain(label), "align": "left",
        })  # fmt: skip
    figure.layout.annotations = (*figure.layout.annotations, *notes)  # one by one costs the square of their number
    axis = {"range": [max(places, default=0) + 0.4, -0.8], "showticklabels": False, "ticks": ""}
    figure.update_layout({f"yaxis{suffix}": {**axis, "showgrid": False, "zeroline": False}})


def mark(colour: str, symbol: str = "circle", size: int = 11) -> dict[str, object]:
    """A marker whose outline has its own colour, so that hollow and filled marks are equally heavy."""
    return {"color": colour, "symbol": symbol, "size": size, "line": {"width": 2, "color": colour}}


def legend_mark(figure: go.Figure, name: str, colour: str, symbol: str = "circle") -> None:
    """Add an entry to the legend that explains a mark, with nothing drawn for it."""
    figure.add_scatter(
        x=[None], y=[None], mode="markers", name=plain(name), showlegend=True, marker=mark(colour, symbol)
    )


def share_ticks(low: float, high: float) -> str:
    """The format of an axis of shares, fine enough that no two of its ticks read alike."""
    return ".0%" if high - low >= 0.06 else ".1%" if high - low >= 0.006 else ".2%"


def nice_step(reach: float) -> float:
    """The distance of ticks on an axis so long: one, two or five times a power of ten, six times at most."""
    step = 10.0 ** floor(log10(reach / 5))
    return next(step * m for m in (1, 2, 5, 10) if reach / (step * m) <= 6)


def points_axis(low: float, high: float) -> dict[str, object]:
    """The ticks of an axis of differences of shares, in points with their sign; few enough to fit a narrow screen."""
    step = nice_step(max(high - low, 1e-6))
    ticks = [step * i for i in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]
    decimals = max(0, -floor(log10(100 * step) + 1e-9))
    return {
        "tickvals": ticks,
        "ticktext": [f"{100 * t:+.{decimals}f}".replace("-", "\u2212") if abs(t) > step / 2 else "0" for t in ticks],
        "range": [low, high],
    }
