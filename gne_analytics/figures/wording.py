"""How figures spell numbers, segments and windows; the same forms as the prose of the report."""

from collections.abc import Mapping
from math import isnan

from gne_analytics.evidence.render import number, percent, points
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Cause, CauseKind, Estimate, Period, Shift, Window

SIDE_WIDTH = 28
"""Characters of a compared segment's name in a legend or a table's head."""

_KINDS: Mapping[CauseKind, str] = {
    CauseKind.RATE_SHIFT: "rate moved",
    CauseKind.NEW_SEGMENT: "new segment",
    CauseKind.VANISHED_SEGMENT: "vanished segment",
    CauseKind.ONE_ACTOR: "one actor",
    CauseKind.MIX_SHIFT: "mix moved",
    CauseKind.SEASONALITY: "season",
    CauseKind.PLATFORM_EVENT: "everything moved",
    CauseKind.BATCH_CORRECTION: "batch of corrections",
}


def signed(value: float) -> str:
    """Spell a difference of counts with its sign: ``-1234.0`` is ``−1,234``."""
    return f"+{number(value)}" if value > 0 else number(value)


def between(estimate: Estimate) -> str:
    """Spell the interval of a difference of shares; empty when there is none."""
    interval = estimate.interval
    if interval is None:
        return ""
    return f"{percent(interval.level)} interval {points(interval.lo)} to {points(interval.hi)}"


def metric_title(metric: str) -> str:
    """Spell a metric's name as words: ``overturn_rate`` is ``Overturn rate``."""
    return metric.replace("_", " ").capitalize()


def named(segment: Segment, names: Mapping[str, str] | None = None) -> str:
    """Spell a segment, each value as ``names`` has it, else as it stands."""
    if not segment.depth:
        return "everything"
    spell = names or {}
    parts = ((dimension(dim), " or ".join(spell.get(v, v) for v in values)) for dim, values in segment.items())
    return ", ".join(f"{dim}: {values}" for dim, values in parts)


def dimension(name: str) -> str:
    """Spell a dimension's column: ``policy_id`` is ``policy``, ``detector_version`` is ``detector version``."""
    return name.removesuffix("_id").replace("_", " ")


def in_time(shift: Shift) -> bool:
    """Say whether a shift compares two periods; else it compares two segments, and nothing rose, fell or began."""
    return isinstance(shift.baseline, Period) and isinstance(shift.focus, Period)


def sides(shift: Shift) -> tuple[str, str]:
    """Name the two sides of a shift: before and after, or the two segments by what tells them apart."""
    if in_time(shift):
        return "before", "after"
    if not isinstance(shift.baseline, Segment) or not isinstance(shift.focus, Segment):
        return "there", "here"  # a period beside a segment
    there, here = _apart(shift.baseline, shift.focus), _apart(shift.focus, shift.baseline)
    return (there, here) if there != here else ("there", "here")


def _apart(one: Segment, other: Segment) -> str:
    """Name a segment by its own values where one dimension tells it from the other, else by all it says; cut short."""
    differing = [values for d, values in one.items() if other.values(d) != values]
    alike = one.dimensions == other.dimensions and len(differing) == 1
    name = " ".join((" or ".join(differing[0]) if alike else named(one)).split())
    return name if len(name) <= SIDE_WIDTH else f"{name[: SIDE_WIDTH - 1]}…"


def kind_of(cause: Cause, shift: Shift) -> str:
    """Say what a cause is; between two segments nothing is new, gone or an event, it lies on one side or on both."""
    there, here = sides(shift)
    if in_time(shift):
        return _KINDS[cause.kind]
    between = {
        CauseKind.RATE_SHIFT: "rate differs",
        CauseKind.NEW_SEGMENT: f"only in {here}",
        CauseKind.VANISHED_SEGMENT: f"only in {there}",
        CauseKind.MIX_SHIFT: "mix differs",
        CauseKind.PLATFORM_EVENT: "differs throughout",
    }
    return between.get(cause.kind, _KINDS[cause.kind])


def from_to(shift: Shift, fro: str, to: str) -> str:
    """Set two figures of a shift side by side: ``12 % → 31 %`` in time, ``12 % in TH, 31 % in ID`` between segments."""
    if in_time(shift):
        return f"{fro} → {to}"
    there, here = sides(shift)
    return f"{fro} in {there}, {to} in {here}"


def window(window: Window) -> str:
    """Spell a window of a shift: a period as prose spells it, or the segment."""
    return window.words if isinstance(window, Period) else named(window)


def moved(value: float) -> str:
    """Say the direction of a change in one word."""
    return "rose" if value > 0 else "fell" if value < 0 else "did not move"


def shift_title(shift: Shift) -> str:
    """Say a shift in one sentence: what moved, from what to what."""
    where = f" in {named(shift.scope)}" if shift.scope.depth else ""
    metric = f"{metric_title(shift.metric)}{where}"
    if isnan(shift.delta.value):
        return f"{metric} cannot be compared: one side has no rate"
    fro, to = percent(shift.before.rate), percent(shift.after.rate)
    if not in_time(shift):
        there, here = sides(shift)
        if shift.delta.value == 0:
            return f"{metric} is the same in {here} as in {there}, {to}"
        level = "higher" if shift.delta.value > 0 else "lower"
        return f"{metric} is {level} in {here} than in {there}: {to} against {fro}"
    if shift.delta.value == 0:
        return f"{metric} did not move"
    return f"{metric} {moved(shift.delta.value)} from {fro} to {to}"


def shift_subtitle(shift: Shift) -> str:
    """Say what lies behind a shift: windows, n and the source of its label."""
    return (
        f"{window(shift.baseline)} (n = {number(shift.before.n)}) against {window(shift.focus)} "
        f"(n = {number(shift.after.n)}); label: {shift.label_source.value.replace('_', ' ')}"
    )
