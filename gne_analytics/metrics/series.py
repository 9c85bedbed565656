"""Series: each metric overall and per policy as rows in bins, scanned once, lone actors and seasons set apart."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
import polars as pl

from gne_analytics.evidence.segment import MISSING, Segment
from gne_analytics.evidence.types import Period
from gne_analytics.metrics.intervals import Floats, Ints
from gne_analytics.metrics.observations import Observations
from gne_analytics.metrics.scan import Pair, Scan, scan, window_pairs
from gne_analytics.metrics.season import Season, recurring, season_behind

MIN_SERIES = 150
WEEKS = (4, 8, 13)
COARSE = (1, 2, 3)
SERIES_DIMENSION = "policy_id"
MOST_SLICES = 60
MIN_SLICE = 60
MOST_VALUES = 100
"""A dimension with more values than that is not looked at value by value."""
NEARLY_WHOLE = 0.9
WORTH_ASKING = 0.05
"""Only a move with at most this p is asked for a lone actor or a season behind it."""
ONE_ACTOR = 0.2
"""A unit with more than this share of a window's rows, without which the move is not plain, is set apart."""
STILL_PLAIN = 0.01
"""The p at which the same windows must still differ without the actor."""
ACTORS = 3
ACTOR = "One actor holds much of a window's rows; the test set it apart, the rates hold it."
SEASONAL = "A like move came in the cycle before; what moved beyond it was tested, the rates hold both."


@dataclass(frozen=True)
class Series:
    """One metric over one scope, what the scan found in it, and where it shows most plainly."""

    metric: str
    scope: Segment
    observations: Observations
    found: Scan
    starts: tuple[date, ...]
    end: date
    strongest: Segment
    flags: tuple[str, ...] = ()

    def periods(self) -> tuple[Period, Period]:
        """Baseline and focus of the pair that is shown."""
        edges = (*self.starts, self.end)
        pair = self.found.pair
        return (
            Period(start=edges[pair.a], end=edges[pair.b]),
            Period(start=edges[pair.b], end=edges[pair.c]),
        )


@dataclass(frozen=True)
class _Rows:
    """The rows of one series, ready to be scanned."""

    k: Floats
    n: Floats
    bin: Ints
    unit: Ints | None
    slices: tuple[tuple[Segment, Ints], ...]
    bins: int
    grain: str
    pairs: Sequence[Pair] = field(repr=False)
    background: tuple[Floats, Floats] = field(repr=False)
    """Hits and rows of all policies, by bin."""

    def scan(self, rng: np.random.Generator, season: Season | None = None) -> Scan | None:
        parts = [rows for _, rows in self.slices]
        return scan(self.k, self.n, self.bin, self.unit, self.bins, self.pairs, rng, parts, season)

    def inside(self, found: Scan) -> Ints:
        return np.arange(self.k.size) if found.slice is None else self.slices[found.slice][1]

    def without(self, unit: int) -> "_Rows":
        """The same, without one unit's rows; slices keep their places."""
        assert self.unit is not None  # noqa: S101
        keep = self.unit != unit
        place = np.cumsum(keep) - 1
        slices = tuple((segment, place[rows[keep[rows]]]) for segment, rows in self.slices)
        own = np.unique(self.unit[keep], return_inverse=True)[1].astype(np.int64)
        return replace(self, k=self.k[keep], n=self.n[keep], bin=self.bin[keep], unit=own, slices=slices)

    def lone_actor(self, found: Scan) -> int | None:
        """The unit that holds most of a window where the move shows, if it holds more than one actor should."""
        if self.unit is None:
            return None
        rows, pair = self.inside(found), found.pair
        for start, end in ((pair.b, pair.c), (pair.a, pair.b)):
            within = rows[(self.bin[rows] >= start) & (self.bin[rows] < end)]
            held = np.bincount(self.unit[within], self.n[within])
            if held.size and held.max() > ONE_ACTOR * held.sum():
                return int(held.argmax())
        return None

    def still_moves(self, found: Scan, rng: np.random.Generator) -> bool:
        """Whether a move shows in these rows too, in the same windows and the same part."""
        rows = self.inside(found)
        unit = None if self.unit is None else np.unique(self.unit[rows], return_inverse=True)[1].astype(np.int64)
        again = scan(self.k[rows], self.n[rows], self.bin[rows], unit, self.bins, [found.pair], rng)
        return again is not None and again.p <= STILL_PLAIN and again.z * found.z > 0

    def by_bin(self, found: Scan) -> tuple[Floats, Floats]:
        rows = self.inside(found)
        k, n = (np.bincount(self.bin[rows], x[rows], self.bins).astype(np.float64) for x in (self.k, self.n))
        return k, n


def scanned(whole: Observations, rng: np.random.Generator) -> list[Series]:
    """Scan mature observations overall and per policy; none where they are too few or too short."""
    whole = replace(whole, frame=whole.frame.filter(pl.col("event_date").is_not_null()))
    if whole.frame.height == 0 or whole.frame["n"].sum() < MIN_SERIES:
        return []
    starts, end, bins = _bins(whole)
    if len(starts) < 3:
        return []
    pairs = window_pairs(len(starts), lengths=WEEKS if whole.grain == "day" else COARSE)
    scopes = [Segment({})]
    if SERIES_DIMENSION in whole.dims:
        sizes = whole.frame.group_by(SERIES_DIMENSION).agg(pl.col("n").sum()).filter(pl.col("n") >= MIN_SERIES)
        values = sorted(sizes[SERIES_DIMENSION].to_list())
        scopes += [Segment.of({SERIES_DIMENSION: v}) for v in values] if len(values) > 1 else []
    out = []
    codes, values_of = whole.unit_codes, _slicing(whole)
    k, n = (whole.frame[c].to_numpy().astype(float) for c in ("k", "n"))
    background = (np.bincount(bins, k).astype(np.float64), np.bincount(bins, n).astype(np.float64))
    for scope in scopes:
        rows = np.arange(k.size)
        if scope.depth:
            rows = np.flatnonzero((whole.frame[SERIES_DIMENSION] == scope.values(SERIES_DIMENSION)[0]).to_numpy())
        unit = None if codes is None else np.unique(codes[rows], return_inverse=True)[1].astype(np.int64)
        slices = tuple(_slices(values_of, rows))
        data = _Rows(k[rows], n[rows], bins[rows], unit, slices, len(starts), whole.grain, pairs, background)
        found, flags = _judged(data, rng)
        if found is not None:
            strongest = Segment({}) if found.slice is None else slices[found.slice][0]
            out.append(Series(whole.metric, scope, whole, found, starts, end, strongest, flags))
    return out


def _judged(data: _Rows, rng: np.random.Generator) -> tuple[Scan | None, tuple[str, ...]]:
    """Scan a series; where it seems to move, again without a lone actor, and against the season behind it.

    A move that the others make as well is shown with the actor, and tested by what they show.
    """
    found = data.scan(rng)
    flags: tuple[str, ...] = ()
    for _ in range(ACTORS):
        if found is None or found.p > WORTH_ASKING or (actor := data.lone_actor(found)) is None:
            break
        rest = data.without(actor)
        alone = rest.scan(rng)
        if alone is not None and rest.still_moves(found, rng):
            found = replace(found, p=max(found.p, alone.p))
            break
        data, flags, found = rest, (ACTOR,), alone
    if found is None:
        return None, flags
    if found.p <= WORTH_ASKING and (season := _season_of(data, found)) is not None:
        beyond = data.scan(rng, season)
        return (replace(found, p=1.0), flags) if beyond is None else (beyond, (*flags, SEASONAL))
    # peaks that come round make a series restless, which may hide a step
    season = recurring(*data.by_bin(replace(found, slice=None)), data.grain) if found.restless else None
    beyond = data.scan(rng, season) if season else None
    if beyond is None:
        return found, flags
    found = min((replace(f, p=min(1.0, 2 * f.p)) for f in (found, beyond)), key=lambda f: f.p)
    return found, (*flags, SEASONAL) if found.season else flags


def _season_of(data: _Rows, found: Scan) -> Season | None:
    """The season behind a move: in its part, else in the series, else in all policies, whose past is longer."""
    pair = (found.pair.a, found.pair.b, found.pair.c)
    moved = data.by_bin(found)
    seen = (moved, data.by_bin(replace(found, slice=None)), data.background)
    return season_behind(moved, seen, pair, data.grain, found.design, rising=found.z > 0)


def _slicing(obs: Observations) -> list[tuple[str, tuple[str, ...], Ints]]:
    """Each dimension to slice by: its values (of a path its first part) and each row's code.

    What an appeal says of itself is left out: it tells why, not where.
    """
    out = []
    for dimension in obs.dims:
        if dimension == SERIES_DIMENSION or dimension.startswith("appeal_"):
            continue
        column = obs.frame[dimension]
        if dimension in obs.paths:
            column = column.str.split("/").list.first()
        values = column.unique().sort()
        if 1 < len(values) <= MOST_VALUES:
            codes = column.replace_strict(values, pl.int_range(len(values), eager=True), return_dtype=pl.Int64)
            out.append((dimension, tuple(values.to_list()), codes.to_numpy().astype(np.int64)))
    return out


def _slices(values_of: Sequence[tuple[str, tuple[str, ...], Ints]], rows: Ints) -> list[tuple[Segment, Ints]]:
    """The parts of a series that are large enough to look at and are not nearly all of it; the largest ones.

    Of several names of the same rows the first dimension's is kept.
    """
    sized: list[tuple[int, Segment, Ints]] = []
    seen: set[bytes] = set()
    for dimension, values, codes in values_of:
        own = codes[rows]
        counts = np.bincount(own, minlength=len(values))
        for code in np.flatnonzero((counts >= MIN_SLICE) & (counts <= NEARLY_WHOLE * rows.size)):
            if values[code] == MISSING:
                continue
            place = np.flatnonzero(own == code)
            if (key := place.tobytes()) not in seen:
                seen.add(key)
                sized.append((-place.size, Segment.of({dimension: values[code]}), place))
    sized.sort(key=lambda s: (s[0], str(s[1])))
    return [(segment, place) for _, segment, place in sized[:MOST_SLICES]]


def _bins(obs: Observations) -> tuple[tuple[date, ...], date, Ints]:
    """Starts of all bins (weeks; months or years where dates are coarser), the end of the last, and each row's bin."""
    if obs.grain == "day":
        column, every = pl.col("event_week"), "1w"
    elif obs.grain == "month":
        column, every = pl.col("event_month"), "1mo"
    else:
        column, every = pl.date(pl.col("event_year"), 1, 1), "1y"
    start = obs.frame.select(column.alias("bin")).to_series()
    span = pl.select(pl.date_range(start.min(), start.max(), every)).to_series()  # type: ignore[arg-type]
    starts: list[date] = span.to_list()
    place = {day: i for i, day in enumerate(starts)}
    codes = start.replace_strict(place, return_dtype=pl.Int64).to_numpy().astype(np.int64)
    last: date = pl.Series([starts[-1]]).dt.offset_by(every)[0]
    return tuple(starts), last, codes
