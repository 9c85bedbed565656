from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gne_analytics.causes import explain
from gne_analytics.errors import DataError
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.metrics import (
    METRICS,
    OUTCOME_ALGEBRA,
    available,
    case_frame,
    make_shift,
    observe,
    parse_window,
    why_off,
)
from gne_analytics.metrics.observations import Observations
from gne_analytics.tables.contract import OUTCOMES
from gne_analytics.tables.record import record_from_frames
from gne_analytics.testing.frames import appeals_frame, violations_frame


def counts(record, metric):
    frame = observe(record, metric).frame
    return int(frame["k"].sum()), int(frame["n"].sum())


def test_the_outcome_algebra_knows_every_outcome_of_the_contract():
    assert set(OUTCOME_ALGEBRA) == set(OUTCOMES)


def test_overturn_rate_ignores_withdrawn_cured_pending_and_dismissed_appeals(record_of):
    outcomes = [
        "overturned",
        "partially_overturned",
        "upheld",
        "modified",
        "cured",
        "withdrawn",
        "pending",
        "dismissed",
    ]
    record = record_of([(f"v{i}", "1", o) for i, o in enumerate(outcomes)])
    assert counts(record, "overturn_rate") == (2, 4)


def test_the_highest_decided_level_is_final_and_a_pending_one_leaves_the_lower_provisional(record_of):
    record = record_of(
        [("v0", "1", "upheld"), ("v0", "2", "overturned"), ("v1", "1", "overturned"), ("v1", "2", "pending")]
    )
    cases = case_frame(record).sort("violation_id").head(2)
    assert cases["final"].to_list() == ["overturned", "overturned"]
    assert cases["provisional"].to_list() == [False, True]
    assert counts(record, "first_level_overturn_rate") == (1, 2)
    assert counts(record, "second_level_overturn_rate") == (1, 1)


def test_appeal_rate_counts_a_violation_once_however_often_it_is_appealed(record_of):
    record = record_of([("v0", "1", "upheld"), ("v0", "2", "upheld"), ("v1", "1", "upheld")])
    assert counts(record, "appeal_rate") == (2, 10)


def test_the_listings_that_an_account_action_took_with_it_do_not_count_beside_it(record_of):
    record = record_of([("v0", "1", "upheld")], parent_violation_id=[None, "v0", "v0", *[None] * 7])
    assert counts(record, "appeal_rate") == (1, 8)


def test_a_metric_says_which_table_or_column_would_turn_it_on(record_of):
    record = record_of([("v0", "1", "upheld")])
    assert "reversed_at" in why_off(record, "reversal_rate")
    assert "signals" in why_off(record, "signals_without_violation")
    assert "reversal_rate" not in available(record)
    with pytest.raises(DataError, match="reversed_at"):
        observe(record, "reversal_rate")


def test_an_unknown_metric_or_scope_names_the_nearest(record_of):
    record = record_of([("v0", "1", "upheld")])
    with pytest.raises(DataError, match="overturn_rate"):
        observe(record, "overturned_rate")
    with pytest.raises(DataError, match="market"):
        observe(record, "appeal_rate", Segment.of(markt="ID"))


def test_every_metric_states_numerator_denominator_and_label_source():
    assert all(m.numerator and m.denominator and m.label_source and m.title for m in METRICS.values())


def test_the_last_weeks_are_immature_until_appeals_had_time_to_come(record_of):
    rows = 400
    record = record_of([(f"v{i}", "1", "upheld") for i in range(0, 300, 2)], violations=rows)
    frame = observe(record, "appeal_rate").frame
    assert frame["matured"].any()
    assert not frame.filter(pl.col("event_date") == frame["event_date"].max())["matured"].any()
    assert make_shift(observe(record, "appeal_rate"), parse_window("2026-02"), parse_window("2027-01")).flags


def test_missing_values_are_a_value_of_their_own_and_outcomes_are_no_dimensions(record_of):
    record = record_of([("v0", "1", "upheld")], queue=["q", None] * 5)
    observed = observe(record, "appeal_rate")
    assert set(observed.frame["queue"]) == {"q", "(missing)"}
    assert not {"outcome", "appeal_outcome", "reversed_at", "violation_id"} & set(observed.dims)


def test_windows_that_share_rows_are_an_error_and_segments_can_be_compared(record_of):
    observed = observe(record_of([(f"v{i}", "1", "upheld") for i in range(10)]), "overturn_rate")
    with pytest.raises(DataError, match="share rows"):
        make_shift(observed, parse_window("2026"), parse_window("2026-01"))
    shift = make_shift(observed, parse_window("market=ID"), parse_window("market=TH"))
    assert (shift.before.n, shift.after.n) == (5, 5)
    assert not shift.significant
    assert any("too few" in f for f in shift.flags)


def test_a_rate_over_one_is_flagged_and_never_significant():
    frame = pl.DataFrame({"k": [10, 200], "n": [100, 150], "event_year": [2019, 2020]})
    shift = make_shift(Observations.from_frame(frame, dims=()), parse_window("2019"), parse_window("2020"))
    assert any("over one" in f for f in shift.flags)
    assert not shift.significant


def test_zero_denominators_and_empty_windows_are_said_not_divided_by():
    frame = pl.DataFrame({"k": [0, 3], "n": [0, 40], "event_year": [2019, 2020]})
    shift = make_shift(Observations.from_frame(frame, dims=()), parse_window("2019"), parse_window("2020"))
    assert any("no rows" in f for f in shift.flags)
    assert not shift.significant


def test_yearly_data_is_all_mature():
    observed = Observations.from_frame(pl.DataFrame({"k": [1], "event_year": [2020]}), dims=())
    assert observed.grain == "year"
    assert observed.frame["matured"].all()
    assert observed.frame["event_date"].to_list() == [date(2020, 1, 1)]


def test_a_repeat_counts_only_when_ninety_days_have_passed(record_of):
    record = record_of([("v0", "1", "upheld")], violations=200)
    frame = observe(record, "repeat_violation_rate").frame
    last = datetime(2026, 1, 5, tzinfo=UTC) + timedelta(days=200 + 60 - 90)
    late = frame.filter(pl.col("event_date") > last.date())
    assert isinstance(last, datetime)
    assert not late["matured"].any()
    assert frame.filter(pl.col("matured"))["k"].mean() == 1.0


def test_instant_rejections_are_off_where_times_are_days(record_of):
    from gne_analytics.tables.contract import Grain

    record = record_of([("v1", "1", "upheld")])
    assert why_off(record, "instant_rejection_share") is None
    coarse = replace(record, grain={**record.grain, "appeals": Grain.DAY})
    assert "coarser than an instant" in why_off(coarse, "instant_rejection_share")


def test_a_window_of_a_value_that_no_row_has_names_those_that_are_there(record_of):
    observed = observe(record_of([(f"v{i}", "1", "upheld") for i in range(10)]), "overturn_rate")
    with pytest.raises(DataError, match=r"No row has market=XX \(known: ID, TH\)"):
        make_shift(observed, parse_window("market=ID"), parse_window("market=XX"))


@pytest.mark.parametrize(("baseline", "focus", "empty"), [("2099", "2026", "2099"), ("2026", "2098", "2098")])
def test_a_window_that_holds_no_row_is_an_error_that_names_it_and_the_span(record_of, baseline, focus, empty):
    observed = observe(record_of([(f"v{i}", "1", "upheld") for i in range(10)]), "overturn_rate")
    with pytest.raises(DataError, match=rf"{empty}.* holds no row.* from 2026-01-05 to 2026-01-14"):
        make_shift(observed, parse_window(baseline), parse_window(focus))


def test_an_empty_window_of_yearly_data_or_of_an_empty_scope_is_named_too():
    frame = pl.DataFrame({"k": [1, 3], "n": [40, 40], "event_year": [2019, 2020], "market": ["A", "B"]})
    observed = Observations.from_frame(frame, dims=("market",))
    with pytest.raises(DataError, match=r"2021 holds no row.* from 2019 to 2020"):
        make_shift(observed, parse_window("2019"), parse_window("2021"))
    with pytest.raises(DataError, match="no dated row at all"):
        make_shift(observed.within(Segment.of(market="C")), parse_window("2019"), parse_window("2020"))


HALVES = parse_window("2026-01-05..2026-02-16"), parse_window("2026-02-16..2026-03-30")


def plain_frame(rows=6000):
    rng = np.random.default_rng(3)
    day = rng.integers(0, 84, rows)
    market = rng.choice(["ID", "TH", "VN"], rows)
    rate = np.where((market == "TH") & (day >= 42), 0.6, 0.2)
    return pl.DataFrame({
        "k": (rng.random(rows) < rate).astype(int), "event_date": [date(2026, 1, 5) + timedelta(int(d)) for d in day],
        "seller_id": [f"s{s}" for s in rng.integers(0, 400, rows)], "market": market,
    })  # fmt: skip


def test_the_unit_is_the_column_it_names_and_its_folds_follow_so_that_a_claim_can_be_verified():
    observed = Observations.from_frame(plain_frame(), dims=("market",), unit="seller_id")
    assert observed.has_unit
    assert observed.frame["fold"].null_count() == 0
    told = explain(observed, make_shift(observed, *HALVES), store=EvidenceStore())
    assert [(str(c.segment), c.status) for c in told.causes] == [("market=TH", "confirmed")]


@pytest.mark.parametrize("name", ["side", "half", "n0", "k1", "dimension 0"])
def test_a_dimension_may_have_a_name_that_the_cube_uses_itself(name):
    observed = Observations.from_frame(plain_frame().rename({"market": name}), dims=(name,), unit="seller_id")
    told = explain(observed, make_shift(observed, *HALVES), store=EvidenceStore())
    assert [str(c.segment) for c in told.causes] == [f"{name}=TH"]


@pytest.mark.parametrize("name", ["k", "n", "unit", "fold", "event_week"])
def test_a_dimension_with_the_name_of_a_rows_own_column_is_refused(name):
    with pytest.raises(DataError, match="rename it"):
        Observations.from_frame(plain_frame(), dims=("market", name))


def test_a_row_is_mature_or_not_whatever_the_scope_it_is_asked_for_in():
    violations = violations_frame(1_500, weeks=20)
    appeals = appeals_frame(violations).join(violations.select("violation_id", "policy_id"), on="violation_id")
    slow = pl.col("policy_id") == appeals["policy_id"][0]
    appeals = appeals.with_columns(
        decided_at=pl.when(slow).then(pl.col("decided_at").dt.offset_by("30d")).otherwise("decided_at")
    )
    made = record_from_frames({"violations": violations, "appeals": appeals.drop("policy_id")})
    whole = observe(made, "overturn_rate")
    for policy in violations["policy_id"].unique():
        scope = Segment.of(policy_id=policy)
        assert_frame_equal(observe(made, "overturn_rate", scope).frame, whole.within(scope).frame)


@pytest.mark.parametrize(
    ("columns", "dims", "why"),
    [
        ({"k": [0.6, 0.6]}, ("market",), "'k' holds counts that are negative, not whole"),
        ({"k": [float("nan"), 1.0]}, ("market",), "not a number"),
        ({"k": ["1", "0"]}, ("market",), "'k' holds String"),
        ({"event_date": ["2026-01-01", "2026-01-02"]}, ("market",), "'event_date' holds String"),
        ({"market": [["ID"], ["TH"]]}, ("market",), "one value a row"),
        ({}, ("market", "market"), "named twice"),
        ({"seller": [1.0, float("nan")]}, ("market",), "'seller' holds what is not a number"),
    ],
)
def test_rows_that_are_no_observations_are_refused_by_the_name_of_the_column(columns, dims, why):
    sound = {"k": [1, 0], "event_date": [date(2026, 1, 1)] * 2, "market": ["ID", "TH"], "seller": [1.0, 2.0]}
    Observations.from_frame(pl.DataFrame(sound), dims=("market",), unit="seller")
    with pytest.raises(DataError, match=why):
        Observations.from_frame(pl.DataFrame({**sound, **columns}), dims=dims, unit="seller")


def test_a_level_has_the_outcome_of_its_last_decided_appeal_and_a_dismissed_level_leaves_it_final():
    violations = violations_frame(2)
    at = violations["decided_at"]
    appeals = pl.DataFrame(
        {
            "appeal_id": ["A1", "A2", "A3", "A4"],
            "violation_id": [violations["violation_id"][i] for i in (0, 0, 1, 1)],
            "level": ["1", "1", "1", "2"],
            "filed_at": [at[i] + timedelta(days=d) for i, d in ((0, 1), (0, 2), (1, 1), (1, 5))],
            "decided_at": [at[0] + timedelta(days=3), None, at[1] + timedelta(days=3), at[1] + timedelta(days=6)],
            "outcome": ["overturned", "withdrawn", "upheld", "dismissed"],
        }
    )
    cases = case_frame(record_from_frames({"violations": violations, "appeals": appeals})).sort("violation_id")
    assert cases["first"].to_list() == ["overturned", "upheld"]
    assert cases["provisional"].to_list() == [False, False]
