import pytest
from pydantic import ValidationError

from gne_analytics.evidence.claims import Claim, ClaimKind, Fault, Finding, FindingKind, check_template
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Interval


@pytest.fixture
def store() -> EvidenceStore:
    store = EvidenceStore()
    store.add(0.4, "rate", numerator=4, denominator=10, interval=Interval(lo=0.2, hi=0.6))  # E1
    store.add(0.1, "points")  # E2, bare
    store.add("v7", "name")  # E3
    return store


def faults(template: str, store: EvidenceStore) -> list[Fault | str]:
    return [p.fault for p in check_template(template, store)]


def test_a_template_of_words_and_references_has_no_fault(store):
    assert faults("In {{E3}} the rate was {{E1:pct}} ({{E1:of}}, {{E1:ci}}), up {{E2:points}}.", store) == []


@pytest.mark.parametrize("text", ["up 3 points", "in v7", "about ½", "三 sellers", "x²", "the Ⅳth", "２０ %"])
def test_a_free_digit_in_any_script_is_a_fault(store, text):
    assert faults(text, store) == [Fault.FREE_DIGIT]


QUANTITIES = [
    "half of them",
    "twice as many",
    "Most sellers",
    "it doubled",
    "a majority",
    "a third of cases",
    "a quarter",
    "dozens of",
    "forty sellers",
    "both of the two markets",
    "Halved",
    "a tenfold rise",
    "fourteen",
    "sixty",
    "per cent",
    "nearly zero",
    "thousands",
    "MOST",
]


@pytest.mark.parametrize("text", QUANTITIES)
def test_a_number_in_words_is_a_fault(store, text):
    assert faults(text, store) == [Fault.BARE_QUANTITY]


@pytest.mark.parametrize(
    "text", ["most likely", "the most recent week", "almost", "one seller", "the first level", "often", "a behalf"]
)
def test_words_that_count_nothing_pass(store, text):
    assert faults(text, store) == []


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("{{E9:pct}}", Fault.UNKNOWN_REFERENCE),
        ("{{E1:furlong}}", Fault.UNKNOWN_FORMAT),
        ("{{E1:pp}}", Fault.UNIT_MISMATCH),
        ("{{E3:pct}}", Fault.UNIT_MISMATCH),
        ("{{E2:ci}}", Fault.MISSING_PART),
        ("{{E2:n}}", Fault.MISSING_PART),
        ("{{rate}}", Fault.MALFORMED),
        ("}} then", Fault.MALFORMED),
    ],
)
def test_a_reference_must_exist_and_fit_its_unit(store, template, fault):
    assert faults(template, store) == [fault]


def test_a_digit_glued_to_a_reference_is_still_free(store):
    assert faults("{{E1:pct}}5", store) == [Fault.FREE_DIGIT]


def test_a_claim_lists_each_reference_once():
    assert Claim(template="{{E2}} of {{E1:pct}} and {{E2:ci}}").references == ("E2", "E1")


def test_a_finding_gathers_the_evidence_of_its_claims_and_cannot_be_changed():
    finding = Finding(
        id="f1",
        kind=FindingKind.CAUSE,
        title=Claim(template="{{E1}}"),
        claims=(Claim(template="{{E2}}", kind=ClaimKind.WHY), Claim(template="{{E1}}", kind=ClaimKind.LIMIT)),
    )
    assert finding.evidence == ("E1", "E2")
    assert [c.template for c in finding.of_kind(ClaimKind.LIMIT)] == ["{{E1}}"]
    with pytest.raises(ValidationError):
        finding.id = "f2"
