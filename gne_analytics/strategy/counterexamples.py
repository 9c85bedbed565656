"""Counterexamples: real cases on which a policy is wrong, or on which the change fixes or breaks something."""

from collections.abc import Sequence

import polars as pl

from gne_analytics.evidence.types import Edit, Proposal
from gne_analytics.policy.files import PolicySet
from gne_analytics.strategy.backtest import On, replay_change
from gne_analytics.strategy.flows import NOTHING
from gne_analytics.strategy.identify import Label
from gne_analytics.strategy.study import Study, open_study
from gne_analytics.tables.record import Record


def counterexamples(
    change: Proposal | Sequence[Edit],
    record: Record,
    policies: PolicySet,
    *,
    label: Label = "final_decision",
    on: On = "all",
    limit: int = 20,
    study: Study | None = None,
) -> pl.DataFrame:
    """Return cases whose truth is known, in four buckets, at most ``limit`` each, the highest scores first.

    ``candidate_fixes`` and ``candidate_breaks``: right under one policy and wrong under the other.
    ``fires_but_legitimate`` and ``misses_a_violation``: wrong under both. Columns: bucket, case_id, violation_id,
    violating, label_source, score, state_today, state_proposed, rule_today, rule_proposed, and the attributes.
    """
    study = study or open_study(record, policies)
    edits = change.edits if isinstance(change, Proposal) else change
    flows = replay_change(edits, study, label=label, on=on).flows
    settled = pl.col("decided_violating") if label == "final_decision" else pl.lit(None, pl.Float64)
    known = flows.with_columns(
        violating=pl.coalesce(settled, "audit_violating"),
        label_source=pl.when(settled.is_not_null()).then(pl.lit("appeal_final")).otherwise(pl.lit("audit")),
    ).filter(pl.col("violating").is_in([0.0, 1.0]))
    wrong_now = (pl.col("state_today") != NOTHING) != (pl.col("violating") == 1)
    wrong_then = (pl.col("state_proposed") != NOTHING) != (pl.col("violating") == 1)
    bucket = (
        pl.when(wrong_now & ~wrong_then)
        .then(pl.lit("candidate_fixes"))
        .when(~wrong_now & wrong_then)
        .then(pl.lit("candidate_breaks"))
        .when(wrong_then & (pl.col("violating") == 0))
        .then(pl.lit("fires_but_legitimate"))
        .when(wrong_then)
        .then(pl.lit("misses_a_violation"))
    )
    rules = [edit.rule for edit in edits if edit.rule]
    detectors = [r.detector for _, r in study.policies.rules() if r.id in rules and r.detector]
    shown = known.with_columns(bucket=bucket).filter(pl.col("bucket").is_not_null())
    if detectors:
        shown = shown.filter(pl.col("detector").cast(pl.String).is_in(detectors))
    columns = ["bucket", "case_id", "violation_id", "violating", "label_source", "score", "state_today",
               "state_proposed", "rule_today", "rule_proposed", *study.population.attributes]  # fmt: skip
    ordered = shown.sort("bucket", "score", "case_id", descending=[False, True, False], nulls_last=True)
    return ordered.select(columns).group_by("bucket", maintain_order=True).head(limit)
