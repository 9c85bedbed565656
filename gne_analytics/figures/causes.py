"""Figures of why: the causes ranked with their effects, and a cause's segment beside its siblings."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

import plotly.graph_objects as go
import polars as pl

from gne_analytics.evidence.render import number, percent, points
from gne_analytics.evidence.types import Cause, Counts
from gne_analytics.figures.theme import (
    BLUE,
    GREY,
    SMALL_N,
    VERMILION,
    Words,
    drawing,
    label_rows,
    legend_mark,
    mark,
    rows_height,
)
from gne_analytics.figures.wording import between, named

_SYMBOL: Final = {"confirmed": "circle", "candidate": "circle-open"}


def causes_ranked(
    causes: Sequence[Cause],
    *,
    names: Mapping[str, str] | None = None,
    links: Mapping[str, str] | None = None,
    title: str | None = None,
    subtitle: str | None = None,
) -> go.Figure:
    """Draw each cause's mix-adjusted effect with its interval, in rank order; confirmed filled, candidate hollow.

    ``names`` gives the words for each cause's id, else its segment is spelt out; ``links`` the address that a click on
    a cause's label opens.
    """
    ranked = sorted(causes, key=lambda c: c.rank)
    labels = [(names or {}).get(c.id) or named(c.segment) for c in ranked]
    confirmed = sum(c.status == "confirmed" for c in ranked)
    words = Words(
        title
        or (
            f"First cause: {labels[0]}, {points(ranked[0].effect.value)} inside it" if ranked else "No cause was found"
        ),
        subtitle
        or f"{confirmed} confirmed on held-out units, {len(ranked) - confirmed} candidate; change of the rate inside "
        "each segment, mix-adjusted, with its interval",
        "Dots, one row per cause: "
        + "; ".join(
            f"{label} {points(c.effect.value)} ({c.status}, n = {number(c.after.n)})"
            for label, c in zip(labels, ranked, strict=True)
        )
        + ".",
    )
    figure = drawing(words, height=rows_height(labels), legend=True)
    for row, cause in enumerate(ranked):
        _effect(figure, row, cause)
    label_rows(figure, labels, [points(c.effect.value) for c in ranked])
    for label, cause in zip(figure.layout.annotations if links else (), ranked, strict=False):
        label.text = f'<a href="{escape((links or {})[cause.id])}" target="_self">{label.text}</a>'
    for status, symbol in _SYMBOL.items():
        if any(c.status == status for c in ranked):
            legend_mark(figure, status, BLUE, symbol)
    figure.add_vline(x=0, line={"color": GREY, "width": 1})
    figure.update_xaxes(tickformat="+.0%", title_text="change inside the segment")
    return figure


def is_small(counts: Counts) -> bool:
    """Say whether a window holds too few rows to read much into its rate."""
    return counts.n < SMALL_N


def _effect(figure: go.Figure, row: int, cause: Cause) -> None:
    colour = GREY if is_small(cause.after) else BLUE
    interval = cause.effect.interval
    if interval is not None:
        figure.add_scatter(
            x=[interval.lo, interval.hi], y=[row, row], mode="lines", line={"color": colour, "width": 3},
            showlegend=False, hoverinfo="skip",
        )  # fmt: skip
    figure.add_scatter(
        x=[cause.effect.value], y=[row], mode="markers", showlegend=False, cliponaxis=False,
        marker=mark(colour, _SYMBOL[cause.status], 12),
        customdata=[[between(cause.effect), cause.before.n, cause.after.n, cause.status]],
        hovertemplate="%{x:+.1%} %{customdata[0]}<br>n = %{customdata[1]:,} before, %{customdata[2]:,} after"
        "<br>%{customdata[3]}<extra></extra>",
    )  # fmt: skip


def siblings(
    frame: pl.DataFrame,
    *,
    title: str,
    subtitle: str,
    limit: int = 12,
) -> go.Figure:
    """Draw a cause's segment beside its siblings along one dimension: rate before (hollow) and after (filled).

    ``frame`` has a row per value and window: ``value`` (text), ``window`` (``baseline`` or ``focus``), ``k``, ``n``,
    ``lo``, ``hi`` (ends of the rate's interval) and ``in_cause`` (Boolean). The ``limit`` largest values are drawn.
    """
    rows = frame.filter(pl.col("n") > 0).with_columns(rate=pl.col("k") / pl.col("n"))
    order = (
        rows.group_by("value")
        .agg(pl.col("in_cause").any(), pl.col("n").sum(), rate=pl.col("rate").filter(pl.col("window") == "focus").max())
        .sort(["in_cause", "n", "value"], descending=[True, True, False])
        .head(limit)
        .sort(["in_cause", "rate", "value"], descending=[True, True, False], nulls_last=True)["value"]
        .to_list()
    )
    words = Words(title, subtitle, f"Two dots for each of {len(order)} values, the rate before and after. " + subtitle)
    cause_values = set(rows.filter(pl.col("in_cause"))["value"])
    labels = [f"{v} (the cause)" if v in cause_values else v for v in order]
    figure = drawing(words, height=rows_height(labels), legend=True)
    for row in rows.filter(pl.col("value").is_in(order)).iter_rows(named=True):
        _sibling(figure, order.index(row["value"]), row)
    label_rows(figure, labels)
    legend_mark(figure, "baseline", GREY, "circle-open")
    legend_mark(figure, "focus", BLUE)
    figure.update_xaxes(tickformat=".0%", rangemode="tozero")
    return figure


def _sibling(figure: go.Figure, position: int, row: Mapping[str, object]) -> None:
    focus = row["window"] == "focus"
    small = isinstance(row["n"], int) and row["n"] < SMALL_N
    colour = GREY if small or not focus else VERMILION if row["in_cause"] else BLUE
    y = position + (0.09 if focus else -0.05)
    if row["lo"] is not None and row["hi"] is not None:
        figure.add_scatter(
            x=[row["lo"], row["hi"]], y=[y, y], mode="lines", showlegend=False, hoverinfo="skip",
            line={"color": colour, "width": 3 if focus else 1.5}, opacity=0.6,
        )  # fmt: skip
    figure.add_scatter(
        x=[row["rate"]], y=[y], mode="markers", showlegend=False,
        marker=mark(colour, "circle" if focus else "circle-open", 10),
        customdata=[[row["k"], row["n"], row["window"]]],
        hovertemplate="%{x:.1%} (%{customdata[0]:,} of %{customdata[1]:,})<br>%{customdata[2]}<extra></extra>",
    )  # fmt: skip


def sibling_title(frame: pl.DataFrame) -> str:
    """Say what the siblings show: the cause's rate after, and the rest's."""
    focus = frame.filter((pl.col("window") == "focus") & (pl.col("n") > 0))
    parts = focus.group_by("in_cause").agg(rate=pl.col("k").sum() / pl.col("n").sum())
    rates = dict(zip(parts["in_cause"].to_list(), parts["rate"].to_list(), strict=True))
    if True not in rates or False not in rates:
        return "The cause stands alone in its dimension"
    return f"The segment stands at {percent(rates[True])}, its siblings at {percent(rates[False])}"
