"""The metrics as data: numerator, denominator, label source, the columns they need, and the outcome algebra."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import polars as pl

from gne_analytics.errors import DataError, did_you_mean
from gne_analytics.evidence.types import LabelSource
from gne_analytics.tables.contract import Grain
from gne_analytics.tables.record import Record


@dataclass(frozen=True)
class OutcomeMeaning:
    """What an appeal's outcome says: whether it is decided, counts as overturned, and means a violation."""

    decided: bool
    overturned: bool = False
    violation: bool | None = None
    """As a label: the case violates; None is no truth."""


OUTCOME_ALGEBRA: Mapping[str, OutcomeMeaning] = MappingProxyType(
    {
        "overturned": OutcomeMeaning(decided=True, overturned=True, violation=False),
        "partially_overturned": OutcomeMeaning(decided=True, overturned=True, violation=True),
        "upheld": OutcomeMeaning(decided=True, violation=True),
        "modified": OutcomeMeaning(decided=True, violation=True),
        "cured": OutcomeMeaning(decided=False),
        "withdrawn": OutcomeMeaning(decided=False),
        "pending": OutcomeMeaning(decided=False),
        "dismissed": OutcomeMeaning(decided=False),
    }
)
"""Outcome -> what it means. Cured, withdrawn, pending and dismissed are no denominator and no truth."""

DECIDED = tuple(o for o, m in OUTCOME_ALGEBRA.items() if m.decided)
OVERTURNED = tuple(o for o, m in OUTCOME_ALGEBRA.items() if m.overturned)
LEVEL_ORDER: Mapping[str, int] = MappingProxyType({"1": 1, "2": 2, "out_of_court": 3})
REPEAT_DAYS = 90
INSTANT_SECONDS = 60


class HigherIs(StrEnum):
    """What a rise of the metric means for the marketplace; a fall of a worse one is never in itself better."""

    WORSE = "worse"
    BETTER = "better"
    NEUTRAL = "neutral"


class Wait(StrEnum):
    """What a cohort must wait for before its rate is complete."""

    NOTHING = "nothing"
    FILED = "filed"
    DECIDED = "decided"
    DECIDED_FIRST = "decided_first"
    DECIDED_SECOND = "decided_second"
    REVERSED = "reversed"
    CORRECTED = "corrected"
    REPEAT = "repeat"


@dataclass(frozen=True)
class Metric:
    """One ratio: which rows count, which of them are in the numerator, and where its truth comes from.

    ``rows`` and ``hit`` are expressions over the frame that `cases.case_frame` makes: violations with what became of
    their appeals (``final``, ``first``, ``second``, ``filed_at``, ``settled_at``), or the signals.
    """

    name: str
    title: str
    numerator: str
    denominator: str
    label_source: LabelSource
    higher_is: HigherIs
    rows: pl.Expr
    hit: pl.Expr
    needs: tuple[str, ...] = ()
    """``table`` or ``table.column`` that the record must have."""
    table: str = "violations"
    wait: Wait = Wait.NOTHING
    instants: str = ""
    """The table whose times must be instants: days cannot tell what is under a minute."""
    by_appeal: bool = False
    """Whether the appeal's own dimensions (``appeal_...``) may explain it."""


_filed = pl.col("filed_at").is_not_null()
_C = pl.col


def _decided(column: str) -> pl.Expr:
    return _C(column).is_in(list(DECIDED)).fill_null(False)


def _overturned(column: str) -> pl.Expr:
    return _C(column).is_in(list(OVERTURNED)).fill_null(False)


_ALL = (
    Metric(
        "appeal_rate", "Appeal rate", "violations that were appealed", "appealable violations",
        LabelSource.RECORD, HigherIs.NEUTRAL, pl.lit(True), _filed, ("appeals",), wait=Wait.FILED,
    ),
    Metric(
        "overturn_rate", "Overturn rate", "appealed violations whose highest decided appeal overturned them",
        "violations with a decided appeal", LabelSource.APPEAL_FINAL, HigherIs.WORSE,
        _decided("final"), _overturned("final"), ("appeals",), wait=Wait.DECIDED, by_appeal=True,
    ),
    Metric(
        "first_level_overturn_rate", "First-level overturn rate", "first appeals that overturned",
        "decided first appeals", LabelSource.APPEAL_FIRST, HigherIs.WORSE,
        _decided("first"), _overturned("first"), ("appeals", "appeals.level"), wait=Wait.DECIDED_FIRST, by_appeal=True,
    ),
    Metric(
        "second_level_overturn_rate", "Second-level overturn rate", "second appeals that overturned",
        "decided second appeals", LabelSource.APPEAL_FINAL, HigherIs.WORSE,
        _decided("second"), _overturned("second"), ("appeals", "appeals.level"), wait=Wait.DECIDED_SECOND,
        by_appeal=True,
    ),
    Metric(
        "escalation_rate", "Escalation rate", "upheld first appeals that went to a second level",
        "upheld first appeals", LabelSource.RECORD, HigherIs.NEUTRAL,
        _decided("first") & ~_overturned("first"), _C("second").is_not_null(), ("appeals", "appeals.level"),
        wait=Wait.DECIDED_SECOND, by_appeal=True,
    ),
    Metric(
        "reversal_rate", "Reversal rate", "violations that were reversed, by whatever source", "all violations",
        LabelSource.REVERSAL, HigherIs.WORSE, pl.lit(True), _C("reversed_at").is_not_null(),
        ("violations.reversed_at",), wait=Wait.REVERSED,
    ),
    Metric(
        "cure_rate", "Cure rate", "violations that were corrected", "violations that may be corrected",
        LabelSource.RECORD, HigherIs.BETTER, _C("correction_allowed").cast(pl.Boolean).fill_null(False),
        _C("corrected_at").is_not_null(), ("violations.correction_allowed", "violations.corrected_at"),
        wait=Wait.CORRECTED,
    ),
    Metric(
        "proactive_rate", "Proactive rate", "violations that a detector found", "violations whose detection is known",
        LabelSource.RECORD, HigherIs.NEUTRAL, _C("automated_detection").is_not_null(),
        _C("automated_detection").cast(pl.Boolean).fill_null(False), ("violations.automated_detection",),
    ),
    Metric(
        "instant_rejection_share", "Instant rejections", "appeals upheld within a minute of filing",
        "violations with a decided appeal", LabelSource.RECORD, HigherIs.WORSE, _decided("final"),
        ~_overturned("final") & (_C("settled_at") - _C("settled_filed_at") < pl.duration(seconds=INSTANT_SECONDS)),
        ("appeals", "appeals.decided_at"), wait=Wait.DECIDED, instants="appeals", by_appeal=True,
    ),
    Metric(
        "repeat_violation_rate", "Repeat violations", "violations followed by another of the same seller within "
        "ninety days", "violations of known sellers, ninety days old at least", LabelSource.RECORD, HigherIs.WORSE,
        _C("seller_id").is_not_null(), _C("repeats"), ("violations.seller_id",), wait=Wait.REPEAT,
    ),
    Metric(
        "signals_without_violation", "Signals no policy caught", "signals without a violation", "signals",
        LabelSource.SIGNAL, HigherIs.WORSE, pl.lit(True), _C("violation_id").is_null(),
        ("signals", "signals.violation_id"), table="signals",
    ),
)  # fmt: skip

METRICS: Mapping[str, Metric] = MappingProxyType({m.name: m for m in _ALL})
"""Every ratio metric by name."""


WATCHED = (
    "appeal_rate",
    "overturn_rate",
    "second_level_overturn_rate",
    "escalation_rate",
    "reversal_rate",
    "signals_without_violation",
)
"""The metrics that are looked through for shifts unprompted; the others follow them, or say little by themselves.

Every further series costs all others power, since false discoveries are controlled over all of them.
"""


def metric_named(name: str) -> Metric:
    """Return a metric; an unknown name is a DataError that names the nearest."""
    if name not in METRICS:
        raise DataError(f"There is no metric {name!r}{did_you_mean(name, METRICS)}.")
    return METRICS[name]


def why_off(record: Record, metric: str | Metric) -> str | None:
    """Return why the record does not allow a metric, naming the table or column that would turn it on; None when on."""
    definition = metric if isinstance(metric, Metric) else metric_named(metric)
    for need in definition.needs:
        table, _, column = need.partition(".")
        if not record.has(table):
            return f"{definition.title} is off: the record has no {table}."
        if column and (
            column not in (frame := record.table(table)).columns or frame[column].null_count() == len(frame)
        ):
            if (table, column) == ("signals", "violation_id") and column in frame.columns:
                continue  # no signal was caught: a rate of one, not a missing column
            return f"{definition.title} is off: table {table} has no column {column!r}."
    if definition.instants and record.grain.get(definition.instants, Grain.INSTANT) is not Grain.INSTANT:
        return f"{definition.title} is off: the times of {definition.instants} are coarser than an instant."
    return None


def available(record: Record) -> tuple[str, ...]:
    """Return the names of the metrics that the record's columns allow."""
    return tuple(m.name for m in _ALL if why_off(record, m) is None)
