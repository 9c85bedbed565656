from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from gne_analytics.errors import DataError
from gne_analytics.evidence.proposals import Proposal, Recommendation
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Edit, EditKind
from gne_analytics.policy.files import load
from gne_analytics.release.export import release
from gne_analytics.release.ledger import Act, Ledger, subject_of
from gne_analytics.release.verify import verify
from gne_analytics.tables.record import Record, record_from_frames
from gne_analytics.testing.policies import write_policy_set

LAUNCH = datetime(2026, 6, 1, tzinfo=UTC)


def clock():
    return LAUNCH


@pytest.fixture
def released(tmp_path):
    path = write_policy_set(tmp_path / "policy")
    policies, store = load(path), EvidenceStore()
    edit = Edit(kind=EditKind.SET_THRESHOLD, policy="counterfeit", rule="logo-match", old=0.7, new=0.705)
    proposal = Proposal(
        id="p1",
        title="Raise it",
        policy="counterfeit",
        policy_base=policies.hash,
        edits=(edit,),
        recommendation=Recommendation.RECOMMEND,
    )
    Ledger.beside(path, clock).append(Act.APPROVED, subject_of(proposal, None, store), who="ada")
    return release(tmp_path, path, [proposal], [], [], store, to=tmp_path / "out", by="ada", clock=clock)


def a_record(
    *,
    scores_after: float = 0.9,
    days_after: int = 120,
    without: tuple[str, ...] = (),
    passed: float | None = None,
    passed_by: str = "logo_match",
) -> Record:
    """Four violations a day for 120 days before and some after; one in four, then in ten, overturned.

    ``passed``: the score of 200 cases that were assessed after the launch and passed.
    """
    rows = range(4 * 120 + 4 * days_after)
    start = LAUNCH - timedelta(days=120)
    at = [start + timedelta(hours=6 * i + 1) for i in rows]
    late = [t > LAUNCH for t in at]
    violations = pl.DataFrame(
        {
            "violation_id": [f"v{i}" for i in rows],
            "decided_at": at,
            "policy_id": "counterfeit",
            "rule_id": "logo-match",
            "detector": "logo_match",
            "score": [scores_after if x else 0.9 for x in late],
            "object_type": "listing",
            "market": "TH",
            "category": "toys",
            "seller_tier": "new",
            "seller_id": [f"s{i % 90}" for i in rows],
        }
    )
    appeals = pl.DataFrame(
        {
            "appeal_id": [f"a{i}" for i in rows],
            "violation_id": [f"v{i}" for i in rows],
            "filed_at": [t + timedelta(hours=5) for t in at],
            "decided_at": [t + timedelta(hours=9) for t in at],
            "outcome": [
                "overturned" if i % (10 if x else 4) == 0 else "upheld" for i, x in zip(rows, late, strict=True)
            ],
        }
    )
    tables = {"violations": violations.drop(without), "appeals": appeals}
    if passed is not None:
        seen = violations.drop("violation_id", "decided_at", "policy_id", "rule_id", "score").head(200)
        ids = pl.Series([f"c{i}" for i in range(200)])
        tables["assessments"] = seen.with_columns(
            case_id=ids, assessed_at=LAUNCH + timedelta(days=3), score=pl.lit(passed), detector=pl.lit(passed_by)
        )
    return record_from_frames(tables)


def launched(tmp_path, new: float, rule: str = "logo-match"):
    """A release that moves the threshold of a rule from 0.7; a person decides below 0.78 for logos, never for words."""
    path = write_policy_set(tmp_path / "policy")
    policies, store = load(path), EvidenceStore()
    edit = Edit(kind=EditKind.SET_THRESHOLD, policy="counterfeit", rule=rule, old=0.7, new=new)
    proposal = Proposal(
        id="p1", title="Move it", policy="counterfeit", policy_base=policies.hash, edits=(edit,),
        recommendation=Recommendation.RECOMMEND,
    )  # fmt: skip
    Ledger.beside(path, clock).append(Act.APPROVED, subject_of(proposal, None, store), who="ada")
    return release(tmp_path, path, [proposal], [], [], store, to=tmp_path / "out", by="ada", clock=clock)


def test_a_tightening_that_is_in_force_is_said_to_be(tmp_path):
    text = verify(launched(tmp_path, 0.6), a_record(scores_after=0.65, passed=0.5), by="eve", clock=clock)
    assert "The release is in force: of the cases since" in text
    assert "(100 %), with the configs of before on 0 of 476 (0 %)" in text


def test_a_tightening_that_was_never_deployed_is_not_in_force(tmp_path):
    record = a_record(passed=0.65, passed_by="text_claims")
    text = verify(launched(tmp_path, 0.6, "replica-words"), record, by="eve", clock=clock)
    assert "The release is not in force: of the cases since" in text
    assert "agrees with the release on 0 of 200 (0 %), with the configs of before on 200 of 200 (100 %)" in text


def test_passed_cases_that_a_person_may_have_passed_tell_nothing(tmp_path):
    text = verify(launched(tmp_path, 0.6), a_record(scores_after=0.9, passed=0.65), by="eve", clock=clock)
    assert "The release is in force" not in text
    assert "Whether the release is in force cannot be told, the log fits both" in text


def test_without_passed_cases_a_release_is_never_said_to_be_in_force(tmp_path):
    text = verify(launched(tmp_path, 0.6), a_record(scores_after=0.65), by="eve", clock=clock)
    assert "cannot be told, the record holds no passed cases since" in text


def test_cases_that_both_configs_decide_alike_tell_nothing(released):
    text = verify(released, a_record(passed=0.5), by="eve", clock=clock)
    assert "Too few cases since are decided differently by the release (0)" in text


def test_decisions_that_the_released_configs_would_not_make_are_found(released):
    text = verify(released, a_record(scores_after=0.702), by="eve", clock=clock)
    assert "The release is not in force: of the cases" in text
    assert "(0 %)" in text


def test_a_fall_of_the_overturn_rate_is_shown_and_not_called_an_improvement(released):
    text = verify(released, a_record(), by="eve", clock=clock)
    assert "−15" in text
    assert "no proof of an improvement" in text


def test_too_little_since_the_launch_is_admitted(released):
    text = verify(released, a_record(days_after=2), by="eve", clock=clock)
    assert text.count("Too few") == 2


def test_a_record_from_before_the_launch_is_refused(released):
    with pytest.raises(DataError, match="verify with a later extract"):
        verify(released, a_record(days_after=0), by="eve", clock=clock)


def test_the_ledger_keeps_what_was_found(released):
    text = verify(released, a_record(), by="eve", clock=clock)
    entry = Ledger.beside(released.parent / "policy").entries()[-1]
    assert (entry.act, entry.who, entry.why) == (Act.VERIFIED, "eve", text)


def test_a_record_without_the_columns_that_the_configs_read_cannot_tell(released):
    text = verify(released, a_record(without=("category",)), by="eve", clock=clock)
    assert "in force cannot be told" in text
    assert "category" in text
