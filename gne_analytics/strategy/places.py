"""Places of a threshold: the segments of a rule's cases, and the edit that gives each a threshold of its own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from gne_analytics.errors import DataError, PolicyError
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Edit, EditKind
from gne_analytics.metrics.windows import segment_mask
from gne_analytics.policy.model import Override, Policy, Rule, Status, Threshold
from gne_analytics.policy.predicates import PATHS, segment_of
from gne_analytics.policy.resolve import resolve
from gne_analytics.strategy.candidates import STEP, slug
from gne_analytics.strategy.guardrails import slice_value
from gne_analytics.strategy.study import Study

LOWEST, HIGHEST = 0.02, 0.99
"""Between these a threshold is tried, in steps of ``candidates.STEP``."""
MOST_SEGMENTS, MIN_CASES = 40, 30
"""Segments that get thresholds of their own: the largest, with at least so many scored cases to search on."""


@dataclass(frozen=True)
class Place:
    """A segment of one rule's cases, and where the config says their threshold."""

    segment: Segment
    """Empty: every case without an override of its own, by the rule's default."""
    match: str
    today: float
    """The commonest threshold of its cases."""
    override: Override | None
    """The one that is made for this segment; it is set, where otherwise one is added."""
    cases: int

    def edit(self, value: float, policy: Policy, rule: Rule, taken: Sequence[str], reason: str) -> Edit:
        """Return the edit that gives the place a threshold; ``taken`` are ids that an override must not have."""
        made = Edit(kind=EditKind.SET_THRESHOLD, policy=policy.id, rule=rule.id, reason=reason)
        if not self.segment.depth:
            return made.model_copy(update={"old": threshold_of(rule).default, "new": value})
        if self.override is not None:
            new = {"kind": EditKind.SET_OVERRIDE, "item": self.override.id, "old": self.override.value, "new": value}
            return made.model_copy(update=new)
        names = [*taken, *(o.id for o in threshold_of(rule).overrides)]
        item = {"id": slug(self.segment, names), "match": self.match, "value": value}
        item |= {"priority": top} if (top := above_all(rule)) else {}
        return made.model_copy(update={"kind": EditKind.ADD_OVERRIDE, "new": {**item, "reason": reason}})


def threshold_of(rule: Rule) -> Threshold:
    """Return a live rule's threshold, or PolicyError where there is none to move."""
    if rule.status is not Status.LIVE:
        raise PolicyError(f"rule {rule.id!r} is {rule.status.value}; only a live rule has thresholds worth choosing.")
    if rule.threshold is None:
        raise PolicyError(f"rule {rule.id!r} has no threshold: it fires whenever its 'when' holds.")
    return rule.threshold


def above_all(rule: Rule) -> int:
    """Return the priority at which an override goes before all that the rule has."""
    return max((o.priority for o in threshold_of(rule).overrides), default=-1) + 1


def allowed(policy: Policy, rule: Rule, values: Iterable[float] | None = None) -> list[float]:
    """Return the thresholds to try, ascending; of a protected policy those that can relax nothing.

    PolicyError for a value outside [0, 1], or where nothing is left.
    """
    threshold = threshold_of(rule)
    steps = np.round(np.arange(LOWEST, HIGHEST + STEP / 2, STEP), 2)
    grid = sorted({float(v) for v in (steps if values is None else values)})
    if grid and not (grid[0] >= 0 and grid[-1] <= 1):
        raise PolicyError(f"thresholds to try lie between 0 and 1; got {grid[0]:g} to {grid[-1]:g}.")
    if policy.protected:
        strictest = min([threshold.default, *(o.value for o in threshold.overrides)])
        grid = [v for v in grid if v <= strictest] if rule.human_review is None else []
    if not grid:
        why = "is protected, and none of them is sure to relax nothing" if policy.protected else "has none to try"
        raise PolicyError(f"no threshold of rule {rule.id!r} can be tried: its policy {policy.id!r} {why}.")
    return grid


def places_of(study: Study, rule: Rule, by: Sequence[str], since: date | None = None) -> list[Place]:
    """Return a rule's segments by the values of some dimensions, the largest first.

    Paths count by their top level and nulls as a value of their own, so the segments do not overlap. Segments too small
    to search on, those beyond ``MOST_SEGMENTS`` and those that no predicate can name are left as they are.

    Raises:
        DataError: a dimension that is not known at the decision, no scored case, or no segment large enough.
    """
    for name in by:
        if name not in study.population.attributes:
            raise DataError.missing_column("cases", name, study.population.attributes)
    rows = _scored(study, rule, since)
    if not by:
        return [Place(Segment({}), "", threshold_of(rule).default, None, rows.height)]
    keyed = rows.select("threshold", "override_id", *[slice_value(name).alias(name) for name in by])
    sizes = keyed.group_by(by).len().filter(pl.col("len") >= MIN_CASES)
    largest = sizes.sort(["len", *by], descending=[True, *[False] * len(by)]).head(MOST_SEGMENTS)
    found = []
    for *values, n in largest.select(*by, "len").iter_rows():
        segment = Segment({name: (str(value),) for name, value in zip(by, values, strict=True)})
        inside = keyed.filter(*[pl.col(name) == value for name, value in zip(by, values, strict=True)])
        commonest = inside["threshold"].mode().sort()[0]
        if not study.can_name(segment):
            continue
        found.append(
            Place(segment, study.predicate(segment), float(commonest), _own_override(rule, segment, inside), int(n))
        )
    if not found:
        raise DataError(
            f"no segment by {', '.join(by)} has {MIN_CASES} scored cases of rule {rule.id!r} to search on; "
            "name fewer dimensions."
        )
    return found


def segment_place(study: Study, rule: Rule, segment: Segment) -> Place:
    """Return the place of one segment; the empty segment is the rule's default."""
    for name in segment.dimensions:
        if name not in study.population.attributes:
            raise DataError.missing_column("cases", name, study.population.attributes)
    rows = _scored(study, rule, None)
    if not segment.depth:
        return Place(segment, "", threshold_of(rule).default, None, rows.height)
    inside = rows.filter(segment_mask(segment, PATHS))
    commonest = inside["threshold"].mode().sort()[0] if inside.height else threshold_of(rule).default
    match = study.predicate(segment)
    return Place(segment, match, float(commonest), _own_override(rule, segment, inside), inside.height)


def _own_override(rule: Rule, segment: Segment, inside: pl.DataFrame) -> Override | None:
    """Return the override that says this very segment, where no other has a word in any of its cases."""
    own = [o for o in threshold_of(rule).overrides if segment_of(o.match) == segment]
    if len(own) != 1 or not (inside["override_id"] == own[0].id).fill_null(False).all():
        return None
    peers = [o for o in threshold_of(rule).overrides if o.priority == own[0].priority]
    return own[0] if len(peers) == 1 else None


def _scored(study: Study, rule: Rule, since: date | None) -> pl.DataFrame:
    """Return the scored cases of the sellers to search on that a rule applies to, with their thresholds today."""
    searched = study.population.cases.filter(pl.col("part") == 0).select("case_id")
    rows = study.population.scores.join(searched, on="case_id", how="semi")
    if since is not None:
        rows = rows.filter(pl.col("event_date") >= since)
    said = resolve(rule, rows, study.day).select("applies", "threshold", "override_id")
    found = rows.hstack(said).filter("applies")
    if found.is_empty():
        raise DataError(f"no case to search on has a score that rule {rule.id!r} reads; check its detector and 'when'.")
    return found
