import json

import polars as pl
import pytest

from benchmarks import closed_loop
from benchmarks.closed_loop import Shape, figures, incidents_of, main
from benchmarks.oracle import fare, harms, loss, oracle
from gne_analytics.evidence.types import Edit, EditKind
from gne_analytics.policy.edits import applied
from gne_analytics.simulate.incidents import Incident, Severity

TINY = Shape(violations=3_000, weeks=20, beyond=8)
LOWERED = (Incident("threshold", Severity.LARGE, policy="misleading-health-claims"),)


@pytest.fixture(scope="module")
def lowered():
    return TINY.world("gain", 5, LOWERED)


@pytest.fixture(scope="module")
def onset(lowered):
    return pl.col("event_date") >= lowered.truth.incidents[0].onset


def test_a_world_run_again_under_other_rules_differs_where_the_rules_do_and_nowhere_else(lowered, onset):
    edits = [
        Edit(kind=EditKind.SET_THRESHOLD, policy="counterfeit", rule="replica-wording", old=0.72, new=0.8),
        Edit(kind=EditKind.SET_HUMAN_REVIEW, policy="misleading-listing", rule="price-bait", new="score < 0.8"),
    ]
    policies = applied(lowered.policies, edits)
    again = TINY.world("gain", 5, LOWERED, policies).truth.cases
    before = lowered.truth.cases
    fate = ["enforced", "reviewed"]
    assert again.drop(fate).equals(before.drop(fate))
    moved = again.filter((again["enforced"] != before["enforced"]) | (again["reviewed"] != before["reviewed"]))
    assert moved.height > 50
    assert set(moved["detector"].unique()) == {"replica_text", "price_bait"}
    assert fare(policies, again.filter(onset)).select(fate).equals(again.filter(onset).select(fate))
    assert 0 < moved.filter("reviewed")["enforced"].mean() < 1


def test_the_tables_end_with_the_record_and_the_truth_goes_on(lowered):
    record = lowered.tables["assessments"]
    held = lowered.truth.cases.filter(pl.col("week") < TINY.weeks)
    assert record.height == held.height < lowered.truth.cases.height
    assert lowered.truth.cases["week"].max() == TINY.weeks + TINY.beyond - 1
    later = lowered.truth.cases.filter(pl.col("week") >= TINY.weeks)["case_id"]
    assert lowered.tables["audits"].filter(pl.col("case_id").is_in(later.implode())).is_empty()


def test_the_loss_counts_mistakes_and_reviews_at_their_prices(lowered):
    case = lowered.truth.cases.filter(pl.col("policy_id") == "counterfeit").head(1)
    prices = {(True, False, False): 24, (False, True, False): 30, (True, True, True): 1.5, (False, False, False): 0}
    for (enforced, violating, reviewed), price in prices.items():
        made = case.with_columns(enforced=pl.lit(enforced), violating=pl.lit(violating), reviewed=pl.lit(reviewed))
        assert loss(lowered.policies, made) == price


def test_the_oracle_undoes_what_was_planted_and_breaks_no_guardrail(lowered, onset):
    cases = lowered.truth.cases.filter(onset)
    best = oracle(lowered.policies, lowered.truth.incidents, cases, cases)
    assert {e.policy for e in best.edits} == {"misleading-health-claims"}
    before, after = fare(lowered.policies, cases), fare(applied(lowered.policies, best.edits), cases)
    assert sum(best.removed) == loss(lowered.policies, before) - loss(lowered.policies, after)
    right = fare(applied(lowered.policies, lowered.truth.incidents[0].right_edits), cases)
    assert all(h.by_chance for h in harms(lowered.policies, before, after))
    assert loss(lowered.policies, after) <= loss(lowered.policies, right) < loss(lowered.policies, before)


def test_a_slice_that_loses_its_enforcement_is_harmed(lowered, onset):
    cases = lowered.truth.cases.filter(onset)
    new = {"id": "ex", "match": "market = 'ID'", "reason": "test"}
    edit = Edit(kind=EditKind.ADD_EXEMPTION, policy="counterfeit", rule="replica-wording", new=new)
    before, after = fare(lowered.policies, cases), fare(applied(lowered.policies, [edit]), cases)
    found = harms(lowered.policies, before, after)
    assert ("missed_violations", "market=ID") in {(h.name, h.slice) for h in found}
    assert {h.policy for h in found} == {"counterfeit"}
    assert harms(lowered.policies, before, before) == []


def test_quiet_worlds_hold_nothing_that_an_edit_mends():
    assert not any(i.kind in closed_loop.MENDABLE for s in range(30) for i in incidents_of("quiet", s))
    assert {incidents_of("gain", s)[0].kind for s in range(3)} == set(closed_loop.MENDABLE)


def test_a_world_in_which_the_oracle_gains_little_is_counted_and_left_out():
    row = {"group": "gain", "changed": False, "removed": 0.0, "harms": [], "owners": {}, "protected_touched": [],
           "given_removed": 0.0, "stages": [("no shift", "", 1.0)]}  # fmt: skip
    rows = [
        {**row, "oracle_removed": 100.0, "oracle_removed_with_reviews": 100.0, "oracle_share": 0.05, "removed": 50.0},
        {**row, "oracle_removed": 1.0, "oracle_removed_with_reviews": 1.0, "oracle_share": 0.01},
    ]
    told = figures(rows)
    assert (told["worlds"], told["worlds_too_small"], told["lift_median"]) == (1, 1, 0.5)


def test_the_command_keeps_its_worlds_and_is_resumed(tmp_path, monkeypatch, capsys):
    rows, out = tmp_path / "rows.jsonl", tmp_path / "figures.json"
    size = ["--violations", "1500", "--weeks", "16", "--beyond", "4", "--processes", "1"]
    args = [*size, "--first", "3", "--seeds", "1", "--quiet", "1", "--referred", "0", "--rows", str(rows)]
    made = closed_loop.judge("gain", 3, Shape(1500, 16, 4))
    held = [made, {**made, "group": "quiet", "planted": [], "changed": False}]
    rows.write_text("".join(json.dumps(r) + "\n" for r in held), encoding="utf-8")
    monkeypatch.setattr(closed_loop, "judge", None)
    main([*args, "--json", str(out)])
    told = json.loads(out.read_text(encoding="utf-8"))
    assert told["quiet_worlds"] == 1
    assert told["quiet_changed_share"] == 0
    assert {"lift_median", "worlds", "guardrails_broken_share"} <= set(told)
    assert len(told["rows"]) == 2
    assert "where failings that an edit mends were lost" in capsys.readouterr().out
