"""An explanation that shows itself: in a notebook, piece by piece, and as one page that opens offline."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from pydantic import PrivateAttr

from gne_analytics.causes.explain import Explanation
from gne_analytics.errors import DataError
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Cause, Mechanism

if TYPE_CHECKING:
    from plotly.graph_objects import Figure
    from polars.datatypes import DataTypeClass

    from gne_analytics.evidence.claims import Finding
    from gne_analytics.metrics.observations import Observations
    from gne_analytics.release.contents import CausePart, ShiftPart
    from gne_analytics.tables.record import Record

Which = Cause | str | int
"""A cause: itself, its id or its rank."""


class Explained(Explanation):
    """What explains a shift, with the record at hand: as JSON the explanation, to the eye all that shows it.

    In a notebook it displays itself. Its pieces are frames and figures, made when they are asked for; a cause is named
    by its rank, its id or itself::

        ws.explain(shift)               # ranked table, waterfall, and what lies behind each cause
        ws.explain(shift).series(1)     # the first cause over time, its onset and the changes that fit drawn
        ws.explain(shift).write("why.html")
    """

    _record: Record = PrivateAttr()
    _store: EvidenceStore = PrivateAttr()
    _parts: dict[str, CausePart] = PrivateAttr(default_factory=dict)

    @classmethod
    def of(cls, explanation: Explanation, record: Record, store: EvidenceStore) -> Explained:
        """Give an explanation its record, and the store that holds its evidence."""
        made = cls(**{name: getattr(explanation, name) for name in Explanation.model_fields})
        made._record, made._store = record, store
        return made

    def table(self) -> pl.DataFrame:
        """Return the causes by rank, one row each, shares as shares: what, how sure, how much, since when and why."""
        from gne_analytics.figures.wording import kind_of, named

        schema: dict[str, pl.DataType | DataTypeClass] = {
            "rank": pl.Int64, "segment": pl.String, "kind": pl.String, "status": pl.String, "effect": pl.Float64,
            "lo": pl.Float64, "hi": pl.Float64, "leave_out": pl.Float64, "contribution": pl.Float64,
            "k_baseline": pl.Int64, "n_baseline": pl.Int64, "k_focus": pl.Int64, "n_focus": pl.Int64,
            "mechanism": pl.String, "rivals": pl.List(pl.String), "owner": pl.String, "onset": pl.Date, "id": pl.String,
        }  # fmt: skip
        rows = [
            (
                c.rank, named(c.segment), kind_of(c, self.shift), c.status, c.effect.value,
                *((c.effect.interval.lo, c.effect.interval.hi) if c.effect.interval else (None, None)),
                c.leave_out, c.contribution, c.before.k, c.before.n, c.after.k, c.after.n, c.mechanism.value,
                [r.mechanism.value for r in c.rivals if r.mechanism is not Mechanism.UNKNOWN], c.owner, c.onset, c.id,
            )
            for c in self.causes
        ]  # fmt: skip
        return pl.DataFrame(rows, schema=schema, orient="row")

    def steps(self) -> pl.DataFrame:
        """Return the waterfall as rows: step, kind, adds, and the rates from and to; together they are the shift."""
        from gne_analytics.figures.shifts import waterfall_steps
        from gne_analytics.workspace.told import names_in

        steps = waterfall_steps(self.shift, self.decomposition, names_in(self))
        schema = {"step": pl.String, "kind": pl.String, "adds": pl.Float64, "from": pl.Float64, "to": pl.Float64}
        return pl.DataFrame([(s.label, s.kind, s.value, s.start, s.end) for s in steps], schema=schema, orient="row")

    def waterfall(self) -> Figure:
        """Draw how causes, mix and what is not explained add up to the shift."""
        from gne_analytics import figures
        from gne_analytics.workspace.told import names_in

        return figures.waterfall(self.shift, self.decomposition, names=names_in(self))

    def ranked(self) -> Figure:
        """Draw the causes by rank with the change inside each and its interval."""
        from gne_analytics import figures

        return figures.causes_ranked(self.causes, shift=self.shift)

    def over_time(self) -> Figure:
        """Draw the shift's own series: its windows shaded, or its two segments side by side."""
        from gne_analytics import figures
        from gne_analytics.figures.wording import in_time
        from gne_analytics.workspace.behind import series_of_shift
        from gne_analytics.workspace.handover import changes_near

        frame = series_of_shift(self._obs, self.shift)
        if not in_time(self.shift):
            return figures.sides_series(frame, self.shift)
        return figures.shift_series(frame, self.shift, changes=changes_near(self._record, self.shift))

    def series(self, cause: Which = 1) -> Figure:
        """Draw a cause over time, with its onset and the changes that fit; between two segments both, without onset."""
        from gne_analytics import figures
        from gne_analytics.workspace.handover import changes_near

        one = self.cause(cause)
        part = self._part(one)
        return figures.inside_series(
            part.series if part.series is not None else pl.DataFrame(),
            self.shift,
            one,
            changes=changes_near(self._record, self.shift),
            matched=part.changes,
        )

    def siblings(self, cause: Which = 1, along: str | None = None) -> Figure:
        """Draw a cause beside its siblings along one of its dimensions; without ``along`` where they differ most."""
        from gne_analytics.figures.causes import beside
        from gne_analytics.workspace.behind import siblings_of

        one = self.cause(cause)
        if along is not None and along not in one.segment.dimensions:
            raise DataError(
                f"{one.segment} has no dimension {along!r}; name one of {', '.join(one.segment.dimensions)}."
            )
        if not one.segment.depth:
            raise DataError("This cause is everything, so it has no siblings.")
        return beside(siblings_of(self._obs, self.shift, one, along), self.shift, one)

    def rows(self, cause: Which = 1, limit: int | None = None) -> pl.DataFrame:
        """Return a cause's rows in both windows; with a ``limit`` a few to read, each beside its redacted texts."""
        from gne_analytics.workspace.behind import examples_of, rows_of

        one = self.cause(cause)
        if limit is None:
            return rows_of(self._obs, self.shift, one)
        return examples_of(self._record, self._obs, self.shift, one, limit)

    def rivals(self, cause: Which = 1) -> pl.DataFrame:
        """Return the rival descriptions of a cause's rows, its own first: what each holds, and how much they share."""
        schema = {
            "segment": pl.String, "how": pl.String, "shared": pl.Float64, "k_baseline": pl.Int64,
            "n_baseline": pl.Int64, "k_focus": pl.Int64, "n_focus": pl.Int64,
        }  # fmt: skip
        names = self._part(self.cause(cause)).names
        rows = [(str(n.segment), n.how, n.shared, n.before.k, n.before.n, n.after.k, n.after.n) for n in names]
        return pl.DataFrame(rows, schema=schema, orient="row")

    def cause(self, which: Which) -> Cause:
        """Return a cause by its rank, its id or itself; one that is not here is a DataError."""
        found = [c for c in self.causes if which in (c, c.id, c.rank)]
        if not found:
            known = ", ".join(f"{c.rank} ({c.segment})" for c in self.causes) or "none: no cause was found"
            raise DataError(f"There is no cause {which!r}; there are {known}.")
        return found[0]

    def part(self, detailed: int | None = None) -> ShiftPart:
        """Return all that a page shows of it; the first ``detailed`` causes with what lies behind them."""
        from gne_analytics.workspace.behind import part_of

        return part_of(self._record, self, detailed=detailed, obs=self._obs)

    def document(self) -> dict[str, object]:
        """Return all that a page shows as one JSON document: the explanation, its steps, its series, and ``behind``.

        ``behind`` holds of each cause, by its id, the series, siblings, rival descriptions and example rows.
        """
        from gne_analytics.workspace.told import cells

        part = self.part()
        behind = {
            c.id: {
                "series": cells(part.inside[c.id].series),
                "siblings": cells(part.inside[c.id].siblings),
                "rivals": cells(self.rivals(c)),
                "rows": cells(part.inside[c.id].examples),
            }
            for c in self.causes
        }
        told = self.model_dump(mode="json")
        return {**told, "steps": cells(self.steps()), "series": cells(part.series), "behind": behind}

    def findings(self) -> list[Finding]:
        """Tell it in claims that cite evidence."""
        from gne_analytics.agents.narrator import narrate

        return narrate([self.shift], [self], [], [], [], self._store)

    def html(self) -> str:
        """Return all of it as one page that opens offline, each number linked to its evidence."""
        from gne_analytics import __version__
        from gne_analytics.release.report import ReportInput, explanation_html

        return explanation_html(
            ReportInput(
                title=self.summary().splitlines()[0],
                source=self._record.name,
                as_of=self._record.as_of,
                version=__version__,
                seed=0,
                store=self._store,
                timezone=self._record.timezone,
                findings=tuple(self.findings()),
                shifts=(self.part(),),
            )
        )

    def write(self, path: str | Path) -> Path:
        """Write the page of `html` to a file and return its path."""
        from gne_analytics.atomic import write_whole

        write_whole(Path(path), self.html())
        return Path(path)

    @cached_property
    def _obs(self) -> Observations:
        from gne_analytics.metrics.observations import observe

        return observe(self._record, self.shift.metric, self.shift.scope)

    def _part(self, cause: Cause) -> CausePart:
        from gne_analytics.workspace.behind import cause_part

        if cause.id not in self._parts:
            self._parts[cause.id] = cause_part(self._record, self._obs, self.shift, cause)
        return self._parts[cause.id]

    def _repr_html_(self) -> str:
        from gne_analytics.workspace.glance import glance

        return glance(self, self._store)
