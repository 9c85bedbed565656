"""Minimal proposals: edits that bring next to nothing are dropped, and of the others each says what it alone brings."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl

from gne_analytics.evidence.proposals import Contribution
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Edit, Estimate, Interval
from gne_analytics.strategy.backtest import On, replay_change
from gne_analytics.strategy.candidates import CONTRIBUTES
from gne_analytics.strategy.estimate import Bounded, Price, difference
from gne_analytics.strategy.identify import Label
from gne_analytics.strategy.study import Study


def loss_of(
    edits: Sequence[Edit], study: Study, *, on: On, label: Label = "final_decision", since: date | None = None
) -> Bounded:
    """Return the difference in loss that edits make, on the sellers to search on or on the others."""
    if not edits:
        return Bounded(0.0, 0.0, (0.0, 0.0))
    done = replay_change(edits, study, label=label, on=on, since=since)
    reviews = done.flows.filter(pl.col("reviews") != 0).group_by("policy").agg(pl.col("reviews").cast(pl.Int64).sum())
    cost = {p: study.policies.objectives.of(p).cost for p in {*done.domains.policy, *reviews["policy"]}}
    wrong = np.array([cost[p].wrongful_enforcement or 0.0 for p in done.domains.policy], np.float64)
    missed = np.array([cost[p].missed_violation or 0.0 for p in done.domains.policy], np.float64)
    spent = sum(n * (cost[p].review or 0.0) for p, n in reviews.iter_rows())
    return difference(done.domains, Price(wrong, missed, spent), done.reviewers)


def minimal(edits: Sequence[Edit], study: Study, since: date | None = None) -> tuple[Edit, ...]:
    """Drop edits one by one, the least first, while all that is dropped brings under ``CONTRIBUTES`` of the best gain.

    Backward elimination on the sellers to search on, so that the others have no part in it; an edit that does harm
    beside the others goes too.
    """
    kept = list(edits)
    best = _searched(kept, study, since)
    while len(kept) > 1:
        without = [_searched([*kept[:i], *kept[i + 1 :]], study, since) for i in range(len(kept))]
        least = int(np.argmin(without))
        if without[least] > best + CONTRIBUTES * max(0.0, -best):
            break
        best = min(best, without[least])
        del kept[least]
    return tuple(kept)


def contributions(
    edits: Sequence[Edit], study: Study, store: EvidenceStore, since: date | None = None
) -> tuple[tuple[Contribution, ...], tuple[str, ...]]:
    """Say of each of several edits what it brings by itself, and what the rest brings without it; with the evidence.

    Differences in loss to today on the sellers that the search did not see. A single edit is the whole, and its
    backtest says it.
    """
    if len(edits) < 2:
        return (), ()
    made, cited = [], []
    for i, edit in enumerate(edits):
        parts = {"alone": [edit], "without": [*edits[:i], *edits[i + 1 :]]}
        shown = {
            name: _estimate(loss_of(part, study, on="confirm", since=since), study) for name, part in parts.items()
        }
        for name, estimate in shown.items():
            place = f"{edit.kind.value} of {edit.rule or edit.policy}, {name}"
            found = store.add(
                estimate.value, "money", denominator=estimate.n, interval=estimate.interval, filter=place,
                tool="contributions",
            )  # fmt: skip
            cited.append(found.id)
        made.append(Contribution(edit=i, **shown))
    return tuple(made), tuple(cited)


def _searched(edits: Sequence[Edit], study: Study, since: date | None) -> float:
    found = loss_of(edits, study, on="search", since=since)
    return (found.low + found.high) / 2


def _estimate(found: Bounded, study: Study) -> Estimate:
    lo, hi = found.interval
    method = "Imbens-Manski over MOVER" if found.high > found.low else "MOVER of Wilson limits"
    n = int((study.population.cases["part"] == 1).sum())
    return Estimate(value=(found.low + found.high) / 2, interval=Interval(lo=lo, hi=hi, method=method), n=n)
