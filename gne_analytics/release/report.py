"""The report of a run: one HTML file that opens offline, in which every number links to its evidence."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from markupsafe import Markup

from gne_analytics.atomic import write_whole
from gne_analytics.release.contents import ProposalPart, ReportInput, ShiftPart
from gne_analytics.release.pen import Pen

__all__ = [
    "ProposalPart", "ReportInput", "ShiftPart", "Written", "explanation_html", "report_html", "write_report",
]  # fmt: skip


@dataclass(frozen=True)
class Written:
    """What became of a report: its path and its size in bytes."""

    path: Path
    size: int


def write_report(path: Path, run: ReportInput) -> Written:
    """Write ``report.html``: self-contained, no network, every digit bound to evidence.

    Numbers that have no evidence record yet get one, so write the evidence file after the report. The page reads
    without scripts too; only the figures need them.
    """
    html = report_html(run)
    write_whole(path, html)
    return Written(path, len(html.encode()))


def report_html(run: ReportInput) -> str:
    """Return the page as text."""
    return _page_of("report.html", run)


def explanation_html(run: ReportInput) -> str:
    """Return a page that explains the first shift of what it is given, and nothing else; see `report_html`."""
    return _page_of("explanation.html", run)


def _page_of(template: str, run: ReportInput) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from gne_analytics.release import plots, view

    pen = Pen(run.store)
    pages = Environment(
        loader=PackageLoader("gne_analytics.release", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.globals.update(pen=pen, view=view)
    drawn = plots.Plots()
    body = pages.get_template(template).render(run=run, plots=drawn)
    return pages.get_template("shell.html").render(
        title=run.title,
        body=Markup(body),  # noqa: S704 - rendered above with autoescape
        css=Markup(_page("report.css")),  # noqa: S704 - our own file
        script=Markup(_page("report.js")),  # noqa: S704 - our own file
        plotly=Markup(_plotlyjs() if drawn.figures else ""),  # noqa: S704 - plotly's own file
        figures=Markup(plots.embedded(drawn.figures)),  # noqa: S704 - JSON with every < escaped
        evidence=run.store.items(),  # after the body: writing it added records
    )


@cache
def _page(name: str) -> str:
    return files("gne_analytics.release").joinpath("page", name).read_text(encoding="utf-8")


@cache
def _plotlyjs() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())
