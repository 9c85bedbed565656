"""Why, not only where: changes that fit a segment and its onset, and the mechanism that the clues speak for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import polars as pl

from gne_analytics.causes.cells import is_version
from gne_analytics.causes.clues import BETWEEN, read_clues
from gne_analytics.causes.context import MechanismContext
from gne_analytics.causes.onset import Onset
from gne_analytics.causes.scene import Clue, Scene
from gne_analytics.causes.signatures import SIGNATURES
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import CauseKind, MatchedChange, Mechanism, Period, Rival, Shift, Window
from gne_analytics.metrics.windows import segment_mask, window_mask

UNSURE = timedelta(days=14)
"""At most so many days before the onset, where its interval holds them, are no past."""
VAGUE = timedelta(days=28)
"""An onset's interval longer than this, with the start of the focus in it, gives way to that start."""
LEAST = 0.4
"""A mechanism must reach this part of its signature's weight."""
NEEDED = 0.25
"""A clue that a mechanism needs counts as seen from this strength on."""
LEAD = 0.05
"""By which the best must lead, or it is called unknown."""
DECOYS = frozenset(
    {CauseKind.MIX_SHIFT, CauseKind.SEASONALITY, CauseKind.PLATFORM_EVENT, CauseKind.BATCH_CORRECTION,
     CauseKind.VANISHED_SEGMENT}
)  # fmt: skip
OPEN_TO = {
    CauseKind.NEW_SEGMENT: frozenset(
        {Mechanism.TAXONOMY_GAP, Mechanism.ROUTING, Mechanism.SELLER_ABUSE, Mechanism.DATA_ERROR}
    ),
    CauseKind.ONE_ACTOR: frozenset({Mechanism.SELLER_ABUSE}),
}
"""What has no past, or one actor, is no failing of a policy; these mechanisms it may still be."""
OPEN_BETWEEN = frozenset({Mechanism.EVIDENCE_NOT_REQUESTED, Mechanism.NOTICE_UNCLEAR})
"""Between two segments nothing has an onset: reasons of reversals can speak for a message, and no more is typed."""


@dataclass(frozen=True)
class Typed:
    """A mechanism with its reasons, rivals, owner and levers."""

    mechanism: Mechanism = Mechanism.UNKNOWN
    reasons: tuple[str, ...] = ()
    rivals: tuple[Rival, ...] = ()
    owner: str = ""
    levers: tuple[str, ...] = ()


def type_mechanism(
    shift: Shift, segment: Segment, kind: CauseKind, onset: Onset | None,
    changes: Sequence[MatchedChange], *, changes_known: bool, context: MechanismContext | None, store: EvidenceStore,
    rising: bool | None = None,
) -> Typed:  # fmt: skip
    """Type a cause's mechanism by the table of signatures; a decoy is never typed, and unknown is an answer."""
    if kind in DECOYS:
        return Typed()
    rises = shift.delta.value >= 0 if rising is None else rising
    known = context or MechanismContext()
    if isinstance(shift.baseline, Period) and isinstance(shift.focus, Period):
        scene = _scene(shift, segment, kind, onset, known, store)
        scene = replace(scene, changes=changes, changes_known=changes_known, rising=rises)
        clues, open_to = read_clues(scene), OPEN_TO.get(kind, frozenset(SIGNATURES))
    else:
        clues = read_clues(replace(_between(shift, segment, kind, known, store), rising=rises), BETWEEN)
        open_to = OPEN_BETWEEN
    scores = {m: _score(m, clues) for m in open_to}
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
    if not any(clues[c].strength >= NEEDED for c in signature.needs if c in clues):
        return 0.0
    known = [c for c in signature.clues if c in clues]
    total = sum(w for c, w in signature.clues.items() if w > 0 and c in known)
    whole = sum(w for w in signature.clues.values() if w > 0)
    told = sum(signature.clues[c] * clues[c].strength for c in known)
    return max(0.0, told / max(total, 0.6 * whole))


def _between(shift: Shift, segment: Segment, kind: CauseKind, context: MechanismContext, store: EvidenceStore) -> Scene:
    """The scene of a cause between two segments: the baseline's cases stand for before, the focus's for after."""
    empty = pl.DataFrame(schema={"event_date": pl.Date, "final": pl.String})
    found = context.rows(context.cases, shift.scope)
    cases = empty if found is None else found
    mask = segment_mask(Segment.of({d: v for d, v in segment.items() if d in cases.columns}), context.paths)
    sides = [window_mask(w, cases, context.paths) if _tells(w, cases) else pl.lit(False) for w in _windows(shift)]
    inside, outside = ([cases.filter(m & s) for s in sides] for m in (mask, ~mask))
    return Scene(
        shift=shift, segment=segment, kind=kind, onset=date.min, changes=(), changes_known=False, before=inside[0],
        after=inside[1], wider=inside[1], rest_before=outside[0], rest_after=outside[1], audits_before=empty,
        audits_after=empty, signals=None, themes=context.themes, store=store, rising=True,
    )  # fmt: skip


def _windows(shift: Shift) -> tuple[Window, Window]:
    return shift.baseline, shift.focus


def _tells(window: Window, cases: pl.DataFrame) -> bool:
    return not isinstance(window, Segment) or set(window.dimensions) <= set(cases.columns)


def _scene(
    shift: Shift, segment: Segment, kind: CauseKind, onset: Onset | None, context: MechanismContext,
    store: EvidenceStore,
) -> Scene:  # fmt: skip
    assert isinstance(shift.baseline, Period) and isinstance(shift.focus, Period)  # noqa: S101, PT018
    vague = onset is not None and onset.hi - onset.lo > VAGUE and onset.lo <= shift.focus.start <= onset.hi
    if vague:  # the windows say more of when it began than the rate does
        onset = None
    since = onset.day if onset else shift.focus.start
    # Days on which it is unsure whether the move had begun speak for neither side, if they are few.
    until = max(onset.lo, since - UNSURE) if onset and onset.lo < since else since
    start = min(shift.baseline.start, since - timedelta(days=28))
    empty = pl.DataFrame(schema={"event_date": pl.Date, "final": pl.String})
    base = context.cases if context.cases is not None else empty
    inside_scope = context.rows(base, shift.scope)
    cases = inside_scope if inside_scope is not None else base.head(0)
    usable = Segment.of({d: v for d, v in segment.items() if d in cases.columns and not is_version(d)})
    mask = segment_mask(usable, context.paths)
    early = (pl.col("event_date") >= start) & (pl.col("event_date") < until)
    late = (pl.col("event_date") >= since) & (pl.col("event_date") < shift.focus.end)
    named = Segment.of({d: v for d, v in segment.items() if d in cases.columns})
    audits = context.rows(context.rows(context.audits, shift.scope), usable)
    if audits is None and context.audits is not None and "violation_id" in context.audits.columns:
        own = cases.filter(mask)["violation_id"] if "violation_id" in cases.columns else pl.Series([], dtype=pl.String)
        audits = context.audits.filter(pl.col("violation_id").is_in(own.implode()))
    audits = empty if audits is None or "event_date" not in audits.columns else audits
    return Scene(
        shift=shift, segment=segment, kind=kind, onset=since, changes=(), changes_known=False,
        before=cases.filter(mask & early), after=cases.filter(segment_mask(named, context.paths) & late),
        wider=cases.filter(mask & late), rest_before=cases.filter(~mask & early), rest_after=cases.filter(~mask & late),
        audits_before=audits.filter(early), audits_after=audits.filter(late), themes=context.themes, store=store,
        rising=True, signals=_signals(context, segment, late),
    )  # fmt: skip


def _signals(context: MechanismContext, segment: Segment, late: pl.Expr) -> tuple[pl.DataFrame, pl.DataFrame] | None:
    """Signals since the onset inside a segment and outside it; None where these cannot tell it."""
    signals = context.signals
    if signals is None or not {*segment.dimensions, "violation_id", "event_date"} <= set(signals.columns):
        return None
    inside = segment_mask(segment, context.paths)
    return signals.filter(late & inside), signals.filter(late & ~inside)
