"""What the command line prints: tables, sentences and a progress bar with a rate and an end."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import polars as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from gne_analytics.workspace import Watcher

TURNING = (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
CONTROL = {code: None for code in (*range(32), *range(127, 160), *TURNING) if code != 10}
"""Control characters of outside text, terminal escapes and marks that turn its direction, never reach the terminal."""


PIPED_WIDTH = 120
"""Columns of a table that goes to no terminal."""


def console() -> Console:
    """Return a console on standard output; markup and emoji codes in outside text stay plain text."""
    piped = not sys.stdout.isatty()
    return Console(markup=False, emoji=False, highlight=False, soft_wrap=piped, width=PIPED_WIDTH if piped else None)


def say(text: str = "") -> None:
    """Print a line or a paragraph."""
    console().print(text.translate(CONTROL))


def say_json(value: object) -> None:
    """Print one JSON document and nothing else."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1, default=str) + "\n")


def say_rejects(rejects: pl.DataFrame, shown: int = 8) -> None:
    """Say how many rows were set aside, by table and column, with the first reason of each."""
    counted = (
        rejects.group_by("table", "column", maintain_order=True)
        .agg(n=pl.len(), reason=pl.col("reason").first())
        .sort(["n", "table", "column"], descending=[True, False, False], nulls_last=True)
    )
    for row in counted.head(shown).iter_rows(named=True):
        noun = "row" if row["n"] == 1 else "rows"
        say(f"  set aside: {row['n']:,} {noun} of {row['table']}, {row['column'] or 'whole row'}, e.g. {row['reason']}")
    if counted.height > shown:
        say(f"  and {counted.height - shown} more kinds of fault; rejects.parquet of the run holds every row")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """Print a table; columns named in ``right`` are numbers."""
    drawn = Table(title=Text(title), title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(str(cell).translate(CONTROL)) for cell in row))
    console().print(drawn)


@contextmanager
def progress() -> Iterator[Watcher]:
    """Show the stages of a run as they go; on standard error, so that standard output stays clean."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<32}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    err = Console(stderr=True, markup=False, emoji=False)
    if not err.is_terminal:

        def tell(stage: str, done: int, total: int) -> None:  # noqa: ARG001 - a log has no bar to fill
            if done == 0:
                sys.stderr.write(f"  {stage}\n")

        yield tell
        return
    with Progress(*columns, console=err) as bars:
        tasks: dict[str, object] = {}

        def watch(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)  # type: ignore[arg-type]

        yield watch
