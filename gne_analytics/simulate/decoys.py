"""The five decoys: numbers move, and no policy has failed."""

from collections.abc import Callable

import polars as pl

from gne_analytics.evidence.segment import Segment
from gne_analytics.simulate.arrivals import LANGUAGE_OF, Narrow
from gne_analytics.simulate.catalogue import DETECTORS, MARKETS, NEW_CATEGORY, NEW_MARKETS
from gne_analytics.simulate.detect import market_offset
from gne_analytics.simulate.outcomes import DAY
from gne_analytics.simulate.place import Ground, Site

PEAK_EVERY, PEAK_LASTS = 7, 2
BATCH_REACHES_BACK = 8


def mix_shift(ground: Ground) -> Site:
    """A market with another base rate grows; no rate changes anywhere."""
    known = [m for m in MARKETS if MARKETS[m][0] >= 0.04]
    extreme = sorted(known, key=lambda m: -abs(market_offset(ground.draws, m)))[:2]
    market = ground.given("market") or ground.choose(extreme, "market")
    return Site(
        segment=Segment.of(market=market),
        where=Segment.of(stream=ground.id),
        policy=None,
        description=f"{market} grows fast; its rates stay what they were",
        change=("marketplace", {"market": (market,)}, f"free shipping campaign in {market}"),
        narrow=Narrow(market=market, from_week=ground.onset),
    )


def seasonality(ground: Ground) -> Site:
    """Sale peaks come round every seven weeks, before and after; nothing changed at the last one."""
    policy = ground.policy_of(("counterfeit", "misleading-listing", "misleading-health-claims"))
    return Site(
        segment=Segment.of(policy_id=policy),
        where=Segment.of(policy=policy),
        policy=policy,
        description=f"honest sellers rush at every sale; {policy} misjudges more of them for two weeks, each time",
        knobs={"legit_score": ground.incident.effect("swing")},
        weeks=lambda week: (week - ground.onset) % PEAK_EVERY < PEAK_LASTS,
    )


def batch_correction(ground: Ground) -> Site:
    """One run takes back many recent decisions of one rule at one instant."""
    policy = ground.policy_of(("counterfeit", "misleading-listing", "misleading-health-claims"))
    detector = next(d.name for d in DETECTORS if d.policy == policy)
    market = ground.spot([["market"]], pl.col("detector") == detector)["market"]
    return Site(
        segment=Segment.of(market=market, detector=detector),
        where=Segment.of(detector=detector, market=market),
        policy=policy,
        description=f"one run reverses decisions of {detector} in {market} at one instant",
        change=(
            "process",
            {"market": (market,), "detector": (detector,)},
            f"correction run over {detector} in {market}",
        ),
        knobs={"batch_at": ground.onset * 7 * DAY + DAY / 2},
        weeks=lambda week: ground.onset - BATCH_REACHES_BACK <= week < ground.onset,
    )


def platform_event(ground: Ground) -> Site:
    """Appealing became easier for everybody at once."""
    return Site(
        segment=Segment({}),
        where=Segment({}),
        policy=None,
        description="the appeal button moved to the first screen; every policy and market is contested more",
        change=("marketplace", {}, f"app release of {ground.onset_date:%Y-%m-%d}: appeal button on the first screen"),
    )


def new_segment(ground: Ground) -> Site:
    """A market or a category opens; it has no past to compare with."""
    market = ground.given("market")
    category = ground.given("category")
    if market is None and category is None:
        if ground.choose(("market", "category"), "dimension") == "market":
            market = ground.choose([m for m, _ in NEW_MARKETS], "market")
        else:
            category = NEW_CATEGORY
    segment = Segment.of(market=market) if market in LANGUAGE_OF and market else Segment.of(category=str(category))
    return Site(
        segment=segment,
        where=Segment.of(stream=ground.id),
        policy=None,
        description=f"{segment} opens; its cases have no past",
        change=("marketplace", dict(segment.items()), f"launch: {segment}"),
        narrow=Narrow(market=market, category=category, from_week=ground.onset),
    )


DECOY_SITES: dict[str, Callable[[Ground], Site]] = {
    f.__name__: f for f in (mix_shift, seasonality, batch_correction, platform_event, new_segment)
}
