"""An explanation at a glance: the HTML of a notebook's output, with still pictures, no script and nothing fetched."""

from __future__ import annotations

from functools import cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from gne_analytics import figures
from gne_analytics.evidence.claims import Finding
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Cause
from gne_analytics.figures.causes import beside
from gne_analytics.figures.wording import in_time, shift_subtitle, shift_title
from gne_analytics.release.view import lines_said, nothing_found, unproven
from gne_analytics.workspace.screen import badge, finding_claims
from gne_analytics.workspace.told import Table, causes_table, headline, steps_table, tables_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from gne_analytics.release.contents import ShiftPart
    from gne_analytics.workspace.explained import Explained

DETAILED = 5
"""Causes shown with what lies behind them; the others are in the table, and in the methods."""
SHORT = 14
"""Characters of a cell that stay on one line."""


def glance(explained: Explained, store: EvidenceStore) -> str:
    """Return an explanation as HTML that stands for itself: table, waterfall, and what lies behind each cause."""
    shift = explained.shift
    told = explained.findings()
    part = explained.part(DETAILED)
    about = {f.cause_id: f for f in told if f.cause_id}
    boxes = [
        _cause(explained, c, part, about.get(c.id), store, first=c is explained.causes[0])
        for c in explained.causes[:DETAILED]
    ]
    return page_of(
        f"<h3>{_outside(shift_title(shift))}</h3><p class='quiet'>{_outside(shift_subtitle(shift))}</p>"
        f"{_limits(explained)}{_ranked(explained)}{_steps(explained)}{''.join(boxes)}"
        f"{_left(len(explained.causes) - len(boxes))}{_refused(explained)}"
    )


def _left(causes: int) -> str:
    if causes <= 0:
        return ""
    return f"<p class='quiet'>{causes} more: .series(rank), .siblings(rank), .rivals(rank), .rows(rank).</p>"


def _refused(explained: Explained) -> str:
    listed = "".join(f"<li>{_outside(d)}: {escape(why)}</li>" for d, why in explained.refused.items())
    title = "Columns that the search may not use"
    return f"<details><summary>{title}</summary><ul>{listed}</ul></details>" if listed else ""


def _ranked(explained: Explained) -> str:
    if not explained.causes:
        return f'<p class="calm">{escape(nothing_found(explained.shift))}</p>'
    return table_html(causes_table(explained))


def _steps(explained: Explained) -> str:
    table = steps_table(explained)
    if not table.rows:
        return f'<p class="calm">{escape(table.note)}</p>'
    return (
        f"{picture(explained.waterfall())}<details><summary>The same in numbers</summary>{table_html(table)}</details>"
    )


def _limits(explained: Explained) -> str:
    unsure = unproven(explained.shift)
    limits = dict.fromkeys((*([unsure] if unsure else []), *explained.shift.flags, *explained.notes))
    return f"<ul class='quiet'>{''.join(f'<li>{escape(text)}</li>' for text in limits)}</ul>" if limits else ""


def _cause(
    explained: Explained, cause: Cause, whole: ShiftPart, finding: Finding | None, store: EvidenceStore, *, first: bool
) -> str:
    part = whole.inside[cause.id]
    lines = f". {lines_said(cause, part, whole.changes)}" if in_time(explained.shift) else ""
    pictures = [picture(explained.series(cause), lines)] if part.series is not None and part.series.height else []
    if part.siblings is not None and not part.siblings.is_empty():
        pictures.append(picture(beside(part.siblings, explained.shift, cause)))
    tables = "".join(table_html(t) for t in tables_of(cause, part, explained.shift))
    head = f"{_outside(headline(cause, explained.shift))} {badge(cause.status)}"
    return (
        f"<details{' open' if first else ''}><summary>{head}</summary>"
        f"{finding_claims(finding, store) if finding else ''}{''.join(pictures)}{tables}</details>"
    )


def page_of(body: str) -> str:
    """Return HTML with the styles of a notebook's output around it."""
    return f'<div class="gne-glance"><style>{_css()}</style>{body}</div>'


def picture(figure: Figure, more: str = "") -> str:
    """Return a figure as a still picture under its title and subtitle; ``more`` is added to the latter."""
    words = figures.words_of(figure)
    return (
        f"<figure><figcaption><strong>{_outside(words.title)}</strong><br><span class='quiet'>"
        f"{_outside(words.subtitle)}{escape(more)}</span></figcaption>{figures.still(figure)}</figure>"
    )


def table_html(table: Table) -> str:
    """Return a table of words as HTML; every cell may come from outside, so it is escaped and keeps its direction."""
    head = "".join(f"<th{_align(c, table)}>{_outside(c)}</th>" for c in table.columns)
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{_align(c, table, cell)}>{_outside(cell)}</td>" for c, cell in zip(table.columns, row, strict=True)
        )
        + "</tr>"
        for row in table.rows
    )
    note = f"<p class='quiet'>{escape(table.note)}</p>" if table.note else ""
    return (
        f"<div class='scroll'><table><caption>{_outside(table.title)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>{note}"
    )


def _align(column: str, table: Table, cell: str = "") -> str:
    """Numbers stand at the right; what is short stays on its line, so that an id or a day is not broken."""
    if column in table.right:
        return " class='num'"
    return " class='short'" if 0 < len(cell) <= SHORT else ""


def _outside(text: str) -> str:
    """Text as it came: escaped, and shut in so that its direction does not turn the words around it."""
    return f"<bdi>{escape(text)}</bdi>"


@cache
def _css() -> str:
    return files("gne_analytics.workspace").joinpath("glance.css").read_text(encoding="utf-8")
