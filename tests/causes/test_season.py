from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from gne_analytics.causes.context import MechanismContext
from gne_analytics.causes.kinds import is_batch
from gne_analytics.causes.season import comes_back
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import CauseKind, Period
from gne_analytics.metrics.observations import Observations, make_shift

START = date(2026, 1, 5)
EVERYTHING = Segment({})


def record(rates, *, rows=60, seed=0):
    """Observations with so many rows a week, week by week at the given rates."""
    rng = np.random.default_rng(seed)
    days = [START + timedelta(days=7 * w + int(d)) for w in range(len(rates)) for d in rng.integers(0, 7, rows)]
    k = np.concatenate([rng.random(rows) < r for r in rates]).astype(int)
    frame = pl.DataFrame({"id": [str(i) for i in range(len(k))], "event_date": days, "k": k, "market": ["ID"] * len(k)})
    return Observations.from_frame(frame, dims=("market",), metric="overturn_rate")


def weeks(a, b):
    return Period(start=START + timedelta(weeks=a), end=START + timedelta(weeks=b))


def shift_of(observed, baseline, focus):
    return make_shift(observed, weeks(*baseline), weeks(*focus))


PEAKS = [0.6 if w % 6 < 2 else 0.3 for w in range(26)]


def test_a_peak_that_came_before_at_the_same_step_is_a_season():
    observed = record(PEAKS)
    found = comes_back(observed, shift_of(observed, (20, 24), (24, 26)), EVERYTHING)
    assert found.cycle == "6 weeks"
    assert found.times >= 2


def test_a_peak_within_a_longer_focus_is_seen_as_well():
    observed = record([*PEAKS, 0.3, 0.3])
    assert comes_back(observed, shift_of(observed, (20, 24), (24, 28)), EVERYTHING)


@pytest.mark.parametrize("seed", range(5))
def test_a_step_is_no_season(seed):
    observed = record([0.3] * 24 + [0.6] * 4, seed=seed)
    assert comes_back(observed, shift_of(observed, (14, 24), (24, 28)), EVERYTHING) is None


def test_a_peak_far_above_those_before_is_no_season():
    observed = record([0.37 if w % 6 < 2 else 0.3 for w in range(24)] + [0.8, 0.8], rows=200)
    assert comes_back(observed, shift_of(observed, (20, 24), (24, 26)), EVERYTHING) is None


def test_the_same_weeks_of_last_year_make_a_season():
    observed = record([0.55 if w % 52 in (10, 11, 12) else 0.3 for w in range(65)])
    assert comes_back(observed, shift_of(observed, (54, 62), (62, 65)), EVERYTHING).cycle == "year"


def test_a_season_is_told_as_one_and_never_as_a_failing(explained_seasons):
    (cause,) = explained_seasons
    assert cause.kind is CauseKind.SEASONALITY
    assert cause.mechanism == "unknown"


@pytest.fixture
def explained_seasons():
    from gne_analytics.causes import explain
    from gne_analytics.evidence.store import EvidenceStore

    observed = record(PEAKS, rows=300)
    rng = np.random.default_rng(3)
    sellers = pl.Series([f"s{i}" for i in rng.integers(0, 900, observed.frame.height)])
    frame = observed.frame.with_columns(
        unit=sellers, fold=pl.Series(rng.integers(0, 64, observed.frame.height)).cast(pl.UInt8)
    )
    frame = frame.with_columns(fold=(sellers.str.slice(1).cast(pl.Int64) % 64).cast(pl.UInt8))
    frame = frame.with_columns(market=pl.Series(rng.choice(["ID", "TH", "VN"], frame.height)))
    observed = Observations.from_frame(frame, dims=("market",), metric="overturn_rate", unit="seller_id")
    observed = replace(observed, scope=Segment.of(policy_id="one"))
    return explain(observed, shift_of(observed, (20, 24), (24, 26)), store=EvidenceStore()).causes


def reversals(minutes, *, share=0.6, spread_days=40, source=None):
    """Cases of six weeks, of which a share is reversed within so many minutes long after."""
    rng = np.random.default_rng(1)
    n = 300
    at = [START + timedelta(weeks=10, days=int(d)) for d in rng.integers(0, spread_days, n)]
    run = pl.Series(rng.random(n) < share)
    moment = pl.datetime(2026, 5, 20, 9, time_zone="UTC") + pl.duration(seconds=pl.Series(rng.random(n) * minutes * 60))
    frame = pl.DataFrame({"event_date": at, "market": ["ID"] * n, "run": run})
    return frame.with_columns(
        decided_at=pl.col("event_date").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        reversed_at=pl.when("run").then(moment),
        reversal_source=pl.when("run").then(pl.lit(source, pl.String)),
    )


def as_shift(metric="reversal_rate"):
    observed = replace(record([0.2] * 20), metric=metric)
    return shift_of(observed, (2, 10), (10, 16))


def test_reversals_within_minutes_are_a_correction_run_whatever_their_source():
    run = MechanismContext(cases=reversals(25))
    assert is_batch(as_shift(), EVERYTHING, run)
    assert not is_batch(as_shift(), EVERYTHING, MechanismContext(cases=reversals(60 * 24 * 30)))


def test_reversals_marked_as_a_batch_are_one_however_long_it_took():
    assert is_batch(as_shift(), EVERYTHING, MechanismContext(cases=reversals(60 * 24 * 30, source="batch")))


def test_decisions_of_one_moment_that_are_taken_back_at_once_are_no_correction_run():
    burst = reversals(25).with_columns(decided_at=pl.col("reversed_at"))
    assert not is_batch(as_shift(), EVERYTHING, MechanismContext(cases=burst))
