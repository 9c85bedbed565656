from datetime import date, timedelta

import polars as pl
import pytest

from gne_analytics.errors import DataError
from gne_analytics.evidence.proposals import Proposal
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Edit, EditKind
from gne_analytics.strategy.launch import LONGEST, plan_canary
from gne_analytics.strategy.monitor import Monitor, follow
from gne_analytics.strategy.sellers import MISSED, OVERTURNED, WRONGFUL, seller_rows
from gne_analytics.tables import record_from_frames
from gne_analytics.testing.frames import START, violations_frame


def proposal(world):
    policy, rule = next((p, r) for p, r in world.policies.rules() if r.threshold)
    edit = Edit(kind=EditKind.SET_THRESHOLD, policy=policy.id, rule=rule.id, old=rule.threshold.default, new=0.9)
    return Proposal(id="P-1", title="", policy=policy.id, policy_base="", edits=(edit,)), rule


def test_a_canary_watches_both_mistakes_over_the_edited_rules_cases(quiet):
    asked, rule = proposal(quiet)
    plan = plan_canary(asked, quiet.record, quiet.policies)
    assert [w.metric for w in plan.watched] == [WRONGFUL, MISSED]
    assert plan.scope == Segment.of(detector=rule.detector)
    assert plan.start.weekday() == 0
    assert plan.start > quiet.record.as_of.date()
    assert 1 <= plan.weeks <= LONGEST
    assert plan.blind == ()


def test_without_audits_missed_violations_are_named_as_blind(quiet):
    tables = {t: quiet.record.table(t) for t in ("violations", "assessments", "appeals")}
    plan = plan_canary(proposal(quiet)[0], record_from_frames(tables), quiet.policies)
    assert [w.metric for w in plan.watched] == [OVERTURNED]
    assert plan.blind == (MISSED,)


def test_a_record_without_sellers_or_labels_is_a_data_error(quiet):
    asked = proposal(quiet)[0]
    bare = record_from_frames({"violations": violations_frame(100).drop("seller_id")})
    with pytest.raises(DataError, match="seller_id"):
        plan_canary(asked, bare, quiet.policies)
    with pytest.raises(DataError, match="no appeals"):
        plan_canary(asked, record_from_frames({"violations": violations_frame(100)}), quiet.policies)


def test_a_planned_canary_can_be_followed_on_the_same_kind_of_record(quiet):
    start = quiet.record.as_of.date() - timedelta(days=70)
    plan = plan_canary(proposal(quiet)[0], quiet.record, quiet.policies, start=start)
    found = follow(Monitor(plan=plan), quiet.record)
    assert 1 <= len(found.looks) <= 10
    assert all(r.difference.interval.lo <= 0 <= r.difference.interval.hi for r in found.looks[-1].readings)


def audited():
    day = [START + timedelta(days=d) for d in (0, 1, 2, 3)]
    cases = pl.DataFrame(
        {"case_id": ["C1", "C2", "C3", "C4"], "assessed_at": day, "seller_id": ["a", "a", "b", "b"],
         "detector": "d", "score": [0.9, 0.2, 0.3, 0.8]}
    )  # fmt: skip
    enforced = cases.filter(pl.col("score") > 0.5).select(
        pl.format("V-{}", "case_id").alias("violation_id"), "case_id", pl.col("assessed_at").alias("decided_at"),
        "seller_id", "detector", "score", policy_id=pl.lit("p"),
    )  # fmt: skip
    audits = pl.DataFrame(
        {"audit_id": ["A1", "A2", "A3", "A4"], "case_id": ["C1", "C2", "C3", "C4"],
         "audited_at": [d + timedelta(days=1) for d in day], "violating": [False, True, False, True],
         "audit_prob": [0.5, 0.25, 0.25, 0.5]}
    )  # fmt: skip
    later = pl.DataFrame({"case_id": ["C9"], "assessed_at": [START + timedelta(days=30)], "seller_id": ["z"],
                          "detector": "d", "score": [0.1]})  # fmt: skip
    return record_from_frames(
        {"violations": enforced, "assessments": pl.concat([cases, later]), "audits": audits}, as_of=None
    )


def test_audits_count_by_the_inverse_of_their_probability_and_over_all_cases():
    wrong, _ = seller_rows(audited(), WRONGFUL)
    missed, until = seller_rows(audited(), MISSED)
    assert wrong.sort("event_date").select("unit", "k", "n", "squares").rows() == [
        ("a", 2.0, 2.0, 4.0), ("a", 0.0, 4.0, 16.0), ("b", 0.0, 4.0, 16.0), ("b", 0.0, 2.0, 4.0)
    ]  # fmt: skip
    assert missed.sort("event_date")["k"].to_list() == [0.0, 4.0, 0.0, 0.0]
    assert until == date(2026, 2, 3)  # a day before the record's end: as long as an audit takes


def test_an_unknown_metric_is_a_data_error_that_names_the_nearest():
    with pytest.raises(DataError, match="missed_violations"):
        seller_rows(audited(), "missed_violation")


def test_rows_whose_outcome_is_not_known_yet_are_left_out(quiet):
    for metric in ("overturn_rate", OVERTURNED, WRONGFUL):
        rows, until = seller_rows(quiet.record, metric)
        assert rows["event_date"].max() < until < quiet.record.as_of.date()
