"""Figures of what people write: the map of texts, themes by size and over weeks, the funnel of appeals."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from html import escape
from textwrap import wrap
from types import MappingProxyType
from typing import Final

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from gne_analytics.evidence.days import long_date
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
    shut_in,
)
from gne_analytics.themes.hierarchy import Node
from gne_analytics.themes.weeks import ThemeWeeks

PANEL: Final = 118
"""Pixels of one theme's panel over the weeks."""
RECENT: Final = 4
"""Written weeks whose votes say which themes are shown over the weeks, where none are named."""
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
    labels = [t.shown for t in shown]
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
    return f"The largest theme is “{themes[0].shown}”, {number(themes[0].folded)} texts"


def _theme_in_words(theme: Theme) -> str:
    overturned = f", {percent(theme.overturn.value)} overturned" if theme.overturn else ""
    return f"{theme.shown} {number(theme.folded)} texts{overturned}"


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


def themes_weekly(
    weeks: ThemeWeeks,
    *,
    ids: Sequence[str] = (),
    limit: int = 6,
    title: str | None = None,
    subtitle: str | None = None,
) -> go.Figure:
    """Draw each theme's share of a week's sellers with its interval, a panel per theme; empty weeks are gaps.

    Shown are those of ``ids``, or of all, with the most votes in the last ``RECENT`` weeks that were written in. Marks
    of few sellers are hollow.
    """
    shown = [i for i in _recent(weeks) if not ids or i in ids][:limit]
    words = Words(
        title or _weekly_title(weeks, shown),
        subtitle or _weekly_subtitle(weeks, shown),
        "Lines over weeks, one panel per theme: " + "; ".join(_weeks_in_words(weeks, i) for i in shown) + ".",
    )
    plan = drawing(words, height=58 + PANEL * max(len(shown), 1))
    figure = make_subplots(
        rows=max(len(shown), 1), cols=1, shared_xaxes=True, vertical_spacing=0.32 / max(len(shown), 1)
    )
    figure.update_layout(plan.layout)
    series = {i: weeks.weeks.filter(pl.col("theme_id") == i).sort("week") for i in shown}
    sure = weeks.weeks.filter(pl.col("theme_id").is_in(shown) & (pl.col("n") >= SMALL_N))["hi"].to_list()
    top = max([*sure, *weeks.weeks.filter(pl.col("theme_id").is_in(shown))["share"].drop_nulls()], default=0.0)
    for row, (theme_id, line) in enumerate(series.items(), 1):
        _week_panel(figure, row, line, OKABE_ITO[(row - 1) % len(OKABE_ITO)])
        last = line.filter(pl.col("n") > 0).tail(1)
        value = f"  <b>{percent(last['share'][0], last['n'][0])}</b>" if last.height else ""
        suffix = "" if row == 1 else str(row)
        figure.add_annotation(
            x=0, xref="paper", xanchor="left", y=1, yref=f"y{suffix} domain", yanchor="bottom",
            text=f"{shut_in(plain(weeks.labels[theme_id], 60))}{value}",
            hovertext=f"{plain(weeks.labels[theme_id])} ({plain(theme_id)})",
        )  # fmt: skip
    figure.update_yaxes(tickformat=".0%", range=[0, min(1.0, 1.05 * top) or 1.0], nticks=4, rangemode="tozero")
    figure.update_xaxes(tickformat="%d %b\n%Y", nticks=7)
    return figure


def _weeks_in_words(weeks: ThemeWeeks, theme_id: str) -> str:
    """A theme's share in the first and the last week that anybody wrote in."""
    line = weeks.weeks.filter(pl.col("theme_id") == theme_id, pl.col("n") > 0).sort("week")
    ends = (percent(share, n) for share, n in line.select("share", "n").gather([0, -1]).iter_rows())
    return f"{weeks.labels[theme_id]} from {' to '.join(ends)} of sellers" if line.height else weeks.labels[theme_id]


def _recent(weeks: ThemeWeeks) -> list[str]:
    written = weeks.weeks.filter(pl.col("n") > 0)
    last = written.filter(pl.col("week").is_in(written["week"].unique().sort().tail(RECENT).to_list()))
    votes = last.group_by("theme_id").agg(pl.col("k").sum().round(6))
    return votes.sort(["k", "theme_id"], descending=[True, False])["theme_id"].to_list()


def _week_panel(figure: go.Figure, row: int, line: pl.DataFrame, colour: str) -> None:
    """A band only where the week has an interval: runs of written weeks, one trace each, so that gaps stay gaps."""
    for run in _runs(line):
        days = run["week"].to_list()
        figure.add_scatter(
            x=[*days, *reversed(days)], y=[*run["hi"].to_list(), *reversed(run["lo"].to_list())], mode="lines",
            fill="toself", line={"width": 0.5, "color": colour}, opacity=0.3, hoverinfo="skip", showlegend=False,
            row=row, col=1,
        )  # fmt: skip
    few = [n < SMALL_N for n in line["n"]]
    figure.add_scatter(
        x=line["week"].to_list(), y=line["share"].to_list(), mode="lines+markers", connectgaps=False, showlegend=False,
        line={"color": colour, "width": 2},
        marker={
            "size": 7, "color": [GREY if f else colour for f in few],
            "symbol": ["circle-open" if f else "circle" for f in few],
        },
        customdata=list(zip(*(line[c].to_list() for c in ("n", "lo", "hi")), strict=True)),
        hovertemplate="%{x|%d %b %Y}: %{y:.1%} (%{customdata[1]:.1%} to %{customdata[2]:.1%}), "
        "%{customdata[0]:,} sellers<extra></extra>", row=row, col=1,
    )  # fmt: skip
    for day in line.filter(pl.col("n") == 0)["week"]:
        figure.add_vrect(
            x0=day - timedelta(days=3), x1=day + timedelta(days=3), fillcolor=GREY, opacity=0.15, line_width=0,
            row=row, col=1,
        )  # fmt: skip


def _runs(line: pl.DataFrame) -> list[pl.DataFrame]:
    numbered = line.with_columns(run=(pl.col("n") == 0).cum_sum()).filter(pl.col("n") > 0)
    return numbered.partition_by("run", maintain_order=True)


def _weekly_title(weeks: ThemeWeeks, shown: Sequence[str]) -> str:
    written = weeks.weeks.filter(pl.col("n") > 0)
    if not shown or written.is_empty():
        return "No theme in any week"
    sure = written.filter(pl.col("n") >= SMALL_N)
    told = (sure if sure.height else written).filter(pl.col("theme_id").is_in(list(shown)))
    last = told.filter(pl.col("week") == pl.col("week").max())
    if len(shown) == 1:
        peak = told.sort(["share", "week"], descending=[True, False]).row(0, named=True)
        most, now = (percent(share, n) for share, n in ((peak["share"], peak["n"]), (last["share"][0], last["n"][0])))
        day = long_date(peak["week"].isoformat())
        return (
            f"“{weeks.labels[shown[0]]}” was said most in the week of {day}, by {most} of sellers; by {now} in the last"
        )
    top = last.sort(["k", "theme_id"], descending=[True, False]).row(0, named=True)
    return (
        f"“{weeks.labels[top['theme_id']]}” leads the week of {long_date(top['week'].isoformat())} with "
        f"{percent(top['share'], top['n'])} of its sellers"
    )


def _weekly_subtitle(weeks: ThemeWeeks, shown: Sequence[str]) -> str:
    span = weeks.weeks["week"].unique().sort().to_list()
    if not span:
        return "no week holds a text"
    empty = f"; {len(weeks.empty)} weeks without a text are shaded" if weeks.empty else ""
    return (
        f"{len(shown)} of {len(weeks.labels)} themes, weeks of {span[0]:%d %b %Y} to {span[-1]:%d %b %Y}; one seller "
        f"one vote; bands are 95 % intervals, hollow marks weeks of under {SMALL_N} sellers{empty}"
    )


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
        "A map of texts: " + "; ".join(f"{n.shown} {number(n.folded)} texts" for n in ranked[:LABELLED]) + ".",
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
        return f"“{told.shown}”, {number(told.folded)} texts, among {number(len(nodes))} themes"
    return f"{number(len(nodes))} themes; the largest is “{nodes[0].shown}”" if nodes else "No theme was found"


def _exemplars(figure: go.Figure, shown: pl.DataFrame, nodes: Sequence[Node]) -> None:
    told = [
        f"<b>{plain(nodes[node].shown, 60)}</b><br>"
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
    """Write the names of the largest themes at their centres, leaving out one that would cover a larger one's.

    In the reader's language where a model gave a gloss; the theme's own words are in what hovering shows.
    """
    spread = max((max(abs(x), abs(y)) for x, y in centres.values()), default=0.0) or 1.0
    wide, tall = 0.0135 * spread, 0.06 * spread  # of a letter and a line, on a map about 950 pixels wide
    taken: list[tuple[float, float, float]] = []
    notes = []
    for i in dict.fromkeys(order):
        whole = nodes[i].gloss or nodes[i].label
        name, (x, y) = plain(whole, LABEL_CHARS), centres[i]
        half = 0.5 * wide * min(len(whole), LABEL_CHARS)
        if len(taken) == LABELLED or any(abs(x - u) < half + w and abs(y - v) < tall for u, v, w in taken):
            continue
        taken.append((x, y, half))
        link = links.get(nodes[i].id, "")
        notes.append({
            "x": x, "y": y, "text": f'<a href="{escape(link)}" target="_self">{name}</a>' if link else name,
            "hovertext": f"{plain(nodes[i].shown)}: {number(nodes[i].folded)} texts", "opacity": 0.9, "borderpad": 1,
            "font": {"size": 11},
        })  # fmt: skip
    figure.layout.annotations = (*figure.layout.annotations, *notes)
