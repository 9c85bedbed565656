from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gne_analytics.errors import DataError
from gne_analytics.evidence.types import Edit, EditKind
from gne_analytics.policy.edits import applied
from gne_analytics.simulate import WORLDS, simulate
from gne_analytics.simulate.incidents import KINDS, Incident
from gne_analytics.tables.contract import TABLES
from gne_analytics.tables.record import record_from_frames


def test_the_same_seed_gives_the_same_world_and_another_seed_another(world):
    first, again = world("mixed", 5), simulate("mixed", 5, violations=3_000)
    for name, frame in first.tables.items():
        assert_frame_equal(frame, again.tables[name])
    assert first.truth.incidents == again.truth.incidents
    assert not first.tables["violations"].equals(world("mixed", 6).tables["violations"])


def test_the_number_of_violations_is_about_what_was_asked_for():
    made = simulate("quiet", 2, violations=10_000).tables["violations"].height
    assert made == pytest.approx(10_000, rel=0.15)


def test_every_table_keeps_the_contract_and_nothing_is_rejected(world):
    record = record_from_frames(world("mixed", 3).tables)
    assert record.rejects.is_empty()
    for name, table in TABLES.items():
        missing = set(table.columns) - set(record.table(name).columns)
        assert not missing - {"parent_violation_id"}, name


def test_the_same_policy_set_gives_identical_tables(world):
    first = world("incident:threshold", 3)
    again = simulate("incident:threshold", 3, violations=3_000, policies=first.policies)
    for name, frame in first.tables.items():
        assert_frame_equal(frame, again.tables[name])


def test_a_raised_threshold_only_removes_violations_of_its_rule_and_leaves_other_appeals_alone(world):
    before = world("quiet", 4)
    edit = Edit(kind=EditKind.SET_THRESHOLD, policy="misleading-listing", rule="price-bait", old=0.66, new=0.85)
    after = simulate("quiet", 4, violations=3_000, policies=applied(before.policies, [edit]))
    old, new = before.tables["violations"], after.tables["violations"]
    gone = old.join(new, on="violation_id", how="anti")
    assert gone.height > 20
    assert gone["rule_id"].unique().to_list() == ["price-bait"]
    assert gone["score"].max() < 0.85
    assert new.join(old, on="violation_id", how="anti").is_empty()
    kept = before.tables["appeals"].join(gone, on="violation_id", how="anti")
    assert_frame_equal(kept, after.tables["appeals"])
    assert_frame_equal(before.truth.latent, after.truth.latent)


def test_a_planted_stream_leaves_the_cases_of_the_quiet_world_as_they_were(world):
    quiet, struck = world("quiet", 8), world("incident:seller_abuse", 8)
    key = ["seller_id", "assessed_at", "detector", "category", "score"]
    lost = quiet.tables["assessments"].join(struck.tables["assessments"], on=key, how="anti")
    moved = quiet.tables["assessments"].join(struck.tables["assessments"], on=[*key, "detector_version"], how="anti")
    assert lost.is_empty()
    assert moved.is_empty()


def test_a_violation_carries_its_assessments_score_and_reached_its_threshold(world):
    tables = world("quiet", 4).tables
    joined = tables["violations"].join(tables["assessments"], on="case_id", suffix="_a")
    assert joined.height == tables["violations"].height
    assert (joined["score"] == joined["score_a"]).all()
    assert (joined["violation_id"] == joined["violation_id_a"]).all()
    assert (joined["score"] >= joined["threshold_at_decision"]).all()
    assert tables["assessments"].filter(pl.col("violation_id").is_null()).height > 0.3 * tables["assessments"].height


def test_the_record_is_cut_at_its_end_and_the_last_appeals_are_pending(world):
    made = world("quiet", 4, 12_000)
    end = made.tables["violations"]["decided_at"].max()
    late = made.tables["appeals"].filter(pl.col("filed_at") > end - timedelta(days=7))
    early = made.tables["appeals"].filter(pl.col("filed_at") < end - timedelta(days=60))
    pending = pl.col("outcome") == "pending"
    assert late.filter(pending).height / late.height > 0.15
    assert early.filter(pending).is_empty()
    assert made.tables["appeals"].filter(pending)["decided_at"].is_null().all()
    times = [c for name in made.tables for c in [made.tables[name].select(pl.col(pl.Datetime).max())]]
    latest = max(v for frame in times for v in frame.row(0) if v is not None)
    assert latest < end + timedelta(days=1)


def test_appeals_follow_the_truth(world):
    made = world("quiet", 4, 12_000)
    first = made.tables["appeals"].filter(pl.col("level") == "1")
    cases = made.tables["violations"].join(made.truth.latent, on="case_id")
    joined = cases.join(first.select("violation_id", "outcome"), on="violation_id", how="left")
    rates = dict(joined.group_by("violating").agg(pl.col("outcome").count() / pl.len()).iter_rows())
    assert rates[False] > 2 * rates[True]
    won = joined.filter(pl.col("outcome").is_in(["overturned", "upheld"]))
    shares = dict(won.group_by("violating").agg((pl.col("outcome") == "overturned").mean()).iter_rows())
    assert shares[False] > 0.7
    assert shares[True] < 0.15


def test_sellers_are_heavy_tailed_and_one_may_have_most_of_the_rows():
    rows = simulate("quiet", 1, violations=3_000).tables["violations"]["seller_id"].value_counts()["count"]
    assert rows.max() > 20 * rows.median()
    giant = simulate("quiet", 1, violations=3_000, top_share=0.5).tables["violations"]["seller_id"]
    assert giant.value_counts()["count"].max() / len(giant) == pytest.approx(0.5, abs=0.1)


def test_an_empty_week_holds_nothing():
    made = simulate("quiet", 1, violations=2_000, empty_weeks=[10])
    day = made.tables["assessments"]["assessed_at"].dt.date()
    week = (day - day.min()).dt.total_days() // 7
    assert 10 not in set(week)
    assert {9, 11} <= set(week)


def test_listings_that_fell_with_their_account_name_it(world):
    rows = world("quiet", 4, 12_000).tables["violations"]
    children = rows.filter(pl.col("parent_violation_id").is_not_null())
    parents = children.join(rows, left_on="parent_violation_id", right_on="violation_id")
    assert children.height > 20
    assert parents.height == children.height
    assert set(parents["object_type_right"]) == {"account"}
    assert (parents["seller_id"] == parents["seller_id_right"]).all()


def test_dirty_rows_are_sifted_and_the_rest_stays(world):
    clean, dirty = world("quiet", 4, 12_000), simulate("quiet", 4, violations=12_000, dirty=0.02)
    record = record_from_frames(dirty.tables)
    reasons = " ".join(record.rejects["reason"].unique())
    assert all(word in reasons for word in ("1.4", "duplicate", "maybe", "V-lost"))
    assert 0.97 * clean.tables["violations"].height < record.violations.height < clean.tables["violations"].height


def test_an_unknown_world_or_incident_is_named_with_the_nearest():
    with pytest.raises(DataError, match="did you mean 'demo'"):
        simulate("demos")
    with pytest.raises(DataError, match="did you mean 'threshold'"):
        Incident("treshold")


def test_every_kind_has_a_world_at_every_severity(world):
    prefixed = {f"incident:{k}" for k in KINDS} | {f"decoy:{k}" for k in KINDS}
    assert len(prefixed & set(WORLDS)) == len(KINDS) == 17
    assert world("incident:routing:small", 1).truth.incidents[0].severity == "small"


def test_the_quiet_world_plants_nothing(world):
    assert world("quiet").truth.incidents == ()
