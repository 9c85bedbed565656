"""Claims made disjoint: each keeps what the claims before it do not already say."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gne_analytics.causes.baseline import Baseline
from gne_analytics.causes.cells import STANDARD, is_version
from gne_analytics.causes.cube import Cube, Mask
from gne_analytics.causes.decompose import Part, leave_out
from gne_analytics.causes.search import outside_of
from gne_analytics.causes.verify import Claim
from gne_analytics.causes.view import View
from gne_analytics.evidence.types import Decomposition

MATERIAL = 0.05
"""A segment that holds less than this part of the shift, either way of counting, is not worth a line."""
COVERED = 0.5
"""A claim of whose rows the claims before it hold more than this together is not told again."""
STILL_THERE = 3.0
"""A claim must stand so many standard errors from zero after the claims before it are taken out."""


@dataclass(frozen=True)
class Kept:
    """A claim with its leaves and its whole effect, the move of everything included."""

    claim: Claim
    rows: Mask
    effect: float


def disjoint(cube: Cube, baseline: Baseline, claims: Sequence[Claim], noise: float) -> list[Kept]:
    """Order claims and keep those that still say something once the ones before them are taken out.

    The empty segment comes last and keeps the rows that no other has.
    """
    view = View(cube, baseline.own, baseline.rate, noise=noise)
    everywhere = next((c for c in claims if not c.segment.depth), None)
    beyond = everywhere.found.effect if everywhere else 0.0
    view.move_all(beyond)
    order = sorted(claims, key=lambda c: (not c.segment.depth, not c.confirmed, -c.e, -c.found.score, str(c.segment)))
    kept: list[Kept] = []
    weight = cube.n0 + cube.n1
    for claim in order:
        local = claim.segment.depth > 0
        rows = cube.mask(claim.segment) if local else outside_of(cube, [k.rows for k in kept])
        size = float(weight[rows].sum())
        covered = 1 - float(weight[rows & outside_of(cube, [k.rows for k in kept])].sum()) / size if size else 1.0
        versioned = any(is_version(d) for d in claim.segment.dimensions)
        effect, variance, kind = view.measure_rows(rows, versioned=versioned)
        if not local:
            effect += beyond
        gone = not math.isfinite(variance) or effect * claim.found.effect <= 0 or kind != claim.found.kind
        if kept and (gone or covered > COVERED or effect**2 < STILL_THERE**2 * variance):
            continue
        if not math.isfinite(variance):
            continue
        kept.append(Kept(claim, rows, effect + beyond if local and kind == STANDARD else effect))
        view.take_out(np.flatnonzero(rows), effect, kind)
    return kept


def material(
    cube: Cube, kept: Sequence[Kept], parts: Sequence[Part], whole: Decomposition
) -> tuple[list[Kept], list[Part]]:
    """Keep what is confirmed or holds a part of the shift that is worth a line."""
    least = MATERIAL * abs(whole.delta)
    worth = [
        (k, p)
        for k, p in zip(kept, parts, strict=True)
        if k.claim.confirmed or max(abs(whole.causes[p.id]), abs(leave_out(cube, k.rows))) >= least
    ]
    return [k for k, _ in worth], [p for _, p in worth]
