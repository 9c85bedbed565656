"""Cheap worlds of a generator apart from gne_analytics.simulate: observations whose every row's chance is known.

Sellers are heavy-tailed, each with a level of its own, act in bursts and are tied to a market and a trade, so that a
cell can hang on one of them. `null_world` moves no segment's rate beyond its mix, whatever decoy it holds;
`planted_world` moves some, and knows by how much.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import polars as pl

from gne_analytics.causes import MechanismContext
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import CauseKind, Period, Shift
from gne_analytics.metrics import Observations, case_frame, find_shifts, make_shift, observe
from gne_analytics.tables.derived import fold_of
from gne_analytics.tables.record import record_from_frames

START = date(2026, 1, 5)
WEEKS, ONSET = 28, 21
PEAK_EVERY, PEAK_LASTS = 7, 2
VALUES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "market": ("ID", "TH", "VN", "PH", "MY", "SG"),
        "category": tuple(f"{top}/{leaf}" for top in ("beauty", "fashion", "toys", "home") for leaf in ("a", "b", "c")),
        "seller_tier": ("new", "standard", "preferred"),
        "queue": ("q1", "q2", "q3", "q4"),
        "language": ("id", "th", "vi", "en"),
        "object_type": ("listing", "video", "live", "account", "review"),
        "source_type": ("detector", "user", "audit"),
        "action": ("remove", "warn", "demote"),
        "detector_version": ("v1", "v2"),
    }
)
PATHS = frozenset({"category"})
LANGUAGE_OF = np.array([0, 1, 2, 3, 3, 3])
NEW_VALUE = {"market": "BR", "category": "garden/a", "object_type": "message"}
ACTORS = frozenset({CauseKind.ONE_ACTOR})
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Asked:
    """A world as explain_all takes it, and what may rightly be confirmed in it."""

    kind: str
    windows: str
    observations: Observations
    shift: Shift
    context: MechanismContext | None = None
    own_kinds: frozenset[CauseKind] | None = None
    """Decoys of a kind of their own: confirmed as anything else, they are false. None: only a rate shift is."""
    everything: bool = False
    """All rows moved: a confirmed part of them is false."""


@dataclass(frozen=True)
class Planted:
    """One segment whose rate moved, and how plainly: its effect over a rough standard error, set beforehand."""

    segment: Segment
    plain: float
    sellers: str
    """How they react: alike, differently, or some of them only."""


@dataclass(frozen=True)
class PlantedWorld:
    """A world with disjoint planted segments; per row the chance with and without them, in the observations' order."""

    observations: Observations
    shift: Shift
    planted: tuple[Planted, ...]
    without: Floats
    with_: Floats


@dataclass
class Draft:
    """Rows while a world is written: seller, day, one code per dimension, and what decoys add to the logit."""

    rng: np.random.Generator
    seller: Ints
    day: Ints
    codes: dict[str, Ints]
    level: Floats
    values: dict[str, list[str]]
    base: float
    effects: dict[tuple[str, ...], Floats]
    extra: Floats
    points: Floats
    sellers: int
    forced: Floats = field(default_factory=lambda: np.zeros(0))

    @property
    def late(self) -> npt.NDArray[np.bool_]:
        """Rows since the onset."""
        return self.day >= 7 * ONSET

    def add(self, rows: Ints, **changed: Ints) -> Ints:
        """Append copies of rows, with another day, seller or code; return their places."""
        size = self.seller.size
        for name in ("seller", "day", "level", "extra", "points"):
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, changed.get(name, old[rows])]))
        for name, old in self.codes.items():
            self.codes[name] = np.concatenate([old, changed.get(name, old[rows])])
        return np.arange(size, self.seller.size)

    def keep(self, rows: npt.NDArray[np.bool_]) -> None:
        """Keep some rows only."""
        for name in ("seller", "day", "level", "extra", "points"):
            setattr(self, name, getattr(self, name)[rows])
        self.codes = {name: codes[rows] for name, codes in self.codes.items()}

    def chances(self) -> Floats:
        """Every row's chance of a hit."""
        eta = np.log(self.base / (1 - self.base)) + self.level + self.extra
        for dims, effect in self.effects.items():
            eta = eta + effect[tuple(self.codes[d] for d in dims)]
        return np.clip(1 / (1 + np.exp(-eta)) + self.points, 0.002, 0.998)


def draft(rng: np.random.Generator, *, rows: int, weeks: int = WEEKS, base: float | None = None) -> Draft:
    """Draw sellers, few and heavy to many and alike, and their rows; nothing has happened yet."""
    sellers = int(np.exp(rng.uniform(np.log(250), np.log(4_000))))
    weight = rng.pareto(rng.uniform(1.1, 2.2), sellers) + 0.2
    weight = np.minimum(weight / weight.sum(), rng.uniform(0.005, 0.05))
    size = {d: len(v) for d, v in VALUES.items()}
    share = rng.dirichlet(np.full(size["market"], 2.0))
    home = rng.choice(size["market"], sellers, p=share)
    trade = (rng.integers(0, size["category"], sellers) + 2 * home) % size["category"]
    tier, kind = rng.choice(3, sellers, p=[0.35, 0.45, 0.2]), rng.integers(0, 5, sellers)
    spread = rng.uniform(0.1, 1.0)
    level = rng.normal(0, spread, sellers) if rng.random() < 0.6 else spread * 0.7 * rng.standard_t(4, sellers)
    centre = rng.integers(0, weeks, sellers)
    seller = rng.choice(sellers, rows, p=weight / weight.sum())
    burst = rng.random(rows) < rng.uniform(0, 0.7)
    lasts = int(rng.integers(1, 5))
    week = np.where(burst, (centre[seller] + rng.integers(0, lasts, rows)) % weeks, rng.integers(0, weeks, rows))
    day = 7 * week + rng.integers(0, 7, rows)

    def tied(own: Ints, dimension: str, by: float) -> Ints:
        return np.where(rng.random(rows) < by, own, rng.integers(0, size[dimension], rows))

    market = tied(home[seller], "market", rng.uniform(0.85, 1))
    category = tied(trade[seller], "category", rng.uniform(0.6, 0.95))
    switch = 7 * (ONSET + rng.integers(-8, 3)) if rng.random() < 0.5 else -1
    codes = {
        "market": market,
        "category": category,
        "seller_tier": tier[seller],
        "queue": tied(category % 4, "queue", 0.3),
        "language": tied(LANGUAGE_OF[market], "language", 0.9),
        "object_type": tied(kind[seller], "object_type", 0.6),
        "source_type": rng.choice(3, rows, p=[0.6, 0.3, 0.1]),
        "action": rng.choice(3, rows, p=[0.6, 0.25, 0.15]),
        "detector_version": (day >= switch).astype(np.int64) if switch >= 0 else rng.integers(0, 2, rows),
    }
    others = [d for d in VALUES if d not in ("market", "category", "seller_tier")]
    kept = ["market", "category", "seller_tier", *rng.choice(others, int(rng.integers(3, 6)), replace=False)]
    codes = {d: codes[d] for d in VALUES if d in kept}
    mains = {(d,): rng.normal(0, 0.35, size[d] + 1) for d in codes if d != "detector_version"}
    joint = tuple(rng.choice([d for d in codes if d != "detector_version"], 2, replace=False))
    crossed = rng.normal(0, 0.4, (size[joint[0]] + 1, size[joint[1]] + 1))
    return Draft(
        rng, seller, day, codes, level[seller], {d: list(VALUES[d]) for d in codes},
        float(rng.uniform(0.05, 0.9) if base is None else base), {**mains, joint: crossed},
        np.zeros(rows), np.zeros(rows), sellers,
    )  # fmt: skip


# -- decoys: each changes a draft, and no segment's rate beyond its mix


def noise(_: Draft) -> None:
    """Nothing but sellers."""


def mix_value(d: Draft) -> None:
    """A market, category or tier whose rate differs grows in the focus."""
    dimension = str(d.rng.choice(["market", "category", "seller_tier"]))
    code = int(d.rng.integers(0, len(d.values[dimension])))
    d.effects[dimension,][code] = d.rng.choice([-1, 1]) * d.rng.uniform(0.8, 1.6)
    _grow(d, d.codes[dimension] == code)


def mix_joint(d: Draft) -> None:
    """Inside a joint of two dimensions, whose rate no sum of effects tells, one cell grows (Simpson)."""
    one, two = (
        str(x) for x in d.rng.choice(["market", "seller_tier", "category"], 2, replace=False, p=[0.4, 0.4, 0.2])
    )
    cells, size = np.unique(np.stack([d.codes[one], d.codes[two]]), axis=1, return_counts=True)
    a, b = cells[:, d.rng.choice(np.argsort(-size)[:8])]
    crossed = np.zeros((len(d.values[one]) + 1, len(d.values[two]) + 1))
    crossed[a, b] = d.rng.choice([-1, 1]) * d.rng.uniform(1.2, 2.5)
    d.effects = {k: v for k, v in d.effects.items() if set(k) != {one, two}} | {(one, two): crossed}
    _grow(d, (d.codes[one] == a) & (d.codes[two] == b))


def mix_sellers(d: Draft) -> None:
    """New sellers of one tier arrive, in one market more than elsewhere; the tier's rate was another all along."""
    tier, market = int(d.rng.integers(0, 3)), int(d.rng.integers(0, 6))
    d.effects["seller_tier",][tier] = d.rng.choice([-1, 1]) * d.rng.uniform(0.8, 1.6)
    like = np.flatnonzero((d.codes["seller_tier"] == tier) & (d.codes["market"] == market))
    if not like.size:
        return
    extra = d.rng.choice(like, int(d.rng.uniform(0.05, 0.15) * d.seller.size))
    fresh = int(d.rng.integers(30, 120))
    newcomers = d.rng.integers(0, fresh, extra.size)
    levels = d.rng.choice(d.level, fresh)
    place = d.add(extra, seller=d.sellers + newcomers, day=_late_days(d, extra.size))
    d.level[place] = levels[newcomers]
    d.sellers += fresh


def season_everywhere(d: Draft) -> None:
    """Every seventh week a peak of two weeks, everywhere, as often before."""
    d.extra += np.where(_peak(d), d.rng.choice([-1, 1]) * d.rng.uniform(0.4, 1.2), 0)


def season_category(d: Draft) -> None:
    """The same in one top category only."""
    top = d.codes["category"] // 3 == int(d.rng.integers(0, 4))
    d.extra += np.where(_peak(d) & top, d.rng.choice([-1, 1]) * d.rng.uniform(0.6, 1.5), 0)


def batch_correction(d: Draft) -> None:
    """One run takes back decisions of one market and category at one instant."""
    market = int(d.rng.integers(0, 6))
    inside = (d.codes["market"] == market) & (d.codes["category"] // 3 == int(d.rng.integers(0, 4)))
    hit = inside & d.late & (d.day < 7 * ONSET + 35) & (d.rng.random(d.seller.size) < d.rng.uniform(0.3, 0.9))
    d.forced = hit.astype(np.float64)


def event_points(d: Draft) -> None:
    """Every row's rate moves by the same points."""
    room = 0.6 * min(d.base, 1 - d.base)
    d.points += np.where(d.late, d.rng.choice([-1, 1]) * d.rng.uniform(0.3, 1) * min(0.2, room), 0)


def event_log_odds(d: Draft) -> None:
    """Every row's log-odds move alike, so that points differ by where they started."""
    d.extra += np.where(d.late, d.rng.choice([-1, 1]) * d.rng.uniform(0.3, 1.0), 0)


def new_segment(d: Draft) -> None:
    """A market, category or object type opens, with a rate of its own."""
    dimension = str(d.rng.choice([x for x in NEW_VALUE if x in d.codes]))
    code = len(d.values[dimension])
    d.values[dimension].append(NEW_VALUE[dimension])
    d.effects[dimension,][code] = d.rng.choice([-1, 1]) * d.rng.uniform(0, 1.5)
    rows = d.rng.choice(d.seller.size, int(d.rng.uniform(0.03, 0.12) * d.seller.size))
    changed = {dimension: np.full(rows.size, code)}
    d.add(rows, day=_late_days(d, rows.size), **changed)


def half_of_one(d: Draft) -> None:
    """One seller has half the rows; in every other world its own rate moves besides."""
    rows = d.rng.choice(d.seller.size, d.seller.size)
    own = int(d.rng.integers(0, d.sellers))
    home = {x: np.full(rows.size, d.rng.integers(0, len(d.values[x]))) for x in ("market", "seller_tier")}
    place = d.add(rows, seller=np.full(rows.size, own), day=d.rng.integers(0, 7 * WEEKS, rows.size), **home)
    d.level[place] = d.rng.normal(0, 0.5)
    if d.rng.random() < 0.5:
        d.extra[place] = np.where(d.late[place], d.rng.choice([-1, 1]) * d.rng.uniform(0.5, 1.5), 0)


def bursty_actor(d: Draft) -> None:
    """One seller pours rows into one cell within three weeks, at a rate of its own."""
    size = int(d.rng.uniform(0.02, 0.1) * d.seller.size)
    rows = d.rng.choice(d.seller.size, size)
    where = {x: np.full(size, d.rng.integers(0, len(d.values[x]))) for x in ("market", "category", "seller_tier")}
    day = 7 * ONSET + d.rng.integers(0, 21, size)
    place = d.add(rows, seller=np.full(size, d.sellers), day=day, **where)
    d.level[place] = d.rng.choice([-1, 1]) * d.rng.uniform(1, 2.5)
    d.sellers += 1


def campaign(d: Draft) -> None:
    """Three to eight sellers act alike in one place within five weeks."""
    fresh, size = int(d.rng.integers(3, 9)), int(d.rng.uniform(0.02, 0.1) * d.seller.size)
    rows = d.rng.choice(d.seller.size, size)
    where = {x: np.full(size, d.rng.integers(0, len(d.values[x]))) for x in ("market", "category")}
    place = d.add(
        rows, seller=d.sellers + d.rng.integers(0, fresh, size), day=7 * ONSET + d.rng.integers(0, 35, size), **where
    )
    d.level[place] = d.rng.choice([-1, 1]) * d.rng.uniform(1, 2.5)
    d.sellers += fresh


def restless_cells(d: Draft) -> None:
    """Cells of two dimensions have, in either half of the record, a rate of their own that no seller carries."""
    rho = d.rng.uniform(0.005, 0.01)
    one, two = (str(x) for x in d.rng.choice([x for x in d.codes if x != "detector_version"], 2, replace=False))
    sizes = len(d.values[one]), len(d.values[two])
    effect = d.rng.normal(0, np.sqrt(rho / (d.base * (1 - d.base))), (2, *sizes))
    d.extra += effect[d.late.astype(int), d.codes[one], d.codes[two]]


@dataclass(frozen=True)
class Decoy:
    """How a decoy is made, and what it may be called."""

    make: Callable[[Draft], None]
    own_kinds: frozenset[CauseKind] | None = None
    everything: bool = False
    metric: str = "proactive_rate"


DECOYS: Mapping[str, Decoy] = MappingProxyType(
    {
        "noise": Decoy(noise),
        "mix: a value": Decoy(mix_value),
        "mix: in a joint": Decoy(mix_joint),
        "mix: sellers": Decoy(mix_sellers),
        "season: everywhere": Decoy(season_everywhere),
        "season: a category": Decoy(season_category),
        "batch correction": Decoy(batch_correction, frozenset({CauseKind.BATCH_CORRECTION}), metric="reversal_rate"),
        "platform event: points": Decoy(event_points, everything=True),
        "platform event: log-odds": Decoy(event_log_odds, everything=True),
        "new segment": Decoy(new_segment, frozenset({CauseKind.NEW_SEGMENT})),
        "half the rows": Decoy(half_of_one, ACTORS),
        "bursty actor": Decoy(bursty_actor, ACTORS | {CauseKind.NEW_SEGMENT}),
        "campaign": Decoy(campaign, ACTORS | {CauseKind.NEW_SEGMENT}),
        "restless cells": Decoy(restless_cells),
    }
)
RESTLESS = "restless cells"
"""What no unit can tell: noise between windows that sellers do not carry. Told apart from the others."""


def null_world(kind: str, seed: int, *, chosen: bool) -> Asked:
    """Make a world of a kind in which no segment's rate moves beyond its mix, and the shift to be explained in it.

    Windows fixed beforehand, or ``chosen`` as find_shifts would, whether or not it would call them beyond chance.
    """
    decoy = DECOYS[kind]
    rng = np.random.default_rng([seed, list(DECOYS).index(kind), int(chosen)])
    base = float(rng.uniform(0.02, 0.2)) if decoy.metric == "reversal_rate" else None
    d = draft(rng, rows=int(rng.integers(7_000, 18_000)), base=base)
    decoy.make(d)
    hit = rng.random(d.seller.size) < d.chances()
    if d.forced.size:
        hit |= d.forced > 0
    frame = _frame(d, hit)
    more: dict[str, object] = {"own_kinds": decoy.own_kinds, "everything": decoy.everything}
    if chosen or decoy.metric == "reversal_rate":
        record = record_from_frames({"violations": _violations(d, frame, decoy.metric)},
                                    as_of=datetime(2026, 12, 1, tzinfo=UTC))  # fmt: skip
        whole, context = observe(record, decoy.metric), MechanismContext(cases=case_frame(record))
        if not chosen:
            return Asked(kind, "planned", whole, make_shift(whole, *_planned(kind)), context, **more)  # type: ignore[arg-type]
        shift = find_shifts(record, metrics=(decoy.metric,), level=float("inf"), seed=seed)[0]
        return Asked(kind, "chosen", whole.within(shift.scope), shift, context, **more)  # type: ignore[arg-type]
    obs = _observations(d, frame)
    return Asked(kind, "planned", obs, make_shift(obs, *_planned(kind)), None, **more)  # type: ignore[arg-type]


def planted_world(seed: int) -> PlantedWorld:
    """Make a world with up to six disjoint segments of depth one to three whose rate moves, both ways.

    Half of the worlds have a growing group besides; in a third sellers react alike, in a third differently, in a third
    some of them not at all.
    """
    rng = np.random.default_rng([seed, 99])
    weeks = 12
    base = float(rng.choice([0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9]) * rng.uniform(0.9, 1.05))
    d = draft(rng, rows=int(rng.integers(14_000, 20_000)), weeks=weeks, base=base)
    d.codes.pop("detector_version", None)
    d.day += 7 * (ONSET - weeks // 2)
    if rng.random() < 0.5:
        _grow(d, d.codes["market"] == int(rng.integers(0, 6)), before=weeks // 2)
    without = d.chances()
    reaction = str(rng.choice(["alike", "differently", "some"]))
    own = {
        "alike": np.ones(d.sellers),
        "differently": 1 + 0.6 * rng.normal(size=d.sellers),
        "some": np.where(rng.random(d.sellers) < 0.6, 1 / 0.6, 0.0),
    }[reaction]
    with_, taken, planted = without.copy(), np.zeros(d.seller.size, dtype=bool), []
    for _ in range(60):
        if len(planted) == 6 or taken.sum() > 0.45 * taken.size:
            break
        segment, inside = _some_segment(d)
        n0, n1 = int((inside & ~d.late).sum()), int((inside & d.late).sum())
        if min(n0, n1) < 60 or n0 + n1 > 0.15 * taken.size or (inside & taken).any():
            continue
        p = float(without[inside].mean())
        plain = float(np.exp(rng.uniform(np.log(6), np.log(30))))
        size = plain * np.sqrt(1.4 * p * (1 - p) * (1 / n0 + 1 / n1))
        ways = [w for w, room in ((-1, p), (1, 1 - p)) if size < 0.7 * room]
        if not ways:
            continue
        place = inside & d.late
        lift = float(rng.choice(ways)) * size * own[d.seller[place]]
        with_[place] = np.clip(without[place] + lift, 0.002, 0.998)
        taken |= inside
        planted.append(Planted(segment, plain, reaction))
    obs = _observations(d, _frame(d, rng.random(d.seller.size) < with_))
    start, onset = START + timedelta(weeks=ONSET - weeks // 2), START + timedelta(weeks=ONSET)
    windows = Period(start=start, end=onset), Period(start=onset, end=onset + timedelta(weeks=weeks // 2))
    return PlantedWorld(obs, make_shift(obs, *windows), tuple(planted), without, with_)


def _some_segment(d: Draft) -> tuple[Segment, npt.NDArray[np.bool_]]:
    dims = [str(x) for x in d.rng.choice(list(d.codes), int(d.rng.choice([1, 2, 2, 3])), replace=False)]
    one = int(d.rng.integers(0, d.seller.size))
    inside, named = np.ones(d.seller.size, dtype=bool), {}
    for dimension in dims:
        code = int(d.codes[dimension][one])
        value = d.values[dimension][code]
        if dimension in PATHS and d.rng.random() < 0.5:
            inside &= d.codes[dimension] // 3 == code // 3
            named[dimension] = value.split("/")[0]
        else:
            inside &= d.codes[dimension] == code
            named[dimension] = value
    return Segment.of(named), inside


def _grow(d: Draft, inside: npt.NDArray[np.bool_], *, before: int = 8) -> None:
    """A group's rows become two to four times as many after the onset, or so many fewer."""
    many = d.rng.uniform(1, 3)
    if d.rng.random() < 0.7:
        late = np.flatnonzero(inside & d.late & (d.day < 7 * (ONSET + before)))
        if late.size:
            rows = d.rng.choice(late, int(many * late.size))
            d.add(rows, day=7 * ONSET + d.rng.integers(0, 7 * min(before, WEEKS - ONSET), rows.size))
    else:
        d.keep(~(inside & d.late & (d.rng.random(inside.size) < many / (1 + many))))


def _late_days(d: Draft, size: int) -> Ints:
    return d.rng.integers(7 * ONSET, 7 * WEEKS, size)


def _peak(d: Draft) -> npt.NDArray[np.bool_]:
    return (d.day // 7) % PEAK_EVERY < PEAK_LASTS


def _planned(kind: str) -> tuple[Period, Period]:
    """Seven weeks on either side of the onset; for a season the two weeks of a peak after five without."""
    before, after = (5, PEAK_LASTS) if kind.startswith("season") else (7, 7)
    onset = START + timedelta(weeks=ONSET)
    return (
        Period(start=onset - timedelta(weeks=before), end=onset),
        Period(start=onset, end=onset + timedelta(weeks=after)),
    )


def _frame(d: Draft, hit: npt.NDArray[np.bool_]) -> pl.DataFrame:
    sellers = np.array([f"s{s}" for s in range(int(d.seller.max()) + 1)])
    return pl.DataFrame(
        {
            "id": np.arange(d.seller.size).astype(str),
            "event_date": pl.Series(d.day).cast(pl.Int32).cast(pl.Date) + (START - date(1970, 1, 1)),
            "unit": sellers[d.seller],
            **{name: np.array(d.values[name])[codes] for name, codes in d.codes.items()},
            "k": hit.astype(np.int64),
        }
    )


def _observations(d: Draft, frame: pl.DataFrame) -> Observations:
    folds = pl.DataFrame({"unit": frame["unit"].unique()}).with_columns(
        fold=pl.col("unit").map_elements(fold_of, return_dtype=pl.UInt8)
    )
    return Observations.from_frame(
        frame.join(folds, on="unit", how="left", maintain_order="left"), dims=tuple(d.codes), metric="rate",
        paths=PATHS, unit="seller_id", known_dims=frozenset(d.codes),
    )  # fmt: skip


def _violations(d: Draft, frame: pl.DataFrame, metric: str) -> pl.DataFrame:
    """The rows as a table of violations; hits are proactive detections, or reversals, a batch's at one instant."""
    at = pl.col("event_date").cast(pl.Datetime("us", "UTC")) + pl.duration(hours=12)
    rows = frame.select(
        pl.col("id").alias("violation_id"), at.alias("decided_at"), pl.col("unit").alias("seller_id"), *d.codes,
        pl.lit("integrity").alias("policy_id"), "k",
    )  # fmt: skip
    if d.rng.random() < 0.5:
        policy = np.array(["counterfeit", "ads", "integrity"])[d.codes["category"] % 3]
        rows = rows.with_columns(policy_id=pl.Series(policy))
    if metric == "proactive_rate":
        return rows.with_columns(automated_detection=pl.col("k") == 1).drop("k")
    instant = datetime.combine(START + timedelta(weeks=ONSET + 5), datetime.min.time(), UTC) + timedelta(hours=3)
    forced = pl.Series(d.forced > 0)
    own = pl.col("decided_at") + pl.duration(hours=pl.Series(d.rng.integers(2, 200, rows.height)))
    return rows.with_columns(
        reversed_at=pl.when(forced).then(pl.lit(instant)).when(pl.col("k") == 1).then(own).otherwise(None)
    ).drop("k")
