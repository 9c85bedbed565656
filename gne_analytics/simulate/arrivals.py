"""Who lists what, when: sellers with heavy tails, and their cases, which arrive in bursts."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from gne_analytics.simulate.catalogue import (
    ACCOUNT_TYPES,
    CATEGORIES,
    DETECTORS,
    HOME_OF_CROSS_BORDER,
    MARKETS,
    NEW_MARKETS,
    TIERS,
)
from gne_analytics.simulate.draws import Draws, Floats, Ints, logit, pick

LANGUAGE_OF = {m: language for m, (_, language) in MARKETS.items()} | dict(NEW_MARKETS)
DAY_SHARES = np.array([1.0, 1.0, 1.0, 1.05, 1.15, 1.2, 0.9])
TIER_BADNESS = {"new": 0.4, "preferred": -0.35, "brand_authorised": -0.3, "licensed_pharmacy": -0.4}
MAX_BURST = 40


@dataclass(frozen=True)
class Calendar:
    """The span of a world: whole weeks from a Monday, of which the record holds the first ones."""

    weeks: int
    """Weeks of the record."""
    start: datetime = datetime(2026, 1, 5, tzinfo=UTC)
    beyond: int = 0
    """Weeks that the world goes on after the record."""

    @property
    def all_weeks(self) -> int:
        """The weeks of the record and those after it."""
        return self.weeks + self.beyond

    @property
    def end(self) -> datetime:
        """The first instant after the record."""
        return self.start + timedelta(weeks=self.weeks)

    def monday(self, week: int) -> datetime:
        """The first instant of a week, counted from 0."""
        return self.start + timedelta(weeks=week)


@dataclass(frozen=True)
class Narrow:
    """Limits on an extra stream of cases: what an incident adds to the world."""

    market: str | None = None
    category: str | None = None
    detector: str | None = None
    from_week: int = 0
    sellers: tuple[int, ...] = ()
    violating: float | None = None
    """Prevalence, where the stream has its own."""


def make_sellers(draws: Draws, n: int, top_share: float | None) -> pl.DataFrame:
    """Return n sellers with Pareto activity; ``top_share`` gives one of them that share of all bursts."""
    weight = (1.0 - draws.uniform("seller.weight", n)) ** (-1.0 / 1.25)
    weight = np.minimum(weight, 0.02 * weight.sum())
    if top_share is not None:
        weight[0] = 0.0
        weight[0] = weight.sum() * top_share / (1.0 - top_share)
    markets = [*MARKETS, HOME_OF_CROSS_BORDER[0]]
    shares = np.array([*(s for s, _ in MARKETS.values()), 0.14])
    home = pick(draws.uniform("seller.home", n), shares)
    languages = [*(language for _, language in MARKETS.values()), HOME_OF_CROSS_BORDER[1]]
    tier = pick(draws.uniform("seller.tier", n), np.array(list(TIERS.values())))
    badness = draws.normal("seller.badness", n) * 0.7
    badness += np.array([TIER_BADNESS.get(t, 0.0) for t in TIERS])[tier]
    return pl.DataFrame(
        {
            "seller_id": [f"S{i:06d}" for i in np.argsort(draws.uniform("seller.id", n))],
            "weight": weight / weight.sum(),
            "home_market": np.array(markets, dtype=object)[home].tolist(),
            "seller_language": np.array(languages, dtype=object)[home].tolist(),
            "seller_tier": np.array(list(TIERS), dtype=object)[tier].tolist(),
            "account_type": np.array(list(ACCOUNT_TYPES), dtype=object)[
                pick(draws.uniform("seller.account", n), np.array(list(ACCOUNT_TYPES.values())))
            ].tolist(),
            "badness": badness,
            "appeal_bias": draws.normal("seller.appeal_bias", n) * 0.5,
        }
    )


def arrive(
    draws: Draws, name: str, sellers: pl.DataFrame, bursts: int, calendar: Calendar, narrow: Narrow | None = None
) -> pl.DataFrame:
    """Return the cases of a named stream, one row each, attributes known before any detector looked."""
    narrow = narrow or Narrow()
    who = _sellers(draws, name, sellers, bursts, narrow)
    market = _markets(draws, name, sellers, who, narrow)
    detector = _detectors(draws, name, bursts, narrow)
    category = _categories(draws, name, detector, narrow)
    object_types = [d.object_types for d in DETECTORS]
    second = draws.uniform(f"{name}.object_type", bursts) < 0.4
    object_type = [object_types[d][-1 if s else 0] for d, s in zip(detector, second, strict=True)]
    prevalence = np.array([logit(d.prevalence) for d in DETECTORS])[detector]
    if narrow.violating is not None:
        prevalence = np.full(bursts, logit(narrow.violating))
    prevalence = prevalence + 0.8 * sellers["badness"].to_numpy()[who] + 0.5 * draws.normal(f"{name}.burst_bad", bursts)
    frame = pl.DataFrame(
        {
            "stream": pl.Series([name] * bursts, dtype=pl.String),
            "seller": who,
            "market": market,
            "detector": [DETECTORS[d].name for d in detector],
            "policy": [DETECTORS[d].policy for d in detector],
            "category": category,
            "object_type": object_type,
            "prevalence": prevalence,
            "burst": np.arange(bursts),
            "burst_at": _starts(draws, name, bursts, calendar, narrow),
        }
    )
    size = np.minimum((1.0 - draws.uniform(f"{name}.size", bursts)) ** (-1.0 / 1.5), MAX_BURST).astype(np.int64)
    rows = np.repeat(np.arange(bursts), size)
    first = np.concatenate([[0], np.cumsum(size)[:-1]])
    offset = draws.stream(f"{name}.offset").exponential(9.0, len(rows)) * (np.arange(len(rows)) != first[rows])
    return _dress(draws, name, frame[rows], sellers, offset, np.arange(len(rows)) - first[rows], calendar)


def _dress(
    draws: Draws, name: str, frame: pl.DataFrame, sellers: pl.DataFrame, offset: Floats, rank: Ints, calendar: Calendar
) -> pl.DataFrame:
    """Add times, the seller's columns and the object's language to repeated burst rows."""
    n = frame.height
    seconds = (frame["burst_at"].to_numpy() + offset * 3600).astype(np.int64)
    # A burst that would run past the end of the world wraps to its start, so that the last day is not thin.
    end, starts = calendar.all_weeks * 7 * 86_400, frame["burst_at"].to_numpy().astype(np.int64)
    seconds = np.where(seconds >= end, starts, seconds)
    who = frame["seller"]
    columns = ["seller_id", "seller_language", "seller_tier", "account_type", "appeal_bias"]
    english = pl.Series(draws.uniform(f"{name}.english", n) < 0.08)
    return (
        pl.concat([frame.drop("burst_at"), sellers[columns][who]], how="horizontal")
        .with_columns(
            seconds=pl.Series(seconds),
            week=pl.Series(seconds // (7 * 86_400)),
            rank=pl.Series(rank),
            local=pl.col("market").replace_strict(LANGUAGE_OF),
        )
        .with_columns(
            object_type=pl.when((pl.col("object_type") == "account") & (pl.col("rank") > 0))
            .then(pl.lit("listing"))
            .otherwise("object_type"),
            language=pl.when(english).then(pl.lit("en")).otherwise("local"),
        )
        .drop("local")
    )


def _sellers(draws: Draws, name: str, sellers: pl.DataFrame, n: int, narrow: Narrow) -> Ints:
    weight = sellers["weight"].to_numpy().copy()
    if narrow.sellers:
        chosen = np.zeros(len(weight))
        chosen[list(narrow.sellers)] = 1.0
        weight = chosen
    elif narrow.market in LANGUAGE_OF:
        # A market's own sellers and those from abroad, tempered so that one seller is not the whole stream.
        weight = np.sqrt(weight) * (sellers["home_market"].is_in([narrow.market, "CN"]).to_numpy() + 0.02)
    return pick(draws.uniform(f"{name}.seller", n), weight)


def _markets(draws: Draws, name: str, sellers: pl.DataFrame, who: Ints, narrow: Narrow) -> list[str]:
    if narrow.market is not None:
        return [narrow.market] * len(who)
    home = sellers["home_market"].to_numpy()[who]
    anywhere = np.array(list(MARKETS), dtype=object)[
        pick(draws.uniform(f"{name}.market", len(who)), np.array([s for s, _ in MARKETS.values()]))
    ]
    abroad = (draws.uniform(f"{name}.abroad", len(who)) < 0.15) | (home == HOME_OF_CROSS_BORDER[0])
    return [str(m) for m in np.where(abroad, anywhere, home)]


def _detectors(draws: Draws, name: str, n: int, narrow: Narrow) -> Ints:
    if narrow.detector is not None:
        return np.full(n, [d.name for d in DETECTORS].index(narrow.detector), dtype=np.int64)
    return pick(draws.uniform(f"{name}.detector", n), np.array([d.share for d in DETECTORS]))


def _categories(draws: Draws, name: str, detector: Ints, narrow: Narrow) -> list[str]:
    paths = list(CATEGORIES)
    if narrow.category is not None:
        below = [p for p in paths if p == narrow.category or p.startswith(f"{narrow.category}/")] or [narrow.category]
        return [below[i] for i in pick(draws.uniform(f"{name}.category", len(detector)), np.ones(len(below)))]
    weights = np.array(
        [[CATEGORIES[p] * (6.0 if p.split("/")[0] in d.groups else 1.0) for p in paths] for d in DETECTORS]
    )
    return [paths[i] for i in pick(draws.uniform(f"{name}.category", len(detector)), weights[detector])]


def _starts(draws: Draws, name: str, n: int, calendar: Calendar, narrow: Narrow) -> Floats:
    """Seconds since the start of the record; growth of a fifth over the record, weekends fuller."""
    weeks = np.arange(calendar.all_weeks)
    share = np.where(weeks >= narrow.from_week, 1.0 + 0.2 * weeks / calendar.weeks, 0.0)
    week = pick(draws.uniform(f"{name}.week", n), share)
    day = pick(draws.uniform(f"{name}.day", n), DAY_SHARES)
    return np.asarray((week * 7 + day + draws.uniform(f"{name}.hour", n)) * 86_400.0)
