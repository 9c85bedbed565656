"""A map of texts: a disc for each theme, a dot for each distinct text, the typical texts to be read under the pointer.

Dots are drawn by WebGL (``scattergl``), one trace per colour: 100,000 of them stay quick.
"""

from collections.abc import Sequence
from textwrap import wrap

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
import polars as pl

from gne_analytics.evidence.render import number
from gne_analytics.figures.theme import OKABE_ITO, Words, drawing, plain
from gne_analytics.themes.hierarchy import Node

Floats = npt.NDArray[np.float64]

HEIGHT = 640
LABELLED = 40
"""Themes that may carry their name, largest first; where two names would meet, the smaller one is left out."""
LABEL_CHARS = 30
HOVER_CHARS = 280
LETTER, LINE = 0.0105, 0.045
"""Room of a letter and of a line, as parts of the map's height."""
SYMBOLS = ("circle", "square", "diamond", "cross", "triangle-up", "x")


def themes_map(
    spots: pl.DataFrame, nodes: Sequence[Node], *, title: str | None = None, subtitle: str | None = None
) -> go.Figure:
    """Draw the map of a view's texts, coloured by one level of its hierarchy.

    ``spots`` is `Themes.spots`, ``nodes`` a level (`Themes.at`). Where a dot lies is set by the fitted themes, so a map
    stays as it is when another level colours it. The pointer reads exemplars alone, redacted and shortened.
    """
    node_of = {leaf: i for i, node in enumerate(nodes) for leaf in node.leaves}
    known = spots.with_columns(
        node=pl.col("leaf").replace_strict(list(node_of), list(node_of.values()), default=None, return_dtype=pl.Int64)
    ).drop_nulls("node")
    figure = drawing(
        Words(
            title or _title(nodes),
            subtitle or "a dot is a text, near-identical ones count once; point at a ringed dot to read it",
            "Map of texts, themes by size: " + "; ".join(f"{n.label} {number(n.folded)} texts" for n in nodes[:12])
            + ("; and smaller ones." if len(nodes) > 12 else "."),
        ),
        height=HEIGHT,
    )  # fmt: skip
    middle = _middles(known, len(nodes))
    colour = _colours(middle)
    node = known["node"].to_numpy()
    for index in range(len(OKABE_ITO)):
        part = known.filter(pl.Series(colour[node] == index))
        if part.height:
            _dots(figure, part, index, known.height)
    _exemplars(figure, known.drop_nulls("exemplar"), nodes)
    high = max(float(np.ptp(known["y"].to_numpy())), 0.1) if known.height else 1.0
    figure.layout.annotations = _labels(nodes, middle, high)
    hidden = {"visible": False, "showgrid": False, "zeroline": False}
    figure.update_xaxes(**hidden)
    figure.update_yaxes(**hidden, scaleanchor="x", scaleratio=1)
    if known.height:
        at = known.select("x", "y").to_numpy().astype(np.float64)
        (left, low), (right, top) = at.min(axis=0), at.max(axis=0)
        figure.update_xaxes(range=[left - 0.02 * high, right + 0.02 * high])
        figure.update_yaxes(range=[low - 0.02 * high, top + 0.06 * high])
    figure.update_layout(margin={"l": 8, "r": 8, "b": 8}, hovermode="closest", dragmode="pan")
    return figure


def _title(nodes: Sequence[Node]) -> str:
    if not nodes:
        return "No theme was found"
    texts = number(sum(n.folded for n in nodes))
    if len(nodes) == 1:
        return f"{texts} texts, one theme: “{nodes[0].label}”"
    return f"{texts} texts in {len(nodes)} themes; the largest is “{nodes[0].label}”"


def _middles(known: pl.DataFrame, nodes: int) -> Floats:
    """Where each node's name goes, x and y: above its largest disc; nan where none of its texts is drawn."""
    middle = np.full((nodes, 2), np.nan)
    discs = known.group_by("node", "theme_id").agg(pl.col("x").mean(), pl.col("y").max(), texts=pl.len())
    for node, x, y in discs.sort("texts", "theme_id").select("node", "x", "y").iter_rows():
        middle[node] = x, y
    return middle


def _colours(middle: Floats) -> npt.NDArray[np.int64]:
    """A colour per node, largest first: the one whose nearest bearer is farthest, so that neighbours differ."""
    colour = np.zeros(len(middle), dtype=np.int64)
    for i in range(1, len(middle)):
        away = np.nan_to_num(np.hypot(*(middle[:i] - middle[i]).T), nan=np.inf)
        nearest = [away[colour[:i] == c].min(initial=np.inf) for c in range(len(OKABE_ITO))]
        colour[i] = int(np.argmax(nearest))
    return colour


def _dots(figure: go.Figure, part: pl.DataFrame, index: int, drawn: int) -> None:
    many = np.clip(np.log10(part["texts"].fill_null(1).to_numpy()), 0, 2)
    size = (2.5 if drawn > 20_000 else 4.0) + 2.5 * many
    figure.add_scattergl(
        x=part["x"].to_numpy(), y=part["y"].to_numpy(), mode="markers", hoverinfo="skip", showlegend=False,
        marker={"color": OKABE_ITO[index], "symbol": SYMBOLS[index], "size": size.astype(np.float32), "opacity": 0.55,
                "line": {"width": 0}},
    )  # fmt: skip


def _exemplars(figure: go.Figure, told: pl.DataFrame, nodes: Sequence[Node]) -> None:
    if told.is_empty():
        return
    texts = [
        f"<b>{plain(nodes[node].label, 60)}</b><br>" + "<br>".join(plain(x) for x in wrap(_flat(text), 60))
        for node, text in told.select("node", "exemplar").iter_rows()
    ]
    figure.add_scattergl(
        x=told["x"].to_numpy(), y=told["y"].to_numpy(), mode="markers", showlegend=False, hovertext=texts,
        hoverinfo="text",
        marker={"color": "rgba(255,255,255,0.75)", "size": 8, "line": {"width": 1.5, "color": "#1B1D21"}},
    )  # fmt: skip


def _flat(text: str) -> str:
    """Return an exemplar cut to what a pointer shows, on one line, not yet escaped."""
    flat = " ".join(text.split())
    return flat if len(flat) <= HOVER_CHARS else flat[: HOVER_CHARS - 1].rstrip() + "…"


def _labels(nodes: Sequence[Node], middle: Floats, high: float) -> list[dict[str, object]]:
    """Names above their themes, largest first; a name that would meet one that stands already is left out."""
    notes: list[dict[str, object]] = []
    placed: list[tuple[float, float, float]] = []
    for index, node in enumerate(nodes[:LABELLED]):
        x, y = (float(v) for v in middle[index])
        text = plain(node.label, LABEL_CHARS)
        wide = len(text) * LETTER * high
        if np.isnan(x) or any(abs(x - a) < (wide + w) / 2 and abs(y - b) < LINE * high for a, b, w in placed):
            continue
        placed.append((x, y, wide))
        notes.append({"x": x, "y": y, "text": text, "yanchor": "bottom", "opacity": 0.85, "borderpad": 1})
    return notes
