"""Figures of what people write: themes by size with the share overturned, and the funnel of appeals."""

from collections.abc import Sequence

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from gne_analytics.evidence.render import number, percent
from gne_analytics.evidence.types import Theme
from gne_analytics.figures.theme import BLUE, GREY, SMALL_N, VERMILION, Words, drawing, label_rows, mark, rows_height


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
