"""Placing incidents: where and when they strike, chosen by the seed among segments that have enough volume."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import polars as pl

from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Edit, EditKind
from gne_analytics.policy.edits import applied
from gne_analytics.policy.files import PolicySet, from_files
from gne_analytics.policy.predicates import compile as compile_predicate
from gne_analytics.policy.predicates import predicate_of
from gne_analytics.simulate.arrivals import Calendar, Narrow, arrive
from gne_analytics.simulate.draws import Bools, Draws, Knobs
from gne_analytics.simulate.incidents import EFFECTS, METRICS, OWNERS, Incident, Planted

ENOUGH_CASES = 700
"""Raw cases after the onset that a segment needs; about a quarter of them end as violations."""
ENOUGH_SELLERS = 30


@dataclass(frozen=True)
class Site:
    """What a kind of incident decides for itself; the rest is the same for all."""

    segment: Segment
    """The true segment, in the record's columns."""
    where: Segment
    """The same in the columns that cases have before any decision, policy included; ``stream`` for added cases."""
    policy: str | None
    description: str
    alternatives: tuple[Segment, ...] = ()
    edits: tuple[Edit, ...] = ()
    """What the incident itself did to the policy set."""
    right_edits: tuple[Edit, ...] = ()
    levers: tuple[EditKind, ...] = ()
    change: tuple[str, Mapping[str, tuple[str, ...]], str] | None = None
    """Kind, scope, description of the logged change; None where nobody logged anything."""
    narrow: Narrow | None = None
    """The added stream of cases, if any."""
    knobs: Mapping[str, float] = field(default_factory=dict)
    """Knobs besides those of the severity table."""
    weeks: Callable[[int], bool] | None = None
    """Which weeks; from the onset on where None."""
    rollouts: Mapping[str, int] = field(default_factory=dict)
    template: tuple[str, str] | None = None
    sellers: tuple[str, ...] = ()
    campaign: str = ""


@dataclass(frozen=True)
class Ground:
    """What a placing may look at: the world before detectors, and the policy set as it stands by now."""

    incident: Incident
    id: str
    base: pl.DataFrame
    sellers: pl.DataFrame
    calendar: Calendar
    policies: PolicySet
    draws: Draws
    onset: int

    @property
    def onset_date(self) -> date:
        """The Monday on which it begins."""
        return self.calendar.monday(self.onset).date()

    def choose(self, options: Sequence[str], what: str) -> str:
        """One of the options, by the seed."""
        return options[int(self.draws.stream(f"{self.id}.{what}").integers(len(options)))]

    def given(self, dimension: str) -> str | None:
        """The value that the order names for a dimension, if any."""
        values = self.incident.segment.values(dimension) if self.incident.segment is not None else ()
        return values[0] if values else None

    def policy_of(self, options: Sequence[str]) -> str:
        """The policy that the order names, else one of the options."""
        return self.incident.policy or self.choose(options, "policy")

    def spot(self, options: Sequence[Sequence[str]], within: pl.Expr) -> dict[str, str]:
        """Values of one of the sets of dimensions, among those with many cases of many sellers after the onset.

        ``category`` is the top of the path. Where nothing is that big the biggest is taken, of the widest set.
        """
        asked = [d for d in dict.fromkeys(d for dims in options for d in dims) if self.given(d)]
        options = [asked] if asked else options
        after = self.base.filter(within, pl.col("week") >= self.onset)
        after = after.with_columns(category=pl.col("category").str.split("/").list.first())
        found = [(dims, self._counted(after, dims)) for dims in options]
        big = [(d, f.filter(pl.col("n") >= ENOUGH_CASES, pl.col("s") >= ENOUGH_SELLERS)) for d, f in found]
        usable = [(d, f) for d, f in big if f.height] or [(found[-1][0], found[-1][1].head(1))]
        stream = self.draws.stream(f"{self.id}.segment")
        dims, frame = usable[int(stream.integers(len(usable)))]
        row = frame.row(int(stream.integers(frame.height)), named=True)
        return {d: str(row[d]) for d in dims}

    def _counted(self, frame: pl.DataFrame, dims: Sequence[str]) -> pl.DataFrame:
        """Cases and sellers per value; no value where one seller has a third, none but what the order asks for."""
        sellers = pl.col("seller_id")
        counted = frame.group_by(list(dims)).agg(
            n=pl.len(), s=sellers.n_unique(), alone=sellers.unique_counts().max() > 0.33 * pl.len()
        )
        for dim in dims:
            asked = self.given(dim)
            counted = counted.filter(pl.col(dim) == asked if asked else ~pl.col("alone"))
        return counted.sort(["n", *dims], descending=[True, *[False] * len(dims)])


@dataclass(frozen=True)
class Placed:
    """An incident in its place, with what the stages need of it."""

    incident: Incident
    planted: Planted
    site: Site = field(repr=False)
    from_week: int = 0
    extra: pl.DataFrame | None = field(default=None, repr=False)

    @property
    def since(self) -> dict[str, int]:
        """Overrides that the incident brought into the policy set, and the week since when."""
        return {
            str(e.new["id"]): self.from_week
            for e in self.site.edits
            if e.kind is EditKind.ADD_OVERRIDE and isinstance(e.new, Mapping)
        }

    @property
    def revised(self) -> dict[str, int]:
        """Policies of which it made a new revision, and the week."""
        return {e.policy: self.from_week for e in self.site.edits if e.kind is not EditKind.EDIT_NOTICE}

    def turn(self, cases: pl.DataFrame, knobs: Knobs) -> None:
        """Turn the incident's knobs on the cases of its segment, in its weeks."""
        where = self.struck(cases)
        sizes = {knob: self.incident.effect(knob) for knob in EFFECTS[self.incident.kind]} | dict(self.site.knobs)
        for knob, size in sizes.items():
            knobs.turn(knob, where, size)

    def struck(self, cases: pl.DataFrame) -> Bools:
        """Which cases it strikes."""
        weeks = self.site.weeks or (lambda week: week >= self.from_week)
        active = [week for week in range(int(cases["week"].to_numpy().max()) + 1) if weeks(week)]
        where = cases["week"].is_in(active)
        if self.site.where.depth:
            where &= compile_predicate(predicate_of(self.site.where)).mask(cases)
        return np.asarray(where.to_numpy(), dtype=np.bool_)


def place(ground: Ground, site: Site, bursts: int) -> Placed:
    """Turn a site into a placed incident: add its stream of cases, write down its truth."""
    kind = ground.incident.kind
    metric, direction = METRICS[kind]
    extra = None
    if site.narrow is not None:
        longer = (ground.calendar.all_weeks - ground.onset) / max(1, ground.calendar.weeks - ground.onset)
        count = max(20, round(bursts * ground.incident.effect("volume") * longer))
        extra = arrive(ground.draws, ground.id, ground.sellers, count, ground.calendar, site.narrow)
    planted = Planted(
        id=ground.id,
        kind=kind,
        decoy=ground.incident.is_decoy,
        severity=ground.incident.severity,
        policy=site.policy,
        segment=site.segment,
        alternatives=site.alternatives,
        onset=ground.onset_date,
        metric=metric,
        direction=direction,
        owner=OWNERS.get(kind, ""),
        right_edits=site.right_edits,
        levers=site.levers,
        sellers=site.sellers,
        description=site.description,
    )
    return Placed(ground.incident, planted, site, ground.onset, extra)


def in_force(policies: PolicySet, site: Site, since: date) -> PolicySet:
    """The policy set after the incident's own edits, with a new revision of every policy that they touch."""
    if not site.edits:
        return policies
    after = applied(policies, site.edits)
    texts = dict(after.files)
    for policy_id in {e.policy for e in site.edits if e.kind is not EditKind.EDIT_NOTICE}:
        name, revision = after.sources[policy_id], after.policies[policy_id].revision
        newer = max(revision, since.isoformat())
        texts[name] = texts[name].replace(f'revision: "{revision}"', f'revision: "{newer}"', 1)
    return from_files(texts)


def place_all(
    incidents: Sequence[Incident],
    sites: Mapping[str, Callable[[Ground], Site]],
    world: tuple[pl.DataFrame, pl.DataFrame, Calendar, Draws],
    bursts: int,
    policies: PolicySet,
) -> tuple[list[Placed], PolicySet]:
    """Place every incident in turn; return them and the policy set that is in force at the end."""
    base, sellers, calendar, draws = world
    placed = []
    for number, incident in enumerate(incidents, 1):
        name = f"{number:02d}-{incident.kind}"
        drawn = int(
            draws.stream(f"{name}.onset").integers(round(calendar.weeks * 0.5), round(calendar.weeks * 0.65) + 1)
        )
        onset = drawn if incident.onset_week is None else incident.onset_week
        ground = Ground(incident, name, base, sellers, calendar, policies, draws, onset)
        site = sites[incident.kind](ground)
        placed.append(place(ground, site, bursts))
        policies = in_force(policies, site, ground.onset_date)
    return placed, policies
