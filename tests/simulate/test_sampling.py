import polars as pl
import pytest

from gne_analytics.simulate.sampling import AUDIT_PROBABILITY


def test_audits_log_the_probability_with_which_they_were_drawn(world):
    made = world("quiet", 4, 12_000)
    drawn = made.tables["audits"].unique("case_id")
    assert dict(drawn.select("stratum", "audit_prob").unique().iter_rows()) == AUDIT_PROBABILITY
    cut = made.tables["assessments"]["assessed_at"].max() - pl.duration(days=60)
    whole = made.tables["assessments"].filter(pl.col("assessed_at") < cut)
    passed = whole.filter(pl.col("violation_id").is_null(), pl.col("score") < 0.5)
    share = drawn.join(passed, on="case_id").height / passed.height
    assert share == pytest.approx(AUDIT_PROBABILITY["passed_far"], rel=0.3)


def test_quality_assurance_looks_closer_at_what_a_change_touched_and_only_from_then_on(world):
    made = world("incident:clause_scope:large", 3, 12_000)
    (planted,) = made.truth.incidents
    drawn = made.tables["audits"].unique("case_id").select("case_id", "stratum")
    rows = made.tables["violations"].join(drawn, on="case_id", how="left")
    rows = rows.filter(pl.col("seller_tier") == planted.segment.values("seller_tier")[0])
    late = rows["decided_at"].max() - pl.duration(days=60)
    after = (pl.col("decided_at").dt.date() >= planted.onset) & (pl.col("decided_at") < late)
    seen = rows.filter(after)["stratum"]
    assert set(seen.drop_nulls()) == {"enforced_changed"}
    assert 1 - seen.null_count() / len(seen) == pytest.approx(AUDIT_PROBABILITY["enforced_changed"], abs=0.06)
    early = rows.filter(pl.col("decided_at").dt.date() < planted.onset)["stratum"]
    assert (early.drop_nulls() == "enforced_changed").mean() < 0.8


def test_weighted_audits_find_the_true_precision(world):
    made = world("quiet", 4, 12_000)
    audited = made.tables["audits"].unique("case_id").filter(pl.col("violation_id").is_not_null())
    weight = 1 / pl.col("audit_prob")
    estimate = audited.select((pl.col("violating") * weight).sum() / weight.sum()).item()
    truth = made.tables["violations"].join(made.truth.latent, on="case_id")["violating"].mean()
    assert estimate == pytest.approx(truth, abs=0.05)


def test_signals_come_from_all_four_kinds_and_half_know_no_violation(world):
    signals = world("quiet", 4, 12_000).tables["signals"]
    assert set(signals["kind"]) == {"user_report", "rights_holder", "test_buy", "authority"}
    assert 0.1 < signals["violation_id"].null_count() / signals.height < 0.7
    assert signals.filter(pl.col("kind") == "test_buy")["text"].str.starts_with("Test purchase").all()
