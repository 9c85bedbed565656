"""Tables for spreadsheets: text from outside must not become a formula."""

from pathlib import Path

import polars as pl

from gne_analytics.atomic import write_whole

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What makes a spreadsheet take a text for a formula, full-width forms included."""


def cell(text: str) -> str:
    """Return a text that every spreadsheet shows as it is: one that looks like a formula gets an apostrophe.

    Example:
        >>> cell('=HYPERLINK("http://evil.example")'), cell("plain")
        ('\\'=HYPERLINK("http://evil.example")', 'plain')
    """
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_STARTS) else text


def write_csv(path: Path, frame: pl.DataFrame) -> None:
    """Write a frame as CSV, its texts made safe; numbers and dates stay as they are."""
    texts = [name for name, dtype in frame.schema.items() if dtype in (pl.String, pl.Categorical)]
    safe = frame.with_columns(pl.col(name).cast(pl.String).map_elements(cell, pl.String) for name in texts)
    write_whole(path, safe.write_csv())
