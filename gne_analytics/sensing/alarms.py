"""Rate alarms: the last full week of a series beyond what its own weeks foretell."""

import math
from collections.abc import Sequence

import polars as pl

from gne_analytics.errors import DataError
from gne_analytics.metrics.discoveries import holm

LEVEL = 0.05
WEEKS = 8
MIN_N = 30
_FLOATS = ("rate", "expected", "lo", "hi", "p")


def rate_alarms(rows: pl.DataFrame, by: Sequence[str], *, weeks: int = WEEKS) -> pl.DataFrame:
    """Say of which series the last week's rate lies outside its prediction interval.

    Args:
        rows: event_week (Date), k, n and the ``by`` columns; several rows of one series and week add up. Leave out
            weeks that are not mature.
        by: what makes a series.
        weeks: weeks before the last one that foretell it; at least four must be there.

    Returns:
        one row per series that can be judged: by, event_week, k, n, rate, expected, lo, hi (prediction interval, the
        variance between its weeks taken in), p, alarm (Holm over all series at 5 %); the least likely first.
    """
    for column in ("event_week", "k", "n", *by):
        if column not in rows.columns:
            raise DataError.missing_column("rates", column, rows.columns, "rate_alarms")
    weekly = rows.drop_nulls("event_week").group_by([*by, "event_week"]).agg(pl.col("k").sum(), pl.col("n").sum())
    last = weekly["event_week"].max()
    found = []
    for key, series in weekly.sort("event_week").group_by(by, maintain_order=True):
        now = series.filter(pl.col("event_week") == last)
        past = series.filter((pl.col("event_week") < last) & (pl.col("n") > 0)).tail(weeks)
        if now.height and now["n"][0] >= MIN_N and past.height >= 4:
            found.append({**dict(zip(by, key, strict=True)), "event_week": last, **_judge(now, past)})
    keys = {c: rows.schema[c] for c in (*by, "event_week")}
    numbers = {"k": pl.Int64(), "n": pl.Int64()} | dict.fromkeys(_FLOATS, pl.Float64())
    frame = pl.DataFrame(found, schema=pl.Schema({**keys, **numbers})).sort(["p", *by])
    return frame.with_columns(pl.Series("alarm", holm(frame["p"].to_numpy()) <= LEVEL))


def _judge(now: pl.DataFrame, past: pl.DataFrame) -> dict[str, float | int]:
    from scipy.stats import t

    k, n = int(now["k"][0]), int(now["n"][0])
    total = float(past["n"].sum())
    expected = (float(past["k"].sum()) + 0.5) / (total + 1)
    binomial = expected * (1 - expected)
    squares = sum(w * (x / w - expected) ** 2 for x, w in past.select("k", "n").iter_rows())
    widened = max(1.0, squares / (past.height - 1) / binomial)
    error = math.sqrt(binomial * widened * (1 / n + 1 / total))
    dof = past.height - 1
    reach = float(t.ppf(0.975, dof)) * error
    p = 2 * float(t.sf(abs(k / n - expected) / error, dof))
    return {
        "k": k, "n": n, "rate": k / n, "expected": expected,
        "lo": max(0.0, expected - reach), "hi": min(1.0, expected + reach), "p": p,
    }  # fmt: skip
