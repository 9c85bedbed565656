"""Figures of what people write: the map of texts, themes by size with the share overturned, the funnel of appeals."""

from collections.abc import Mapping, Sequence
from html import escape
from textwrap import wrap
from types import MappingProxyType
from typing import Final

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from gne_analytics.evidence.render import number, percent
from gne_analytics.evidence.types import Theme
from gne_analytics.figures.theme import (
    BLUE,
    GREY,
    OKABE_ITO,
    SMALL_N,
    TURNING,
    VERMILION,
    Words,
    drawing,
    label_rows,
    mark,
    plain,
    rows_height,
)
from gne_analytics.themes.hierarchy import Node

MAP_HEIGHT: Final = 640
LABELLED: Final = 26
"""Themes whose names stand on the map, largest first."""
LABEL_CHARS: Final = 30


def themes_bar(
    themes: Sequence[Theme], *, limit: int = 12, title: str | None = None, subtitle: str | None = None
) -> go.Figure:
    """Draw the largest themes: on the left their texts, on the right the share overturned with its interval."""
    shown = sorted(themes, key=lambda t: (-t.folded, t.id))[:limit]
    words = Words(
        title or _theme_title(shown),
        subtitle or f"{len(shown)} of {len(themes)} themes; near-identical texts of one seller count once",
        "Bars and dots, one row per theme: " + "; ".join(_theme_in_words(t) for t in shown) + ".",
    )
    labels = [t.label for t in shown]
    plan = drawing(words, height=rows_height(labels))
    figure = make_subplots(rows=1, cols=2, column_widths=[0.5, 0.5], horizontal_spacing=0.06, shared_yaxes=True)
    figure.update_layout(plan.layout)
    rows = list(range(len(shown)))
    figure.add_bar(
        x=[t.folded for t in shown], y=rows, orientation="h", width=0.36, marker={"color": BLUE}, showlegend=False,
        text=[number(t.folded) for t in shown], textposition="outside", cliponaxis=False, constraintext="none",
        hovertemplate="%{x:,} texts<extra></extra>", row=1, col=1,
    )  # fmt: skip
    for row, theme in enumerate(shown):
        _overturn(figure, row, theme)
    label_rows(figure, labels)
    figure.update_yaxes(showticklabels=False, showgrid=False, zeroline=False, ticks="", range=figure.layout.yaxis.range)
    figure.update_xaxes(title_text="texts", range=[0, 1.3 * max((t.folded for t in shown), default=1)], row=1, col=1)
    figure.update_xaxes(title_text="share overturned", tickformat=".0%", range=[0, 1.02], row=1, col=2)
    return figure


def _theme_title(themes: Sequence[Theme]) -> str:
    if not themes:
        return "No theme was found"
    return f"The largest theme is “{themes[0].label}”, {number(themes[0].folded)} texts"


def _theme_in_words(theme: Theme) -> str:
    overturned = f", {percent(theme.overturn.value)} overturned" if theme.overturn else ""
    return f"{theme.label} {number(theme.folded)} texts{overturned}"


def _overturn(figure: go.Figure, row: int, theme: Theme) -> None:
    if theme.overturn is None:
        return
    colour = GREY if theme.overturn.n < SMALL_N else VERMILION
    if theme.overturn.interval is not None:
        figure.add_scatter(
            x=[theme.overturn.interval.lo, theme.overturn.interval.hi], y=[row, row], mode="lines", showlegend=False,
            line={"color": colour, "width": 3}, hoverinfo="skip", row=1, col=2,
        )  # fmt: skip
    figure.add_scatter(
        x=[theme.overturn.value], y=[row], mode="markers", showlegend=False,
        marker=mark(colour, "circle-open" if colour == GREY else "circle"),
        customdata=[theme.overturn.n], hovertemplate="%{x:.1%} of %{customdata:,} decided<extra></extra>", row=1, col=2,
    )  # fmt: skip


def appeals_funnel(frame: pl.DataFrame, *, title: str | None = None, subtitle: str | None = None) -> go.Figure:
    """Draw how many cases reach each stage of an appeal, each with its share of those that could.

    ``frame`` has a row per stage in order: ``stage`` (text), ``n`` and ``of`` (integers: those that could reach it).
    """
    stages, sizes, could = (frame[c].to_list() for c in ("stage", "n", "of"))
    words = Words(
        title or _funnel_title(stages, sizes),
        subtitle or "each stage with its share of those that could reach it",
        "Bars: " + "; ".join(f"{stage} {number(n)}" for stage, n in zip(stages, sizes, strict=True)) + ".",
    )
    figure = drawing(words, height=rows_height(stages))
    shares = [f" ({percent(n / of)})" if of and n != of else "" for n, of in zip(sizes, could, strict=True)]
    figure.add_bar(
        x=sizes, y=list(range(len(sizes))), orientation="h", width=0.36, marker={"color": BLUE}, showlegend=False,
        text=[f"{number(n)}{share}" for n, share in zip(sizes, shares, strict=True)], textposition="outside",
        cliponaxis=False, constraintext="none", hoverinfo="skip",
    )  # fmt: skip
    label_rows(figure, stages)
    figure.update_xaxes(range=[0, 1.35 * max(sizes, default=1)], tickformat=",")
    return figure


def _funnel_title(stages: Sequence[str], sizes: Sequence[int]) -> str:
    if not stages:
        return "No appeals"
    return f"{number(sizes[0])} {stages[0]}, {number(sizes[-1])} {stages[-1]}"


def themes_map(
    spots: pl.DataFrame,
    nodes: Sequence[Node],
    *,
    chosen: str = "",
    links: Mapping[str, str] = MappingProxyType({}),
    title: str | None = None,
    subtitle: str | None = None,
) -> go.Figure:
    """Draw every text as a point, coloured and named by its theme; near themes say like things, axes mean nothing.

    ``spots`` is `Themes.spots`, ``nodes`` one level of its hierarchy. Rings are exemplars: only these show their text,
    redacted, shortened and escaped. With a node ``chosen`` the others are greyed. ``links`` maps a node's id to the
    address that its name opens. Points are drawn by WebGL, since a hundred thousand are common.
    """
    ranked = sorted(nodes, key=lambda n: (-n.folded, n.id))
    node_of = {leaf: i for i, node in enumerate(ranked) for leaf in node.leaves}
    held = spots.with_columns(node=pl.col("leaf").replace_strict(node_of, default=None, return_dtype=pl.Int64))
    held = held.drop_nulls("node")
    words = Words(
        title or _map_title(ranked, chosen),
        subtitle or f"{number(held.height)} distinct texts; near means alike, the area of a theme is its texts",
        "A map of texts: " + "; ".join(f"{n.label} {number(n.folded)} texts" for n in ranked[:LABELLED]) + ".",
    )
    figure = drawing(words, height=MAP_HEIGHT)
    lit = next((i for i, node in enumerate(ranked) if node.id == chosen), None)
    shade = pl.col("node") % len(OKABE_ITO) if lit is None else pl.when(pl.col("node") == lit).then(0)
    size = 3 if held.height > 30_000 else 4 if held.height > 5_000 else 6
    for (colour,), part in held.with_columns(shade=shade).group_by("shade", maintain_order=True):
        tint = GREY if colour is None else OKABE_ITO[int(str(colour))]
        figure.add_scattergl(
            x=part["x"].to_numpy(), y=part["y"].to_numpy(), mode="markers", hoverinfo="skip", showlegend=False,
            marker={"color": tint, "size": size, "opacity": 0.25 if colour is None else 0.6, "line": {"width": 0}},
        )  # fmt: skip
    _exemplars(figure, held.drop_nulls("exemplar"), ranked)
    centres = dict(held.group_by("node").agg(pl.col("x").median(), pl.col("y").median()).select(
        "node", pl.concat_arr("x", "y")
    ).iter_rows())  # fmt: skip
    first = [lit] if lit is not None else []
    _names(figure, [i for i in (*first, *range(len(ranked))) if i in centres], centres, ranked, links)
    bare = {"showgrid": False, "zeroline": False, "showticklabels": False, "ticks": "", "showline": False}
    figure.update_xaxes(**bare)
    figure.update_yaxes(**bare)
    return figure


def _map_title(nodes: Sequence[Node], chosen: str) -> str:
    told = next((n for n in nodes if n.id == chosen), None)
    if told is not None:
        return f"“{told.label}”, {number(told.folded)} texts, among {number(len(nodes))} themes"
    return f"{number(len(nodes))} themes; the largest is “{nodes[0].label}”" if nodes else "No theme was found"


def _exemplars(figure: go.Figure, shown: pl.DataFrame, nodes: Sequence[Node]) -> None:
    told = [
        f"<b>{plain(nodes[node].label, 60)}</b><br>"
        + "<br>".join(plain(line) for line in wrap(TURNING.sub("", text), 60, max_lines=4, placeholder=" …"))
        for node, text in shown.select("node", "exemplar").iter_rows()
    ]
    figure.add_scatter(
        x=shown["x"].to_list(), y=shown["y"].to_list(), mode="markers", showlegend=False, hovertext=told,
        hoverinfo="text",
        marker={"symbol": "circle-open", "size": 9, "color": GREY, "line": {"width": 1.5, "color": GREY}},
    )  # fmt: skip


def _names(
    figure: go.Figure, order: Sequence[int], centres: Mapping[int, Sequence[float]], nodes: Sequence[Node],
    links: Mapping[str, str],
) -> None:  # fmt: skip
    """Write the names of the largest themes at their centres, leaving out one that would cover a larger one's."""
    spread = max((max(abs(x), abs(y)) for x, y in centres.values()), default=0.0) or 1.0
    wide, tall = 0.0135 * spread, 0.06 * spread  # of a letter and a line, on a map about 950 pixels wide
    taken: list[tuple[float, float, float]] = []
    notes = []
    for i in dict.fromkeys(order):
        name, (x, y) = plain(nodes[i].label, LABEL_CHARS), centres[i]
        half = 0.5 * wide * min(len(nodes[i].label), LABEL_CHARS)
        if len(taken) == LABELLED or any(abs(x - u) < half + w and abs(y - v) < tall for u, v, w in taken):
            continue
        taken.append((x, y, half))
        link = links.get(nodes[i].id, "")
        notes.append({
            "x": x, "y": y, "text": f'<a href="{escape(link)}" target="_self">{name}</a>' if link else name,
            "hovertext": f"{plain(nodes[i].label)}: {number(nodes[i].folded)} texts", "opacity": 0.9, "borderpad": 1,
            "font": {"size": 11},
        })  # fmt: skip
    figure.layout.annotations = (*figure.layout.annotations, *notes)
