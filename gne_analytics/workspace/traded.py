"""A rule's frontier that shows itself: its points and thresholds as tables of words, and in a notebook drawn."""

from __future__ import annotations

from dataclasses import dataclass, fields
from html import escape
from typing import TYPE_CHECKING, Any

from gne_analytics.evidence.render import number
from gne_analytics.figures.wording import signed
from gne_analytics.strategy.frontier import SAID, Frontier
from gne_analytics.workspace.told import Table

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from gne_analytics.evidence.proposals import Backtest


@dataclass(frozen=True, repr=False)
class Traded(Frontier):
    """A frontier with a proposal beside it, where it was asked for one; in a notebook it displays itself."""

    own: Backtest | None = None
    """The proposal's backtest, on the sellers on whom the points are judged."""

    @classmethod
    def of(cls, found: Frontier, own: Backtest | None = None) -> Traded:
        """Set a proposal's backtest beside a frontier."""
        return cls(**{f.name: getattr(found, f.name) for f in fields(Frontier)}, own=own)

    def figure(self) -> Figure:
        """Draw the points, today, the one that is best at the stated costs, and the proposal."""
        from gne_analytics import figures

        return figures.frontier(self, own=self.own)

    def in_words(self) -> str:
        """Return as HTML a sentence on what can be had, the best point's thresholds, and all points folded away."""
        from gne_analytics.workspace.glance import table_html

        moved, points = thresholds_table(self), points_table(self)
        limits = "".join(f"<li>{escape(text)}</li>" for text in self.limits)
        return (
            f"<p>{escape(self.sentence())}</p>{table_html(moved) if moved.rows else ''}"
            f"<details><summary>All points, and what limits them</summary>{table_html(points)}<ul>{limits}</ul>"
            "</details>"
        )

    def _repr_html_(self) -> str:
        from gne_analytics.workspace.glance import page_of, picture

        return page_of(picture(self.figure()) + self.in_words())


def points_table(found: Frontier) -> Table:
    """The points from the fewest wrongful enforcements on: what each brings beside today, and what is said of it."""
    columns = ("point", "changed", "wrongful", "missed", "reviews", "loss", "verdict")
    rows = tuple(
        (
            f"{row['point']}{' *' if row['stated'] else ''}", number(row["changed"]), _between(row, "wrongful"),
            _between(row, "missed"), signed(round(row["reviews"])), _between(row, "loss"), _verdict(row),
        )
        for row in found.table.to_dicts()
    )  # fmt: skip
    note = (
        "Differences to today on the sellers that the search did not see; changed: thresholds. * best at the stated "
        "costs on the sellers searched."
    )
    title = f"What the thresholds of {found.rule} can trade"
    return Table(title, columns, rows, frozenset(columns[:-1]), note)


def thresholds_table(found: Frontier, point: int | None = None) -> Table:
    """The thresholds that a point changes, the largest change first; of the point at the stated costs by default."""
    point = found.stated if point is None else point
    rows = tuple((where, number(today), number(then)) for where, today, then in found.moved(point))
    note = "" if rows else "It changes no threshold."
    title = f"Thresholds that point {point} changes"
    return Table(title, ("where", "today", "then"), rows, frozenset({"today", "then"}), note)


def _between(row: dict[str, Any], name: str) -> str:
    value, lo, hi = (signed(round(row[f"{name}{end}"])) for end in ("", "_lo", "_hi"))
    return f"{value} ({lo} to {hi})"


def _verdict(row: dict[str, Any]) -> str:
    said = SAID[row["recommendation"]].replace("It is what holds today", "today")
    return f"{said[0].lower()}{said[1:]}" + ("; beyond the review capacity" if row["forbidden"] else "")
