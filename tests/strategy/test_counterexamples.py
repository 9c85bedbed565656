from datetime import timedelta

import polars as pl
import pytest

from gne_analytics.evidence.proposals import Proposal
from gne_analytics.evidence.types import Edit
from gne_analytics.strategy import counterexamples

RAISE = Edit(kind="set_threshold", policy="counterfeit", rule="logo-match", old=0.7, new=0.8)
LOWER = Edit(kind="set_threshold", policy="misleading-health-claims", rule="cure-claim", old=0.68, new=0.55)
RETIRE = Edit(kind="set_status", policy="misleading-listing", rule="price-bait", old="live", new="retired")
REVIEW = Edit(kind="set_human_review", policy="counterfeit", rule="replica-wording", old=None, new="score < 0.8")
BUCKETS = ["candidate_breaks", "candidate_fixes", "fires_but_legitimate", "misses_a_violation"]


def found(world, *edits, **more):
    return counterexamples(list(edits), world.record, world.policies, study=world.study, **more)


def naive(world, edits, label="final_decision"):
    """Sort every case of known truth by hand: bucket -> case ids."""
    buckets = {b: set() for b in BUCKETS}
    detectors = {r.detector for _, r in world.policies.rules() if r.id in {e.rule for e in edits}}
    for row in world.study.flows(edits).iter_rows(named=True):
        truth = row["decided_violating"] if label == "final_decision" else None
        truth = row["audit_violating"] if truth is None else truth
        if truth not in (0.0, 1.0) or row["detector"] not in detectors:
            continue
        acts = []
        for side in ("today", "proposed"):
            state = row[f"state_{side}"]
            if state == "review" and row["enforced"] and row["human"]:
                state = "automatic"
            elif state == "review" and not row["enforced"] and row["state_today"] == "review":
                state = "nothing"
            acts.append({"automatic": True, "nothing": False, "review": None}[state])
        if None in acts:
            continue
        now, then = (a == bool(truth) for a in acts)
        if now != then:
            buckets["candidate_fixes" if then else "candidate_breaks"].add(row["case_id"])
        elif not now:
            buckets["misses_a_violation" if truth else "fires_but_legitimate"].add(row["case_id"])
    return buckets


@pytest.mark.parametrize("label", ["final_decision", "latent"])
@pytest.mark.parametrize("edit", [RAISE, LOWER, RETIRE, REVIEW], ids=lambda e: e.kind.value + e.rule)
def test_every_bucket_holds_the_cases_that_a_reader_would_put_there(quiet, edit, label):
    table = found(quiet, edit, label=label, limit=100_000)
    got = {b: set(table.filter(pl.col("bucket") == b)["case_id"]) for b in BUCKETS}
    assert got == naive(quiet, [edit], label)


def test_all_four_buckets_hold_real_rows(quiet):
    table = found(quiet, LOWER)
    assert table["bucket"].unique().sort().to_list() == BUCKETS
    assert set(table["case_id"]) <= set(quiet.study.population.cases["case_id"])


def test_each_bucket_has_its_own_limit_and_shows_the_highest_scores_first_in_one_order(quiet):
    table = found(quiet, LOWER, limit=4)
    assert table["bucket"].value_counts()["count"].max() == 4
    for _, part in table.group_by("bucket"):
        keys = [(-score, case) for score, case in part.select("score", "case_id").iter_rows()]
        assert keys == sorted(keys)
    everything = found(quiet, LOWER, limit=100_000)
    assert everything.group_by("bucket", maintain_order=True).head(4).equals(table)
    assert table.equals(found(quiet, LOWER, limit=4))


def test_a_proposals_examples_are_of_its_own_time(quiet):
    days = quiet.study.population.cases["event_date"].sort()
    since = days[len(days) // 2]
    made = Proposal(id="P", title="t", policy=LOWER.policy, policy_base="", since=since, edits=(LOWER,))
    late = counterexamples(made, quiet.record, quiet.policies, study=quiet.study, limit=100_000)
    every = found(quiet, LOWER, limit=100_000)
    dates = dict(quiet.study.population.cases.select("case_id", "event_date").iter_rows())
    assert set(late["case_id"]) == {c for c in every["case_id"] if dates[c] >= since}
    assert 0 < late.height < every.height
    after = made.model_copy(update={"since": days[-1] + timedelta(days=1)})
    assert counterexamples(after, quiet.record, quiet.policies, study=quiet.study).is_empty()


def test_a_case_that_waits_for_an_unknown_answer_is_no_example_of_anything(quiet):
    table = found(quiet, REVIEW, limit=100_000)
    waits = table.filter(pl.col("state_proposed") == "review")
    answered = quiet.study.flows([REVIEW]).filter(pl.col("enforced") & pl.col("human"))["case_id"]
    passed = quiet.study.flows([REVIEW]).filter(~pl.col("enforced") & (pl.col("state_today") == "review"))["case_id"]
    assert set(waits["case_id"]) <= set(answered) | set(passed)


def test_a_new_rules_examples_are_of_its_own_detector(quiet):
    rule = {"id": "twin", "clause": "counterfeit.replica", "status": "live", "detector": "logo_match",
            "threshold": {"default": 0.5}, "action": "remove", "points": 1}  # fmt: skip
    clause = quiet.policies.policy("counterfeit").clauses[0].id
    table = found(quiet, Edit(kind="add_rule", policy="counterfeit", new={**rule, "clause": clause}))
    assert not table.is_empty()
    assert set(table["detector"]) == {"logo_match"}
