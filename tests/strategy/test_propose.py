import sys

import polars as pl
import pytest

from gne_analytics.evidence.proposals import Proposal, Recommendation
from gne_analytics.evidence.render import render
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Cause, CauseKind, Counts, EditKind, Estimate, Mechanism
from gne_analytics.policy.edits import applied
from gne_analytics.strategy import answer, backtest, propose, replay_change
from gne_analytics.strategy.candidates import Candidate, _grid, choose
from gne_analytics.strategy.kinds import proposal_id
from gne_analytics.strategy.levers import LEVERS

RELAXING = {EditKind.SET_THRESHOLD, EditKind.ADD_OVERRIDE, EditKind.SET_OVERRIDE, EditKind.ADD_EXEMPTION}


def cause(mechanism, segment, *, kind=CauseKind.RATE_SHIFT, onset=None, name="C1"):
    return Cause(
        id=name, shift_id="S1", rank=1, segment=Segment.of(segment), kind=kind, status="confirmed", mechanism=mechanism,
        before=Counts(k=10, n=200), after=Counts(k=90, n=200), effect=Estimate(value=0.4), leave_out=0.1,
        contribution=0.1, onset=onset,
    )  # fmt: skip


def of_planted(world, mechanism):
    planted = next(p for p in world.planted if p.kind == mechanism.value)
    return cause(mechanism, {**planted.segment.root, "policy_id": planted.policy}, onset=planted.onset)


@pytest.fixture(scope="module")
def answered(lowered_threshold):
    store, world = EvidenceStore(), lowered_threshold
    causes = [of_planted(world, Mechanism.THRESHOLD)]
    return propose(causes, world.record, world.policies, store=store, study=world.study), store


def test_a_lowered_threshold_is_answered_by_raising_the_override_that_lowered_it(answered, lowered_threshold):
    proposals, _ = answered
    (right,) = lowered_threshold.planted[0].right_edits
    (edit,) = next(p for p in proposals if p.edits[0].rule == right.rule).edits
    assert (edit.kind, edit.item, edit.old) == (right.kind, right.item, right.old)
    assert right.old < edit.new <= right.new + 0.1


def test_a_proposals_backtest_contains_the_truth_of_sellers_it_was_not_searched_on(answered, lowered_threshold):
    world = lowered_threshold
    for proposal in answered[0]:
        found = backtest(proposal, world.record, world.policies, store=EvidenceStore(), study=world.study)
        moved = replay_change(
            proposal.edits, world.study, label="final_decision", on="confirm", since=proposal.since
        ).moved
        assert moved["part"].unique().to_list() == [1]
        for outcome, true in zip(found.outcomes, world.true_differences(moved, "final_decision"), strict=False):
            assert outcome.difference.interval.lo - 1e-9 <= true <= outcome.difference.interval.hi + 1e-9


def test_a_proposal_can_be_applied_and_rolled_back_to_the_very_bytes(answered, lowered_threshold):
    for proposal in answered[0]:
        there = applied(lowered_threshold.policies, proposal.edits)
        assert there.files != lowered_threshold.policies.files
        assert applied(there, proposal.rollback).files == lowered_threshold.policies.files


def test_every_sentence_of_a_proposal_is_a_claim_and_its_json_reads_back(answered):
    proposals, store = answered
    for proposal in proposals:
        assert all(render(sentence, store) for sentence in proposal.rationale)
        assert all(e in store for e in proposal.evidence)
        assert Proposal.model_validate_json(proposal.model_dump_json()) == proposal


def test_the_same_causes_give_the_same_proposals(answered, lowered_threshold):
    world = lowered_threshold
    again = propose([of_planted(world, Mechanism.THRESHOLD)], world.record, world.policies, store=EvidenceStore())
    assert [p.id for p in again] == [p.id for p in answered[0]]


@pytest.mark.parametrize("mechanism", [m for m in Mechanism if LEVERS[m].searched or LEVERS[m].drafted])
def test_a_protected_policy_is_never_edited(quiet, mechanism):
    protected = next(p for p in quiet.policies.policies.values() if p.protected)
    found = answer(
        [cause(mechanism, {"policy_id": protected.id})],
        quiet.record,
        quiet.policies,
        store=EvidenceStore(),
        study=quiet.study,
    )
    assert found.proposals == ()
    assert len(found.referrals) == 1


def test_a_critical_policy_needs_two_approvals(quiet):
    for policy in quiet.policies.policies.values():
        found = answer([cause(Mechanism.CLAUSE_AMBIGUOUS, {"policy_id": policy.id})], quiet.record, quiet.policies,
                       store=EvidenceStore(), study=quiet.study)  # fmt: skip
        for proposal in found.proposals:
            assert proposal.approvals_needed == policy.approvals_needed


@pytest.mark.parametrize("kind", [CauseKind.MIX_SHIFT, CauseKind.SEASONALITY, CauseKind.PLATFORM_EVENT,
                                  CauseKind.BATCH_CORRECTION, CauseKind.ONE_ACTOR])  # fmt: skip
def test_what_is_no_failing_of_a_policy_changes_none(quiet, kind):
    found = answer([cause(Mechanism.THRESHOLD, {"policy_id": "counterfeit"}, kind=kind)], quiet.record, quiet.policies,
                   store=EvidenceStore(), study=quiet.study)  # fmt: skip
    assert found.proposals == ()


@pytest.mark.parametrize(
    ("mechanism", "owner"),
    [(Mechanism.REVIEWER_ERROR, "review operations"), (Mechanism.DATA_ERROR, "data"), (Mechanism.SELLER_ABUSE, "risk"),
     (Mechanism.ROUTING, "operations")],
)  # fmt: skip
def test_a_cause_without_a_lever_in_policy_is_referred_to_its_owner(quiet, mechanism, owner):
    store = EvidenceStore()
    found = answer(
        [cause(mechanism, {"policy_id": "counterfeit"})], quiet.record, quiet.policies, store=store, study=quiet.study
    )
    assert found.proposals == ()
    assert [(r.cause_id, r.owner) for r in found.referrals] == [("C1", owner)]
    assert render(found.referrals[0].why, store)


@pytest.mark.parametrize(
    ("mechanism", "kinds"),
    [
        (Mechanism.CLAUSE_AMBIGUOUS, {EditKind.EDIT_CLAUSE}),
        (Mechanism.NOTICE_UNCLEAR, {EditKind.EDIT_NOTICE}),
        (Mechanism.TAXONOMY_GAP, {EditKind.ADD_CLAUSE, EditKind.ADD_RULE}),
    ],
)
def test_words_come_as_drafts_with_an_experiment_and_drafted_rules_act_on_nothing(quiet, mechanism, kinds):
    found = propose([cause(mechanism, {"policy_id": "counterfeit", "market": "ID"})], quiet.record, quiet.policies,
                    store=EvidenceStore(), study=quiet.study)  # fmt: skip
    (proposal,) = found
    assert {e.kind for e in proposal.edits} == kinds
    assert proposal.recommendation is Recommendation.EXPERIMENT
    assert proposal.experiment.size_per_arm > 0
    after = applied(quiet.policies, proposal.edits)
    live = {r.id for _, r in after.rules() if r.status == "live"}
    assert live == {r.id for _, r in quiet.policies.rules() if r.status == "live"}


def test_no_edit_is_recommended_in_a_quiet_world(quiet):
    causes = [cause(Mechanism.THRESHOLD, {"policy_id": p, "market": "ID"}, name=p) for p in quiet.policies.policies]
    found = propose(causes, quiet.record, quiet.policies, store=EvidenceStore(), study=quiet.study)
    assert not [p for p in found if p.recommendation is Recommendation.RECOMMEND]
    assert not [e for p in found for e in p.edits if e.kind in RELAXING and e.policy == "child-safety"]


def test_the_id_of_a_proposal_is_what_it_does_to_which_base(answered):
    (proposal, *_) = answered[0]
    edits = [e.model_copy(update={"reason": "said otherwise", "evidence": ()}) for e in proposal.edits]
    assert proposal_id(edits, proposal.policy_base) == proposal.id
    assert proposal_id(edits, "another base") != proposal.id


def test_the_simplest_candidate_that_does_nearly_as_well_is_chosen(answered):
    edit = answered[0][0].edits[0]
    made = [Candidate((edit.model_copy(update={"new": v}),), x) for v, x in ((1, -50.0), (2, -95.0), (3, -100.0))]
    assert choose(made).edits[0].new == 2
    assert choose([Candidate((edit,), 1.0)]) is None
    assert choose([]) is None


def test_going_back_to_the_rules_own_threshold_is_the_simplest_change_then_the_nearest():
    assert _grid(0.5, 0.68, lower=False)[:3] == [0.68, 0.51, 0.52]
    assert set(_grid(0.68, 0.68, lower=True)[:2]) == {0.67, 0.69}


def test_review_is_offered_but_never_recommended_where_nothing_is_known_of_reviewers(quiet):
    store = EvidenceStore()
    segment = {"policy_id": "counterfeit", "market": "ID", "detector_version": "r3"}
    found = propose(
        [cause(Mechanism.DETECTOR_ERROR, segment)], quiet.record, quiet.policies, store=store, study=quiet.study
    )
    for proposal in found:
        test = backtest(proposal, quiet.record, quiet.policies, store=store, study=quiet.study)
        if proposal.edits[0].kind is EditKind.SET_HUMAN_REVIEW:
            assert test.recommendation is not Recommendation.RECOMMEND
            assert test.outcomes[-1].bounds is not None or test.identification.modelled
    assert EditKind.SET_HUMAN_REVIEW in {p.edits[0].kind for p in found}


def test_one_class_that_several_rules_forget_gets_one_proposal_whose_every_edit_contributes(demo):
    world = demo
    (made,) = propose([of_planted(world, Mechanism.CLAUSE_SCOPE)], world.record, world.policies, store=EvidenceStore(),
                      study=world.study)  # fmt: skip
    assert len(made.edits) > 1
    assert len({e.rule for e in made.edits}) == len(made.edits)
    assert {e.new["match"] for e in made.edits} == {"seller_tier = 'brand_authorised'"}
    assert all(f"{e.rule}" in made.title for e in made.edits)
    for edit, share in zip(made.edits, made.contributions, strict=True):
        alone = backtest([edit], world.record, world.policies, store=EvidenceStore(), study=world.study, on="confirm",
                         since=made.since)  # fmt: skip
        assert alone.outcomes[-1].difference.value == pytest.approx(share.alone.value)
        assert share.alone.value < 0


@pytest.mark.parametrize("mechanism", [Mechanism.CLAUSE_SCOPE, Mechanism.THRESHOLD])
def test_the_demo_holds_changes_that_are_recommended_and_lower_the_true_loss(demo, mechanism):
    world = demo
    (made,) = propose([of_planted(world, mechanism)], world.record, world.policies, store=EvidenceStore(),
                      study=world.study)  # fmt: skip
    assert made.recommendation is Recommendation.RECOMMEND
    moved = replay_change(made.edits, world.study, label="latent", on="confirm", since=made.since).moved
    wrong, missed = world.true_differences(moved, "latent")
    cost = world.policies.objectives.of(made.policy).cost
    assert cost.wrongful_enforcement * wrong + cost.missed_violation * missed < 0


def test_a_cause_without_a_segment_edits_nothing(quiet):
    for mechanism in Mechanism:
        found = answer([cause(mechanism, {})], quiet.record, quiet.policies, store=EvidenceStore(), study=quiet.study)
        assert found.proposals == ()
        assert len(found.referrals) == 1


def test_a_segment_that_no_predicate_can_name_does_not_edit_the_whole_rule(quiet):
    queue = quiet.record.violations["queue"].drop_nulls().mode().sort()[0]
    policy = quiet.record.violations.filter(queue=queue)["policy_id"][0]
    found = propose([cause(Mechanism.THRESHOLD, {"policy_id": policy, "queue": queue})], quiet.record, quiet.policies,
                    store=EvidenceStore(), study=quiet.study)  # fmt: skip
    assert found == []


@pytest.mark.parametrize(("dimension", "value"), [("mood", "true"), ("category", "/x")])
def test_a_segment_of_any_column_and_value_is_answered_without_a_crash(small_market, draw_cases, dimension, value):
    cases = draw_cases(1, 400).with_columns(mood=pl.Series([i % 2 == 0 for i in range(400)]), category=pl.lit("/x"))
    rule = "- {id: r, clause: c, status: live, detector: d, action: remove, threshold: {default: 0.4}}"
    market = small_market(cases.with_columns(violating=pl.col("violating") & ~pl.col("mood")), rule)
    for mechanism in (Mechanism.THRESHOLD, Mechanism.CLAUSE_SCOPE, Mechanism.DETECTOR_ERROR, Mechanism.TAXONOMY_GAP):
        found = propose([cause(mechanism, {dimension: value, "policy_id": "p"})], market.record, market.policies,
                        store=EvidenceStore(), study=market.study)  # fmt: skip
        if mechanism is Mechanism.CLAUSE_SCOPE:
            assert [p.edits[0].new["match"] for p in found] == ["mood = true"]


def test_a_proposal_keeps_what_the_elimination_keeps(demo, monkeypatch):
    monkeypatch.setattr(sys.modules["gne_analytics.strategy.propose"], "minimal", lambda edits, study, since: edits[:1])
    (made,) = propose([of_planted(demo, Mechanism.CLAUSE_SCOPE)], demo.record, demo.policies, store=EvidenceStore(),
                      study=demo.study)  # fmt: skip
    assert len(made.edits) == 1
    assert made.contributions == ()
