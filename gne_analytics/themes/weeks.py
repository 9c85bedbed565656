"""Themes over weeks: the share of a week's sellers that spoke of each theme, its interval, empty weeks as empty."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from html import escape

import polars as pl

from gne_analytics.errors import DataError
from gne_analytics.evidence.types import Theme
from gne_analytics.metrics.intervals import wilson
from gne_analytics.themes.fit import Themes
from gne_analytics.themes.texts import voter


@dataclass(frozen=True)
class ThemeWeeks:
    """The share of every theme in every week."""

    view: str
    weeks: pl.DataFrame = field(repr=False)
    """week (Date, its Monday), theme_id, texts, k (votes for the theme: one per seller, parted among what the seller
    said that week), n (sellers who said something), share, lo, hi (Wilson, 95 %; null in an empty week); in order of
    week and theme_id, a row for every theme and week."""
    labels: Mapping[str, str]
    """theme_id -> label as a reader sees it."""
    undated: int = 0
    """Texts without a day; they are in no week."""

    @property
    def empty(self) -> tuple[date, ...]:
        """Weeks in which nobody wrote."""
        return tuple(self.weeks.filter(pl.col("n") == 0)["week"].unique().sort())

    def summary(self) -> str:
        """The span, the empty weeks, and the last written week's largest themes with interval and n."""
        written = self.weeks.filter(pl.col("n") > 0)
        lines = [f"{self.view}: {self.weeks['week'].n_unique()} weeks, {len(self.empty)} of them empty"]
        if not written.is_empty():
            last = written.filter(pl.col("week") == pl.col("week").max())
            lines.append(f"week of {last['week'][0]:%Y-%m-%d}, {last['n'][0]:,} sellers:")
            for row in last.sort("k", "theme_id", descending=[True, False]).head(10).iter_rows(named=True):
                reach = f"{row['lo']:.1%} to {row['hi']:.1%}"
                lines.append(f"  {row['theme_id']}  {row['share']:.1%} ({reach}): {self.labels[row['theme_id']]}")
        lines += [f"{self.undated:,} texts have no day and are in no week."] if self.undated else []
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.summary())}</pre>"


def theme_weeks(
    themes: Themes, texts: pl.DataFrame, *, since: date | None = None, until: date | None = None
) -> ThemeWeeks:
    """Return the share of each theme in each week's texts, one seller one vote.

    Args:
        themes: fitted on the texts, or on some of them (see ``weekly`` for assignments of another source).
        texts: id, event_date (a day or an instant), and unit where known.
        since: a day of the first week; that of the first text where not given.
        until: a day of the last week, in the same way.

    Raises:
        DataError: no event_date, or one that is no date.
    """
    return weekly(themes.view, themes.themes, themes.assignments, texts, since=since, until=until)


def weekly(
    view: str,
    themes: tuple[Theme, ...],
    assigned: pl.DataFrame,
    texts: pl.DataFrame,
    *,
    since: date | None = None,
    until: date | None = None,
) -> ThemeWeeks:
    """Do as ``theme_weeks`` for assignments of ``assign`` or ``update``."""
    days = dated(texts, view)
    held = assigned.drop_nulls("theme_id").join(days, on="id")
    rows = held.drop_nulls("day").with_columns(
        week=pl.col("day").dt.truncate("1w"), said=pl.coalesce("folded_into", "id"), voice=voter()
    )
    # A seller's copies are one text also where the week's copy is not the one that speaks for them.
    once = rows.sort("id").unique(["week", "voice", "said"], keep="first", maintain_order=True)
    said = once.with_columns(vote=1 / pl.len().over("week", "voice"))
    mondays = _mondays(rows["week"], since, until)
    said = said.join(mondays, on="week", how="semi")
    voices = said.group_by("week").agg(n=pl.col("voice").n_unique().cast(pl.Int64))
    # Sums of thirds and the like: rounded, since the order of summation is not kept.
    counts = said.group_by("week", "theme_id").agg(texts=pl.len().cast(pl.Int64), k=pl.col("vote").sum().round(9))
    labels = {theme.id: theme.shown for theme in themes}
    names = pl.DataFrame({"theme_id": sorted({*labels, *said["theme_id"]})}, schema={"theme_id": pl.String})
    grid = mondays.join(names, how="cross").join(voices, on="week", how="left")
    full = grid.join(counts, on=["week", "theme_id"], how="left").with_columns(
        pl.col("texts", "n").fill_null(0), pl.col("k").fill_null(0.0)
    )
    reach = [wilson(k, n) if n else None for k, n in full.select("k", "n").iter_rows()]
    shares = full.with_columns(
        share=pl.when(pl.col("n") > 0).then(pl.col("k") / pl.col("n")),
        lo=pl.Series([None if r is None else r.lo for r in reach], dtype=pl.Float64),
        hi=pl.Series([None if r is None else r.hi for r in reach], dtype=pl.Float64),
    )
    columns = ("week", "theme_id", "texts", "k", "n", "share", "lo", "hi")
    named = labels | {t: t for t in names["theme_id"] if t not in labels}
    return ThemeWeeks(view, shares.select(columns).sort("week", "theme_id"), named, held["day"].null_count())


def dated(texts: pl.DataFrame, view: str) -> pl.DataFrame:
    """Return id, unit and day (null where there is none) of texts; without a column of dates it is a DataError."""
    for column in ("id", "event_date"):
        if column not in texts.columns:
            raise DataError.missing_column(view, column, texts.columns, "themes over weeks")
    kind = texts.schema["event_date"]
    if kind not in (pl.Date, pl.Datetime, pl.Null):
        raise DataError(f"themes of {view!r} over weeks: column 'event_date' is {kind}, not a date; map a date column.")
    unit = pl.col("unit") if "unit" in texts.columns else pl.lit(None)
    return texts.select(pl.col("id").cast(pl.String), unit=unit.cast(pl.String), day=pl.col("event_date").cast(pl.Date))


def _mondays(weeks: pl.Series, since: date | None, until: date | None) -> pl.DataFrame:
    held: list[date] = weeks.sort().to_list()
    first, last = since or next(iter(held), until), until or next(reversed(held), since)
    if first is None or last is None:
        return pl.DataFrame(schema={"week": pl.Date})
    first, last = first - timedelta(days=first.weekday()), last - timedelta(days=last.weekday())
    return pl.DataFrame({"week": pl.date_range(first, last, "1w", eager=True)})
