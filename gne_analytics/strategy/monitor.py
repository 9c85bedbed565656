"""After launch: a canary is watched week by week, and stops for harm or futility, or rolls out, with bounded error.

Every week whose outcomes are known is one look: an interval of canary less control for each watched metric, valid at
all weeks together. So whoever looks each week, and acts the first time that the rules say so, errs in no more than the
plan's level of canaries, however often they look.
"""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum

import numpy as np
import polars as pl

from gne_analytics.errors import DataError
from gne_analytics.evidence.segment import Frozen
from gne_analytics.evidence.types import Estimate, Interval
from gne_analytics.metrics.intervals import Floats
from gne_analytics.strategy.canary import CANARY, CanaryPlan, Watched, with_arms
from gne_analytics.strategy.population import build_population
from gne_analytics.strategy.sellers import OF_CASES, seller_rows
from gne_analytics.strategy.sequence import METHOD, Arms, Bools, difference_interval, spent
from gne_analytics.strategy.traffic import by_unit, effective_rows
from gne_analytics.tables.record import Record


class Decision(StrEnum):
    """What the rules say after a look."""

    GO_ON = "go on"
    STOP_FOR_HARM = "stop for harm"
    STOP_FOR_FUTILITY = "stop for futility"
    ROLL_OUT = "roll out"


class Reading(Frozen):
    """One metric at one look: canary less control, over all weeks until then."""

    metric: str
    difference: Estimate
    """Its n counts sellers of both arms."""
    canary: int
    """Sellers in the canary with rows."""
    control: int


class Look(Frozen):
    """One look: what was seen and what the rules say of it."""

    week: int
    """Whole weeks since the start whose outcomes are known."""
    until: date
    """The day after the last one that is in it."""
    readings: tuple[Reading, ...]
    decision: Decision
    why: str


class Monitor(Frozen):
    """A plan and the looks taken so far: all that a later run needs to go on.

    ``Monitor.model_validate_json(monitor.model_dump_json())`` is the same monitor.
    """

    plan: CanaryPlan
    looks: tuple[Look, ...] = ()

    @property
    def decision(self) -> Decision:
        """What the last look said; to go on before the first."""
        return self.looks[-1].decision if self.looks else Decision.GO_ON

    @property
    def week(self) -> int:
        """The week of the last look; 0 before the first."""
        return self.looks[-1].week if self.looks else 0


def follow(monitor: Monitor, record: Record) -> Monitor:
    """Take a look for every week that has become mature since the last one, until the rules stop the canary.

    The record is that of today, whole: labels that came late for old weeks count too. A week is mature when it is so
    for every watched metric. The same record again changes nothing; nor does anything after a stop.

    Args:
        monitor: as the last run left it; ``Monitor(plan=plan)`` at first.
        record: everything since the start at least, with the plan's unit.
    """
    plan = monitor.plan
    if record.unit != plan.unit:
        raise DataError(f"{record.name} has the unit {record.unit!r}, and the canary was assigned by {plan.unit!r}.")
    cases = build_population(record) if any(w.metric in OF_CASES for w in plan.watched) else None
    known = {w.metric: seller_rows(record, w.metric, plan.scope, cases) for w in plan.watched}
    mature = (min(until for _, until in known.values()) - plan.start).days // 7
    for week in range(monitor.week + 1, mature + 1):
        within = (pl.col("event_date") >= plan.start) & (pl.col("event_date") < plan.until(week))
        monitor = look(monitor, week, {m: by_unit(rows.filter(within)) for m, (rows, _) in known.items()})
    return monitor


def look(monitor: Monitor, week: int, sellers: Mapping[str, pl.DataFrame]) -> Monitor:
    """Add the look after a week; a monitor that has stopped, or has looked at that week already, stays as it is.

    Args:
        monitor: as the last look left it.
        week: whole weeks since the start.
        sellers: metric -> one row a seller, over all days from the start to the end of that week: ``unit``, ``rate`` in
            [0, 1] and ``rows`` behind it, above 0. Sellers without a row are left out. DataError where it is not so.
    """
    plan = monitor.plan
    if monitor.decision is not Decision.GO_ON or week <= monitor.week:
        return monitor
    missing = [w.metric for w in plan.watched if w.metric not in sellers]
    if missing:
        raise DataError(f"The look of week {week} has no sellers for {missing[0]!r}, which the plan watches.")
    readings = tuple(_read(plan, week, w.metric, sellers[w.metric]) for w in plan.watched)
    decision, why = decide(plan, week, readings)
    made = Look(week=week, until=plan.until(week), readings=readings, decision=decision, why=why)
    return monitor.model_copy(update={"looks": (*monitor.looks, made)})


def _read(plan: CanaryPlan, week: int, metric: str, sellers: pl.DataFrame) -> Reading:
    _check(metric, week, sellers)
    ordered = with_arms(sellers, plan, "unit").sort("digest")
    rate, rows = (ordered[c].cast(pl.Float64).to_numpy() for c in ("rate", "rows"))
    return read(plan, week, metric, weigh(plan, week, (ordered["arm"] == CANARY).to_numpy(), rate, rows))


def weigh(plan: CanaryPlan, week: int, canary: Bools, rate: Floats, rows: Floats) -> Arms:
    """Return the sellers of a look, given in the order of their digests, each weighing as its rows are worth."""
    cap = plan.cap(week)
    return Arms(canary, rate, np.minimum(effective_rows(rows, plan.correlation), cap) / cap)


def read(plan: CanaryPlan, week: int, metric: str, arms: Arms) -> Reading:
    """Read one metric at one look, with the interval that holds together with those of all other looks and metrics."""
    lo, hi = difference_interval(arms, spent(week, plan.weeks, plan.level / len(plan.watched)))
    canary = int(arms.canary.sum())
    control = arms.canary.size - canary
    value = arms.mean(True) - arms.mean(False) if min(canary, control) else 0.0
    interval = Interval(lo=lo, hi=hi, level=1 - plan.level / len(plan.watched), method=METHOD)
    return Reading(
        metric=metric,
        difference=Estimate(value=value, interval=interval, n=arms.canary.size),
        canary=canary,
        control=control,
    )


def _check(metric: str, week: int, sellers: pl.DataFrame) -> None:
    for column in ("unit", "rate", "rows"):
        if column not in sellers.columns:
            raise DataError.missing_column("sellers", column, sellers.columns)
    where = f"The sellers of {metric!r} at week {week}"
    if sellers["unit"].null_count() or sellers["unit"].is_duplicated().any():
        raise DataError(f"{where} hold one twice, or one without a name; give one row a seller.")
    fair = sellers.select((pl.col("rate").is_between(0, 1) & (pl.col("rows") > 0)).fill_null(False).all()).item()
    if not fair:
        raise DataError(f"{where} hold a rate outside 0 to 1, or no rows behind one; give rates of sellers with rows.")


def decide(plan: CanaryPlan, week: int, readings: tuple[Reading, ...]) -> tuple[Decision, str]:
    """Return what the rules say, harm first, and why in one sentence.

    Harm: a guardrail is worse beyond its margin. Roll out: no guardrail can be, and the goal, where there is one, has
    gained. Futility: the goal's least gain is refuted, or the planned weeks are over. Else to go on.
    """
    seen = [(w, *_worse(w, r)) for w, r in zip(plan.watched, readings, strict=True)]
    guards = [s for s in seen if s[0].role == "guardrail"]
    goal = next((s for s in seen if s[0].role == "goal"), None)
    harmed = [w.metric for w, lo, _ in guards if lo > w.margin] + ([goal[0].metric] if goal and goal[1] > 0 else [])
    if harmed:
        return Decision.STOP_FOR_HARM, f"{_spelt(harmed[0])} is worse in the canary, beyond what is allowed."
    safe = bool(guards) and all(hi < w.margin for w, _, hi in guards)
    gained = goal is None or goal[2] < 0
    if safe and gained and not plan.blind:
        gain = "" if goal is None else f", and {_spelt(goal[0].metric)} has improved"
        return Decision.ROLL_OUT, f"Harm beyond the margin is refuted for every guardrail{gain}."
    if goal is not None and goal[1] > -goal[0].margin:
        return Decision.STOP_FOR_FUTILITY, f"The least gain worth having in {_spelt(goal[0].metric)} is refuted."
    if week >= plan.weeks:
        return Decision.STOP_FOR_FUTILITY, "The planned weeks are over, and the record cannot tell."
    return Decision.GO_ON, _open(plan, safe, gained)


def _open(plan: CanaryPlan, safe: bool, gained: bool) -> str:
    if safe and gained:
        return f"All that is watched is well, but {_spelt(plan.blind[0])} cannot be watched on this record."
    return "No guardrail is harmed, and no gain is shown yet." if safe else "Harm is neither shown nor refuted yet."


def _worse(watched: Watched, reading: Reading) -> tuple[float, float]:
    """Return the interval of how much worse the canary is than control."""
    interval = reading.difference.interval
    lo, hi = (interval.lo, interval.hi) if interval else (-1.0, 1.0)
    return (lo, hi) if watched.worse == "higher" else (-hi, -lo)


def _spelt(metric: str) -> str:
    return metric.replace("_", " ").capitalize()
