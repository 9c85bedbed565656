"""A world: sellers, cases, decisions and what came of them, with the truth kept apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from gne_analytics.policy.files import PolicySet
from gne_analytics.simulate.appealing import appeals
from gne_analytics.simulate.arrivals import Calendar, arrive, make_sellers
from gne_analytics.simulate.changes import changes
from gne_analytics.simulate.decide import decide
from gne_analytics.simulate.decoys import DECOY_SITES
from gne_analytics.simulate.detect import (
    LOGGING_FLOOR,
    latent_truth,
    reroute,
    reviewers,
    rollout_weeks,
    scores,
    with_queues,
    with_versions,
)
from gne_analytics.simulate.draws import Draws, Knobs, Noise
from gne_analytics.simulate.enforce import enforce, parents
from gne_analytics.simulate.incidents import Incident, Planted
from gne_analytics.simulate.mechanisms import MECHANISM_SITES
from gne_analytics.simulate.outcomes import Sides, appeal
from gne_analytics.simulate.place import Placed, place_all
from gne_analytics.simulate.record import SUBJECT, Happened, assessments, violations
from gne_analytics.simulate.sampling import audits, signals
from gne_analytics.simulate.shipped import default_policies

VIOLATIONS_PER_BURST = 0.73
"""Measured on the default policy set: violations that one burst of cases leads to."""


@dataclass(frozen=True)
class Size:
    """How big a world is and how it is shaped."""

    violations: int = 20_000
    """Aimed at; a world comes within a tenth of it."""
    sellers: int = 4_000
    weeks: int = 40
    top_share: float | None = None
    """Share of all activity of the greatest seller; None leaves the tail as drawn."""
    appeal_rate: float = 0.13
    """Chance that a standard seller contests a right decision of middling weight."""
    empty_weeks: tuple[int, ...] = ()
    """Weeks in which nothing was logged."""
    beyond: int = 0
    """Weeks that the world goes on after the record: the truth holds them, the tables do not."""


@dataclass(frozen=True)
class Truth:
    """What no stage reads: what is planted, and what every case really is."""

    incidents: tuple[Planted, ...]
    latent: pl.DataFrame = field(repr=False)
    """case_id, policy_id, violating."""
    cases: pl.DataFrame = field(repr=False)
    """Every scored case of the record and of the weeks after it, as a replay reads it, with what became of it: week,
    policy_id, violating, enforced, reviewed, confirms (what a reviewer answers, asked or not), ordered (by an
    authority)."""
    world: Mapping[str, object]


@dataclass(frozen=True)
class World:
    """A simulated marketplace: its tables, its policy set as of the last day, its truth."""

    name: str
    seed: int
    tables: Mapping[str, pl.DataFrame] = field(repr=False)
    policies: PolicySet
    truth: Truth

    def __repr__(self) -> str:
        counts = ", ".join(f"{name} {frame.height:,}" for name, frame in self.tables.items())
        return f"World({self.name!r}, seed {self.seed}: {counts}; {len(self.truth.incidents)} planted)"


def build(
    name: str,
    seed: int,
    size: Size,
    incidents: Sequence[Incident],
    policies: PolicySet | None = None,
    *,
    tables: bool = True,
) -> World:
    """Run one world. With ``policies`` the same sellers, truth, scores and draws meet another policy set.

    Without ``tables`` only the truth is written down, in half the time.
    """
    draws = Draws(seed)
    calendar = Calendar(size.weeks, beyond=size.beyond)
    sellers = make_sellers(draws, size.sellers, size.top_share)
    bursts = round(size.violations / VIOLATIONS_PER_BURST)
    base = arrive(draws, "base", sellers, round(bursts * calendar.all_weeks / calendar.weeks), calendar)
    shipped = default_policies()
    sites = MECHANISM_SITES | DECOY_SITES
    placed, in_force = place_all(incidents, sites, (base, sellers, calendar, draws), bursts, shipped)
    happened = _happen(draws, calendar, size, base, placed, policies or in_force)
    log = _change_log(happened, placed)
    written = _tables(happened, placed, shipped, log.drop("planted")) if tables else {}
    change_of = dict(log.select("planted", "change_id").iter_rows())
    planted = tuple(p.planted.model_copy(update={"change_id": change_of.get(p.planted.id)}) for p in placed)
    latent = happened.cases.select("case_id", policy_id="policy", violating=pl.Series(happened.violating)).sort(
        "case_id"
    )
    facts = {
        "name": name,
        "seed": seed,
        "weeks": size.weeks,
        "start": calendar.start.isoformat(),
        "sellers": size.sellers,
    }
    return World(name, seed, written, policies or in_force, Truth(planted, latent, _fates(happened), facts))


def _happen(
    draws: Draws,
    calendar: Calendar,
    size: Size,
    base: pl.DataFrame,
    placed: Sequence[Placed],
    policies: PolicySet,
) -> Happened:
    streams = [base, *(p.extra for p in placed if p.extra is not None)]
    cases = pl.concat(streams)
    everything = Noise(
        draws, tuple((str(s["stream"][0]), s.height) for s in streams if s.height), np.arange(cases.height)
    )
    rollouts = rollout_weeks(draws, calendar.weeks, {d: w for p in placed for d, w in p.site.rollouts.items()})
    cases = with_queues(with_versions(cases, everything, rollouts), everything)
    knobs = Knobs(cases.height)
    for one in placed:
        one.turn(cases, knobs)
    cases, rerouted = reroute(cases, everything, knobs)
    violating, forgotten = latent_truth(cases, everything, knobs)
    score = scores(cases, violating | forgotten, everything, knobs, draws)
    hidden = (knobs["unseen"] > 0) & (everything.uniform("unseen") < knobs["unseen"])
    score = np.where(hidden, np.round(LOGGING_FLOOR + 0.15 * everything.uniform("unseen.score"), 3), score)
    kept = np.flatnonzero((score >= LOGGING_FLOOR) & ~cases["week"].is_in(list(size.empty_weeks)).to_numpy())
    noise, knobs = everything.kept(kept), knobs.kept(kept)
    cases = _identified(cases[kept].with_columns(score=pl.Series(score[kept])), noise, calendar)
    violating, forgotten, rerouted = violating[kept], forgotten[kept], rerouted[kept]
    since = {override: week for p in placed for override, week in p.since.items()}
    decided = enforce(cases, decide(policies, cases, since), violating, rerouted, noise, knobs)
    decided = decided.with_columns(parent=parents(cases, decided["enforced"]))
    at = decided["decided_seconds"].to_numpy()
    first, second, corrected = appeal(cases, decided, Sides(violating, forgotten), at, noise, knobs, size.appeal_rate)
    return Happened(cases, decided, violating, first, second, corrected, noise, knobs, policies, calendar, draws.seed)


def _fates(h: Happened) -> pl.DataFrame:
    """Every case with the attributes that rules read, what it really is and what became of it."""
    attributes = (*SUBJECT, "detector", "detector_version", "score", "event_date", "week")
    fate = h.decided.select("enforced", "reviewed", "confirms", "ordered")
    truth = h.cases.select("case_id", policy_id="policy", violating=pl.Series(h.violating))
    return truth.hstack(h.cases.select(attributes)).hstack(fate).sort("case_id")


def _identified(cases: pl.DataFrame, noise: Noise, calendar: Calendar) -> pl.DataFrame:
    """Give cases their ids in the order of time, their objects, reviewers and calendar day."""
    order = cases["seconds"].rank("ordinal").cast(pl.Int64)
    number = order.cast(pl.String).str.zfill(8)
    again = pl.Series(noise.uniform("object") < 0.08)
    return cases.with_columns(
        case_id=pl.lit("C") + pl.Series(number),
        object_id=pl.when(again & (pl.col("rank") > 0))
        .then(pl.lit("O") + pl.col("burst").cast(pl.String).str.zfill(7))
        .otherwise(pl.lit("O") + pl.Series(number)),
        event_date=(pl.lit(calendar.start.date()) + pl.duration(seconds=pl.col("seconds"))).cast(pl.Date),
        reviewer=reviewers(cases, noise),
    )


def _tables(h: Happened, placed: Sequence[Placed], shipped: PolicySet, log: pl.DataFrame) -> dict[str, pl.DataFrame]:
    templates = _templates(h, placed)
    campaigns = {p.planted.id: p.site.campaign for p in placed if p.site.campaign}
    return {
        "violations": violations(h, _revisions(h, placed, shipped), templates),
        "appeals": appeals(h, campaigns),
        "assessments": assessments(h),
        "audits": audits(h, log),
        "signals": signals(h),
        "changes": log,
    }


def _revisions(h: Happened, placed: Sequence[Placed], shipped: PolicySet) -> dict[str, list[tuple[int, str]]]:
    """The revisions of each policy and the weeks since when; the last one is that of the set in force."""
    steps: dict[str, list[tuple[int, str]]] = {}
    for policy in h.policies.policies.values():
        named = {p.from_week: p.planted.onset.isoformat() for p in placed if policy.id in p.revised}
        past = shipped.policies[policy.id].revision if policy.id in shipped.policies else policy.revision
        found = [(0, past), *sorted(named.items())]
        steps[policy.id] = [*found[:-1], (found[-1][0], policy.revision)]
    return steps


def _change_log(h: Happened, placed: Sequence[Placed]) -> pl.DataFrame:
    fixed = {d: w for p in placed for d, w in p.site.rollouts.items()}
    return changes(placed, rollout_weeks(h.noise.draws, h.calendar.weeks, fixed), h.calendar, h.noise.draws)


def _templates(h: Happened, placed: Sequence[Placed]) -> pl.DataFrame:
    names = {p.id: p.notice.template for p in h.policies.policies.values() if p.notice}
    frame = h.cases.select(
        template_id=h.decided["policy_id"].replace_strict(names, default=None, return_dtype=pl.String),
        template_version=pl.lit("1"),
        language="language",
        week="week",
    )
    for one in placed:
        if one.site.template is not None:
            template, language = one.site.template
            here = (pl.col("template_id") == template) & (pl.col("language") == language)
            hit = here & (pl.col("week") >= one.from_week)
            frame = frame.with_columns(template_version=pl.when(hit).then(pl.lit("2")).otherwise("template_version"))
    return frame
