"""Replay: what a policy set does to the cases of a record."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from gne_analytics.errors import DataError
from gne_analytics.policy.files import PolicySet
from gne_analytics.policy.model import Action, Policy, Rule
from gne_analytics.policy.resolve import resolve

ACTIONS: Final = pl.Enum([action.value for action in Action])
"""Actions in order of strictness."""


@dataclass(frozen=True)
class Replay:
    """Every firing, the decision per case, and the cases that no rule could judge."""

    firings: pl.DataFrame
    """case_id, rule_id, policy_id, clause_id, policy_revision, action, review, threshold, override_id, points."""
    decisions: pl.DataFrame
    """case_id, action (null: none), rule_id, policy_id, review; one row per case, in the record's order."""
    untouched_no_score: int
    """Cases without a score from the detector of any rule."""
    no_score: Mapping[str, int]
    """Rule id -> cases without a score from its detector."""

    def __repr__(self) -> str:
        acted = self.decisions["action"].count()
        return f"Replay({self.decisions.height} cases, {acted} acted on, {self.firings.height} firings)"


def replay(
    policies: PolicySet, cases: pl.DataFrame, *, at: date | None = None, statuses: Collection[str] = ("live",)
) -> Replay:
    """Replay a policy set over cases; the strictest action decides each and the other firings are kept.

    Of equally strict firings an automatic one decides before a reviewed one, then the first rule of the set.

    Args:
        policies: the set.
        cases: ``case_id``, ``detector``, ``score``, and what the predicates name; ``event_date`` where ``at`` is None.
        at: the day for the expiry of exemptions; None: each case's own.
        statuses: which rules act; add ``shadow`` to see what a shadow rule would do.
    """
    for needed in ("case_id", "detector", "score"):
        if needed not in cases.columns:
            raise DataError.missing_column("cases", needed, cases.columns)
    acting = [(policy, rule) for policy, rule in policies.rules() if rule.status in statuses]
    scored = cases.filter(pl.col("score").is_not_null() & pl.col("score").cast(pl.Float64).is_not_nan())
    parts = [_firings(policy, rule, cases, at, order) for order, (policy, rule) in enumerate(acting)]
    firings = pl.concat(parts) if parts else _firing_schema(cases).clear()
    by_strictness = [pl.col("action").cast(ACTIONS), pl.col("review"), pl.col("_order")]
    ranked = firings.sort(by_strictness, descending=[True, False, False], maintain_order=True)
    decided = ranked.unique("case_id", keep="first", maintain_order=True)
    decisions = cases.select("case_id").unique(maintain_order=True)
    outcome = decided.select("case_id", "action", "rule_id", "policy_id", "review")
    decisions = decisions.join(outcome, on="case_id", how="left", maintain_order="left")
    readable = scored.filter(pl.col("detector").cast(pl.String).is_in([r.detector for _, r in acting if r.detector]))
    return Replay(
        firings=firings.drop("_order"),
        decisions=decisions.with_columns(pl.col("review").fill_null(False)),
        untouched_no_score=cases["case_id"].n_unique() - readable["case_id"].n_unique(),
        no_score=_no_score(acting, cases, scored),
    )


def overlap(firings: pl.DataFrame) -> pl.DataFrame:
    """Return how much of each rule is its own: rule_id, cases, alone, decisive; most cases first.

    ``alone``: no other rule fires on the case. ``decisive``: without the rule the case's action would be milder or
    none, its unique contribution.
    """
    level = pl.col("action").cast(ACTIONS).to_physical().max()
    per_rule = firings.group_by("case_id", "rule_id").agg(level=level)
    strictest = pl.col("level") == pl.col("level").max().over("case_id")
    marked = per_rule.with_columns(
        alone=pl.len().over("case_id") == 1,
        decisive=strictest & (strictest.sum().over("case_id") == 1),
    )
    own = [pl.col(name).sum().cast(pl.Int64) for name in ("alone", "decisive")]
    counts = marked.group_by("rule_id").agg(pl.len().cast(pl.Int64).alias("cases"), *own)
    return counts.sort("cases", "rule_id", descending=[True, False])


def _firings(policy: Policy, rule: Rule, cases: pl.DataFrame, at: date | None, order: int) -> pl.DataFrame:
    """Return one rule's firings, in the order of the cases."""
    mine = cases if rule.detector is None else cases.filter(pl.col("detector").cast(pl.String) == rule.detector)
    said = resolve(rule, mine, at)
    fired = mine.select("case_id").hstack(said.select("threshold", "override_id", "human_review")).filter(said["fires"])
    return fired.select(
        "case_id",
        pl.lit(rule.id).alias("rule_id"),
        pl.lit(policy.id).alias("policy_id"),
        pl.lit(rule.clause).alias("clause_id"),
        pl.lit(policy.revision).alias("policy_revision"),
        pl.lit(rule.action.value).alias("action"),
        pl.col("human_review").alias("review"),
        "threshold",
        "override_id",
        pl.lit(rule.points, dtype=pl.Int64).alias("points"),
        pl.lit(order, dtype=pl.Int32).alias("_order"),
    )


def _firing_schema(cases: pl.DataFrame) -> pl.DataFrame:
    texts = ("rule_id", "policy_id", "clause_id", "policy_revision", "action")
    schema: dict[str, pl.DataType | type[pl.DataType]] = {"case_id": cases.schema["case_id"]}
    schema |= dict.fromkeys(texts, pl.String) | {"review": pl.Boolean, "threshold": pl.Float64}
    schema |= {"override_id": pl.String, "points": pl.Int64, "_order": pl.Int32}
    return pl.DataFrame(schema=schema)


def _no_score(acting: list[tuple[Policy, Rule]], cases: pl.DataFrame, scored: pl.DataFrame) -> dict[str, int]:
    total = cases["case_id"].n_unique()
    per_detector = scored.group_by(pl.col("detector").cast(pl.String)).agg(pl.col("case_id").n_unique())
    have: dict[str | None, int] = dict(per_detector.iter_rows())
    return {rule.id: total - have.get(rule.detector, 0) for _, rule in acting if rule.detector is not None}
