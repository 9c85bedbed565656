import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gne_analytics.errors import DataError
from gne_analytics.tables import record_from_frames, sift, validate
from gne_analytics.tables.contract import OUTCOMES
from gne_analytics.testing.frames import START, appeals_frame, audits_frame, violations_frame


@pytest.fixture(scope="module")
def tables():
    violations = violations_frame(400)
    return {
        "violations": violations,
        "appeals": appeals_frame(violations),
        "audits": audits_frame(violations),
    }


def spoil(tables, table, row, **values):
    frame = tables[table]
    for column, value in values.items():
        cells = frame[column].to_list()
        cells[row] = value
        frame = frame.with_columns(pl.Series(column, cells, dtype=frame[column].dtype))
    return {**tables, table: frame}


def reasons(sifted):
    return sifted.rejects.select("table", "row", "column", "reason").rows()


def test_a_sound_record_loses_no_row(tables):
    sifted = sift(tables)
    assert sifted.rejects.is_empty()
    assert {n: t.height for n, t in sifted.tables.items()} == {n: t.height for n, t in tables.items()}


@pytest.mark.parametrize(
    ("table", "values", "column", "reason"),
    [
        ("violations", {"score": 1.4}, "score", "score 1.4 lies outside [0, 1]"),
        ("violations", {"score": -0.1}, "score", "score -0.1 lies outside [0, 1]"),
        ("violations", {"score": float("inf")}, "score", "score inf lies outside [0, 1]"),
        ("violations", {"policy_id": None}, "policy_id", "policy_id is missing"),
        ("violations", {"policy_id": "  "}, "policy_id", "policy_id is missing"),
        ("violations", {"decided_at": None}, "decided_at", "decided_at is missing"),
        ("violations", {"action": "removed"}, "action", "action 'removed' is unknown (did you mean 'remove'?)"),
        ("appeals", {"outcome": "overturnd"}, "outcome", "outcome 'overturnd' is unknown (did you mean 'overturned'?)"),
        ("appeals", {"outcome": None}, "outcome", "outcome is missing"),
        ("appeals", {"level": "3"}, "level", "level '3' is unknown (known: 1, 2, out_of_court)"),
        (
            "appeals",
            {"violation_id": "nobody"},
            "violation_id",
            "violation_id 'nobody' names a violation that is not in the record",
        ),
        (
            "appeals",
            {"filed_at": START - timedelta(days=3)},
            "filed_at",
            "filed_at 2026-01-02 00:00 lies before the decision that it appeals",
        ),
        ("appeals", {"decided_at": START}, "decided_at", "decided_at 2026-01-05 00:00 lies before filed_at"),
        ("audits", {"audit_prob": 0.0}, "audit_prob", "audit_prob 0.0 lies outside (0, 1]"),
        ("audits", {"audit_prob": 1.2}, "audit_prob", "audit_prob 1.2 lies outside (0, 1]"),
        ("audits", {"violating": None}, "violating", "violating is missing"),
        (
            "audits",
            {"violation_id": "nobody"},
            "violation_id",
            "violation_id 'nobody' names a violation that is not in the record",
        ),
        ("audits", {"violation_id": None}, "case_id", "case_id is missing, and so is violation_id"),
    ],
)
def test_a_bad_row_is_rejected_with_its_reason(tables, table, values, column, reason):
    sifted = sift(spoil(tables, table, 11, **values))
    mine = [r for r in reasons(sifted) if r[0] == table]
    assert mine == [(table, 12, column, reason)]
    assert sifted.tables[table].height == tables[table].height - 1


def test_the_later_row_of_a_duplicate_id_is_rejected_and_the_first_stays(tables):
    first = tables["violations"]["violation_id"][4]
    sifted = sift({"violations": spoil(tables, "violations", 9, violation_id=first)["violations"]})
    assert reasons(sifted) == [("violations", 10, "violation_id", f"violation_id '{first}' is a duplicate")]
    kept = sifted.tables["violations"].filter(pl.col("violation_id") == first)
    assert kept["decided_at"].to_list() == [tables["violations"]["decided_at"][4]]


def test_a_duplicate_whose_first_row_is_bad_keeps_the_good_one(tables):
    first = tables["violations"]["violation_id"][4]
    spoiled = spoil(spoil(tables, "violations", 9, violation_id=first), "violations", 4, score=3.0)
    sifted = sift({"violations": spoiled["violations"]})
    assert [r[1] for r in reasons(sifted)] == [5]
    assert first in sifted.tables["violations"]["violation_id"].to_list()


def test_one_mistyped_year_is_rejected_and_does_not_become_as_of(tables):
    spoiled = spoil(tables, "violations", 7, decided_at=datetime(2062, 1, 1, tzinfo=UTC))
    record = record_from_frames({"violations": spoiled["violations"]})
    assert record.rejects["column"].to_list() == ["decided_at"]
    assert "in the future" in record.rejects["reason"][0]
    assert record.as_of == tables["violations"]["decided_at"].max()


def test_a_stated_as_of_makes_later_rows_faults(tables):
    last = tables["violations"]["decided_at"][-1]
    sifted = sift({"violations": tables["violations"]}, as_of=last - timedelta(seconds=1))
    assert [r[:3] for r in reasons(sifted)] == [("violations", 400, "decided_at")]
    assert "as_of" in sifted.rejects["reason"][0]


def test_a_row_with_two_faults_is_one_reject_with_both_reasons(tables):
    sifted = sift({"violations": spoil(tables, "violations", 3, score=2.0, policy_id=None)["violations"]})
    assert sifted.rejects.height == 1
    assert sifted.rejects["reason"][0] == "policy_id is missing; score 2.0 lies outside [0, 1]"


def test_a_reject_keeps_the_row_as_it_stood(tables):
    frame = tables["violations"].with_columns(pl.col("score").cast(pl.String), note=pl.lit("kept"))
    frame = spoil({"violations": frame}, "violations", 3, score="o.9")["violations"]
    sifted = sift({"violations": frame})
    raw = json.loads(sifted.rejects["raw"][0])
    assert (raw["score"], raw["note"], raw["violation_id"]) == ("o.9", "kept", "V000003")
    assert sifted.rejects["key"].to_list() == ["V000003"]
    assert sifted.rejects["reason"].to_list() == ["score 'o.9' is no number"]


def test_an_unreadable_time_is_a_row_fault(tables):
    frame = tables["violations"].with_columns(pl.col("decided_at").dt.to_string("%Y-%m-%dT%H:%M:%SZ"))
    frame = spoil({"violations": frame}, "violations", 3, decided_at="2026-13-40")["violations"]
    assert sift({"violations": frame}).rejects["reason"].to_list() == [
        "decided_at '2026-13-40' is no time that can be read"
    ]


def test_more_than_one_row_in_twenty_rejected_is_a_fault_of_the_table(tables):
    bad = tables["violations"].with_columns(
        score=pl.when(pl.int_range(pl.len()) < 21).then(7.0).otherwise(pl.col("score"))
    )
    with pytest.raises(DataError, match=r"table 'violations': 21 of 400 rows .* score 7\.0 lies outside"):
        sift({"violations": bad})


def test_exactly_one_row_in_twenty_is_still_sifted(tables):
    bad = tables["violations"].with_columns(
        score=pl.when(pl.int_range(pl.len()) < 20).then(7.0).otherwise(pl.col("score"))
    )
    assert sift({"violations": bad}).rejects.height == 20


def test_appeals_of_rejected_violations_fall_with_them_but_do_not_count_again():
    violations = violations_frame(100)
    chosen = violations["violation_id"][:5]
    bad = violations.with_columns(
        score=pl.when(pl.col("violation_id").is_in(chosen.implode())).then(7.0).otherwise(pl.col("score"))
    )
    appeals = appeals_frame(violations, appealed=1.0).filter(pl.col("violation_id").is_in(chosen.implode()))
    more = appeals_frame(violations, appealed=1.0)[20:30]
    sifted = sift({"violations": bad, "appeals": pl.concat([appeals, more])})
    fallen = sifted.rejects.filter(pl.col("table") == "appeals")
    assert fallen.height == 5
    assert fallen["reason"].str.contains("was itself rejected").all()
    assert sifted.tables["appeals"].height == 10


def test_audits_may_name_a_case_of_an_assessment(tables):
    cases = pl.DataFrame({"case_id": ["K1", "K2"], "assessed_at": [START, START], "score": [0.2, 0.4]})
    audits = pl.DataFrame(
        {
            "audit_id": ["Q1", "Q2"],
            "case_id": ["K1", tables["violations"]["case_id"][0]],
            "audited_at": [START, START],
            "violating": [True, False],
            "audit_prob": [0.1, 1.0],
        }
    )
    assert sift({"violations": tables["violations"], "assessments": cases, "audits": audits}).rejects.is_empty()


def test_one_case_may_be_scored_by_two_detectors_but_not_twice_by_one():
    cases = pl.DataFrame(
        {
            "case_id": ["K1", "K1", "K1", *[f"L{i}" for i in range(40)]],
            "assessed_at": [START] * 43,
            "detector": ["logo", "text", "logo", *["logo"] * 40],
        }
    )
    assert [r[1] for r in reasons(sift({"assessments": cases}))] == [3]


def test_validate_names_the_first_bad_row(tables):
    with pytest.raises(DataError, match=r"row 12 \(V000011\): score 1\.4 lies outside \[0, 1\]"):
        validate(spoil(tables, "violations", 11, score=1.4))


def test_validate_returns_sound_tables(tables):
    assert set(validate(tables)) == set(tables)


def test_every_outcome_of_the_contract_is_accepted():
    violations = violations_frame(len(OUTCOMES))
    appeals = appeals_frame(violations, appealed=2.0).with_columns(outcome=pl.Series(OUTCOMES))
    assert sift({"violations": violations, "appeals": appeals}).rejects.is_empty()


def test_codes_are_read_in_any_case_and_spelling():
    violations = violations_frame(2)
    appeals = appeals_frame(violations, appealed=2.0).with_columns(
        outcome=pl.Series(["UPHELD", "Partially overturned"])
    )
    outcomes = sift({"violations": violations, "appeals": appeals}).tables["appeals"]["outcome"]
    assert sorted(outcomes) == ["partially_overturned", "upheld"]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (violations_frame(9).drop("decided_at"), "has no column 'decided_at'"),
        (violations_frame(9).rename({"policy_id": "policyid"}), r"no column 'policy_id' \(did you mean 'policyid'\?\)"),
        (violations_frame(9).clear(), "has no rows"),
        (
            violations_frame(9).with_columns(score=pl.lit("high")),
            "column 'score' holds 'high', where a number is needed",
        ),
        (violations_frame(9).with_columns(score=pl.lit(True)), "column 'score' is of type Boolean"),
        (violations_frame(9).with_columns(decided_at=pl.lit(True)), "column 'decided_at' is of type Boolean"),
        (violations_frame(9).with_columns(decided_at=pl.lit("soon")), "column 'decided_at' holds 'soon'"),
        (violations_frame(9).with_columns(violation_id=pl.lit(b"x")), "column 'violation_id' holds bytes"),
        (violations_frame(9).with_columns(action=pl.struct("points")), "column 'action' is of type Struct"),
    ],
)
def test_a_fault_of_a_whole_table_is_one_sentence(frame, message):
    with pytest.raises(DataError, match=message) as caught:
        sift({"violations": frame})
    assert "\n" not in str(caught.value)


def test_an_unknown_table_is_refused_with_the_nearest_known():
    with pytest.raises(DataError, match="did you mean 'appeals'"):
        sift({"appeal": violations_frame(3)})


def test_rows_come_out_by_time_and_id_whatever_the_order_they_came_in(tables):
    shuffled = {n: t.sample(fraction=1.0, shuffle=True, seed=3) for n, t in tables.items()}
    for name, table in sift(shuffled).tables.items():
        assert table.equals(sift(tables).tables[name])


def test_a_correction_dated_by_day_on_the_day_of_the_decision_is_no_fault():
    violations = violations_frame(50).with_columns(corrected_at=pl.col("decided_at").dt.date())
    assert sift({"violations": violations}).rejects.is_empty()


def test_a_reversal_before_the_decision_is_a_fault():
    violations = violations_frame(50).with_columns(reversed_at=pl.col("decided_at") + timedelta(hours=1))
    spoiled = spoil({"v": violations}, "v", 49, reversed_at=START)["v"]
    assert reasons(sift({"violations": spoiled}))[0][2:] == (
        "reversed_at",
        "reversed_at 2026-01-05 00:00 lies before decided_at",
    )


SPOILERS = {
    "violations": {
        "violation_id": [None, "V000001"],
        "decided_at": [None, datetime(2062, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)],
        "policy_id": [None, ""],
        "score": [1.4, -1.0, float("nan"), None],
        "action": ["nuke", None],
    },
    "appeals": {
        "appeal_id": [None, "A000001"],
        "violation_id": [None, "nobody", "V000003"],
        "filed_at": [None, START, datetime(2062, 1, 1, tzinfo=UTC)],
        "outcome": [None, "won", "Upheld"],
        "decided_at": [None, START],
    },
    "audits": {"audit_prob": [0.0, 2.0, None], "violating": [None], "violation_id": [None, "nobody"]},
}


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_what_sifting_keeps_validate_accepts_and_no_row_is_lost(tables, data):
    spoiled = tables
    for table, columns in SPOILERS.items():
        for column in data.draw(st.lists(st.sampled_from(sorted(columns)), max_size=2)):
            row = data.draw(st.integers(0, tables[table].height - 1))
            spoiled = spoil(spoiled, table, row, **{column: data.draw(st.sampled_from(columns[column]))})
    sifted = sift(spoiled)
    assert {n: t.height for n, t in validate(sifted.tables).items()} == {n: t.height for n, t in sifted.tables.items()}
    for name, table in spoiled.items():
        rejected = sifted.rejects.filter(pl.col("table") == name)
        assert sifted.tables[name].height + rejected.height == table.height
        assert rejected["row"].n_unique() == rejected.height


def test_a_code_column_full_of_other_texts_is_refused_at_once():
    violations = violations_frame(3_000).with_columns(action=pl.format("free text {}", pl.int_range(pl.len())))
    with pytest.raises(DataError, match=r"action 'free_text_0' is unknown \(known: demote, .*; 3000 like it"):
        sift({"violations": violations})
