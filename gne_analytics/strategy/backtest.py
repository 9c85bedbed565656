"""Backtest: what a policy change would have done to the record, with truth accounting."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import polars as pl

from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import (
    Backtest,
    Edit,
    Estimate,
    Guardrail,
    Identification,
    Interval,
    LabelSource,
    Outcome,
    Proposal,
    Recommendation,
)
from gne_analytics.policy.files import PolicySet
from gne_analytics.policy.model import Objective
from gne_analytics.strategy.estimate import Bounded, Domains, Price, Reviewers, difference, tally
from gne_analytics.strategy.flows import NOTHING, REVIEW, count_flow
from gne_analytics.strategy.guardrails import check_capacity, check_slices, seller_age
from gne_analytics.strategy.identify import Label, count_standings, identify
from gne_analytics.strategy.kinds import PRICELESS, is_replayable, proposal_id
from gne_analytics.strategy.limits import assumptions_of, limits_of
from gne_analytics.strategy.recommend import recommend
from gne_analytics.strategy.reviewers import like, reviewer_rates
from gne_analytics.strategy.study import Study, open_study
from gne_analytics.tables.record import Record

On = Literal["all", "search", "confirm"]


@dataclass(frozen=True)
class Replayed:
    """A change replayed and identified: what outcomes, guardrails and counterexamples are made of."""

    flows: pl.DataFrame
    """The case table (of the sellers it is judged on) with every case's flow."""
    moved: pl.DataFrame
    """The cases whose decision changes, identified."""
    domains: Domains
    reviewers: Reviewers
    identification: Identification


def backtest(
    change: Proposal | Sequence[Edit],
    record: Record,
    policies: PolicySet,
    *,
    store: EvidenceStore,
    label: Label = "final_decision",
    seed: int = 0,
    on: On | None = None,
    since: date | None = None,
    study: Study | None = None,
) -> Backtest:
    """Replay a change over the record and say what it would have done, how sure that is, and what is unknown.

    Args:
        change: a proposal, or edits.
        record: what happened.
        policies: today's policy set, against which the edits were made.
        store: where every figure is recorded.
        label: ``final_decision`` (appeals as decided, audits for the rest) or ``latent`` (audits alone).
        seed: kept in the evidence; nothing here is random.
        on: all cases, or only the sellers that a search has not seen. A proposal is judged on the latter by default,
            since its figures on the others would flatter it.
        since: leave out the cases before this day; a proposal brings its own.
        study: the record already replayed (``open_study``), to save time.

    Example:
        >>> backtest([edit], record, policies, store=EvidenceStore()).recommendation  # doctest: +SKIP
        <Recommendation.RECOMMEND: 'recommend'>
    """
    edits = tuple(change.edits if isinstance(change, Proposal) else change)
    identity = change.id if isinstance(change, Proposal) else proposal_id(edits, policies.hash)
    chosen: On = on or ("confirm" if isinstance(change, Proposal) else "all")
    study = study or open_study(record, policies)
    if not any(is_replayable(edit) for edit in edits):
        return _unreplayable(identity, study, label)
    start = since or (change.since if isinstance(change, Proposal) else None)
    done = replay_change(edits, study, label=label, on=chosen, since=start)
    objectives = {
        p: policies.objectives.of(p) for p in dict.fromkeys([*done.domains.policy, *(e.policy for e in edits)])
    }
    outcomes = _outcomes(done, objectives)
    guardrails = _guardrails(done, study, objectives, edits, label)
    agreement = tuple(study.agreement(rule) for rule in _rules(edits, study))
    untried = 0 if done.reviewers.wrong and done.reviewers.right else int((done.moved["beta"] != 0).sum())
    verdict = recommend(outcomes[-1], done.identification, guardrails, agreement, store, untried)
    limits, cited = limits_of(done.flows, edits, study, chosen, start, store)
    assumptions = assumptions_of(done.identification, done.reviewers, label, store)
    return Backtest(
        proposal_id=identity,
        since=start,
        label=label,
        cases=done.flows.height,
        flow=count_flow(done.flows),
        identification=done.identification,
        outcomes=outcomes,
        guardrails=guardrails,
        agreement=agreement,
        usual_numbers=usual_numbers(done.flows),
        assumptions=assumptions,
        limits=limits,
        recommendation=verdict.recommendation,
        why=verdict.why,
        evidence=(*_record(outcomes, identity, label, seed, chosen, store), *verdict.evidence, *cited),
    )


def replay_change(
    edits: Sequence[Edit], study: Study, *, label: Label, on: On = "all", since: date | None = None
) -> Replayed:
    """Replay edits, find the cases whose decision changes, and say what is known of each."""
    flows = study.flows([edit for edit in edits if edit.kind not in PRICELESS])
    reviewers = Reviewers()
    cell = pl.format("{}|{}|{}|{}", pl.col("policy"), pl.col("flow"), pl.col("alpha"), pl.col("beta"))
    flows = flows.with_columns(cell=cell, seller_age=seller_age())
    touched = flows.filter((pl.col("beta") != 0) & pl.col("affected"))
    if touched.height:
        reviewers = reviewer_rates(like(touched, flows, study.population.attributes), label)
    if on != "all":
        flows = flows.filter(pl.col("part") == (1 if on == "confirm" else 0))
    if since is not None:
        flows = flows.filter(pl.col("event_date") >= since)
    moved = identify(flows.filter((pl.col("alpha") != 0) | (pl.col("beta") != 0)), label)
    return Replayed(flows, moved, tally(moved), reviewers, count_standings(_with_reviewers(moved, reviewers)))


def _with_reviewers(moved: pl.DataFrame, reviewers: Reviewers) -> pl.DataFrame:
    """Take their standing from rerouted cases where nothing tells how reviewers would decide the like."""
    if reviewers.wrong is not None and reviewers.right is not None:
        return moved
    return moved.with_columns(standing=pl.when(pl.col("beta") != 0).then(pl.lit("unidentified")).otherwise("standing"))


def _outcomes(done: Replayed, objectives: Mapping[str, Objective]) -> tuple[Outcome, ...]:
    cost = {p: o.cost for p, o in objectives.items()}
    wrong = pl.Series([cost[p].wrongful_enforcement or 0.0 for p in done.domains.policy], dtype=pl.Float64).to_numpy()
    missed = pl.Series([cost[p].missed_violation or 0.0 for p in done.domains.policy], dtype=pl.Float64).to_numpy()
    per_policy = (
        done.flows.filter(pl.col("reviews") != 0).group_by("policy").agg(pl.col("reviews").cast(pl.Int64).sum())
    )
    reviews = dict(per_policy.iter_rows())
    spent = sum(n * (cost[p].review or 0.0) for p, n in reviews.items())
    n = done.moved.height
    source = LabelSource.APPEAL_FINAL if done.identification.appeal_decided else LabelSource.AUDIT
    today = float(done.flows.filter(pl.col("state_today") == REVIEW).height)
    change = float(sum(reviews.values()))
    counted = Outcome(
        name="reviews", today=today, proposed=today + change, label_source=LabelSource.RECORD,
        difference=Estimate(value=change, interval=Interval(lo=change, hi=change, method="count"), n=done.flows.height),
    )  # fmt: skip
    return (
        _outcome("wrongful_enforcement", difference(done.domains, Price(wrong=1.0), done.reviewers), n, source),
        _outcome("missed_violations", difference(done.domains, Price(missed=1.0), done.reviewers), n, source),
        counted,
        _outcome("loss", difference(done.domains, Price(wrong, missed, spent), done.reviewers), n, source, "money"),
    )


def _outcome(name: str, found: Bounded, n: int, source: LabelSource, unit: str = "cases") -> Outcome:
    lo, hi = found.interval
    bounded = found.high - found.low > 1e-9
    method = "Imbens-Manski over MOVER of Wilson limits" if bounded else "MOVER of Wilson limits"
    return Outcome(
        name=name,
        unit=unit,
        difference=Estimate(value=(found.low + found.high) / 2, interval=Interval(lo=lo, hi=hi, method=method), n=n),
        bounds=Interval(lo=found.low, hi=found.high, level=1.0, method="Manski") if bounded else None,
        label_source=source,
    )


def _guardrails(
    done: Replayed, study: Study, objectives: Mapping[str, Objective], edits: Sequence[Edit], label: Label
) -> tuple[Guardrail, ...]:
    found: list[Guardrail] = []
    for policy in dict.fromkeys(edit.policy for edit in edits):
        detectors = [r.detector for r in study.policies.policy(policy).rules if r.detector]
        mine = done.flows.filter(pl.col("detector").cast(pl.String).is_in(detectors) | (pl.col("policy") == policy))
        moved = done.moved.filter(pl.col("policy") == policy).drop("standing", "known", "weight", "domain")
        found += check_slices(mine, moved, objectives[policy], done.reviewers, label)
        found += check_capacity(mine.filter(pl.col("policy") == policy), objectives[policy].review_capacity)
    return tuple(found)


def _rules(edits: Sequence[Edit], study: Study) -> list[str]:
    return list(dict.fromkeys(e.rule for e in edits if e.rule and e.rule in study.policy_of_rule))


def usual_numbers(flows: pl.DataFrame) -> dict[str, float]:
    """Return the figures people usually quote of the cases that a change touches: shown beside, never used.

    Appeals are not a sample of the enforced: who appeals knows why. Both shares are far off for that reason.
    """
    touched = flows.filter(((pl.col("alpha") != 0) | (pl.col("beta") != 0)) & (pl.col("state_today") != NOTHING))
    decided = touched.filter(pl.col("decided_violating").is_not_null())
    overturned = float((decided["decided_violating"] == 0).sum())
    numbers = {"cases_touched": float(touched.height), "appeals_decided": float(decided.height)}
    if decided.height:
        numbers["share_overturned_among_appeals"] = overturned / decided.height
        numbers["overturned_per_violation"] = overturned / touched.height
    return numbers


def _record(
    outcomes: Sequence[Outcome], identity: str, label: Label, seed: int, on: On, store: EvidenceStore
) -> tuple[str, ...]:
    """Record every outcome, so that prose may cite it."""
    return tuple(
        store.add(
            o.difference.value,
            "money" if o.unit == "money" else "count",
            interval=o.difference.interval,
            denominator=o.difference.n,
            filter=o.name,
            tool="backtest",
            arguments={"proposal": identity, "label": label, "seed": seed, "on": on},
            label_source=o.label_source,
        ).id
        for o in outcomes
    )


def _unreplayable(identity: str, study: Study, label: Label) -> Backtest:
    cases = study.population.cases
    acted = study.today.decisions["action"].count()
    return Backtest(
        proposal_id=identity,
        label=label,
        cases=cases.height,
        flow=count_flow(cases.select(flow=pl.lit("untouched"))).model_copy(
            update={"kept": acted, "untouched": cases.height - acted}
        ),
        identification=Identification(),
        outcomes=(),
        recommendation=Recommendation.EXPERIMENT,
        why="Words cannot be replayed: no record tells what other words would have done. An experiment can.",
    )
