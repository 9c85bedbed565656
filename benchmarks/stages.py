"""Where a closed loop lost its lift: the stage at which the way from a planted failing to its edit ended."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from benchmarks.why import PATHS, SAME
from gne_analytics.evidence.proposals import Proposal, Recommendation
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Cause, CauseKind, Counts, Estimate, Mechanism, Shift
from gne_analytics.metrics.windows import segment_mask
from gne_analytics.policy.files import PolicySet, load
from gne_analytics.release.export import write_proposed
from gne_analytics.simulate.incidents import Planted
from gne_analytics.strategy.propose import Answer, answer
from gne_analytics.workspace.handover import in_scope
from gne_analytics.workspace.session import Workspace


@dataclass(frozen=True)
class Way:
    """What the user's path found, and what it exported."""

    ws: Workspace
    shifts: tuple[Shift, ...]
    causes: tuple[Cause, ...]
    answer: Answer
    exported: PolicySet


def exported(policies: PolicySet, proposals: Sequence[Proposal]) -> PolicySet:
    """Write the recommended proposals as a run does and read the policy set back."""
    if not any(p.recommendation is Recommendation.RECOMMEND for p in proposals):
        return policies
    with tempfile.TemporaryDirectory() as folder:
        write_proposed(Path(folder), policies, proposals)
        return load(Path(folder) / "proposed")


def given(way: Way, planted: Sequence[Planted]) -> Way:
    """Go the rest of the way from the planted failings, each told as its true cause."""
    ws = way.ws
    assert ws.policies is not None
    causes = [_true_cause(p) for p in planted]
    told = answer(causes, ws.record, ws.policies, store=ws.store, seed=0, study=ws._replayed())
    return Way(ws, (), tuple(causes), told, exported(ws.policies, told.proposals))


def _true_cause(planted: Planted) -> Cause:
    scope = Segment.of(policy_id=str(planted.policy))
    cause = Cause(
        id=planted.id, shift_id="planted", rank=1, segment=planted.segment, kind=CauseKind.RATE_SHIFT,
        mechanism=Mechanism(planted.kind), status="confirmed", before=Counts(k=0, n=0), after=Counts(k=0, n=0),
        effect=Estimate(value=0.1, n=0), leave_out=0.0, contribution=0.0, onset=planted.onset,
    )  # fmt: skip
    return in_scope(cause, scope)


def stage_of(way: Way, planted: Planted) -> tuple[str, str]:
    """Return the stage at which a planted failing was lost, and in which words; ``recommended`` where it was not."""
    shifts = {s.id: s for s in way.shifts if not s.scope.depth or planted.policy in s.scope.values("policy_id")}
    if not shifts:
        return "no shift", ""
    inside = sorted(
        ((_overlap(way, shifts[c.shift_id], c, planted), c) for c in way.causes if c.shift_id in shifts),
        key=lambda p: -p[0],
    )
    near = [c for share, c in inside if share >= SAME]
    if not near:
        told = "; ".join(f"{c.segment} [{c.mechanism}] {share:.2f}" for share, c in inside[:2])
        return "cause elsewhere" if inside else "no cause", told
    right = [c for c in near if str(c.mechanism) == planted.kind]
    if not right:
        return "mechanism", "; ".join(f"{c.segment} [{c.mechanism}]" for c in near[:3])
    ids = {c.id for c in right}
    made = [p for p in way.answer.proposals if ids & set(p.cause_ids)]
    if not made:
        return "no candidate", "; ".join(r.why for r in way.answer.referrals if r.cause_id in ids)
    good = [p for p in made if p.recommendation is Recommendation.RECOMMEND]
    if not good:
        return made[0].recommendation.value, "; ".join(p.rationale[-1] for p in made)
    return "recommended", "; ".join(p.title for p in good)


def _overlap(way: Way, shift: Shift, cause: Cause, planted: Planted) -> float:
    """The overlap (Jaccard, since the onset) of a cause's violations with the best description of the planted ones."""
    rows = way.ws.record.violations.filter(pl.col("event_date") >= planted.onset)
    mine = _rows(rows, shift.scope, cause.segment)
    best = 0.0
    for name in (planted.segment, *planted.alternatives):
        theirs = _rows(rows, Segment.of(policy_id=str(planted.policy)), name)
        if mine is not None and theirs is not None and (either := int((mine | theirs).sum())):
            best = max(best, int((mine & theirs).sum()) / either)
    return best


def _rows(rows: pl.DataFrame, *segments: Segment) -> pl.Series | None:
    if any(d not in rows.columns for s in segments for d in s.dimensions):
        return None
    return rows.select(pl.all_horizontal(segment_mask(s, PATHS) for s in segments).alias("inside"))["inside"]
