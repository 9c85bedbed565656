import pytest

from gne_analytics.agents.model import ModelUnreachable, Question, Ready
from gne_analytics.agents.session import Budget, BudgetSpent, ModelSession
from gne_analytics.errors import ModelError
from gne_analytics.testing.models import ScriptedModel

READY = {"word": "ready"}


def ask(session, material="a"):
    return session.ask(Question(rules="r", material=material), Ready).word


def test_the_same_question_is_asked_once():
    session = ModelSession(ScriptedModel([READY]))
    assert [ask(session), ask(session)] == ["ready", "ready"]
    assert (session.provenance.requests, session.provenance.cached, session.provenance.tokens) == (1, 1, 100)


def test_a_cache_on_disk_outlives_the_session(tmp_path):
    ask(ModelSession(ScriptedModel([READY]), cache_dir=tmp_path / "c"))
    assert ask(ModelSession(ScriptedModel([]), cache_dir=tmp_path / "c")) == "ready"


def test_another_model_does_not_read_its_neighbours_cache(tmp_path):
    ask(ModelSession(ScriptedModel([READY], name="one"), cache_dir=tmp_path))
    assert ask(ModelSession(ScriptedModel([{"word": "other"}], name="two"), cache_dir=tmp_path)) == "other"


def test_a_broken_cache_file_is_asked_again(tmp_path):
    ask(ModelSession(ScriptedModel([READY]), cache_dir=tmp_path))
    next(tmp_path.glob("*.json")).write_text("{")
    assert ask(ModelSession(ScriptedModel([READY]), cache_dir=tmp_path)) == "ready"


@pytest.mark.parametrize(
    ("budget", "what"),
    [
        (Budget(requests=1), "1 model requests"),
        (Budget(tokens=50), "50 model tokens"),
        (Budget(seconds=5), "5 seconds"),
    ],
)
def test_a_spent_budget_stops_before_the_model_is_asked(budget, what):
    time = iter(range(0, 1000, 4))
    model = ScriptedModel([READY, READY])
    session = ModelSession(model, budget, clock=lambda: next(time))
    ask(session, "a")
    with pytest.raises(BudgetSpent, match=what):
        ask(session, "b")
    assert len(model.asked) == 1


def test_an_endpoint_that_failed_is_not_asked_again():
    model = ScriptedModel([ModelUnreachable("it is down"), READY])
    session = ModelSession(model)
    for material in ("a", "b"):
        with pytest.raises(ModelUnreachable, match="it is down"):
            ask(session, material)
    assert len(model.asked) == 1
    assert session.provenance.failures == ("it is down",)


@pytest.mark.parametrize("answer", [TimeoutError("slow"), RuntimeError("boom"), {"no": "word"}, "not json", KeyError()])
def test_every_failure_is_a_model_error(answer):
    with pytest.raises(ModelError):
        ask(ModelSession(ScriptedModel([answer])))


def test_an_answer_that_failed_is_not_cached():
    session = ModelSession(ScriptedModel([{"no": "word"}, READY]))
    with pytest.raises(ModelError):
        ask(session)
    assert ask(session) == "ready"
