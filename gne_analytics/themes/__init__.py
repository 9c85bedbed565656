"""Themes: clusters of appeal, rationale, violation and signal texts, in any language."""

from gne_analytics.themes.assigning import assign
from gne_analytics.themes.births import Update, update
from gne_analytics.themes.engines import with_themes
from gne_analytics.themes.fit import Themes, fit_themes
from gne_analytics.themes.lineage import Lineage, Refit, refit
from gne_analytics.themes.model import ThemeModel, load, save
from gne_analytics.themes.views import VIEWS, texts_of, view_named
from gne_analytics.themes.weeks import ThemeWeeks, theme_weeks

__all__ = [
    "VIEWS",
    "Lineage",
    "Refit",
    "ThemeModel",
    "ThemeWeeks",
    "Themes",
    "Update",
    "assign",
    "fit_themes",
    "load",
    "refit",
    "save",
    "texts_of",
    "theme_weeks",
    "update",
    "view_named",
    "with_themes",
]
