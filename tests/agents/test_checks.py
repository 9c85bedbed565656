import pytest

from gne_analytics.agents.checks import check_claim, check_finding
from gne_analytics.agents.narrator import narrate
from gne_analytics.evidence.claims import Claim
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Interval, LabelSource


@pytest.fixture
def store() -> EvidenceStore:
    store = EvidenceStore()
    rate = {"label_source": LabelSource.APPEAL_FINAL, "arguments": {"metric": "overturn_rate"}}
    store.add(0.03, "points", interval=Interval(lo=0.01, hi=0.05))  # E1 up, sure
    store.add(-0.03, "points", interval=Interval(lo=-0.07, hi=0.01))  # E2 down, unsure
    store.add(0.2, "rate", numerator=200, denominator=1000, **rate)  # E3
    store.add(0.3, "rate", numerator=300, denominator=1000, **rate)  # E4
    store.add(
        0.1, "rate", numerator=100, denominator=1000, arguments={"metric": "appeal_rate"}
    )  # E5, other denominator
    store.add(0.75, "rate", numerator=3, denominator=4, **rate)  # E6, four rows
    store.add(0.5, "points", arguments={"contrast": "inside against outside"}, interval=Interval(lo=0.4, hi=0.6))  # E7
    store.add(1.8, "ratio")  # E8
    store.add(0.9, "rate", numerator=900, denominator=1000, label_source="audit", arguments={"metric": "overturn_rate"})
    return store


def faults(template, store):
    return [str(p.fault) for p in check_claim(Claim(template=template), store)]


GOOD = [
    "The rate rose by {{E1:points}}.",
    "The rate fell by {{E2:points}}.",
    "It moved by {{E2:pp}}.",
    "The rate did not rise; it moved by {{E2:pp}}.",
    "It rose from {{E3:pct}} to {{E4:pct}}, a rise of {{E1:points}}.",
    "It fell from {{E4:pct}} to {{E3:pct}}.",
    "It is higher by {{E1:points}} than before.",
    "A rise of {{E1:pp}} is significant.",
    "A fall of {{E2:points}} is not significant.",
    "{{E6:of}} were overturned.",
    "It was caused by the new version: {{E7:pp}} against other cases.",
    "They are {{E8:x}} higher.",
    "While others fell by {{E2:points}}, this one rose by {{E1:points}}.",
]


@pytest.mark.parametrize("template", GOOD)
def test_a_true_sentence_passes(store, template):
    assert faults(template, store) == []


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("The rate fell by {{E1:points}}.", "wrong_direction"),
        ("The rate rose by {{E2:points}}.", "wrong_direction"),
        ("The rate rose: {{E2:pp}}.", "wrong_direction"),
        ("{{E2:points}} more than before.", "wrong_direction"),
        ("It did not rise by {{E1:points}}.", "wrong_direction"),
        ("It moved by {{E1:points}}.", "wrong_direction"),
        ("It rose from {{E4:pct}} to {{E3:pct}}.", "wrong_direction"),
        ("They are {{E8:x}} lower.", "wrong_direction"),
        ("{{E3:pct}} is more than {{E5:pct}}.", "incomparable"),
        ("{{E3:pct}} against {{E9:pct}}.", "incomparable"),
        ("{{E6:pct}} were overturned.", "few_rows"),
        ("A fall of {{E2:points}} is significant.", "not_significant"),
        ("This is significant.", "not_significant"),
        ("It was caused by the new version.", "no_contrast"),
        ("It rose by {{E1:points}} because of the new version.", "no_contrast"),
        ("It rose by 3 points.", "free_digit"),
        ("It rose by {{E99:points}}.", "unknown_reference"),
    ],
)
def test_a_false_sentence_is_refused_for_its_reason(store, template, fault):
    assert fault in faults(template, store)


def test_the_narrator_passes_its_own_critics(shift, explanation, theme, proposal, backtest, store):
    findings = narrate([shift], [explanation], [theme], [proposal], [backtest], store)
    findings += narrate([], [], [], [], [], store)
    assert {f.id: check_finding(f, store) for f in findings if check_finding(f, store)} == {}
