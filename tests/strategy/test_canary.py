import shutil
import subprocess
from datetime import date

import duckdb
import polars as pl
import pytest
from pydantic import ValidationError

from gne_analytics.errors import DataError
from gne_analytics.strategy.canary import (
    CANARY,
    CONTROL,
    CanaryPlan,
    Watched,
    bucket_of,
    digest_of,
    make_plan,
    with_arms,
)

GUARD = Watched(metric="missed_violations", margin=0.01)


def plan(**more):
    fields = {"unit": "seller_id", "share": 0.1, "start": date(2026, 3, 2), "weeks": 8, **more}
    return make_plan("P-1", [GUARD], **fields)


@pytest.mark.parametrize(
    ("unit", "bucket"), [("seller-1", 7429), ("seller-2", 22), ("S0001", 7329), ("卖家", 4394), ("", 9714)]
)
def test_the_test_vectors_of_the_rule(unit, bucket):
    assert bucket_of(unit, "gne-canary-P-1") == bucket


@pytest.mark.skipif(shutil.which("b2sum") is None, reason="no b2sum on the PATH")
@pytest.mark.parametrize("unit", ["seller-1", "卖家", "a b'c"])
def test_another_program_makes_the_same_digest(unit):
    out = subprocess.run(["b2sum"], input=f"salt:{unit}".encode(), capture_output=True, check=True)  # noqa: S607
    assert out.stdout.split()[0].decode() == digest_of(unit, "salt")


def test_sql_over_the_digests_assigns_the_same_arms():
    made = with_arms(pl.DataFrame({"seller_id": [f"s{i}" for i in range(500)]}), plan())  # noqa: F841
    arms = duckdb.sql("select ('0x' || left(digest, 8))::BIGINT % 10000 < 1000 as canary, arm from made").pl()
    assert ((arms["arm"] == CANARY) == arms["canary"]).all()


def test_the_share_holds_and_does_not_follow_the_folds_of_a_search():
    from gne_analytics.tables.derived import fold_of

    units = [f"s{i}" for i in range(20_000)]
    arms = with_arms(pl.DataFrame({"seller_id": units}), plan())
    late = pl.Series([fold_of(u) >= 32 for u in units])
    for side in (late, ~late):
        assert arms.filter(side).select((pl.col("arm") == CANARY).mean()).item() == pytest.approx(0.1, abs=0.01)


def test_another_salt_draws_other_sellers():
    frame = pl.DataFrame({"seller_id": [f"s{i}" for i in range(4_000)]})
    both = (with_arms(frame, plan())["arm"] == CANARY) & (with_arms(frame, plan(salt="other"))["arm"] == CANARY)
    assert both.mean() == pytest.approx(0.01, abs=0.006)


def test_a_row_without_a_seller_is_in_neither_arm_and_order_stays():
    made = with_arms(pl.DataFrame({"seller_id": ["b", None, "a", "b"], "row": [0, 1, 2, 3]}), plan())
    assert made["row"].to_list() == [0, 1, 2, 3]
    assert made["arm"][1] is None
    assert set(made["arm"].drop_nulls()) <= {CANARY, CONTROL}


def test_numbers_are_assigned_by_how_they_are_written():
    assert with_arms(pl.DataFrame({"seller_id": [7]}), plan())["digest"][0] == digest_of("7", "gne-canary-P-1")


def test_a_frame_without_the_unit_is_a_data_error():
    with pytest.raises(DataError, match="seller_id"):
        with_arms(pl.DataFrame({"seller": ["a"]}), plan())


def test_a_plan_outlives_its_json():
    made = plan()
    assert CanaryPlan.model_validate_json(made.model_dump_json()) == made
    assert len(made.vectors) == 5


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"share": 0.0}, "share"),
        ({"share": 1e-5}, "buckets"),
        ({"caps": (2.0, 1.0)}, "never fall"),
        ({"caps": ()}, "caps"),
        ({"weeks": 0}, "weeks"),
        ({"rule": "by last digit"}, "another"),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused(change, says):
    with pytest.raises(ValidationError, match=says):
        plan(**change)


def test_vectors_that_another_rule_made_are_refused():
    broken = plan().model_dump() | {"salt": "other"}
    with pytest.raises(ValidationError, match="does not fall"):
        CanaryPlan.model_validate(broken)


def test_a_metric_watched_twice_or_two_goals_are_refused():
    goals = [Watched(metric=m, role="goal", margin=0.01) for m in ("a", "b")]
    for watched in ([GUARD, GUARD], goals):
        with pytest.raises(ValidationError, match="watched"):
            make_plan("P-1", watched, unit="seller_id", share=0.1, start=date(2026, 3, 2), weeks=8)


def test_the_cap_of_the_last_planned_week_holds_from_there_on():
    made = plan(caps=(1.0, 2.0))
    assert [made.cap(w) for w in (1, 2, 3)] == [1.0, 2.0, 2.0]
