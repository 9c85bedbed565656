import sys
from datetime import date, timedelta

import polars as pl
import pytest

from gne_analytics.causes import explain, explain_all
from gne_analytics.causes.verify import CrossFit, cross_fit
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import CauseKind, Mechanism, Period
from gne_analytics.metrics import Observations, make_shift, parse_window
from gne_analytics.metrics.observations import measure_shift

BASELINE, FOCUS = parse_window("2026-08-03..2026-09-14"), parse_window("2026-09-14..2026-10-26")
PLANTED = Segment.of(market="ID", category="beauty")


def test_a_planted_segment_is_found_at_its_grain_confirmed_and_dated(world, explained):
    for seed in (0, 1):
        found = explained(world(seed, planted=PLANTED))
        assert [(c.segment, c.status, c.kind) for c in found.causes] == [(PLANTED, "confirmed", CauseKind.RATE_SHIFT)]
        cause = found.causes[0]
        assert cause.effect.interval.lo <= 0.25 <= cause.effect.interval.hi
        assert abs((cause.onset - date(2026, 9, 14)).days) <= 5
        assert cause.onset_interval[0] <= cause.onset <= cause.onset_interval[1]


def test_sibling_values_are_merged_into_one_set(world, explained):
    planted = Segment.of(market=["TH", "VN"], kind="video")
    found = explained(world(3, rows=40_000, planted=planted, lift=0.3))
    assert found.causes[0].segment == planted


def test_a_changed_mix_is_told_as_mix_and_not_as_a_failing_rate(world, explained):
    for seed in range(3):
        found = explained(world(seed, mix=True))
        assert [c for c in found.causes if c.kind is not CauseKind.MIX_SHIFT] == []
        assert sum(m.contribution for m in found.decomposition.mix) > 0.6 * found.shift.delta.value > 0.03
        assert [str(c.segment) for c in found.causes] in (["market=VN"], ["language=vi"])


def test_worlds_with_nothing_in_them_give_no_confirmed_cause(world, explained):
    found = [
        c for seed in range(16) for c in explained(world(100 + seed, rows=4_000, clustering=1.0, sellers=400)).causes
    ]
    assert [c for c in found if c.status == "confirmed"] == []
    assert len(found) <= 4


def test_without_a_unit_nothing_is_more_than_a_candidate(world, explained):
    found = explained(world(0, planted=PLANTED, unit=False))
    assert found.causes[0].segment == PLANTED
    assert {c.status for c in found.causes} == {"candidate"}
    assert "Without a unit" in found.causes[0].status_reason


def test_the_same_input_gives_the_same_explanation(world, explained):
    observed = world(1, planted=PLANTED)
    assert explained(observed) == explained(observed)


def test_every_number_a_reader_sees_has_evidence(world):
    observed, store = world(0, planted=PLANTED), EvidenceStore()
    periods = (
        Period(start=date(2026, 8, 3), end=date(2026, 9, 14)),
        Period(start=date(2026, 9, 14), end=date(2026, 10, 26)),
    )
    found = explain(observed, make_shift(observed, *periods), store=store)
    cause = found.causes[0]
    values = [store.get(e).value for e in cause.evidence]
    for number in (cause.effect.value, cause.leave_out, cause.contribution, cause.before.rate, cause.after.rate):
        assert any(isinstance(v, float) and v == pytest.approx(number) for v in values)
    assert str(PLANTED) in values
    assert str(PLANTED) in found.summary()
    assert "<table>" in found._repr_html_()


def test_one_seller_who_makes_a_segment_is_set_apart_and_never_confirmed(world, explained):
    observed = world(5)
    flood = observed.frame.filter(pl.col("event_date") >= date(2026, 9, 14)).head(400)
    flood = flood.with_columns(unit=pl.lit("flooder"), fold=pl.lit(7, pl.UInt8), k=pl.lit(1, pl.Int64))
    flood = flood.with_columns(market=pl.lit("SG"), kind=pl.lit("live"), id="f" + pl.col("id"))
    frame = pl.concat([observed.frame, flood])
    found = explained(Observations.from_frame(frame, dims=observed.dims, unit="seller_id", paths=observed.paths))
    assert {(c.status, c.kind) for c in found.causes} == {("candidate", CauseKind.ONE_ACTOR)}


def _rows(k, n, years, **dims):
    frame = pl.DataFrame({"k": k, "n": n, "event_year": years, **dims})
    return Observations.from_frame(frame, dims=tuple(dims))


def test_a_rate_over_one_is_refused_as_a_finding():
    observed = _rows([10, 20, 300, 30], [100, 100, 150, 100], [2019, 2019, 2020, 2020], market=["A", "B", "A", "B"])
    found = explain(observed, make_shift(observed, parse_window("2019"), parse_window("2020")), store=EvidenceStore())
    assert found.causes == ()
    assert "over one" in found.notes[0]


@pytest.mark.parametrize(("baseline", "focus"), [("2001", "2020"), ("2019", "2044")])
def test_a_window_of_no_cases_is_said_and_explains_nothing(baseline, focus):
    observed = _rows([10, 20, 30, 30], [100] * 4, [2019, 2019, 2020, 2020], market=["A", "B", "A", "B"])
    shift = measure_shift(observed, parse_window(baseline), parse_window(focus))
    found = explain(observed, shift, store=EvidenceStore())
    assert found.causes == ()
    assert found.notes


def test_zero_denominators_and_a_dimension_that_is_all_null_do_no_harm():
    years = [2019] * 4 + [2020] * 4
    observed = _rows(
        [30, 20, 0, 9, 60, 20, 0, 9], [100, 100, 0, 50] * 2, years, market=list("ABCD") * 2, empty=[None] * 8
    )
    found = explain(observed, make_shift(observed, parse_window("2019"), parse_window("2020")), store=EvidenceStore())
    assert "empty" in found.refused
    total = found.decomposition
    parts = sum(total.causes.values()) + sum(m.contribution for m in total.mix) + total.residual
    assert parts == pytest.approx(total.delta, abs=1e-9)


def test_one_seller_in_the_whole_record_confirms_nothing(world, explained):
    observed = world(0, rows=4_000, planted=PLANTED)
    frame = observed.frame.with_columns(unit=pl.lit("only"), fold=pl.lit(3, pl.UInt8))
    found = explained(Observations.from_frame(frame, dims=observed.dims, unit="seller_id", paths=observed.paths))
    assert [c for c in found.causes if c.status == "confirmed"] == []


def test_a_dimension_of_three_thousand_values_does_not_hide_a_cause(world, explained):
    observed = world(0, rows=20_000, planted=PLANTED)
    shop = pl.Series("shop", [f"shop {i * 7919 % 3000}" for i in range(observed.frame.height)])
    frame = observed.frame.with_columns(shop)
    dims = (*observed.dims, "shop")
    found = explained(Observations.from_frame(frame, dims=dims, unit="seller_id", paths=observed.paths))
    assert found.causes[0].segment == PLANTED


def test_two_segments_can_be_compared_and_what_they_compare_explains_nothing(world):
    observed = world(0)
    shift = make_shift(observed, parse_window("market=VN"), parse_window("market=ID"))
    found = explain(observed, shift, store=EvidenceStore())
    assert "compare" in found.refused["market"]
    assert all("market" not in c.segment.dimensions and c.onset is None for c in found.causes)


def test_a_new_detector_version_that_errs_is_a_rate_shift_and_not_a_new_segment(world, explained):
    observed = world(2, rows=30_000, planted=PLANTED, lift=0.35)
    late = pl.col("event_date") >= date(2026, 9, 14)
    frame = observed.frame.with_columns(detector_version=pl.when(late).then(pl.lit("v7")).otherwise(pl.lit("v6")))
    found = explained(
        Observations.from_frame(
            frame, dims=(*observed.dims, "detector_version"), unit="seller_id", paths=observed.paths
        )
    )
    assert found.causes[0].kind is CauseKind.RATE_SHIFT
    assert found.causes[0].segment.values("market") == ("ID",)
    assert "detector_version" not in found.refused


@pytest.mark.realdata
def test_the_reviews_of_2015_name_hepatitis_treated_with_antivirals_then_mammography(realdata):
    rows = pl.read_parquet(realdata / "imr_determinations.parquet")
    dims = (
        "diagnosis_category", "diagnosis_sub_category", "treatment_category", "treatment_sub_category", "type",
        "age_range", "patient_gender", "determination", "reference_id", "reference_year",
    )  # fmt: skip
    frame = rows.with_columns(
        k=pl.col("overturned").cast(pl.Int64),
        event_year="report_year",
        reference_year=pl.col("reference_id").str.slice(0, 4),
    )
    observed = Observations.from_frame(frame, dims=dims, metric="overturn_rate")
    shift = make_shift(observed, parse_window("2013"), parse_window("2015"))
    found = explain(observed, shift, store=EvidenceStore())
    first, second = found.causes[:2]
    hepatitis = {"diagnosis_sub_category": "Hepatitis", "treatment_sub_category": "Anti-virals"}
    assert first.segment == Segment.of(hepatitis)
    assert (first.kind, first.after.n, first.before.n) == (CauseKind.NEW_SEGMENT, 419, 0)
    assert first.leave_out == pytest.approx(0.084, abs=0.003)
    assert first.contribution == pytest.approx(419 / 2082 * (355 / 419 - 495 / 1221), abs=1e-9)
    assert {Segment.of({d: v}) for d, v in hepatitis.items()} <= set(first.same_rows)
    assert second.segment == Segment.of(treatment_sub_category="Mammography")
    assert second.leave_out == pytest.approx(0.017, abs=0.003)
    named = {d for c in found.causes for d in c.segment.dimensions}
    assert not named & {"determination", "reference_id", "reference_year", "age_range"}
    assert all(c.segment.values("treatment_category") == () for c in found.causes)
    assert {"determination", "reference_id", "reference_year"} <= set(found.refused)
    assert {c.status for c in found.causes} == {"candidate"}
    assert {c.mechanism for c in found.causes} == {Mechanism.UNKNOWN}
    assert len(found.causes) <= 6


def test_a_period_after_the_focus_has_no_say(world, explained):
    observed = world(0, planted=PLANTED)
    later = observed.frame.head(500).with_columns(
        event_date=pl.lit(date(2026, 12, 1) + timedelta(days=1)), k=pl.lit(1, pl.Int64)
    )
    frame = pl.concat([observed.frame, later])
    more = Observations.from_frame(
        frame, dims=observed.dims, unit="seller_id", paths=observed.paths, metric="overturn_rate"
    )
    assert [c.segment for c in explained(more).causes] == [c.segment for c in explained(observed).causes]


def test_a_move_that_one_segment_carries_is_not_told_as_a_move_of_everything(world, explained):
    for seed in range(2):
        planted = Segment.of(tier="preferred")  # a third of all rows
        found = explained(world(seed, rows=12_000, planted=planted, lift=0.45))
        assert found.causes[0].segment == planted
        assert found.causes[0].status == "confirmed"
        assert Segment({}) not in {c.segment for c in found.causes}


def test_a_move_of_everything_is_told_once_and_makes_no_local_causes(world, explained):
    for seed in range(3):
        found = explained(world(seed, planted=Segment({}), lift=0.15))
        assert [(c.segment, c.kind, c.status) for c in found.causes] == [
            (Segment({}), CauseKind.PLATFORM_EVENT, "confirmed")
        ]


def test_a_local_cause_is_found_beside_a_move_of_everything(world, explained):
    observed = world(1, rows=30_000, planted=PLANTED, lift=0.3)
    late = pl.col("event_date") >= date(2026, 9, 14)
    lifted = (pl.int_range(pl.len()).hash(3) % 10 == 0) & late
    frame = observed.frame.with_columns(k=pl.when(lifted).then(1).otherwise(pl.col("k")))
    found = explained(Observations.from_frame(frame, dims=observed.dims, unit="seller_id", paths=observed.paths))
    assert {c.segment for c in found.causes if c.status == "confirmed"} == {PLANTED, Segment({})}


def test_false_discoveries_are_controlled_over_all_shifts_at_once(world):
    one, other = world(0, planted=PLANTED), world(7, rows=4_000)
    shifts = [(o, make_shift(o, BASELINE, FOCUS)) for o in (one, other)]
    first, second = explain_all(shifts, store=EvidenceStore())
    assert first.causes[0].status == "confirmed"
    assert [c for c in second.causes if c.status == "confirmed"] == []


def test_an_effect_says_whether_held_out_units_gave_it(world, explained, monkeypatch):
    observed = world(0, planted=PLANTED)
    (verified,) = explained(observed).causes
    assert verified.effect.interval.method == "held-out units, clustered by unit"
    untested = lambda cube, **more: CrossFit([], cross_fit(cube, **more).together)  # noqa: E731
    monkeypatch.setattr(sys.modules["gne_analytics.causes.explain"], "cross_fit", untested)
    pooled = explained(observed).causes[0]
    assert (pooled.segment, pooled.status) == (PLANTED, "candidate")
    assert pooled.effect.interval.method == "in sample, not held out"
    assert pooled.status_reason.startswith("Only all units together")
    assert pooled.status_reason.endswith("Its effect is in sample, not held out.")
