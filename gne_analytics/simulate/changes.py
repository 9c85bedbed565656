"""The table of changes: what incidents logged, every rollout, and the daily business that means nothing."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta

import polars as pl

from gne_analytics.simulate.arrivals import Calendar
from gne_analytics.simulate.catalogue import DETECTORS
from gne_analytics.simulate.draws import Draws
from gne_analytics.simulate.place import Placed

BACKGROUND: tuple[tuple[str, dict[str, list[str]], str], ...] = (
    ("campaign", {}, "double-day sale"),
    ("campaign", {"market": ["TH"]}, "pay-day sale in Thailand"),
    ("campaign", {"market": ["ID"]}, "Ramadan campaign"),
    ("process", {"queue": ["creator-manila"]}, "new shift plan in Manila"),
    ("template", {"policy_id": ["account-integrity"]}, "footer of the account notices: new help address"),
    ("marketplace", {"category": ["fashion"]}, "size charts become mandatory"),
    ("process", {}, "appeal form: pictures up to 20 MB"),
    ("marketplace", {"market": ["VN"]}, "instalment payments in Vietnam"),
)
"""Changes that touch nothing."""


def changes(placed: Sequence[Placed], rollouts: Mapping[str, int], calendar: Calendar, draws: Draws) -> pl.DataFrame:
    """Return the changes table, sorted by time; ids say nothing of what is planted."""
    rows: list[tuple[str, int, str, dict[str, list[str]], str]] = []
    for one in placed:
        if one.site.change is not None:
            kind, scope, words = one.site.change
            rows.append((one.planted.id, one.from_week, kind, {d: list(v) for d, v in scope.items()}, words))
    told = {d for p in placed for d in p.site.rollouts}
    for detector in DETECTORS:
        if detector.name not in told:
            version = detector.versions[1]
            scope_ = {"detector": [detector.name], "detector_version": [version]}
            rows.append(
                ("", rollouts[detector.name], "detector", scope_, f"{detector.name} {version} takes most traffic")
            )
    weeks = draws.stream("changes.weeks").integers(0, calendar.weeks, len(BACKGROUND))
    rows += [("", int(w), *entry) for w, entry in zip(weeks, BACKGROUND, strict=True)]
    hours = draws.stream("changes.hours").integers(0, 10, len(rows))
    frame = pl.DataFrame(
        {
            "at": [
                calendar.monday(week) + timedelta(hours=int(h)) for (_, week, *_), h in zip(rows, hours, strict=True)
            ],
            "kind": [kind for _, _, kind, _, _ in rows],
            "scope": [json.dumps(scope) for *_, scope, _ in rows],
            "description": [words for *_, words in rows],
            "planted": [name for name, *_ in rows],
        },
        schema_overrides={"at": pl.Datetime("us", "UTC")},
    ).sort("at", "kind", "description")
    number = pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(3)
    return frame.select(
        change_id=pl.lit("CH") + number,
        at="at",
        kind="kind",
        scope="scope",
        description="description",
        planted="planted",
    )
