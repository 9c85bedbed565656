"""What a report shows: the results of a run, gathered in one frozen value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

import polars as pl

from gne_analytics.evidence.claims import Finding
from gne_analytics.evidence.proposals import Backtest, Proposal
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Cause, Counts, Decomposition, Shift, Theme
from gne_analytics.strategy.audits import AuditPlan
from gne_analytics.strategy.frontier import Frontier
from gne_analytics.tables.capabilities import Capability
from gne_analytics.themes.crossed import Crossed
from gne_analytics.themes.weeks import ThemeWeeks


@dataclass(frozen=True)
class OtherName:
    """A description of a cause's rows: its own, or a rival's."""

    segment: Segment
    how: Literal["named", "same rows", "overlaps"]
    shared: float
    """Of the rows that it or the cause holds, the share that both hold (Jaccard)."""
    before: Counts
    after: Counts


@dataclass(frozen=True)
class CausePart:
    """What lies behind one cause; what is not handed over is left out."""

    series: pl.DataFrame | None = None
    """With the columns that `figures.inside_series` names."""
    siblings: pl.DataFrame | None = None
    """With the columns that `figures.siblings` names, and ``along``: the dimension along which they lie."""
    names: tuple[OtherName, ...] = ()
    """Its own name first, then its rivals."""
    examples: pl.DataFrame | None = None
    """A few rows: id, day, counted, dimensions, and texts redacted and cut."""
    changes: tuple[tuple[date, str], ...] = ()
    """Dates and descriptions of the changes that fit it."""


@dataclass(frozen=True)
class ShiftPart:
    """One shift with all that explains it.

    ``series`` holds the columns that `figures.shift_series` names, or `figures.sides_series` where two segments are
    compared; without it the figure is left out.
    """

    shift: Shift
    causes: tuple[Cause, ...] = ()
    decomposition: Decomposition | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    """Dimension -> why the search may not use it."""
    notes: tuple[str, ...] = ()
    """Plain sentences on what limits the explanation."""
    series: pl.DataFrame | None = None
    inside: Mapping[str, CausePart] = field(default_factory=dict)
    """Cause id -> what lies behind it."""
    changes: tuple[tuple[date, str], ...] = ()
    """Dates and descriptions of what was changed in the world near the shift."""


@dataclass(frozen=True)
class ProposalPart:
    """One proposal with its backtest and the patch of its edits."""

    proposal: Proposal
    backtest: Backtest | None = None
    patch: str = ""
    audits: AuditPlan | None = None
    """The audits that would settle it."""
    examples: pl.DataFrame | None = None
    """Real cases in four buckets (`strategy.counterexamples`)."""
    losing: pl.DataFrame | None = None
    """The sellers with the most cases that fare worse (`strategy.losing_sellers`), of all sellers."""
    frontier: Frontier | None = None
    """What the thresholds of its rule can trade, on the sellers that the backtest is judged on."""
    no_frontier: str = ""
    """Why it is not drawn, where it was asked for and could not be."""
    whole: Backtest | None = None
    """The same over all of the record, where its backtest starts at the day on which its cause set in."""


@dataclass(frozen=True)
class ReportInput:
    """All that a report shows. What is empty is said to be empty, with the reason where one is given."""

    title: str
    source: str
    as_of: datetime
    version: str
    seed: int
    store: EvidenceStore
    timezone: str = "UTC"
    arguments: Mapping[str, str] = field(default_factory=dict)
    """The filters and options that the run was given."""
    looked_at: int = 0
    """How many series were tested for shifts."""
    findings: tuple[Finding, ...] = ()
    shifts: tuple[ShiftPart, ...] = ()
    themes: tuple[Theme, ...] = ()
    weeks: ThemeWeeks | None = None
    """The themes of one view over weeks."""
    crossed: Crossed | None = None
    """What sellers say where reviewers say something."""
    rising: pl.DataFrame | None = None
    """Themes of signals that rise (`sensing.emerging`), with the column ``label``."""
    funnel: pl.DataFrame | None = None
    """Appeals by stage (`appeals.funnel`)."""
    proposals: tuple[ProposalPart, ...] = ()
    referrals: tuple[str, ...] = ()
    """Claim templates: what no edit of a policy can mend, and who can."""
    stages_off: Mapping[str, str] = field(default_factory=dict)
    """Stage -> why it did not run, e.g. no policy set was given."""
    rows: Mapping[str, int] = field(default_factory=dict)
    """Table -> good rows."""
    rejects: pl.DataFrame | None = None
    """The rows that were sifted out: table, row, key, column, reason."""
    capabilities: tuple[Capability, ...] = ()
    notes: tuple[str, ...] = ()
    """How the prose came about: who wrote it, what failed on the way."""
