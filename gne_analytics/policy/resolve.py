"""What one rule says about each case: its threshold, is it exempt, does a reviewer decide, does it fire.

This is the decision semantics, in one place: replay, the policy's own tests and backtests all read it from here.
"""

from datetime import date
from itertools import groupby, pairwise
from typing import Final

import narwhals as nw
import polars as pl
import polars.selectors as cs

from gne_analytics.errors import DataError, PolicyError
from gne_analytics.policy.model import ALWAYS, Override, Rule
from gne_analytics.policy.predicates import compile as compile_predicate

RESOLVED: Final = {
    "applies": pl.Boolean,
    "threshold": pl.Float64,
    "override_id": pl.String,
    "exemption_id": pl.String,
    "exempt": pl.Boolean,
    "human_review": pl.Boolean,
    "fires": pl.Boolean,
}
"""The columns that ``resolve`` returns, with their types."""


def resolve(rule: Rule, cases: pl.DataFrame, at: date | None = None) -> pl.DataFrame:
    """Return one row per case, in the same order: what the rule says about it.

    ``applies`` (its detector scored the case and every ``when`` holds), ``threshold`` and ``override_id`` (null: the
    default), ``exempt`` and ``exemption_id``, ``human_review`` (also where that cannot be told), ``fires`` (applies,
    not exempt, score >= threshold in the score's own type). A score that is null or not a number is no score.

    Args:
        rule: the rule, of any status.
        cases: needs ``detector`` and ``score`` where the rule names a detector, and the columns of its predicates.
        at: the day on which exemptions must not have expired; None: each case's own ``event_date``.

    Raises:
        PolicyError: an unknown column in a predicate, or overrides of the highest priority that differ in value on a
            case that the rule reads and does not exempt, scored or not.
    """
    frame = cases.with_columns(cs.float().fill_nan(None))
    reads = _reads(rule, frame)
    exemption_id = _exemption(rule, frame, at)
    threshold, override_id = _threshold(rule, frame, reads & exemption_id.is_null())
    applies = reads if rule.detector is None else reads & _column(frame, "score").is_not_null()
    return pl.DataFrame(
        {
            "applies": applies,
            "threshold": threshold,
            "override_id": override_id,
            "exemption_id": exemption_id,
            "exempt": exemption_id.is_not_null(),
            "human_review": _human_review(rule, frame),
            "fires": applies & exemption_id.is_null() & _reaches(rule, frame, threshold),
        },
        schema=RESOLVED,
    )


def _reads(rule: Rule, frame: pl.DataFrame) -> pl.Series:
    """Say of which cases the rule is: those of its detector for which every ``when`` holds."""
    reads = _constant(frame, True, pl.Boolean)
    if rule.detector is not None:
        reads = (_column(frame, "detector").cast(pl.String) == rule.detector).fill_null(False)
    for text in rule.when:
        reads &= compile_predicate(text, frame.schema).mask(frame)
    return reads


def _reaches(rule: Rule, frame: pl.DataFrame, threshold: pl.Series) -> pl.Series:
    if rule.threshold is None:
        return _constant(frame, True, pl.Boolean)
    score = _column(frame, "score")
    edge = threshold.cast(score.dtype) if score.dtype.is_float() else threshold
    return (score >= edge).fill_null(False)


def _threshold(rule: Rule, frame: pl.DataFrame, counts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Let the highest priority win; return thresholds and the ids of the overrides behind them."""
    default = None if rule.threshold is None else rule.threshold.default
    overrides = () if rule.threshold is None else rule.threshold.overrides
    if not overrides:
        return _constant(frame, default, pl.Float64), _constant(frame, None, pl.String)
    masks = pl.DataFrame({o.id: compile_predicate(o.match, frame.schema).mask(frame) for o in overrides})
    value, winner = pl.lit(default, dtype=pl.Float64), pl.lit(None, dtype=pl.String)
    for priority, level in groupby(sorted(overrides, key=lambda o: o.priority), key=lambda o: o.priority):
        peers = sorted(level, key=lambda o: o.value)
        overruled = pl.any_horizontal(pl.lit(False), *[pl.col(o.id) for o in overrides if o.priority > priority])
        _refuse_ties(rule, peers, masks.filter(counts).filter(~overruled))
        for override in reversed(peers):
            value = pl.when(pl.col(override.id)).then(override.value).otherwise(value)
            winner = pl.when(pl.col(override.id)).then(pl.lit(override.id)).otherwise(winner)
    found = masks.select(threshold=value, override_id=winner)
    return found["threshold"], found["override_id"]


def _refuse_ties(rule: Rule, peers: list[Override], masks: pl.DataFrame) -> None:
    """Raise where two overrides of one priority and different values hold for a case; ``peers`` are sorted by value."""
    if len({o.value for o in peers}) < 2:
        return
    hits = pl.sum_horizontal(pl.col(o.id) for o in peers)
    tied = masks.filter(hits > 1).select(o.id for o in peers).unique()
    for row in tied.iter_rows(named=True):
        for first, second in pairwise(o for o in peers if row[o.id]):
            if first.value != second.value:
                raise PolicyError(
                    f"rule {rule.id!r}: overrides {first.id!r} ({first.value:g}) and {second.id!r} ({second.value:g}) "
                    f"have priority {first.priority} and hold for the same case; give one of them a higher priority."
                )


def _exemption(rule: Rule, frame: pl.DataFrame, at: date | None) -> pl.Series:
    """Return the id of the first exemption that surely holds, null where none does."""
    first = pl.lit(None, dtype=pl.String)
    masks: dict[str, pl.Series] = {}
    for item in reversed(rule.exemptions):
        holds = _evaluate(frame, compile_predicate(item.match, frame.schema).certain())
        if item.expires is not None:
            day = _column(frame, "event_date") if at is None else _constant(frame, at, pl.Date)
            holds &= (day <= item.expires).fill_null(False)
        masks[item.id] = holds
        first = pl.when(pl.col(item.id)).then(pl.lit(item.id)).otherwise(first)
    return pl.DataFrame(masks).select(first).to_series() if masks else _constant(frame, None, pl.String)


def _human_review(rule: Rule, frame: pl.DataFrame) -> pl.Series:
    if rule.human_review is None or rule.human_review == ALWAYS:
        return _constant(frame, rule.human_review == ALWAYS, pl.Boolean)
    return _evaluate(frame, compile_predicate(rule.human_review, frame.schema).possible())


def _evaluate(frame: pl.DataFrame, expression: nw.Expr) -> pl.Series:
    return nw.from_native(frame).select(_value=expression).to_native()["_value"]


def _column(frame: pl.DataFrame, name: str) -> pl.Series:
    if name not in frame.columns:
        raise DataError.missing_column("cases", name, frame.columns)
    return frame[name]


def _constant(
    frame: pl.DataFrame, value: bool | float | date | None, dtype: pl.DataType | type[pl.DataType]
) -> pl.Series:
    return pl.repeat(value, frame.height, dtype=dtype, eager=True)
