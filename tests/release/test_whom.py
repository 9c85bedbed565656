"""The report's section on whom a proposal falls: sellers, milestones and who loses, every number bound."""

import re
from dataclasses import replace

import pytest

from gne_analytics.release.report import report_html
from gne_analytics.release.traceable import untraced
from gne_analytics.testing.frontiers import a_frontier
from gne_analytics.testing.results import a_backtest, a_report, some_losing_sellers


def section(run):
    html = report_html(run)
    assert untraced(html, run.store) == ()
    (text,) = re.findall(r"<h4>On whom it falls</h4>(.*?)<h4>", html, flags=re.DOTALL)
    return text, re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def with_part(**changes):
    run = a_report()
    return replace(run, proposals=(replace(run.proposals[0], **changes),))


@pytest.fixture(scope="module")
def shown():
    return section(a_report())


def test_it_says_on_how_few_sellers_the_change_falls_and_who_moves_on_the_ladder(shown):
    text, words = shown
    assert "with the largest parts of it have 69.0 % of the cases that change" in words
    assert re.search(r"of 2,911 sellers; who fares otherwise", words)
    assert text.index("first-warning") < text.index("suspended-7d")


def test_the_sellers_who_lose_stand_in_the_order_given_and_their_ids_are_escaped(shown):
    text, words = shown
    assert "<script" not in text
    assert re.search(r"s-41 40 5 3 2 0 1 c-71, c-70", words)


def test_nobody_who_loses_and_no_ladder_are_said_in_words():
    run = with_part(backtest=a_backtest().model_copy(update={"ladder": None}), losing=some_losing_sellers().clear())
    _, words = section(run)
    assert "What it does on the penalty ladder cannot be told" in words
    assert "No seller of the record has a case that fares worse." in words


def test_without_the_record_at_hand_no_word_is_lost_on_who_loses():
    text, words = section(with_part(losing=None))
    assert "fares worse" not in words
    assert text.count("<table") == 1


def test_the_frontier_stands_beside_the_proposal_with_the_thresholds_of_its_best_point():
    run = with_part(frontier=a_frontier())
    html = report_html(run)
    assert untraced(html, run.store) == ()
    (text,) = re.findall(r"<h4>What else its rule could do</h4>(.*?)<h4>", html, flags=re.DOTALL)
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))
    assert 'class="plot"' in text
    assert "a cross one that needs more reviews" in words
    assert re.search(r"missed violations \+72 \( 48 to 99 \) \+72 \( 32 to 117 \)", words)
    assert re.search(r"market=ID 0.7 0.74", words)
    assert "<script" not in text


def test_where_today_is_best_no_threshold_is_listed():
    html = report_html(with_part(frontier=a_frontier(best=2)))
    assert "no other thresholds were better on the sellers searched than today" in html
    assert "Those thresholds" not in html


def test_a_frontier_that_could_not_be_drawn_says_why():
    run = with_part(no_frontier="rule 'r' has 0 thresholds to try")
    html = report_html(run)
    assert untraced(html, run.store) == ()
    assert "can trade is not drawn: " in html
    assert "thresholds to try" in html
