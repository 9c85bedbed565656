"""Results as the stages hand them over, small enough to read."""

from datetime import date
from types import SimpleNamespace

import pytest

from gne_analytics.evidence.proposals import (
    Backtest,
    Flow,
    Guardrail,
    Identification,
    Outcome,
    Proposal,
    Recommendation,
)
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import (
    Cause,
    CauseKind,
    Counts,
    Decomposition,
    Edit,
    EditKind,
    Estimate,
    Interval,
    LabelSource,
    MatchedChange,
    Mechanism,
    MixEffect,
    Period,
    Rival,
    Shift,
    Theme,
)

BEAUTY = Segment.of(category="beauty", market="ID", detector_version="v7")


@pytest.fixture
def store() -> EvidenceStore:
    return EvidenceStore()


@pytest.fixture
def shift() -> Shift:
    return Shift(
        id="s1",
        metric="overturn_rate",
        scope=Segment.of(policy_id="counterfeit"),
        baseline=Period(start=date(2026, 8, 1), end=date(2026, 9, 1), label="2026-08"),
        focus=Period(start=date(2026, 10, 1), end=date(2026, 11, 1), label="2026-10"),
        before=Counts(k=180, n=1000, units=400),
        after=Counts(k=372, n=1200, units=450),
        delta=Estimate(value=0.13, interval=Interval(lo=0.1, hi=0.16), n=1200),
        label_source=LabelSource.APPEAL_FINAL,
        significant=True,
        flags=("The last 2 weeks are immature and left out.",),
    )


@pytest.fixture
def cause(shift) -> Cause:
    return Cause(
        id="c1",
        shift_id=shift.id,
        rank=1,
        segment=BEAUTY,
        kind=CauseKind.RATE_SHIFT,
        status="confirmed",
        before=Counts(k=20, n=120, units=60),
        after=Counts(k=190, n=260, units=90),
        effect=Estimate(value=0.55, interval=Interval(lo=0.45, hi=0.65), n=260),
        leave_out=0.1,
        contribution=0.105,
        onset=date(2026, 9, 14),
        onset_interval=(date(2026, 9, 12), date(2026, 9, 17)),
        mechanism=Mechanism.DETECTOR_ERROR,
        mechanism_reasons=("Scores of legitimate cases went up with the new version.",),
        rivals=(
            Rival(mechanism=Mechanism.THRESHOLD, score=0.3, tell_apart="Audits below the threshold would settle it"),
        ),
        owner="detector",
        levers=("set_human_review", "add_override"),
        changes=(
            MatchedChange(
                change_id="logo-match v7",
                kind="detector",
                at=date(2026, 9, 14),
                did=Estimate(value=0.54, interval=Interval(lo=0.44, hi=0.64), n=260),
                placebo=Estimate(value=-0.01, n=240),
            ),
        ),
        same_rows=(Segment.of(detector_version="v7"),),
    )


@pytest.fixture
def explanation(shift, cause):
    split = Decomposition(
        delta=0.13, causes={"c1": 0.105}, mix=(MixEffect(dimension="seller_tier", contribution=0.015),), residual=0.01
    )
    return SimpleNamespace(shift=shift, causes=(cause,), decomposition=split, notes=("Months are months of decision.",))


@pytest.fixture
def theme() -> Theme:
    return Theme(
        id="t1",
        view="seller_text",
        label="invoice not accepted",
        terms=("invoice", "accepted", "authentic", "proof", "not"),
        size=340,
        folded=210,
        units=150,
        exemplars=("I sent my invoice", "The invoice was not accepted"),
        overturn=Estimate(value=0.7, n=190),
    )


@pytest.fixture
def proposal() -> Proposal:
    return Proposal(
        id="p1",
        title="Raise the threshold of logo-match for beauty in ID",
        policy="counterfeit",
        policy_base="base-hash",
        cause_ids=("c1",),
        edits=(
            Edit(
                kind=EditKind.ADD_OVERRIDE,
                policy="counterfeit",
                rule="logo-match",
                item="id-beauty",
                new={"id": "id-beauty", "match": "market = 'ID' AND category UNDER 'beauty'", "value": 0.82},
            ),
            Edit(kind=EditKind.SET_THRESHOLD, policy="counterfeit", rule="logo-match", old=0.7, new=0.74),
        ),
        rationale=("The cases overturned lie close to the threshold.",),
        approvals_needed=2,
        recommendation=Recommendation.RECOMMEND,
    )


@pytest.fixture
def backtest() -> Backtest:
    return Backtest(
        proposal_id="p1",
        cases=20000,
        flow=Flow(kept=800, released=212, untouched=18988),
        identification=Identification(appeal_decided=150, audited=20, estimable=22, modelled=10, unidentified=10),
        outcomes=(
            Outcome(
                name="wrongful_enforcement",
                today=400,
                proposed=250,
                difference=Estimate(value=-150, interval=Interval(lo=-170, hi=-128), n=212),
            ),
            Outcome(
                name="missed_violations",
                difference=Estimate(value=40, n=212),
                bounds=Interval(lo=30, hi=61, method="Manski"),
            ),
        ),
        guardrails=(
            Guardrail(name="missed_violation", margin=0.01, difference=Estimate(value=0.001), verdict="pass"),
            Guardrail(
                name="missed_violation",
                slice=Segment.of(market="TH"),
                margin=0.01,
                difference=Estimate(value=0.02),
                verdict="fail",
            ),
        ),
        assumptions=("Sellers are assumed to behave as before.",),
        limits=("Ladder exposure was not replayed.",),
        recommendation=Recommendation.RECOMMEND,
        why="It removes wrongful enforcement and no guardrail of weight fails.",
    )
