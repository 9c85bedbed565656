"""Which texts of a record make which view; views are clustered apart.

Mixing a reviewer's rationale into the sellers' words makes clusters follow the decision, not the content.
"""

from types import MappingProxyType

import polars as pl

from gne_analytics.errors import DataError, did_you_mean
from gne_analytics.evidence.segment import Segment
from gne_analytics.metrics.definitions import DECIDED, LEVEL_ORDER, OVERTURNED
from gne_analytics.metrics.observations import observe
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

    Columns: id, text, unit, language, overturned (null while undecided or never appealed; of a violation, what the
    highest decided level said), violation_id, event_date.
    A record without such a text is a DataError that names the columns that would hold it.
    """
    view = view_named(view)
    for table, column in VIEWS[view]:
        if _holds(record, table, column):
            return _shaped(_joined(record, table, column), record.unit)
    wanted = " or ".join(f"{table}.{column}" for table, column in VIEWS[view])
    raise DataError(f"{record.name}: the view {view!r} needs texts in {wanted}; map one of these columns.")


FACTS = ("id", "violation_id", "unit", "fold", "event_date", "event_week", "overturned", "appealed", "evidence")
"""The columns of `about_texts` that are no dimension."""


def about_texts(record: Record, view: str) -> pl.DataFrame:
    """Return what the record knows of each text of a view: one row per text, the columns of ``FACTS``, then dimensions.

    ``appealed`` is known for texts of violations whose time to appeal is over (`metrics.observations`), ``evidence``
    lists what came with an appeal. The dimensions are those of the violation or signal, and of the appeal with the
    prefix ``appeal_``.
    """
    view = view_named(view)
    texts = texts_of(record, view)
    table, column = next((t, c) for t, c in VIEWS[view] if _holds(record, t, c))
    rows = _joined(record, table, column)
    of_case = "signals" if table == "signals" else "violations"
    dims = [d for d in record.dims(of_case) if d in rows.columns and d not in FACTS]
    own = [d for c in record.dims("appeals") if (d := f"appeal_{c}") in rows.columns] if table == "appeals" else []
    offered = "appeal_evidence"
    listed = offered in rows.columns and rows.schema[offered] == pl.List(pl.String)
    known = rows.select(
        pl.col("id").cast(pl.String),
        pl.col("fold").cast(pl.Int64) if "fold" in rows.columns else pl.lit(None, pl.Int64).alias("fold"),
        (pl.col(offered) if listed else pl.lit(None, pl.List(pl.String))).alias("evidence"),
        *(pl.col(d).cast(pl.String) for d in (*dims, *own)),
    )
    told = texts.drop("text", "language").join(known, on="id", how="left", maintain_order="left")
    told = told.with_columns(
        pl.col("id").cast(pl.String), pl.col("unit").cast(pl.String),
        event_week=pl.col("event_date").dt.truncate("1w"),
    )  # fmt: skip
    return _with_appealed(record, told, table).select(*FACTS, *dims, *own)


def bare_facts(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the facts of texts behind which there is no record: who wrote them, and nothing more."""
    types: dict[str, pl.DataType | type[pl.DataType]] = {
        "violation_id": pl.String, "fold": pl.Int64, "event_date": pl.Date, "event_week": pl.Date,
        "overturned": pl.Boolean, "appealed": pl.Boolean, "evidence": pl.List(pl.String),
    }  # fmt: skip
    return rows.select("id", "unit", *(pl.lit(None, kind).alias(name) for name, kind in types.items())).select(FACTS)


def _holds(record: Record, table: str, column: str) -> bool:
    frame = record.table(table)
    return column in frame.columns and frame[column].null_count() < frame.height


def _with_appealed(record: Record, told: pl.DataFrame, table: str) -> pl.DataFrame:
    if table != "violations" or not record.has("appeals"):
        return told.with_columns(appealed=pl.lit(None, pl.Boolean))
    seen = observe(record, "appeal_rate", Segment({})).frame.filter("matured", pl.col("n") > 0)
    seen = seen.select(pl.col("id").cast(pl.String), appealed=pl.col("k") > 0).unique("id", keep="first")
    return told.join(seen, on="id", how="left", maintain_order="left")


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
        final = _final(record.appeals)
        rows = rows.join(final, on="violation_id", how="left", maintain_order="left")
        rows = rows.with_columns(overturned=_overturned(pl.col("outcome")))
    return rows


def _final(appeals: pl.DataFrame) -> pl.DataFrame:
    """What the highest decided level said of each violation."""
    level = pl.col("level") if "level" in appeals.columns else pl.lit("1")
    rank = level.replace_strict(dict(LEVEL_ORDER), default=1, return_dtype=pl.Int64)
    decided = appeals.filter(pl.col("outcome").is_in(DECIDED)).sort(rank, "filed_at", "appeal_id")
    last = decided.unique("violation_id", keep="last", maintain_order=True)
    return last.select("violation_id", "outcome")


def _overturned(outcome: pl.Expr) -> pl.Expr:
    return pl.when(outcome.is_in(DECIDED)).then(outcome.is_in(OVERTURNED))


def _shaped(rows: pl.DataFrame, unit: str | None) -> pl.DataFrame:
    types = {"language": pl.String, "overturned": pl.Boolean, "violation_id": pl.String, "event_date": pl.Date}
    absent = [pl.lit(None, kind).alias(name) for name, kind in types.items() if name not in rows.columns]
    who = pl.col(unit) if unit is not None and unit in rows.columns else pl.lit(None, pl.String)
    return rows.with_columns(*absent, unit=who).select("id", "text", "unit", *types)
