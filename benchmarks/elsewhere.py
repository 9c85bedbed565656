"""Planted causes by another hand than gne_analytics.simulate: other names, other shapes, so that rules crib nothing.

A plain marketplace drawn row by row: six markets, four policies, one detector each, reviewer teams, appeals at two
levels, audits, signals and a log of changes that is wrong by days and holds changes that did nothing. Each kind alters
what any such marketplace would show, and nothing is shared with the simulator but the data contract.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

START = datetime(2025, 3, 3, tzinfo=UTC)
WEEKS = 38
MARKETS = np.array(["BR", "PL", "TR", "ZA", "KE", "EG"])
TONGUES = dict(zip(MARKETS, ["pt", "pl", "tr", "en", "en", "ar"], strict=True))
POLICIES = np.array(["fakes", "unsafe", "spam", "adult"])
KINDS_OF_GOODS = np.array(["garments", "gadgets", "cosmetics", "toys", "garden", "pets"])
TIERS = np.array(["basic", "plus", "official_store", "chemist"])
TEAMS = np.array(["lisbon", "krakow", "cairo"])
SAYINGS = (
    "I sell only genuine goods, please look at my listing again.",
    "This is unfair, other shops sell the same thing every day.",
    "My family depends on this income, kindly restore the item.",
    "I have removed the picture, please approve it now.",
    "There must be some confusion with another shop.",
)
SPEECH = {
    "misread": "The automatic check misread my photo, this is a false positive.",
    "permission": "We hold a licence and permission of the brand, see the contract.",
    "unclear": "You do not say which rule I broke, this message is unclear to me.",
}
Table = dict[str, pl.DataFrame]


@dataclass
class Draft:
    """Rows before they are written: one per violation, as arrays."""

    rng: np.random.Generator
    n: int
    onset: int
    """Day of the onset."""
    size: float
    """1 for large, .65 for medium."""
    col: dict[str, np.ndarray] = field(default_factory=dict)
    changes: list[tuple[int, str, dict[str, list[str]]]] = field(default_factory=list)

    @property
    def late(self) -> np.ndarray:
        """Rows since the onset."""
        return self.col["day"] >= self.onset

    def of(self, **values: str) -> np.ndarray:
        """Rows with these values."""
        mask = np.ones(len(self.col["day"]), dtype=bool)
        for name, value in values.items():
            mask &= self.col[name] == value
        return mask

    def chance(self, p: float, mask: np.ndarray) -> np.ndarray:
        """A part p of some rows."""
        return mask & (self.rng.random(mask.size) < p)

    def add(self, mask: np.ndarray, share: float, **values: object) -> np.ndarray:
        """Write more rows like those of the mask, so many as ``share`` of them; return which are new."""
        source = np.flatnonzero(mask)
        drawn = self.rng.choice(source, int(source.size * share)) if source.size else source
        old = len(self.col["day"])
        for name, array in self.col.items():
            self.col[name] = np.concatenate([array, array[drawn]])
        new = np.arange(len(self.col["day"])) >= old
        for name, value in values.items():
            self.col[name][new] = value
        self.col["day"][new] = self.rng.integers(self.col["day"][source].min(), WEEKS * 7, int(new.sum()))
        return new


@dataclass(frozen=True)
class Plant:
    """What was planted: kind, metric, policy, segment, onset."""

    kind: str
    metric: str
    policy: str | None
    segment: dict[str, str]
    onset: date
    others: tuple[dict[str, str], ...] = ()


def _draft(seed: int, n: int) -> Draft:
    rng = np.random.default_rng([seed, 77])
    onset = int(rng.integers(19, 25)) * 7 + int(rng.integers(0, 5))
    d = Draft(rng, n, onset, 1.0 if seed % 2 else 0.65)
    sellers = n // 8
    weight = np.minimum(rng.pareto(1.6, sellers) + 0.2, 40)
    seller = rng.choice(sellers, n, p=weight / weight.sum())
    home = rng.choice(6, sellers, p=[0.28, 0.2, 0.18, 0.14, 0.12, 0.08])
    tier = rng.choice(4, sellers, p=[0.5, 0.28, 0.14, 0.08])
    policy = np.where(rng.random(n) < 0.7, seller % 4, rng.integers(0, 4, n))
    human = rng.random(n) < 0.45
    score = 0.6 + 0.4 * rng.beta(1.3, 1.8, n)
    bad = rng.random(n) < np.clip(0.62 + 0.5 * (score - 0.6) + rng.normal(0, 0.12, sellers)[seller], 0.05, 0.97)
    d.col = {
        "day": rng.integers(0, WEEKS * 7, n), "seller": seller, "market": MARKETS[home[seller]].astype(object),
        "tier": TIERS[tier[seller]].astype(object), "policy": POLICIES[policy].astype(object),
        "goods": KINDS_OF_GOODS[rng.integers(0, 6, n)].astype(object),
        "clause": (policy * 3 + rng.integers(1, 4, n)).astype(str).astype(object),
        "version": np.full(n, "2.3", dtype=object), "score": score, "threshold": np.full(n, 0.6),
        "team": np.where(human, TEAMS[rng.integers(0, 3, n)], "").astype(object),
        "template": np.full(n, "a", dtype=object), "revision": np.full(n, "9", dtype=object), "bad": bad,
        "appeal": np.where(bad, 0.22, 0.55), "win": np.where(bad, 0.05, 0.85), "win2": np.where(bad, 0.05, 0.5),
        "go2": np.where(bad, 0.15, 0.4), "cure": np.where(bad, 0.4, 0.15), "say": np.full(n, "", dtype=object),
        "wrong_proof": np.full(n, 0.15), "flip": np.full(n, 0.03), "paste": np.zeros(n, dtype=bool),
        "batch": np.zeros(n, dtype=bool), "blank": np.zeros(n, dtype=bool),
    }  # fmt: skip
    return d


def _spot(d: Draft) -> tuple[str, str, str]:
    """A policy, one of the larger markets, a kind of goods."""
    return str(d.rng.choice(POLICIES)), str(d.rng.choice(MARKETS[:4])), str(d.rng.choice(KINDS_OF_GOODS))


def detector_error(d: Draft) -> Plant:
    """Version 2.4 replaces 2.3 at once; in one market it scores sound goods high."""
    policy, market, _ = _spot(d)
    own = d.of(policy=policy) & d.late
    d.col["version"][own] = "2.4"
    hit = d.add(d.chance(0.9, own & d.of(market=market)), 0.7 * d.size, bad=False, appeal=0.55, win=0.85, win2=0.5)
    d.col["score"][hit] = 0.72 + 0.25 * d.rng.random(int(hit.sum()))
    d.col["say"][d.chance(0.4, hit)] = "misread"
    d.changes.append((0, "detector", {"detector": [f"{policy}-net"]}))
    return _plant(d, "overturn_rate", policy, {"market": market, "detector_version": "2.4"}, ({"market": market},))


def threshold(d: Draft) -> Plant:
    """The bar falls from .60 to .45 in one market."""
    policy, market, _ = _spot(d)
    own = d.of(policy=policy, market=market) & d.late
    d.col["threshold"][own] = 0.45
    new = d.add(own, 0.9 * d.size, threshold=0.45)
    count = int(new.sum())
    d.col["score"][new] = 0.45 + 0.15 * d.rng.random(count)
    bad = d.rng.random(count) < 0.2
    d.col["bad"][new], d.col["appeal"][new], d.col["win"][new] = (
        bad,
        np.where(bad, 0.22, 0.55),
        np.where(bad, 0.05, 0.85),
    )
    d.changes.append((0, "policy", {"policy_id": [policy], "market": [market]}))
    return _plant(d, "overturn_rate", policy, {"market": market})


def clause_ambiguous(d: Draft) -> Plant:
    """One clause is reworded; what follows from it is a toss-up."""
    policy, _, _ = _spot(d)
    clause = str(d.rng.choice(np.unique(d.col["clause"][d.of(policy=policy)].astype(str))))
    own = d.of(policy=policy, clause=clause) & d.late
    d.col["win"][d.chance(0.9 * d.size, own)] = 0.55
    d.col["flip"][own] = 0.25
    d.col["say"][d.chance(0.35, own)] = "unclear"
    d.col["revision"][d.of(policy=policy) & d.late] = "10"
    d.changes.append((0, "policy", {"policy_id": [policy], "clause_id": [clause]}))
    return _plant(d, "overturn_rate", policy, {"clause_id": clause})


def clause_scope(d: Draft) -> Plant:
    """One class of sellers is bound by mistake."""
    policy, _, _ = _spot(d)
    own = d.of(policy=policy, tier="official_store") & d.late
    hit = d.chance(0.95 * (0.5 + 0.5 * d.size), own)
    d.col["win"][hit], d.col["appeal"][hit], d.col["bad"][hit] = 0.96, 0.6, False
    d.col["say"][d.chance(0.5, hit)] = "permission"
    return _plant(d, "overturn_rate", policy, {"seller_tier": "official_store"})


def evidence_not_requested(d: Draft) -> Plant:
    """The form of one policy asks for nothing useful any more; the second level repairs it."""
    policy, _, _ = _spot(d)
    own = d.of(policy=policy) & d.late
    d.col["wrong_proof"][own] = 0.75
    sound = own & ~d.col["bad"].astype(bool)
    d.col["win"][sound] = 0.85 - 0.45 * d.size
    d.col["go2"][sound], d.col["win2"][sound] = 0.7, 0.92
    d.changes.append((0, "process", {"policy_id": [policy]}))
    return _plant(d, "second_level_overturn_rate", policy, {}, ({"policy_id": policy},))


def notice_unclear(d: Draft) -> Plant:
    """A new notice in one market says nothing; those who did wrong do not mend it and complain."""
    policy, market, _ = _spot(d)
    own = d.of(policy=policy, market=market) & d.late
    d.col["template"][own] = "b"
    d.col["appeal"][own] = np.minimum(d.col["appeal"][own] * (1 + 0.9 * d.size), 0.9)
    d.col["cure"][own] *= 1 - 0.7 * d.size
    d.col["say"][d.chance(0.35, own)] = "unclear"
    d.changes.append((0, "template", {"policy_id": [policy], "market": [market]}))
    return _plant(d, "appeal_rate", policy, {"market": market}, ({"template_version": "b"},))


def reviewer_error(d: Draft) -> Plant:
    """One team waves everything through."""
    policy, _, _ = _spot(d)
    team = str(d.rng.choice(TEAMS))
    own = d.of(policy=policy, team=team) & d.late
    hit = d.chance(0.9 * d.size, own & d.col["bad"].astype(bool))
    d.col["win"][hit], d.col["appeal"][hit] = 0.85, 0.45
    return _plant(d, "overturn_rate", policy, {"queue": team})


def reviewer_inconsistent(d: Draft) -> Plant:
    """Everybody decides as they please under one policy."""
    policy, _, _ = _spot(d)
    own = d.of(policy=policy) & d.late
    d.col["win"][d.chance(0.8 * d.size, own)] = 0.6
    d.col["flip"][own] = 0.28
    return _plant(d, "overturn_rate", policy, {}, ({"policy_id": policy},))


def routing(d: Draft) -> Plant:
    """Reviewed cases of one policy go to the front desk, which knows nothing of them."""
    policy, _, _ = _spot(d)
    own = d.chance(0.4 + 0.5 * d.size, d.of(policy=policy) & d.late & (d.col["team"] != ""))
    d.col["team"][own] = "front-desk"
    d.col["win"][d.chance(0.6, own)] = 0.85
    d.col["appeal"][own] = np.maximum(d.col["appeal"][own], 0.45)
    early = d.chance(0.05, d.of(policy=policy) & ~d.late & (d.col["team"] != ""))
    d.col["team"][early] = "front-desk"
    d.changes.append((0, "process", {"policy_id": [policy]}))
    return _plant(d, "overturn_rate", policy, {"queue": "front-desk"})


def data_error(d: Draft) -> Plant:
    """The feed of one market writes nonsense: scores of nought, goods unknown."""
    _, market, _ = _spot(d)
    own = d.chance(0.55 * d.size, d.of(market=market) & d.late)
    if d.rng.random() < 0.5:
        d.col["blank"][own] = True
    else:
        d.col["score"][own] = 0.0
    d.col["win"][own] = 0.97
    d.changes.append((0, "process", {"market": [market]}))
    return _plant(d, "overturn_rate", None, {"market": market})


def seller_abuse(d: Draft) -> Plant:
    """Nine shops of one market flood a policy with one and the same complaint."""
    policy, market, _ = _spot(d)
    own = d.of(policy=policy, market=market) & d.late
    all_shops = np.unique(d.col["seller"][own])
    new = d.add(own, 0.8 * d.size, bad=True, appeal=0.85, win=0.03, win2=0.02, go2=0.1, paste=True, say="")
    shops = d.rng.choice(all_shops, 9, replace=False)
    d.col["seller"][new] = d.rng.choice(shops, int(new.sum()))
    return _plant(d, "appeal_rate", policy, {"market": market})


def taxonomy_gap(d: Draft) -> Plant:
    """People report something that no policy names; planted in the signals."""
    _, market, goods = _spot(d)
    return _plant(d, "signals_without_violation", None, {"market": market, "category": goods}, ({"category": goods},))


def mix_shift(d: Draft) -> Plant:
    """A market where more is overturned grows; no rate changes."""
    market = str(d.rng.choice(MARKETS[3:]))
    own = d.of(market=market)
    d.col["win"][d.chance(0.6, own)] = 0.9
    d.add(own & d.late, 2.0 + d.size)
    return _plant(d, "overturn_rate", None, {"market": market})


def seasonality(d: Draft) -> Plant:
    """Two weeks in six the rush brings mistakes, before and after."""
    policy, _, _ = _spot(d)
    peak = ((d.col["day"] - d.onset) // 7) % 6 < 2
    own = d.chance(0.6 * d.size, d.of(policy=policy) & peak)
    d.col["win"][own] = 0.9
    return _plant(d, "overturn_rate", policy, {}, ({"policy_id": policy},))


def batch_correction(d: Draft) -> Plant:
    """A run of minutes restores what one rule did in one market in the eight weeks before."""
    policy, market, _ = _spot(d)
    recent = (d.col["day"] < d.onset) & (d.col["day"] >= d.onset - 56)
    d.col["batch"][d.chance(0.7 * d.size, d.of(policy=policy, market=market) & recent)] = True
    return _plant(d, "reversal_rate", policy, {"market": market})


def platform_event(d: Draft) -> Plant:
    """Appealing becomes a tap on the screen for everybody."""
    d.col["appeal"][d.late] = np.minimum(d.col["appeal"][d.late] * (1 + 0.6 * d.size), 0.95)
    d.changes.append((0, "marketplace", {}))
    return _plant(d, "appeal_rate", None, {})


def new_segment(d: Draft) -> Plant:
    """A market opens, with sellers of its own."""
    new = d.add(d.late, 0.15 * (0.5 + d.size), market="AR")
    d.col["seller"][new] += 1_000_000
    d.col["win"][d.chance(0.6, new)] = 0.85
    d.changes.append((0, "marketplace", {"market": ["AR"]}))
    return _plant(d, "overturn_rate", None, {"market": "AR"})


PLANTS: dict[str, Callable[[Draft], Plant]] = {
    f.__name__: f
    for f in (
        detector_error, threshold, clause_ambiguous, clause_scope, taxonomy_gap, evidence_not_requested, notice_unclear,
        reviewer_error, reviewer_inconsistent, routing, data_error, seller_abuse, mix_shift, seasonality,
        batch_correction, platform_event, new_segment,
    )
}  # fmt: skip


def _plant(
    d: Draft, metric: str, policy: str | None, segment: dict[str, str], others: tuple[dict[str, str], ...] = ()
) -> Plant:
    onset = (START + timedelta(days=d.onset)).date()
    return Plant("", metric, policy, segment, onset, others)


def plant(kind: str, seed: int, rows: int = 30_000) -> tuple[Table, Plant]:
    """Return the tables of one planted world, and what was planted."""
    d = _draft(seed, rows)
    base = PLANTS[kind](d)
    told = Plant(kind, base.metric, base.policy, base.segment, base.onset, base.others)
    return _tables(d, told), told


def _tables(d: Draft, told: Plant) -> Table:
    rng, c = d.rng, d.col
    n = len(c["day"])
    seconds = c["day"] * 86_400.0 + rng.random(n) * 86_000
    end = WEEKS * 7 * 86_400.0
    ids = np.array([f"x{i}" for i in range(n)])

    def when(s: np.ndarray) -> pl.Series:
        whole = pl.Series(np.where(s < end, s, np.nan)).fill_nan(None).floor().cast(pl.Int64) * 1_000_000
        return (whole + int(START.timestamp() * 1_000_000)).cast(pl.Datetime("us", "UTC"))

    filed = rng.random(n) < c["appeal"].astype(float)
    filed_at = seconds + rng.exponential(1.5, n) * 86_400
    settled = filed_at + rng.exponential(2.0, n) * 86_400
    won = rng.random(n) < c["win"].astype(float)
    again = filed & ~won & (rng.random(n) < c["go2"].astype(float))
    won2 = rng.random(n) < c["win2"].astype(float)
    again_at = settled + rng.exponential(1.0, n) * 86_400
    settled2 = again_at + rng.exponential(3.0, n) * 86_400
    cured = rng.random(n) < c["cure"].astype(float)
    batch_at = d.onset * 86_400.0 + 36_000 + rng.random(n) * 1_500
    taken = np.where(c["batch"].astype(bool), batch_at, np.inf)
    taken = np.where(
        filed & won, np.minimum(taken, settled), np.where(again & won2, np.minimum(taken, settled2), taken)
    )
    taken = np.where(rng.random(n) < 0.02, np.minimum(taken, seconds + rng.exponential(3, n) * 86_400), taken)
    violations = pl.DataFrame(
        {
            "violation_id": ids, "decided_at": when(seconds), "policy_id": c["policy"].astype(str),
            "clause_id": c["clause"].astype(str), "policy_revision": c["revision"].astype(str),
            "market": c["market"].astype(str), "language": [TONGUES.get(m, "es") for m in c["market"]],
            "category": np.where(c["blank"].astype(bool), "unknown", c["goods"].astype(str)),
            "seller_id": [f"shop{s}" for s in c["seller"]], "seller_tier": c["tier"].astype(str),
            "detector": [f"{p}-net" for p in c["policy"]], "detector_version": c["version"].astype(str),
            "score": c["score"].astype(float).round(4), "threshold_at_decision": c["threshold"].astype(float),
            "queue": [t or None for t in c["team"]], "template_version": c["template"].astype(str),
            "template_id": [f"tpl-{p}" for p in c["policy"]], "correction_allowed": np.ones(n, dtype=bool),
            "corrected_at": when(np.where(cured, seconds + 2 * 86_400, np.inf)),
            "reversed_at": when(taken),
        }
    )  # fmt: skip
    violations = violations.with_columns(
        reversal_source=pl.when(pl.col("reversed_at").is_null()).then(None)
        .when(pl.Series(taken == batch_at)).then(pl.lit("own_initiative")).otherwise(pl.lit("appeal")),
    )  # fmt: skip
    first = np.flatnonzero(filed & (filed_at < end))
    second = np.flatnonzero(again & (again_at < end))
    appeals = pl.concat(
        [
            _appeals(d, ids, first, "1", when(filed_at[first]), when(settled[first]), won[first]),
            _appeals(d, ids, second, "2", when(again_at[second]), when(settled2[second]), won2[second]),
        ]
    )
    return {
        "violations": violations, "appeals": appeals, "audits": _audits(d, ids, seconds, when),
        "signals": _signals(d, told, ids), "changes": _changes(d),
    }  # fmt: skip


def _appeals(
    d: Draft, ids: np.ndarray, rows: np.ndarray, level: str, filed: pl.Series, settled: pl.Series, won: np.ndarray
) -> pl.DataFrame:
    rng, c = d.rng, d.col
    texts, proofs = [], []
    for i in rows:
        if c["paste"][i] and rng.random() < 0.9:
            texts.append(f"Order {rng.integers(10**6)}: we follow all rules of this platform, lift the block at once!")
        else:
            said = [str(rng.choice(SAYINGS))] + ([SPEECH[c["say"][i]]] if c["say"][i] else [])
            texts.append(f"{' '.join(said)} Ref {rng.integers(10**5)}, item {rng.choice(KINDS_OF_GOODS)}.")
        wrong = level == "1" and rng.random() < c["wrong_proof"][i]
        proofs.append(["selfie"] if wrong else [] if rng.random() < 0.3 else [str(rng.choice(["invoice", "contract"]))])
    return pl.DataFrame(
        {
            "appeal_id": [f"{ids[i]}-{level}" for i in rows], "violation_id": ids[rows], "filed_at": filed,
            "decided_at": settled, "level": [level] * len(rows),
            "outcome": pl.select(
                pl.when(settled.is_null()).then(pl.lit("pending"))
                .when(pl.Series(won)).then(pl.lit("overturned")).otherwise(pl.lit("upheld"))
            ).to_series(),
            "reason_text": texts, "evidence": pl.Series(proofs, dtype=pl.List(pl.String)),
        }
    )  # fmt: skip


def _audits(d: Draft, ids: np.ndarray, seconds: np.ndarray, when: Callable[[np.ndarray], pl.Series]) -> pl.DataFrame:
    rows = np.flatnonzero(d.rng.random(ids.size) < 0.06)
    twice = np.concatenate([rows, rows])
    bad = d.col["bad"].astype(bool)[twice] ^ (d.rng.random(twice.size) < d.col["flip"].astype(float)[twice])
    frame = pl.DataFrame(
        {
            "audit_id": [f"q{i}" for i in range(twice.size)], "violation_id": ids[twice],
            "audited_at": when(seconds[twice] + 9 * 86_400), "violating": bad, "audit_prob": np.full(twice.size, 0.06),
        }
    )  # fmt: skip
    return frame.drop_nulls("audited_at")


def _signals(d: Draft, told: Plant, ids: np.ndarray) -> pl.DataFrame:
    rng, n = d.rng, 3_000
    day, market = rng.integers(0, WEEKS * 7, n), rng.choice(MARKETS, n).astype(object)
    goods, caught = rng.choice(KINDS_OF_GOODS, n).astype(object), rng.random(n) < 0.6
    if told.kind == "taxonomy_gap":
        hit = np.flatnonzero((day >= d.onset) & (rng.random(n) < 0.12 * d.size + 0.04))
        market[hit], goods[hit], caught[hit] = told.segment["market"], told.segment["category"], False
    at = START.timestamp() + day * 86_400.0 + rng.random(n) * 86_000
    return pl.DataFrame(
        {
            "signal_id": [f"g{i}" for i in range(n)],
            "at": pl.Series((at * 1_000_000).astype(np.int64)).cast(pl.Datetime("us", "UTC")),
            "kind": rng.choice(["user_report", "rights_holder"], n), "market": market.astype(str),
            "category": goods.astype(str), "seller_id": [f"shop{s}" for s in rng.integers(0, 2_000, n)],
            "violation_id": np.where(caught, ids[rng.integers(0, ids.size, n)], None).tolist(),
        }
    )  # fmt: skip


def _changes(d: Draft) -> pl.DataFrame:
    import json

    rng = d.rng
    rows = [(d.onset + int(rng.integers(-5, 6)), kind, scope) for _, kind, scope in d.changes]
    for _ in range(8):
        kind = str(rng.choice(["policy", "detector", "template", "process", "campaign"]))
        scope = (
            {"market": [str(rng.choice(MARKETS))]} if rng.random() < 0.5 else {"policy_id": [str(rng.choice(POLICIES))]}
        )
        rows.append((int(rng.integers(0, WEEKS * 7)), kind, scope))
    return pl.DataFrame(
        {
            "change_id": [f"c{i}" for i in range(len(rows))],
            "at": pl.Series([START + timedelta(days=max(0, r[0])) for r in rows], dtype=pl.Datetime("us", "UTC")),
            "kind": [r[1] for r in rows], "scope": [json.dumps(r[2]) for r in rows], "description": [""] * len(rows),
        }
    )  # fmt: skip
