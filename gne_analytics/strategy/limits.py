"""What a backtest rests on, and what it leaves open, as claims."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl

from gne_analytics.enforcement.ladder import UNITS
from gne_analytics.evidence.proposals import Identification, Outcome
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Edit, Estimate, Interval
from gne_analytics.policy.objectives import FALLBACK
from gne_analytics.strategy.estimate import NORMAL, Rate, Reviewers, wilson
from gne_analytics.strategy.identify import Label
from gne_analytics.strategy.kinds import PRICELESS
from gne_analytics.strategy.prospective import MIN_GROUPS, Groups
from gne_analytics.strategy.reach import limits_of_reach
from gne_analytics.strategy.recommend import NEVER_ALONE
from gne_analytics.strategy.study import Study


def assumptions_of(
    identification: Identification,
    reviewers: Reviewers,
    label: Label,
    store: EvidenceStore,
    error: Estimate | None = None,
) -> tuple[str, ...]:
    """Say what the estimate takes for granted."""
    said = ["Sellers behave as they did: they list, appeal and correct no otherwise under the new policy."]
    total = identification.total
    if label == "final_decision":
        share = store.add(
            identification.appeal_decided / total if total else None, "rate",
            numerator=identification.appeal_decided, denominator=total, tool="identification",
        )  # fmt: skip
        said.append(
            f"The final decision of an appeal counts as the truth of its case ({share.ref('of')} affected cases); "
            "audits stand for the others."
        )
    else:
        said.append("Audits alone are taken as truth; a decided appeal counts only where it was audited too.")
        if error is not None:
            rate = store.add(
                error.value, "rate", interval=error.interval, denominator=error.n,
                filter="decided appeals that were audited too", tool="appeal_error",
            )  # fmt: skip
            said.append(
                f"Where an appealed case was audited too, the audit disagrees with the appeal's final decision in "
                f"{rate.ref('pct')} ({rate.ref('ci')}); the audit holds."
            )
        else:
            said.append("No appealed case was audited, so nothing tells how often decisions of appeals err.")
    if identification.estimable:
        said.append("Audits were drawn with the probabilities that are logged, whatever they were to find.")
    if identification.modelled:
        part = store.add(
            identification.modelled / total, "rate", numerator=identification.modelled, denominator=total,
            filter="bounded by cases of other scores", tool="identification",
        )  # fmt: skip
        said.append(
            f"The chance of a violation does not fall with the score: {part.ref('of')} affected cases, of whose like "
            "none was audited, are bounded by audited ones of the same segment and detector version, which bear it out."
        )
    if reviewers.wrong and reviewers.right:
        said.append(
            "Reviewers treat rerouted cases as they treat those of the same segment and score band today: they enforce "
            f"{_rate(reviewers.wrong, 'legitimate cases that reviewers enforce', store)} of the legitimate ones and "
            f"{_rate(reviewers.right, 'violations that reviewers enforce', store)} of the violations."
        )
        said += _of_appeals(reviewers, label, store)
    return tuple(said)


def _of_appeals(reviewers: Reviewers, label: Label, store: EvidenceStore) -> list[str]:
    """Say what is taken for how reviewers would decide cases that an appeal settled."""
    if label != "final_decision":
        return []
    if reviewers.overturned is None or reviewers.upheld is None:
        return [
            "Nothing tells how often appeals err, so what people would answer on cases that one settled is bounded."
        ]
    return [
        "Reviewers look at the case and not at its appeal: by audits "
        f"{_rate(reviewers.upheld, 'upheld appeals of legitimate cases', store)} of the upheld appeals were of "
        f"legitimate cases, and {_rate(reviewers.overturned, 'overturned appeals of violations', store)} of the "
        "overturned ones of violations."
    ]


def _rate(rate: Rate, what: str, store: EvidenceStore) -> str:
    """Record a rate on effective labels and show it with its interval."""
    lo, hi = wilson(np.array([rate.value]), np.array([rate.labels]), NORMAL.inv_cdf(0.975))
    interval = Interval(lo=float(lo[0]), hi=float(hi[0]), method="Wilson, effective labels")
    found = store.add(rate.value, "rate", interval=interval, filter=what, tool="reviewers")
    return f"{found.ref('pct')} ({found.ref('ci')})"


def limits_of_groups(groups: Groups, loss: Outcome, store: EvidenceStore) -> tuple[str, tuple[str, ...]]:
    """Say what a prospective interval rests on, or why there is none; return the claim and its evidence."""
    dealt = store.add(groups.small, "count", filter="groups of sellers", tool="jackknife")
    if loss.effective_groups is None:
        floor = store.add(MIN_GROUPS, "constant")
        said = (
            f"There are {dealt.ref()} groups of sellers, under {floor.ref()}: too few to say how much sellers and "
            "weeks to come may differ, so no interval is given."
        )
        return said, (dealt.id, floor.id)
    rests = store.add(round(loss.effective_groups), "count", filter="effective groups, loss", tool="jackknife")
    said = (
        "Intervals are for sellers and weeks to come, of which this record is one draw: "
        f"{dealt.ref()} groups of sellers were left out in turn, and the loss rests on effectively {rests.ref()}."
    )
    return said, (dealt.id, rests.id)


def limits_of(
    flows: pl.DataFrame, edits: Sequence[Edit], study: Study, on: str, since: date | None, store: EvidenceStore
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Say what the figures do not cover; return claims and the evidence that they cite."""
    population, said = study.population, [NEVER_ALONE]
    cited: list[str] = []

    def count(value: int, what: str) -> str:
        found = store.add(value, "count", filter=what, tool="population")
        cited.append(found.id)
        return found.ref()

    if since is not None:
        day = store.add(since, "date", tool="backtest")
        cited.append(day.id)
        said.append(f"Only cases from {day.ref()} on are counted, when the cause set in.")
    if on == "confirm":
        how = "the sellers that the search did not see" if population.unit else "the later part of the record"
        said.append(
            f"Every figure is of {how}: {count(flows.height, 'cases confirmed on')} of "
            f"{count(population.cases.height, 'cases')} cases."
        )
    if population.score_conflicts:
        conflicts = count(population.score_conflicts, "violation and assessment give different scores")
        said.append(f"In {conflicts} cases violation and assessment disagree on the score; the assessment's holds.")
    for reason, rows in population.left_out.items():
        if rows:
            name = store.add(reason, "name")
            said.append(f"Left out: {count(rows, reason)} rows ({name.ref()}).")
    without = int((population.cases["score"].is_null()).sum())
    if without:
        said.append(f"{count(without, 'no score')} cases have no score, so no threshold reaches them.")
    rejected = study.record.rejects.filter(pl.col("table") == "audits").height
    if rejected:
        said.append(
            f"{count(rejected, 'audits rejected')} audits break the contract (no probability, say) and are out."
        )
    if unlike := _drawn_unlike(study.record.audits):
        said.append(
            f"{count(unlike, 'audits of one case with unlike probabilities')} cases were audited with unlike "
            "probabilities, whose mean stands. If audits come of several draws, each must log the chance that any of "
            "them meets its case: else cases that several could meet count for too much."
        )
    reach, evidence = limits_of_reach(edits, study, store)
    said += reach
    cited += evidence
    acts = [e for e in edits if e.kind in PRICELESS]
    if acts:
        said.append("The objectives put no price on a milder action or on points, so that part is not in the loss.")
    provisional = int(flows.filter((pl.col("alpha") != 0) & pl.col("provisional")).height)
    if provisional:
        said.append(f"{count(provisional, 'provisional outcome')} outcomes are provisional: a higher level is open.")
    if any(study.policies.objectives.of(e.policy).cost == FALLBACK.cost for e in edits):
        said.append(
            "The owner states no costs in objectives.yaml, so both mistakes count alike, and a review far less."
        )
    ladder = study.policies.ladder
    if ladder is not None and UNITS[ladder.per] not in population.cases.columns:
        unit = store.add(UNITS[ladder.per], "name")
        said.append(f"The ladder counts by {unit.ref()}, which the record does not name, so exposure is not judged.")
    return tuple(said), tuple(dict.fromkeys(cited))


def _drawn_unlike(audits: pl.DataFrame) -> int:
    """Count the cases (or violations) that were audited more than once, with probabilities that are not the same."""
    keys = [c for c in ("case_id", "violation_id") if c in audits.columns]
    if audits.is_empty() or not keys:
        return 0
    chance = pl.col("audit_prob")
    return audits.group_by(pl.coalesce(keys)).agg(p=chance.max() - chance.min()).filter(pl.col("p") > 1e-9).height
