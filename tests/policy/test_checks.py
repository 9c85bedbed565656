"""A policy's own tests run through the decision semantics."""

import pytest

from gne_analytics.policy.checks import run_tests
from gne_analytics.policy.files import from_files
from gne_analytics.testing.policies import COUNTERFEIT, FILES, small_policy_set

IP = "policies/counterfeit.yaml"


def results(extra: str) -> dict[str, str]:
    policies = from_files({**FILES, IP: COUNTERFEIT.replace("# the end\n", extra)})
    return {result.name: result.happened for result in run_tests(policies)}


def test_the_small_sets_tests_pass() -> None:
    assert all(result.passed for result in run_tests(small_policy_set()))
    assert len(run_tests(small_policy_set())) == 4


@pytest.mark.parametrize(
    ("given", "more", "happened"),
    [
        ("{detector: logo_match, object_type: listing, score: 0.70, seller_tier: new}", "", "review"),
        ("{detector: logo_match, object_type: listing, score: 0.6999}", "", "pass"),
        ("{detector: logo_match, object_type: video, score: 0.99}", "", "pass"),
        ("{detector: text_claims, score: 0.99}", "", "demote"),
        ("{detector: logo_match, object_type: listing, score: 0.8, market: ID, category: beauty/sun}", "", "pass"),
        (
            "{detector: logo_match, object_type: listing, score: 0.95, seller_tier: brand_authorised}",
            ", at: 2027-04-01",
            "remove",
        ),
        ("{detector: logo_match, object_type: listing}", "", "pass"),
    ],
)
def test_a_test_says_what_happened(given: str, more: str, happened: str) -> None:
    assert results(f"  - {{name: mine, given: {given}, expect: pass{more}}}\n")["mine"] == happened


def test_a_failing_test_is_told_in_one_line() -> None:
    policies = from_files({**FILES, IP: COUNTERFEIT.replace("expect: remove", "expect: warn")})
    (failed,) = [result for result in run_tests(policies) if not result.passed]
    assert str(failed) == "counterfeit: a plain copy is removed: FAILED: expected warn, but remove"
    assert failed.rules == ("logo-match",)


def test_a_test_may_name_a_rule_that_is_not_live() -> None:
    text = FILES["policies/child-safety.yaml"]
    more = (
        "- {name: parts, rule: small-parts, given: {detector: toy_parts, score: 0.9, category: toys}, expect: review}\n"
    )
    policies = from_files({**FILES, "policies/child-safety.yaml": text + more})
    assert {result.name: result.passed for result in run_tests(policies)}["parts"]


def test_a_test_that_cannot_run_has_failed_and_says_why() -> None:
    happened = results("  - {name: mine, given: {detector: logo_match, object_type: 3, score: 0.9}, expect: pass}\n")[
        "mine"
    ]
    assert "object_type (number) with 'listing' (text)" in happened
