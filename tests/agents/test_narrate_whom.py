"""On whom a change falls: a sentence on how few sellers and one on the penalty ladder, for every case there is."""

import pytest

from gne_analytics.agents.narrate_whom import NO_LADDER, NO_ONE_CHANGES, NO_SELLER, milestones_moved
from gne_analytics.agents.narrate_whom import on_how_few as few
from gne_analytics.agents.narrate_whom import on_the_ladder as ladder
from gne_analytics.evidence.claims import check_template
from gne_analytics.evidence.proposals import Concentration, Flow, Identification, LadderExposure
from gne_analytics.evidence.render import render
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.testing.results import a_backtest


def told(sentence, **changes):
    store = EvidenceStore()
    template = sentence(a_backtest().model_copy(update=changes), store)
    assert not check_template(template, store)
    return render(template, store)


def on(sellers, effective):
    return Concentration(
        sellers=sellers, effective=effective, top=min(sellers, 10), share_of_change=1.0, share_of_cases=0.25
    )


def test_many_sellers_are_told_by_the_share_of_the_few_with_the_largest_parts():
    said = told(few)
    assert said.startswith("The change falls on 58 sellers. The 10 with the largest parts of it have 69.0 %")
    assert "beside 7.0 % of all cases; it is as concentrated as if 11 sellers shared it equally." in said


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (on(1, 1.0), "The change falls on 1 seller alone, who has 25.0 % of all cases."),
        (on(4, 1.2), "The change falls on 4 sellers, who have 25.0 % of all cases; it is as concentrated as if 1 "
                     "seller shared it equally."),
    ],
)  # fmt: skip
def test_a_change_on_so_few_that_all_are_named_has_no_share_of_its_largest(found, said):
    assert told(few, concentration=found) == said


def test_without_a_seller_and_without_a_change_the_reason_is_told():
    assert told(few, concentration=None) == NO_SELLER
    assert told(few, concentration=None, identification=Identification()) == NO_ONE_CHANGES


def test_where_reviews_alone_are_spared_nobody_bears_it():
    spared = {"flow": Flow(kept=9, rerouted=32), "identification": Identification()}
    assert told(few, concentration=None, **spared) == NO_ONE_CHANGES


def test_the_ladder_is_told_by_milestone_and_without_one_that_is_said():
    said = told(ladder)
    assert said == (
        "On the penalty ladder, of 2,911 sellers: perhaps reached, if reviewers enforce: suspended-7d by 2; "
        "no longer reached: first-warning by 9 and suspended-7d by 4."
    )
    assert told(ladder, ladder=None) == NO_LADDER


def test_nobody_moving_on_the_ladder_is_said_with_how_many_were_looked_at():
    nobody = "Nobody's milestone on the penalty ladder changes, of 12 sellers."
    assert told(ladder, ladder=LadderExposure(sellers=12, newly={"m": 0})) == nobody


def test_of_many_milestones_the_largest_three_are_named():
    said = told(ladder, ladder=LadderExposure(sellers=9, newly={"a": 1, "b": 4, "c": 2, "d": 3}))
    assert "newly reached: b by 4, d by 3, c by 2, and others." in said


def test_milestones_are_a_table_sorted_by_how_many_fare_otherwise():
    found = LadderExposure(sellers=9, newly={"a": 1, "z": 0}, perhaps={"a": 1, "b": 5}, no_longer={"c": 2})
    assert milestones_moved(found) == (("b", 0, 5, 0), ("a", 1, 1, 0), ("c", 0, 0, 2))
