"""What rises, what leaves its past, and what is drafted for it."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from gne_analytics.errors import DataError
from gne_analytics.evidence.types import EditKind, Theme
from gne_analytics.sensing import draft_for_gap, emerging, rate_alarms

AS_OF = date(2026, 9, 27)


def signals(weekly: dict[str, list[int]], caught: float = 0.0, seed: int = 0) -> pl.DataFrame:
    """So many reports per theme in each of the last 16 weeks, oldest first."""
    rng = np.random.default_rng(seed)
    rows = []
    for theme, counts in weekly.items():
        for week, n in enumerate(counts):
            first = AS_OF + timedelta(days=1) - timedelta(weeks=len(counts) - week)
            rows += [
                {
                    "theme_id": theme,
                    "event_date": first + timedelta(days=int(rng.integers(0, 7))),
                    "violation_id": "V1" if rng.random() < caught else None,
                }
                for _ in range(n)
            ]
    return pl.DataFrame(rows, schema={"theme_id": pl.String, "event_date": pl.Date, "violation_id": pl.String})


def test_a_theme_that_rises_uncaught_is_a_gap() -> None:
    found = emerging(signals({"pouches": [1] * 12 + [8, 9, 12, 14], "steady": [6] * 16}), AS_OF)
    assert found["theme_id"][0] == "pouches"
    assert found["gap"].to_list() == [True, False]
    assert found["ratio"][0] == pytest.approx(43 / 4)
    assert found["lo"][0] < found["ratio"][0] < found["hi"][0]


def test_a_theme_that_rises_and_is_caught_is_no_gap() -> None:
    row = emerging(signals({"known": [1] * 12 + [9] * 4}, caught=1.0), AS_OF).row(0, named=True)
    assert (row["rising"], row["gap"]) == (True, False)


def test_a_theme_never_seen_before_rises_without_dividing_by_zero() -> None:
    row = emerging(signals({"new": [0] * 12 + [5] * 4}), AS_OF).row(0, named=True)
    assert row["rising"]
    assert row["hi"] == float("inf")
    assert row["lo"] > 1


def test_quiet_themes_are_rarely_called_rising() -> None:
    rng = np.random.default_rng(1)
    called = 0
    for _ in range(40):
        quiet = {f"t{i}": rng.poisson(4, 16).tolist() for i in range(8)}
        called += emerging(signals(quiet), AS_OF)["rising"].any()
    assert called <= 6  # at 5 % over all themes of a world 2 are expected


def test_bursty_baselines_raise_the_bar() -> None:
    steady = emerging(signals({"a": [3] * 12 + [6] * 4}), AS_OF)["lo"][0]
    bursty = emerging(signals({"a": [0, 9] * 3 + [0, 9] * 3 + [6] * 4}), AS_OF)["lo"][0]
    assert bursty < steady


def test_a_missing_column_is_named() -> None:
    with pytest.raises(DataError, match="violation_id"):
        emerging(pl.DataFrame({"event_date": [AS_OF], "theme_id": ["a"]}), AS_OF)


def rates(last: float, seed: int = 0, series: int = 5) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    weeks = [date(2026, 7, 6) + timedelta(weeks=w) for w in range(9)]
    return pl.DataFrame(
        [
            {
                "market": f"M{s}",
                "event_week": w,
                "n": 200,
                "k": int(rng.binomial(200, last if w == weeks[-1] and s == 0 else 0.2)),
            }
            for s in range(series)
            for w in weeks
        ]
    )


def test_a_rate_that_leaves_its_past_rings() -> None:
    found = rate_alarms(rates(0.45), ["market"])
    assert found.filter("alarm")["market"].to_list() == ["M0"]
    assert found["rate"][0] > found["hi"][0]


def test_quiet_rates_rarely_ring() -> None:
    assert sum(rate_alarms(rates(0.2, seed), ["market"])["alarm"].any() for seed in range(30)) <= 5


def test_a_series_too_young_or_too_small_is_not_judged() -> None:
    assert rate_alarms(rates(0.4).filter(pl.col("event_week") > date(2026, 8, 20)), ["market"]).is_empty()
    assert rate_alarms(rates(0.4).with_columns(n=20, k=4), ["market"]).is_empty()


THEME = Theme(
    id="signals-01",
    view="signals",
    label="nicotine, mint",
    terms=("nicotine", "mint", "pouch"),
    size=40,
    folded=39,
    exemplars=("<b>buy now</b>",),
)


def test_a_gap_gives_a_clause_and_a_rule_that_act_on_nobody() -> None:
    clause, rule = draft_for_gap(THEME, "prohibited", detector="text_match", evidence=("E1",))
    assert (clause.kind, rule.kind) == (EditKind.ADD_CLAUSE, EditKind.ADD_RULE)
    assert isinstance(rule.new, dict)
    assert rule.new["status"] == "draft"
    assert rule.new["clause"] == clause.clause == "prohibited.nicotine-mint-pouch"
    assert "buy now" not in str(clause.new)


def test_the_drafts_are_valid_policy() -> None:
    from gne_analytics.policy.model import Clause, Rule

    clause, rule = draft_for_gap(THEME, "prohibited")
    assert Clause.model_validate(clause.new).id == clause.clause
    assert Rule.model_validate(rule.new).id == rule.rule


def test_terms_in_other_scripts_still_give_an_id() -> None:
    clause, _ = draft_for_gap(THEME.model_copy(update={"terms": ("尼古丁", "薄荷")}), "prohibited")
    assert clause.clause == "prohibited.signals-01"


def test_weeks_before_the_record_began_are_not_empty_weeks() -> None:
    flat = signals({"flat": [0] * 10 + [5] * 6})
    began = flat["event_date"].min()
    assert emerging(flat, AS_OF).row(0, named=True)["rising"]
    assert not emerging(flat, AS_OF, since=began).row(0, named=True)["rising"]
