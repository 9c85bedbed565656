"""How figures spell numbers, segments and windows; the same forms as the prose of the report."""

from collections.abc import Mapping
from datetime import date, timedelta

from gne_analytics.evidence.render import number, percent, points
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Estimate, Period, Shift


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


def window(window: Period | Segment) -> str:
    """Spell a window of a shift; a period without a label by its first and last day."""
    if not isinstance(window, Period):
        return named(window)
    return window.label or f"{_day(window.start)} to {_day(window.end - timedelta(days=1))}"


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def moved(value: float) -> str:
    """Say the direction of a change in one word."""
    return "rose" if value > 0 else "fell" if value < 0 else "did not move"


def shift_title(shift: Shift) -> str:
    """Say a shift in one sentence: what moved, from what to what."""
    where = f" in {named(shift.scope)}" if shift.scope.depth else ""
    if shift.delta.value == 0:
        return f"{metric_title(shift.metric)}{where} did not move"
    fro, to = percent(shift.before.rate), percent(shift.after.rate)
    return f"{metric_title(shift.metric)}{where} {moved(shift.delta.value)} from {fro} to {to}"


def shift_subtitle(shift: Shift) -> str:
    """Say what lies behind a shift: windows, n and the source of its label."""
    return (
        f"{window(shift.baseline)} (n = {number(shift.before.n)}) against {window(shift.focus)} "
        f"(n = {number(shift.after.n)}); label: {shift.label_source.value.replace('_', ' ')}"
    )
