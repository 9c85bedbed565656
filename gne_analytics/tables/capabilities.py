"""What a record can be asked, and which missing column would turn the rest on; the needs are data."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from gne_analytics.tables.contract import Grain


@dataclass(frozen=True)
class Capability:
    """Something that the columns of a record switch on or leave off."""

    name: str
    on: bool
    why_off: str = ""
    turned_on_by: tuple[str, ...] = ()
    """The tables or columns (``violations.score``) that would turn it on."""

    def __str__(self) -> str:
        return f"{self.name}: on" if self.on else f"{self.name}: off, {self.why_off}"


UNIT = "unit"
WEEKS = "weeks"
NEEDS: Mapping[str, tuple[str, ...]] = {
    "appeal and overturn rates": ("appeals",),
    "second-level appeals": ("appeals.level",),
    "time to appeal decision": ("appeals.decided_at",),
    "verification on held-out units": (UNIT,),
    "weekly series and seasonality": (WEEKS,),
    "segments by market": ("violations.market",),
    "segments by language": ("violations.language",),
    "segments by category": ("violations.category",),
    "detector analysis": ("violations.detector", "violations.detector_version"),
    "rules and clauses": ("violations.rule_id|violations.clause_id",),
    "replay of rules over enforced cases": ("violations.detector", "violations.score"),
    "backtest of lower thresholds": ("assessments.score", "assessments.detector"),
    "audit precision and identified backtests": ("audits",),
    "reversal rates": ("violations.reversed_at", "violations.reversal_source"),
    "cure rate": ("violations.corrected_at", "violations.correction_allowed"),
    "penalty ladder": ("violations.seller_id", "violations.points"),
    "repeat violations": ("violations.seller_id",),
    "account actions counted once": ("violations.parent_violation_id",),
    "effect of automation": ("violations.automated_decision",),
    "reviewer consistency": ("violations.reviewer_id|appeals.reviewer_id",),
    "routing between queues": ("violations.queue|appeals.queue",),
    "notice effectiveness": ("violations.template_id", "violations.template_version"),
    "notice lint": ("violations.notice_text",),
    "themes of appeals": ("appeals.reason_text",),
    "themes of violations": ("violations.facts|violations.content_text",),
    "evidence mismatch": ("appeals.evidence",),
    "emerging risks": ("signals.text",),
    "matching with changes": ("changes",),
    "exposure-weighted figures": ("violations.exposure",),
}
"""Capability -> what it needs, all of it: a table, ``table.column``, ``a|b`` for either, a unit, or weeks."""


_ADD: Mapping[str, str] = {UNIT: "violations.seller_id", WEEKS: "violations.decided_at by day or by week"}
"""What to add for a need that is no column."""


def capabilities(
    tables: Mapping[str, pl.DataFrame], *, unit: str | None, grain: Mapping[str, Grain]
) -> tuple[Capability, ...]:
    """Say of every capability whether the tables switch it on; a column that is all null does not."""
    present = _present(tables)
    if unit is not None:
        present.add(UNIT)
    if grain.get("violations", Grain.INSTANT).coarseness <= Grain.WEEK.coarseness:
        present.add(WEEKS)
    return tuple(_judge(name, needs, present, tables) for name, needs in NEEDS.items())


def _present(tables: Mapping[str, pl.DataFrame]) -> set[str]:
    found = {name for name, frame in tables.items() if frame.height}
    for name in list(found):
        frame = tables[name]
        found |= {f"{name}.{c}" for c in frame.columns if frame[c].null_count() < frame.height}
    return found


def _judge(name: str, needs: tuple[str, ...], present: set[str], tables: Mapping[str, pl.DataFrame]) -> Capability:
    lacking = tuple(need for need in needs if not any(option in present for option in need.split("|")))
    if not lacking:
        return Capability(name, on=True)
    reasons = dict.fromkeys(_why(need, present, tables) for need in lacking)
    columns = tuple(_ADD.get(need, need) for need in lacking)
    return Capability(name, on=False, why_off=" and ".join(reasons), turned_on_by=columns)


def _why(need: str, present: set[str], tables: Mapping[str, pl.DataFrame]) -> str:
    if need == UNIT:
        return "no unit of independence is declared and violations has no seller_id"
    if need == WEEKS:
        return "the violations' times are coarser than a week"
    if "|" in need:
        return f"neither {need.replace('|', ' nor ')} is there"
    table, _, column = need.partition(".")
    if table not in present:
        return f"there is no table {table}"
    if column in tables[table].columns:
        return f"{need} is always empty"
    return f"{table} has no column {column}"
