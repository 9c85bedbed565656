"""What lies behind a shift and its causes, as plain frames: series, siblings, other names, rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from gne_analytics.causes.naming import SAME_ROWS
from gne_analytics.evidence.redact import redact
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Cause, CauseKind, Counts, Period, Shift
from gne_analytics.figures.causes import shown_siblings, sibling_rows
from gne_analytics.figures.theme import SMALL_N
from gne_analytics.metrics.definitions import metric_named
from gne_analytics.metrics.intervals import rate_difference, wilson
from gne_analytics.metrics.observations import Observations, mature, observe
from gne_analytics.metrics.windows import window_mask
from gne_analytics.release.contents import CausePart, OtherName, ShiftPart
from gne_analytics.workspace.handover import changes_near, changes_of

if TYPE_CHECKING:
    from gne_analytics.causes.explain import Explanation
    from gne_analytics.tables.record import Record
    from gne_analytics.themes.crossed import Crossed, Pair
    from gne_analytics.themes.hierarchy import Node

EXAMPLES = 6
"""Rows of a cause that a page shows."""
NAMES = 8
"""Rival descriptions that are shown."""
LEAST_SHARED = 0.3
"""A description that shares a smaller part of its rows and the cause's is of other rows."""
SHOWN_DIMS = 4
"""Dimensions that stand beside an example."""
TEXT_CUT = 140
"""Characters of a text from outside that an example shows."""


def series_of(obs: Observations) -> pl.DataFrame:
    """Return a metric over time with Wilson intervals: week (first day of the step), k, n, lo, hi, matured."""
    return _over_time(obs, obs.frame)


def series_within(obs: Observations, segment: Segment) -> pl.DataFrame:
    """Return a metric over time inside one segment, with the columns of `series_of`."""
    return _over_time(obs, obs.frame.filter(window_mask(segment, obs.frame, obs.paths)))


def series_by_side(obs: Observations, shift: Shift, segment: Segment) -> pl.DataFrame:
    """Return a metric over time inside a segment, for each side of a shift: the columns of `series_of`, and side."""
    sided = obs.frame.with_columns(side=_side_names(obs, shift)).drop_nulls("side")
    return _over_time(obs, sided.filter(window_mask(segment, sided, obs.paths)), "side")


def series_of_shift(obs: Observations, shift: Shift) -> pl.DataFrame:
    """Return what a picture draws of a shift: the metric over time, for each side where these are no two periods."""
    return series_of(obs) if _in_time(shift) else series_by_side(obs, shift, Segment({}))


def series_of_cause(obs: Observations, shift: Shift, cause: Cause) -> pl.DataFrame:
    """Return what `figures.inside_series` draws of a cause: its rate over time, by side where sides are segments.

    Of a new or a vanished segment in time, k is its rows and n all rows: what began or ended is the segment itself.
    """
    if not _in_time(shift):
        return series_by_side(obs, shift, cause.segment)
    if cause.kind in (CauseKind.NEW_SEGMENT, CauseKind.VANISHED_SEGMENT):
        inside = window_mask(cause.segment, obs.frame, obs.paths)
        return _over_time(obs, obs.frame.with_columns(k=pl.col("n") * inside))
    return series_within(obs, cause.segment)


def _in_time(shift: Shift) -> bool:
    return isinstance(shift.baseline, Period) and isinstance(shift.focus, Period)


def _over_time(obs: Observations, rows: pl.DataFrame, *by: str) -> pl.DataFrame:
    step = {"day": "event_week", "month": "event_month"}.get(obs.grain)
    first = pl.col(step) if step else pl.date(pl.col("event_year"), 1, 1)
    counted = (
        rows.with_columns(week=first)
        .drop_nulls("week")
        .group_by("week", *by)
        .agg(pl.col("k").sum(), pl.col("n").sum(), pl.col("matured").all())
        .sort("week", *by)
    )
    return _with_interval(counted)


def _side_names(obs: Observations, shift: Shift) -> pl.Series:
    """Each row's side as a word, null where it is in neither."""
    names = {0: "baseline", 1: "focus"}
    return obs.sides(shift.baseline, shift.focus).replace_strict(names, default=None, return_dtype=pl.String)


def _sided(obs: Observations, shift: Shift) -> Observations:
    """The mature rows of either side, which the counts of a cause are taken over, with the column ``window``."""
    known, _ = mature(obs)
    return replace(known, frame=known.frame.with_columns(window=_side_names(known, shift)).drop_nulls("window"))


def rows_of(obs: Observations, shift: Shift, cause: Cause) -> pl.DataFrame:
    """Return the rows behind a cause in both windows, those of the focus window first."""
    sided = obs.frame.with_columns(focus=obs.sides(shift.baseline, shift.focus) == 1).drop_nulls("focus")
    held = sided.filter(window_mask(cause.segment, sided, obs.paths))
    return held.select("id", "event_date", "focus", "k", "n", "unit", "matured", *obs.dims).sort(
        "focus", "event_date", descending=True, nulls_last=True
    )


def texts_of_node(record: Record, view: str, assignments: pl.DataFrame, node: Node) -> pl.DataFrame:
    """Return the texts of a theme of any level, nearest its centre first, each with what the record knows of it.

    ``assignments`` are a run's, with the leaf of each text. Texts are redacted and cut, and hostile all the same.
    """
    from gne_analytics.themes.views import about_texts, texts_of

    held = assignments.filter(pl.col("leaf").is_in(list(node.leaves)))
    held = held.sort("similarity", "id", descending=[True, False]).select("id", "theme_id", "folded_into", "campaign")
    texts = texts_of(record, view).select(pl.col("id").cast(pl.String), "text", "language")
    known = about_texts(record, view).drop("unit", "fold", "event_week", "language", strict=False)
    rows = held.join(texts, on="id", maintain_order="left").join(known, on="id", maintain_order="left")
    told = [redact(text, TEXT_CUT) if text else "" for text in rows["text"]]
    return rows.with_columns(pl.Series("text", told, dtype=pl.String)).drop([
        c for c in rows.columns if c not in ("id", "text") and rows[c].null_count() == rows.height
    ])  # fmt: skip


def texts_of_pair(record: Record, crossed: Crossed, pair: Pair, one: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """Return the violations of which both themes of a pair are said: both texts, then what the record knows of the one.

    ``one`` and ``other`` are the assignments of the two views. Texts are redacted and cut, and hostile all the same;
    near-identical ones of a seller come last, since the pair counts a seller once.
    """
    from gne_analytics.themes.views import FACTS, about_texts

    views = (crossed.one, crossed.other)
    first, second = (
        _texts_in(record, view, held, theme).rename({"text": view.replace("_", " ")})
        for view, held, theme in zip(views, (one, other), (pair.one, pair.other), strict=True)
    )
    both = first.join(second.select("violation_id", pl.last()), on="violation_id", maintain_order="left")
    both = both.unique("violation_id", keep="first", maintain_order=True)
    known = about_texts(record, crossed.one).drop(set(FACTS) - {"id", "event_date", "overturned"})
    rows = both.join(known, on="id", how="left", maintain_order="left").drop("id")
    return rows.drop([c for c in rows.columns if rows.height and rows[c].null_count() == rows.height])


def _texts_in(record: Record, view: str, assignments: pl.DataFrame, theme_id: str) -> pl.DataFrame:
    """The texts of a theme with their violations: id, violation_id, text; folded ones last."""
    from gne_analytics.themes.views import texts_of

    held = assignments.filter(pl.col("theme_id") == theme_id).sort(pl.col("folded_into").is_not_null(), "id")
    texts = texts_of(record, view).select(pl.col("id", "violation_id", "text").cast(pl.String))
    rows = held.select("id").join(texts, on="id", maintain_order="left").drop_nulls("violation_id")
    return rows.with_columns(pl.col("text").map_elements(_readable, pl.String))


def causes_of_node(causes: Sequence[Cause], node: Node) -> list[Cause]:
    """Return the causes in whose segment a theme of the node is said more often since the onset."""
    return [c for c in causes if any(r.theme_id in node.themes for r in c.rising_themes)]


def examples_of(record: Record, obs: Observations, shift: Shift, cause: Cause, limit: int = EXAMPLES) -> pl.DataFrame:
    """Return a few rows of a cause as a reader may see them: id, day, counted, some dimensions, texts.

    They are of the focus window (for a vanished segment of the baseline): two in three moved the rate, the others
    stand for contrast; each is of another unit, the latest first. Texts of the case and of its last appeal stand beside
    them, redacted and cut, and are hostile all the same: escape them. Units are not named.
    """
    sided = _sided(obs, shift)
    where = "baseline" if cause.kind is CauseKind.VANISHED_SEGMENT else "focus"
    inside = window_mask(cause.segment, sided.frame, obs.paths)
    held = sided.frame.filter(inside, pl.col("window") == where, pl.col("n") > 0)
    held = held.with_columns(
        telling=(pl.col("k") > 0) != (cause.effect.value < 0), owner=pl.coalesce("unit", pl.col("id").cast(pl.String))
    )
    latest = held.sort("telling", "event_date", "id", descending=[True, True, False], nulls_last=True)
    each = latest.unique("owner", keep="first", maintain_order=True)
    moved = each.filter("telling").head(limit - limit // 3)
    chosen = pl.concat([moved, each.filter(~pl.col("telling")).head(limit - moved.height)])
    day = pl.col("event_date")
    when = {"year": day.dt.year().cast(pl.String), "month": day.dt.strftime("%Y-%m")}.get(sided.grain, day)
    own, others = _telling_dims(obs, cause)
    shown = chosen.select("id", when.alias(sided.grain), (pl.col("k") > 0).alias("counted"))
    shown = pl.concat([shown, chosen.select(*own, *others)], how="horizontal")
    read = _with_texts(record, obs, shown)
    return read.select(*(c for c in read.columns if c not in others), *(c for c in read.columns if c in others))


def _telling_dims(obs: Observations, cause: Cause) -> tuple[list[str], list[str]]:
    """The dimensions that an example shows: those that name the segment, then a few others, rivals' first."""
    own = [d for d in cause.segment.dimensions if d in obs.dims]
    spoken = [d for s in (*cause.same_rows, *cause.runners_up) for d in s.dimensions]
    others = [d for d in dict.fromkeys((*spoken, *obs.dims)) if d in obs.dims and d not in own]
    return own, others[: max(SHOWN_DIMS - len(own), 1)]


def _with_texts(record: Record, obs: Observations, rows: pl.DataFrame) -> pl.DataFrame:
    """Put what was written of each row beside it; what is in no row is left out."""
    if metric_named(obs.metric).table == "signals":
        sources = [(record.signals, "signal_id", {"text": "what was reported"})]
    else:
        sources = [(record.violations, "violation_id", {"content_text": "content", "facts": "facts"})]
        if record.has("appeals"):
            sources.append((record.appeals, "violation_id", {"reason_text": "what the seller says"}))
    for table, key, columns in sources:
        held = {said: pl.col(column).cast(pl.String) for column, said in columns.items() if column in table.columns}
        texts = table.select(pl.col(key).cast(pl.String).alias("id"), **held)
        wanted = texts.filter(pl.col("id").is_in(rows["id"].to_list())).unique("id", keep="last", maintain_order=True)
        rows = rows.join(wanted, on="id", how="left", maintain_order="left")
    words = [c for c, dtype in rows.schema.items() if dtype == pl.String and c != "id"]
    rows = rows.with_columns(pl.col(c).map_elements(_readable, pl.String) for c in words)
    kept = ("id", "day", "month", "year", "counted")
    return rows.select(c for c in rows.columns if c in kept or rows[c].null_count() < rows.height)


def _readable(text: str) -> str:
    return redact(text, TEXT_CUT)


def siblings_of(obs: Observations, shift: Shift, cause: Cause, along: str | None = None) -> pl.DataFrame:
    """Return a cause's segment beside its siblings along one of its dimensions, in both windows.

    Columns value, window, k, n, in_cause, along, held, lo, hi, and move_lo, move_hi, the interval of the move of those
    that are shown. The other dimensions of the segment are held fixed where siblings then have rows, else only the
    cause keeps them, and ``held`` is false. Without ``along`` it is, among the dimensions whose siblings have rows, the
    one where these moved most otherwise than the cause. A path is cut to the level that the cause names. Immature rows
    are left out, as they are of the cause.
    """
    sided = _sided(obs, shift)
    dimensions = (along,) if along else cause.segment.dimensions
    asked = [_beside(sided, cause.segment, d, held=True) for d in dimensions]
    if not any(sibling_rows(frame) for frame in asked) and cause.segment.depth > 1:
        asked = [_beside(sided, cause.segment, d, held=False) for d in dimensions]
    chosen = max(asked, key=lambda frame: (min(sibling_rows(frame), SMALL_N), _contrast(frame)))
    return _with_interval(_with_moves(sided, cause.segment, chosen))


def _beside(obs: Observations, segment: Segment, along: str, *, held: bool) -> pl.DataFrame:
    rows = obs.frame.with_columns(in_cause=window_mask(segment, obs.frame, obs.paths))
    return (
        _siblings_and_cause(obs, rows, segment, along, held=held)
        .group_by("value", "window", "in_cause")
        .agg(pl.col("k").sum(), pl.col("n").sum())
        .with_columns(along=pl.lit(along), held=pl.lit(held))
        .sort("value", "window")
    )


def _siblings_and_cause(
    obs: Observations, rows: pl.DataFrame, segment: Segment, along: str, *, held: bool
) -> pl.DataFrame:
    """The rows of a cause and of its siblings with their ``value``; a sibling holds no value that the cause names."""
    other = ~window_mask(Segment.of({along: segment.values(along)}), rows, obs.paths)
    if held:
        fixed = Segment.of({d: v for d, v in segment.items() if d != along})
        other = other & window_mask(fixed, rows, obs.paths)
    value = pl.col(along)
    if along in obs.paths:
        level = max(v.count("/") + 1 for v in segment.values(along))
        value = value.str.split("/").list.head(level).list.join("/")
    return rows.filter(pl.col("in_cause") | other).with_columns(value=value)


def _with_moves(obs: Observations, segment: Segment, counted: pl.DataFrame) -> pl.DataFrame:
    """Add the interval of the move of each value that is shown; rows of one unit are not taken as independent."""
    rows = obs.frame.with_columns(in_cause=window_mask(segment, obs.frame, obs.paths))
    if (codes := obs.unit_codes) is not None:
        rows = rows.with_columns(code=pl.Series(codes))
    rows = _siblings_and_cause(obs, rows, segment, counted["along"][0], held=bool(counted["held"][0]))
    found: dict[str, tuple[float, float]] = {}
    for value in shown_siblings(counted)[0]:
        part = rows.filter(pl.col("value") == value)
        k, n = (part[c].to_numpy().astype(float) for c in ("k", "n"))
        focus = (part["window"] == "focus").to_numpy()
        units = None
        if codes is not None:
            units = np.unique(part["code"].to_numpy(), return_inverse=True)[1].astype(np.int64)
        interval = rate_difference(k * ~focus, n * ~focus, k * focus, n * focus, units).estimate(0, "").interval
        if interval is not None and interval.hi - interval.lo < 2:  # one that spans all there is says nothing
            found[value] = (interval.lo, interval.hi)
    bounds = (
        pl.col("value").replace_strict({v: ends[i] for v, ends in found.items()}, default=None, return_dtype=pl.Float64)
        for i in (0, 1)
    )
    return counted.with_columns(**dict(zip(("move_lo", "move_hi"), bounds, strict=True)))


def _contrast(frame: pl.DataFrame) -> float:
    """How otherwise all siblings moved than the cause; where a side is empty, how otherwise they stand."""
    sums = frame.group_by("in_cause", "window").agg(pl.col("k").sum(), pl.col("n").sum()).filter(pl.col("n") > 0)
    rates = {
        (inside, window): k / n for inside, window, k, n in sums.select("in_cause", "window", "k", "n").iter_rows()
    }
    if len(rates) == 4:
        moved = {inside: rates[inside, "focus"] - rates[inside, "baseline"] for inside in (True, False)}
        return float(abs(moved[True] - moved[False]))
    if {(True, "focus"), (False, "focus")} <= set(rates):
        return float(abs(rates[True, "focus"] - rates[False, "focus"]))
    return -1.0


def names_of(obs: Observations, shift: Shift, cause: Cause) -> tuple[OtherName, ...]:
    """Return the descriptions of a cause's rows: its own, then its rivals, those first that share most with it.

    Each with the counts of either side, and the share of its own and the cause's rows together that both hold; one that
    shares less than ``LEAST_SHARED`` describes other rows and is left out.
    """
    sided = _sided(obs, shift)
    rows = sided.frame.select("k", "n", "window")
    own = sided.frame.select(window_mask(cause.segment, sided.frame, obs.paths)).to_series()
    found = [OtherName(cause.segment, "named", 1.0, *_counts(rows.filter(own)))]
    for segment in dict.fromkeys((*cause.same_rows, *cause.runners_up)):
        if segment == cause.segment or not set(segment.dimensions) <= set(sided.frame.columns):
            continue
        held = sided.frame.select(window_mask(segment, sided.frame, obs.paths)).to_series()
        either, both = (int(rows.filter(mask)["n"].sum()) for mask in (held | own, held & own))
        shared = both / either if either else 0.0
        if shared >= LEAST_SHARED:
            how: Literal["same rows", "overlaps"] = "same rows" if shared >= SAME_ROWS else "overlaps"
            found.append(OtherName(segment, how, shared, *_counts(rows.filter(held))))
    return (found[0], *sorted(found[1:], key=lambda n: -n.shared)[:NAMES])


def _counts(rows: pl.DataFrame) -> tuple[Counts, Counts]:
    parts = (rows.filter(pl.col("window") == window) for window in ("baseline", "focus"))
    before, after = (Counts(k=int(p["k"].sum()), n=int(p["n"].sum())) for p in parts)
    return before, after


def part_of(
    record: Record, explanation: Explanation, *, detailed: int | None = None, obs: Observations | None = None
) -> ShiftPart:
    """Gather all that a page shows of an explanation; the first ``detailed`` causes with what lies behind them."""
    shift = explanation.shift
    obs = obs or observe(record, shift.metric, shift.scope)
    return ShiftPart(
        shift=shift,
        causes=explanation.causes,
        decomposition=explanation.decomposition,
        refused=explanation.refused,
        notes=explanation.notes,
        series=series_of_shift(obs, shift),
        inside={c.id: cause_part(record, obs, shift, c) for c in explanation.causes[:detailed]},
        changes=changes_near(record, shift),
    )


def cause_part(record: Record, obs: Observations, shift: Shift, cause: Cause) -> CausePart:
    """Gather what lies behind one cause."""
    beside = siblings_of(obs, shift, cause) if cause.segment.depth else None
    return CausePart(
        series=series_of_cause(obs, shift, cause),
        siblings=beside if beside is not None and sibling_rows(beside) else None,
        names=names_of(obs, shift, cause),
        examples=examples_of(record, obs, shift, cause),
        changes=changes_of(record, cause),
    )


def _with_interval(counted: pl.DataFrame) -> pl.DataFrame:
    bounds = [wilson(k, n) if n > 0 and k <= n else None for k, n in counted.select("k", "n").iter_rows()]
    return counted.with_columns(
        lo=pl.Series([b.lo if b else None for b in bounds], dtype=pl.Float64),
        hi=pl.Series([b.hi if b else None for b in bounds], dtype=pl.Float64),
    )
