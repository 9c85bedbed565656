from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

from gne_analytics.causes.changes import did_of, match_changes, supports
from gne_analytics.causes.onset import Onset
from gne_analytics.evidence.segment import Segment
from gne_analytics.metrics import make_shift, parse_window
from gne_analytics.metrics.intervals import Difference

PLANTED = Segment.of(market="ID", category="beauty")
ONSET = date(2026, 9, 14)
WINDOWS = (parse_window("2026-08-03..2026-09-14"), parse_window("2026-09-14..2026-10-26"))


def change(scope, *, day=(9, 14), kind="detector", name="c"):
    return {"change_id": name, "at": datetime(2026, *day, tzinfo=UTC), "kind": kind, "scope": scope, "description": ""}


@pytest.mark.parametrize("seed", range(4))
def test_the_error_of_a_did_agrees_with_cluster_robust_least_squares_where_units_stand_on_all_sides(seed):
    rng = np.random.default_rng(seed)
    n, units = 4_000, 60
    unit = rng.integers(0, units, n)
    inside, late = rng.random(n) < 0.4, rng.random(n) < 0.5
    lift = rng.normal(0.1, 0.3, units)[unit] * (inside & late)
    k = (rng.random(n) < np.clip(0.4 + lift, 0, 1)).astype(float)
    ours = did_of(k, np.ones(n), inside, late, unit)
    design = sm.add_constant(np.column_stack([inside, late, inside & late]).astype(float))
    theirs = sm.OLS(k, design).fit(cov_type="cluster", cov_kwds={"groups": unit, "use_correction": False})
    assert ours.value == pytest.approx(theirs.params[3])
    assert ours.se == pytest.approx(theirs.bse[3] * np.sqrt(units / (units - 1)))


def test_a_did_needs_rows_in_all_four_cells():
    ones, late = np.ones(40), np.arange(40) % 2 == 0
    assert did_of(ones, ones, np.ones(40, dtype=bool), late, None) is None


def test_a_change_whose_placebo_shows_as_much_is_not_supported():
    did = Difference(0.2, 0.05, 50)
    assert supports(did, Difference(0.01, 0.05, 50), rising=True) is True
    assert supports(did, Difference(0.19, 0.05, 50), rising=True) is False
    assert supports(did, Difference(0.0, 0.05, 50), rising=False) is False
    assert supports(Difference(0.06, 0.05, 50), None, rising=True) is None
    assert supports(None, None, rising=True) is None


def test_a_change_is_found_though_it_was_logged_days_off(world):
    observed = world(0, planted=PLANTED)
    shift = make_shift(observed, *WINDOWS)
    table = pl.DataFrame([change('{"market": ["ID"]}', day=(9, 20))])
    (match,) = match_changes(observed, shift, PLANTED, Onset(ONSET, ONSET, ONSET), table)
    assert match.supported is not False


def test_a_change_beside_which_nothing_moved_is_no_clue(world):
    observed = world(0, planted=PLANTED)
    shift = make_shift(observed, *WINDOWS)
    table = pl.DataFrame([change('{"market": ["TH"]}')])
    (match,) = match_changes(observed, shift, Segment.of(market="TH"), Onset(ONSET, ONSET, ONSET), table)
    assert match.did is not None
    assert match.supported is not True


def test_a_scope_may_name_a_dimension_without_its_ending(world):
    observed = world(0, planted=PLANTED)
    renamed = observed.frame.rename({"kind": "kind_id"})
    other = replace(observed, frame=renamed, dims=tuple("kind_id" if d == "kind" else d for d in observed.dims))
    table = pl.DataFrame([change('{"kind": ["video"]}')])
    video = Segment.of(kind_id="video")
    assert match_changes(other, make_shift(other, *WINDOWS), video, Onset(ONSET, ONSET, ONSET), table)


def test_a_change_happens_on_the_day_of_the_reporting_time_zone(world):
    obs = world(0, planted=PLANTED)
    shift = make_shift(obs, *WINDOWS)
    logged = pl.DataFrame([change('{"market": ["ID"]}', day=(9, 13))]).with_columns(event_date=pl.lit(ONSET))
    (found,) = match_changes(obs, shift, PLANTED, Onset(ONSET, ONSET, ONSET), logged)
    assert found.at == ONSET
