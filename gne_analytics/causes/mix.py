"""A shift that is mainly a changed mix is a finding of its own."""

import numpy as np

from gne_analytics.causes.baseline import Baseline
from gne_analytics.causes.cells import is_version
from gne_analytics.causes.cube import Cube
from gne_analytics.causes.decompose import leave_out
from gne_analytics.causes.telling import cause_id, counts_in, finite
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Cause, CauseKind, Decomposition, Estimate, Shift
from gne_analytics.metrics.intervals import rate_difference

MAINLY = 0.5
"""A mix effect of so large a part of the shift is told as a finding of its own."""

PLAIN = 3.0
"""Standard errors, rows taken as independent: what a changed mix does is arithmetic, whoever's rows they are."""


def mix_cause(
    shift: Shift, cube: Cube, baseline: Baseline, whole: Decomposition, rank: int, store: EvidenceStore
) -> Cause | None:
    """Tell a shift that is mainly a changed mix: the dimension that changed, and its value that pulled hardest."""
    total = sum(m.contribution for m in whole.mix)
    rows_differ = rate_difference(cube.k0, cube.n0, cube.k1, cube.n1, None)
    clear = abs(rows_differ.z) >= PLAIN
    searched = {a.dimension for a in cube.axes if not is_version(a.dimension)}
    named = [m for m in whole.mix if m.dimension in searched and m.contribution * whole.delta > 0]
    if not named or not clear or total * whole.delta <= 0 or abs(total) < MAINLY * abs(whole.delta):
        return None
    top = max(named, key=lambda m: abs(m.contribution))
    axis = next(a for a in cube.axes if a.dimension == top.dimension)
    known = axis.codes >= 0
    w0, w1, n, expected = (
        np.bincount(axis.codes[known], x[known], axis.size)
        for x in (
            cube.n0 / cube.n0.sum(), cube.n1 / cube.n1.sum(), cube.n0 + cube.n1, (cube.n0 + cube.n1) * baseline.p,
        )
    )  # fmt: skip
    pull = (w1 - w0) * (expected / np.maximum(n, 1e-9) - baseline.rate) * np.sign(whole.delta)
    segment = Segment.of({top.dimension: axis.values[int(np.argmax(pull))]})
    rows = cube.mask(segment)
    before, after = counts_in(cube, rows, 0), counts_in(cube, rows, 1)
    lost = finite(leave_out(cube, rows))
    change = rate_difference(cube.k0[rows], cube.n0[rows], cube.k1[rows], cube.n1[rows], None)
    effect = change.estimate(before.n + after.n, "two-sample") if before.n and after.n else Estimate(value=0.0)
    ids = [store.add(str(segment), "name", tool="causes.explain").id]
    for value, what in ((lost, "leave_out"), (top.contribution, "mix over the dimension"), (total, "mix")):
        ids.append(store.add(value, "points", filter=str(segment), tool="causes.explain", arguments={"what": what}).id)
    return Cause(
        id=cause_id(shift, segment, "mix"), shift_id=shift.id, rank=rank, segment=segment, kind=CauseKind.MIX_SHIFT,
        status="candidate", status_reason="The mix changed, which moves the rate though no rate need have changed.",
        before=before, after=after, effect=effect, leave_out=lost, contribution=top.contribution, evidence=tuple(ids),
    )  # fmt: skip
