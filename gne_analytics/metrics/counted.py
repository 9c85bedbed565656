"""Observations counted where the rows lie: one lazy group_by on Polars, DuckDB or PySpark; little comes back."""

from collections.abc import Sequence

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

    An example row of what follows is then such a count, not a case. Leave out rows whose outcome is not known yet; one
    without k or n is left out here.

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
        DataError: a column is missing, the engine would take it for another, ``date`` holds no dates, counts are
            negative or not whole, or no row has both.
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
    counted = counted.filter(~nw.col("k").is_null() & ~nw.col("n").is_null())
    keys = [*dims, "event_date", *(["unit"] if unit else [])]
    sums = [nw.col("k").sum(), nw.col("n").sum(), *(nw.col(c).min().alias(f"least {c}") for c in ("k", "n"))]
    counts: pl.DataFrame = counted.group_by(*keys).agg(*sums).collect("polars").to_native().sort(keys)
    if counts.is_empty():
        raise DataError("No row has both k and n; name the columns that hold the counts so.")
    if below := [c for c in ("k", "n") if bool((counts[f"least {c}"] < 0).any())]:
        raise DataError(f"Column {below[0]!r} holds negative counts; mend them.")
    counts = counts.drop("least k", "least n")
    if unit:
        counts = with_folds(counts.with_columns(pl.col("unit").cast(pl.String)), "unit")
    return Observations.from_frame(
        counts, dims=tuple(dims), metric=metric, label_source=label_source, paths=paths, unit=unit
    )
