from collections import Counter
from datetime import timedelta

import polars as pl
import pytest

from gne_analytics.evidence.proposals import Proposal
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Edit
from gne_analytics.strategy import backtest, losing_sellers, replay_change
from gne_analytics.strategy.guardrails import concentration, seller_size

LOWER = Edit(kind="set_threshold", policy="misleading-health-claims", rule="cure-claim", old=0.68, new=0.5)
RAISE = Edit(kind="set_threshold", policy="counterfeit", rule="logo-match", old=0.7, new=0.8)


@pytest.mark.parametrize(
    ("cases", "large"),
    [
        ({"a": 6, "b": 2, "c": 1, "d": 1}, {"a"}),
        ({"a": 4, "b": 4, "c": 1, "d": 1}, {"a", "b"}),
        ({"a": 2, "b": 2}, set()),
        ({"a": 1}, set()),
    ],
)
def test_large_sellers_hold_half_of_the_cases_between_them(cases, large):
    frame = pl.DataFrame({"unit": [u for u, n in cases.items() for _ in range(n)]})
    sizes = dict(frame.with_columns(size=seller_size()).unique().iter_rows())
    assert {unit for unit, size in sizes.items() if size == "large"} == large


def test_a_case_without_a_seller_has_no_size():
    frame = pl.DataFrame({"unit": [None, None, None, "a", "b", "b", "b"]})
    assert frame.select(seller_size())["literal"].to_list() == [None] * 3 + ["small"] + ["large"] * 3


def test_slices_of_sellers_are_tested_whatever_the_objective_names(quiet):
    found = backtest([RAISE], quiet.record, quiet.policies, store=EvidenceStore(), study=quiet.study)
    slices = {str(g.slice) for g in found.guardrails}
    assert {"seller_size=large", "seller_size=small", "seller_age=new", "seller_age=established"} <= slices


def test_concentration_is_what_counting_by_hand_gives(quiet):
    done = replay_change([RAISE], quiet.study, label="final_decision")
    found = concentration(done.flows, done.moved)
    changed, all_cases = Counter(done.moved["unit"]), Counter(done.flows["unit"])
    top = sorted(changed, key=lambda unit: (-changed[unit], unit))[:10]
    assert found.sellers == len(changed)
    assert found.effective == pytest.approx(changed.total() ** 2 / sum(n * n for n in changed.values()))
    assert found.share_of_change == pytest.approx(sum(changed[u] for u in top) / changed.total())
    assert found.share_of_cases == pytest.approx(sum(all_cases[u] for u in top) / all_cases.total())


def test_one_seller_alone_is_the_whole_change_and_no_named_seller_is_none(quiet):
    flows = quiet.study.population.cases
    one = flows.filter(pl.col("unit") == flows["unit"].drop_nulls()[0])
    found = concentration(flows, one)
    assert (found.sellers, found.effective, found.share_of_change) == (1, 1.0, 1.0)
    assert concentration(flows, one.clear()) is None
    assert concentration(flows, one.with_columns(unit=pl.lit(None, pl.String))) is None


def test_losing_sellers_come_with_the_cases_that_they_lose(quiet):
    found = losing_sellers([LOWER], quiet.record, quiet.policies, study=quiet.study)
    flows = quiet.study.flows([LOWER])
    new = flows.filter(pl.col("flow") == "new")
    most = Counter(new["unit"]).most_common(1)[0][1]
    assert found["new"][0] == most
    assert found["new"].to_list() == sorted(found["new"], reverse=True)
    assert found["new"].sum() == sum(sorted(Counter(new["unit"]).values(), reverse=True)[:10])
    for row in found.iter_rows(named=True):
        theirs = new.filter(pl.col("unit") == row["unit"])
        assert len(row["rows"]) == min(5, row["new"])
        assert set(row["rows"]) <= set(theirs["case_id"])
        assert theirs["score"].max() == theirs.filter(pl.col("case_id") == row["rows"][0])["score"][0]


def test_nobody_loses_by_a_release_and_cases_before_the_onset_do_not_count(quiet):
    assert losing_sellers([RAISE], quiet.record, quiet.policies, study=quiet.study).is_empty()
    after = quiet.study.population.cases["event_date"].max() + timedelta(days=1)
    made = Proposal(id="P", title="t", policy=LOWER.policy, policy_base="", since=after, edits=(LOWER,))
    assert losing_sellers(made, quiet.record, quiet.policies, study=quiet.study).is_empty()
