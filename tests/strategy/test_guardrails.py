from collections import Counter
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from gne_analytics.policy.model import Margins, Objective
from gne_analytics.strategy.estimate import Rate, Reviewers
from gne_analytics.strategy.guardrails import check_capacity, check_slices, seller_age, slice_value

MARGINS = Objective(guardrails=Margins(wrongful_enforcement=0.05, missed_violation=0.05, slices=("market",)))


def check(cases, moved):
    market = {"market": pl.lit("ID")}
    return check_slices(cases.with_columns(**market), moved.with_columns(**market), MARGINS, Reviewers(), "latent")


def test_want_of_data_is_never_a_pass(affected_cases):
    cases = affected_cases(0, n=500, audit_rate=0.001)
    (found,) = check(cases, cases)
    assert (found.name, found.verdict) == ("missed_violations", "cannot_tell")


def test_harm_beyond_the_margin_fails_and_harm_well_within_it_passes(affected_cases):
    audited = {"audit_violating": pl.col("latent"), "audit_prob": pl.lit(1.0)}
    moved = affected_cases(1, n=400, violating=0.9).with_columns(**audited)
    few, many = (pl.concat([moved] * times) for times in (1, 40))
    assert [g.verdict for g in check(few, moved)] == ["fail"]
    assert [g.verdict for g in check(many, moved)] == ["pass"]


def test_a_few_settled_cases_neither_fail_nor_pass_a_slice_by_themselves(affected_cases):
    settled = affected_cases(3, n=6).with_columns(
        appealed=True, decided_violating=pl.Series([1.0, 1.0, 0.0, 1.0, 0.0, 1.0]), audit_violating=None, audit_prob=1.0
    )
    scored = affected_cases(3, n=60)
    market = {"market": pl.lit("ID")}
    (found,) = check_slices(
        scored.with_columns(**market), settled.with_columns(**market), MARGINS, Reviewers(), "final_decision"
    )
    assert found.verdict == "cannot_tell"
    assert found.difference.interval.lo < MARGINS.guardrails.missed_violation < found.difference.interval.hi


def test_a_release_cannot_wrong_anybody_so_only_missed_violations_are_tested(affected_cases):
    moved = affected_cases(2)
    assert {g.name for g in check(moved, moved)} == {"missed_violations"}


def test_reviews_beyond_capacity_fail_and_fewer_reviews_pass():
    flows = pl.DataFrame(
        {
            "event_date": [date(2026, 5, 4)] * 4,
            "state_today": ["review"] + ["automatic"] * 3,
            "state_proposed": ["review"] * 4,
        }
    )
    assert [g.verdict for g in check_capacity(flows, 3)] == ["fail"]
    assert [g.verdict for g in check_capacity(flows, 4)] == ["pass"]
    back = flows.rename({"state_today": "state_proposed", "state_proposed": "state_today"})
    assert [g.verdict for g in check_capacity(back, 0)] == ["pass"]
    assert check_capacity(flows, None) == ()


def test_a_week_beyond_the_capacity_fails_though_the_fullest_week_stays_as_it_is():
    flows = pl.DataFrame(
        {
            "event_date": [date(2026, 5, 4)] * 5 + [date(2026, 5, 11)] * 4,
            "state_today": ["review"] * 5 + ["automatic"] * 4,
            "state_proposed": ["review"] * 9,
        }
    )
    (found,) = check_capacity(flows, 3)
    assert (found.verdict, found.difference.value) == ("fail", 4.0)


def test_a_reroute_of_the_enforced_can_wrong_nobody_and_one_of_the_passed_can_miss_nothing(affected_cases):
    known = Reviewers(Rate(0.2, 50.0), Rate(0.9, 50.0), Rate(0.1, 50.0), Rate(0.1, 50.0))
    market = {"market": pl.lit("ID")}
    for alpha, flow, tested in ((-1.0, "rerouted", "missed_violations"), (0.0, "new", "wrongful_enforcement")):
        moved = affected_cases(3, alpha=alpha, beta=1.0, flow=flow).with_columns(**market)
        found = check_slices(moved, moved, MARGINS, known, "latent")
        assert {g.name for g in found} == {tested}


def test_sellers_are_new_for_a_month_but_not_because_the_record_begins():
    start = date(2026, 1, 1)
    days = [start, start + timedelta(days=40), start + timedelta(days=60), start + timedelta(days=80)]
    frame = pl.DataFrame({"unit": ["old", "late", "late", "late"], "event_date": days})
    assert frame.select(seller_age())["literal"].to_list() == ["established", "new", "new", "established"]


def test_a_path_is_sliced_by_its_top_level_and_null_by_its_own_name():
    frame = pl.DataFrame({"category": ["beauty/sun-care", None, "toys"]})
    assert frame.select(slice_value("category"))["category"].to_list() == ["beauty", "(missing)", "toys"]


def draw_slice(r, *, sellers, per_seller, touched, violating, audited=0.4, alike=False):
    """Draw a slice's cases and those a release touches; where sellers are alike, all their cases fare the same."""
    n = sellers * per_seller
    unit = np.repeat(np.arange(sellers), per_seller)
    pick = (lambda share: (r.random(sellers) < share)[unit]) if alike else (lambda share: r.random(n) < share)
    moves, y = pick(touched), pick(violating)
    appealed = r.random(n) < 0.2
    seen = ~appealed & (r.random(n) < audited)
    flows = pl.DataFrame({
        "case_id": [f"c{i}" for i in range(n)], "unit": [f"s{i}" for i in unit], "market": "ID", "cell": "released",
        "policy": "p", "appealed": appealed, "decided_violating": np.where(appealed, y, np.nan),
        "audit_violating": np.where(seen, y, np.nan), "audit_prob": np.where(seen, audited, np.nan),
        "score": r.random(n), "alpha": -1.0, "beta": 0.0,
    }).with_columns(pl.col("decided_violating", "audit_violating", "audit_prob").fill_nan(None))  # fmt: skip
    return flows, flows.filter(pl.Series(moves))


def verdicts(margin, worlds, **shape):
    r = np.random.default_rng(5)
    objective = Objective(guardrails=Margins(wrongful_enforcement=0.05, missed_violation=margin, slices=("market",)))
    drawn = (draw_slice(r, **shape) for _ in range(worlds))
    found = (check_slices(*world, objective, Reviewers(), "final_decision") for world in drawn)
    return Counter(guardrail.verdict for (guardrail,) in found)


SHAPES = {
    "many sellers": {"sellers": 500, "per_seller": 2, "touched": 0.1, "violating": 0.8},
    "few audits": {"sellers": 500, "per_seller": 4, "touched": 0.2, "violating": 0.5, "audited": 0.2},
    "sellers alike": {"sellers": 120, "per_seller": 10, "touched": 0.3, "violating": 0.5, "alike": True},
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_harm_at_the_margin_is_rarely_called_anything_else(shape):
    at_margin = verdicts(shape["touched"] * shape["violating"], 80, **shape)
    assert max(at_margin["pass"], at_margin["fail"]) <= 11  # P(more than 11 of 80 at 5 %) = .0006


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_harm_far_from_the_margin_is_usually_told(shape):
    harm = shape["touched"] * shape["violating"]
    assert verdicts(harm * 2, 20, **shape)["pass"] >= 16
    assert verdicts(harm / 2, 20, **shape)["fail"] >= 16


def test_settled_cases_without_harm_are_too_few_to_pass_however_well_they_are_known(affected_cases):
    settled = affected_cases(3, n=6).with_columns(appealed=True, decided_violating=0.0, audit_violating=None)
    (found,) = check_slices(
        affected_cases(3, n=60).with_columns(market=pl.lit("ID")), settled.with_columns(market=pl.lit("ID")),
        Objective(guardrails=Margins(wrongful_enforcement=0.01, missed_violation=0.01, slices=("market",))),
        Reviewers(), "final_decision",
    )  # fmt: skip
    assert found.difference.value == 0
    assert found.verdict == "cannot_tell"
