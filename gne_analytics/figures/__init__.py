"""Plotly figures of every result, in the template ``gne``; each takes a frozen result or a small frame."""

from gne_analytics.figures.backtests import (
    backtest_differences,
    flow_bar,
    frontier,
    guardrails_plot,
    identification_bar,
)
from gne_analytics.figures.causes import causes_ranked, inside_series, siblings
from gne_analytics.figures.crossed import themes_crossed
from gne_analytics.figures.shifts import shift_series, sides_series, waterfall, waterfall_steps
from gne_analytics.figures.still import still
from gne_analytics.figures.theme import Words, words_of
from gne_analytics.figures.themes import appeals_funnel, themes_bar, themes_map, themes_weekly

__all__ = [
    "Words",
    "appeals_funnel",
    "backtest_differences",
    "causes_ranked",
    "flow_bar",
    "frontier",
    "guardrails_plot",
    "identification_bar",
    "inside_series",
    "shift_series",
    "siblings",
    "sides_series",
    "still",
    "themes_bar",
    "themes_crossed",
    "themes_map",
    "themes_weekly",
    "waterfall",
    "waterfall_steps",
    "words_of",
]
