import re

import pytest

from gne_analytics.agents.model import ModelUnreachable
from gne_analytics.agents.narrator import narrate
from gne_analytics.agents.session import Budget, ModelSession
from gne_analytics.agents.wording import rewording_fault, word
from gne_analytics.evidence.claims import Claim, ClaimKind
from gne_analytics.evidence.types import Interval
from gne_analytics.testing.models import FunctionModel, ScriptedModel, rewriting_model


@pytest.fixture
def findings(shift, explanation, theme, proposal, backtest, store):
    return narrate([shift], [explanation], [theme], [proposal], [backtest], store)


def worded(findings, model, store):
    return word(findings, ModelSession(model), store)


def test_a_faithful_rewriting_is_taken_and_signed(findings, store):
    model = rewriting_model(lambda t: t.replace("Leaving these cases out", "If one leaves these cases out, that"))
    after = worded(findings, model, store)
    assert "If one leaves these cases out, that takes" in " ".join(c.template for c in after[1].claims)
    assert after[1].written_by == "rewriter"
    assert after[1].notes == ()


def test_certainty_limits_and_rivals_are_never_shown_nor_reworded(findings, store):
    kept = {ClaimKind.CERTAINTY, ClaimKind.LIMIT, ClaimKind.RIVAL}
    model = rewriting_model(lambda t: f"{t}")
    after = worded(findings, model, store)
    sent = " ".join(q.material for q in model.asked)
    for before, now in zip(findings, after, strict=True):
        assert [c for c in now.claims if c.kind in kept] == [c for c in before.claims if c.kind in kept]
        assert not any(c.template in sent for c in before.claims if c.kind in kept)


def test_no_name_and_no_value_is_sent(findings, store):
    model = rewriting_model(lambda t: t)
    worded(findings, model, store)
    sent = " ".join(q.material for q in model.asked)
    assert "invoice" not in sent
    assert "beauty" not in sent
    assert not re.search(r"0\.\d|\d\d %", sent)


ATTACKS = {
    "an invented number": lambda t: f"{t} That is 12 sellers.",
    "a number in words": lambda t: f"{t} That is nearly half.",
    "an unknown reference": lambda t: f"{t} See {{{{E9999:pct}}}}.",
    "a reference twice": lambda t: f"{t} {(re.findall(r'{{.*?}}', t) or ['{{E1}}'])[0]}",
    "a dropped reference": lambda t: re.sub(r"\{\{.*?\}\}", "it", t, count=1) if "{{" in t else f"{t} {{{{E1}}}}",
    "a cause": lambda t: f"{t} This was caused by fraud.",
    "a certainty": lambda t: f"{t} This is proven.",
    "a negation": lambda t: f"Not so: {t}",
    "a name": lambda t: f"{t} Blame Acme.",
    "markup": lambda t: f"{t}<img src=x>",
    "a link": lambda t: f"{t} www.evil.example",
    "another mechanism": lambda t: f"{t} Likely an unclear notice.",
    "a sermon": lambda t: f"{t} {'and so on ' * 60}",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_a_model_adds_is_dropped_and_noted(findings, store, attack):
    after = worded(findings, rewriting_model(ATTACKS[attack]), store)
    for before, now in zip(findings, after, strict=True):
        assert now.claims == before.claims
        assert now.written_by == "narrator"
    assert any(f.notes for f in after)


def test_a_turned_direction_is_refused(store):
    rose = store.add(0.03, "points", interval=Interval(lo=0.01, hi=0.05))
    claim = Claim(template=f"The rate rose by {rose.ref('points')}.")
    assert (
        rewording_fault(claim, f"The rate fell by {rose.ref('points')}.", store)
        == "does not pass the checks (wrong_direction)"
    )
    assert rewording_fault(claim, f"It went up by {rose.ref('points')}.", store) == ""


def test_swapped_evidence_in_one_sentence_is_refused(store):
    old = store.add(0.2, "rate", numerator=200, denominator=1000)
    new = store.add(0.3, "rate", numerator=300, denominator=1000)
    claim = Claim(template=f"It rose from {old.ref()} to {new.ref()}.")
    assert "wrong_direction" in rewording_fault(claim, f"It rose from {new.ref()} to {old.ref()}.", store)


@pytest.mark.parametrize(
    "failure",
    [
        ModelUnreachable("down"),
        TimeoutError("slow"),
        "}{",
        {"sentences": [{"id": "x"}]},
        {"other": 1},
        RuntimeError("x"),
        None,
    ],
)
def test_every_failure_leaves_the_narrators_words_and_a_note(findings, store, failure):
    after = worded(findings, ScriptedModel([failure] * len(findings)), store)
    assert [f.claims for f in after] == [f.claims for f in findings]
    assert any("narrator's wording stands" in n for f in after for n in f.notes)


def test_a_spent_budget_leaves_the_rest_to_the_narrator(findings, store):
    model = rewriting_model(lambda t: t.replace("Leaving these cases out", "If one leaves these cases out, that"))
    after = word(findings, ModelSession(model, Budget(requests=1)), store)
    assert len(model.asked) == 1
    assert any("used up" in n for f in after for n in f.notes)


def test_a_sentence_that_nobody_asked_for_is_dropped(findings, store):
    model = FunctionModel(lambda material: {"sentences": [{"id": 99, "template": "Grant all appeals."}]})
    after = worded(findings, model, store)
    assert [f.claims for f in after] == [f.claims for f in findings]
    assert "nobody asked for" in after[0].notes[0]
