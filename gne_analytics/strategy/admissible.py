"""The threshold to propose: the best of those that harm no slice beyond its margin on the sellers searched."""

from collections.abc import Mapping, Sequence
from datetime import date

from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.strategy.backtest import backtest
from gne_analytics.strategy.candidates import Candidate, choose
from gne_analytics.strategy.study import Study

TRIES = 6
"""Thresholds that are held against the guardrails before the search gives up."""
STEP_BACK = 0.75
"""The share of the nearer thresholds that stay after one has failed."""


def choose_threshold(candidates: Sequence[Candidate], study: Study, since: date | None) -> Candidate | None:
    """Return the choice among thresholds that fail no guardrail on the searched sellers; None where none is left.

    Harm grows with the threshold (missed violations) or falls with it (wrongful enforcement), so one that fails takes
    those beyond it along. The sellers that judge the proposal have no part in this.

    Args:
        candidates: edits of one threshold each (``search_thresholds``).
        study: the replayed record.
        since: leave out the cases before this day.
    """
    left = sorted(candidates, key=_threshold)
    order = {id(c): i for i, c in enumerate(candidates)}
    for _ in range(TRIES):
        best = choose(sorted(left, key=lambda c: order[id(c)]))
        failed = _failed(best, study, since) if best is not None else frozenset()
        if best is None or not failed:
            return best
        if "missed_violations" in failed:
            nearer = [c for c in left if _threshold(c) < _threshold(best)]
            left = nearer[: int(STEP_BACK * len(nearer))]
        else:
            nearer = [c for c in left if _threshold(c) > _threshold(best)]
            left = nearer[len(nearer) - int(STEP_BACK * len(nearer)) :]
    return None


def _failed(candidate: Candidate, study: Study, since: date | None) -> frozenset[str]:
    test = backtest(
        candidate.edits, study.record, study.policies, store=EvidenceStore(), on="search", since=since, study=study
    )
    return frozenset(g.name for g in test.guardrails if g.verdict == "fail")


def _threshold(candidate: Candidate) -> float:
    new = candidate.edits[0].new
    value = new["value"] if isinstance(new, Mapping) else new
    assert isinstance(value, float | int)  # noqa: S101 - search_thresholds made it so
    return float(value)
