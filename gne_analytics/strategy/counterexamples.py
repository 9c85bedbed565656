"""Counterexamples: real cases on which a policy is wrong, or on which the change fixes or breaks something."""

from collections.abc import Sequence

import polars as pl

from gne_analytics.evidence.proposals import Proposal
from gne_analytics.evidence.types import Edit, EditKind
from gne_analytics.policy.edits import applied
from gne_analytics.policy.files import PolicySet
from gne_analytics.strategy.backtest import On, replay_change
from gne_analytics.strategy.flows import chance
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
    ``fires_but_legitimate`` and ``misses_a_violation``: wrong under both. A case that waits for a person under either
    policy counts with the person's logged answer, and is left out where there is none. A proposal's cases count from
    its ``since`` on. Columns: bucket, case_id, violation_id, violating, label_source, score, state_today,
    state_proposed, rule_today, rule_proposed, and the attributes. Texts of the record stand as they are: escape them.
    """
    study = study or open_study(record, policies)
    edits, since = (change.edits, change.since) if isinstance(change, Proposal) else (change, None)
    flows = replay_change(edits, study, label=label, on=on, since=since).flows
    settled = pl.col("decided_violating") if label == "final_decision" else pl.lit(None, pl.Float64)
    (sure_now, open_now), (sure_then, open_then) = chance("state_today"), chance("state_proposed")
    known = flows.with_columns(
        violating=pl.coalesce(settled, "audit_violating"),
        label_source=pl.when(settled.is_not_null()).then(pl.lit("appeal_final")).otherwise(pl.lit("audit")),
    ).filter(pl.col("violating").is_in([0.0, 1.0]), open_now == 0, open_then == 0)
    wrong_now = (sure_now == 1) != (pl.col("violating") == 1)
    wrong_then = (sure_then == 1) != (pl.col("violating") == 1)
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
    shown = known.with_columns(bucket=bucket).filter(pl.col("bucket").is_not_null(), _of_the_edits(edits, study))
    columns = ["bucket", "case_id", "violation_id", "violating", "label_source", "score", "state_today",
               "state_proposed", "rule_today", "rule_proposed", *study.population.attributes]  # fmt: skip
    ordered = shown.sort("bucket", "score", "case_id", descending=[False, True, False], nulls_last=True)
    return ordered.select(columns).group_by("bucket", maintain_order=True).head(limit)


def _of_the_edits(edits: Sequence[Edit], study: Study) -> pl.Expr:
    """Say which cases the edited rules are about: those of their detectors, and those that they decide."""
    rules = {edit.rule for edit in edits if edit.rule}
    rules |= {edit.new["id"] for edit in edits if isinstance(edit.new, dict) and edit.kind is EditKind.ADD_RULE}
    if not rules:
        return pl.lit(True)
    proposed = applied(study.policies, edits)
    both = [*study.policies.rules(), *proposed.rules()]
    detectors = {rule.detector for _, rule in both if rule.id in rules and rule.detector}
    decides = pl.any_horizontal(pl.col(f"rule_{side}").is_in(list(rules)) for side in ("today", "proposed"))
    return (decides | pl.col("detector").cast(pl.String).is_in(list(detectors))).fill_null(False)
