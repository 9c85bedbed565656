"""The faults of one table's rows: which row, which column, why; and the rejects that come of them."""

from dataclasses import dataclass, field

import polars as pl

REJECTS: dict[str, pl.DataType] = {
    "table": pl.String(),
    "row": pl.Int64(),
    "key": pl.String(),
    "column": pl.String(),
    "reason": pl.String(),
    "raw": pl.String(),
}
"""The columns of the rejects."""
_SHOWN = 60


@dataclass
class Faults:
    """What was found wrong with the rows of one table."""

    table: str
    rows: pl.Series
    """Row numbers in the file, from 1."""
    keys: pl.Series | None = None
    found: list[pl.DataFrame] = field(default_factory=list)
    mask: pl.Series = field(init=False)
    """Rows that have a fault."""
    own_mask: pl.Series = field(init=False)
    """Rows that have a fault of their own, not only that the row they point at was rejected."""

    def __post_init__(self) -> None:
        self.seats = pl.int_range(0, len(self.rows), eager=True)
        self.mask = pl.repeat(False, len(self.rows), dtype=pl.Boolean, eager=True)
        self.own_mask = self.mask

    def add(
        self, mask: pl.Series, column: str, reason: str, values: pl.Series | None = None, *, cascade: bool = False
    ) -> None:
        """Mark rows: ``column [value] reason``; a cascade is a row that only points at a rejected one."""
        if not mask.any():
            return
        self.mask = self.mask | mask
        if not cascade:
            self.own_mask = self.own_mask | mask
        shown = [] if values is None else [_show(v) for v in values.filter(mask).to_list()]
        texts = [f"{column} {v} {reason}" for v in shown] or [f"{column} {reason}"] * int(mask.sum())
        self.found.append(
            pl.DataFrame({"seat": self.seats.filter(mask), "column": column, "reason": texts}).with_columns(
                kind=pl.lit(f"{column} {reason}")
            )
        )

    @property
    def own(self) -> int:
        """How many rows have a fault of their own."""
        return int(self.own_mask.sum())

    def first(self) -> str:
        """The first fault in words: ``row 7 (V7): score 1.4 lies outside [0, 1]``."""
        first = pl.concat(self.found).sort("seat", maintain_order=True).row(0, named=True)
        key = None if self.keys is None else self.keys[first["seat"]]
        return f"row {self.rows[first['seat']]}{f' ({key})' if key else ''}: {first['reason']}"

    def commonest(self) -> str:
        """The most common fault in words, with its count and an example row."""
        every = pl.concat(self.found)
        top = every.group_by("kind").agg(pl.len(), pl.col("seat").min()).sort(["len", "seat"], descending=[True, False])
        kind, count, seat = top.row(0)
        example = every.filter((pl.col("kind") == kind) & (pl.col("seat") == seat))["reason"][0]
        return f"{example} (row {self.rows[seat]}; {count} like it)"

    def rejects(self, raw: pl.DataFrame) -> pl.DataFrame:
        """One row per rejected row, all its reasons joined, with the row as it stood as JSON."""
        if not self.found:
            return pl.DataFrame(schema=REJECTS)
        rows = (
            pl.concat(self.found)
            .group_by("seat", maintain_order=True)
            .agg(pl.col("column").first(), pl.col("reason").str.join("; "))
            .sort("seat")
        )
        seats = rows["seat"]
        keys = None if self.keys is None else self.keys.gather(seats)
        return rows.select(
            pl.lit(self.table).alias("table"),
            self.rows.gather(seats).alias("row"),
            (pl.lit(None, dtype=pl.String) if keys is None else pl.lit(keys)).alias("key"),
            "column",
            "reason",
            _as_json(raw[seats]).alias("raw"),
        ).cast({"row": pl.Int64, "key": pl.String})


def _show(value: object) -> str:
    text = f"{value:%Y-%m-%d %H:%M}" if hasattr(value, "strftime") else str(value)
    return repr(text[:_SHOWN] + "..." if len(text) > _SHOWN else text) if isinstance(value, str) else text


def _as_json(rows: pl.DataFrame) -> pl.Series:
    import json

    return pl.Series(
        [json.dumps(row, default=str, ensure_ascii=False) for row in rows.iter_rows(named=True)], dtype=pl.String
    )
