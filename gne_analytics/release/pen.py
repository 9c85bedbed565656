"""The pen that writes a report: each number it sets down links to its evidence, each text from outside is marked.

A number without a record gets one, named for the result and the figure it stands for, so that the appendix of a report
holds all of them.
"""

from collections.abc import Iterable
from re import compile as pattern
from typing import Final

from markupsafe import Markup

from gne_analytics.agents.quote import quoted
from gne_analytics.evidence.render import render, show
from gne_analytics.evidence.store import Evidence, EvidenceStore, Unit
from gne_analytics.evidence.types import Counts, Estimate, Interval, LabelSource

SOURCES: Final = frozenset({"config", "evidence", "exemplar", "figure", "identifier", "manifest", "name", "reject"})
"""Whence text may come that is set down as it stands: nothing in it was computed for this report."""

_UNLINKED = pattern(r'<span class="ev" data-ev="(E\d+)">([^<]*)</span>')


class Pen:
    """Writes claims, numbers and given texts as HTML over one evidence store."""

    def __init__(self, store: EvidenceStore) -> None:
        self.store = store

    def given(self, text: object, source: str) -> Markup:
        """Set a text from outside down as it stands, escaped, shut in and marked with where it comes from."""
        if source not in SOURCES:
            raise ValueError(f"unknown source {source!r} (known: {', '.join(sorted(SOURCES))})")
        return Markup('<bdi data-source="{}">{}</bdi>').format(source, str(text))

    def claim(self, template: str, *, of: str) -> Markup:
        """Write a claim template, each reference a link to its evidence.

        A sentence with digits of its own was said by ``of``: it becomes a record of what was said, and links to it.
        """
        return _linked(render(quoted(template, self.store, of), self.store, as_="html"))

    def record(
        self,
        value: float | str | None,
        unit: Unit | str,
        *,
        of: str,
        figure: str,
        counts: Counts | None = None,
        interval: Interval | None = None,
        n: float | None = None,
        rows: str = "",
        label: LabelSource | None = None,
        known: Iterable[str] = (),
    ) -> Evidence:
        """Return the evidence behind a number: the record among ``known`` that says the same, else a new one."""
        numerator = float(counts.k) if counts else None
        denominator = float(counts.n) if counts else n
        for identifier in known:
            found = self.store.get(identifier) if identifier in self.store else None
            if found is None or (found.value, found.unit) != (value, Unit(unit)):
                continue
            if denominator in (None, found.denominator) and interval in (None, found.interval):
                return found
        return self.store.add(
            value, unit, numerator=numerator, denominator=denominator, interval=interval, filter=rows,
            tool="report", arguments={"result": of, "figure": figure}, label_source=label,
        )  # fmt: skip

    def cite(self, evidence: Evidence, form: str = "") -> Markup:
        """Write one record in a format, as a link to its row in the appendix."""
        return Markup('<a class="ev" data-ev="{0}" href="#{0}">{1}</a>').format(evidence.id, show(evidence, form))

    def number(
        self, value: float | str | None, unit: str, *, of: str, figure: str, form: str = "", rows: str = "",
        known: Iterable[str] = (),
    ) -> Markup:  # fmt: skip
        """Write a bare number or a date of a result."""
        return self.cite(self.record(value, unit, of=of, figure=figure, rows=rows, known=known), form)

    def rate(self, counts: Counts, *, of: str, figure: str, rows: str = "", known: Iterable[str] = ()) -> Markup:
        """Write a rate as ``41.2 % (412 of 1,000)``."""
        if not counts.n:
            return Markup('<span class="quiet">no rows</span>')
        found = self.record(counts.rate, Unit.RATE, of=of, figure=figure, counts=counts, rows=rows, known=known)
        if found.numerator is None:
            return self.cite(found)
        return self.cite(found) + Markup(' <span class="quiet">(') + self.cite(found, "of") + Markup(")</span>")

    def estimate(
        self, estimate: Estimate, unit: str, *, of: str, figure: str, rows: str = "",
        label: LabelSource | None = None, known: Iterable[str] = (), form: str = "",
    ) -> Markup:  # fmt: skip
        """Write an estimate with its interval, or say that it has none."""
        found = self.record(
            estimate.value, unit, of=of, figure=figure, interval=estimate.interval, n=estimate.n or None, rows=rows,
            label=label, known=known,
        )  # fmt: skip
        if found.interval is None:
            return self.cite(found, form) + Markup(' <span class="quiet">(no interval)</span>')
        return self.cite(found, form) + Markup(' <span class="quiet">(') + self.cite(found, "ci") + Markup(")</span>")

    def bounds(self, bounds: Interval, unit: str, *, of: str, figure: str) -> Markup:
        """Write worst-case bounds: between them lies the truth, and no sampling is behind them."""
        return self.cite(self.record(None, unit, of=of, figure=figure, interval=bounds), "ci")


def _linked(html: str) -> Markup:
    return Markup(_UNLINKED.sub(r'<a class="ev" data-ev="\1" href="#\1">\2</a>', html))  # noqa: S704 - render escapes
