from datetime import UTC, datetime

import polars as pl
import pytest

from gne_analytics.strategy import build_population
from gne_analytics.tables import record_from_frames

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)


def record(violations, assessments=None, appeals=None, audits=None):
    base = {"decided_at": AT, "policy_id": "p", "seller_id": "s1", "action": "remove"}
    tables = {"violations": pl.DataFrame([base | v for v in violations])}
    if assessments:
        tables["assessments"] = pl.DataFrame([{"assessed_at": AT, "seller_id": "s1"} | a for a in assessments])
    if appeals:
        tables["appeals"] = pl.DataFrame([{"filed_at": AT} | a for a in appeals])
    if audits:
        tables["audits"] = pl.DataFrame([{"audited_at": AT} | a for a in audits])
    return record_from_frames(tables)


def rows(population):
    return {row["case_id"]: row for row in population.cases.iter_rows(named=True)}


def test_the_population_unites_assessments_with_violations_that_have_none():
    found = build_population(
        record(
            [{"violation_id": "v1", "case_id": "c1", "detector": "d", "score": 0.9}, {"violation_id": "v2"}],
            [{"case_id": "c1", "detector": "d", "score": 0.9}, {"case_id": "c2", "detector": "d", "score": 0.2}],
        )
    )
    cases = rows(found)
    assert set(cases) == {"c1", "c2", "violation:v2"}
    assert {case: row["enforced"] for case, row in cases.items()} == {"c1": True, "c2": False, "violation:v2": True}


def test_where_scores_conflict_the_assessment_holds_and_the_conflict_is_counted():
    found = build_population(
        record(
            [{"violation_id": "v1", "case_id": "c1", "detector": "d", "score": 0.9}],
            [{"case_id": "c1", "detector": "d", "score": 0.7}],
        )
    )
    assert rows(found)["c1"]["score"] == 0.7
    assert found.score_conflicts == 1


def test_attributes_are_those_stored_at_the_decision():
    found = build_population(
        record(
            [{"violation_id": "v1", "case_id": "c1", "detector": "d", "score": 0.9, "seller_tier": "gold"}],
            [{"case_id": "c1", "detector": "d", "score": 0.9, "seller_tier": "standard"}],
        )
    )
    assert rows(found)["c1"]["seller_tier"] == "gold"
    assert found.scores["seller_tier"].to_list() == ["gold"]


@pytest.mark.parametrize("mark", [{"source_type": "authority_order"}, {"reversal_source": "court", "reversed_at": AT}])
def test_authority_and_court_cases_stay_out_with_their_assessments(mark):
    found = build_population(
        record(
            [{"violation_id": "v1", "case_id": "c1", "detector": "d", "score": 0.9} | mark, {"violation_id": "v2"}],
            [{"case_id": "c1", "detector": "d", "score": 0.9}],
        )
    )
    assert set(rows(found)) == {"violation:v2"}
    assert found.left_out["authority or court"] == 1


def test_the_children_of_an_account_action_count_once_with_it():
    found = build_population(record([{"violation_id": "v1"}, {"violation_id": "v2", "parent_violation_id": "v1"}]))
    assert set(rows(found)) == {"violation:v1"}


def test_the_highest_decided_level_is_the_final_outcome_and_an_open_one_makes_it_provisional():
    found = build_population(
        record(
            [{"violation_id": v} for v in ("v1", "v2", "v3", "v4")],
            appeals=[
                {"appeal_id": "a1", "violation_id": "v1", "outcome": "upheld", "level": "1"},
                {"appeal_id": "a2", "violation_id": "v1", "outcome": "overturned", "level": "2"},
                {"appeal_id": "a3", "violation_id": "v2", "outcome": "upheld", "level": "1"},
                {"appeal_id": "a4", "violation_id": "v2", "outcome": "pending", "level": "2"},
                {"appeal_id": "a5", "violation_id": "v3", "outcome": "withdrawn", "level": "1"},
            ],
        )
    )
    told = {k: (r["appealed"], r["decided_violating"], r["provisional"]) for k, r in rows(found).items()}
    assert told == {
        "violation:v1": (True, 0.0, False),
        "violation:v2": (True, 1.0, True),
        "violation:v3": (True, None, False),
        "violation:v4": (False, None, False),
    }


def test_a_partial_overturn_is_a_violation_with_the_wrong_action():
    found = build_population(
        record(
            [{"violation_id": "v1"}],
            appeals=[{"appeal_id": "a", "violation_id": "v1", "outcome": "partially_overturned"}],
        )
    )
    assert rows(found)["violation:v1"]["decided_violating"] == 1.0


def test_two_audits_of_one_case_are_averaged_whether_by_case_or_by_violation():
    found = build_population(
        record(
            [{"violation_id": "v1", "case_id": "c1"}],
            audits=[
                {"audit_id": "x", "case_id": "c1", "violating": True, "audit_prob": 0.5},
                {"audit_id": "y", "violation_id": "v1", "violating": False, "audit_prob": 0.5},
            ],
        )
    )
    assert rows(found)["c1"]["audit_violating"] == 0.5


def test_each_seller_lies_in_one_part_only(quiet):
    parts = quiet.study.population.cases.group_by("unit").agg(pl.col("part").n_unique())
    assert parts["part"].max() == 1
    assert quiet.study.population.cases["part"].n_unique() == 2


def test_nothing_that_enforcement_makes_is_an_attribute(quiet):
    made = {"policy_id", "rule_id", "action", "queue", "template_id", "automated_decision", "review_outcome", "score"}
    assert not made & set(quiet.study.population.attributes)
    assert {"market", "category", "seller_tier", "detector_version"} <= set(quiet.study.population.attributes)
