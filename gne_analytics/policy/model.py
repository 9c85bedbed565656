"""The policy config as types: what each key means, and what it may say.

The docstring under a field is its description in the generated JSON Schema, so an editor shows it to the policy owner.
Everything is frozen and unknown keys are refused. Files are read by ``files.load`` and changed by ``edits.apply``;
a config is never dumped from these models, since the comments would die.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gne_analytics.errors import PolicyError, did_you_mean
from gne_analytics.evidence.segment import Frozen
from gne_analytics.policy.predicates import compile as compile_predicate

ALWAYS: Final = "always"
"""The one word that ``human_review`` takes beside a predicate: every firing goes to a reviewer."""
KNOWN_AFTERWARDS: Final = frozenset(
    {"violation_id", "parent_violation_id", "action", "points", "automated_decision", "reviewer_id", "corrected_at"}
    | {"reversed_at", "reversal_source", "reversal_reason", "template_id", "template_version", "notice_text"}
)
"""Contract columns that are known only after the decision; no predicate may read them, nor ``appeal_`` columns."""


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


def _share(value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError("it must lie between 0 and 1")
    return value


def _not_negative(value: float) -> float:
    if not 0 <= value < float("inf"):
        raise ValueError("it must be 0 or more")
    return value


def _predicate(text: str) -> str:
    try:
        found = compile_predicate(text)
    except PolicyError as error:
        raise ValueError(str(error).rstrip(".")) from None
    late = [c for c in found.columns if c in KNOWN_AFTERWARDS or c.startswith("appeal_")]
    if late:
        raise ValueError(f"it reads {late[0]!r}, which is known only after the decision")
    return text


def _review(text: str) -> str:
    return text if text == ALWAYS else _predicate(text)


def _iso(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value


Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$", max_length=80)]
"""A stable id: letters, digits, ``_ . -``."""
Share = Annotated[float, Field(strict=True, json_schema_extra={"minimum": 0, "maximum": 1}), AfterValidator(_share)]
Amount = Annotated[float, Field(strict=True, json_schema_extra={"minimum": 0}), AfterValidator(_not_negative)]
Count = Annotated[int, Field(strict=True, json_schema_extra={"minimum": 0}), AfterValidator(_not_negative)]
Flag = Annotated[bool, Field(strict=True)]
PredicateText = Annotated[str, AfterValidator(_predicate)]
Scalar = str | float | bool | date | None


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
    """Absent: it fires whenever ``when`` holds."""
    exemptions: tuple[Exemption, ...] = ()
    """Cases that it leaves alone."""
    human_review: Annotated[str, AfterValidator(_review)] | None = None
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
            _unique(f"rules[{self.id}].threshold.overrides", "id", (o.id for o in self.threshold.overrides))
        _unique(f"rules[{self.id}].exemptions", "id", (e.id for e in self.exemptions))
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
    revision: Annotated[str, BeforeValidator(_iso)]
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
        _unique("clauses", "id", (c.id for c in self.clauses))
        _unique("rules", "id", (r.id for r in self.rules))
        _unique("tests", "name", (t.name for t in self.tests))
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
        _unique("milestones", "id", (m.id for m in self.milestones))
        points = [m.points for m in self.milestones]
        if points != sorted(set(points)):
            raise ValueError("milestones must rise in points, each above the one before")
        return self


class Costs(Frozen):
    """What a mistake costs, in one unit of the owner's choice; absent figures come from ``default``."""

    wrongful_enforcement: Amount | None = None
    """An enforcement against a case that violates nothing."""
    missed_violation: Amount | None = None
    """A violating case that stays up."""
    review: Amount | None = None
    """One human review."""


class Margins(Frozen):
    """By how much a slice may get worse before a guardrail fails, as differences of shares of its cases."""

    wrongful_enforcement: Share | None = None
    missed_violation: Share | None = None
    ladder_exposure: Share | None = None
    """Share of sellers who newly reach a milestone."""
    slices: tuple[str, ...] | None = None
    """Dimensions to slice by, each with a guardrail per value."""


class Objective(Frozen):
    """What better means for one policy; absent entries come from ``default``."""

    cost: Costs = Costs()
    review_capacity: Count | None = None
    """Human reviews per week that the policy may use."""
    guardrails: Margins = Margins()

    def over(self, default: "Objective") -> "Objective":
        """Fill what this one leaves open from the default."""
        return Objective(
            cost=default.cost.model_copy(update=_given(self.cost)),
            review_capacity=default.review_capacity if self.review_capacity is None else self.review_capacity,
            guardrails=default.guardrails.model_copy(update=_given(self.guardrails)),
        )


FALLBACK: Final = Objective(
    cost=Costs(wrongful_enforcement=1.0, missed_violation=1.0, review=0.1),
    guardrails=Margins(
        wrongful_enforcement=0.01,
        missed_violation=0.01,
        ladder_exposure=0.01,
        slices=("market", "category", "seller_tier"),
    ),
)
"""What holds where objectives.yaml says nothing: both mistakes cost alike, a review a tenth, no capacity limit."""


class Objectives(Frozen):
    """``objectives.yaml``: what better means, per policy."""

    default: Objective = FALLBACK
    """For policies without an entry, and for the figures that an entry leaves out."""
    policies: Mapping[str, Objective] = Field(default_factory=dict)
    """Policy id -> its own figures."""

    def of(self, policy_id: str) -> Objective:
        """Return a policy's objective with every cost and margin filled in."""
        default = self.default.over(FALLBACK)
        return self.policies[policy_id].over(default) if policy_id in self.policies else default


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


def _given(model: Frozen) -> dict[str, object]:
    return {name: value for name, value in model if value is not None}


def _unique(where: str, key: str, values: Iterable[str]) -> None:
    for value, count in Counter(values).items():
        if count > 1:
            raise ValueError(f"{where} has {key} {value!r} {count} times; each must be unique")
