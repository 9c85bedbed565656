"""Cheap worlds whose truth is known: cases that a change of policy touches, with appeals and audits drawn from it."""

import numpy as np
import polars as pl


def affected_cases(seed, n=1500, *, violating=0.6, audit_rate=0.05, contested=0.4, flow="released", alpha=-1.0, beta=0.0):
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
