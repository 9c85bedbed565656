"""Figures of what moved: the series with its windows, and the waterfall that takes the shift apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import isnan
from typing import Final, Literal

import plotly.graph_objects as go
import polars as pl

from gne_analytics.evidence.days import are_years, long_date
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
    legend_mark,
    mark,
    plain,
    rows_height,
    share_ticks,
)
from gne_analytics.figures.wording import (
    dimension,
    in_time,
    metric_title,
    shift_subtitle,
    shift_title,
    sides,
    window,
)

ROWS: Final = 7
"""Rows that the names of lines take in turn."""

LABELLED: Final = 3
"""Changes of the world that a series names; more would hide the line."""

CAUSE_STEPS: Final = 8
"""Causes with a step of their own in a waterfall; more would not fit a screen."""

MIX_STEPS: Final = 2
"""Dimensions whose mix has a step of its own in a waterfall."""

_PATTERNS: Final = {"cause": "", "mix": "/", "residual": "."}

OTHERS: Final = "(other dimensions)"
"""What a decomposition calls the dimensions that it did not take one by one."""


def shift_series(
    frame: pl.DataFrame,
    shift: Shift,
    *,
    changes: Sequence[tuple[date, str]] = (),
    matched: Sequence[tuple[date, str]] = (),
    onset: date | None = None,
    onset_interval: tuple[date, date] | None = None,
    rate: str = "",
    title: str | None = None,
    subtitle: str | None = None,
) -> go.Figure:
    """Draw a rate over time with its interval, the two windows shaded, immature weeks greyed, changes as lines.

    ``frame`` has a row per week, or per coarser step: ``week`` (Date, its first day), ``k``, ``n`` (integers), ``lo``,
    ``hi`` (ends of the rate's interval, null where unknown) and ``matured`` (Boolean; false: more appeals will come).
    ``matched`` are changes that fit a cause: they are named, and of all others only the days are marked; without any,
    the changes nearest to the onset are named. ``rate`` says what is drawn where that is not the shift's metric.
    """
    rows = frame.filter(pl.col("n") > 0).sort("week").with_columns(rate=pl.col("k") / pl.col("n"))
    drawn = rate or metric_title(shift.metric)
    words = Words(
        title or shift_title(shift),
        subtitle or shift_subtitle(shift),
        f"Line of {drawn.lower()} over {rows.height} steps of time"
        + (f", from {percent(shift.before.rate)} in the baseline to {percent(shift.after.rate)} in the focus window; "
           if not rate and in_time(shift) else "; ")
        + f"{rows.filter(~pl.col('matured')).height} immature steps are greyed."
        + (f" Its onset is {_onset_in_words(onset, rows)}." if onset else ""),
    )  # fmt: skip
    figure = drawing(words, height=340, legend=True)
    _shade_windows(figure, shift)
    _band(figure, rows)
    _line(figure, rows, drawn.lower() if rate else "rate")
    near = onset or (shift.focus.start if isinstance(shift.focus, Period) else None)
    early, late = _edges(rows)
    _changes(figure, changes, matched, near, early)
    if onset is not None:
        if onset_interval:
            figure.add_vrect(x0=onset_interval[0], x1=onset_interval[1], fillcolor=PURPLE, opacity=0.22, line_width=0)
        _vertical(figure, onset, "onset", PURPLE, right=onset < late)
    figure.update_yaxes(tickformat=_format_of(rows), rangemode="tozero", title_text=drawn)
    return figure


def _onset_in_words(onset: date, rows: pl.DataFrame) -> str:
    return str(onset.year) if are_years([onset, *rows["week"].to_list()]) else long_date(onset.isoformat())


def _format_of(rows: pl.DataFrame) -> str:
    """The format of an axis from nothing to the highest rate or end of its interval."""
    tops = rows.select(pl.max_horizontal("rate", "hi").alias("top"))["top"].drop_nulls().to_list()
    return share_ticks(0, max(tops, default=1.0))


def _hover(rows: pl.DataFrame) -> str:
    """What a hover says of a step: when (its year where the rows know years only), the rate, and its counts."""
    day = "%Y" if are_years(rows["week"].to_list()) else "%d %b %Y"
    return f"%{{x|{day}}}<br>%{{y:.1%}} (%{{customdata[0]:,}} of %{{customdata[1]:,}})<extra></extra>"


def sides_series(
    frame: pl.DataFrame, shift: Shift, *, title: str | None = None, subtitle: str | None = None
) -> go.Figure:
    """Draw the rates of two segments over time, each with its interval: baseline hollow and dotted, focus filled.

    ``frame`` has the columns of `shift_series`, ``side`` (``baseline`` or ``focus``) and a row per side and step.
    """
    rows = frame.filter(pl.col("n") > 0).sort("week").with_columns(rate=pl.col("k") / pl.col("n"))
    names = sides(shift)
    words = Words(
        title or shift_title(shift),
        subtitle or shift_subtitle(shift),
        f"Two lines of {metric_title(shift.metric).lower()} over time, {names[0]} and {names[1]}. "
        + shift_title(shift)
        + ".",
    )
    figure = drawing(words, height=340, legend=True)
    for side, name, colour, symbol in (
        ("baseline", names[0], VERMILION, "circle-open"),
        ("focus", names[1], BLUE, "circle"),
    ):
        part = rows.filter(pl.col("side") == side)
        _band(figure, part, colour, legend=False)
        _side(figure, part, name, colour, symbol)
    figure.update_yaxes(tickformat=_format_of(rows), rangemode="tozero", title_text=metric_title(shift.metric))
    return figure


def _side(figure: go.Figure, rows: pl.DataFrame, name: str, colour: str, symbol: str) -> None:
    """One segment's line; its steps of few or immature rows are grey, their shape stays."""
    if rows.is_empty():
        return
    strong = (pl.col("matured") & (pl.col("n") >= SMALL_N)).alias("strong")
    colours = [colour if s else GREY for s in rows.select(strong).to_series()]
    figure.add_scatter(
        x=rows["week"].to_list(), y=rows["rate"].to_list(), mode="lines", showlegend=False, hoverinfo="skip",
        line={"color": colour, "width": 2, "dash": "dot" if symbol.endswith("open") else "solid"},
    )  # fmt: skip
    figure.add_scatter(
        x=rows["week"].to_list(), y=rows["rate"].to_list(), mode="markers", showlegend=False,
        marker={**mark(colour, symbol, 8), "color": colours, "line": {"width": 2, "color": colours}},
        customdata=list(zip(rows["k"].to_list(), rows["n"].to_list(), strict=True)),
        hovertemplate=f"{plain(name)}<br>{_hover(rows)}",
    )  # fmt: skip
    legend_mark(figure, name, colour, symbol)


def _band(figure: go.Figure, rows: pl.DataFrame, colour: str = BLUE, *, legend: bool = True) -> None:
    known = rows.drop_nulls(["lo", "hi"])
    if known.is_empty():
        return
    weeks = known["week"].to_list()
    figure.add_scatter(
        x=weeks + weeks[::-1], y=known["hi"].to_list() + known["lo"].to_list()[::-1], fill="toself", mode="lines",
        line={"width": 0}, fillcolor=_faint(colour), name="interval", hoverinfo="skip", showlegend=legend,
    )  # fmt: skip


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, 0.20)"


def _line(figure: go.Figure, rows: pl.DataFrame, drawn: str) -> None:
    strong = pl.col("matured") & (pl.col("n") >= SMALL_N)
    figure.add_scatter(
        x=rows["week"].to_list(), y=rows["rate"].to_list(), mode="lines", showlegend=False, hoverinfo="skip",
        line={"color": BLUE, "width": 2, "dash": "dot"},
    )  # fmt: skip
    kinds = (
        (drawn, strong, BLUE, "circle"),
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
            hovertemplate=_hover(rows),
        )  # fmt: skip


def _shade_windows(figure: go.Figure, shift: Shift) -> None:
    for span, name, colour in ((shift.baseline, "baseline", GREY), (shift.focus, "focus", VERMILION)):
        if isinstance(span, Period):
            figure.add_vrect(
                x0=span.start, x1=span.end - timedelta(days=1), fillcolor=colour, opacity=0.10, line_width=0,
                layer="below", annotation_text=name, annotation_position="top left",
            )  # fmt: skip


def _changes(
    figure: go.Figure, changes: Sequence[tuple[date, str]], matched: Sequence[tuple[date, str]], near: date | None,
    early: date,
) -> None:  # fmt: skip
    """Draw the changes that fit, or else those nearest to the onset, as named lines; the others as marks on the axis.

    A name comes once: changes of one day that say the same are one line. Before ``early`` it stands right of its line.
    """
    ranked = sorted(set(changes), key=lambda change: (abs((change[0] - near).days) if near else 0, change))
    told = list(dict.fromkeys(matched)) or ranked[:LABELLED]
    for at, label in told:
        _vertical(figure, at, label, ORANGE, right=at < early)
    for at, label in ranked:
        if (at, label) not in told:
            line = {"color": ORANGE, "width": 2}
            figure.add_shape(
                type="line", x0=at, x1=at, y0=0, y1=0.05, yref="y domain", line=line, name=plain(label, 34)
            )


def _edges(rows: pl.DataFrame) -> tuple[date, date]:
    """The days before which a name stands right of its line, and from which left of it, so that none is cut off."""
    days: list[date] = rows["week"].to_list()
    if not days:
        return date.min, date.max
    span = days[-1] - days[0]
    return days[0] + 0.4 * span, days[0] + 0.85 * span


def _vertical(figure: go.Figure, at: date, label: str, colour: str, *, right: bool = False) -> None:
    """A line through the picture with its name on one side; each name has a row of its own, so that none overlap."""
    earlier = sum(1 for shape in figure.layout.shapes if shape.type == "line" and shape.y1 == 1)
    figure.add_shape(
        type="line", x0=at, x1=at, y0=0, y1=1, yref="y domain", line={"color": colour, "width": 2, "dash": "dash"}
    )  # fmt: skip
    figure.add_annotation(
        x=at, y=1, yref="y domain", yanchor="top", yshift=-20 - 16 * (earlier % ROWS), xshift=4 if right else -4,
        xanchor="left" if right else "right", text=plain(label, 34), hovertext=plain(label),
    )  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One step of a waterfall: what it is, what it adds, and the rates between which it goes."""

    label: str
    kind: Literal["cause", "mix", "residual"]
    value: float
    start: float
    end: float


def waterfall_steps(shift: Shift, decomposition: Decomposition, names: Mapping[str, str]) -> tuple[Step, ...]:
    """Return the steps from the baseline rate to the focus rate: each cause, the mix by dimension, what is left.

    Together they are the shift, to 1e-9. ``names`` gives the words for each cause's id; beyond ``CAUSE_STEPS`` causes
    the rest is one step, and beyond ``MIX_STEPS`` dimensions too. A shift that cannot be compared has no steps.
    """
    if isnan(decomposition.delta) or isnan(shift.before.rate):
        return ()
    parts: list[tuple[str, Literal["cause", "mix", "residual"], float]] = [
        *((name, "cause", value) for name, value in _cause_steps(decomposition, names)),
        *((name, "mix", value) for name, value in _mix_steps(decomposition)),
        ("not explained", "residual", decomposition.residual),
    ]
    steps: list[Step] = []
    level = shift.before.rate
    for label, kind, value in parts:
        steps.append(Step(label, kind, value, level, level + value))
        level += value
    return tuple(steps)


def waterfall(
    shift: Shift,
    decomposition: Decomposition,
    *,
    names: Mapping[str, str],
    title: str | None = None,
    subtitle: str | None = None,
) -> go.Figure:
    """Draw how the shift adds up: baseline rate, each cause, the mix over each dimension, the residual, focus rate.

    ``names`` gives the words for each cause's id. Causes are solid, mix is hatched, the residual is dotted; the size
    of each step stands beside its name, the two rates beside their windows.
    """
    steps = waterfall_steps(shift, decomposition, names)
    start, end = shift.before.rate, shift.after.rate
    words = Words(
        title or waterfall_title(decomposition),
        subtitle or shift_subtitle(shift),
        f"Waterfall from {percent(start)} to {percent(end)}: "
        + "; ".join(f"{s.label} {points(s.value)}" for s in steps)
        + "."
        if steps
        else "There is nothing to add up: one side has no rate.",
    )
    labels = [window(shift.baseline), *(s.label for s in steps), window(shift.focus)]
    figure = drawing(words, height=rows_height(labels if steps else []))
    if not steps:
        return figure.update_xaxes(visible=False).update_yaxes(visible=False)
    _totals(figure, start, end, last=len(steps) + 1)
    for row, step in enumerate(steps, start=1):
        pattern = _PATTERNS[step.kind]
        colour = {"mix": BLUE, "residual": GREY}.get(step.kind, VERMILION if step.value > 0 else SKY)
        figure.add_bar(
            x=[step.value], base=[step.start], y=[row], orientation="h", showlegend=False, width=0.36,
            marker={"color": colour, "pattern": {"shape": pattern, "fillmode": "replace" if pattern else "overlay"}},
            hovertemplate=f"{points(step.value)}: from {percent(step.start)} to {percent(step.end)}<extra></extra>",
        )  # fmt: skip
    levels = [start, *(s.end for s in steps)]
    figure.layout.shapes = [
        {"type": "line", "x0": v, "x1": v, "y0": row - 0.2, "y1": row + 1.2, "line": {"color": GREY, "width": 1}}
        for row, v in enumerate(levels)
    ]
    label_rows(figure, labels, [percent(start), *(points(s.value) for s in steps), percent(end)])
    low, high = min(levels), max(levels)
    room = _room(low, high)
    figure.update_xaxes(tickformat=share_ticks(*room), title_text=metric_title(shift.metric), range=room)
    figure.update_layout(bargap=0.5)
    return figure


def waterfall_title(decomposition: Decomposition) -> str:
    """Say how much of the shift its causes carry."""
    if isnan(decomposition.delta):
        return "The two sides cannot be compared, so nothing adds up"
    if not decomposition.causes:
        return f"No named cause carries any of the {points(decomposition.delta)}"
    return f"The named causes carry {points(sum(decomposition.causes.values()))} of the {points(decomposition.delta)}"


def _cause_steps(decomposition: Decomposition, names: Mapping[str, str]) -> list[tuple[str, float]]:
    """The causes in the order of their names; beyond ``CAUSE_STEPS`` the rest is one step."""
    order = [*(i for i in names if i in decomposition.causes), *(i for i in decomposition.causes if i not in names)]
    told = [(names.get(i, i), decomposition.causes[i]) for i in order]
    if len(told) <= CAUSE_STEPS + 1:
        return told
    rest = told[CAUSE_STEPS:]
    return [*told[:CAUSE_STEPS], (f"{len(rest)} other causes", sum(value for _, value in rest))]


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
        x=[start, end], y=[0, last], mode="markers", showlegend=False, hoverinfo="skip", cliponaxis=False,
        marker=mark(GREY, "diamond"),
    )  # fmt: skip


def _room(low: float, high: float) -> list[float]:
    """The axis of a waterfall: from zero when the rates are near it, else from a little below the lowest step."""
    span = max(high - low, 1e-6)
    left = 0.0 if 0 <= low < 2.5 * span else low - 0.5 * span
    return [left, high + 0.1 * (high - left)]


def adds_up(decomposition: Decomposition) -> bool:
    """Say whether causes, mix and residual add up to the shift, to 1e-9."""
    parts = sum(decomposition.causes.values()) + sum(m.contribution for m in decomposition.mix) + decomposition.residual
    return abs(parts - decomposition.delta) <= 1e-9
