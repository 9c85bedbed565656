"""Figures of a backtest: differences to today, where the cases go, what is known of them, and the guardrails."""

from collections.abc import Sequence
from typing import Final

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gne_analytics.evidence.proposals import Backtest, Flow, Guardrail, Identification, Outcome
from gne_analytics.evidence.render import number, percent
from gne_analytics.evidence.types import Interval
from gne_analytics.figures.theme import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    VERMILION,
    Words,
    drawing,
    label_rows,
    legend_mark,
    mark,
    plain,
    rows_height,
)
from gne_analytics.figures.wording import named, signed

STANDINGS: Final = (
    ("appeal_decided", "appeal decided", "#00224E", ""),
    ("audited", "audited", "#434E6C", ""),
    ("estimable", "estimable from audits", "#7D7C78", ""),
    ("modelled", "bounded by a model", "#BCAF6F", "/"),
    ("unidentified", "unknown", "#FEE838", "x"),
)
"""The standings of truth from best to worst, in cividis; what is not known from labels is hatched too."""


def backtest_differences(backtest: Backtest, *, title: str | None = None, subtitle: str | None = None) -> go.Figure:
    """Draw each outcome's paired difference to today's policy: the interval solid, the worst-case bounds dashed."""
    units = list(dict.fromkeys(outcome.unit for outcome in backtest.outcomes))
    groups = [[o for o in backtest.outcomes if o.unit == unit] for unit in units]
    words = Words(
        title or _difference_title(backtest.outcomes),
        subtitle
        or f"proposed minus today over {number(backtest.cases)} cases, {backtest.target}; label: "
        f"{backtest.label.replace('_', ' ')}; below zero is fewer",
        "Dots with intervals, one row per outcome: "
        + "; ".join(f"{_spelt(o.name)} {signed(o.difference.value)} {o.unit}" for o in backtest.outcomes)
        + ".",
    )
    names = [[_spelt(o.name) for o in group] for group in groups]
    figure = _stack(words, names)
    for panel, (unit, outcomes, labels) in enumerate(zip(units, groups, names, strict=True), start=1):
        for row, outcome in enumerate(outcomes):
            _difference(figure, row, outcome, panel)
        label_rows(figure, labels, [signed(o.difference.value) for o in outcomes], row=panel)
        figure.add_vline(x=0, line={"color": GREY, "width": 1}, row=panel, col=1)
        figure.update_xaxes(title_text=plain(unit), row=panel, col=1)
    legend_mark(figure, "estimate with interval", BLUE)
    if any(o.bounds for o in backtest.outcomes):
        legend_mark(figure, "worst-case bounds", ORANGE, "square-open")
    return figure


def _spelt(name: str) -> str:
    return name.replace("_", " ")


def _difference_title(outcomes: Sequence[Outcome]) -> str:
    if not outcomes:
        return "Nothing could be estimated"
    first = outcomes[0]
    return f"{_spelt(first.name).capitalize()}: {signed(first.difference.value)} {first.unit} against today"


def _stack(words: Words, panels: Sequence[Sequence[str]]) -> go.Figure:
    """An empty figure of panels below each other, each as tall as its rows ask."""
    heights = [rows_height(labels) for labels in panels] or [120]
    figure = drawing(words, height=sum(heights), legend=True)
    stacked = make_subplots(
        rows=len(heights), cols=1, row_heights=[float(h - 58) for h in heights], vertical_spacing=64 / sum(heights)
    )
    stacked.update_layout(figure.layout)
    return stacked


def _difference(figure: go.Figure, row: int, outcome: Outcome, panel: int) -> None:
    for span, colour, dash, symbol, down in (
        (outcome.bounds, ORANGE, "dot", "square-open", 0.16),
        (outcome.difference.interval, BLUE, "solid", "line-ns-open", 0.0),
    ):
        if span is not None:
            figure.add_trace(_span(span, row + down, colour, dash, symbol), row=panel, col=1)
    figure.add_trace(
        go.Scatter(
            x=[outcome.difference.value], y=[row], mode="markers", showlegend=False, cliponaxis=False,
            marker=mark(BLUE), customdata=[[outcome.difference.n, outcome.label_source.value]],
            hovertemplate="%{x:+,.1f}<br>n = %{customdata[0]:,}<br>label: %{customdata[1]}<extra></extra>",
        ),
        row=panel,
        col=1,
    )  # fmt: skip


def _span(span: Interval, y: float, colour: str, dash: str, symbol: str) -> go.Scatter:
    return go.Scatter(
        x=[span.lo, span.hi], y=[y, y], mode="lines+markers", showlegend=False,
        line={"color": colour, "width": 2.5, "dash": dash},
        marker=mark(colour, symbol, 9),
        hovertemplate="%{x:+,.1f}<extra></extra>",
    )  # fmt: skip


def flow_bar(flow: Flow, *, title: str | None = None, subtitle: str | None = None) -> go.Figure:
    """Draw where the record's cases go under the proposed set: kept, released, new, rerouted, untouched."""
    parts = [
        ("kept: enforced today and then", flow.kept, GREY, ""),
        ("released: no longer enforced", flow.released, GREEN, ""),
        ("new: enforced for the first time", flow.new, VERMILION, "/"),
        ("rerouted to review, or from it", flow.rerouted, BLUE, "."),
        ("untouched: no rule fires", flow.untouched, GREY, "x"),
    ]
    total = sum(n for _, n, _, _ in parts)
    words = Words(
        title or f"{number(flow.released)} cases would be released, {number(flow.new)} newly enforced",
        subtitle or f"{number(total)} cases of the record, replayed under today's set and under the proposed one",
        "Bars: " + "; ".join(f"{name} {number(n)}" for name, n, _, _ in parts) + ".",
    )
    labels = [name for name, *_ in parts]
    figure = drawing(words, height=rows_height(labels))
    for row, (_, n, colour, pattern) in enumerate(parts):
        share = f" ({percent(n / total)})" if total else ""
        figure.add_bar(
            x=[n], y=[row], orientation="h", width=0.36, showlegend=False, text=[f"{number(n)}{share}"],
            textposition="outside", cliponaxis=False, constraintext="none", hoverinfo="skip",
            marker={"color": colour, "pattern": {"shape": pattern, "fillmode": "replace" if pattern else "overlay"}},
        )  # fmt: skip
    label_rows(figure, labels)
    figure.update_xaxes(range=[0, 1.35 * max((n for _, n, _, _ in parts), default=1) or 1], title_text="cases")
    return figure


def identification_bar(
    identification: Identification, *, title: str | None = None, subtitle: str | None = None
) -> go.Figure:
    """Draw how many affected cases have which standing of truth, from a decided appeal down to unknown."""
    total = identification.total
    sizes = [int(getattr(identification, field)) for field, *_ in STANDINGS]
    known = f"The truth of {percent(identification.coverage)} of the affected cases is known or estimable"
    words = Words(
        title or (known if total else "No case is affected"),
        subtitle or f"{number(total)} affected cases, each counted at its best standing",
        "One bar in five parts: "
        + "; ".join(f"{name} {number(n)}" for (_, name, _, _), n in zip(STANDINGS, sizes, strict=True))
        + ".",
    )
    figure = drawing(words, height=130, legend=True)
    for (_, name, colour, pattern), size in zip(STANDINGS, sizes, strict=True):
        figure.add_bar(
            x=[size], y=[0], orientation="h", name=f"{name} {number(size)}", width=0.8,
            marker={"color": colour, "line": {"color": GREY, "width": 1}, "pattern": {"shape": pattern}},
            hovertemplate="%{x:,}<extra></extra>",
        )  # fmt: skip
    figure.update_layout(barmode="stack", legend={"traceorder": "normal"})
    figure.update_yaxes(visible=False)
    figure.update_xaxes(title_text="affected cases", tickformat=",")
    return figure


def guardrails_plot(
    guardrails: Sequence[Guardrail], *, limit: int = 12, title: str | None = None, subtitle: str | None = None
) -> go.Figure:
    """Draw each guardrail's difference with its interval, and the margin beyond which it fails, as a bar of its own.

    Passing is a filled circle, failing a cross, and cannot tell a hollow circle. The ``limit`` worst are drawn.
    """
    order = {"fail": 0, "cannot_tell": 1, "pass": 2}
    ranked = sorted(guardrails, key=lambda g: (order[g.verdict], g.margin - g.difference.value, g.name, str(g.slice)))
    tally = {verdict: sum(g.verdict == verdict for g in ranked) for verdict in order}
    rows = ranked[:limit]
    words = Words(
        title or _guardrail_title(tally),
        subtitle
        or f"{len(rows)} of {len(ranked)} slices, the worst first; difference to today, the upright bar is the margin",
        "Dots with intervals, one row per guardrail: "
        + "; ".join(f"{_spelt(g.name)} for {named(g.slice)}: {g.verdict.replace('_', ' ')}" for g in rows)
        + ".",
    )
    labels = [f"{_spelt(g.name)}, {named(g.slice)}" for g in rows]
    figure = drawing(words, height=rows_height(labels), legend=True)
    for row, guardrail in enumerate(rows):
        _guard(figure, row, guardrail)
    label_rows(figure, labels, [g.verdict.replace("_", " ") for g in rows])
    figure.add_vline(x=0, line={"color": GREY, "width": 1})
    if all(abs(g.difference.value) <= 1 for g in rows):
        figure.update_xaxes(tickformat="+.0%")
    for name, (symbol, colour) in _VERDICTS.items():
        if tally[name]:
            legend_mark(figure, name.replace("_", " "), colour, symbol)
    return figure


_VERDICTS: Final = {
    "pass": ("circle", GREEN),
    "fail": ("x", VERMILION),
    "cannot_tell": ("circle-open", GREY),
}


def _guardrail_title(tally: dict[str, int]) -> str:
    if not sum(tally.values()):
        return "No guardrail was set"
    said = [f"{n} {verdict.replace('_', ' ')}" for verdict, n in tally.items() if n]
    return "Guardrails: " + ", ".join(said)


def _guard(figure: go.Figure, row: int, guardrail: Guardrail) -> None:
    symbol, colour = _VERDICTS[guardrail.verdict]
    interval = guardrail.difference.interval
    if interval is not None:
        figure.add_trace(_span(interval, row, colour, "solid", "line-ns-open"))
    figure.add_scatter(
        x=[guardrail.difference.value], y=[row], mode="markers", showlegend=False,
        marker=mark(colour, symbol, 12),
        customdata=[[guardrail.difference.n, plain(guardrail.why)]],
        hovertemplate="%{x:+.4g}<br>n = %{customdata[0]:,}<br>%{customdata[1]}<extra></extra>",
    )  # fmt: skip
    figure.add_shape(
        type="line", x0=guardrail.margin, x1=guardrail.margin, y0=row - 0.22, y1=row + 0.22,
        line={"color": ORANGE, "width": 4},
    )  # fmt: skip
