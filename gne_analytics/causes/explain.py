"""The public verb: which segments moved a metric, how much each holds of the shift, and how sure that is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape

import polars as pl

from gne_analytics.causes.baseline import Baseline, fit_baseline
from gne_analytics.causes.context import MechanismContext
from gne_analytics.causes.cube import Cube, build_cube
from gne_analytics.causes.decompose import Part, decompose
from gne_analytics.causes.disjoint import disjoint, material
from gne_analytics.causes.lattice import Lattice
from gne_analytics.causes.mix import mix_cause
from gne_analytics.causes.naming import SAME_ROWS
from gne_analytics.causes.noise import period_noise
from gne_analytics.causes.screen import TOO_MANY, screen
from gne_analytics.causes.search import FLOOR, jaccard, pursue
from gne_analytics.causes.telling import add_why, cause_id, tell_cause
from gne_analytics.causes.verify import LEVEL, Claim, CrossFit, cross_fit, e_bh, held_out
from gne_analytics.causes.view import View
from gne_analytics.evidence.segment import Frozen
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Cause, CauseKind, Decomposition, Period, Shift
from gne_analytics.metrics.observations import Observations, mature, unrankable

NO_UNIT = "The source declares no unit of independence, so no cause is more than a candidate."
OVER_ONE = "A segment whose own rate lies over one is not ranked: its numerator and denominator count different things."


class Explanation(Frozen):
    """What explains a shift: causes in order of rank, the exact decomposition, and what was not looked at and why."""

    shift: Shift
    causes: tuple[Cause, ...]
    decomposition: Decomposition
    dimensions: tuple[str, ...]
    """The dimensions that were searched."""
    refused: Mapping[str, str]
    """Dimension -> why it may not explain."""
    baseline_model: str = ""
    notes: tuple[str, ...] = ()
    """Plain sentences, without figures, on what limits this."""

    def summary(self) -> str:
        """One line per cause, then what is left: text that a policy owner can paste."""
        s = self.shift
        head = (
            f"{s.metric}{f' ({s.scope})' if s.scope.depth else ''}: {s.before.rate:.1%} of {s.before.n:,} -> "
            f"{s.after.rate:.1%} of {s.after.n:,} ({100 * s.delta.value:+.1f} points), "
            f"{s.baseline} {'to' if isinstance(s.focus, Period) else 'against'} {s.focus}"
        )
        lines = [head]
        lines += [
            f"{c.rank}. {c.segment} [{_kind(c, s)}, {c.status}]: {c.before.k} of {c.before.n} -> "
            f"{c.after.k} of {c.after.n}; leaving it out removes {100 * c.leave_out:.1f} points, contribution "
            f"{100 * c.contribution:+.1f}; {c.mechanism}"
            for c in self.causes
        ]
        if not self.causes:
            lines.append("No segment stands out beyond chance.")
        mix = sum(m.contribution for m in self.decomposition.mix)
        lines.append(f"Mix {100 * mix:+.1f} points, not explained {100 * self.decomposition.residual:+.1f} points.")
        return "\n".join([*lines, *self.notes])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{c.rank}</td><td>{escape(str(c.segment))}</td><td>{_kind(c, self.shift)}</td>"
            f"<td>{c.status}</td>"
            f"<td>{100 * c.effect.value:+.1f}</td><td>{100 * c.leave_out:+.1f}</td><td>{100 * c.contribution:+.1f}</td>"
            f"<td>{c.before.n:,} / {c.after.n:,}</td><td>{c.mechanism}</td></tr>"
            for c in self.causes
        )
        head = "".join(
            f"<th>{h}</th>"
            for h in ("", "segment", "kind", "status", "effect", "leave out", "contribution", "n of either", "why")
        )
        caption = escape(self.summary().splitlines()[0])
        return f"<table><caption>{caption}; points</caption><tr>{head}</tr>{rows}</table>"


_BETWEEN = {
    CauseKind.RATE_SHIFT: "rate_differs", CauseKind.NEW_SEGMENT: "only_in_focus",
    CauseKind.VANISHED_SEGMENT: "only_in_baseline", CauseKind.MIX_SHIFT: "mix_differs",
    CauseKind.PLATFORM_EVENT: "differs_throughout",
}  # fmt: skip
"""What kinds are called between two segments, where nothing is new, gone or an event."""


def _kind(cause: Cause, shift: Shift) -> str:
    return str(cause.kind if isinstance(shift.focus, Period) else _BETWEEN.get(cause.kind, cause.kind))


def explain(
    obs: Observations,
    shift: Shift,
    *,
    changes: pl.DataFrame | None = None,
    context: MechanismContext | None = None,
    store: EvidenceStore,
    depth: int = 4,
) -> Explanation:
    """Find where and why one shift happened, on ``obs``, the shift's metric over its scope; see `explain_all`."""
    return explain_all([(obs, shift)], changes=changes, context=context, store=store, depth=depth)[0]


def explain_all(
    asked: Sequence[tuple[Observations, Shift]],
    *,
    changes: pl.DataFrame | None = None,
    context: MechanismContext | None = None,
    store: EvidenceStore,
    depth: int = 4,
) -> list[Explanation]:
    """Find where and why each of several shifts happened; false discoveries are controlled over all their claims.

    Search and verification swap halves of the units; without a unit nothing is more than a candidate. One e-BH decides
    over the claims of all shifts (METHODS.md, section 8, e-BH). ``changes`` are matched by scope and onset; ``context``
    types the mechanism. A rate over 1, or too few rows, is not explained but said.
    """
    searched = [_search(obs, shift, depth) for obs, shift in asked]
    tested = [c for one in searched if isinstance(one, _Searched) for c in one.tested]
    for claim, passed in zip(tested, e_bh([c.e for c in tested], LEVEL), strict=True):
        claim.confirmed = passed and len(claim.related) == 2 and not claim.thin and not claim.actor
    return [
        one if isinstance(one, Explanation) else _told(one, changes=changes, context=context, store=store)
        for one in searched
    ]


@dataclass(frozen=True)
class _Searched:
    """What the search found of one shift, before it is decided what is confirmed."""

    obs: Observations
    shift: Shift
    dims: tuple[str, ...]
    refused: Mapping[str, str]
    cube: Cube
    baseline: Baseline
    tested: list[Claim]
    """Claims with a test on held-out units."""
    untested: list[Claim]
    noise: float


def _search(obs: Observations, shift: Shift, depth: int) -> _Searched | Explanation:
    obs, _ = mature(obs)
    dims, refused = screen(obs, shift)
    if unrankable(shift.before, shift.after) or not dims:
        note = "Not explained: a rate lies over one or rests on too few rows." if dims else "No dimension may explain."
        note = TOO_MANY if TOO_MANY in refused.values() else note
        return Explanation(
            shift=shift, causes=(), dimensions=dims, refused=refused, notes=(note,),
            decomposition=Decomposition(delta=shift.delta.value, causes={}, mix=(), residual=shift.delta.value),
        )  # fmt: skip
    sides = obs.sides(shift.baseline, shift.focus)
    cube = _cube_of(obs, dims, sides)
    baseline = fit_baseline(cube)
    if obs.has_unit:
        fitted = cross_fit(cube, depth=depth)
        untested = _untested(cube, baseline, fitted)
        return _Searched(obs, shift, dims, refused, cube, baseline, fitted.claims, untested, 0.0)
    noise = period_noise(obs, dims, shift)
    view = View(cube, baseline.p, baseline.rate, noise=noise).over(Lattice(cube, baseline.p, depth=depth), (0, 1))
    found = [Claim(one) for one in pursue(view)]
    return _Searched(obs, shift, dims, refused, cube, baseline, [], found, noise)


def _cube_of(obs: Observations, dims: Sequence[str], sides: pl.Series) -> Cube:
    """Build the cube of some dimensions under names that cannot be those of its own columns."""
    own = {f"dimension {i}": d for i, d in enumerate(dims)}
    counted = obs.frame.select("k", "n", "unit", "fold").get_columns()
    rows = pl.DataFrame([*counted, sides, *(obs.frame[d].alias(name) for name, d in own.items())])
    paths = frozenset(name for name, d in own.items() if d in obs.paths)
    cube = build_cube(rows, tuple(own), unit=obs.has_unit, paths=paths)
    return replace(cube, axes=tuple(replace(a, dimension=own[a.dimension]) for a in cube.axes))


def _told(
    one: _Searched, *, changes: pl.DataFrame | None, context: MechanismContext | None, store: EvidenceStore
) -> Explanation:
    obs, shift, cube, baseline = one.obs, one.shift, one.cube, one.baseline
    shown = [c for c in one.tested if c.confirmed or (c.found.score >= FLOOR and (c.segment.depth or not c.thin))]
    sane = [c for c in [*shown, *one.untested] if not _over_one(cube, c)]
    kept = disjoint(cube, baseline, sane, one.noise)
    parts = [Part(cause_id(shift, k.claim.segment), k.rows, k.claim.found.kind, k.effect) for k in kept]
    decomposition, _ = decompose(cube, baseline, parts, mix=False)
    kept, parts = material(cube, kept, parts, decomposition)
    decomposition, splits = decompose(cube, baseline, parts)
    ranked = sorted(
        zip(kept, parts, strict=True),
        key=lambda pair: (not pair[0].claim.confirmed, -abs(decomposition.causes[pair[1].id])),
    )
    causes: list[Cause] = []
    for rank, (k, part) in enumerate(ranked, start=1):
        cause = tell_cause(obs, shift, cube, k, part, rank, decomposition, splits.get(part.id), store)
        causes.append(add_why(obs, shift, cause, changes, context, store))
    if told := mix_cause(shift, cube, baseline, decomposition, len(causes) + 1, store):
        causes.append(told)
    notes = () if obs.has_unit else (NO_UNIT,)
    if len(sane) < len(shown) + len(one.untested):
        notes = (*notes, OVER_ONE)
    return Explanation(
        shift=shift, causes=tuple(causes), decomposition=decomposition, dimensions=one.dims, refused=one.refused,
        baseline_model=baseline.kind, notes=notes,
    )  # fmt: skip


def _over_one(cube: Cube, claim: Claim) -> bool:
    """Whether a segment's own rate lies over one on a side."""
    rows = cube.mask(claim.segment)
    sides = ((cube.k0, cube.n0), (cube.k1, cube.n1))
    return claim.segment.depth > 0 and any(float(k[rows].sum()) > float(n[rows].sum()) for k, n in sides)


def _untested(cube: Cube, baseline: Baseline, fitted: CrossFit) -> list[Claim]:
    """Take the names that all units together give to what was tested, and return what only they show.

    What halves are too small to find is never more than a candidate.
    """
    weight = cube.n0 + cube.n1
    untested: list[Claim] = []
    if all(one.segment.depth for one in fitted.together):  # a half missed what is local and took it for everything
        for claim in fitted.claims:
            claim.thin |= not claim.segment.depth
    for one in fitted.together:
        rows = cube.mask(one.segment)
        same = [
            c for c in fitted.claims
            if c.found.effect * one.effect > 0 and bool(c.segment.depth) == bool(one.segment.depth)
            and jaccard(cube.mask(c.segment), rows, weight) >= SAME_ROWS
        ]  # fmt: skip
        _, thin, actor = held_out(cube, baseline, one)
        if not same:
            untested.append(Claim(one, thin=thin, actor=actor))
        for claim in same:
            claim.found = replace(one, beyond=claim.found.beyond)
            claim.actor |= actor
    return untested
