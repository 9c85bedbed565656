"""The figure of a rule's frontier: what its thresholds can trade, and where today stands."""

from typing import Any

import plotly.graph_objects as go

from gne_analytics.evidence.proposals import Backtest, Outcome
from gne_analytics.evidence.render import number
from gne_analytics.evidence.types import Interval
from gne_analytics.figures.theme import (
    BLUE,
    GREY,
    ORANGE,
    PURPLE,
    VERMILION,
    Words,
    drawing,
    legend_mark,
    mark,
    plain,
)
from gne_analytics.figures.wording import signed
from gne_analytics.strategy.frontier import SAID, Frontier


def frontier(
    found: Frontier, *, own: Backtest | None = None, title: str | None = None, subtitle: str | None = None
) -> go.Figure:
    """Draw every point of a frontier by what it adds to wrongful enforcement and to missed violations.

    Both are differences to today, which stands at nought, on the sellers that the search did not see, with their
    intervals for the point that is best at the stated costs. Down and to the left is better. ``own`` is the backtest of
    a proposal on the same sellers, as a proposal is judged by default: it is marked beside the points.
    """
    rows = found.table.to_dicts()
    stated = rows[found.stated]
    words = Words(
        title or _title(stated),
        subtitle
        or f"{plain(found.rule, 40)}: {number(len(rows))} points"
        + (f" by {plain(', '.join(found.by), 60)}" if found.by else "")
        + "; differences to today, cases of sellers not searched",
        f"Scatter of {len(rows)} choices of thresholds around today at nought; at the stated costs wrongful "
        f"{signed(stated['wrongful'])}, "
        f"missed {signed(stated['missed'])}{_beside(own)}.",
    )
    figure = drawing(words, height=440, legend=True)
    figure.add_hline(y=0, line={"color": GREY, "width": 1}, layer="below")
    figure.add_vline(x=0, line={"color": GREY, "width": 1}, layer="below")
    ordered = sorted(rows, key=lambda row: row["point"])
    figure.add_scatter(
        x=[r["wrongful"] for r in ordered], y=[r["missed"] for r in ordered], mode="lines", showlegend=False,
        line={"color": GREY, "dash": "dot", "width": 2}, hoverinfo="skip",
    )  # fmt: skip
    _points(
        figure,
        [r for r in rows if r is not stated and not r["forbidden"]],
        "a choice of thresholds",
        BLUE,
        "circle-open",
        9,
    )
    _points(figure, [r for r in rows if r["forbidden"]], "too many reviews", VERMILION, "x", 9)
    figure.add_scatter(
        x=[stated["wrongful"]], y=[stated["missed"]], mode="markers", marker=mark(BLUE, "star", 16), showlegend=False,
        error_x=_reach(stated, "wrongful"), error_y=_reach(stated, "missed"), hovertemplate=_told(stated),
    )  # fmt: skip
    legend_mark(figure, "best at the stated costs", BLUE, "star")
    if own is not None:
        _own(figure, own)
    figure.add_scatter(
        x=[0],
        y=[0],
        mode="markers",
        marker=mark(ORANGE, "square", 13),
        showlegend=False,
        hovertemplate="today<extra></extra>",
    )
    legend_mark(figure, "today", ORANGE, "square")
    figure.update_xaxes(title_text="cases wrongly enforced, against today", zeroline=False, tickformat=",")
    figure.update_yaxes(title_text="violations missed, against today", zeroline=False, tickformat=",")
    return figure


def _title(stated: dict[str, Any]) -> str:
    if not stated["changed"]:
        return "No other thresholds are better at the stated costs"
    wrongful, missed = (signed(round(stated[name])) for name in ("wrongful", "missed"))
    verdict = stated["recommendation"]
    doubt = "" if verdict in {"recommend", "today"} else f": {SAID[verdict][0].lower()}{SAID[verdict][1:]}"
    return f"Wrongful {wrongful}, missed {missed} at the stated costs{doubt}"


def _outcomes(own: Backtest | None) -> tuple[Outcome, Outcome] | None:
    """The proposal's wrongful enforcement and missed violations, where its backtest has both."""
    held = {o.name: o for o in own.outcomes} if own else {}
    names = ("wrongful_enforcement", "missed_violations")
    return (held[names[0]], held[names[1]]) if all(name in held for name in names) else None


def _beside(own: Backtest | None) -> str:
    if (both := _outcomes(own)) is None:
        return ""
    wrongful, missed = (signed(o.difference.value) for o in both)
    return f"; the proposal: wrongful {wrongful}, missed {missed}"


def _own(figure: go.Figure, own: Backtest) -> None:
    if (both := _outcomes(own)) is None:
        return
    wrongful, missed = (o.difference for o in both)
    figure.add_scatter(
        x=[wrongful.value], y=[missed.value], mode="markers", marker=mark(PURPLE, "diamond-open", 15), showlegend=False,
        error_x=_span(wrongful.value, wrongful.interval, PURPLE), error_y=_span(missed.value, missed.interval, PURPLE),
        hovertemplate="this proposal<br>wrongful %{x:+,.0f}, missed %{y:+,.0f}<extra></extra>",
    )  # fmt: skip
    legend_mark(figure, "this proposal", PURPLE, "diamond-open")


def _points(figure: go.Figure, rows: list[dict[str, Any]], name: str, colour: str, symbol: str, size: int) -> None:
    for row in rows:
        figure.add_scatter(
            x=[row["wrongful"]], y=[row["missed"]], mode="markers", marker=mark(colour, symbol, size),
            showlegend=False, hovertemplate=_told(row),
        )  # fmt: skip
    if rows:
        legend_mark(figure, name, colour, symbol)


def _reach(row: dict[str, Any], name: str) -> dict[str, Any]:
    return _span(row[name], Interval(lo=row[f"{name}_lo"], hi=row[f"{name}_hi"]), BLUE)


def _span(value: float, interval: Interval | None, colour: str) -> dict[str, Any]:
    lo, hi = (interval.lo, interval.hi) if interval else (value, value)
    return {
        "type": "data", "symmetric": False, "color": colour, "thickness": 1.5,
        "array": [hi - value], "arrayminus": [value - lo],
    }  # fmt: skip


def _told(row: dict[str, Any]) -> str:
    changes = [
        f"{plain(t['segment'], 40) or 'all'}: {t['today']:g} to {t['threshold']:g}"
        for t in row["thresholds"]
        if t["threshold"] != t["today"]
    ]
    more = f"<br>and {len(changes) - 6} more" if len(changes) > 6 else ""
    return (
        f"point {row['point']}, {plain(row['recommendation'].replace('_', ' '), 30)}<br>"
        f"wrongful %{{x:+,.0f}}, missed %{{y:+,.0f}}, reviews {row['reviews']:+,.0f}<br>"
        + "<br>".join(changes[:6])
        + more
        + "<extra></extra>"
    )
