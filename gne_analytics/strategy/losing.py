"""On whom a change falls: the sellers who lose the most by it, with rows."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from gne_analytics.evidence.proposals import Proposal
from gne_analytics.evidence.types import Edit
from gne_analytics.policy.files import PolicySet
from gne_analytics.strategy.backtest import On, replay_change
from gne_analytics.strategy.identify import Label
from gne_analytics.strategy.study import Study, open_study
from gne_analytics.tables.record import Record

EXAMPLE_ROWS: Final = 5
"""Cases shown of each seller, the highest scores first."""


def losing_sellers(
    change: Proposal | Sequence[Edit],
    record: Record,
    policies: PolicySet,
    *,
    label: Label = "final_decision",
    on: On = "all",
    limit: int = 10,
    study: Study | None = None,
) -> pl.DataFrame:
    """Return the sellers with the most cases newly enforced (or sent to a person instead of passed), with rows.

    Columns: unit, cases (all of theirs), worse (newly enforced, or sent to a person instead of passed), new, rerouted
    and released (by flow), known_legitimate (of the worse, by appeal or audit), rows (ids of at most ``EXAMPLE_ROWS``
    of the worse). Most of the worse first, then by name.

    Example:
        >>> losing_sellers([edit], record, policies, limit=3)["rows"]  # doctest: +SKIP
    """
    study = study or open_study(record, policies)
    edits, since = (change.edits, change.since) if isinstance(change, Proposal) else (change, None)
    flows = replay_change(edits, study, label=label, on=on, since=since).flows.drop_nulls("unit")
    worse = (pl.col("alpha") + pl.col("beta") > 0) & pl.col("affected")
    settled = pl.col("decided_violating") if label == "final_decision" else pl.lit(None, pl.Float64)
    legitimate = pl.coalesce(settled, "audit_violating") == 0
    is_flow = {name: pl.col("flow") == name for name in ("new", "rerouted", "released")}
    ranked = flows.sort("score", "case_id", descending=[True, False], nulls_last=True)
    table = ranked.group_by("unit").agg(
        pl.len().alias("cases"),
        worse.sum().alias("worse"),
        *[found.sum().alias(name) for name, found in is_flow.items()],
        (worse & legitimate).sum().alias("known_legitimate"),
        pl.col("case_id").filter(worse).head(EXAMPLE_ROWS).alias("rows"),
    )
    losing = table.filter(pl.col("worse") > 0).sort("worse", "unit", descending=[True, False])
    return losing.head(limit)
