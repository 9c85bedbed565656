"""Each incident leaves the mark that METHODS.md says, in its segment and from its onset on."""

import polars as pl
import pytest

from gne_analytics.evidence.segment import Segment
from gne_analytics.policy.checks import run_tests
from gne_analytics.policy.edits import applied
from gne_analytics.policy.predicates import compile as compile_predicate
from gne_analytics.policy.predicates import predicate_of
from gne_analytics.simulate import Incident, Severity, simulate
from gne_analytics.simulate.incidents import EFFECTS, KINDS, MECHANISMS, OWNERS

N = 14_000
DECIDED = pl.col("outcome").is_in(["upheld", "overturned", "partially_overturned", "modified"])
WON = pl.col("outcome").is_in(["overturned", "partially_overturned"])


@pytest.fixture(scope="module")
def struck(world):
    """The world of one large incident, its truth, and its policy's violations with their first appeal."""

    def make(kind, seed=3):
        made = world(f"{'incident' if kind in MECHANISMS else 'decoy'}:{kind}:large", seed, N)
        planted = made.truth.incidents[0]
        first = made.tables["appeals"].filter(pl.col("level") == "1")
        rows = made.tables["violations"].join(
            first.select("violation_id", "outcome", "reason_text", "filed_at", appealed_to="decided_at"),
            on="violation_id",
            how="left",
        )
        rows = rows.filter(pl.col("policy_id") == planted.policy) if planted.policy else rows
        inside = compile_predicate(predicate_of(planted.segment)).mask(rows) if planted.segment.depth else pl.lit(True)
        return made, planted, rows.with_columns(inside=inside, after=pl.col("decided_at").dt.date() >= planted.onset)

    return make


def rate(rows, k, n):
    """k of n, by (inside, after)."""
    found = rows.group_by("inside", "after").agg(k.sum() / n.sum())
    return {(inside, after): share for inside, after, share in found.iter_rows()}


def overturn(rows):
    return rate(rows.filter(DECIDED), WON, DECIDED)


def appeal(rows):
    return rate(rows, pl.col("outcome").is_not_null(), pl.col("violation_id").is_not_null())


@pytest.mark.parametrize("kind", ["detector_error", "threshold", "clause_scope", "clause_ambiguous"])
def test_overturns_rise_inside_the_segment_from_the_onset_on(struck, kind):
    found = overturn(struck(kind)[2])
    assert found[True, True] > found.get((True, False), 0) + 0.15
    assert found[True, True] > found[False, True] + 0.1


def test_an_authorised_class_is_overturned_nearly_always(struck):
    assert overturn(struck("clause_scope")[2])[True, True] > 0.85


def test_overturns_after_a_lowered_threshold_lie_near_it(struck):
    made, planted, rows = struck("threshold")
    edit = planted.right_edits[0]
    low, old = float(str(edit.old)), float(str(edit.new))
    changed = rows.filter(pl.col("rule_id") == edit.rule, "inside", "after")
    assert changed["threshold_at_decision"].unique().to_list() == [low]
    won = changed.filter(WON)
    assert (won["score"] < old).mean() > 0.5
    logged = made.tables["changes"].filter(pl.col("change_id") == planted.change_id)
    assert logged["kind"].to_list() == ["policy"]
    assert logged["at"].dt.date().to_list() == [planted.onset]


def test_an_unclear_notice_is_contested_more_and_cured_less_with_few_overturns(struck):
    _, _, rows = struck("notice_unclear")
    found = appeal(rows)
    assert found[True, True] > 1.8 * found[True, False]
    curable = rows.filter("correction_allowed")
    if curable.height:
        cured = rate(curable, pl.col("corrected_at").is_not_null(), pl.col("correction_allowed"))
        assert cured[True, True] < 0.5 * cured[True, False]
    wins = overturn(rows)
    assert wins[True, True] < wins[True, False] + 0.1
    assert set(rows.filter("inside", "after")["template_version"]) == {"2"}


def test_a_missing_request_for_proof_shows_in_wrong_documents_and_second_level_overturns(struck):
    made, planted, _ = struck("evidence_not_requested")
    mine = made.tables["violations"].filter(pl.col("policy_id") == planted.policy).select("violation_id", "decided_at")
    rows = made.tables["appeals"].join(mine, on="violation_id", suffix="_v")
    rows = rows.with_columns(after=pl.col("decided_at_v").dt.date() >= planted.onset)
    second = rows.filter(pl.col("level") == "2", DECIDED)
    counts = dict(second.filter(WON).group_by("after").len().iter_rows())
    assert counts[True] > 2 * counts.get(False, 0)
    wrong = rows.filter(pl.col("level") == "1").with_columns(w=pl.col("evidence").list.contains("chat_screenshot"))
    shares = dict(wrong.group_by("after").agg(pl.col("w").mean()).iter_rows())
    assert shares[True] > shares[False] + 0.4


def test_a_drifting_team_confirms_what_the_other_rejects(struck):
    made, planted, _ = struck("reviewer_error")
    queue = planted.segment.values("queue")[0]
    found = overturn(struck("reviewer_error")[2])
    assert found[True, True] > found.get((True, False), 0) + 0.1
    latent = made.tables["violations"].join(made.truth.latent, on="case_id").filter(pl.col("queue").is_not_null())
    latent = latent.filter(pl.col("policy_id") == planted.policy, pl.col("decided_at").dt.date() >= planted.onset)
    wrong = dict(latent.group_by(pl.col("queue") == queue).agg((~pl.col("violating")).mean()).iter_rows())
    assert wrong[True] > 1.6 * wrong[False]


@pytest.mark.parametrize("kind", ["clause_ambiguous", "reviewer_inconsistent"])
def test_double_audits_disagree_where_reviewers_do(struck, kind):
    made, planted, _ = struck(kind)
    both = pl.col("violating").n_unique() == 2
    double = made.tables["audits"].group_by("case_id").agg(both, n=pl.len()).filter(pl.col("n") == 2)
    rows = made.tables["violations"]
    where = rows.filter(compile_predicate(predicate_of(planted.segment)).mask(rows))
    mine = where.filter(pl.col("decided_at").dt.date() >= planted.onset).select("case_id")
    inside = double.join(mine, on="case_id")["violating"].mean()
    assert inside > 0.2
    assert double.join(mine, on="case_id", how="anti")["violating"].mean() < 0.12


def test_misrouted_cases_turn_up_in_a_queue_that_had_none(struck):
    _, planted, rows = struck("routing")
    queue = planted.segment.values("queue")[0]
    reviewed = rows.filter(pl.col("queue").is_not_null())
    share = dict(reviewed.group_by("after").agg((pl.col("queue") == queue).mean()).iter_rows())
    assert share[False] == 0
    assert share[True] > 0.8
    late = reviewed.filter("after", DECIDED)
    elsewhere = rows.filter("after", DECIDED, ~pl.col("inside"))
    assert late.filter("inside").select(WON.mean()).item() > elsewhere.select(WON.mean()).item()


def test_a_faulty_feed_writes_impossible_values(struck):
    _, _, rows = struck("data_error")
    impossible = rows.filter(pl.col("threshold_at_decision") > pl.col("score"))
    assert impossible.height > 50
    assert impossible.select(pl.col("inside").all() & pl.col("after").all()).item()
    assert rows.filter(pl.col("appealed_to") == pl.col("filed_at"))["inside"].all()
    found = overturn(rows)
    assert found[True, True] > found[True, False] + 0.2


def test_a_campaign_pastes_one_text_from_few_sellers_and_is_upheld(struck):
    _, planted, rows = struck("seller_abuse")
    mine = rows.filter(pl.col("seller_id").is_in(list(planted.sellers)), "after", pl.col("outcome").is_not_null())
    found = appeal(rows)
    assert len(planted.sellers) <= 14
    assert found[True, True] > 2 * found[True, False]
    assert mine.filter(DECIDED).select(WON.mean()).item() < 0.2
    opening = mine["reason_text"].drop_nulls().str.slice(0, 20).value_counts(sort=True)["count"][0]
    assert opening > 0.6 * mine.height
    assert planted.change_id is None


def test_a_gap_is_reported_and_not_caught(struck):
    made, planted, _ = struck("taxonomy_gap")
    inside = compile_predicate(predicate_of(planted.segment)).mask(made.tables["signals"])
    signals = made.tables["signals"].filter(inside, pl.col("violation_id").is_null())
    after = (signals["at"].dt.date() >= planted.onset).sum()
    assert after > 60
    assert signals.height - after < 10
    assert {e.kind for e in planted.right_edits} == {"add_clause", "add_rule"}


def test_a_mix_shift_moves_shares_and_no_rate_inside(struck):
    _, _, rows = struck("mix_shift")
    share = dict(rows.group_by("after").agg(pl.col("inside").mean()).iter_rows())
    assert share[True] > 2 * share[False]
    found = overturn(rows)
    assert abs(found[True, True] - found[True, False]) < 0.15


def test_a_season_peaks_before_its_last_time_too(struck):
    made, planted, rows = struck("seasonality")
    week = (rows["decided_at"].dt.date() - planted.onset).dt.total_days() // 7
    rows = rows.with_columns(peak=(week % 7) < 2)
    wins = rows.filter(DECIDED).group_by("peak", "after").agg(WON.mean())
    found = {(p, a): r for p, a, r in wins.iter_rows()}
    assert found[True, False] > found[False, False] + 0.05
    assert found[True, True] > found[False, True] + 0.05
    assert made.truth.incidents[0].change_id is None


def test_a_batch_reverses_many_at_one_instant(struck):
    _, _, rows = struck("batch_correction")
    batch = rows.filter(pl.col("reversal_source") == "batch")
    assert batch.height > 15
    assert batch["reversed_at"].n_unique() == 1
    assert batch["inside"].all()


def test_a_platform_event_moves_every_policy(struck):
    _, _, rows = struck("platform_event")
    by = rows.group_by("policy_id", "after").agg(pl.col("outcome").count() / pl.len())
    found = {(p, a): r for p, a, r in by.iter_rows()}
    assert all(found[p, True] > found[p, False] for p in rows["policy_id"].unique())


def test_a_new_segment_has_no_past(struck):
    _, _, rows = struck("new_segment")
    assert rows.filter("inside", ~pl.col("after")).is_empty()
    assert rows.filter("inside").height > 200


@pytest.mark.parametrize("kind", KINDS)
def test_the_truth_names_owner_levers_and_edits_that_apply(world, kind):
    made = world(f"{'incident' if kind in MECHANISMS else 'decoy'}:{kind}:large", 3, N)
    planted = made.truth.incidents[0]
    assert planted.decoy == (kind not in MECHANISMS)
    assert bool(planted.owner) == (kind in OWNERS)
    assert {e.kind for e in planted.right_edits} <= set(planted.levers)
    mended = applied(made.policies, planted.right_edits)
    assert (mended.hash != made.policies.hash) == bool(planted.right_edits)
    for policies in (made.policies, mended):
        assert all(result.passed for result in run_tests(policies))
    if planted.change_id:
        assert planted.change_id in set(made.tables["changes"]["change_id"])


def test_no_threshold_that_an_incident_lowers_breaks_a_test_of_its_policy():
    for seed in range(8):
        made = simulate("incident:threshold:large", seed, violations=1_500)
        assert all(result.passed for result in run_tests(made.policies)), made.truth.incidents[0].description


def test_the_right_edits_lower_the_true_loss(struck):
    for kind in ("detector_error", "threshold", "clause_scope"):
        made, planted, _ = struck(kind)
        mended = simulate(
            f"incident:{kind}:large", 3, violations=N, policies=applied(made.policies, planted.right_edits)
        )
        wrong = []
        for world in (made, mended):
            rows = world.tables["violations"].filter(pl.col("decided_at").dt.date() >= planted.onset)
            wrong.append(rows.join(world.truth.latent, on="case_id").filter(~pl.col("violating")).height)
        assert wrong[1] < 0.9 * wrong[0], kind


def test_the_segment_differs_from_seed_to_seed(world):
    found = {world("incident:detector_error", seed).truth.incidents[0].segment for seed in range(8)}
    assert len(found) >= 4


def test_effects_grow_with_severity():
    for kind, knobs in EFFECTS.items():
        assert all(list(sizes) == sorted(sizes) for sizes in knobs.values()), kind


def test_an_order_places_an_incident_where_it_says():
    here = Segment.of(market="TH")
    order = Incident("threshold", Severity.LARGE, segment=here, onset_week=20, options={"rule": "price-bait"})
    planted = simulate("quiet", 1, violations=2_000, incidents=[order]).truth.incidents[0]
    assert planted.segment == here
    assert planted.right_edits[0].rule == "price-bait"
    assert f"{planted.onset:%Y-%m-%d}" == "2026-05-25"
