"""Why, not only where: changes that fit a segment and its onset, and the mechanism that the clues speak for."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from gne_analytics.causes.clues import Clue, Scene, read_clues, scoped
from gne_analytics.causes.context import MechanismContext
from gne_analytics.causes.signatures import SIGNATURES
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import CauseKind, Estimate, MatchedChange, Mechanism, Period, Rival, Shift
from gne_analytics.metrics.intervals import rate_difference
from gne_analytics.metrics.observations import Observations
from gne_analytics.metrics.windows import segment_mask

SLACK = timedelta(days=14)
"""A change may come so long before or after the onset that the data show."""
FITS = 0.5
"""A change's scope must hold so much of the segment's rows since its onset."""
LEAST = 0.4
"""A mechanism must reach this part of its signature's weight."""
LEAD = 0.05
"""By which the best must lead, or it is called unknown."""
DECOYS = frozenset(
    {CauseKind.MIX_SHIFT, CauseKind.SEASONALITY, CauseKind.PLATFORM_EVENT, CauseKind.BATCH_CORRECTION,
     CauseKind.BATCH, CauseKind.VANISHED_SEGMENT}
)  # fmt: skip
OPEN_TO = {
    CauseKind.NEW_SEGMENT: frozenset(
        {Mechanism.TAXONOMY_GAP, Mechanism.ROUTING, Mechanism.SELLER_ABUSE, Mechanism.DATA_ERROR}
    ),
    CauseKind.ONE_ACTOR: frozenset({Mechanism.SELLER_ABUSE}),
}
"""What has no past, or one actor, is no failing of a policy; these mechanisms it may still be."""


@dataclass(frozen=True)
class Typed:
    """A mechanism with its reasons, rivals, owner and levers."""

    mechanism: Mechanism = Mechanism.UNKNOWN
    reasons: tuple[str, ...] = ()
    rivals: tuple[Rival, ...] = ()
    owner: str = ""
    levers: tuple[str, ...] = ()


def type_mechanism(
    shift: Shift, segment: Segment, kind: CauseKind, onset: date | None,
    changes: Sequence[MatchedChange], *, changes_known: bool, context: MechanismContext | None, store: EvidenceStore,
) -> Typed:  # fmt: skip
    """Type a cause's mechanism by the table of signatures; a decoy is never typed, and unknown is an answer."""
    if kind in DECOYS or not isinstance(shift.baseline, Period) or not isinstance(shift.focus, Period):
        return Typed()
    scene = _scene(shift, segment, kind, onset, changes, changes_known, context or MechanismContext(), store)
    clues = read_clues(scene)
    scores = {m: _score(m, clues) for m in OPEN_TO.get(kind, frozenset(SIGNATURES))}
    ranked = sorted(scores, key=lambda m: (-scores[m], m))
    best, second = ranked[0], scores[ranked[1]] if len(ranked) > 1 else 0.0
    rivals = tuple(
        Rival(mechanism=m, score=round(scores[m], 3), tell_apart=SIGNATURES[m].tell_apart)
        for m in ranked[:4]
        if scores[m] >= LEAST / 2
    )
    if scores[best] < LEAST or scores[best] - second < LEAD:
        return Typed(rivals=rivals)
    signature = SIGNATURES[best]
    speaking = sorted(signature.clues, key=lambda c: -signature.clues[c])
    reasons = tuple(
        clues[c].reason for c in speaking
        if signature.clues[c] > 0 and c in clues and clues[c].strength >= 0.3 and clues[c].reason
    )  # fmt: skip
    return Typed(best, reasons, tuple(r for r in rivals if r.mechanism is not best), signature.owner,
                 tuple(k.value for k in signature.levers))  # fmt: skip


def _score(mechanism: Mechanism, clues: dict[str, Clue]) -> float:
    """Weighted strength of the clues over the weight of those that could be looked at; 0 without a needed one."""
    signature = SIGNATURES[mechanism]
    if not any(clues[c].strength >= 0.4 for c in signature.needs if c in clues):
        return 0.0
    known = [c for c in signature.clues if c in clues]
    total = sum(w for c, w in signature.clues.items() if w > 0 and c in known)
    whole = sum(w for w in signature.clues.values() if w > 0)
    told = sum(signature.clues[c] * clues[c].strength for c in known)
    return max(0.0, told / max(total, 0.6 * whole))


def _scene(
    shift: Shift, segment: Segment, kind: CauseKind, onset: date | None,
    changes: Sequence[MatchedChange], changes_known: bool, context: MechanismContext, store: EvidenceStore,
) -> Scene:  # fmt: skip
    assert isinstance(shift.baseline, Period) and isinstance(shift.focus, Period)  # noqa: S101, PT018
    since = onset or shift.focus.start
    start = min(shift.baseline.start, since - timedelta(days=28))
    empty = pl.DataFrame(schema={"event_date": pl.Date, "final": pl.String})
    base = context.cases if context.cases is not None else empty
    inside_scope = scoped(base, shift.scope, context.paths)
    cases = inside_scope if inside_scope is not None else base.head(0)
    usable = Segment.of({d: v for d, v in segment.items() if d in cases.columns and d not in VERSION_DIMS})
    mask = segment_mask(usable, context.paths)
    early = (pl.col("event_date") >= start) & (pl.col("event_date") < since)
    late = (pl.col("event_date") >= since) & (pl.col("event_date") < shift.focus.end)
    named = Segment.of({d: v for d, v in segment.items() if d in cases.columns})
    own_late = segment_mask(named, context.paths)
    audits = scoped(scoped(context.audits, shift.scope, context.paths), usable, context.paths)
    audits = empty if audits is None or "event_date" not in audits.columns else audits
    return Scene(
        shift, segment, kind, since, changes, changes_known,
        cases.filter(mask & early), cases.filter(own_late & late), cases.filter(~mask & early),
        cases.filter(~mask & late), audits.filter(early), audits.filter(late), context.themes, store,
    )  # fmt: skip


VERSION_DIMS = frozenset({"detector_version", "policy_revision", "template_version"})
"""Left out of the segment when its past is looked at: before a version came, its cases had another."""


def match_changes(
    obs: Observations, shift: Shift, segment: Segment, onset: date | None, changes: pl.DataFrame | None
) -> tuple[MatchedChange, ...]:
    """Return the changes whose date fits the onset and whose scope meets the segment, nearest first.

    Each with a difference in differences of the metric, its scope against the rest around its date, and a placebo a
    window earlier, where nothing should show. Units are clustered.
    """
    if changes is None or changes.is_empty() or not isinstance(shift.focus, Period):
        return ()
    if not isinstance(shift.baseline, Period):
        return ()
    since = onset or shift.focus.start
    near = changes.with_columns(day=pl.col("at").dt.date()).filter(
        (pl.col("day") >= since - SLACK) & (pl.col("day") <= since + SLACK)
    )
    late = obs.frame.filter(
        (pl.col("event_date") >= since) & (pl.col("event_date") < shift.focus.end), segment_mask(segment, obs.paths)
    )
    found: list[tuple[float, int, MatchedChange]] = []
    for row in near.iter_rows(named=True):
        scope = _scope(row.get("scope"))
        fit = _fit(scope, segment, shift.scope, late, obs.paths)
        if fit < FITS:
            continue
        did = _did(obs, scope, row["day"], timedelta(0))
        placebo = _did(obs, scope, row["day"], timedelta(days=28))
        change = MatchedChange(
            change_id=str(row["change_id"]), kind=str(row.get("kind") or ""), at=row["day"], did=did, placebo=placebo
        )
        found.append((-round(fit, 1), abs((row["day"] - since).days), change))
    return tuple(change for *_, change in sorted(found, key=lambda f: (f[0], f[1], f[2].change_id))[:3])


def _scope(text: object) -> Segment:
    read = json.loads(text) if isinstance(text, str) and text.strip() else {}
    return Segment.of({str(d): [str(x) for x in v] if isinstance(v, list) else [str(v)] for d, v in read.items()})


def _fit(scope: Segment, segment: Segment, within: Segment, late: pl.DataFrame, paths: frozenset[str]) -> float:
    """The share of the segment's rows since its onset that a change's scope holds; 0 where it cannot be told.

    A change of everything fits only what moved everywhere; one whose scope is the shift's own fits it wholly.
    """
    if not scope.depth:
        return 0.0 if segment.depth or within.depth else 1.0
    told = Segment.of({d: v for d, v in scope.items() if d in late.columns})
    if told.depth < scope.depth and set(scope.dimensions) - set(told.dimensions) - set(within.dimensions):
        return 0.0
    if not late.height:
        return 0.0
    return float(late.select(segment_mask(told, paths).mean()).item() or 0.0)


def _did(obs: Observations, scope: Segment, at: date, earlier: timedelta) -> Estimate | None:
    """Difference in differences around a date, four weeks on each side, over the dimensions the metric's rows have."""
    usable = Segment.of({d: v for d, v in scope.items() if d in obs.dims and d not in VERSION_DIMS})
    if not usable.depth:
        return None
    centre, reach = at - earlier, timedelta(days=28)
    rows = obs.frame.filter((pl.col("event_date") >= centre - reach) & (pl.col("event_date") < centre + reach))
    if rows.height < 40:
        return None
    flags = rows.select(
        t=segment_mask(usable, obs.paths), late=pl.col("event_date") >= centre, k=pl.col("k"), n=pl.col("n")
    )
    k, n = flags["k"].to_numpy().astype(float), flags["n"].to_numpy().astype(float)
    treated, late = flags["t"].to_numpy(), flags["late"].to_numpy()
    unit = None
    if obs.has_unit:
        unit = rows["unit"].fill_null("").rank("dense").to_numpy().astype(np.int64) - 1
    parts = []
    for group in (treated, ~treated):
        a, b = group & ~late, group & late
        if n[a].sum() < 10 or n[b].sum() < 10:
            return None
        parts.append(rate_difference(k * a, n * a, k * b, n * b, unit))
    value = parts[0].value - parts[1].value
    combined = type(parts[0])(value, float(np.hypot(parts[0].se, parts[1].se)), min(p.dof for p in parts))
    return combined.estimate(rows.height, "difference in differences, clustered by unit")
