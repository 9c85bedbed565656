"""Redundant rules: what each rule catches that no other does, how much of that is wrong, and which could go."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from gne_analytics.enforcement.replay import ACTIONS, overlap
from gne_analytics.evidence.proposals import Backtest, Proposal, Recommendation
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Edit, EditKind
from gne_analytics.policy.files import PolicySet
from gne_analytics.policy.model import Policy, Rule, Status
from gne_analytics.strategy.backtest import replay_change
from gne_analytics.strategy.contributions import loss_of
from gne_analytics.strategy.estimate import Price, difference
from gne_analytics.strategy.identify import Label
from gne_analytics.strategy.judged import judge, new_proposal
from gne_analytics.strategy.study import Study, study_of
from gne_analytics.tables.record import Record

CHANGES_NONE = "Other rules act on every case of the record that it catches, so its removal changes none of them."
MAKES_MILDER = "some cases it catches would get a milder action, which has no price"


@dataclass(frozen=True, repr=False)
class Retirement:
    """Every live rule beside the others, and proposals to retire those that bring nothing."""

    table: pl.DataFrame
    """One row per live rule, the least of its own first: ``rule``, ``policy``, ``cases`` that it catches, ``alone``
    (no other rule fires), ``decisive`` (without it the action is milder or none), ``nearest`` (the rule that shares
    most of its cases) and ``shared`` with it, ``freed`` (cases that nothing would act on), ``wrongful`` (the legitimate
    share of the freed ones) with ``_lo`` and ``_hi`` and ``coverage``, on the sellers not searched, ``proposed``, and
    ``why`` it is, or is not."""
    proposals: tuple[Proposal, ...]
    backtests: tuple[Backtest, ...]
    """Of the proposals, in their order."""

    def __repr__(self) -> str:
        named = ", ".join(f"{p.edits[0].rule} ({p.recommendation.value.replace('_', ' ')})" for p in self.proposals)
        return f"{self.table.height} live rules; to retire: {named or 'none'}."


def retirement(
    record: Record | Study,
    policies: PolicySet | None = None,
    *,
    store: EvidenceStore,
    label: Label = "final_decision",
) -> Retirement:
    """Find the rules whose removal costs nothing or lowers the loss, and propose to retire them one by one.

    A rule is taken up where, on the sellers to search on, its removal does not raise the loss; rules already taken up
    count as gone, so that of two that cover each other one stays. What is proposed is judged by its backtest on the
    other sellers, like any change. Rules of protected policies stay.

    Args:
        record: what happened, or the record already replayed.
        policies: today's policy set; not needed beside a study.
        store: where the figures are recorded.
        label: the target, as in ``backtest``.
    """
    study = study_of(record, policies)
    own = {row["rule_id"]: row for row in overlap(study.today.firings).iter_rows(named=True)}
    nearest = _nearest(study.today.firings)
    live = [(p, r) for p, r in study.policies.rules() if r.status is Status.LIVE]
    live.sort(key=lambda pair: (own.get(pair[1].id, NOT_FIRING)["decisive"], pair[1].id))
    gone: list[Edit] = []
    proposals: list[Proposal] = []
    tests: list[Backtest] = []
    rows = []
    for policy, rule in live:
        edit = retire(policy, rule)
        counts = own.get(rule.id, NOT_FIRING)
        why = _why_not(policy, edit, gone, study, label)
        if not why:
            gone.append(edit)
            made, test = _proposal(edit, policy, counts, study, store, label)
            proposals.append(made)
            tests.append(test)
        near, shared = nearest.get(rule.id, ("", 0))
        rows.append(
            {
                "rule": rule.id,
                "policy": policy.id,
                **{name: int(counts[name]) for name in ("cases", "alone", "decisive")},
                "nearest": near,
                "shared": shared,
                **_freed(edit, study, label),
                "proposed": not why,
                "why": why or "its removal costs nothing or lowers the loss on the sellers searched",
            }
        )
    return Retirement(pl.DataFrame(rows, schema=SCHEMA), tuple(proposals), tuple(tests))


NOT_FIRING = {"cases": 0, "alone": 0, "decisive": 0}
SCHEMA = {
    "rule": pl.String, "policy": pl.String, "cases": pl.Int64, "alone": pl.Int64, "decisive": pl.Int64,
    "nearest": pl.String, "shared": pl.Int64, "freed": pl.Int64, "wrongful": pl.Float64, "wrongful_lo": pl.Float64,
    "wrongful_hi": pl.Float64, "coverage": pl.Float64, "proposed": pl.Boolean, "why": pl.String,
}  # fmt: skip


def retire(policy: Policy, rule: Rule) -> Edit:
    """Return the edit that takes a rule out of force and keeps its text."""
    return Edit(
        kind=EditKind.SET_STATUS, policy=policy.id, rule=rule.id, old=rule.status.value, new=Status.RETIRED.value,
        reason="what it catches, others catch too, or it is more often wrong than right",
    )  # fmt: skip


def _nearest(firings: pl.DataFrame) -> dict[str, tuple[str, int]]:
    """Return for each rule the one that fires on most of its cases, and on how many."""
    fired = firings.select("case_id", "rule_id").unique()
    pairs = fired.join(fired, on="case_id", suffix="_other").filter(pl.col("rule_id") != pl.col("rule_id_other"))
    counted = pairs.group_by("rule_id", "rule_id_other").agg(n=pl.len().cast(pl.Int64))
    ranked = counted.sort("n", "rule_id_other", descending=[True, False]).unique(
        "rule_id", keep="first", maintain_order=True
    )
    return {rule: (other, n) for rule, other, n in ranked.iter_rows()}


def _why_not(policy: Policy, edit: Edit, gone: Sequence[Edit], study: Study, label: Label) -> str:
    """Say why a rule is kept; empty where its removal, after those already gone, does not raise the searched loss.

    By the worst reading of what is unknown: cases without labels are no reason to let a rule go.
    """
    if policy.protected:
        return "its policy is protected"
    before, after = (loss_of(edits, study, on="search", label=label).high for edits in (gone, [*gone, edit]))
    if after > before + 1e-9:
        return "its removal raises the loss on the sellers searched"
    if after >= before - 1e-9 and _milder([*gone, edit], study) > _milder(gone, study):
        return MAKES_MILDER
    return ""


def _milder(gone: Sequence[Edit], study: Study) -> int:
    """Count the cases that are acted on still, and more mildly, once some rules are gone."""
    level = pl.col("action").cast(ACTIONS).to_physical().max()
    now = study.today.firings.group_by("case_id").agg(now=level)
    left = study.today.firings.filter(~pl.col("rule_id").is_in([edit.rule for edit in gone]))
    return (
        now.join(left.group_by("case_id").agg(then=level), on="case_id").filter(pl.col("then") < pl.col("now")).height
    )


def _freed(edit: Edit, study: Study, label: Label) -> dict[str, float | None]:
    """Return how many cases only this rule acts on, and the legitimate share of them."""
    done = replay_change([edit], study, label=label, on="confirm")
    freed = int((done.flows["flow"] == "released").sum())
    n = float(done.domains.cases.sum() + done.domains.unknown.sum())
    if not n:
        return {"freed": freed, "wrongful": None, "wrongful_lo": None, "wrongful_hi": None, "coverage": None}
    found = difference(done.domains, Price(wrong=1.0), done.reviewers)
    lo, hi = sorted((-found.interval[0] / n, -found.interval[1] / n))
    value = -(found.low + found.high) / 2 / n
    limits = {"wrongful_lo": max(0.0, lo), "wrongful_hi": min(1.0, hi)}
    return {"freed": freed, "wrongful": value, **limits, "coverage": done.identification.coverage}


def _proposal(
    edit: Edit, policy: Policy, counts: dict[str, int], study: Study, store: EvidenceStore, label: Label
) -> tuple[Proposal, Backtest]:
    rule, cases = store.add(edit.rule, "name"), store.add(counts["cases"], "count", tool="overlap")
    decisive = store.add(counts["decisive"], "count", tool="overlap")
    said = f"Rule {rule.ref()} fires on {cases.ref()} cases and alone decides the action of {decisive.ref()}."
    made = new_proposal([edit], policy, study, [said], (rule.id, cases.id, decisive.id))
    judged, test = judge(made, study, store, label=label)
    if not test.identification.total and test.recommendation is Recommendation.CANNOT_TELL:
        judged = judged.model_copy(update={"rationale": (*made.rationale, CHANGES_NONE)})
    return judged, test
