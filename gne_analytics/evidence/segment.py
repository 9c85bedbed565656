"""A segment: a conjunction of dimension values, the unit in which causes, edits and slices are spoken."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, RootModel

MISSING = "(missing)"
"""The value that stands for null in every dimension."""


def _ordered(conditions: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {dim: tuple(sorted(set(conditions[dim]))) for dim in sorted(conditions)}


class Segment(RootModel[Annotated[dict[str, tuple[str, ...]], AfterValidator(_ordered)]]):
    """A conjunction over dimensions of sets of values; the empty segment is everything.

    In a path dimension (``category``) a value stands for itself and all below it: ``beauty`` holds ``beauty/sun-care``.
    Segments are canonical: dimensions and values are sorted, so equal segments are equal and hash alike.

    Example:
        >>> Segment.of(market="ID", category=["beauty", "toys"])
        Segment(category in {beauty, toys} & market=ID)
    """

    model_config = ConfigDict(frozen=True)

    @classmethod
    def of(cls, conditions: Mapping[str, str | Iterable[str]] | None = None, **more: str | Iterable[str]) -> "Segment":
        """Build a segment from values or lists of values."""
        merged = {**(conditions or {}), **more}
        return cls({d: (v,) if isinstance(v, str) else tuple(v) for d, v in merged.items()})

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The dimensions that the segment names, sorted."""
        return tuple(self.root)

    @property
    def depth(self) -> int:
        """How many dimensions the segment names."""
        return len(self.root)

    def values(self, dimension: str) -> tuple[str, ...]:
        """The values that the segment allows in a dimension; empty when it does not name it."""
        return self.root.get(dimension, ())

    def items(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Dimension and values, in order."""
        yield from self.root.items()

    def __hash__(self) -> int:
        return hash(tuple(self.root.items()))

    def __str__(self) -> str:
        if not self.root:
            return "all"
        told = {d: [_quoted(value) for value in values] for d, values in self.root.items()}
        parts = (f"{d}={v[0]}" if len(v) == 1 else f"{d} in {{{', '.join(v)}}}" for d, v in told.items())
        return " & ".join(parts)

    def __repr__(self) -> str:
        return f"Segment({self})"


def _quoted(value: str) -> str:
    """A value as `parse_segment` reads it back: in quotes where it holds what parts values or conditions."""
    if not any(c in value for c in ",&{}'") and '"' not in value and " AND " not in value:
        return value
    return f"'{value}'" if '"' in value else f'"{value}"'


class Frozen(BaseModel):
    """A small frozen result: immutable, unknown keys refused, JSON in and out."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
