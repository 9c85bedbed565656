"""Ladder exposure: which sellers would reach other milestones under a changed policy or another ladder.

Today's set and the proposed one are replayed, each case they enforce carries the points of the rule that decides it,
and the penalty ladder is replayed per seller over time on both sides: what is released gives its points back, what is
new adds some. Violations that the set has no say in (by a rule of another set, by hand, by order of an authority) stand
on both sides with the points that the log gave them. A reversal ends a violation's points on both sides; what sellers
would appeal anew is not guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import polars as pl

from gne_analytics.enforcement.ladder import UNITS
from gne_analytics.enforcement.ladder import replay as climb
from gne_analytics.errors import PolicyError
from gne_analytics.evidence.proposals import Guardrail, LadderExposure
from gne_analytics.evidence.types import Edit, Estimate, Interval
from gne_analytics.policy.edits import applied
from gne_analytics.policy.files import PolicySet
from gne_analytics.policy.model import Ladder
from gne_analytics.strategy.estimate import NORMAL, wilson
from gne_analytics.strategy.flows import chance
from gne_analytics.strategy.study import Study

LEVEL: Final = 0.05
"""One-sided level of the test; a family of its own beside the slices of a policy."""


@dataclass(frozen=True)
class Exposure:
    """The milestones of every seller under today's policy and ladder, and under the proposed ones."""

    sellers: pl.DataFrame
    """unit, points_today, points_proposed (all that was ever given), and five lists of milestones: today, proposed
    (with what open reviews may add), newly (reached whatever reviewers say), perhaps (reached if they enforce),
    no_longer (reached today, and not even then); one row per seller whose points or ladder differ."""
    total: int
    """All sellers of the record, or of its part."""
    rises: bool
    """Whether any case carries more points than today, or the ladder is another: else nobody can newly reach any."""

    @property
    def newly(self) -> tuple[int, int]:
        """How many sellers newly reach a milestone: at least (whatever open reviews bring), and at most."""
        surely, perhaps = pl.col("newly").list.len() > 0, pl.col("perhaps").list.len() > 0
        counts = self.sellers.select(surely.sum(), (surely | perhaps).sum().alias("most"))
        return int(counts.row(0)[0]), int(counts.row(0)[1])

    def count(self) -> LadderExposure:
        """Count sellers by the milestone that they newly or no longer reach."""
        tallies = {
            name: dict(self.sellers[name].explode().drop_nulls().value_counts(sort=False).sort(name).iter_rows())
            for name in ("newly", "perhaps", "no_longer")
        }
        return LadderExposure(sellers=self.total, **tallies)

    def __repr__(self) -> str:
        low, high = self.newly
        most = "" if high == low else f" to {high}"
        return f"Exposure({self.total} sellers, {low}{most} newly at a milestone)"


def ladder_exposure(
    edits: Sequence[Edit],
    study: Study,
    *,
    ladder: Ladder | None = None,
    part: int | None = None,
    since: date | None = None,
) -> Exposure | None:
    """Replay the ladder per seller under today's policy and under the edits, or under another ladder; None without one.

    Args:
        edits: the proposed change; none, to change the ladder alone.
        study: the replayed record.
        ladder: the ladder on the proposed side; None: the policy set's own.
        part: only the sellers of this part (1: those that a search has not seen).
        since: the change acts from this day on; earlier cases fare as today on both sides.

    Returns:
        None where there is no ladder, or where the record does not name the accounts or sellers that it counts by.

    Example:
        >>> ladder_exposure([edit], study).newly  # doctest: +SKIP
        (3, 5)
    """
    own = study.policies.ladder
    if own is None or (unit := UNITS[own.per]) not in study.population.cases.columns:
        return None
    then = ladder or own
    if then.per != own.per:
        raise PolicyError(f"the other ladder counts per {then.per}, today's per {own.per}; give both the same 'per'.")
    flows = study.flows(edits).with_columns(unit=pl.col(unit).cast(pl.String)).drop_nulls("unit")
    if part is not None:
        flows = flows.filter(pl.col("part") == part)
    proposed = applied(study.policies, edits) if edits else study.policies
    cases = _enforced(flows, study, proposed, since)
    total, rises = flows["unit"].n_unique(), then != own or bool(cases.select(_rises()).item())
    if then == own:
        cases = cases.filter(_differs().any().over("unit"))
    events = pl.concat([cases.select(*_CARRIED, *_COUNTED), _beyond_the_set(study, unit, cases)])
    units = cases.select("unit").unique().sort("unit")
    for name, (side, ladder_of) in {
        "today": ("today", own), "today_least": ("today", own), "least": ("proposed", then),
        "proposed": ("proposed", then),
    }.items():  # fmt: skip
        counted = events.filter(f"counts_{name}").with_columns(points=pl.col(f"points_{side}"))
        units = units.join(_reached(ladder_of, counted, name), on="unit", how="left", maintain_order="left")
    reached = [name for name in units.columns if name.startswith("reached_")]
    units = units.with_columns(pl.col(reached).fill_null([]), pl.col("total_today", "total_proposed").fill_null(0.0))
    newly = pl.col("reached_least").list.set_difference("reached_today")
    sellers = units.select(
        "unit",
        points_today="total_today",
        points_proposed="total_proposed",
        today="reached_today",
        proposed="reached_proposed",
        newly=newly,
        perhaps=pl.col("reached_proposed").list.set_difference("reached_today_least").list.set_difference(newly),
        no_longer=pl.col("reached_today").list.set_difference("reached_proposed"),
    )
    return Exposure(sellers, total, rises)


_COUNTED = ("counts_today", "counts_today_least", "counts_least", "counts_proposed")
_CARRIED = ("unit", "decided_at", "reversed_at", "points_today", "points_proposed")


def _differs() -> pl.Expr:
    """Say of which cases anything that the ladder reads may differ between the sides."""
    unlike = pl.any_horizontal(pl.col(_COUNTED[0]) != pl.col(other) for other in _COUNTED[1:])
    return unlike | (pl.col("counts_today") & (pl.col("points_today") != pl.col("points_proposed")))


def _rises() -> pl.Expr:
    then = pl.when("counts_proposed").then("points_proposed").otherwise(0.0)
    return (then > pl.when("counts_today_least").then("points_today").otherwise(0.0)).any()


def _enforced(flows: pl.DataFrame, study: Study, proposed: PolicySet, since: date | None) -> pl.DataFrame:
    """Say of every case whether each side enforces it, with which points, from when and until when.

    Where a person decides whose answer the log does not hold, ``today`` and ``proposed`` take it that they enforce and
    ``today_least`` and ``least`` that they do not, but for a case that waits for a person on both sides.
    """
    (sure_today, open_today), (sure_then, open_then) = chance("state_today"), chance("state_proposed")
    frame = flows.with_columns(
        sure_today=sure_today == 1, open_today=open_today == 1, sure_then=sure_then == 1, open_then=open_then == 1
    ).with_columns(
        points_today=_points(study.policies, "rule_today"), points_proposed=_points(proposed, "rule_proposed")
    )
    if since is not None:
        before = pl.col("event_date") < since
        then = {"sure_then": "sure_today", "open_then": "open_today", "points_proposed": "points_today"}
        frame = frame.with_columns(
            pl.when(before).then(pl.col(today)).otherwise(pl.col(name)).alias(name) for name, today in then.items()
        )
    both = pl.col("open_today") & pl.col("open_then")
    frame = frame.with_columns(
        counts_today=pl.col("sure_today") | pl.col("open_today"),
        counts_today_least=pl.col("sure_today") | both,
        counts_least=pl.col("sure_then") | both,
        counts_proposed=pl.col("sure_then") | pl.col("open_then"),
    )
    log = study.record.violations
    times = [c for c in ("decided_at", "reversed_at") if c in log.columns]
    frame = frame.join(log.select("violation_id", *times), on="violation_id", how="left", maintain_order="left")
    reversed_at = pl.col("reversed_at") if "reversed_at" in times else pl.lit(None, frame.schema["assessed_at"])
    return frame.with_columns(decided_at=pl.coalesce("decided_at", "assessed_at"), reversed_at=reversed_at)


def _points(policies: PolicySet, rule: str) -> pl.Expr:
    of = {r.id: float(r.points) for _, r in policies.rules()}
    return pl.col(rule).replace_strict(of, default=0.0, return_dtype=pl.Float64)


def _beyond_the_set(study: Study, unit: str, cases: pl.DataFrame) -> pl.DataFrame:
    """Return the logged violations that stand on both sides: no rule of the set took them, and none decides them."""
    log = study.record.violations
    if "points" not in log.columns or unit not in log.columns:
        return cases.clear().select(*_CARRIED, *_COUNTED)
    decided = cases.filter(pl.col("rule_today").is_not_null() | pl.col("rule_proposed").is_not_null())
    log = log.join(decided.select("violation_id").drop_nulls(), on="violation_id", how="anti")
    log = log.join(cases.select("unit").unique(), left_on=pl.col(unit).cast(pl.String), right_on="unit", how="semi")
    if "rule_id" in log.columns:
        rules = list(study.policy_of_rule)
        log = log.filter(~pl.col("rule_id").cast(pl.String).is_in(rules).fill_null(False))
    if "parent_violation_id" in log.columns:
        log = log.filter(pl.col("parent_violation_id").is_null())
    reversed_at = pl.col("reversed_at") if "reversed_at" in log.columns else pl.lit(None, log.schema["decided_at"])
    points = pl.col("points").cast(pl.Float64).fill_null(0.0)
    return log.select(
        pl.col(unit).cast(pl.String).alias("unit"),
        "decided_at",
        reversed_at.alias("reversed_at"),
        points.alias("points_today"),
        points.alias("points_proposed"),
        *[pl.lit(True).alias(name) for name in _COUNTED],
    )


def _reached(ladder: Ladder, violations: pl.DataFrame, name: str) -> pl.DataFrame:
    """Replay the ladder: unit, the milestones ever reached, from the lowest, and all points given."""
    done = climb(ladder, violations.rename({"unit": UNITS[ladder.per]}))
    order = [m.id for m in ladder.milestones]
    rank = pl.col("milestone").replace_strict({m: i for i, m in enumerate(order)}, return_dtype=pl.Int32)
    reached = (
        done.milestones.select("unit", "milestone")
        .unique()
        .sort("unit", rank)
        .group_by("unit", maintain_order=True)
        .agg(pl.col("milestone").alias(f"reached_{name}"))
    )
    total = violations.group_by("unit").agg(pl.col("points").sum().alias(f"total_{name}"))
    return total.join(reached, on="unit", how="left")


def check_ladder(found: Exposure | None, margin: float) -> tuple[Guardrail, ...]:
    """Return the guardrail on the share of sellers who newly reach a milestone; none where nothing differs."""
    if found is None or found.sellers.is_empty():
        return ()
    return (judge(*found.newly, found.total, margin, found.rises),)


def judge(low: int, high: int, sellers: int, margin: float, rises: bool = True) -> Guardrail:
    """Test a share of sellers against its margin: pass, fail or cannot tell.

    The sellers are taken as a sample of those to come (Wilson limits, one-sided). Open reviews count on the side that
    makes the verdict harder to give. Where no case carries more points than today, and the ladder is the same, nobody
    can newly reach anything and the guardrail passes without a test.

    Args:
        low: sellers who newly reach a milestone, whatever reviewers say.
        high: sellers who may.
        sellers: all of them.
        margin: the share that is borne.
        rises: whether any case carries more points.
    """
    z = NORMAL.inv_cdf(1 - LEVEL)
    below, above = wilson(np.array([low, high]) / sellers, np.full(2, float(sellers)), z)
    verdict, why = "cannot_tell", "Too few sellers to refute that more than the margin newly reach a milestone."
    if not rises:
        verdict, why = "pass", "No case carries more points than today, so no seller can newly reach a milestone."
    elif above[1] < margin:
        verdict, why = "pass", "That more sellers than the margin newly reach a milestone is refuted."
    elif below[0] > margin:
        verdict, why = "fail", "More sellers than the margin newly reach a milestone."
    interval = Interval(lo=float(below[0]), hi=float(above[1]), level=0.9, method="Wilson")
    return Guardrail(
        name="ladder_exposure",
        margin=margin,
        difference=Estimate(value=(low + high) / 2 / sellers, interval=interval, n=sellers),
        verdict=verdict,
        why=why,
    )
