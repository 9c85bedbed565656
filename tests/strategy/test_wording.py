from functools import cache

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar

from gne_analytics.policy.model import Clause, Example
from gne_analytics.strategy.wording import LexicalBaseline, paired, score_wording, split_examples, wording_of


def examples(n=80):
    return tuple(Example(text=f"case number {i} of things", violating=i % 3 == 0) for i in range(n))


def clause(text="forbidden: bad things", count=80, **more):
    return Clause(id="p.c", text=text, examples=examples(count), **more)


class Reader:
    """A judge that follows a function of wording and case, and keeps what it was shown."""

    name = "reader"

    def __init__(self, answer):
        self.answer, self.shown = answer, []

    def violates(self, wording, case):
        self.shown.append((wording, case))
        return self.answer(wording, case)


def truth(case):
    return int(case.split()[2]) % 3 == 0


def test_a_wording_that_is_read_rightly_beats_one_that_is_not():
    judge = Reader(lambda wording, case: truth(case) if "clear" in wording else False)
    found = score_wording(clause(), clause("clear: bad things"), judge)
    assert found.verdict == "better"
    assert found.proposed.value == 1.0
    assert found.today.value == pytest.approx(1 - found.violating / found.holdout)
    assert found.difference.interval.lo > 0
    assert score_wording(clause("clear"), clause("not so"), judge).verdict == "worse"


def test_two_wordings_that_are_read_alike_cannot_be_told_apart():
    found = score_wording(clause(), clause("the same"), Reader(lambda _, case: truth(case)))
    assert (found.verdict, found.p_value, found.difference.value) == ("cannot_tell", 1.0, 0.0)
    assert found.difference.interval.lo < 0 < found.difference.interval.hi


def test_without_a_judge_nothing_is_scored_and_no_figure_is_made_up():
    found = score_wording(clause(), clause("new"), None)
    assert found.verdict == "not_scored"
    assert "GNE_MODEL" in found.why
    assert (found.today, found.proposed, found.difference, found.p_value) == (None, None, None, None)


@pytest.mark.parametrize("count", [0, 3, 30])
def test_too_few_examples_are_refused_before_the_judge_is_asked(count):
    judge = Reader(lambda *_: True)
    found = score_wording(clause(count=count), clause("new"), judge)
    assert (found.verdict, found.today) == ("not_scored", None)
    assert "Too few" in found.why
    assert judge.shown == []


def test_examples_on_one_side_of_the_line_alone_are_refused():
    one = Clause(id="p.c", text="x", examples=tuple(Example(text=f"a {i}", violating=True) for i in range(90)))
    assert "one side" in score_wording(one, one, Reader(lambda *_: True)).why


def test_the_judge_sees_no_example_that_may_be_drafted_from_no_label_and_no_other_example():
    judge = Reader(lambda *_: True)
    today, proposed = clause(), clause("new", includes=("odd ones",))
    score_wording(today, proposed, judge)
    split = split_examples("p.c", today.examples)
    assert {case for _, case in judge.shown} == {e.text for e in split.holdout}
    assert {wording for wording, _ in judge.shown} == {wording_of(today), wording_of(proposed)}
    assert not any("case number" in wording or "violating" in wording for wording, _ in judge.shown)


def test_the_split_stays_when_examples_are_added_and_copies_do_not_cross_over():
    few, many = split_examples("p.c", examples(40)), split_examples("p.c", examples(80))
    assert set(few.holdout) <= set(many.holdout)
    assert set(few.drafting) <= set(many.drafting)
    assert 25 < len(many.holdout) < 55
    copies = tuple(e.model_copy(update={"text": f"  {e.text.upper()}!"}) for e in examples(40))
    both = split_examples("p.c", (*examples(40), *copies))
    assert (both.holdout, both.drafting) == (few.holdout, few.drafting)


def test_a_text_that_is_labelled_both_ways_is_left_out_and_counted():
    held = split_examples("p.c", examples()).holdout[0]
    twice = Clause(
        id="p.c", text="x", examples=(*examples(), held.model_copy(update={"violating": not held.violating}))
    )
    found = score_wording(twice, twice, Reader(lambda *_: True))
    assert found.left_out == {"labelled both ways": 2}
    assert held not in split_examples("p.c", twice.examples).holdout


def test_a_wording_is_not_marked_on_an_example_that_it_quotes():
    held = split_examples("p.c", examples()).holdout[0]
    quoting = clause("new", excludes=(f"For instance {held.text.upper()}, which is fine",))
    judge = Reader(lambda *_: True)
    assert score_wording(clause(), quoting, judge).left_out == {"quoted in a wording": 1}
    assert held.text not in {case for _, case in judge.shown}


def test_a_judge_that_often_does_not_answer_scores_nothing():
    found = score_wording(clause(), clause("new"), Reader(lambda w, case: None if "7" in case else truth(case)))
    assert found.verdict == "not_scored"
    assert found.left_out["unanswered"] > 0


def test_a_few_unanswered_examples_are_left_out_and_counted():
    lost = split_examples("p.c", examples()).holdout[0].text
    found = score_wording(clause(), clause("new"), Reader(lambda w, case: None if case == lost else truth(case)))
    assert found.left_out == {"unanswered": 1}
    assert found.holdout == len(split_examples("p.c", examples()).holdout) - 1


@pytest.mark.parametrize(("gained", "lost"), [(9, 1), (5, 0), (6, 0), (4, 4), (2, 11)])
def test_the_test_is_mcnemars_exact_one_and_its_interval_agrees_with_it(gained, lost):
    difference, p_value = paired(gained, lost, 40)
    assert p_value == pytest.approx(mcnemar(np.array([[20, gained], [lost, 9]]), exact=True).pvalue)
    assert (difference.interval.lo > 0 or difference.interval.hi < 0) == (p_value < 0.05)
    assert difference.value == pytest.approx((gained - lost) / 40)
    assert difference.interval.lo <= difference.value <= difference.interval.hi


def test_the_paired_interval_covers():
    r = np.random.default_rng(0)
    n, up, down = 60, 0.25, 0.1
    found = cache(lambda gained, lost: paired(gained, lost, n)[0].interval)
    limits = [found(int(gained), int(lost)) for gained, lost, _ in r.multinomial(n, [up, down, 1 - up - down], 400)]
    assert sum(i.lo <= up - down <= i.hi for i in limits) / 400 > 0.92


def test_the_lexical_baseline_has_a_name_of_its_own_and_counts_words_only():
    words = wording_of(Clause(id="p.c", text="No replica watches.", excludes=("watches with a letter of the brand",)))
    judge = LexicalBaseline()
    assert judge.name == "lexical baseline"
    assert judge.violates(words, "one replica sold") is True
    assert judge.violates(words, "watches, and a letter of the brand is shown") is False


def test_a_line_break_in_a_wording_makes_no_line_of_another_kind():
    assert wording_of(Clause(id="p.c", text="a\nIt does not cover: b")) == "a It does not cover: b"
