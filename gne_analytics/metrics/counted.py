"""Observations counted where the rows lie: one lazy group_by on Polars, DuckDB or PySpark; little comes back."""

from collections.abc import Mapping, Sequence

import narwhals as nw
import polars as pl
from narwhals.typing import IntoFrame

from gne_analytics.errors import DataError
from gne_analytics.evidence.types import LabelSource
from gne_analytics.metrics.engines import check_names
from gne_analytics.metrics.observations import Observations
from gne_analytics.tables.derived import with_folds


def count_observations(
    frame: IntoFrame,
    *,
    dims: Sequence[str],
    unit: str | None = None,
    date: str = "event_date",
    metric: str = "rate",
    label_source: LabelSource = LabelSource.RECORD,
    paths: frozenset[str] = frozenset(),
) -> Observations:
    """Count k of n per date, unit and dimensions on the engine that holds the rows, ready for `explain`.

    An example row of what follows is then such a count, not a case. Leave out rows whose outcome is not known yet.

    Args:
        frame: a Polars frame, a DuckDB relation or a PySpark frame; not sifted. It holds ``k`` (0 or 1, or a count),
            perhaps ``n`` (1 where there is none), and the columns named below.
        dims: the dimensions to search.
        unit: the column whose rows are not independent, such as ``seller_id``. Its fold is derived here, on what comes
            back, so that no engine hashes.
        date: a column of dates, in the reporting time zone.
        metric: what the rate is called.
        label_source: where ``k`` comes from.
        paths: those of ``dims`` whose values are paths (``beauty/sun-care``).

    Raises:
        DataError: a column is missing, the engine would take it for another, ``date`` holds no dates, or rows have a
            ``k`` or ``n`` that is empty, negative or no whole number; they are counted by reason.
    """
    rows = nw.from_native(frame).lazy()
    schema = rows.collect_schema()
    check_names(rows, ["k", date, *dims, *([unit] if unit else [])], ["event_date", "unit", "n"])
    if schema[date] != nw.Date:
        raise DataError(
            f"Column {date!r} holds {schema[date]}, not dates; derive the date in your own time zone first."
        )
    counted = rows.select(
        *dims,
        nw.col(date).alias("event_date"),
        *([nw.col(unit).alias("unit")] if unit else []),
        nw.col("k").cast(nw.Float64),
        (nw.col("n") if "n" in schema else nw.lit(1)).cast(nw.Float64).alias("n"),
    )
    keys = [*dims, "event_date", *(["unit"] if unit else [])]
    faults = {f"{c}: {why}": bad for c in ("k", "n") for why, bad in _faults(nw.col(c)).items()}
    flagged = counted.with_columns(**{name: nw.when(bad).then(1).otherwise(0) for name, bad in faults.items()})
    sums = flagged.group_by(*keys).agg(nw.col("k").sum(), nw.col("n").sum(), *(nw.col(f).sum() for f in faults))
    counts: pl.DataFrame = sums.collect("polars").to_native().sort(keys)
    _refuse({name: int(counts[name].sum()) for name in faults})
    counts = counts.drop(*faults)
    if unit:
        counts = with_folds(counts.with_columns(pl.col("unit").cast(pl.String)), "unit")
    return Observations.from_frame(
        counts, dims=tuple(dims), metric=metric, label_source=label_source, paths=paths, unit=unit
    )


def _faults(count: nw.Expr) -> dict[str, nw.Expr]:
    """What a count may not be, by its words."""
    whole = count % 1 == 0  # a NaN or an infinity is not
    return {"is empty": count.is_null(), "is negative": count < 0, "is no whole number": ~whole & ~count.is_null()}


def _refuse(found: Mapping[str, int]) -> None:
    """Refuse counts that are none, with the number of rows for each reason."""
    told = [f"in {n:,} {'row' if n == 1 else 'rows'} {name.replace(': ', ' ')}" for name, n in found.items() if n]
    if told:
        raise DataError(f"Counts cannot be used: {'; '.join(told)}. Mend these rows or leave them out.")
