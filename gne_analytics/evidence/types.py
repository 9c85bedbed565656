"""The frozen results that every stage speaks: what moved, why, what to change and how sure we are.

They are pydantic models, so each has a JSON Schema, and ``runs/*/causes.json`` and its siblings are nothing but their
JSON. Rates are shares in [0, 1]; ``delta``, ``leave_out`` and ``contribution`` are differences of such shares.
"""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Literal

from pydantic import Field

from gne_analytics.evidence.days import period_in_words
from gne_analytics.evidence.segment import Frozen, Segment


class LabelSource(StrEnum):
    """Where the truth behind a number comes from; sources are never mixed in silence."""

    AUDIT = "audit"
    APPEAL_FINAL = "appeal_final"
    APPEAL_FIRST = "appeal_first"
    REVERSAL = "reversal"
    SIGNAL = "signal"
    PROXY = "proxy"
    RECORD = "record"  # a plain count of what the log says, no truth claimed


class Interval(Frozen):
    """An interval with its nominal level, e.g. 0.95."""

    lo: float
    hi: float
    level: float = 0.95
    method: str = ""
    """Wilson, cluster-robust, Manski, ... : how it was made."""


class Estimate(Frozen):
    """A number with its interval and n."""

    value: float
    interval: Interval | None = None
    n: int = 0
    """Rows behind the number (the denominator of a rate)."""


class Period(Frozen):
    """A half-open span of days, ``start <= day < end``, in the source's reporting time zone."""

    start: date
    end: date
    label: str = ""

    def __str__(self) -> str:
        return self.label or f"{self.start:%Y-%m-%d}..{self.end:%Y-%m-%d}"

    @property
    def words(self) -> str:
        """The period as a reader says it: an ISO week by its number, else as `period_in_words` writes it."""
        return self.label if "-W" in self.label and ".." not in self.label else period_in_words(self.start, self.end)


Window = Period | Segment
"""What a shift compares: two periods, or two segments."""


class Counts(Frozen):
    """k of n in one window."""

    k: int
    n: int
    units: int = 0
    """Distinct units of independence (sellers) behind the n rows; 0 when the source has no unit."""

    @property
    def rate(self) -> float:
        """k / n, nan when n is zero."""
        return self.k / self.n if self.n else float("nan")


class Shift(Frozen):
    """A metric that differs beyond chance between a baseline and a focus window."""

    id: str
    metric: str
    """The metric's name, e.g. overturn_rate."""
    scope: Segment = Segment({})
    """The rows the metric is taken over, e.g. policy_id=counterfeit; empty for all."""
    baseline: Window
    focus: Window
    before: Counts
    after: Counts
    delta: Estimate
    """Focus rate minus baseline rate, with a cluster-robust interval where the source has a unit."""
    label_source: LabelSource
    e_value: float = 0.0
    """Evidence against 'nothing moved', by which shifts are ordered: of a found one from its p-value, of a named one
    from its z. What survives is decided on p-values, by Benjamini-Hochberg."""
    significant: bool = False
    """Survives false-discovery control over all series that were looked at."""
    strongest: Segment = Segment({})
    """The part of the rows in which an unprompted search saw it most plainly; empty: in all of them."""
    flags: tuple[str, ...] = ()
    """Plain sentences that limit the number: immature weeks left out, small n, rate over 1."""
    platform_event: str | None = None
    """The id of the platform-wide event that this series moved with, if any: it is then reported once."""
    evidence: tuple[str, ...] = ()
    """Evidence ids of its figures."""


class CauseKind(StrEnum):
    """What a cause is; the last five are decoys, never a policy failing."""

    RATE_SHIFT = "rate_shift"
    NEW_SEGMENT = "new_segment"
    VANISHED_SEGMENT = "vanished_segment"
    ONE_ACTOR = "one_actor"
    MIX_SHIFT = "mix_shift"
    SEASONALITY = "seasonality"
    PLATFORM_EVENT = "platform_event"
    BATCH_CORRECTION = "batch_correction"


class Mechanism(StrEnum):
    """Why a segment moved (METHODS.md, mechanisms). ``unknown`` is an honest answer."""

    DETECTOR_ERROR = "detector_error"
    THRESHOLD = "threshold"
    CLAUSE_AMBIGUOUS = "clause_ambiguous"
    CLAUSE_SCOPE = "clause_scope"
    TAXONOMY_GAP = "taxonomy_gap"
    EVIDENCE_NOT_REQUESTED = "evidence_not_requested"
    NOTICE_UNCLEAR = "notice_unclear"
    REVIEWER_ERROR = "reviewer_error"
    REVIEWER_INCONSISTENT = "reviewer_inconsistent"
    ROUTING = "routing"
    DATA_ERROR = "data_error"
    SELLER_ABUSE = "seller_abuse"
    UNKNOWN = "unknown"


class Rival(Frozen):
    """Another reading of the same rows, and what would tell the two apart."""

    mechanism: Mechanism
    score: float
    tell_apart: str


class MatchedChange(Frozen):
    """A change of the world whose scope and date fit a cause."""

    change_id: str
    kind: str
    at: date
    did: Estimate | None = None
    """Difference in differences against rows outside the change's scope."""
    placebo: Estimate | None = None
    """The same a window earlier, where nothing should show."""
    supported: bool | None = None
    """Whether the two bear it out; False where the scope moved no further than the rest, or as far at the placebo's
    date, and it is then no clue to the mechanism; None where the rows cannot tell."""


class RisingTheme(Frozen):
    """Something that is said more often in a segment since its onset than before, beside the rest of the scope."""

    theme_id: str
    """Of a fitted theme; empty where it is an entry of the appeal form's menu."""
    label: str
    before: Counts
    after: Counts
    rise: Estimate
    """Share of the segment's texts after less before, one text per unit and wording."""


class Cause(Frozen):
    """Segment + mechanism + onset + part of the shift + verification."""

    id: str
    shift_id: str
    rank: int
    segment: Segment
    kind: CauseKind
    status: Literal["confirmed", "candidate"]
    status_reason: str = ""
    """Why it is no more than a candidate, in one sentence; empty when confirmed."""
    before: Counts
    after: Counts
    effect: Estimate
    """Mix-adjusted change of the rate inside the segment, from held-out units where there are any."""
    leave_out: float
    """What the shift loses when the segment's rows are left out of both windows."""
    contribution: float
    """The segment's part of the shift; contributions, mix and residual add up to the shift."""
    e_value: float = 0.0
    error_level: float = 0.02
    """Nominal false-discovery level at which the status was decided."""
    onset: date | None = None
    onset_interval: tuple[date, date] | None = None
    mechanism: Mechanism = Mechanism.UNKNOWN
    mechanism_reasons: tuple[str, ...] = ()
    """The observations that speak for the mechanism, with their figures as evidence ids."""
    rivals: tuple[Rival, ...] = ()
    owner: str = ""
    """Who can mend it: policy, detector, messaging, review operations, operations, data, risk."""
    levers: tuple[str, ...] = ()
    """Kinds of edit that could mend it; empty when none in policy can."""
    changes: tuple[MatchedChange, ...] = ()
    rising_themes: tuple[RisingTheme, ...] = ()
    """What is said more often in the segment since its onset, strongest first."""
    same_rows: tuple[Segment, ...] = ()
    """Other descriptions of nearly the same rows (Jaccard >= .9)."""
    runners_up: tuple[Segment, ...] = ()
    """Descriptions of overlapping rows that tell less, best first: what the segment would be called next."""
    evidence: tuple[str, ...] = ()
    """Evidence ids (E<n>) of every number above that a reader sees."""


class MixEffect(Frozen):
    """The part of a shift that comes from a changed mix over one dimension (Shapley of the Kitagawa split)."""

    dimension: str
    contribution: float


class Decomposition(Frozen):
    """delta = sum of the causes' contributions + mix + residual, exactly."""

    delta: float
    causes: Mapping[str, float]
    """Cause id -> contribution."""
    mix: tuple[MixEffect, ...]
    residual: float


class EditKind(StrEnum):
    """The closed list of typed changes of a policy set."""

    SET_THRESHOLD = "set_threshold"
    ADD_OVERRIDE = "add_override"
    SET_OVERRIDE = "set_override"
    REMOVE_OVERRIDE = "remove_override"
    ADD_EXEMPTION = "add_exemption"
    REMOVE_EXEMPTION = "remove_exemption"
    SET_HUMAN_REVIEW = "set_human_review"
    SET_ACTION = "set_action"
    SET_POINTS = "set_points"
    SET_STATUS = "set_status"
    ADD_RULE = "add_rule"
    REMOVE_RULE = "remove_rule"
    ADD_CLAUSE = "add_clause"
    REMOVE_CLAUSE = "remove_clause"
    EDIT_CLAUSE = "edit_clause"
    SET_EVIDENCE = "set_evidence"
    EDIT_NOTICE = "edit_notice"


class Hunk(Frozen):
    """Lines of a file as they are and as they were: by it an inverse edit gives the very bytes back."""

    file: str
    """Path relative to the policy set."""
    found: str
    """The lines to replace, with as many around them as make them unique in the file."""
    restored: str
    """What to write in their place."""


class Edit(Frozen):
    """One typed change of one place of a policy set, with the value it expects to find there.

    Places are stable ids, never positions: policy, then rule, clause, override or exemption, or a notice's language.
    """

    kind: EditKind
    policy: str
    rule: str | None = None
    clause: str | None = None
    item: str | None = None
    """Id of the override or exemption, or ``<template>.<language>`` of a notice."""
    old: object = None
    """The optimistic lock: the edit fails if the config no longer says this."""
    new: object = None
    reason: str = ""
    evidence: tuple[str, ...] = ()
    hunk: Hunk | None = None
    """Set by ``policy.edits.inverse`` only; where its lines no longer stand the edit is applied by its meaning."""


class Recommendation(StrEnum):
    """What the software says of a proposal; a person decides."""

    RECOMMEND = "recommend"
    CANNOT_TELL = "cannot_tell"
    REFUSE = "refuse"
    EXPERIMENT = "experiment"


class Identification(Frozen):
    """How many affected cases have which standing of truth, in the order in which they are tried."""

    appeal_decided: int = 0
    audited: int = 0
    estimable: int = 0
    modelled: int = 0
    unidentified: int = 0

    @property
    def total(self) -> int:
        """All affected cases."""
        return self.appeal_decided + self.audited + self.estimable + self.modelled + self.unidentified

    @property
    def coverage(self) -> float:
        """The share of affected cases whose truth is known or estimable."""
        return 1 - (self.unidentified + self.modelled) / self.total if self.total else 0.0


class Flow(Frozen):
    """What happens to the record's cases under the proposed set, beside today's set replayed."""

    kept: int = 0
    released: int = 0
    new: int = 0
    rerouted: int = 0
    untouched: int = 0


class Outcome(Frozen):
    """One outcome of a backtest: the paired difference to today's set."""

    name: str
    """wrongful_enforcement, missed_violations, reviews, loss, ..."""
    unit: str = "cases"
    today: float | None = None
    proposed: float | None = None
    difference: Estimate
    bounds: Interval | None = None
    """Worst-case bounds where some affected cases are unidentified: they hold this record's truth whatever it is."""
    label_source: LabelSource = LabelSource.APPEAL_FINAL
    effective_groups: float | None = None
    """Groups of sellers that a prospective interval effectively rests on."""


class Guardrail(Frozen):
    """One-sided test that a slice is not harmed beyond its margin."""

    name: str
    slice: Segment = Segment({})
    margin: float
    difference: Estimate
    verdict: Literal["pass", "fail", "cannot_tell"]
    why: str = ""


class Agreement(Frozen):
    """How often replay of a rule says what the log says, on rows of the same revision."""

    rule: str
    n: int
    agreed: float


class LadderExposure(Frozen):
    """Sellers who fare otherwise on the penalty ladder, by milestone."""

    sellers: int
    """All sellers the ladder was replayed for."""
    newly: Mapping[str, int] = Field(default_factory=dict)
    """Milestone -> sellers who would reach it and do not today."""
    perhaps: Mapping[str, int] = Field(default_factory=dict)
    """Milestone -> further sellers who would, if the people who then decide enforce."""
    no_longer: Mapping[str, int] = Field(default_factory=dict)
    """Milestone -> sellers who reach it today and would not."""


class Concentration(Frozen):
    """On how few sellers a change falls."""

    sellers: int
    """Sellers with a case that fares otherwise."""
    effective: float
    """As many sellers of equal share would make the change as concentrated, (sum n)^2 / sum n^2."""
    top: int
    """So many sellers, those with the most changed cases."""
    share_of_change: float
    """Their share of the changed cases."""
    share_of_cases: float
    """Their share of all cases replayed, beside it."""


class Backtest(Frozen):
    """Replay of a proposal over the record, with truth accounting."""

    proposal_id: str
    since: date | None = None
    """Cases before this day were left out: the cause had not set in."""
    target: Literal["retrospective", "prospective"] = "retrospective"
    label: Literal["final_decision", "latent"] = "final_decision"
    cases: int
    """Cases replayed."""
    flow: Flow
    identification: Identification
    outcomes: tuple[Outcome, ...]
    guardrails: tuple[Guardrail, ...] = ()
    agreement: tuple[Agreement, ...] = ()
    usual_numbers: Mapping[str, float] = Field(default_factory=dict)
    """The figures people usually quote (share overturned among appeals), shown beside, never used."""
    assumptions: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    recommendation: Recommendation
    why: str
    """The recommendation's reason in one sentence."""
    evidence: tuple[str, ...] = ()
    ladder: LadderExposure | None = None
    """Who reaches other milestones of the penalty ladder; None without a ladder, or where no seller is named."""
    concentration: Concentration | None = None
    """On how few sellers the change falls; None where no seller is named or no case changes."""
    appeal_error: Estimate | None = None
    """How often audits disagree with the final decision of an appeal, where appealed cases were audited too."""
    coverage_by_label: Mapping[str, float] = Field(default_factory=dict)
    """The share of affected cases whose truth is known or estimable, under either label."""


class ExperimentPlan(Frozen):
    """How to learn what a replay cannot tell: wording of a clause or a notice."""

    unit: str
    arms: tuple[str, ...]
    metric: str
    detectable: float
    """Smallest difference of the metric that the size below finds with 80 % power."""
    size_per_arm: int
    stop: tuple[str, ...] = ()
    baseline: float | None = None
    """The metric's rate now, each seller weighing as its rows are worth; None where the record does not hold it."""
    correlation: float = 0.1
    """Of one unit's rows, from which the size follows."""
    correlation_measured: bool = False
    """Whether the correlation is the record's own; assumed where it holds too few repeated units."""
    design_effect: float = 1.0
    """How many rows are worth one independent row."""
    weeks: int | None = None
    """Weeks at the record's traffic after which a monitor that looks every week finds the difference with 80 % power;
    None where the record's weeks do not bring enough."""
    share: float = 0.5
    """Of the units, in the arm of the proposed words."""
    salt: str = ""
    """Of the hash by which units are assigned; empty: the proposal's own, ``gne-canary-<proposal>``."""
    assignment: str = ""
    """The rule by which any engine repeats the assignment."""


class Contribution(Frozen):
    """What one edit of a proposal brings: differences in loss to today, on the sellers that the search did not see."""

    edit: int
    """Its place among the proposal's edits."""
    alone: Estimate
    """With this edit and no other."""
    without: Estimate
    """With all the others and not this one."""


class Proposal(Frozen):
    """Edits + rationale + backtest + guardrails + rollback, with a life cycle.

    The id is a hash of the canonical edits and of the policy base, so next week's same edit is the same proposal.
    """

    id: str
    title: str
    policy: str
    policy_base: str
    """Hash of the policy set that the edits were made against."""
    cause_ids: tuple[str, ...] = ()
    since: date | None = None
    """The day from which cases tell what the edits would do: the onset of a cause that changed the cases themselves."""
    edits: tuple[Edit, ...]
    rollback: tuple[Edit, ...] = ()
    """The inverse edits, in the order in which to apply them."""
    rationale: tuple[str, ...] = ()
    """Rendered claims; every number in them has an evidence id."""
    owner: str = ""
    approvals_needed: int = 1
    recommendation: Recommendation = Recommendation.CANNOT_TELL
    experiment: ExperimentPlan | None = None
    evidence: tuple[str, ...] = ()
    contributions: tuple[Contribution, ...] = ()
    """One per edit of several that can be replayed; empty for a single edit, whose backtest says it."""


def with_gloss(label: str, gloss: str) -> str:
    """Return a theme's label as a reader sees it: with its gloss in brackets, where it has one."""
    return f"{label} ({gloss})" if gloss else label


class Theme(Frozen):
    """A cluster of texts: a label, its terms, exemplars."""

    id: str
    view: str
    """Which texts: seller_text, reviewer_rationale, facts, signals."""
    label: str
    terms: tuple[str, ...]
    size: int
    """Texts, near-duplicates counted."""
    folded: int
    """Texts after near-duplicates of one seller are folded into one."""
    units: int = 0
    languages: Mapping[str, int] = Field(default_factory=dict)
    exemplars: tuple[str, ...] = ()
    """Texts nearest the centre, from different sellers, redacted; from outside, so escape them on every screen."""
    overturn: Estimate | None = None
    named_by: str = "terms"
    """terms, or the id of the model that named it."""
    gloss: str = ""
    """What a model says the label means in the reader's language; empty without a model, or where it is in it already.

    No check in code can tell that it is right, so it stands beside the label, never in its place.
    """
    evidence: tuple[str, ...] = ()
    """Evidence ids of its figures."""

    @property
    def shown(self) -> str:
        """The label as a reader sees it: with its gloss in brackets, where it has one."""
        return with_gloss(self.label, self.gloss)
