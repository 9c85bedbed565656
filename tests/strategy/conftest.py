"""Worlds shared by the tests of strategy: simulated once, with their truth, which only tests may read."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from gne_analytics.enforcement.replay import replay
from gne_analytics.policy.files import from_files
from gne_analytics.simulate.worlds import simulate
from gne_analytics.strategy import open_study
from gne_analytics.tables import record_from_frames


class Known:
    """A record, its policy set and study, and what every case really is."""

    def __init__(self, kind, seed, violations=5_000):
        world = simulate(kind, seed=seed, violations=violations)
        self.planted = world.truth.incidents
        self.policies = world.policies
        self.record = record_from_frames(dict(world.tables))
        self.study = open_study(self.record, self.policies)
        self.latent = world.truth.latent.select("case_id", latent=pl.col("violating").cast(pl.Float64))

    def true_differences(self, moved, label):
        """Return the true change of wrongful enforcement and of missed violations over moved cases."""
        decided = pl.col("decided_violating") if label == "final_decision" else pl.lit(None, pl.Float64)
        frame = moved.join(self.latent, on="case_id", how="left").with_columns(y=pl.coalesce(decided, "latent"))
        assert frame["y"].null_count() == 0
        wrong = (pl.col("alpha") * (1 - pl.col("y"))).sum()
        return frame.select(wrong, missed=-(pl.col("alpha") * pl.col("y")).sum()).row(0)


@pytest.fixture(scope="session")
def quiet():
    return Known("quiet", 3)


@pytest.fixture(scope="session")
def lowered_threshold():
    return Known("incident:threshold:large", 0, 12_000)


@pytest.fixture(scope="session")
def demo():
    return Known("demo", 7, None)


def draw_affected(
    seed, n=1500, *, violating=0.6, audit_rate=0.05, contested=0.4, flow="released", alpha=-1.0, beta=0.0
):
    """Draw affected cases: sellers appeal by truth, appeals err a little, audits have logged, uneven probabilities."""
    r = np.random.default_rng(seed)
    score = r.random(n)
    y = r.random(n) < np.clip(violating + 0.5 * (score - 0.5), 0, 1)
    appealed = r.random(n) < np.where(y, contested / 3, contested)
    decided = appealed & (r.random(n) < 0.8)
    outcome = np.where(r.random(n) < 0.95, y, ~y).astype(float)
    prob = np.clip(audit_rate * np.where(score < 0.5, 1.5, 0.5), 0.001, 1)
    audited = r.random(n) < prob
    return pl.DataFrame(
        {
            "case_id": [f"c{i:05d}" for i in range(n)], "cell": flow, "policy": "p", "appealed": appealed,
            "decided_violating": pl.Series(np.where(decided, outcome, np.nan)).fill_nan(None),
            "audit_violating": pl.Series(np.where(audited, y, np.nan).astype(float)).fill_nan(None),
            "audit_prob": pl.Series(np.where(audited, prob, np.nan)).fill_nan(None),
            "score": score, "alpha": alpha, "beta": beta,
            "latent": y.astype(float), "final": np.where(decided, outcome, y),
        }
    )  # fmt: skip


@pytest.fixture(scope="session")
def affected_cases():
    return draw_affected


@pytest.fixture(scope="session")
def known_world():
    return Known


POLICY = """id: p
revision: "1"
owner: o
title: t
severity: low
protected: {protected}
clauses: [{{id: c, text: t}}]
rules:
{rules}
"""


class Market:
    """A marketplace small enough to count by hand: every case is scored and audited, so that its truth is known."""

    def __init__(self, cases, rules, *, protected=False, objectives="", audit_prob=1.0, seed=0):
        self.cases = cases
        files = {"policies/p.yaml": POLICY.format(protected=str(protected).lower(), rules=rules)}
        if objectives:
            files["objectives.yaml"] = objectives
        self.policies = from_files(files)
        at = datetime(2026, 5, 1, 12, tzinfo=UTC)
        rows = cases.with_columns(assessed_at=pl.lit(at), seller_id=pl.format("s{}", pl.col("case_id")))
        scores = rows.drop("violating", "audited", strict=False)
        log = replay(self.policies, scores.with_columns(event_date=at.date())).decisions.filter(
            pl.col("action").is_not_null() & ~pl.col("review")
        )
        kept = scores.join(log.drop("policy_id", "review"), on="case_id").rename({"assessed_at": "decided_at"})
        violations = kept.with_columns(
            violation_id=pl.format("v{}", pl.col("case_id")), policy_id=pl.lit("p"), policy_revision=pl.lit("1")
        )
        drawn = rows.filter("audited") if "audited" in rows.columns else rows
        audits = drawn.select("case_id", "violating", audit_id=pl.format("a{}", pl.col("case_id")), audited_at=at)
        tables = {"violations": violations, "assessments": scores, "audits": audits.with_columns(audit_prob=audit_prob)}
        self.record = record_from_frames(tables)
        self.study = open_study(self.record, self.policies)

    def half(self, part):
        """Return the cases of the sellers to search on (0) or to confirm on (1)."""
        mine = self.study.population.cases.filter(pl.col("part") == part).select("case_id")
        return list(self.cases.join(mine, on="case_id", how="semi").sort("case_id").iter_rows(named=True))


def scored_cases(seed, n, *, markets=("A", "B", "C"), slope=1.0, **columns):
    """Draw cases whose chance of a violation rises with the score, more in the later markets."""
    r = np.random.default_rng(seed)
    market = r.choice(list(markets), n)
    score = r.integers(6, 20, n) / 20
    lift = np.array([list(markets).index(m) for m in market]) * 0.1
    return pl.DataFrame(
        {
            "case_id": [f"{i:05d}" for i in range(n)], "detector": "d", "score": score, "market": market,
            "violating": r.random(n) < np.clip(slope * score - 0.1 + lift, 0, 1), **columns,
        }
    )  # fmt: skip


@pytest.fixture(scope="session")
def small_market():
    return Market


@pytest.fixture(scope="session")
def draw_cases():
    return scored_cases
