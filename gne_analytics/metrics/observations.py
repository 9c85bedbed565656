"""Observations: one metric as rows of k of n, with dimensions, unit, fold and dates, the input of every search."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import polars as pl

from gne_analytics.errors import DataError
from gne_analytics.evidence.segment import MISSING, Segment
from gne_analytics.evidence.types import Counts, LabelSource, Shift, Window
from gne_analytics.metrics.cases import appeal_dims, case_frame, path_dims
from gne_analytics.metrics.cohorts import mature_age
from gne_analytics.metrics.definitions import REPEAT_DAYS, Metric, Wait, metric_named, why_off
from gne_analytics.metrics.intervals import MIN_DENOMINATOR, Ints, rate_difference
from gne_analytics.metrics.segments import check_values
from gne_analytics.metrics.windows import OWN, segment_mask, window_mask
from gne_analytics.tables.contract import TABLES, Grain
from gne_analytics.tables.derived import with_folds
from gne_analytics.tables.record import Record

DAY = 86_400.0


@dataclass(frozen=True)
class Observations:
    """One metric over the rows of one scope.

    ``frame`` holds id (the source's, else the row's place), k, n, event_date, event_week, event_month, event_year,
    unit, fold (0..63), matured, and each of ``dims`` as text with ``(missing)`` for null. ``paths`` are the dimensions
    whose values are paths.
    """

    frame: pl.DataFrame
    dims: tuple[str, ...]
    metric: str
    label_source: LabelSource
    paths: frozenset[str] = frozenset()
    unit: str | None = None
    scope: Segment = field(default_factory=lambda: Segment({}))
    source_hash: str = ""
    known_dims: frozenset[str] = frozenset()
    """Dimensions of the contract, whose meaning is known: a detector_version may follow time, an unknown column not."""

    @classmethod
    def from_frame(
        cls,
        frame: pl.DataFrame,
        *,
        dims: tuple[str, ...],
        metric: str = "rate",
        label_source: LabelSource = LabelSource.RECORD,
        paths: frozenset[str] = frozenset(),
        unit: str | None = None,
        scope: Segment = Segment({}),  # noqa: B008
        source_hash: str = "",
        known_dims: frozenset[str] = frozenset(),
    ) -> "Observations":
        """Make observations of a frame that has ``k`` and ``event_date`` or ``event_year``; the rest is filled in.

        ``unit`` names the column of the unit of independence; a column ``unit`` comes first, and folds follow from it
        where the frame has none. A missing column, or a dimension with a name that a row's own columns have, is a
        DataError.
        """
        _check_names(dims)
        if "k" not in frame.columns:
            raise DataError.missing_column("observations", "k", frame.columns)
        _check_values(frame, dims, "unit" if "unit" in frame.columns else unit)
        if unit is not None and "unit" not in frame.columns:
            if unit not in frame.columns:
                raise DataError.missing_column("observations", unit, frame.columns)
            frame = frame.with_columns(pl.col(unit).cast(pl.String).alias("unit"))
        if unit is not None and "unit" in frame.columns and "fold" not in frame.columns:
            frame = with_folds(frame.with_columns(pl.col("unit").cast(pl.String)), "unit")
        missing = [d for d in dims if d not in frame.columns]
        if missing:
            raise DataError.missing_column("observations", missing[0], frame.columns)
        if "event_date" not in frame.columns and "event_year" not in frame.columns:
            raise DataError.missing_column("observations", "event_date", frame.columns)
        day = pl.col("event_date") if "event_date" in frame.columns else pl.date(pl.col("event_year"), 1, 1)
        weekless = "event_date" not in frame.columns
        defaults = {
            "id": pl.int_range(pl.len(), dtype=pl.UInt32),
            "k": pl.col("k"),
            "n": pl.lit(1, pl.Int64),
            "event_date": day,
            "event_week": pl.lit(None, pl.Date) if weekless else day.dt.truncate("1w"),
            "event_month": day.dt.truncate("1mo"),
            "event_year": day.dt.year(),
            "unit": pl.lit(None, pl.String),
            "fold": pl.lit(None, pl.UInt8),
            "matured": pl.lit(True),
        }
        own = {c: pl.col(c) if c in frame.columns else e for c, e in defaults.items()}
        types = {
            "event_date": pl.Date, "event_week": pl.Date, "event_month": pl.Date,
            "event_year": pl.Int32, "unit": pl.String, "fold": pl.UInt8,
        }  # fmt: skip
        made = frame.select(
            *([] if "id" in frame.columns else [own["id"].alias("id")]),
            own["k"].cast(pl.Int64).fill_null(0),
            own["n"].cast(pl.Int64).fill_null(0).alias("n"),
            own["matured"].cast(pl.Boolean).fill_null(False).alias("matured"),
            *(own[c].cast(t).alias(c) for c, t in types.items() if c not in frame.columns or frame.schema[c] != t),
        )
        columns = [made[c] if c in made.columns else frame[c] for c in defaults]  # a column as it should be: no copy
        frame = pl.DataFrame([*columns, *(_as_text(frame[d]) for d in dims)])
        return cls(frame, tuple(dims), metric, label_source, paths, unit, scope, source_hash, known_dims)

    @property
    def has_unit(self) -> bool:
        """Whether rows are known to belong to units, so that a claim can be verified on held-out ones."""
        return self.unit is not None and self.frame["unit"].null_count() < self.frame.height

    @property
    def grain(self) -> str:
        """``day`` where weeks are known, ``year`` or ``month`` where the dates are coarser."""
        if self.frame["event_week"].null_count() < self.frame.height:
            return "day"
        months = self.frame["event_month"].drop_nulls()
        return "year" if months.is_empty() or (months.dt.month() == 1).all() else "month"

    @cached_property
    def unit_codes(self) -> Ints | None:
        """Each row's unit as 0..U-1, a row with no unit being one of its own; None when the source has no unit."""
        if not self.has_unit:
            return None
        named = self.frame["unit"]
        values = named.drop_nulls().unique().sort()
        codes = named.cast(pl.Enum(values)).to_physical().cast(pl.Int64).fill_null(-1).to_numpy(writable=True)
        alone = codes < 0
        if not alone.any():
            return codes
        codes[alone] = len(values) + np.arange(int(alone.sum()))
        return codes

    def values(self, dimension: str) -> frozenset[str]:
        """The values that a dimension's rows hold, none of one that is unknown."""
        return frozenset(self.frame[dimension].unique().to_list() if dimension in self.dims else ())

    def within(self, scope: Segment) -> "Observations":
        """Return the same metric over the rows of a segment only."""
        if not scope.depth:
            return self
        merged = Segment.of({**dict(self.scope.items()), **dict(scope.items())})
        return Observations(
            self.frame.filter(window_mask(scope, self.frame, self.paths)),
            self.dims, self.metric, self.label_source, self.paths, self.unit, merged, self.source_hash, self.known_dims,
        )  # fmt: skip

    def sides(self, baseline: Window, focus: Window) -> pl.Series:
        """Return per row 0 for the baseline, 1 for the focus, null for neither; a row of both is an error."""
        flags = self.frame.select(
            b=window_mask(baseline, self.frame, self.paths), f=window_mask(focus, self.frame, self.paths)
        )
        if (flags["b"] & flags["f"]).any():
            raise DataError(f"Windows {baseline} and {focus} share rows; choose windows that do not overlap.")
        return flags.select(
            pl.when("b").then(pl.lit(0, pl.Int8)).when("f").then(pl.lit(1, pl.Int8)).otherwise(None).alias("side")
        ).to_series()


def _check_names(dims: Sequence[str]) -> None:
    if taken := next((d for d in dims if d in OWN), None):
        raise DataError(f"A dimension may not be called {taken!r}, which names a column of every row; rename it.")


def _check_values(frame: pl.DataFrame, dims: Sequence[str], unit: str | None) -> None:
    """Refuse counts, dates, units and dimensions that are none, each by its name."""
    schema = frame.schema
    if twice := [d for d, times in Counter(dims).items() if times > 1]:
        raise DataError(f"The dimension {twice[0]!r} is named twice; name it once.")
    for name in {"k", "n"} & schema.keys():
        column = frame[name]
        if not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null)):
            raise DataError(f"Column {name!r} holds {column.dtype}, not counts; cast it to whole numbers.")
        exact = column.cast(pl.Float64) if column.dtype.is_numeric() else pl.Series([0.0])
        if bool((~exact.is_finite() | (exact < 0) | (exact != exact.floor())).fill_null(False).any()):
            raise DataError(f"Column {name!r} holds counts that are negative, not whole or not a number; mend them.")
    if "event_date" in schema and not schema["event_date"].is_temporal():
        raise DataError(f"Column 'event_date' holds {schema['event_date']}, not dates; parse it first.")
    if unit is not None and unit in schema and frame[unit].dtype.is_float() and frame[unit].is_nan().any():
        raise DataError(f"Column {unit!r} holds what is not a number; a row without a unit holds null.")
    if nested := [d for d in dims if d in schema and schema[d].is_nested()]:
        raise DataError(f"The dimension {nested[0]!r} holds {schema[nested[0]]}; a dimension has one value a row.")


def _as_text(column: pl.Series) -> pl.Series:
    """A dimension's column as text with no null: the column itself, not a copy, where it is that already."""
    column = column if column.dtype == pl.String else column.cast(pl.String)
    return column.fill_null(MISSING) if column.null_count() else column


def observe(record: Record, metric: str, scope: Segment = Segment({})) -> Observations:  # noqa: B008
    """Return one metric's rows, k of n, over the rows of a scope.

    Violations are cohorts by the date of their decision; an account action's children do not count beside it. Rows too
    young for their outcome to be known are marked not matured. A metric that the record's columns do not allow is a
    DataError that names the column.
    """
    definition = metric_named(metric)
    if reason := why_off(record, definition):
        raise DataError(reason)
    rows = case_frame(record) if definition.table == "violations" else record.table(definition.table)
    unknown = [d for d in scope.dimensions if d not in rows.columns]
    if unknown:
        raise DataError.missing_column(definition.table, unknown[0], rows.columns, f"scope {scope}")
    paths = path_dims(definition.table)
    rows = rows.filter(definition.rows)
    # whether a row is mature is read from all of them, so that a scope holds the same rows however it is asked for
    rows = rows.with_columns(_matured(record, definition, rows).alias("matured")).filter(segment_mask(scope, paths))
    table = TABLES[definition.table]
    dims = record.dims(definition.table)
    if definition.by_appeal:
        dims = [*dims, *(c for c in appeal_dims(record) if c in rows.columns)]
    _check_names(dims)
    unit = record.unit if record.unit is not None and record.unit in rows.columns else None
    frame = rows.select(
        pl.col(table.id).alias("id"),
        definition.hit.cast(pl.Int64).alias("k"),
        pl.lit(1, pl.Int64).alias("n"),
        "event_date", "event_week", "event_month", "event_year",
        (pl.col(unit) if unit else pl.lit(None, pl.String)).cast(pl.String).alias("unit"),
        (pl.col("fold") if unit else pl.lit(None, pl.UInt8)).alias("fold"),
        "matured",
        *dims,
    )  # fmt: skip
    known = frozenset(d for d in dims if d.removeprefix("appeal_") in TABLES["appeals"].columns or d in table.columns)
    return Observations.from_frame(
        frame, dims=tuple(dims), metric=metric, label_source=definition.label_source, paths=paths & set(dims),
        unit=unit, scope=scope, source_hash=record.source_hash, known_dims=known,
    )  # fmt: skip


def _matured(record: Record, definition: Metric, rows: pl.DataFrame) -> pl.Series:
    """Whether each row's cohort is complete. Coarse grains have no delay curve: all of it is mature."""
    grain = record.grain.get(definition.table, Grain.INSTANT)
    if definition.wait is Wait.NOTHING or grain.coarseness > Grain.WEEK.coarseness:
        return pl.repeat(True, rows.height, eager=True)
    start = pl.col(TABLES[definition.table].time)
    age = (pl.lit(record.as_of) - start).dt.total_seconds() / DAY
    if definition.wait is Wait.REPEAT:
        return rows.select((age >= REPEAT_DAYS).alias("matured")).to_series()
    event = {
        Wait.FILED: "filed_at",
        Wait.DECIDED: "settled_at",
        Wait.DECIDED_FIRST: "first_settled_at",
        Wait.DECIDED_SECOND: "second_settled_at",
        Wait.REVERSED: "reversed_at",
        Wait.CORRECTED: "corrected_at",
    }[definition.wait]
    delays = rows.select(
        ((pl.col(event) - start).dt.total_seconds() / DAY).alias("delay"),
        age.alias("seen_for"),
        *(["market"] if "market" in rows.columns else []),
    )
    if delays["delay"].null_count() == delays.height:
        return pl.repeat(True, rows.height, eager=True)
    # The slowest market decides for all: last weeks that hold fast markets only would look like a fall.
    needed = mature_age(delays, "market").max()
    return (delays["seen_for"] >= needed).fill_null(False)


def counts_of(obs: Observations, side: pl.Series, which: int) -> Counts:
    """Count k, n and units of one side."""
    rows = obs.frame.select("k", "n", "unit").filter((side == which).fill_null(False))
    units = rows["unit"].drop_nulls().n_unique() if obs.has_unit else 0
    return Counts(k=int(rows["k"].sum()), n=int(rows["n"].sum()), units=units)


def make_shift(obs: Observations, baseline: Window, focus: Window, *, shift_id: str = "") -> Shift:
    """Measure the shift between two named windows; one that holds no row is a DataError. See `measure_shift`."""
    if isinstance(baseline, Segment) != isinstance(focus, Segment):
        raise DataError(f"Windows {baseline} and {focus} must be of one kind: two periods, or two segments.")
    for window in (baseline, focus):
        if isinstance(window, Segment):
            window_mask(window, obs.frame, obs.paths)  # an unknown dimension is named first
            check_values(window, obs.values, obs.paths)
        if not obs.frame.select(window_mask(window, obs.frame, obs.paths).any()).item():
            raise DataError(f"Window {window} holds no row{_span(obs)}.")
    return measure_shift(obs, baseline, focus, shift_id=shift_id)


def _span(obs: Observations) -> str:
    """Say from when to when the rows run, for a window that missed them."""
    of = f"{obs.metric}{f' ({obs.scope})' if obs.scope.depth else ''}"
    days = obs.frame["event_date"].drop_nulls()
    if days.is_empty():
        return f", for the record has no dated row at all for {of}"
    shape = "%Y" if obs.grain == "year" else "%Y-%m" if obs.grain == "month" else "%Y-%m-%d"
    first, last = days.dt.strftime(shape).sort().gather([0, -1])
    return f"; the record's rows for {of} run from {first} to {last}"


def measure_shift(obs: Observations, baseline: Window, focus: Window, *, shift_id: str = "") -> Shift:
    """Measure the shift between two windows, with its interval; immature rows of the focus are left out.

    ``significant`` is left to the interval: it excludes zero. A rate over 1 or a small denominator is flagged.
    """
    obs_mature, left_out = mature(obs)
    side = obs_mature.sides(baseline, focus)
    before, after = counts_of(obs_mature, side, 0), counts_of(obs_mature, side, 1)
    code = side.fill_null(-1).to_numpy()
    frame, units = obs_mature.frame, obs_mature.unit_codes
    k, n = frame["k"].to_numpy().astype(float), frame["n"].to_numpy().astype(float)
    zero, one = code == 0, code == 1
    difference = rate_difference(k * zero, n * zero, k * one, n * one, units)
    method = "cluster-robust by unit" if units is not None else "two-sample, rows taken as independent"
    delta = difference.estimate(before.n + after.n, method)
    flags = list(flags_of(before, after))
    if units is not None and before.n and after.n and not np.isfinite(difference.se):
        flags.append("Too few different units lie in these windows, so no interval can be estimated.")
    if left_out:
        flags.append("Rows too young to have been appealed and decided are left out.")
    if units is None:
        flags.append("The source declares no unit, so rows are taken as independent and the interval is too narrow.")
    excludes_zero = delta.interval is not None and not delta.interval.lo <= 0 <= delta.interval.hi
    return Shift(
        id=shift_id or f"{obs.metric}:{obs.scope}:{baseline}->{focus}",
        metric=obs.metric, scope=obs.scope, baseline=baseline, focus=focus, before=before, after=after, delta=delta,
        label_source=obs.label_source, e_value=e_from_z(difference.z),
        significant=bool(excludes_zero and not unrankable(before, after)), flags=tuple(flags),
    )  # fmt: skip


def e_from_z(z: float) -> float:
    """Return an e-value from a two-sided z: the average of exp(lz - l^2/2) over a standard normal l, capped.

    The normal-mixture e-value of Robbins (1970): exp(z^2/4)/sqrt(2).
    """
    return float(np.exp(min(z * z / 4, 600.0)) / np.sqrt(2)) if np.isfinite(z) else 0.0


def mature(obs: Observations) -> tuple[Observations, int]:
    """Return the observations without immature rows, and how many were left out."""
    keep = obs.frame["matured"]
    left_out = int((~keep).sum())
    if not left_out:
        return obs, 0
    return replace(obs, frame=obs.frame.filter(keep)), left_out


def unrankable(before: Counts, after: Counts) -> bool:
    """Whether a rate is over 1 or a denominator too small to be ranked."""
    return any(c.n < MIN_DENOMINATOR or c.k > c.n or c.k < 0 for c in (before, after))


def flags_of(before: Counts, after: Counts) -> tuple[str, ...]:
    """Say, without a figure, what forbids ranking these counts."""
    flags = []
    for name, c in (("baseline", before), ("focus", after)):
        if c.n == 0:
            flags.append(f"The {name} window has no rows.")
        elif c.k > c.n:
            flags.append(f"The {name} rate lies over one: numerator and denominator count different things.")
        elif c.n < MIN_DENOMINATOR:
            flags.append(f"The {name} window has too few rows to be ranked.")
    return tuple(flags)
