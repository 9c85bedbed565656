"""Bad input to a backtest: each is a clear error, or a limit that the result states."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from gne_analytics.errors import DataError, PolicyError
from gne_analytics.evidence.claims import check_template
from gne_analytics.evidence.proposals import Recommendation
from gne_analytics.evidence.render import render
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Edit
from gne_analytics.policy.files import from_files
from gne_analytics.strategy import backtest
from gne_analytics.tables import record_from_frames

START = datetime(2026, 3, 1, tzinfo=UTC)
POLICY = """
id: p
revision: "2026-02-01"
owner: o
title: t
severity: low
clauses: [{id: c, text: t}]
rules:
- {id: r, clause: c, status: live, detector: d, threshold: {default: 0.5, overrides: [
    {id: in-id, match: "market = 'ID'", value: 0.6}]}, action: remove, points: 4}
"""


def policies(text=POLICY):
    return from_files({"policies/p.yaml": text})


def tables(n=400, *, revision="2026-02-01", later=None):
    """One detector's cases, one in four audited; ``later``: the later half's revision."""
    r = np.random.default_rng(1)
    at = [START + timedelta(hours=3 * i) for i in range(n)]
    score = r.random(n).round(3) * 0.89
    market = r.choice(["ID", "TH", "VN"], n)
    tier = r.choice(["gold", "new"], n)
    acts = score >= np.where(market == "ID", 0.6, 0.5)
    revisions = [later if later and i >= n // 2 else revision for i in range(n)]
    facts = {"case_id": [f"c{i}" for i in range(n)], "detector": "d", "score": score, "market": market,
             "seller_tier": tier, "seller_id": [f"s{i % 50}" for i in range(n)]}  # fmt: skip
    log = pl.DataFrame(
        facts
        | {"violation_id": [f"v{i}" for i in range(n)], "decided_at": at, "policy_id": "p", "rule_id": "r",
           "policy_revision": revisions, "action": "remove"}
    ).filter(pl.Series(acts))  # fmt: skip
    seen = pl.DataFrame(facts | {"assessed_at": at})
    audits = pl.DataFrame(
        {"audit_id": [f"a{i}" for i in range(n)], "case_id": facts["case_id"], "audited_at": at,
         "violating": r.random(n) < 0.6, "audit_prob": 0.25}
    ).filter(pl.int_range(pl.len()) % 4 == 0)  # fmt: skip
    return {"violations": log, "assessments": seen, "audits": audits}


def judged(edit, frames=None, text=POLICY):
    store = EvidenceStore()
    found = backtest([edit], record_from_frames(frames or tables()), policies(text), store=store)
    for claim in found.limits:
        check_template(claim, store)
    return found, [render(claim, store) for claim in found.limits]


def one(said, words):
    (found,) = [s for s in said if words in s]
    return found


RAISE = Edit(kind="set_threshold", policy="p", rule="r", old=0.5, new=0.7)


def test_nothing_odd_is_nothing_said():
    _, said = judged(RAISE)
    assert not [s for s in said if "Override" in s or "exemption" in s or "revision" in s or "no score" in s]


def test_overrides_that_tie_on_a_case_are_an_error_that_names_both_and_says_what_to_do():
    tie = Edit(kind="add_override", policy="p", rule="r",
               new={"id": "gold", "match": "seller_tier = 'gold'", "value": 0.7, "priority": 0})  # fmt: skip
    with pytest.raises(PolicyError, match=r"'in-id' \(0.6\) and 'gold' \(0.7\).*give one of them a higher priority"):
        judged(tie)


def test_an_exemption_that_swallows_a_rule_is_said_with_its_share():
    market = "market IN ('ID', 'TH', 'VN')"
    found, said = judged(Edit(kind="add_exemption", policy="p", rule="r", new={"id": "all", "match": market}))
    assert found.flow.kept == 0
    assert "little or nothing is left of the rule" in one(said, "exemptions of rule r")


def test_an_exemption_of_a_part_is_not_called_one_of_all():
    _, said = judged(Edit(kind="add_exemption", policy="p", rule="r", new={"id": "some", "match": "market = 'ID'"}))
    assert not [s for s in said if "exemptions of rule" in s]


def test_an_exemption_that_ended_within_the_record_exempts_nobody_and_is_said():
    mid = Edit(kind="add_exemption", policy="p", rule="r",
               new={"id": "mid", "match": "market = 'ID'", "expires": "2026-03-20"})  # fmt: skip
    found, said = judged(mid)
    assert found.flow.released == 0
    assert "20 March 2026" in one(said, "Exemption r, mid held up to")
    assert not [
        s for s in judged(mid.model_copy(update={"new": mid.new | {"expires": "2027-03-20"}}))[1] if "held" in s
    ]


def test_no_edit_at_all_changes_no_case_and_no_word():
    found = backtest([], record_from_frames(tables()), policies(), store=EvidenceStore())
    assert found.recommendation is Recommendation.CANNOT_TELL
    assert {o.difference.value for o in found.outcomes} == {0.0}


def test_a_threshold_that_no_case_reaches_is_said():
    text = POLICY.replace("value: 0.6", "value: 0.95")
    found, said = judged(RAISE.model_copy(update={"new": 0.95}), text=text)
    assert found.flow.kept == 0
    assert "400" in one(said, "no case reaches it")


def test_an_override_that_no_case_reaches_or_meets_is_said():
    far = Edit(kind="add_override", policy="p", rule="r",
               new={"id": "far", "match": "market = 'TH'", "value": 0.99, "priority": 1})  # fmt: skip
    nobody = Edit(kind="add_override", policy="p", rule="r",
                  new={"id": "nobody", "match": "market = 'ZZ'", "value": 0.2, "priority": 1})  # fmt: skip
    assert "lets the rule act on none" in one(judged(far)[1], "Override r, far holds for")
    found, said = judged(nobody)
    assert "holds for 0 cases" in one(said, "Override r, nobody")
    assert found.recommendation is Recommendation.CANNOT_TELL


def test_scores_missing_for_half_the_rows_are_counted_for_the_rule_that_needs_them():
    frames = tables()
    half = pl.when(pl.int_range(pl.len()) % 2 == 0).then("score")
    frames["assessments"] = frames["assessments"].with_columns(score=half)
    found, said = judged(RAISE, frames)
    assert "200 of 400" in one(said, "cases of the detector of rule r have no score")
    assert found.flow.released < judged(RAISE)[0].flow.released


def test_audits_without_probabilities_are_an_error_and_a_few_are_counted_out():
    frames = tables()
    with pytest.raises(DataError, match=r"audits.*audit_prob"):
        judged(RAISE, frames | {"audits": frames["audits"].drop("audit_prob")})
    with pytest.raises(DataError, match="audit_prob is missing"):
        judged(RAISE, frames | {"audits": frames["audits"].with_columns(audit_prob=pl.lit(None, pl.Float64))})
    few = frames["audits"].with_columns(audit_prob=pl.when(pl.int_range(pl.len()) > 1).then("audit_prob"))
    assert "2 audits" in one(judged(RAISE, frames | {"audits": few})[1], "break the contract")


def test_audits_of_one_case_from_several_draws_are_said_and_two_of_one_draw_are_not():
    frames = tables()
    again = frames["audits"].head(3).with_columns(pl.format("{}x", "audit_id").alias("audit_id"))
    once_more = frames | {"audits": pl.concat([frames["audits"], again])}
    assert not [s for s in judged(RAISE, once_more)[1] if "unlike" in s]
    drawn_twice = frames | {"audits": pl.concat([frames["audits"], again.with_columns(audit_prob=pl.lit(0.6))])}
    assert one(judged(RAISE, drawn_twice)[1], "the chance that any of them meets").startswith("3 cases were audited")


@pytest.mark.parametrize("later", ["2026-03-20", "rev-b"])
def test_a_policy_set_older_than_the_record_is_said_and_judged_on_its_own_revision(later):
    found, said = judged(RAISE, tables(later=later))
    assert later in one(said, "the set is not the one in force")
    assert 0 < found.agreement[0].n < judged(RAISE)[0].agreement[0].n


def test_an_older_revision_in_the_record_is_no_stale_set():
    frames = tables(revision="2025-12-01", later="2026-02-01")
    assert not [s for s in judged(RAISE, frames)[1] if "in force" in s]


def test_a_set_that_the_record_never_decided_under_is_refused():
    found, said = judged(RAISE, tables(revision="2026-03-20"))
    assert found.recommendation is Recommendation.REFUSE
    assert one(said, "the set is not the one in force")


def test_a_ladder_by_accounts_that_the_record_does_not_name_is_said():
    ladder = "per: account\nmilestones: [{id: m, points: 5, consequence: warn}]\n"
    store = EvidenceStore()
    named = from_files({"policies/p.yaml": POLICY, "ladder.yaml": ladder})
    found = backtest([RAISE], record_from_frames(tables()), named, store=store)
    assert found.ladder is None
    assert one([render(s, store) for s in found.limits], "account_id")
