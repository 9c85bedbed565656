"""The canary after launch: which sellers see the change first, by a stated hash that any engine can repeat.

    digest = blake2b-512 of the UTF-8 bytes of  salt + ":" + unit id        (hexadecimal, lower case; ``b2sum`` does it)
    bucket = the first 8 digits of the digest, read as a whole number, modulo 10000
    arm    = canary when bucket < share * 10000, else control

In DuckDB's SQL, over a column that holds the digest: ``('0x' || left(digest, 8))::BIGINT % 10000 < 1000`` for a tenth.
Every plan carries the rule and test vectors, so that whoever assigns can check their own code first.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from hashlib import blake2b
from typing import Literal

import polars as pl
from pydantic import Field, model_validator

from gne_analytics.errors import DataError
from gne_analytics.evidence.segment import Frozen, Segment

BUCKETS = 10_000
CANARY, CONTROL = "canary", "control"
RULE = (
    "Write the salt, a colon and the unit's id as UTF-8; take the first 8 hexadecimal digits of its blake2b-512, as a "
    "whole number modulo 10000; the unit is in the canary where that is less than share times 10000 (rounded to a "
    "whole number), else in control."
)
VECTORS = ("seller-1", "seller-2", "S0001", "卖家", "")


class Watched(Frozen):
    """One metric that the canary is judged by."""

    metric: str
    """A metric's name, or one of ``strategy.sellers.OF_CASES``."""
    role: Literal["guardrail", "goal"] = "guardrail"
    worse: Literal["higher", "lower"] = "higher"
    """Which way the metric is worse."""
    margin: float = Field(ge=0, lt=1)
    """For a guardrail: by how much worse is harm, as a difference of rates. For the goal: the least gain worth it."""


class Vector(Frozen):
    """A test vector of the assignment."""

    unit: str
    bucket: int
    arm: str


class CanaryPlan(Frozen):
    """Who sees the change first, from when, for how long, and what is watched; all that is needed to repeat it."""

    proposal: str
    """Id of the proposal that it tests."""
    unit: str
    """The column whose values are assigned, whole: the seller."""
    salt: str
    share: float = Field(gt=0, lt=1)
    """Of the units, in the canary."""
    start: date
    """The first day on which the canary's units are decided under the change."""
    weeks: int = Field(ge=1)
    """Planned weeks of rows; what is undecided then stops."""
    level: float = Field(default=0.05, gt=0, lt=1)
    """Chance that any interval of any week and metric misses its truth, at most."""
    correlation: float = Field(default=0.1, gt=0, le=1)
    """Of a seller's rows: what its rows are worth, n / (1 + (n - 1) correlation)."""
    caps: tuple[float, ...] = (1.0,)
    """Independent rows that one seller may weigh at most, by week; the last holds from there on."""
    watched: tuple[Watched, ...] = Field(min_length=1)
    scope: Segment = Segment({})
    """The rows that count, e.g. those that the edited rules' detectors scored; empty for all."""
    decides: bool = True
    """Whether the record's traffic is enough to refute harm at every margin within these weeks; else it will most
    likely end for futility."""
    blind: tuple[str, ...] = ()
    """What would have to be watched and is not in the record; while there is any, nothing is rolled out."""
    rule: str = RULE
    vectors: tuple[Vector, ...] = ()
    """Test vectors of the rule, made with this plan's salt and share."""

    @model_validator(mode="after")
    def _whole(self) -> "CanaryPlan":
        if not 0 < round(self.share * BUCKETS) < BUCKETS:
            raise ValueError(f"share is {self.share}; one of the {BUCKETS} buckets at least belongs to each arm")
        if not self.caps or any(b < a for a, b in zip((0.0, *self.caps), self.caps, strict=False)) or self.caps[0] <= 0:
            raise ValueError("caps must be above zero and never fall from week to week")
        names = [w.metric for w in self.watched]
        if len(set(names)) < len(names):
            raise ValueError("watched names a metric twice")
        if sum(w.role == "goal" for w in self.watched) > 1:
            raise ValueError("watched names two goals; one decides")
        if self.rule != RULE:
            raise ValueError("rule is another than this version's; assign with the version that wrote the plan")
        wrong = [v.unit for v in self.vectors if v != self.vector(v.unit)]
        if wrong:
            raise ValueError(f"vectors: {wrong[0]!r} does not fall where the rule puts it")
        return self

    def vector(self, unit: str) -> Vector:
        """Return where a unit falls."""
        bucket = bucket_of(unit, self.salt)
        return Vector(unit=unit, bucket=bucket, arm=self.arm(bucket))

    def arm(self, bucket: int) -> str:
        """Return the arm of a bucket."""
        return CANARY if bucket < round(self.share * BUCKETS) else CONTROL

    def cap(self, week: int) -> float:
        """Return what one seller may weigh at most at the look after so many weeks."""
        return self.caps[min(week, len(self.caps)) - 1]

    def until(self, week: int) -> date:
        """Return the day after the last day of a week, weeks being seven days each from the start."""
        return self.start + timedelta(days=7 * week)


def digest_of(unit: str, salt: str) -> str:
    """Return the hexadecimal blake2b-512 of ``salt:unit``."""
    return blake2b(f"{salt}:{unit}".encode()).hexdigest()


def bucket_of(unit: str, salt: str) -> int:
    """Return the bucket, 0 to 9999, of a unit under a salt.

    Example:
        >>> bucket_of("seller-1", "gne-canary-P-3dcbd2e6")
        2383
    """
    return _bucket(digest_of(unit, salt))


def _bucket(digest: str) -> int:
    return int(digest[:8], 16) % BUCKETS


def with_arms(frame: pl.DataFrame, plan: CanaryPlan, unit: str | None = None) -> pl.DataFrame:
    """Add ``digest`` and ``arm`` of every row's unit; null where a row has no unit, which is in neither arm.

    ``unit`` names the column, the plan's own by default; DataError when the frame lacks it.
    """
    unit = unit or plan.unit
    if unit not in frame.columns:
        raise DataError.missing_column("canary", unit, frame.columns)
    units = frame[unit].cast(pl.String).unique().drop_nulls().sort().to_list()
    digests = [digest_of(u, plan.salt) for u in units]
    assigned = pl.DataFrame(
        {unit: units, "digest": digests, "arm": [plan.arm(_bucket(d)) for d in digests]},
        schema={unit: pl.String, "digest": pl.String, "arm": pl.String},
    )
    rows = frame.drop("digest", "arm", strict=False).with_columns(pl.col(unit).cast(pl.String))
    return rows.join(assigned, on=unit, how="left", maintain_order="left")


def make_plan(proposal: str, watched: Sequence[Watched], **fields: object) -> CanaryPlan:
    """Return a plan with its own salt, unless one is given, and its test vectors.

    Each proposal has its own salt, so that the canaries of two proposals fall on independent sellers, and on others
    than the folds that a search used.
    """
    salt = fields.pop("salt", f"gne-canary-{proposal}")
    plan = CanaryPlan.model_validate({"proposal": proposal, "watched": tuple(watched), "salt": salt, **fields})
    return plan.model_copy(update={"vectors": tuple(plan.vector(v) for v in VECTORS)})
