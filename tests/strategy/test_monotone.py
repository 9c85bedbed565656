import numpy as np
import polars as pl
import pytest
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint

from gne_analytics.strategy.estimate import Price, difference, tally
from gne_analytics.strategy.identify import count_standings, identify
from gne_analytics.strategy.monotone import bound_by_score, is_monotone

THRESHOLD = 0.6


def draw_scored(seed, *, n=6_000, audit_rate=0.2, chance=lambda s: np.clip(1.2 * (s - 0.2), 0, 1), **columns):
    """Draw all cases of a detector: enforced from the threshold on, audited there alone."""
    r = np.random.default_rng(seed)
    score = r.beta(2, 2, n)
    violating = r.random(n) < chance(score)
    enforced = score >= THRESHOLD
    audited = enforced & (r.random(n) < audit_rate)
    return pl.DataFrame(
        {
            "case_id": [f"c{i:05d}" for i in range(n)], "cell": "new", "policy": "p", "appealed": False,
            "enforced": enforced, "decided_violating": pl.Series([None] * n, dtype=pl.Float64),
            "audit_violating": pl.Series(np.where(audited, violating, np.nan).astype(float)).fill_nan(None),
            "audit_prob": pl.Series(np.where(audited, audit_rate, np.nan)).fill_nan(None),
            "score": score, "alpha": 1.0, "beta": 0.0, "latent": violating.astype(float), **columns,
        }
    )  # fmt: skip


def newly_enforced(cases, low=0.5):
    return cases.filter(pl.col("score").is_between(low, THRESHOLD, closed="left"))


def bounded(cases, affected=None, **more):
    return bound_by_score(identify(newly_enforced(cases) if affected is None else affected), cases, **more)


def test_cases_below_every_audit_violate_at_most_as_often_as_the_nearest_audited_ones():
    cases = draw_scored(0)
    found = bounded(cases)
    assert set(found.identified["standing"]) == {"modelled"}
    assert found.identified.select("floor", "ceiling").unique().height == 1
    floor, ceiling = found.identified.select("floor", "ceiling").row(0)
    near = found.windows.filter(pl.col("score") < pl.col("score").quantile(0.5))
    assert floor == 0.0
    assert ceiling == pytest.approx(found.windows["known"].mean())
    assert near["score"].min() >= THRESHOLD
    total = difference(tally(found.identified), Price(missed=1.0))
    n = found.identified.height
    assert (total.low, total.high) == pytest.approx((-n * ceiling, 0.0))
    assert -n < total.interval[0] < -n * ceiling


def test_the_limit_of_one_window_is_wilsons_beside_the_chance_of_so_few_cases():
    found = bounded(draw_scored(0)).identified
    n, (share, labels) = found.height, found.select("ceiling", "ceiling_labels").row(0)
    total = difference(tally(found), Price(missed=1.0))
    # Wide bounds: one-sided at .05.
    reach = [proportion_confint(share * k, k, alpha=0.1, method="wilson")[1] - share for k in (labels, n)]
    assert -total.interval[0] == pytest.approx(n * (share + np.hypot(*reach)), rel=1e-2)


def test_a_case_between_two_audited_bands_has_a_floor_and_a_ceiling():
    cases = draw_scored(1, audit_rate=0.3)
    low = cases.with_columns(
        audit_violating=pl.when(pl.col("score") < 0.45).then("latent").otherwise("audit_violating"),
        audit_prob=pl.when(pl.col("score") < 0.45).then(1.0).otherwise("audit_prob"),
    )
    floor, ceiling = bounded(low).identified.select("floor", "ceiling").row(0)
    truth = newly_enforced(cases)["latent"].mean()
    assert 0 < floor < truth < ceiling < 1


@pytest.mark.parametrize(
    "chance", [lambda s: np.clip(0.9 - 0.6 * s, 0, 1), lambda s: np.where(s > 0.75, 0.2, 0.7), lambda s: 0.6 + 0 * s]
)
def test_where_the_audited_part_does_not_rise_nothing_is_modelled(chance):
    found = count_standings(bounded(draw_scored(2, chance=chance)).identified)
    assert (found.modelled, found.unidentified) == (0, found.total)


def test_scores_of_another_version_of_the_detector_bound_nothing():
    old, new = draw_scored(3, detector_version="1"), draw_scored(4, detector_version="2", audit_rate=0.0)
    cases = pl.concat([old, new.with_columns(case_id=pl.format("n{}", "case_id"))])
    found = bounded(cases).identified
    assert found.group_by("detector_version", "standing").len().sort("detector_version").rows() == [
        ("1", "modelled", newly_enforced(old).height), ("2", "unidentified", newly_enforced(new).height),
    ]  # fmt: skip


def test_a_market_with_enough_labels_is_bounded_by_its_own_alone():
    high, low = draw_scored(5, market="A"), draw_scored(6, market="B", chance=lambda s: np.clip(s - 0.45, 0, 1))
    cases = pl.concat([high, low.with_columns(case_id=pl.format("n{}", "case_id"))])
    ceilings = dict(bounded(cases).identified.group_by("market").agg(pl.col("ceiling").first()).iter_rows())
    assert ceilings["B"] < 0.35 < ceilings["A"]


def test_a_chosen_few_of_the_cases_of_their_scores_are_not_bounded_by_the_many():
    cases = draw_scored(7)
    few = newly_enforced(cases).sample(fraction=0.5, seed=0)
    assert set(bounded(cases, few).identified["standing"]) == {"unidentified"}


def test_what_people_enforced_is_bounded_by_what_people_enforced():
    by_people = (pl.col("score") > 0.8) | (pl.col("score") < 0.7)
    cases = draw_scored(8, n=12_000, audit_rate=0.9, chance=lambda s: s**3).with_columns(
        human=by_people, alpha=pl.lit(-1.0)
    )
    cases = cases.with_columns(
        pl.when(pl.col("score") > 0.7).then(c).alias(c) for c in ("audit_violating", "audit_prob")
    )
    released = cases.filter(pl.col("score").is_between(0.6, 0.7))
    found = bounded(cases, released)
    assert set(found.identified["standing"]) == {"modelled"}
    assert found.windows["score"].min() > 0.8


def test_a_window_that_audits_could_not_wholly_reach_bounds_nothing():
    cases = draw_scored(9)
    hidden = draw_scored(10, audit_rate=0.0).filter("enforced").with_columns(case_id=pl.format("h{}", "case_id"))
    found = bounded(pl.concat([cases, hidden.filter(pl.col("score") < 0.68)]))
    assert found.identified["ceiling"].max() > bounded(cases).identified["ceiling"].max()
    assert set(bounded(pl.concat([cases, hidden])).identified["standing"]) == {"unidentified"}


def test_estimable_cases_are_left_as_they_are_and_no_score_stays_unknown():
    cases = draw_scored(11)
    blank = newly_enforced(cases).with_columns(
        score=pl.when(pl.col("score") < 0.55).then(None).otherwise("score"), cell=pl.lit("blank")
    )
    raised = cases.filter(pl.col("score").is_between(0.6, 0.8)).with_columns(cell=pl.lit("released"), alpha=-1.0)
    found = bounded(cases, pl.concat([blank, raised], how="vertical_relaxed")).identified
    assert set(found.filter(pl.col("score").is_null())["standing"]) == {"unidentified"}
    assert set(found.filter(pl.col("cell") == "released")["standing"]) == {"audited", "estimable"}


def test_which_window_bounds_a_case_does_not_depend_on_what_audits_found():
    cases = draw_scored(12)
    r = np.random.default_rng(0)
    other = cases.with_columns(
        audit_violating=pl.when(pl.col("audit_violating").is_not_null()).then(
            pl.Series((r.random(cases.height) < cases["score"].to_numpy()).astype(float))
        )
    )
    columns = ["case_id", "ceiling_window", "ceiling_labels"]
    assert bounded(cases).identified.select(columns).equals(bounded(other).identified.select(columns))


def test_a_trend_that_only_the_bounding_window_makes_is_no_evidence():
    shares, labels = np.array([0.1, 0.5, 0.5, 0.5]), np.full(4, 60.0)
    assert is_monotone(shares, labels, np.array([True] * 4))
    assert not is_monotone(shares, labels, np.array([False, True, True, True]))
    assert not is_monotone(np.array([0.2, 0.9, 0.5]), labels[:3], np.array([True] * 3))


def test_bounded_cases_are_covered_and_narrower_than_the_worst_case():
    worlds, hits, widths = 60, 0, []
    for seed in range(worlds):
        cases = draw_scored(seed, n=3_000, audit_rate=0.4, chance=lambda s: np.clip(0.3 + 0.6 * (s - 0.5), 0, 1))
        affected = newly_enforced(cases, 0.55)
        found = difference(tally(bounded(cases, affected).identified), Price(wrong=1.0, missed=1.0))
        hits += found.interval[0] <= (1 - 2 * affected["latent"]).sum() <= found.interval[1]
        widths.append((found.interval[1] - found.interval[0]) / (2 * affected.height))
    assert hits >= binom.ppf(0.005, worlds, 0.95)
    assert np.median(widths) < 0.7
