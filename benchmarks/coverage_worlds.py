"""Cheap worlds whose every truth is known, to measure how often the intervals of a backtest hold it.

A generator apart from gne_analytics.simulate, drawn in numpy: thousands of cases in milliseconds. Violations depend on
score, segment and seller; sellers are heavy-tailed with levels of their own, one of them with much of the record; some
cases have no score, and a few were enforced though no rule fired. Who appeals hangs on truth and seller; appeals are
decided with error. Reviewers differ, and err. Audits are drawn case by case with logged, unequal probabilities by
stratum, and err in ``AUDIT_ERROR`` of the cases.

**What the truth of a case is.** Audits that err tell what auditors say, never more. So every case has one verdict that
an audit of it would give, drawn once whether or not it is audited. Under ``latent`` the truth is that verdict; under
``final_decision`` it is the final decision where an appeal was decided, and the verdict elsewhere. Both are truths of
this record (the retrospective target): by chance comes only who was audited. What a case really is, nobody sees; the
unerring total is kept beside, to show what the error of audits alone does.

**What a review would do.** A case sent to a person counts as enforced with the chance that the pool of reviewers would
do so, given what the case really is; they answer to that in the record too. The ``drawn`` total takes one reviewer's
answer instead. So under ``final_decision`` a case whose appeal was wrongly upheld counts as a violation that reviewers
would often let pass: reviewed cases that passed had no appeal, so no record tells of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from gne_analytics.evidence.types import Edit
from gne_analytics.policy.files import PolicySet, from_files
from gne_analytics.strategy.flows import AUTOMATIC, NOTHING, REVIEW
from gne_analytics.strategy.identify import Label
from gne_analytics.tables.record import Record, record_from_frames

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Column = npt.NDArray[Any]

AUDIT_ERROR = 0.02
START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 120
WORDS = {
    "market": pl.Series(["ID", "PH", "TH", "VN"]),
    "category": pl.Series(["beauty", "fashion", "home", "toys"]),
    "object_type": pl.Series(["listing", "video"]),
    "seller_tier": pl.Series(["brand", "new", "standard"]),
    "state_today": pl.Series([NOTHING, AUTOMATIC, REVIEW]),
    "rule_today": pl.Series(["main", "bait", "seen"]),
    "rule_proposed": pl.Series(["main", "bait", "seen"]),
}
"""What the codes of a world mean."""
REVIEWED = (
    "market IN ('ID', 'TH') AND category IN ('beauty', 'toys') "
    "OR market IN ('PH', 'VN') AND category IN ('fashion', 'home')"
)
POLICIES: PolicySet = from_files(
    {
        "policies/p.yaml": f"""
id: p
revision: "1"
owner: o
title: t
severity: low
clauses: [{{id: c, text: t}}]
rules:
  - {{id: main, clause: c, status: live, detector: d, when: ["object_type = 'listing'"],
     threshold: {{default: 0.6}}, action: remove}}
  - {{id: bait, clause: c, status: live, detector: d, when: ["object_type = 'listing'", "category = 'toys'"],
     threshold: {{default: 0.4}}, action: warn}}
  - {{id: seen, clause: c, status: live, detector: d, when: ["object_type = 'video'"],
     threshold: {{default: 0.5}}, action: remove, human_review: "{REVIEWED}"}}
"""
    }
)


@dataclass(frozen=True)
class Kind:
    """A kind of edit, and what a record is mostly about so that the edit touches a good part of it."""

    name: str
    edit: Edit
    centre: float
    """Where scores lie."""
    video: float = 0.02
    toys: float = 0.1
    brand: float = 0.2
    size: float = 1.0
    """Cases of its records beside those of other edits: where an edit touches less, or needs more to be known."""


def _edit(kind: str, rule: str, old: object, new: object) -> Edit:
    return Edit.model_validate({"kind": kind, "policy": "p", "rule": rule, "old": old, "new": new})


KINDS = (
    Kind("threshold up", _edit("set_threshold", "main", 0.6, 0.7), 0.65, size=1.2),
    Kind("threshold down", _edit("set_threshold", "main", 0.6, 0.5), 0.55, size=1.8),
    Kind(
        "exemption",
        _edit("add_exemption", "main", None, {"id": "x", "match": "seller_tier = 'brand'"}),
        0.66,
        brand=0.6,
        size=1.5,
    ),
    Kind("human review", _edit("set_human_review", "seen", REVIEWED, "always"), 0.6, video=0.95, size=2.2),
    Kind("retire a rule", _edit("set_status", "bait", "live", "retired"), 0.52, toys=0.85),
)
"""One edit of every kind that a replay can judge."""


@dataclass(frozen=True)
class Audited:
    """How a world's audits are drawn: the mean probability, and whether cases below the thresholds have any."""

    rate: float
    below: bool = True

    @property
    def name(self) -> str:
        """As a table shows it."""
        return f"{self.rate:.1%}" if self.below else f"{self.rate:.1%}, none below"

    @property
    def cases(self) -> int:
        """Cases of a record, in the middle: rare audits are met on large records."""
        return {0.005: 18_000, 0.01: 13_000}.get(self.rate, 10_000)


AUDITS = (Audited(0.005), Audited(0.01), Audited(0.02), Audited(0.05), Audited(0.02, below=False))


@dataclass(frozen=True)
class World:
    """A record by columns of numpy, and what every case really is."""

    columns: Mapping[str, Column]
    """What a record tells, a value per case; those of ``WORDS`` as codes."""
    violates: Bools
    verdict: Bools
    """What an audit would say."""
    chance: Floats
    """That the pool of reviewers enforces the case."""
    answer: Bools
    """What the reviewer drawn for it would do."""

    def frame(self, rows: Bools) -> pl.DataFrame:
        """Return what strategy reads of some cases, as ``build_population`` and ``flow_of`` would hand it over."""
        mine = {name: column[rows] for name, column in self.columns.items()}
        words = {name: told.gather(mine.pop(name)) for name, told in WORDS.items()}
        alpha, beta = pl.col("alpha").cast(pl.String), pl.col("beta").cast(pl.String)
        return pl.DataFrame({**mine, **words}).with_columns(
            pl.col("score", "decided_violating", "audit_violating", "audit_prob").fill_nan(None),
            human=pl.when("enforced").then("human"),
            policy=pl.lit("p"),
            detector=pl.lit("d"),
            cell=alpha + pl.lit("|") + beta,
        )

    @property
    def moved(self) -> Bools:
        """Which cases' decision changes."""
        return np.asarray((self.columns["alpha"] != 0) | (self.columns["beta"] != 0))

    def known(self, label: Label, *, unerring: bool = False) -> Floats:
        """Return what counts as the truth of each case: 1 violating, 0 not."""
        said = (self.violates if unerring else self.verdict).astype(np.float64)
        decided = self.columns["decided_violating"].astype(np.float64)
        return np.where(np.isnan(decided), said, decided) if label == "final_decision" else said

    def truth(self, label: Label, *, unerring: bool = False, drawn: bool = False) -> tuple[float, float]:
        """Return the true change of wrongful enforcement and of missed violations."""
        known = self.known(label, unerring=unerring)
        change = self.columns["alpha"] + self.columns["beta"] * (self.answer if drawn else self.chance)
        return float(((1 - known) * change).sum()), float(-(known * change).sum())


def draw(kind: Kind, audited: Audited, seed: int, cases: int | None = None) -> World:
    """Draw a world; the same again for the same seed, edit and audits."""
    rng = np.random.default_rng([seed, round(audited.rate * 10_000), int(audited.below), round(kind.centre * 100)])
    n = cases or round(audited.cases * kind.size * rng.lognormal(0, 0.25))
    listed, violates = _listed(rng, n, kind)
    today, proposed = _state(listed), _state(listed, kind.name)
    chance, answer = _reviewers(rng, violates)
    enforced = np.where(today == 2, answer, (today == 1) | (rng.random(n) < 0.01))
    appealed, decided = _appeals(rng, listed["seller"], violates, enforced)
    verdict = violates ^ (rng.random(n) < AUDIT_ERROR)
    probability = _probability(rng, audited, listed, today, appealed)
    audit = rng.random(n) < probability
    before, after = (_chances(state, today, enforced) for state in (today, proposed))
    rule = np.where(listed["video"], 2, np.where(listed["score"] >= 0.6, 0, 1))
    alpha, beta = after[0] - before[0], after[1] - before[1]
    columns: dict[str, Column] = {
        "case_id": np.arange(n),
        "seller": listed["seller"],
        "market": listed["market"],
        "category": listed["category"],
        "object_type": listed["video"].astype(np.int64),
        "seller_tier": listed["tier"],
        "score": listed["score"],
        "state_today": today,
        "rule_today": rule,
        "rule_proposed": rule,
        "enforced": enforced,
        "human": today == 2,
        "appealed": appealed,
        "decided_violating": decided,
        "audit_violating": np.where(audit, verdict, np.nan),
        "audit_prob": np.where(audit, probability, np.nan),
        "alpha": alpha,
        "beta": beta,
    }
    return World(columns, violates, verdict, chance, answer)


def _listed(rng: np.random.Generator, n: int, kind: Kind) -> tuple[dict[str, Column], Bools]:
    """Draw cases: attributes as codes, seller, the detector's score (NaN: none), and whether they violate."""
    sellers = max(40, n // 40)
    weight = rng.pareto(1.2, sellers) + 0.1
    weight[0] = rng.uniform(0.1, 0.35) / 0.65 * weight[1:].sum()
    seller = rng.choice(sellers, n, p=weight / weight.sum())
    home, tier = rng.integers(0, 4, sellers), rng.choice(3, sellers, p=[kind.brand, *[(1 - kind.brand) / 2] * 2])
    tier[0] = 2 if kind.brand < 0.5 else 0
    market = np.where(rng.random(n) < 0.8, home[seller], rng.integers(0, 4, n))
    category = rng.choice(4, n, p=[*[(1 - kind.toys) / 3] * 3, kind.toys])
    video = rng.random(n) < kind.video
    segment = rng.normal(0, 0.5, (4, 4, 2))[market, category, video.astype(int)]
    eta = rng.normal(0.8, 1.3) + rng.normal(0, 0.8, sellers)[seller] + segment
    violates = rng.random(n) < 1 / (1 + np.exp(-eta))
    sharp = rng.uniform(0.03, 0.1)
    score = kind.centre + np.where(violates, sharp, -sharp) + rng.normal(0, 0.08, n) + 0.02 * segment
    score = np.where(rng.random(n) < 0.04, np.nan, np.clip(score, 0, 1).round(4))
    listed: dict[str, Column] = {
        "seller": seller, "market": market, "category": category, "video": video, "tier": tier[seller], "score": score
    }  # fmt: skip
    return listed, violates


def _state(listed: Mapping[str, Column], name: str = "today") -> Ints:
    """Say what a policy set does to each case (0 nothing, 1 automatic, 2 review), written apart from the replay."""
    score, toys = listed["score"], listed["category"] == 3
    main = score >= {"threshold up": 0.7, "threshold down": 0.5}.get(name, 0.6)
    if name == "exemption":
        main &= listed["tier"] != 0
    bait = toys & (score >= 0.4) & (name != "retire a rule")
    beauty, south = np.isin(listed["category"], [0, 3]), np.isin(listed["market"], [0, 2])
    review = (beauty == south) | (name == "human review")
    seen = np.where(score >= 0.5, np.where(review, 2, 1), 0)
    return np.asarray(np.where(listed["video"], seen, main | bait), np.int64)


def _chances(state: Ints, today: Ints, enforced: Bools) -> tuple[Ints, Ints]:
    """Return what of the chance of enforcement is certain, and what hangs on a reviewer who was never asked."""
    answered = today == 2
    certain = (state == 1) | ((state == 2) & answered & enforced)
    return certain.astype(np.int64), ((state == 2) & ~answered).astype(np.int64)


def _reviewers(rng: np.random.Generator, violates: Bools) -> tuple[Floats, Bools]:
    """Return the chance that the pool of reviewers enforces each case, and what the one drawn for it would do."""
    n, pool = violates.size, 15
    mine = rng.integers(0, pool, n)
    wrong, right = rng.beta(2.5, 10, pool), rng.beta(14, 2.5, pool)
    answer = rng.random(n) < np.where(violates, right[mine], wrong[mine])
    return np.where(violates, right.mean(), wrong.mean()), answer


def _appeals(rng: np.random.Generator, seller: Column, violates: Bools, enforced: Bools) -> tuple[Bools, Floats]:
    """Let sellers appeal by truth and temper; return who appealed, and the final decision (NaN: none yet)."""
    n = violates.size
    temper = rng.normal(0, 1, int(seller.max()) + 1)[seller]
    appealed = enforced & (rng.random(n) < 1 / (1 + np.exp(1.4 + 1.6 * violates - temper)))
    decided = appealed & (rng.random(n) < 0.85)
    violating = rng.random(n) < np.where(violates, 0.92, 0.15)
    return appealed, np.where(decided, violating, np.nan)


def _probability(
    rng: np.random.Generator, audited: Audited, listed: Mapping[str, Column], today: Ints, appealed: Bools
) -> Floats:
    """Return the probability of an audit: more near a threshold, of reviews and appeals; by tier and category too.

    The last depends on what is common there by chance alone: some worlds audit least where least is plain.
    """
    times = np.where(np.abs(np.nan_to_num(listed["score"]) - 0.6) < 0.05, 1.6, 0.8)
    times = times * rng.lognormal(0, 0.5, (3, 4))[listed["tier"], listed["category"]]
    times = times * np.where(today == 2, 2.0, 1.0) * np.where(appealed, 1.5, 1.0)
    if not audited.below:
        times = np.where(today > 0, times, 0.0)
    return np.asarray(np.clip(audited.rate * times / times[times > 0].mean(), 0, 1))


def record_of(world: World) -> Record:
    """Write a world as the tables of a record, so that the whole path of a user can be walked."""
    at = pl.lit(START) + pl.duration(days=pl.col("case_id") % DAYS)
    cases = world.frame(np.ones(world.violates.size, bool)).with_columns(
        case_id=pl.format("c{}", pl.col("case_id").cast(pl.String).str.zfill(7)),
        seller_id=pl.format("s{}", "seller"),
        assessed_at=at,
    )
    listed = ("case_id", "market", "category", "object_type", "seller_id", "seller_tier", "detector", "score")
    enforced = cases.filter("enforced").with_columns(violation_id=pl.format("v{}", "case_id"))
    outcome = pl.when(pl.col("decided_violating") == 1).then(pl.lit("upheld")).otherwise(pl.lit("overturned"))
    violations = enforced.select(
        "violation_id", *listed, decided_at="assessed_at", policy_id=pl.lit("p"), action=pl.lit("remove"),
        automated_decision=pl.when("human").then(pl.lit("not")).otherwise(pl.lit("fully")),
    )  # fmt: skip
    appeals = enforced.filter("appealed").select(
        "violation_id", appeal_id="violation_id", filed_at="assessed_at",
        outcome=pl.when(pl.col("decided_violating").is_null()).then(pl.lit("pending")).otherwise(outcome),
    )  # fmt: skip
    audits = cases.filter(pl.col("audit_prob").is_not_null()).select(
        "case_id", "audit_prob", audit_id="case_id", audited_at="assessed_at", violating=pl.col("audit_violating") == 1
    )
    assessments = cases.select("assessed_at", *listed)
    tables = {"violations": violations, "assessments": assessments, "appeals": appeals, "audits": audits}
    return record_from_frames(tables, as_of=START + timedelta(days=DAYS))
