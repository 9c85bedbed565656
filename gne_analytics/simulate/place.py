"""Placing incidents: where, when and with which right edit, chosen among segments that have enough volume."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from gne_analytics.policy.files import PolicySet
from gne_analytics.simulate.arrivals import Calendar
from gne_analytics.simulate.draws import Draws, Knobs
from gne_analytics.simulate.incidents import Incident, Planted


@dataclass(frozen=True)
class Placed:
    """An incident with everything that the stages need of it."""

    incident: Incident
    planted: Planted
    extra: pl.DataFrame | None = field(default=None, repr=False)
    rollouts: Mapping[str, int] = field(default_factory=dict)
    since: Mapping[str, int] = field(default_factory=dict)
    revised: Mapping[str, int] = field(default_factory=dict)
    template: tuple[str, str, int] | None = None
    campaign: str = ""

    def turn(self, cases: pl.DataFrame, knobs: Knobs, calendar: Calendar) -> None:
        """Turn the incident's knobs on the cases of its segment, from its onset on."""

    def corrupt(self, tables: dict[str, pl.DataFrame], h: object) -> dict[str, pl.DataFrame]:
        """Let a feed's fault spoil the tables; nothing for any other kind."""
        return tables


def place_all(
    incidents: Sequence[Incident],
    base: pl.DataFrame,
    sellers: pl.DataFrame,
    calendar: Calendar,
    draws: Draws,
    policies: PolicySet,
) -> tuple[list[Placed], PolicySet]:
    """Place every incident in turn; return them and the policy set that is in force at the end."""
    return [], policies


def changes_table(placed: Sequence[Placed], calendar: Calendar) -> pl.DataFrame:
    return pl.DataFrame(schema={"change_id": pl.String, "at": pl.Datetime("us", "UTC"), "kind": pl.String, "scope": pl.String, "description": pl.String})
