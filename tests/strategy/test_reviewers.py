import numpy as np
import polars as pl
import pytest

from gne_analytics.strategy.flows import REVIEW
from gne_analytics.strategy.reviewers import like, reviewer_rates


def reviewed(n, low, high, *, market="ID", rule="r", seed=0):
    """Draw reviewed cases: people enforce 95 in 100 violations and 20 in 100 legitimate cases; all are audited."""
    r = np.random.default_rng(seed)
    y = r.random(n) < 0.5
    enforced = r.random(n) < np.where(y, 0.95, 0.2)
    return pl.DataFrame(
        {
            "state_today": REVIEW, "rule_today": rule, "market": market, "score": r.uniform(low, high, n),
            "enforced": enforced, "human": enforced, "audit_violating": y.astype(float), "audit_prob": 1.0,
            "decided_violating": pl.Series([None] * n, dtype=pl.Float64),
        }
    )  # fmt: skip


def rerouted(low, high, n=50):
    return pl.DataFrame({"rule_proposed": "r", "market": "ID", "score": np.linspace(low, high, n)})


def test_reviewers_are_learnt_from_their_work_on_the_same_segment_and_score_band():
    cases = reviewed(800, 0.7, 0.9)
    known = reviewer_rates(like(rerouted(0.75, 0.85), cases, ["market"]), cases)
    assert known.wrong.value == pytest.approx(0.2, abs=0.06)
    assert known.right.value == pytest.approx(0.95, abs=0.04)


@pytest.mark.parametrize(
    "cases",
    [reviewed(800, 0.7, 0.82), reviewed(800, 0.7, 0.99, market="TH"), reviewed(800, 0.7, 0.99, rule="other")],
    ids=["another score band", "another segment", "another rule"],
)
def test_work_on_other_cases_tells_nothing_of_them(cases):
    found = reviewer_rates(like(rerouted(0.82, 0.95), cases, ["market"]), cases)
    assert (found.wrong, found.right) == (None, None)


def test_too_few_labels_on_what_reviewers_let_pass_tell_nothing():
    cases = reviewed(800, 0.7, 0.9).filter(pl.col("enforced") | (pl.int_range(pl.len()) < 20))
    found = reviewer_rates(like(rerouted(0.75, 0.85), cases, ["market"]), cases)
    assert (found.wrong, found.right) == (None, None)


def test_appeals_tell_nothing_of_reviewers():
    refused = pl.when(pl.col("enforced") & (pl.int_range(pl.len()) % 2 == 0)).then(1.0)  # rightly or not
    cases = reviewed(800, 0.7, 0.9)
    known, with_appeals = (reviewer_rates(c, c) for c in (cases, cases.with_columns(decided_violating=refused)))
    assert (with_appeals.wrong, with_appeals.right) == (known.wrong, known.right)


def test_audits_of_decided_appeals_tell_how_these_err():
    rows = [(0.0, 1.0, 0.1), (0.0, 0.0, 0.5), (0.0, 0.0, 0.5), (1.0, 0.0, 0.5), (1.0, 1.0, 0.25), (1.0, 1.0, 0.5)]
    cases = pl.DataFrame(rows, schema=["decided_violating", "audit_violating", "audit_prob"], orient="row")
    none = reviewed(10, 0.7, 0.9)
    found = reviewer_rates(none, cases)
    assert found.overturned.value == pytest.approx(10 / 14)
    assert found.overturned.labels == pytest.approx(14**2 / (100 + 4 + 4))
    assert found.upheld.value == pytest.approx(2 / 8)
    assert reviewer_rates(none, none).overturned is None
