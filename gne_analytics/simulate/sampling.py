"""What else tells the truth: audits drawn with logged probabilities, and signals from outside."""

import json
import random

import numpy as np
import polars as pl

from gne_analytics.evidence.segment import Segment
from gne_analytics.policy.predicates import compile as compile_predicate
from gne_analytics.policy.predicates import predicate_of
from gne_analytics.simulate import texts
from gne_analytics.simulate.draws import Bools, Ints
from gne_analytics.simulate.outcomes import DAY
from gne_analytics.simulate.record import SUBJECT, Happened

AUDIT_PROBABILITY: dict[str, float] = {
    "enforced_changed": 0.40,
    "enforced_appealed": 0.25,
    "enforced": 0.06,
    "passed_changed": 0.15,
    "passed_near": 0.05,
    "passed_far": 0.012,
}
"""Stratum -> its sampling probability, the first that fits: what was enforced, what passed within .15 of a threshold or
far below, and the cases that a recent change touched, which quality assurance watches more closely."""
WATCHED = ("policy", "detector", "template", "process")
"""Kinds of change after which sampling is stepped up in their scope; a change of everything steps up nothing."""
WATCH_WEEKS = 24
AUDIT_ERROR = 0.02
DOUBLE_AUDITS = 0.12
NEAR = 0.50
SIGNAL_KINDS = ("user_report", "rights_holder", "test_buy", "authority")


def audits(h: Happened, changes: pl.DataFrame) -> pl.DataFrame:
    """The audits table. The draw knows the appeal, the score and the log of changes, nothing of the truth."""
    enforced = h.enforced
    appealed = enforced & h.first.filed & (h.first.filed_at < h.end)
    near = ~enforced & (h.cases["score"].to_numpy() >= NEAR)
    changed = watched(h, changes)
    stratum = np.select(
        [enforced & changed, appealed, enforced, near & changed, near],
        ["enforced_changed", "enforced_appealed", "enforced", "passed_changed", "passed_near"],
        "passed_far",
    )
    probability = np.array([AUDIT_PROBABILITY[s] for s in stratum])
    at = h.decided["decided_seconds"].to_numpy() + h.noise.heavy("audit.delay", 9 * DAY, 0.5)
    drawn = np.flatnonzero((h.noise.uniform("audit") < probability) & (at < h.end))
    noise, knobs = h.noise.kept(drawn), h.knobs.kept(drawn)
    wrong = np.clip(AUDIT_ERROR + knobs["audit_flip"], 0, 0.5)
    parts = []
    for number in (1, 2):
        label = h.violating[drawn] ^ (noise.uniform(f"audit.label.{number}") < wrong)
        later = at[drawn] + (number - 1) * 2 * DAY
        chosen = np.flatnonzero(
            (noise.uniform("audit.double") < (1.0 if number == 1 else DOUBLE_AUDITS)) & (later < h.end)
        )
        rows = drawn[chosen]
        case_id = h.cases["case_id"][rows]
        parts.append(
            pl.DataFrame(
                {
                    "audit_id": case_id.to_frame()
                    .select(pl.lit("Q") + pl.col("case_id").str.slice(1) + pl.lit(f"-{number}"))
                    .to_series(),
                    "case_id": case_id,
                    "violation_id": _violation(h, rows, enforced[rows]),
                    "audited_at": h.when(later[chosen]),
                    "violating": pl.Series(label[chosen]),
                    "audit_prob": pl.Series(probability[rows]),
                    "stratum": pl.Series(stratum[rows].tolist(), dtype=pl.String),
                }
            )
        )
    return pl.concat(parts).sort("audited_at", "audit_id")


def watched(h: Happened, changes: pl.DataFrame) -> Bools:
    """Which cases a logged change touched in the weeks before them: by its scope alone, whether it did harm or none."""
    decided = h.decided.select("rule_id", "clause_id", decided_policy="policy_id")
    cases = h.cases.hstack(decided).with_columns(policy_id=pl.coalesce("decided_policy", "policy"))
    found = np.zeros(cases.height, dtype=np.bool_)
    for at, scope in (
        changes.filter(pl.col("kind").is_in(WATCHED), pl.col("scope") != "{}").select("at", "scope").rows()
    ):
        since = (at - h.calendar.start).days // 7
        inside = compile_predicate(predicate_of(Segment.of(json.loads(scope)))).mask(cases)
        found |= (inside & cases["week"].is_between(since, since + WATCH_WEEKS, closed="left")).to_numpy()
    return found


def signals(h: Happened) -> pl.DataFrame:
    """The signals table: reports on true violations, caught or not, and a few on legitimate goods."""
    u = h.noise.uniform("signal")
    exposed = np.where(h.violating, 0.035, 0.012) + h.knobs["signals"]
    enforced = h.enforced
    at = h.cases["seconds"].to_numpy() + h.noise.heavy("signal.delay", 2.5 * DAY, 1.0)
    rows = np.flatnonzero((u < exposed) & (at < h.end))
    kind = h.noise.uniform("signal.kind")[rows]
    policies = h.cases["policy"][rows]
    gaps = {name: turned[rows] > 0 for name, turned in h.knobs.starting("gap_").items()}
    case_ids = h.cases["case_id"][rows]
    kinds = [SIGNAL_KINDS[int(np.searchsorted([0.66, 0.84, 0.96], k))] for k in kind]
    topics = [next((g for g, on in gaps.items() if on[i]), policy) for i, policy in enumerate(policies)]
    text = [
        texts.signal(topic, k, random.Random(f"{h.seed}/{case_id}/signal"))  # noqa: S311 - a simulation
        for topic, k, case_id in zip(topics, kinds, case_ids, strict=True)
    ]
    return (
        pl.DataFrame(
            {
                "signal_id": case_ids.to_frame().select(pl.lit("G") + pl.col("case_id").str.slice(1)).to_series(),
                "at": h.when(at[rows]),
                "kind": pl.Series(kinds, dtype=pl.String),
                "text": pl.Series(text, dtype=pl.String),
            }
        )
        .hstack(h.cases[rows].select(*SUBJECT))
        .hstack([_violation(h, rows, enforced[rows])])
        .sort("at", "signal_id")
    )


def _violation(h: Happened, rows: Ints, enforced: Bools) -> pl.Series:
    ids = h.cases["case_id"][rows].to_frame().with_columns(e=pl.Series(enforced, dtype=pl.Boolean))
    return ids.select(violation_id=pl.when("e").then(pl.lit("V") + pl.col("case_id").str.slice(1))).to_series()
