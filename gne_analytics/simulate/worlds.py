"""The kinds of worlds by name, and the front door of the simulator."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import MappingProxyType

from gne_analytics.errors import DataError, did_you_mean
from gne_analytics.evidence.segment import Segment
from gne_analytics.policy.files import PolicySet
from gne_analytics.simulate.draws import Draws
from gne_analytics.simulate.incidents import MECHANISMS, Decoy, Incident, Severity
from gne_analytics.simulate.spoil import spoil
from gne_analytics.simulate.world import Size, World, build

DEMO: tuple[Incident, ...] = (
    Incident(
        "detector_error",
        Severity.LARGE,
        segment=Segment.of(category="electronics"),
        onset_week=19,
        options={"detector": "price_bait"},
    ),
    Incident(
        "threshold",
        Severity.LARGE,
        segment=Segment.of(category="health"),
        onset_week=17,
        options={"rule": "cure-claim"},
    ),
    Incident("clause_scope", Severity.LARGE, "counterfeit", Segment.of(seller_tier="brand_authorised"), 16),
    Incident("notice_unclear", Severity.LARGE, "misleading-listing", Segment.of(language="th"), 23),
    Incident("seller_abuse", Severity.MEDIUM, "prohibited-goods", Segment.of(market="VN"), 27),
    Incident(
        "taxonomy_gap",
        Severity.LARGE,
        segment=Segment.of(market="TH"),
        onset_week=25,
        options={"topic": "nicotine_pouches"},
    ),
    Incident("new_segment", segment=Segment.of(market="CO"), onset_week=26),
)
"""The story of data/demo: six failings with six owners, and one launch that has no past."""


SIZES: MappingProxyType[str, Size] = MappingProxyType(
    {"demo": Size(violations=21_000, sellers=4_200, appeal_rate=0.15)}
)
"""World -> its size where nothing else is asked for: the demo's marketplace is a little bigger and more contested."""


def simulate(
    world: str = "demo",
    seed: int = 0,
    *,
    policies: PolicySet | None = None,
    incidents: Sequence[Incident] | None = None,
    violations: int | None = None,
    sellers: int | None = None,
    weeks: int | None = None,
    top_share: float | None = None,
    appeal_rate: float | None = None,
    empty_weeks: Sequence[int] = (),
    beyond: int = 0,
    dirty: float = 0.0,
) -> World:
    """Simulate a marketplace.

    Args:
        world: a name of ``WORLDS``; an ``incident:<mechanism>`` or ``decoy:<kind>`` may end in ``:<severity>``.
        seed: the same seed and arguments give the same tables, byte for byte.
        policies: run the same world (sellers, truth, scores, draws) under this policy set instead of its own.
        incidents: plant these instead of the named world's.
        violations: how many to aim at; where not given, what ``SIZES`` says of the world, else 20,000.
        sellers: how many sellers there are.
        weeks: how many weeks the record has.
        top_share: give one seller this share of all activity, e.g. 0.5.
        appeal_rate: chance that a standard seller contests a right decision of middling weight (0.13).
        empty_weeks: weeks, counted from 0, in which nothing was logged.
        beyond: weeks that the world goes on after the record: only its truth holds them.
        dirty: share of rows to spoil, to exercise sifting.
    """
    planted = tuple(incidents) if incidents is not None else planted_in(world, seed)
    default = SIZES.get(world, Size())
    size = Size(
        violations=violations or default.violations,
        sellers=sellers or (max(200, violations // 5) if violations else default.sellers),
        weeks=weeks or default.weeks,
        top_share=top_share,
        appeal_rate=appeal_rate or default.appeal_rate,
        empty_weeks=tuple(empty_weeks),
        beyond=beyond,
    )
    built = build(world, seed, size, planted, policies)
    return replace(built, tables=spoil(built.tables, dirty, Draws(seed))) if dirty else built


def planted_in(world: str, seed: int) -> tuple[Incident, ...]:
    """The incidents of a named world; for ``mixed`` they depend on the seed."""
    name, _, severity = world.rpartition(":")
    if world not in WORLDS and severity in set(Severity) and name in WORLDS:
        return tuple(Incident(i.kind, Severity(severity)) for i in WORLDS[name](seed))
    if world not in WORLDS:
        raise DataError(f"no world is called {world!r}{did_you_mean(world, WORLDS)}.")
    return WORLDS[world](seed)


def _mixed(seed: int) -> tuple[Incident, ...]:
    """Three mechanisms and a decoy, drawn by the seed, at drawn severities."""
    stream = Draws(seed).stream("world.mixed")
    kinds = [str(k) for k in stream.choice(list(MECHANISMS), 3, replace=False)] + [
        str(stream.choice([d.value for d in Decoy]))
    ]
    return tuple(Incident(kind, list(Severity)[int(stream.integers(0, 3))]) for kind in kinds)


def _just(*incidents: Incident) -> Callable[[int], tuple[Incident, ...]]:
    return lambda _seed: incidents


WORLDS: MappingProxyType[str, Callable[[int], tuple[Incident, ...]]] = MappingProxyType(
    {
        "demo": _just(*DEMO),
        "quiet": _just(),
        "mixed": _mixed,
        **{f"incident:{kind}": _just(Incident(kind)) for kind in MECHANISMS},
        **{f"decoy:{kind.value}": _just(Incident(kind.value)) for kind in Decoy},
    }
)
"""World name -> the incidents it plants, given the seed. An incident or decoy may be followed by ``:<severity>``."""
