"""The policy config as types: what each key means, and what it may say.

The docstring under a field is its description in the generated JSON Schema, so an editor shows it to the policy owner.
Everything is frozen and unknown keys are refused. Files are read by ``files.load`` and changed by ``edits.apply``;
a config is never dumped from these models, since the comments would die.
"""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gne_analytics.errors import PolicyError, did_you_mean
from gne_analytics.evidence.segment import Frozen
from gne_analytics.policy._values import ALWAYS, Count, Flag, Id, PredicateText, Scalar, Share, iso_text, review, unique
from gne_analytics.policy.objectives import Costs, Margins, Objective, Objectives

__all__ = [
    "ALWAYS",
    "Action",
    "Appeal",
    "Clause",
    "Costs",
    "Dsa",
    "Example",
    "Exemption",
    "Ladder",
    "Margins",
    "Milestone",
    "Notice",
    "NoticeChoice",
    "Objective",
    "Objectives",
    "Override",
    "Policy",
    "PolicyTest",
    "Rule",
    "Scalar",
    "Severity",
    "Status",
    "Taxonomy",
    "Threshold",
]


class Severity(StrEnum):
    """How grave a violation of the policy is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Status(StrEnum):
    """Where a rule stands in its life: only live rules act."""

    DRAFT = "draft"
    SHADOW = "shadow"
    LIVE = "live"
    RETIRED = "retired"


class Action(StrEnum):
    """What a rule does to a case, from mildest to strictest; the strictest of several decides."""

    WARN = "warn"
    DEMOTE = "demote"
    RESTRICT = "restrict"
    REMOVE = "remove"
    SUSPEND = "suspend"
    TERMINATE = "terminate"

    @property
    def strictness(self) -> int:
        """0 for warn up to 5 for terminate."""
        return list(Action).index(self)


class Example(Frozen):
    """A worked example under a clause, for reviewers and sellers."""

    text: str
    """What the case shows."""
    violating: Flag
    """Whether the clause forbids it."""
    why: str = ""
    """The reason, where it is not plain."""


class Clause(Frozen):
    """One forbidden thing, in words."""

    id: Id
    """Stable for ever; usually ``<policy>.<name>``."""
    text: str
    """The clause as the sellers read it."""
    includes: tuple[str, ...] = ()
    """What it covers that a reader might doubt."""
    excludes: tuple[str, ...] = ()
    """What it does not cover."""
    examples: tuple[Example, ...] = ()
    """Worked examples on both sides of the line."""


class Override(Frozen):
    """A threshold of its own for the cases that match."""

    id: Id
    """Stable for ever within the rule."""
    match: PredicateText
    """Which cases."""
    value: Share
    """Their threshold; a score at or above it fires."""
    priority: Annotated[int, Field(strict=True)] = 0
    """Of several matching overrides the highest priority wins; equal ones with different values are an error."""
    reason: str = ""
    """Why it is there."""


class Threshold(Frozen):
    """At which score a rule fires (``score >= threshold``)."""

    default: Share
    """The threshold where no override matches."""
    overrides: tuple[Override, ...] = ()
    """Thresholds of segments."""


class Exemption(Frozen):
    """Cases that the rule leaves alone."""

    id: Id
    """Stable for ever within the rule."""
    match: PredicateText
    """Which cases; a null in what it reads exempts nobody."""
    expires: date | None = None
    """The last day on which it holds; absent: until removed."""
    reason: str = ""
    """Why it is there."""


class Rule(Frozen):
    """When a detector's score becomes an action."""

    id: Id
    """Stable for ever and unique in the policy set: edits and firings address it."""
    clause: Id
    """The clause that it enforces."""
    status: Status = Status.DRAFT
    """draft, shadow (replayed, never acting), live, retired."""
    detector: str | None = None
    """Whose scores it reads; a case that this detector did not score is left untouched."""
    when: tuple[PredicateText, ...] = ()
    """Predicates that must all hold."""
    threshold: Threshold | None = None
    """Absent: it fires whenever ``when`` holds, whatever the score, if it names a detector."""
    exemptions: tuple[Exemption, ...] = ()
    """Cases that it leaves alone."""
    human_review: Annotated[str, AfterValidator(review)] | None = None
    """Enforced automatically unless this predicate holds (or cannot be told, for a null); ``always`` is allowed."""
    action: Action
    """What it does."""
    points: Count = 0
    """Penalty points on the ladder."""

    @model_validator(mode="after")
    def _whole(self) -> "Rule":
        if self.threshold and not self.detector:
            raise ValueError("detector is missing; a threshold needs the name of the detector whose score it cuts")
        if self.status is Status.LIVE and not self.threshold and not self.when:
            raise ValueError("threshold is missing; a live rule needs a threshold or a 'when'")
        if self.threshold:
            unique(f"rules[{self.id}].threshold.overrides", "id", (o.id for o in self.threshold.overrides))
        unique(f"rules[{self.id}].exemptions", "id", (e.id for e in self.exemptions))
        return self


class Dsa(Frozen):
    """The policy's place in the statements of reasons of the EU's Digital Services Act."""

    category: str
    """STATEMENT_CATEGORY_..."""
    keyword: str | None = None
    """KEYWORD_..."""


class Taxonomy(Frozen):
    """Where the policy stands among the others."""

    group: str
    """The family, e.g. ip."""
    kind: str
    """The kind within the family."""
    dsa: Dsa | None = None


class NoticeChoice(Frozen):
    """Which message tells the seller."""

    template: Id
    """The name before the language in ``notices/<template>.<language>.md``."""


class Appeal(Frozen):
    """How a violation of the policy can be contested."""

    levels: Annotated[int, Field(strict=True, ge=0, le=5)] = 1
    """Levels within the company; 0: none."""
    window_days: tuple[Annotated[int, Field(strict=True, ge=1)], ...] = (30,)
    """Days to file, one figure per level."""
    evidence: tuple[str, ...] = ()
    """The proof that the notice asks for and the reviewers accept."""
    sla_hours: Annotated[int, Field(strict=True, ge=1)] | None = None
    """Hours in which an appeal is to be decided."""

    @model_validator(mode="after")
    def _one_window_per_level(self) -> "Appeal":
        if self.levels and len(self.window_days) != self.levels:
            raise ValueError(
                f"appeal.window_days has {len(self.window_days)} entries for {self.levels} levels; give one each"
            )
        return self


class PolicyTest(Frozen):
    """A unit test of the policy: a case and what must happen to it."""

    name: str
    """A sentence, e.g. an authorised reseller passes."""
    given: Mapping[str, Scalar]
    """The case's columns; those not named are null."""
    expect: Literal["pass", "review", "warn", "demote", "restrict", "remove", "suspend", "terminate"]
    """pass: no rule fires; review: the strictest firing goes to a reviewer; an action: it happens automatically."""
    rule: Id | None = None
    """Test this rule alone, whatever its status; absent: all live rules of the policy."""
    at: date | None = None
    """The day of the case, for exemptions that expire; absent: none has expired."""


class Policy(Frozen):
    """One policy: its clauses in words, its rules in numbers, its notice, its appeal and its tests."""

    id: Id
    """Stable for ever."""
    revision: Annotated[str, BeforeValidator(iso_text)]
    """The name of this state of the policy, usually a date in quotes."""
    owner: str
    """The team that signs changes."""
    title: str
    """The name that sellers read."""
    severity: Severity
    """low, medium, high, critical; critical needs two approvals for any change."""
    protected: Flag = False
    """true: no relaxing edit is ever proposed (child safety, court orders); changes need two approvals."""
    taxonomy: Taxonomy | None = None
    clauses: tuple[Clause, ...]
    rules: tuple[Rule, ...] = ()
    notice: NoticeChoice | None = None
    appeal: Appeal = Appeal()
    tests: tuple[PolicyTest, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> "Policy":
        unique("clauses", "id", (c.id for c in self.clauses))
        unique("rules", "id", (r.id for r in self.rules))
        unique("tests", "name", (t.name for t in self.tests))
        clauses, rules = {c.id for c in self.clauses}, {r.id for r in self.rules}
        for rule in self.rules:
            if rule.clause not in clauses:
                hint = did_you_mean(rule.clause, clauses)
                raise ValueError(f"rules[{rule.id}].clause is {rule.clause!r}, which no clause has as its id{hint}")
        for test in self.tests:
            if test.rule is not None and test.rule not in rules:
                hint = did_you_mean(test.rule, rules)
                raise ValueError(f"tests[{test.name}].rule is {test.rule!r}, which no rule has as its id{hint}")
        return self

    def rule(self, rule_id: str) -> Rule:
        """Return a rule by its id."""
        for rule in self.rules:
            if rule.id == rule_id:
                return rule
        raise PolicyError(
            f"policy {self.id!r} has no rule {rule_id!r}{did_you_mean(rule_id, (r.id for r in self.rules))}."
        )

    def clause(self, clause_id: str) -> Clause:
        """Return a clause by its id."""
        for clause in self.clauses:
            if clause.id == clause_id:
                return clause
        known = (c.id for c in self.clauses)
        raise PolicyError(f"policy {self.id!r} has no clause {clause_id!r}{did_you_mean(clause_id, known)}.")

    @property
    def approvals_needed(self) -> int:
        """Two for a protected or critical policy, else one."""
        return 2 if self.protected or self.severity is Severity.CRITICAL else 1


class Milestone(Frozen):
    """What happens when a seller's points reach a sum."""

    id: Id
    """Stable for ever."""
    points: Annotated[float, Field(strict=True, gt=0)]
    """Reached when the live points are at or above this."""
    consequence: Action
    """What happens to the account."""
    days: Annotated[int, Field(strict=True, ge=1)] | None = None
    """How long; absent: until lifted."""


class Ladder(Frozen):
    """``ladder.yaml``: how violations add up to consequences for an account."""

    per: Literal["seller", "account"] = "seller"
    """Whose points are added: by seller_id or by account_id."""
    window_days: Annotated[int, Field(strict=True, ge=1)] = 180
    """Points count for this many days."""
    decay: Literal["none", "linear"] = "none"
    """none: in full until the window ends; linear: falling evenly to zero at its end."""
    return_on_reversal: Flag = True
    """true: a reversed violation's points are given back on the day of the reversal."""
    milestones: tuple[Milestone, ...]
    """From the lowest to the highest."""

    @model_validator(mode="after")
    def _rising(self) -> "Ladder":
        unique("milestones", "id", (m.id for m in self.milestones))
        points = [m.points for m in self.milestones]
        if points != sorted(set(points)):
            raise ValueError("milestones must rise in points, each above the one before")
        return self


class Notice(Frozen):
    """A message to a seller: ``notices/<template>.<language>.md``, with ``{{placeholders}}``."""

    template: str
    language: str
    text: str
    placeholders: tuple[str, ...]

    @property
    def id(self) -> str:
        """``<template>.<language>``, by which edits address it."""
        return f"{self.template}.{self.language}"
