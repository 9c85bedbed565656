"""The decision semantics, one promise at a time."""

from datetime import date

import polars as pl
import pytest

from gne_analytics.errors import DataError, PolicyError
from gne_analytics.policy.model import Exemption, Override, Rule, Threshold
from gne_analytics.policy.resolve import RESOLVED, resolve


def rule(overrides: list[Override] | None = None, **more: object) -> Rule:
    threshold = Threshold(default=0.7, overrides=tuple(overrides or ()))
    return Rule.model_validate(
        {
            "id": "r",
            "clause": "c",
            "status": "live",
            "detector": "d",
            "threshold": threshold,
            "action": "remove",
            **more,
        }
    )


def cases(**columns: list[object]) -> pl.DataFrame:
    n = len(next(iter(columns.values())))
    base: dict[str, list[object]] = {"detector": ["d"] * n, "score": [0.8] * n, "event_date": [date(2026, 11, 1)] * n}
    return pl.DataFrame(base | columns)


def override(name: str, match: str, value: float, priority: int = 0) -> Override:
    return Override(id=name, match=match, value=value, priority=priority)


def test_a_score_at_the_threshold_fires() -> None:
    assert resolve(rule(), cases(score=[0.7, 0.6999, 0.7001]))["fires"].to_list() == [True, False, True]


def test_the_edge_is_cast_to_the_scores_type() -> None:
    frame = cases(market=["ID"]).with_columns(score=pl.Series([0.82], dtype=pl.Float32))
    said = resolve(rule([override("o", "market = 'ID'", 0.82)]), frame)
    assert said["fires"].to_list() == [True]
    assert said["threshold"].to_list() == [0.82]


def test_without_a_threshold_a_rule_of_a_detector_needs_a_score_and_one_of_none_does_not() -> None:
    frame = cases(score=[None, float("nan"), 0.1], market=["ID"] * 3)
    of_detector = rule(threshold=None, when=["market = 'ID'"])
    assert resolve(of_detector, frame)["fires"].to_list() == [False, False, True]
    assert resolve(of_detector.model_copy(update={"detector": None}), frame)["fires"].all()


def test_no_score_and_another_detector_leave_a_case_untouched() -> None:
    frame = cases(score=[None, float("nan"), 0.9, 0.9], detector=["d", "d", "e", None])
    assert not resolve(rule(), frame)["applies"].any()


def test_every_when_must_hold_and_a_null_does_not() -> None:
    said = resolve(
        rule(when=("market = 'ID'", "tier <> 'gold'")), cases(market=["ID", "ID", "ID"], tier=["new", "gold", None])
    )
    assert said["fires"].to_list() == [True, False, False]


def test_of_matching_overrides_the_highest_priority_wins() -> None:
    ladder = [
        override("a", "market = 'ID'", 0.9, 5),
        override("b", "tier = 'new'", 0.5),
        override("c", "tier = 'new'", 0.5),
    ]
    said = resolve(rule(ladder), cases(market=["ID", "TH", "TH"], tier=["new", "new", None]))
    assert said["threshold"].to_list() == [0.9, 0.5, 0.7]
    assert said["override_id"].to_list() == ["a", "b", None]


def test_tied_overrides_with_different_values_are_an_error_that_names_both() -> None:
    tied = rule([override("by-market", "market = 'ID'", 0.9), override("by-tier", "tier = 'new'", 0.5)])
    with pytest.raises(PolicyError, match=r"'by-tier' \(0.5\) and 'by-market' \(0.9\)"):
        resolve(tied, cases(market=["TH", "ID"], tier=["new", "new"]))


def test_a_tie_that_no_real_row_meets_is_none() -> None:
    tied = rule([override("a", "market = 'ID'", 0.9), override("b", "tier = 'new'", 0.5)], when=("market <> 'SG'",))
    frame = cases(market=["ID", "TH", "ID"], tier=["old", "new", "new"], detector=["d", "d", "other"])
    assert resolve(tied, frame)["threshold"].to_list()[:2] == [0.9, 0.5]


def test_a_tie_between_equal_values_is_none() -> None:
    tied = rule([override("a", "market = 'ID'", 0.9), override("b", "tier = 'new'", 0.9)])
    assert resolve(tied, cases(market=["ID"], tier=["new"]))["threshold"].to_list() == [0.9]


@pytest.mark.parametrize("match", ["tier = 'gold'", "NOT tier = 'new'", "tier = 'gold' AND market = 'ID'"])
def test_a_null_in_an_exemption_exempts_nobody(match: str) -> None:
    exempting = rule(exemptions=(Exemption(id="e", match=match),))
    said = resolve(exempting, cases(tier=["gold", None, "new"], market=["ID", "ID", "ID"]))
    assert said["exempt"].to_list() == [True, False, False]
    assert said["exemption_id"].to_list() == ["e", None, None]
    assert said["fires"].to_list() == [False, True, True]


@pytest.mark.parametrize("match", ["tier = 'new'", "NOT tier = 'gold'", "score < 0.5 OR tier = 'new'"])
def test_a_null_in_human_review_routes_to_review(match: str) -> None:
    said = resolve(rule(human_review=match), cases(tier=["new", None, "gold"]))
    assert said["human_review"].to_list() == [True, True, False]


def test_what_is_known_decides_human_review_without_the_null() -> None:
    said = resolve(rule(human_review="score < 0.5 AND tier = 'new'"), cases(tier=[None], score=[0.9]))
    assert said["human_review"].to_list() == [False]


def test_always_reviews_every_case() -> None:
    assert resolve(rule(human_review="always"), cases(score=[0.8, None]))["human_review"].all()


def test_an_exemption_holds_on_its_last_day_and_no_longer() -> None:
    exempting = rule(exemptions=(Exemption(id="e", match="tier = 'gold'", expires=date(2026, 11, 1)),))
    frame = cases(tier=["gold"] * 3, event_date=[date(2026, 10, 31), date(2026, 11, 1), date(2026, 11, 2)])
    assert resolve(exempting, frame)["exempt"].to_list() == [True, True, False]
    assert not resolve(exempting, frame, at=date(2026, 11, 2))["exempt"].any()


def test_an_unknown_column_is_a_policy_error_and_a_missing_one_a_data_error() -> None:
    with pytest.raises(PolicyError, match="unknown column 'markt'"):
        resolve(rule(when=("markt = 'ID'",)), cases(market=["ID"]))
    with pytest.raises(DataError, match="no column 'score'"):
        resolve(rule(), pl.DataFrame({"detector": ["d"]}))


def test_no_cases_give_no_rows_of_the_right_types() -> None:
    frame = cases(market=["ID"]).clear()
    full = rule(
        [override("a", "market = 'ID'", 0.9)],
        exemptions=(Exemption(id="e", match="market = 'TH'"),),
        human_review="score < 1",
    )
    assert resolve(full, frame).schema == pl.Schema(RESOLVED)
