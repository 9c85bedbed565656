"""The audit plan keeps its promises: drawn as it says, the audits leave the interval and the coverage it announced."""

import numpy as np
import polars as pl
import pytest

from gne_analytics.strategy.audits import plan_audits
from gne_analytics.strategy.estimate import Price, difference, tally
from gne_analytics.strategy.identify import count_standings, identify
from gne_analytics.strategy.recommend import COVERAGE_FLOOR


def violating(moved):
    """The interval of the number of violating cases among those affected."""
    return difference(tally(moved.with_columns(alpha=pl.lit(-1.0), beta=pl.lit(0.0))), Price(missed=1.0)).interval


def audited(cases, plan, moved, seed):
    """The cases after the plan's audits: new ones with the plan's probability, earlier ones of the strata with 1."""
    drawn = plan.draw(moved, seed).select("case_id", drawn="audit_prob")
    strata = plan.strata.filter(pl.col("audits") > 0).select("cell", "appealed", touched=pl.lit(True))
    frame = cases.join(drawn, on="case_id", how="left").join(strata, on=["cell", "appealed"], how="left")
    earlier = pl.col("audit_violating").is_not_null() & pl.col("touched").fill_null(False)
    frame = frame.with_columns(
        audit_prob=pl.when(pl.col("drawn").is_not_null()).then("drawn").when(earlier).then(1.0).otherwise("audit_prob"),
        audit_violating=pl.when(pl.col("drawn").is_not_null()).then("latent").otherwise("audit_violating"),
    )
    return identify(frame.drop("drawn", "touched"))


def uneven(affected_cases, seed, n=2_000):
    """Few earlier audits, none ever in the lower half of the scores, where violations are rarer."""
    cases = affected_cases(seed, n=n, audit_rate=0.012, violating=0.5)
    unseen = pl.col("score") < 0.5
    return cases.with_columns(
        audit_violating=pl.when(unseen).then(None).otherwise("audit_violating"),
        audit_prob=pl.when(unseen).then(None).otherwise("audit_prob"),
    )


def even(affected_cases, seed):
    return affected_cases(seed, n=1_500, audit_rate=0.01, violating=0.5)


def new_and_released(affected_cases, seed):
    new = affected_cases(seed + 1, n=600, audit_rate=0.0, flow="new", contested=0.0)
    rich = affected_cases(seed, n=1_200, audit_rate=0.2)
    return pl.concat([rich, new.with_columns(case_id=pl.format("n{}", "case_id"))])


WORLDS = {"even": even, "no audits below a score": uneven, "new and released": new_and_released}


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
@pytest.mark.parametrize("budget", [150, 400])
def test_the_promised_half_width_is_what_the_drawn_audits_leave(affected_cases, world, budget):
    widths, covered, reached = [], 0, 0
    cases = world(affected_cases, 7)
    moved = identify(cases)
    plan = plan_audits(moved, budget)
    assert plan.half_width_then < plan.half_width_now
    true = cases["final"].sum()
    for seed in range(40):
        after = audited(cases, plan, moved, seed)
        lo, hi = violating(after)
        widths.append((hi - lo) / 2)
        covered += lo <= true <= hi
        reached += abs(count_standings(after).coverage - plan.coverage_then) < 0.03
    assert 0.85 * np.mean(widths) < plan.half_width_then < 1.2 * np.mean(widths)
    assert covered >= 34
    assert reached >= 36


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_as_many_audits_as_are_needed_pass_the_coverage_floor_and_fewer_do_not(affected_cases, world):
    cases = world(affected_cases, 3)
    moved = identify(cases)
    plan = plan_audits(moved, 0)
    assert plan.coverage_now < COVERAGE_FLOOR
    assert plan.needed > 0
    enough = plan_audits(moved, plan.needed)
    assert enough.coverage_then >= COVERAGE_FLOOR
    assert count_standings(audited(cases, enough, moved, 1)).coverage >= COVERAGE_FLOOR
    assert plan_audits(moved, plan.needed // 2).coverage_then < COVERAGE_FLOOR
    assert str(plan.needed) in plan.summary()


def test_without_a_budget_the_plan_has_what_the_floor_needs(affected_cases):
    cells = [affected_cases(i, n=80, audit_rate=0.0, contested=0.0, flow=f"c{i}") for i in range(20)]
    cases = pl.concat([c.with_columns(case_id=pl.format("{}-{}", "cell", "case_id")) for c in cells])
    plan = plan_audits(identify(cases))
    assert plan.needed > 200
    assert plan.strata["audits"].sum() <= plan.needed
    assert plan.coverage_then >= COVERAGE_FLOOR


def test_a_small_budget_makes_some_strata_estimable_instead_of_none(affected_cases):
    cells = [affected_cases(i, n=100 * (i + 1), audit_rate=0.0, contested=0.0, flow=f"c{i}") for i in range(4)]
    cases = pl.concat([c.with_columns(case_id=pl.format("{}-{}", "cell", "case_id")) for c in cells])
    plan = plan_audits(identify(cases), 62)
    per_cell = dict(plan.strata.select("cell", "audits").iter_rows())
    assert min(per_cell["c3"], per_cell["c2"]) >= 30
    assert per_cell["c0"] == per_cell["c1"] == 0
    assert plan.coverage_then == pytest.approx(0.7)


def test_audits_go_only_to_cases_without_one_and_never_beyond_them(affected_cases):
    cases = affected_cases(5, n=50, audit_rate=0.1, contested=0.0)
    moved = identify(cases)
    plan = plan_audits(moved, 1_000)
    assert plan.strata["audits"].sum() == cases["audit_violating"].null_count()
    assert set(plan.draw(moved)["case_id"]) == set(cases.filter(pl.col("audit_violating").is_null())["case_id"])
    assert plan.coverage_then == 1
    assert plan.half_width_then == 0


def test_strata_that_a_fresh_draw_would_not_narrow_get_none(affected_cases):
    cases = affected_cases(6, n=1_000, audit_rate=0.4, contested=0.0)
    plan = plan_audits(identify(cases), 40)
    assert plan.strata["audits"].sum() == 0
    assert plan.half_width_then == plan.half_width_now


def test_cases_that_no_audit_settles_may_leave_the_floor_out_of_reach(affected_cases):
    moved = identify(affected_cases(1, n=100, audit_rate=0.0))
    plan = plan_audits(moved, beyond=100)
    assert plan.needed is None
    assert "no number of audits" in plan.summary()


def test_a_draw_is_the_same_for_one_seed_and_another_for_another(affected_cases):
    moved = identify(even(affected_cases, 1))
    plan = plan_audits(moved, 100)
    first = plan.draw(moved, 1)
    assert first.equals(plan.draw(moved.sample(fraction=1, shuffle=True, seed=0), 1))
    assert not first.equals(plan.draw(moved, 2))
    assert first.height == plan.strata["audits"].sum()


def test_nothing_affected_needs_no_audit(affected_cases):
    plan = plan_audits(identify(affected_cases(0, n=20)).clear())
    assert (plan.needed, plan.half_width_now, plan.strata.height) == (0, 0.0, 0)
