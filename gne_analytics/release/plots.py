"""The figures of a report: drawn by `gne_analytics.figures`, their words set as real text, their JSON embedded once."""

import json
from collections.abc import Mapping, Sequence

import plotly.io as pio
import polars as pl
from markupsafe import Markup
from plotly.graph_objects import Figure

from gne_analytics import figures
from gne_analytics.evidence.proposals import Backtest
from gne_analytics.evidence.types import Cause, Theme
from gne_analytics.figures.causes import beside
from gne_analytics.figures.wording import in_time, named
from gne_analytics.release.contents import ShiftPart
from gne_analytics.strategy.frontier import Frontier
from gne_analytics.themes.crossed import Crossed
from gne_analytics.themes.weeks import ThemeWeeks

WEEKLY = 4
"""Themes that a report shows over weeks."""


class Plots:
    """The figures of one page, in order; each method draws one and returns the element that it will fill."""

    def __init__(self) -> None:
        self.figures: list[Figure] = []

    def series(self, part: ShiftPart) -> Markup:
        """The shift's rate over time; nothing when the series was not handed over."""
        if part.series is None or part.series.is_empty():
            return Markup("")
        if not in_time(part.shift):
            return self._place(figures.sides_series(part.series, part.shift))
        first = next((c for c in part.causes if c.onset), None)
        return self._place(
            figures.shift_series(
                part.series,
                part.shift,
                changes=part.changes,
                onset=first.onset if first else None,
                onset_interval=first.onset_interval if first else None,
            )
        )

    def inside(self, part: ShiftPart, cause: Cause) -> Markup:
        """A cause's own series, with its onset and the changes that fit."""
        behind = part.inside.get(cause.id)
        if behind is None or behind.series is None or behind.series.is_empty():
            return Markup("")
        drawn = figures.inside_series(behind.series, part.shift, cause, changes=part.changes, matched=behind.changes)
        return self._place(drawn)

    def waterfall(self, part: ShiftPart) -> Markup:
        """The shift taken apart into causes, mix and what is left."""
        if part.decomposition is None:
            return Markup("")
        return self._place(figures.waterfall(part.shift, part.decomposition, names=_names(part.causes)))

    def causes(self, part: ShiftPart) -> Markup:
        """The causes with their effects."""
        return self._place(figures.causes_ranked(part.causes, shift=part.shift)) if part.causes else Markup("")

    def siblings(self, part: ShiftPart, cause: Cause) -> Markup:
        """A cause's segment beside its siblings."""
        behind = part.inside.get(cause.id)
        if behind is None or behind.siblings is None or behind.siblings.is_empty():
            return Markup("")
        return self._place(beside(behind.siblings, part.shift, cause))

    def themes(self, themes: Sequence[Theme]) -> Markup:
        """The largest themes and how often their appeals succeed."""
        return self._place(figures.themes_bar(themes)) if themes else Markup("")

    def weeks(self, weeks: ThemeWeeks | None) -> Markup:
        """The themes said most of late over the weeks; nothing of fewer than two weeks."""
        if weeks is None or weeks.weeks["week"].n_unique() < 2:
            return Markup("")
        return self._place(figures.themes_weekly(weeks, limit=WEEKLY))

    def crossed(self, crossed: Crossed | None) -> Markup:
        """What one view says where another says something; nothing where no pair is beyond chance."""
        if crossed is None or not crossed.meeting:
            return Markup("")
        return self._place(figures.themes_crossed(crossed))

    def funnel(self, frame: pl.DataFrame) -> Markup:
        """How many violations reach each stage of an appeal."""
        stages = pl.concat_str(pl.col("level"), pl.lit(" level: "), pl.col("stage"))
        named = pl.when(pl.col("stage") == "violations").then(pl.col("stage")).otherwise(stages).alias("stage")
        return self._place(figures.appeals_funnel(frame.select(named, "n", "of")))

    def differences(self, backtest: Backtest) -> Markup:
        """The backtest's outcomes against today."""
        return self._place(figures.backtest_differences(backtest)) if backtest.outcomes else Markup("")

    def identification(self, backtest: Backtest) -> Markup:
        """What is known of the affected cases."""
        known = backtest.identification
        return self._place(figures.identification_bar(known)) if known.total else Markup("")

    def flow(self, backtest: Backtest) -> Markup:
        """Where the cases go."""
        return self._place(figures.flow_bar(backtest.flow)) if backtest.cases else Markup("")

    def guardrails(self, backtest: Backtest) -> Markup:
        """The guardrails, one row each."""
        return self._place(figures.guardrails_plot(backtest.guardrails)) if backtest.guardrails else Markup("")

    def frontier(self, frontier: Frontier, backtest: Backtest) -> Markup:
        """What the thresholds of a proposal's rule can trade, the proposal marked."""
        return self._place(figures.frontier(frontier, own=backtest))

    def _place(self, figure: Figure) -> Markup:
        self.figures.append(figure)
        words = figures.words_of(figure)
        bare = int(figure.layout.height) - int(figure.layout.margin.t) + 24
        return Markup(
            '<div class="plot" role="img" data-source="figure" id="plot-{}" aria-label="{}" style="height:{}px"></div>'
        ).format(len(self.figures) - 1, words.alt, bare)


def _names(causes: Sequence[Cause]) -> Mapping[str, str]:
    return {cause.id: named(cause.segment) for cause in causes}


def embedded(drawn: Sequence[Figure]) -> str:
    """Return the figures as JSON safe inside a script element; both templates stand in it once, titles not at all."""
    plots = []
    for figure in drawn:
        raw = json.loads(figure.to_json())
        layout = raw["layout"]
        for shown_elsewhere in ("template", "title", "meta", "height"):
            layout.pop(shown_elsewhere, None)
        layout["margin"] = {**layout.get("margin", {}), "t": 24}
        plots.append({"data": raw["data"], "layout": layout})
    templates = {name: pio.templates[name].to_plotly_json() for name in ("gne", "gne_dark")}
    text = json.dumps({"templates": templates, "plots": plots}, ensure_ascii=True, separators=(",", ":"), default=list)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
