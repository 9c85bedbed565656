"""Figures of what moved: the series with its windows, and the waterfall that takes the shift apart."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final

import plotly.graph_objects as go
import polars as pl

from gne_analytics.evidence.render import percent, points
from gne_analytics.evidence.types import Decomposition, Period, Shift
from gne_analytics.figures.theme import (
    BLUE,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    SMALL_N,
    VERMILION,
    Words,
    drawing,
    label_rows,
    mark,
    plain,
    rows_height,
)
from gne_analytics.figures.wording import dimension, metric_title, shift_subtitle, shift_title

LABELLED: Final = 3
"""Changes of the world that a series names; more would hide the line."""

MIX_STEPS: Final = 2
"""Dimensions whose mix has a step of its own in a waterfall."""

OTHERS: Final = "(other dimensions)"
"""What a decomposition calls the dimensions that it did not take one by one."""


def shift_series(
    frame: pl.DataFrame,
    shift: Shift,
    *,
    changes: Sequence[tuple[date, str]] = (),
    onset: date | None = None,
    onset_interval: tuple[date, date] | None = None,
    title: str | None = None,
    subtitle: str | None = None,
) -> go.Figure:
    """Draw a rate over time with its interval, the two windows shaded, immature weeks greyed, changes as lines.

    ``frame`` has a row per week, or per coarser step: ``week`` (Date, its first day), ``k``, ``n`` (integers), ``lo``,
    ``hi`` (ends of the rate's interval, null where unknown) and ``matured`` (Boolean; false: more appeals will come).
    """
    rows = frame.filter(pl.col("n") > 0).sort("week").with_columns(rate=pl.col("k") / pl.col("n"))
    words = Words(
        title or shift_title(shift),
        subtitle or shift_subtitle(shift),
        f"Line of {metric_title(shift.metric).lower()} over {rows.height} steps of time, from "
        f"{percent(shift.before.rate)} in the baseline to {percent(shift.after.rate)} in the focus window; "
        f"{rows.filter(~pl.col('matured')).height} immature steps are greyed.",
    )
    figure = drawing(words, height=340, legend=True)
    _shade_windows(figure, shift)
    _band(figure, rows)
    _line(figure, rows)
    _changes(figure, changes, onset or (shift.focus.start if isinstance(shift.focus, Period) else None))
    if onset is not None:
        if onset_interval:
            figure.add_vrect(x0=onset_interval[0], x1=onset_interval[1], fillcolor=PURPLE, opacity=0.22, line_width=0)
        _vertical(figure, onset, "onset", PURPLE)
    figure.update_yaxes(tickformat=".0%", rangemode="tozero", title_text=metric_title(shift.metric))
    return figure


def _band(figure: go.Figure, rows: pl.DataFrame) -> None:
    known = rows.drop_nulls(["lo", "hi"])
    if known.is_empty():
        return
    weeks = known["week"].to_list()
    figure.add_scatter(
        x=weeks + weeks[::-1], y=known["hi"].to_list() + known["lo"].to_list()[::-1], fill="toself", mode="lines",
        line={"width": 0}, fillcolor="rgba(0, 114, 178, 0.20)", name="interval", hoverinfo="skip",
    )  # fmt: skip


def _line(figure: go.Figure, rows: pl.DataFrame) -> None:
    strong = pl.col("matured") & (pl.col("n") >= SMALL_N)
    figure.add_scatter(
        x=rows["week"].to_list(), y=rows["rate"].to_list(), mode="lines", showlegend=False, hoverinfo="skip",
        line={"color": BLUE, "width": 2, "dash": "dot"},
    )  # fmt: skip
    kinds = (
        ("rate", strong, BLUE, "circle"),
        (f"fewer than {SMALL_N} rows", pl.col("matured") & (pl.col("n") < SMALL_N), GREY, "circle-open"),
        ("immature: more will come", ~pl.col("matured"), GREY, "x-thin-open"),
    )
    for name, which, colour, symbol in kinds:
        part = rows.filter(which)
        if part.is_empty():
            continue
        figure.add_scatter(
            x=part["week"].to_list(), y=part["rate"].to_list(), mode="markers", name=name,
            marker=mark(colour, symbol, 8),
            customdata=list(zip(part["k"].to_list(), part["n"].to_list(), strict=True)),
            hovertemplate="%{x|%d %b %Y}<br>%{y:.1%} (%{customdata[0]:,} of %{customdata[1]:,})<extra></extra>",
        )  # fmt: skip


def _shade_windows(figure: go.Figure, shift: Shift) -> None:
    for window, name, colour in ((shift.baseline, "baseline", GREY), (shift.focus, "focus", VERMILION)):
        if isinstance(window, Period):
            figure.add_vrect(
                x0=window.start, x1=window.end - timedelta(days=1), fillcolor=colour, opacity=0.10, line_width=0,
                layer="below", annotation_text=name, annotation_position="top left",
            )  # fmt: skip


def _changes(figure: go.Figure, changes: Sequence[tuple[date, str]], near: date | None) -> None:
    """Draw the changes nearest to the onset as labelled lines, the others as short marks on the axis."""
    ranked = sorted(changes, key=lambda change: (abs((change[0] - near).days) if near else 0, change))
    for at, label in ranked[:LABELLED]:
        _vertical(figure, at, label, ORANGE)
    for at, label in ranked[LABELLED:]:
        line = {"color": ORANGE, "width": 2}
        figure.add_shape(type="line", x0=at, x1=at, y0=0, y1=0.05, yref="y domain", line=line, name=plain(label, 34))


def _vertical(figure: go.Figure, at: date, label: str, colour: str) -> None:
    earlier = sum(1 for shape in figure.layout.shapes if shape.type == "line")
    figure.add_shape(
        type="line", x0=at, x1=at, y0=0, y1=1, yref="y domain", line={"color": colour, "width": 2, "dash": "dash"}
    )
    figure.add_annotation(
        x=at, y=1, yref="y domain", yanchor="top", yshift=-20 - 16 * (earlier % 3), xanchor="right", xshift=-4,
        text=plain(label, 34), hovertext=plain(label),
    )  # fmt: skip


def waterfall(
    shift: Shift,
    decomposition: Decomposition,
    *,
    names: Mapping[str, str],
    title: str | None = None,
    subtitle: str | None = None,
) -> go.Figure:
    """Draw how the shift adds up: baseline rate, each cause, the mix over each dimension, the residual, focus rate.

    ``names`` gives the words for each cause's id. Causes are solid, mix is hatched, the residual is dotted.
    """
    steps = [
        *((names.get(i, i), v, "", VERMILION if v > 0 else SKY) for i, v in decomposition.causes.items()),
        *((name, value, "/", BLUE) for name, value in _mix_steps(decomposition)),
        ("not explained", decomposition.residual, ".", GREY),
    ]
    start, end = shift.before.rate, shift.after.rate
    levels = [start]
    for _, value, _, _ in steps:
        levels.append(levels[-1] + value)
    explained = sum(decomposition.causes.values())
    words = Words(
        title or f"The named causes carry {points(explained)} of the {points(decomposition.delta)}",
        subtitle or shift_subtitle(shift),
        f"Waterfall from {percent(start)} to {percent(end)}: "
        + "; ".join(f"{name} {points(value)}" for name, value, _, _ in steps)
        + ".",
    )
    labels = ["baseline", *(name for name, *_ in steps), "focus"]
    figure = drawing(words, height=rows_height(labels))
    _totals(figure, start, end, last=len(steps) + 1)
    for row, (_, value, pattern, colour) in enumerate(steps, start=1):
        figure.add_bar(
            x=[value], base=[levels[row - 1]], y=[row], orientation="h", showlegend=False, width=0.36,
            marker={"color": colour, "pattern": {"shape": pattern, "fillmode": "replace" if pattern else "overlay"}},
            text=[points(value)], textposition="outside", cliponaxis=False, constraintext="none",
            hovertemplate=f"{points(value)}<extra></extra>",
        )  # fmt: skip
    for row, level in enumerate(levels):
        figure.add_shape(type="line", x0=level, x1=level, y0=row - 0.2, y1=row + 1.2, line={"color": GREY, "width": 1})
    label_rows(figure, labels)
    low, high = min(levels), max(levels)
    figure.update_xaxes(tickformat=".0%", title_text=metric_title(shift.metric), range=_room(low, high))
    figure.update_layout(bargap=0.5)
    return figure


def _mix_steps(decomposition: Decomposition) -> list[tuple[str, float]]:
    """The mix over each dimension, largest first; beyond ``MIX_STEPS`` the rest is one step, with what has no name."""
    ranked = sorted(decomposition.mix, key=lambda m: (m.dimension == OTHERS, -abs(m.contribution), m.dimension))
    named = [m for m in ranked[:MIX_STEPS] if m.dimension != OTHERS]
    steps = [(f"mix over {dimension(m.dimension)}", m.contribution) for m in named]
    rest = [m.contribution for m in ranked[len(named) :]]
    return [*steps, ("mix over other dimensions", sum(rest))] if rest else steps


def _totals(figure: go.Figure, start: float, end: float, *, last: int) -> None:
    """The two rates are marks, not bars: the axis may start above zero."""
    figure.add_scatter(
        x=[start, end], y=[0, last], mode="markers+text", showlegend=False, hoverinfo="skip", cliponaxis=False,
        text=[f"  {percent(start)}", f"  {percent(end)}"], textposition="middle right",
        marker=mark(GREY, "diamond"),
    )  # fmt: skip


def _room(low: float, high: float) -> list[float]:
    """The axis of a waterfall: from zero when the rates are near it, else from a little below the lowest step."""
    span = max(high - low, 1e-6)
    left = 0.0 if low < 2.5 * span else low - 0.6 * span
    return [left, high + 0.3 * (high - left)]


def adds_up(decomposition: Decomposition) -> bool:
    """Say whether causes, mix and residual add up to the shift, to 1e-9."""
    parts = sum(decomposition.causes.values()) + sum(m.contribution for m in decomposition.mix) + decomposition.residual
    return abs(parts - decomposition.delta) <= 1e-9
