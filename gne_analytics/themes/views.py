"""Which texts of a record make which view; views are clustered apart.

Mixing a reviewer's rationale into the sellers' words makes clusters follow the decision, not the content.
"""

from types import MappingProxyType

import polars as pl

from gne_analytics.errors import DataError, did_you_mean
from gne_analytics.metrics.definitions import DECIDED, OVERTURNED
from gne_analytics.tables.record import Record, appealed

VIEWS = MappingProxyType(
    {
        "seller_text": (("appeals", "reason_text"),),
        "reviewer_rationale": (("appeals", "outcome_reason"), ("violations", "reversal_reason")),
        "facts": (("violations", "facts"), ("violations", "content_text"), ("violations", "notice_text")),
        "signals": (("signals", "text"),),
    }
)
"""View -> the columns that may hold it; the first one with any text is taken."""

ALIASES = MappingProxyType({"appeals": "seller_text", "rationale": "reviewer_rationale", "violations": "facts"})
"""What people type -> the view."""


def view_named(name: str) -> str:
    """Return the view that a name means, or say which there are."""
    view = ALIASES.get(name, name)
    if view not in VIEWS:
        raise DataError(f"there is no view {name!r}{did_you_mean(name, [*VIEWS, *ALIASES])}.")
    return view


def texts_of(record: Record, view: str) -> pl.DataFrame:
    """Return the texts of one view, ready for ``fit_themes``.

    Columns: id, text, unit, language, overturned (null while undecided or never appealed), violation_id, event_date.
    A record without such a text is a DataError that names the columns that would hold it.
    """
    view = view_named(view)
    for table, column in VIEWS[view]:
        frame = record.table(table)
        if column in frame.columns and frame[column].null_count() < frame.height:
            return _shaped(_joined(record, table, column), record.unit)
    wanted = " or ".join(f"{table}.{column}" for table, column in VIEWS[view])
    raise DataError(f"{record.name}: the view {view!r} needs texts in {wanted}; map one of these columns.")


def _joined(record: Record, table: str, column: str) -> pl.DataFrame:
    if table == "appeals":
        rows = appealed(record)
        spoken = [c for c in ("appeal_language", "language") if c in rows.columns]
        return rows.with_columns(
            id=pl.col("appeal_id"),
            text=pl.col(f"appeal_{column}"),
            language=pl.coalesce(spoken) if spoken else pl.lit(None, pl.String),
            overturned=_overturned(pl.col("appeal_outcome")),
            event_date=pl.col("appeal_event_date"),
        )
    key = "violation_id" if table == "violations" else "signal_id"
    rows = record.table(table).with_columns(id=pl.col(key), text=pl.col(column))
    if table == "violations" and record.has("appeals"):
        last = record.appeals.filter(pl.col("outcome").is_in(DECIDED)).sort("filed_at", "appeal_id")
        last = last.unique("violation_id", keep="last").select("violation_id", "outcome")
        rows = rows.join(last, on="violation_id", how="left").with_columns(overturned=_overturned(pl.col("outcome")))
    return rows


def _overturned(outcome: pl.Expr) -> pl.Expr:
    return pl.when(outcome.is_in(DECIDED)).then(outcome.is_in(OVERTURNED))


def _shaped(rows: pl.DataFrame, unit: str | None) -> pl.DataFrame:
    types = {"language": pl.String, "overturned": pl.Boolean, "violation_id": pl.String, "event_date": pl.Date}
    absent = [pl.lit(None, kind).alias(name) for name, kind in types.items() if name not in rows.columns]
    who = pl.col(unit) if unit is not None and unit in rows.columns else pl.lit(None, pl.String)
    return rows.with_columns(*absent, unit=who).select("id", "text", "unit", *types)
