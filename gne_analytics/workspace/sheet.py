"""A table of a run as a file for a spreadsheet, which says itself what it is."""

import csv
from collections.abc import Mapping
from io import StringIO

import polars as pl

from gne_analytics.release.spreadsheet import cell
from gne_analytics.workspace.run import Run


def sheet(run: Run, frame: pl.DataFrame, filters: Mapping[str, str]) -> str:
    """Return a frame as CSV under lines that name the run, the record's date, the version and the filters.

    No text of it can become a formula.
    """
    inputs = run.manifest["inputs"]
    version = inputs.get("version", "") if isinstance(inputs, dict) else ""
    about = {
        "run": run.path.name,
        "record up to": str(run.manifest["as_of"])[:10],
        "version": str(version),
        **filters,
        "rows": f"{frame.height}",
    }
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows((name, cell(value)) for name, value in about.items())
    writer.writerow(())
    writer.writerow([cell(name) for name in frame.columns])
    writer.writerows([cell(v) if isinstance(v, str) else v for v in row] for row in frame.iter_rows())
    return out.getvalue()
