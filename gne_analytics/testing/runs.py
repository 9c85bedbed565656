"""A finished run of made-up results, as a folder: for dashboards and readers of runs, without walking the loop."""

import json
from pathlib import Path

import polars as pl
from pydantic import TypeAdapter

from gne_analytics.release.contents import ReportInput
from gne_analytics.release.report import write_report
from gne_analytics.testing.results import a_report, a_tree, some_spots
from gne_analytics.themes.cards import ThemeCard


def write_a_run(folder: Path, *, source: Path | None = None, policies: Path | None = None) -> ReportInput:
    """Write the made-up results of `a_report` as a run; ``source`` and ``policies`` are named in its manifest."""
    told = a_report()
    folder.mkdir(parents=True)
    write_report(folder / "report.html", told)
    tests = [part.backtest for part in told.proposals]
    results = {
        "shifts": [part.shift for part in told.shifts],
        "causes": [cause for part in told.shifts for cause in part.causes],
        "decompositions": {part.shift.id: part.decomposition for part in told.shifts},
        "themes": told.themes,
        "theme_trees": [a_tree()],
        "theme_cards": [ThemeCard(theme=t) for t in told.themes],
        "theme_crossed": [told.crossed] if told.crossed else [],
        "proposals": [part.proposal for part in told.proposals],
        "backtests": tests,
        "findings": told.findings,
        "evidence": told.store.items(),
    }
    for name, result in results.items():
        (folder / f"{name}.json").write_bytes(TypeAdapter(object).dump_json(result))
    series = [p.series.with_columns(shift_id=pl.lit(p.shift.id)) for p in told.shifts if p.series is not None]
    (folder / "tables").mkdir()
    pl.concat(series).write_parquet(folder / "tables" / "series.parquet")
    if told.weeks is not None:
        told.weeks.weeks.write_parquet(folder / "tables" / "weeks_seller_text.parquet")
    some_spots().write_parquet(folder / "tables" / "map_seller_text.parquet")
    placed = {"id": ["A1"], "theme_id": ["T1"], "similarity": [0.5], "leaf": [0]}
    empty = pl.lit(None, pl.String)
    for view in ("seller_text", "reviewer_rationale"):
        pl.DataFrame(placed).with_columns(folded_into=empty, campaign=empty).write_parquet(
            folder / "tables" / f"themes_{view}.parquet"
        )
    manifest = {
        "name": told.source,
        "inputs": {"version": told.version, "seed": told.seed},
        "source_path": str(source) if source else None,
        "policies_path": str(policies) if policies else None,
        "as_of": told.as_of.isoformat(),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return told
