"""Worlds shared by the tests of strategy: simulated once, with their truth, which only tests may read."""

import numpy as np
import polars as pl
import pytest

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
