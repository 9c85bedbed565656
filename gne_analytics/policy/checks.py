"""A policy's own tests: cases that its owner wrote down, run through the same semantics as the record."""

from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl
from sqlglot import exp

from gne_analytics.errors import GneError
from gne_analytics.policy._grammar import parse
from gne_analytics.policy.files import PolicySet
from gne_analytics.policy.model import ALWAYS, Policy, PolicyTest, Rule, Scalar, Status
from gne_analytics.policy.resolve import resolve

LONG_AGO: Final = date(1, 1, 1)
"""The day of a test that names none: no exemption has expired then."""


@dataclass(frozen=True)
class TestResult:
    """What one test of a policy expected and what happened."""

    __test__ = False  # not a pytest class

    policy: str
    name: str
    expected: str
    happened: str
    """pass, review, an action, or the error that kept the test from running."""
    rules: tuple[str, ...]
    """The rules that fired."""

    @property
    def passed(self) -> bool:
        """Whether what happened is what was expected."""
        return self.expected == self.happened

    def __str__(self) -> str:
        state = "ok" if self.passed else f"FAILED: expected {self.expected}, but {self.happened}"
        return f"{self.policy}: {self.name}: {state}"


def run_tests(policies: PolicySet) -> tuple[TestResult, ...]:
    """Run every test of every policy, in the files' order; one that cannot run has failed."""
    return tuple(_run(policy, test) for policy in policies.policies.values() for test in policy.tests)


def _run(policy: Policy, test: PolicyTest) -> TestResult:
    rules = [policy.rule(test.rule)] if test.rule else [rule for rule in policy.rules if rule.status is Status.LIVE]
    fired: list[tuple[Rule, bool]] = []
    try:
        for rule in rules:
            said = resolve(rule, _case(test, rule), test.at or LONG_AGO)
            if said["fires"].item():
                fired.append((rule, said["human_review"].item()))
        happened = _outcome(fired)
    except GneError as error:
        happened = str(error)
    return TestResult(policy.id, test.name, test.expect, happened, tuple(rule.id for rule, _ in fired))


def _outcome(fired: list[tuple[Rule, bool]]) -> str:
    if not fired:
        return "pass"
    rule, reviewed = max(fired, key=lambda firing: (firing[0].action.strictness, not firing[1]))
    return "review" if reviewed else rule.action.value


def _case(test: PolicyTest, rule: Rule) -> pl.DataFrame:
    """Return the test's case as one row; a column that the rule reads and the test does not name is null."""
    given: dict[str, Scalar] = dict(test.given)
    texts = [*rule.when, *(item.match for item in rule.exemptions)]
    texts += [item.match for item in rule.threshold.overrides] if rule.threshold else []
    texts += [rule.human_review] if rule.human_review and rule.human_review != ALWAYS else []
    names = {column.name for text in texts for column in parse(text).find_all(exp.Column)}
    for name in sorted(names | {"detector", "score"}):
        given.setdefault(name, None)
    return pl.DataFrame({name: [value] for name, value in given.items()}).with_columns(pl.col("score").cast(pl.Float64))
