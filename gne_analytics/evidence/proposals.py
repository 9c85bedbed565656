"""Proposals and their backtests: what to change, what it would have done, for whom, how sure and what is unknown."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Literal

from pydantic import Field

from gne_analytics.evidence.segment import Frozen, Segment
from gne_analytics.evidence.types import Edit, Estimate, Interval, LabelSource


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
