"""Themes: clusters of appeal, rationale, violation and signal texts, in any language."""

from gne_analytics.themes.fit import Themes, fit_themes
from gne_analytics.themes.model import ThemeModel, assign, load, save
from gne_analytics.themes.rates import theme_rates
from gne_analytics.themes.views import VIEWS, texts_of, view_named

__all__ = [
    "VIEWS",
    "ThemeModel",
    "Themes",
    "assign",
    "fit_themes",
    "load",
    "save",
    "texts_of",
    "theme_rates",
    "view_named",
]
