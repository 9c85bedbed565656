"""Clues: what the record shows about a segment before and after its onset, each with a strength and its figures.

The looks at what a segment names and at what arrived with its onset are here; those at scores and outcomes, at what is
said, and at faults of the record have files of their own.
"""

from collections.abc import Callable, Sequence

import polars as pl

from gne_analytics.causes.clues_decided import OUTCOMES, QUEUES, SCORES, TEAMS
from gne_analytics.causes.clues_record import AUDITS, FAULTS, SIGNALS
from gne_analytics.causes.clues_said import REVERSALS, TEXTS
from gne_analytics.causes.scene import ENOUGH, Clue, Scene, Share, rise, shares, unit
from gne_analytics.evidence.segment import MISSING, Segment

CLAUSES = frozenset({"clause_id", "rule_id"})
SELLERS = ("seller_", "account_")
NOT_A_CLASS = frozenset({"seller_id", "seller_language", "account_id"})
VERSIONS = {
    "version_arrived": ("detector_version",),
    "template_arrived": ("template_version", "template_id"),
    "revision_arrived": ("policy_revision",),
}
CHANGES = ("detector", "policy", "template", "process")
UNTOLD = 0.7
"""Strength of a change that fits, where the rows cannot tell whether it shows."""


def read_clues(scene: Scene, looks: Sequence[Callable[[Scene], dict[str, Clue]]] = ()) -> dict[str, Clue]:
    """Return every clue that the record allows to look at; one that it does not allow is absent, not zero."""
    found: dict[str, Clue] = {}
    for look in looks or LOOKS:
        found |= look(scene)
    return found


def names_class(segment: Segment) -> bool:
    """Whether a segment is a class of sellers, by whatever column tells classes."""
    return any(d.startswith(SELLERS) and d not in NOT_A_CLASS for d in segment.dimensions)


def names_team(segment: Segment) -> bool:
    """Whether a segment is a team of reviewers or its queue; cases that nobody reviewed are none."""
    return any(
        part in TEAMS and any(v != MISSING for v in values) for d, values in segment.items() for part in d.split("_")
    )


def _named(scene: Scene) -> dict[str, Clue]:
    dims = set(scene.segment.dimensions)
    return {
        "class_named": Clue(float(names_class(scene.segment)), "The segment is one class of sellers."),
        "queue_named": Clue(float(names_team(scene.segment)), "The segment is one review queue."),
        "clause_named": Clue(float(bool(dims & CLAUSES)), "The segment is one clause or rule."),
        "whole_scope": Clue(float(not dims), "The whole scope moved alike."),
    }


def _arrivals(scene: Scene) -> dict[str, Clue]:
    """A version or template whose share of the segment's cases rose at the onset, and whether the move follows it."""
    out: dict[str, Clue] = {}
    before, after = scene.near()
    if min(before.height, after.height) < ENOUGH:
        return out
    for clue, columns in VERSIONS.items():
        best = 0.0
        for column in (c for c in columns if c in before.columns):
            known = [f.filter(pl.col(column).is_not_null()) for f in (before, after)]
            if min(f.height for f in known) < ENOUGH:
                continue
            was, now = (shares(f, column) for f in known)
            named = scene.segment.values(column) if column in scene.segment.dimensions else ()
            grown = named or (max(now, key=lambda v: now[v] - was.get(v, 0.0)),)
            sides = [Share.of(f[column].cast(pl.String).is_in(list(grown))) for f in known]
            strength = unit(rise(sides[0], sides[1]) / 0.3)
            out.setdefault(clue, Clue(0.0))
            if strength > best:
                best = strength
                share = scene.share(sides[1], known[1].height, f"share of {column} {grown[0]} after the onset")
                out[clue] = Clue(strength, f"{scene.name(grown[0])} holds {share} of its cases since the onset.")
                if carried := _carries(scene, column, list(grown)):
                    out[clue.replace("arrived", "carries")] = carried
    return out


def _carries(scene: Scene, column: str, arrived: list[str]) -> Clue | None:
    """Whether, since the onset, the metric moved among the cases of what arrived and not among the others."""
    inside = pl.col(column).cast(pl.String).is_in(arrived)
    new, old = scene.hits(scene.wider.filter(inside)), scene.hits(scene.wider.filter(~inside))
    past = scene.hits(scene.before)
    if new is None or old is None or past is None:
        return None
    sign = 1.0 if scene.rising else -1.0
    moved, stayed = sign * (new.value - past.value), sign * (old.value - past.value)
    if moved <= 0:
        return Clue(0.0)
    reach = (new.variance + old.variance) ** 0.5
    share = scene.share(old, round(old.n), "the metric among the other cases since the onset")
    return Clue(
        unit((moved - stayed - reach) / max(0.5 * moved, 1e-9)),
        f"Among its other cases since the onset, the rate stands at {share}.",
    )


def _changes(scene: Scene) -> dict[str, Clue]:
    if not scene.changes_known:
        return {}
    out = {}
    for kind in CHANGES:
        fitting = [c for c in scene.changes if c.kind == kind and c.supported is not False]
        if not fitting:
            out[f"change_{kind}"] = Clue(0.0)
            continue
        change = fitting[0]
        when = scene.store.add(change.at, "date", tool="causes.mechanism").ref("date")
        sentence = f"Change {scene.name(change.change_id)} of {when} fits its place and its onset."
        out[f"change_{kind}"] = Clue(1.0 if change.supported else UNTOLD, sentence)
    return out


LOOKS: tuple[Callable[[Scene], dict[str, Clue]], ...] = (
    _named, _arrivals, _changes, *SCORES, *OUTCOMES, *QUEUES, *TEXTS, *REVERSALS, *FAULTS, *AUDITS, *SIGNALS,
)  # fmt: skip
"""Every look at the record; each returns the clues it can see."""
BETWEEN = REVERSALS
"""The looks that mean something between two segments too."""
