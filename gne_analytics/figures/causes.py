"""Figures of why: the causes ranked with their effects, a cause's own series, and its segment beside its siblings."""

from collections.abc import Mapping, Sequence
from datetime import date
from html import escape
from typing import Final

import plotly.graph_objects as go
import polars as pl

from gne_analytics.evidence.render import number, percent, points
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Cause, CauseKind, Counts, Period, Shift
from gne_analytics.figures.shifts import shift_series, sides_series
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
    plain,
    points_axis,
    rows_height,
    share_ticks,
)
from gne_analytics.figures.wording import (
    between,
    dimension,
    from_to,
    in_time,
    kind_of,
    metric_title,
    named,
    shift_subtitle,
    sides,
    window,
)

_SYMBOL: Final = {"confirmed": "circle", "candidate": "circle-open"}


def causes_ranked(
    causes: Sequence[Cause],
    *,
    shift: Shift | None = None,
    names: Mapping[str, str] | None = None,
    links: Mapping[str, str] | None = None,
    title: str | None = None,
    subtitle: str | None = None,
) -> go.Figure:
    """Draw each cause's mix-adjusted effect with its interval, in rank order; confirmed filled, candidate hollow.

    ``names`` gives the words for each cause's id, else its segment is spelt out; ``links`` the address that a click on
    a cause's label opens. A ``shift`` says whether all of them compare periods, as is taken without one, or segments.
    """
    ranked = sorted(causes, key=lambda c: c.rank)
    segments = shift if shift is not None and not in_time(shift) else None
    there, here = sides(segments) if segments else ("before", "after")
    what = "difference" if segments else "change"
    labels = [(names or {}).get(c.id) or named(c.segment) for c in ranked]
    confirmed = sum(c.status == "confirmed" for c in ranked)
    words = Words(
        title
        or (
            f"First cause: {labels[0]}, {points(ranked[0].effect.value)} inside it" if ranked else "No cause was found"
        ),
        subtitle
        or f"{confirmed} confirmed on held-out units, {len(ranked) - confirmed} candidate; {what} of the rate inside "
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
        _effect(figure, row, cause, (there, here))
    label_rows(figure, labels, [points(c.effect.value) for c in ranked])
    for label, cause in zip(figure.layout.annotations if links else (), ranked, strict=False):
        label.text = f'<a href="{escape((links or {})[cause.id])}" target="_self">{label.text}</a>'
    for status, symbol in _SYMBOL.items():
        if any(c.status == status for c in ranked):
            legend_mark(figure, status, BLUE, symbol)
    figure.add_vline(x=0, line={"color": GREY, "width": 1})
    ends = [0.0] + [e for c in ranked for e in _ends(c)]
    room = 0.06 * ((max(ends) - min(ends)) or 0.1)
    title = f"difference between {there} and {here}" if segments else "change"
    figure.update_xaxes(
        **points_axis(min(ends) - room, max(ends) + room), title_text=plain(f"{title} inside the segment, points")
    )
    return figure


def _ends(cause: Cause) -> tuple[float, ...]:
    """What the axis of effects has to hold of a cause."""
    interval = cause.effect.interval
    return (cause.effect.value, *((interval.lo, interval.hi) if interval else ()))


def is_small(counts: Counts) -> bool:
    """Say whether a window holds too few rows to read much into its rate."""
    return counts.n < SMALL_N


def _effect(figure: go.Figure, row: int, cause: Cause, names: tuple[str, str]) -> None:
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
        customdata=[[points(cause.effect.value), between(cause.effect), cause.before.n, cause.after.n, cause.status]],
        hovertemplate="%{customdata[0]} %{customdata[1]}<br>n = %{customdata[2]:,} "
        f"{plain(names[0])}, %{{customdata[3]:,}} {plain(names[1])}<br>%{{customdata[4]}}<extra></extra>",
    )  # fmt: skip


SIBLINGS: Final = 8
"""Siblings that are shown beside the cause, the largest."""
LEAST_ROWS: Final = 10
"""A sibling with fewer rows in both windows together says nothing."""


def shown_siblings(frame: pl.DataFrame) -> tuple[list[str], int]:
    """Return the values that a figure and a table of siblings show, in one order, and how many they leave out.

    The cause's come first; of the others the largest, by the rate in the focus window.
    """
    sizes = frame.group_by("value").agg(
        pl.col("in_cause").any(), pl.col("n").sum(),
        rate=(pl.col("k") / pl.col("n")).filter((pl.col("window") == "focus") & (pl.col("n") > 0)).max(),
    )  # fmt: skip
    own, others = sizes.filter("in_cause"), sizes.filter(~pl.col("in_cause"), pl.col("n") > 0)
    shown = others.filter(pl.col("n") >= LEAST_ROWS).sort(["n", "value"], descending=[True, False]).head(SIBLINGS)
    ranked = pl.concat([own, shown]).sort(
        ["in_cause", "rate", "value"], descending=[True, True, False], nulls_last=True
    )
    return ranked["value"].to_list(), others.height - shown.height


def sibling_rows(frame: pl.DataFrame) -> int:
    """Return how many rows the siblings that are shown have; none where no sibling is."""
    return int(frame.filter(pl.col("value").is_in(shown_siblings(frame)[0]), ~pl.col("in_cause"))["n"].sum())


def siblings(
    frame: pl.DataFrame,
    *,
    title: str,
    subtitle: str,
    names: tuple[str, str] = ("before", "after"),
) -> go.Figure:
    """Draw a cause's segment beside its siblings along one dimension: rate before (hollow) and after (filled).

    ``frame`` has a row per value and window: ``value`` (text), ``window`` (``baseline`` or ``focus``), ``k``, ``n``,
    ``lo``, ``hi`` (ends of the rate's interval) and ``in_cause`` (Boolean). The values of `shown_siblings` are drawn,
    each with both rates beside its name; ``names`` are those of the two windows.
    """
    rows = frame.filter(pl.col("n") > 0).with_columns(rate=pl.col("k") / pl.col("n"))
    order, _ = shown_siblings(frame)
    alt = f"Two dots for each of {len(order)} values, the rate {names[0]} and {names[1]}. {title}. {subtitle}"
    words = Words(title, subtitle, alt)
    cause_values = set(rows.filter(pl.col("in_cause"))["value"])
    labels = [f"{v} (the cause)" if v in cause_values else v for v in order]
    figure = drawing(words, height=rows_height(labels), legend=True)
    rates = {(row["value"], row["window"]): percent(row["rate"], row["n"]) for row in rows.iter_rows(named=True)}
    both = [" → ".join(rates.get((v, window), "no rows") for window in ("baseline", "focus")) for v in order]
    drawn = rows.filter(pl.col("value").is_in(order))
    for row in drawn.iter_rows(named=True):
        _sibling(figure, order.index(row["value"]), row)
    label_rows(figure, labels, [text.replace(" → ", " · ") if names[0] != "before" else text for text in both])
    span = _span(drawn)
    legend_mark(figure, names[0], GREY, "circle-open")
    strong = drawn.filter(pl.col("window") == "focus", pl.col("n") >= SMALL_N)
    for held, name, colour in (
        (strong.filter("in_cause"), "the cause", VERMILION),
        (strong.filter(~pl.col("in_cause")), "a sibling", BLUE),
        (drawn.filter(pl.col("window") == "focus", pl.col("n") < SMALL_N), f"fewer than {SMALL_N} rows", GREY),
    ):
        if held.height:
            legend_mark(figure, f"{names[1]}: {name}", colour)
    figure.update_xaxes(tickformat=share_ticks(*span), rangemode="tozero", range=span, title_text="rate")
    return figure


def _span(rows: pl.DataFrame) -> list[float]:
    """From zero to a little beyond the highest rate; intervals of small rows may reach out of the picture."""
    reach = pl.when(pl.col("n") >= SMALL_N).then(pl.max_horizontal("rate", "hi")).otherwise("rate")
    highest = max([0.0, *rows.select(reach.alias("reach"))["reach"].drop_nulls().to_list()])
    top = min(1.1 * highest, 1.02) if highest <= 1 else 1.1 * highest
    return [-0.01 * top, top] if highest else [-0.01, 1.0]


def inside_series(
    frame: pl.DataFrame,
    shift: Shift,
    cause: Cause,
    *,
    changes: Sequence[tuple[date, str]] = (),
    matched: Sequence[tuple[date, str]] = (),
) -> go.Figure:
    """Draw a cause's own series: the rate inside its segment over time, with its onset and the changes that fit.

    Of a new or a vanished segment ``frame`` holds its share of all rows, for that is what began or ended. Between two
    segments both are drawn, nothing has an onset, and ``frame`` has the columns of `sides_series`.
    """
    inside = shift.model_copy(update={"before": cause.before, "after": cause.after})
    title, subtitle = inside_title(cause, shift), shift_subtitle(inside)
    if not in_time(shift):
        there, here = sides(shift)
        return sides_series(frame, shift, title=title, subtitle=f"{subtitle}; {there} hollow, {here} filled")
    volume = cause.kind in VOLUMES
    return shift_series(
        frame, shift, changes=changes, matched=matched, onset=cause.onset, onset_interval=cause.onset_interval,
        rate="Share of all rows" if volume else metric_title(shift.metric), subtitle=subtitle,
        title=f"{title}: {_shares(frame, shift)} of all rows" if volume else title,
    )  # fmt: skip


def inside_title(cause: Cause, shift: Shift) -> str:
    """Say what a cause's own series shows: its rates on either side, or that it is new or gone."""
    place, kind = named(cause.segment), kind_of(cause, shift)
    if cause.kind in VOLUMES:
        return f"{place}, {kind}" if not in_time(shift) else f"{place}, a {kind}"
    rates = from_to(shift, *(percent(c.rate, c.n) if c.n else "no rows" for c in (cause.before, cause.after)))
    return f"Inside {place}: {rates}" if cause.segment.depth else f"Everything: {rates}"


VOLUMES: Final = frozenset({CauseKind.NEW_SEGMENT, CauseKind.VANISHED_SEGMENT})
"""Kinds of cause whose onset is that of their rows, not of their rate."""


def _shares(frame: pl.DataFrame, shift: Shift) -> str:
    """From which share of all rows to which the segment went."""
    held = []
    for span in (shift.baseline, shift.focus):
        assert isinstance(span, Period)  # noqa: S101 - drawn for two periods only
        within = frame.filter(pl.col("week").is_between(span.start, span.end, closed="left"))
        rows = int(within["n"].sum())
        held.append(percent(int(within["k"].sum()) / rows) if rows else "no rows")
    return from_to(shift, held[0], held[1])


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


def beside(frame: pl.DataFrame, shift: Shift, cause: Cause) -> go.Figure:
    """Draw `siblings` of a cause of a shift: what they show as title, what is held fixed and the windows below."""
    along = frame["along"][0] if "along" in frame.columns and frame.height else ""
    fixed = Segment.of({d: v for d, v in cause.segment.items() if d != along})
    held = bool(frame["held"][0]) if "held" in frame.columns and frame.height else True
    free = ", siblings of any " + " and ".join(dimension(d) for d in fixed.dimensions)
    within = "" if not fixed.depth else f", within {named(fixed)}" if held else free
    where = f"Along {dimension(along)}{within}; " if along else ""
    there, here = sides(shift)
    return siblings(
        frame,
        title=sibling_title(frame),
        subtitle=f"{where}{window(shift.baseline)} hollow, {window(shift.focus)} filled",
        names=(there, here),
    )


def sibling_title(frame: pl.DataFrame) -> str:
    """Say what the siblings show: the cause's rate after, and the rest's."""
    focus = frame.filter((pl.col("window") == "focus") & (pl.col("n") > 0))
    parts = focus.group_by("in_cause").agg(rate=pl.col("k").sum() / pl.col("n").sum())
    rates = dict(zip(parts["in_cause"].to_list(), parts["rate"].to_list(), strict=True))
    if True not in rates or False not in rates:
        return "The cause stands alone in its dimension"
    return f"The segment stands at {percent(rates[True])}, its siblings together at {percent(rates[False])}"
