"""Bad rows on demand: the faults of real extracts, to exercise sifting."""

from collections.abc import Callable, Mapping
from datetime import timedelta

import numpy as np
import polars as pl

from gne_analytics.simulate.draws import Draws

Fault = Callable[[pl.DataFrame, pl.Series], pl.DataFrame]


def spoil(tables: Mapping[str, pl.DataFrame], share: float, draws: Draws) -> dict[str, pl.DataFrame]:
    """Return the tables with about ``share`` of the rows of violations, appeals and assessments at fault.

    Repeated ids, scores of 1.4, dates years ahead, appeals without their violation, outcomes that nobody knows. The
    faults of a table take different rows, in equal parts.
    """
    spoilt = dict(tables)
    for table, faults in FAULTS.items():
        frame = tables[table]
        turn = draws.stream(f"spoil.{table}").random(frame.height)
        for number, fault in enumerate(faults):
            low, high = share * number / len(faults), share * (number + 1) / len(faults)
            frame = fault(frame, pl.Series((turn >= low) & (turn < high)))
            turn = np.concatenate([turn, np.ones(frame.height - len(turn))])
        spoilt[table] = frame
    return spoilt


def _set(column: str, value: pl.Expr) -> Fault:
    return lambda frame, bad: frame.with_columns(pl.when(bad).then(value).otherwise(pl.col(column)).alias(column))


def _repeat(frame: pl.DataFrame, bad: pl.Series) -> pl.DataFrame:
    return pl.concat([frame, frame.filter(bad)])


def _ahead(column: str) -> Fault:
    return _set(column, pl.col(column) + timedelta(days=3650))


SCORE = _set("score", pl.lit(1.4))
FAULTS: Mapping[str, tuple[Fault, ...]] = {
    "violations": (SCORE, _ahead("decided_at"), _repeat),
    "appeals": (_set("violation_id", pl.lit("V-lost")), _set("outcome", pl.lit("maybe")), _repeat),
    "assessments": (SCORE, _repeat),
}
"""Table -> its faults; the one that adds rows stands last."""
