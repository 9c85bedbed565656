import numpy as np
import polars as pl
import pytest

from gne_analytics.evidence.types import Edit
from gne_analytics.strategy import replay_change
from gne_analytics.strategy.identify import MIN_LABELS, count_standings, effective, identify, unreached


def counts(frame, label="final_decision"):
    return count_standings(identify(frame, label))


def test_a_decided_appeal_comes_before_an_audit_and_an_audit_before_an_estimate(affected_cases):
    cases = affected_cases(0, n=2_000, audit_rate=0.2)
    found = identify(cases)
    decided, audited = pl.col("decided_violating").is_not_null(), pl.col("audit_violating").is_not_null()
    assert found.filter(decided)["standing"].unique().to_list() == ["appeal_decided"]
    assert found.filter(~decided & audited)["standing"].unique().to_list() == ["audited"]
    assert found.height == cases.height == counts(cases).total


def test_under_the_latent_label_a_decided_appeal_settles_nothing(affected_cases):
    found = counts(affected_cases(0, n=2_000, audit_rate=0.2), "latent")
    assert found.appeal_decided == 0
    assert found.audited > 0


def test_where_an_appealed_case_is_audited_too_the_audit_is_the_latent_truth(affected_cases):
    cases = affected_cases(1, n=2_000, audit_rate=0.3)
    both = identify(cases, "latent").filter(
        pl.col("decided_violating").is_not_null() & pl.col("audit_violating").is_not_null()
    )
    assert both.filter(pl.col("decided_violating") != pl.col("audit_violating")).height > 0
    assert (both["known"] == both["audit_violating"]).all()


def test_a_domain_with_fewer_effective_labels_than_the_floor_is_unidentified(affected_cases):
    few = affected_cases(2, n=400, audit_rate=0.03, contested=0.0)
    assert few["audit_violating"].count() < MIN_LABELS
    found = counts(few)
    assert found.estimable == 0
    assert found.unidentified == few.height - found.audited


def test_every_band_keeps_enough_labels(affected_cases):
    found = identify(affected_cases(3, n=4_000, audit_rate=0.1)).filter(
        pl.col("standing").is_in(["estimable", "audited"])
    )
    bands = (
        found.filter(pl.col("domain") >= 0)
        .group_by("domain")
        .agg(pl.col("weight").drop_nulls(), estimable=(pl.col("standing") == "estimable").any())
    )
    assert bands.filter("estimable").height > 1
    for weights in bands.filter("estimable")["weight"]:
        assert effective(weights.to_numpy()) >= MIN_LABELS


def test_no_domain_mixes_flow_cells_nor_appealed_with_not_where_each_has_labels(affected_cases):
    more = {"n": 4_000, "contested": 0.6, "audit_rate": 0.15}
    both = pl.concat([affected_cases(4, **more), affected_cases(5, flow="new", alpha=1.0, **more)])
    found = identify(both).filter(pl.col("domain") >= 0)
    per_domain = found.group_by("domain").agg(pl.col("cell").n_unique(), pl.col("appealed").n_unique())
    assert per_domain.select(pl.col("cell", "appealed").max()).row(0) == (1, 1)
    assert found["standing"].is_in(["audited", "estimable"]).all()


def test_a_side_without_labels_shares_those_of_the_other_side_of_its_flow_cell_only(affected_cases):
    few = affected_cases(4, audit_rate=0.1, contested=0.3)
    found = identify(few).filter(pl.col("domain") >= 0)
    contested = found.filter("appealed")["weight"].drop_nulls().to_numpy()
    assert 0 < effective(contested) < MIN_LABELS
    assert found["standing"].is_in(["audited", "estimable"]).all()
    assert found.group_by("domain").agg(pl.col("appealed").n_unique())["appealed"].max() == 2


def test_cases_that_no_audit_could_reach_are_not_covered_by_the_audits_of_others(affected_cases):
    reached = affected_cases(6, n=1_000, audit_rate=0.2, contested=0.0)
    beyond = affected_cases(7, n=3_000, audit_rate=0.2, contested=0.0).with_columns(
        audit_violating=pl.lit(None, pl.Float64), audit_prob=pl.lit(None, pl.Float64),
        case_id=pl.format("beyond-{}", "case_id"),
    )  # fmt: skip
    found = counts(pl.concat([reached, beyond]))
    assert found.unidentified > 2_900
    assert counts(reached).unidentified == 0


def test_where_half_of_a_cell_had_no_chance_of_an_audit_half_of_it_is_unidentified(affected_cases):
    """Not half less four standard errors: the shortfall itself, and a little more so as to be seldom too few."""
    missing = []
    for seed in range(20):
        cases = affected_cases(seed, n=4_000, audit_rate=0.05, contested=0.0)
        even = pl.int_range(pl.len()) % 2 == 0
        hidden = [pl.when(even).then(c).alias(c) for c in ("audit_violating", "audit_prob")]
        missing.append(counts(cases.with_columns(hidden)).unidentified)
    assert sum(m >= 1_900 for m in missing) >= 18
    assert np.mean(missing) < 2_900


def test_identification_does_not_depend_on_what_audits_found(affected_cases):
    cases = affected_cases(8, audit_rate=0.2)
    other = cases.with_columns(audit_violating=1 - pl.col("audit_violating"))
    assert identify(cases)["standing"].to_list() == identify(other)["standing"].to_list()


@pytest.mark.parametrize(("weights", "n"), [([2.0] * 40, 40.0), ([1.0, 1.0, 10.0], 144 / 102), ([], 0.0)])
def test_effective_labels_are_kish(weights, n):
    assert effective(np.array(weights)) == pytest.approx(n)


RULES = "  - {id: r, clause: c, status: live, detector: d, threshold: {default: 0.5}, action: remove}"
RAISE = Edit(kind="set_threshold", policy="p", rule="r", old=0.5, new=0.7)


@pytest.mark.parametrize("left_out", ["C", None])
def test_a_market_that_no_audit_was_to_reach_does_not_hide_among_the_others(small_market, draw_cases, left_out):
    cases = draw_cases(0, 3_000)
    drawn = pl.Series(np.random.default_rng(1).random(3_000) < 0.06)
    world = small_market(
        cases.with_columns(audited=drawn & (cases["market"] != (left_out or "none"))), RULES, audit_prob=0.06
    )
    moved = replay_change([RAISE], world.study, label="final_decision").moved
    standings = {m: set(part["standing"]) for (m,), part in moved.partition_by("market", as_dict=True).items()}
    assert standings["A"] >= {"audited", "estimable"}
    assert standings["C"] == ({"unidentified"} if left_out else {"audited", "estimable"})


@pytest.mark.parametrize(
    ("reached", "missed"),
    [
        (pl.col("score") < 0.8, pl.col("score") >= 0.8),
        (pl.col("tier").is_not_null(), pl.col("tier").is_null()),
        (~pl.col("appealed"), pl.col("appealed")),
    ],
    ids=["high scores", "no tier", "appealed"],
)
def test_what_audits_left_out_is_told_by_value_by_score_and_by_null(affected_cases, reached, missed):
    drawn = affected_cases(6, n=6_000, audit_rate=0.05).with_columns(
        enforced=True, tier=pl.when(pl.col("score") * 10 % 1 > 0.3).then(pl.lit("new"))
    )
    cases = drawn.with_columns(pl.when(reached).then(pl.col("audit_violating", "audit_prob")))
    found = unreached(cases, ("tier", "appealed"))
    audited = cases.filter(reached & pl.col("audit_violating").is_not_null())
    assert not unreached(drawn, ("tier", "appealed")).any()
    assert (found == cases.select(missed).to_series()).mean() > 0.98
    assert not found.filter(cases["case_id"].is_in(audited["case_id"].implode())).any()
