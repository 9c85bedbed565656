"""Backtest: what a policy change would have done to the record, with truth accounting."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from gne_analytics.evidence.proposals import Backtest, Guardrail, Identification, Outcome, Proposal, Recommendation
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Edit, Estimate, Interval, LabelSource
from gne_analytics.policy.files import PolicySet
from gne_analytics.policy.model import Objective
from gne_analytics.strategy.assist import assist
from gne_analytics.strategy.estimate import Bounded, Domains, Floats, Price, Reviewers, corners, difference, tally
from gne_analytics.strategy.exposure import check_ladder, ladder_exposure
from gne_analytics.strategy.flows import NOTHING, REVIEW, count_flow
from gne_analytics.strategy.guardrails import check_capacity, check_slices, concentration, seller_age, seller_size
from gne_analytics.strategy.identify import Label, count_standings, identify, unreached
from gne_analytics.strategy.kinds import is_replayable, proposal_id
from gne_analytics.strategy.limits import assumptions_of, limits_of, limits_of_groups
from gne_analytics.strategy.monotone import bound_by_score
from gne_analytics.strategy.outcomes import appeal_error
from gne_analytics.strategy.prospective import Groups, deal, jackknife, widen, without
from gne_analytics.strategy.protected import check_protected
from gne_analytics.strategy.recommend import recommend
from gne_analytics.strategy.reviewers import like, reviewer_rates, same_segment
from gne_analytics.strategy.study import Study, open_study
from gne_analytics.tables.record import Record

On = Literal["all", "search", "confirm"]
Target = Literal["retrospective", "prospective"]


@dataclass(frozen=True)
class Replayed:
    """A change replayed and identified: what outcomes, guardrails and counterexamples are made of."""

    flows: pl.DataFrame
    """The case table (of the sellers it is judged on) with every case's flow."""
    everyone: pl.DataFrame
    """The same of all sellers, who share the reviewers."""
    moved: pl.DataFrame
    """The cases whose decision changes, identified."""
    domains: Domains
    reviewers: Reviewers
    identification: Identification
    windows: pl.DataFrame
    """The labelled cases that bound the modelled ones."""
    alike_reviewed: pl.DataFrame
    """The reviewed cases that tell how people would decide rerouted ones."""
    appealed: pl.DataFrame
    """The decided appeals of the policies of rerouted cases that were audited too: they tell how appeals err."""


def backtest(
    change: Proposal | Sequence[Edit],
    record: Record,
    policies: PolicySet,
    *,
    store: EvidenceStore,
    label: Label = "final_decision",
    target: Target = "retrospective",
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
        target: ``retrospective`` (this record: what is not known of it) or ``prospective`` (sellers and weeks to come:
            which of them a record shows is chance too).
        seed: deals sellers into the groups of the prospective target; nothing else here is random.
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
    nothing = not edits and not isinstance(change, Proposal)  # today's point of a frontier: no word changes either
    if not nothing and not any(is_replayable(edit) for edit in edits):
        return _unreplayable(identity, study, label)
    start = since or (change.since if isinstance(change, Proposal) else None)
    done = replay_change(edits, study, label=label, on=chosen, since=start)
    objectives = _objectives(done.flows, edits, policies)
    groups = deal(done.flows, seed) if target == "prospective" else None
    outcomes = _outcomes(done, objectives, groups)
    part = None if chosen == "all" else int(chosen == "confirm")
    ladder = ladder_exposure(edits, study, part=part, since=start)
    margin = min((o.guardrails.ladder_exposure or 0.0 for o in objectives.values()), default=0.0)
    guardrails = (*_guardrails(done, study, objectives, label), *check_ladder(ladder, margin))
    agreement = tuple(study.agreement(rule) for rule in _rules(edits, study))
    untried = 0 if done.reviewers.wrong and done.reviewers.right else int((done.moved["beta"] != 0).sum())
    verdict = recommend(outcomes[-1], done.identification, guardrails, agreement, store, untried)
    limits, cited = limits_of(done.flows, edits, study, chosen, start, store)
    if groups is not None:
        said, shown = limits_of_groups(groups, outcomes[-1], store)
        limits, cited = (*limits, said), (*cited, *shown)
    error = appeal_error(done.flows.filter(pl.col("policy").is_in([e.policy for e in edits])))
    assumptions = assumptions_of(done.identification, done.reviewers, label, store, error)
    return Backtest(
        proposal_id=identity,
        since=start,
        target=target,
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
        ladder=ladder.count() if ladder else None,
        concentration=concentration(done.flows, done.moved),
        appeal_error=error,
        coverage_by_label=_coverages(done, label),
    )


def replay_change(
    edits: Sequence[Edit], study: Study, *, label: Label, on: On = "all", since: date | None = None
) -> Replayed:
    """Replay edits, find the cases whose decision changes, and say what is known of each."""
    flows = study.flows(edits)
    reviewers, alike_reviewed, appealed = Reviewers(), flows.clear(), flows.clear()
    cell = pl.format("{}|{}|{}|{}", pl.col("policy"), pl.col("flow"), pl.col("alpha"), pl.col("beta"))
    flows = flows.with_columns(cell=cell, seller_age=seller_age(), seller_size=seller_size())
    flows = flows.with_columns(unreached(flows, (*study.population.attributes, "appealed", "rule_today")))
    touched = flows.filter((pl.col("beta") != 0) & pl.col("affected"))
    if touched.height:
        alike_reviewed = like(touched, flows, study.population.attributes)
        both = pl.col("decided_violating").is_not_null() & pl.col("audit_violating").is_not_null()
        appealed = flows.filter(both, pl.col("policy").is_in(touched["policy"].unique().implode()))
        reviewers = reviewer_rates(alike_reviewed, appealed)
    everyone = flows if since is None else flows.filter(pl.col("event_date") >= since)
    flows = everyone if on == "all" else everyone.filter(pl.col("part") == (1 if on == "confirm" else 0))
    changed = flows.filter((pl.col("alpha") != 0) | (pl.col("beta") != 0))
    moved, windows = know(changed, flows, label, study.population.attributes)
    standings = count_standings(_with_reviewers(moved, reviewers))
    return Replayed(flows, everyone, moved, tally(moved), reviewers, standings, windows, alike_reviewed, appealed)


def know(
    changed: pl.DataFrame, flows: pl.DataFrame, label: Label, attributes: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Say what is known of each changed case: by its own label, its like's, those of other scores, a model's help.

    Args:
        changed: the cases whose chance of enforcement changes.
        flows: all cases, among which their like are found.
        label: the target.
        attributes: what may describe a segment, and help to foretell a label.
    """
    moved = identify(changed, label)
    alike = flows.filter(same_segment(moved, attributes))
    bounded = bound_by_score(moved, alike, label)
    return assist(bounded.identified, alike, label, attributes), bounded.windows


def _coverages(done: Replayed, label: Label) -> dict[str, float]:
    """Return the coverage under either label."""
    other: Label = "latent" if label == "final_decision" else "final_decision"
    again = identify(done.moved.select(done.flows.columns), other)
    there = count_standings(_with_reviewers(again, done.reviewers))
    return {label: done.identification.coverage, other: there.coverage}


def _with_reviewers(moved: pl.DataFrame, reviewers: Reviewers) -> pl.DataFrame:
    """Take their standing from rerouted cases where nothing tells how reviewers would decide the like.

    Of those that an appeal settled, nothing does either where nothing tells how appeals err.
    """
    if None in (reviewers.wrong, reviewers.right):
        lost = pl.col("beta") != 0
    elif None in (reviewers.overturned, reviewers.upheld):
        lost = (pl.col("beta") != 0) & (pl.col("standing") == "appeal_decided")
    else:
        return moved
    return moved.with_columns(standing=pl.when(lost).then(pl.lit("unidentified")).otherwise("standing"))


def _objectives(flows: pl.DataFrame, edits: Sequence[Edit], policies: PolicySet) -> dict[str, Objective]:
    """Return what better means for the edited policies and for every other whose cases change, if only in who asks."""
    changed = flows.filter(pl.col("affected"))["policy"].drop_nulls().unique().sort()
    return {p: policies.objectives.of(p) for p in dict.fromkeys([*changed, *(e.policy for e in edits)])}


class Prices(NamedTuple):
    """What is counted of a change: both mistakes, the loss, and the change of the number of reviews."""

    wrong: Price
    missed: Price
    loss: Price
    reviews: float


def _prices(domains: Domains, flows: pl.DataFrame, objectives: Mapping[str, Objective]) -> Prices:
    """Price a change; ``flows`` need ``policy``, ``reviews`` and, in a replicate, ``times``."""
    cost = {p: o.cost for p, o in objectives.items()}
    wrong = pl.Series([cost[p].wrongful_enforcement or 0.0 for p in domains.policy], dtype=pl.Float64).to_numpy()
    missed = pl.Series([cost[p].missed_violation or 0.0 for p in domains.policy], dtype=pl.Float64).to_numpy()
    times = pl.col("times") if "times" in flows.columns else pl.lit(1.0)
    per_policy = flows.filter(pl.col("reviews") != 0).group_by("policy").agg((pl.col("reviews") * times).sum())
    reviews = dict(per_policy.sort("policy").iter_rows())
    spent = sum(n * (cost[p].review or 0.0) for p, n in reviews.items())
    return Prices(Price(wrong=1.0), Price(missed=1.0), Price(wrong, missed, spent), float(sum(reviews.values())))


def _outcomes(done: Replayed, objectives: Mapping[str, Objective], groups: Groups | None) -> tuple[Outcome, ...]:
    prices = _prices(done.domains, done.flows, objectives)
    n = done.moved.height
    source = LabelSource.APPEAL_FINAL if done.identification.appeal_decided else LabelSource.AUDIT
    found = [difference(done.domains, price, done.reviewers) for price in prices[:3]]
    found.append(Bounded(prices.reviews, prices.reviews, (prices.reviews, prices.reviews)))
    worst = [*_worst_cases(done, objectives), found[-1]]
    effective: list[float | None] = [None] * 4
    if groups is not None and groups.enough:
        variance, rests_on = jackknife(groups, lambda times: _figures(done, objectives, times))
        effective = [float(e) for e in rests_on.reshape(4, 2).min(axis=1)]
        found = [widen(f, v, e) for f, v, e in zip(found, variance.reshape(4, 2), effective, strict=True)]  # type: ignore[arg-type]
    wrong, missed, loss, counted = (
        _outcome(name, bounds, least, n, source, unit, groups, rests)
        for (name, unit), bounds, least, rests in zip(_NAMES, found, worst, effective, strict=True)
    )
    today = float(done.flows.filter(pl.col("state_today") == REVIEW).height)
    counted = counted.model_copy(
        update={"today": today, "proposed": today + prices.reviews, "label_source": LabelSource.RECORD}
    )
    return wrong, missed, counted, loss


def _worst_cases(done: Replayed, objectives: Mapping[str, Objective]) -> list[Bounded]:
    """Bound every outcome with nothing known but what was decided or audited case by case: no estimate is in these."""
    known = pl.col("standing").is_in(["appeal_decided", "audited"])
    bare = done.moved.with_columns(standing=pl.when(known).then("standing").otherwise(pl.lit("unidentified")))
    domains = tally(bare)
    return [difference(domains, price, Reviewers()) for price in _prices(domains, done.flows, objectives)[:3]]


_NAMES = (("wrongful_enforcement", "cases"), ("missed_violations", "cases"), ("loss", "money"), ("reviews", "cases"))


def _figures(done: Replayed, objectives: Mapping[str, Objective], times: pl.DataFrame) -> Floats:
    """Return the lower and the upper bound of every outcome, made again of the cases left."""
    domains = tally(without(done.moved, done.windows, times))
    kept = done.flows.filter(pl.col("reviews") != 0).join(times, on="case_id", how="inner")
    prices = _prices(domains, kept, objectives)
    reviewers = done.reviewers
    if reviewers.wrong is not None:
        left_out = done.flows.join(times, on="case_id", how="anti")
        told = (f.join(left_out, on="case_id", how="anti") for f in (done.alike_reviewed, done.appealed))
        again = reviewer_rates(*told, min_labels=1)
        names = ("wrong", "right", "overturned", "upheld")  # one that is lost with the group stands as it was
        reviewers = Reviewers(**{name: getattr(again, name) or getattr(reviewers, name) for name in names})
    bounds = [corners(domains, price, reviewers) for price in prices[:3]]
    ends = [(low.value + low.spread[0], high.value + high.spread[1]) for low, high in bounds]
    return np.array([*ends, (prices.reviews, prices.reviews)]).ravel()


def _outcome(
    name: str,
    found: Bounded,
    worst: Bounded,
    n: int,
    source: LabelSource,
    unit: str,
    groups: Groups | None,
    rests: float | None,
) -> Outcome:
    lo, hi = found.interval
    bounded = found.high - found.low > 1e-9
    method = "count" if name == "reviews" else "stratified Wilson limits"
    if rests is not None:
        method = "delete-a-group jackknife"
    if bounded:
        method = f"Imbens-Manski over {method}"
    interval = Interval(lo=lo, hi=hi, method=method) if groups is None or groups.enough else None
    return Outcome(
        name=name,
        unit=unit,
        difference=Estimate(value=(found.low + found.high) / 2, interval=interval, n=n),
        bounds=Interval(lo=worst.low, hi=worst.high, level=1.0, method="Manski") if bounded else None,
        label_source=source,
        effective_groups=rests,
    )


def _guardrails(
    done: Replayed, study: Study, objectives: Mapping[str, Objective], label: Label
) -> tuple[Guardrail, ...]:
    found = list(check_protected(done.flows, study.policies))
    for policy in objectives:
        detectors = [r.detector for r in study.policies.policy(policy).rules if r.detector]
        mine = done.flows.filter(pl.col("detector").cast(pl.String).is_in(detectors) | (pl.col("policy") == policy))
        moved = done.moved.select(done.flows.columns).filter(pl.col("policy") == policy)
        found += check_slices(mine, moved, objectives[policy], done.reviewers, label)
        found += check_capacity(done.everyone.filter(pl.col("policy") == policy), objectives[policy].review_capacity)
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
