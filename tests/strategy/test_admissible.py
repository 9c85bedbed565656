from types import SimpleNamespace

import pytest

from gne_analytics.evidence.types import Edit, EditKind
from gne_analytics.strategy import admissible
from gne_analytics.strategy.admissible import choose_threshold
from gne_analytics.strategy.candidates import Candidate


def candidates(*loss_of_value):
    new = ({"id": "x", "match": "market = 'ID'", "value": v} for v, _ in loss_of_value)
    edits = (Edit(kind=EditKind.ADD_OVERRIDE, policy="p", rule="r", new=n) for n in new)
    return [Candidate((e,), x) for e, (_, x) in zip(edits, loss_of_value, strict=True)]


@pytest.fixture
def margin(monkeypatch):
    """Which guardrail a threshold fails, and from where on; every one that is tried is written down."""
    held = SimpleNamespace(most=1.0, least=0.0, tried=[])

    def backtest(edits, *_, on, **__):
        assert on == "search"
        value = edits[0].new["value"]
        held.tried.append(value)
        names = [n for n, bad in (("missed_violations", value > held.most),
                                  ("wrongful_enforcement", value < held.least)) if bad]  # fmt: skip
        return SimpleNamespace(guardrails=[SimpleNamespace(name=n, verdict="fail") for n in names])

    monkeypatch.setattr(admissible, "backtest", backtest)
    return held


UP = [(round(0.51 + i / 100, 2), -10.0 * (i + 1)) for i in range(30)]


def chosen(pairs):
    best = choose_threshold(candidates(*pairs), SimpleNamespace(record=None, policies=None), None)
    return None if best is None else best.edits[0].new["value"]


def test_where_no_guardrail_fails_the_choice_is_the_searchs_own(margin):
    assert chosen(UP) == 0.77  # the simplest with nine tenths of the best gain
    assert margin.tried == [0.77]


def test_a_threshold_that_harms_a_slice_gives_way_to_a_nearer_one(margin):
    margin.most = 0.6
    assert 0.55 <= chosen(UP) <= 0.6
    assert len(margin.tried) <= admissible.TRIES


def test_one_that_enforces_wrongly_gives_way_to_a_higher_one(margin):
    margin.least = 0.45
    down = [(round(0.5 - i / 100, 2), -10.0 * (i + 1)) for i in range(1, 20)]
    assert 0.45 <= chosen(down) < 0.5


def test_none_is_chosen_where_all_harm_or_none_lowers_the_loss(margin):
    margin.most = 0.0
    assert chosen(UP) is None
    assert chosen([(0.6, 5.0)]) is None
    assert chosen([]) is None
