"""Segments to predicates and back: the one place where the two languages meet."""

import re
from collections.abc import Collection, Mapping
from typing import Final

import narwhals as nw
import polars as pl
from sqlglot import exp

from gne_analytics.errors import PolicyError
from gne_analytics.evidence.segment import MISSING, Segment
from gne_analytics.policy._grammar import MAX_LENGTH, RESERVED, parse

PATHS: Final = frozenset({"category"})
"""The contract's path dimensions: a value stands for itself and all below it."""


def predicate_of(
    segment: Segment,
    paths: Collection[str] = PATHS,
    dtypes: Mapping[str, pl.DataType | type[pl.DataType] | nw.dtypes.DType] | None = None,
) -> str:
    """Write a segment as a predicate; ``segment_of`` reads it back to the same segment.

    ``(missing)`` becomes IS NULL and values of path dimensions UNDER. With ``dtypes``, values of number and Boolean
    columns stand without quotes. The empty segment is every case and has no predicate: PolicyError.

    Example:
        >>> predicate_of(Segment.of(market=["ID", "(missing)"], category="beauty"))
        "category UNDER 'beauty' AND (market = 'ID' OR market IS NULL)"
    """
    if not segment.depth:
        raise PolicyError("the empty segment is every case; a predicate must name at least one dimension.")
    parts = [_dimension(name, values, name in paths, _bare(name, dtypes)) for name, values in segment.items()]
    text = parts[0] if len(parts) == 1 else " AND ".join(f"({p})" if " OR " in p and _is_or(p) else p for p in parts)
    if len(text) > MAX_LENGTH:
        raise PolicyError(
            f"segment {str(segment)[:80]!r}... needs {len(text)} characters as a predicate; name fewer values."
        )
    return text


def segment_of(text: str, paths: Collection[str] | None = None) -> Segment | None:
    """Read a predicate as a segment; None when it says more than a segment can (a score, a NOT, an inequality).

    A column with UNDER is a path. Given ``paths``, a path column must stand with UNDER and no other may.

    Example:
        >>> segment_of("market = 'ID' AND seller_tier IS NULL")
        Segment(market=ID & seller_tier=(missing))
    """
    tree = _bare_tree(parse(text))
    found: dict[str, tuple[str, ...]] = {}
    for part in tree.flatten() if isinstance(tree, exp.And) else [tree]:
        read = _conditions(_bare_tree(part))
        if read is None:
            return None
        name, under, values = read
        if name in found or (paths is not None and under is not None and under != (name in paths)):
            return None
        found[name] = values
    return Segment(found)


def _dimension(name: str, values: tuple[str, ...], path: bool, bare: bool) -> str:
    column = identifier(name)
    known = [v if bare else literal(v) for v in values if v != MISSING]
    if path:
        options = [f"{column} UNDER {value}" for value in known]
    elif len(known) > 1:
        options = [f"{column} IN ({', '.join(known)})"]
    else:
        options = [f"{column} = {value}" for value in known]
    if MISSING in values:
        options.append(f"{column} IS NULL")
    if not options:
        raise PolicyError(f"segment dimension {name!r} has no value, so it holds for no case; name one.")
    return " OR ".join(options)


def _is_or(text: str) -> bool:
    return isinstance(parse(text), exp.Or)


def _bare(name: str, dtypes: Mapping[str, pl.DataType | type[pl.DataType] | nw.dtypes.DType] | None) -> bool:
    return dtypes is not None and name in dtypes and bool(re.match(r"U?Int|Float|Decimal|Boolean", str(dtypes[name])))


def identifier(name: str) -> str:
    """Quote a column's name where SQL needs it."""
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and name.upper() not in RESERVED
    return name if plain else '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Quote a text."""
    return "'" + value.replace("'", "''") + "'"


def _bare_tree(node: exp.Expr) -> exp.Expr:
    return _bare_tree(node.this) if isinstance(node, exp.Paren) else node


Reading = tuple[str, bool | None, tuple[str, ...]]
"""Column, whether it stands as a path (None: IS NULL, which does not tell), values."""


def _conditions(node: exp.Expr) -> Reading | None:
    """Read one dimension: an atom, or an OR of atoms on the same column that agree on being a path."""
    atoms = [_atom(_bare_tree(part)) for part in (node.flatten() if isinstance(node, exp.Or) else [node])]
    known = [atom for atom in atoms if atom is not None]
    if len(known) < len(atoms) or len({name for name, _, _ in known}) != 1:
        return None
    paths = {under for _, under, _ in known if under is not None}
    if len(paths) > 1:
        return None
    return known[0][0], next(iter(paths), None), tuple(v for _, _, values in known for v in values)


def _atom(node: exp.Expr) -> Reading | None:
    if not isinstance(node.this, exp.Column):
        return None
    name = node.this.name
    if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
        return name, None, (MISSING,)
    if isinstance(node, exp.EQ | exp.Glob):
        values = [_literal_text(node.expression)]
    elif isinstance(node, exp.In):
        values = [_literal_text(item) for item in node.expressions]
    else:
        return None
    texts = tuple(v for v in values if v is not None)
    return (name, isinstance(node, exp.Glob), texts) if texts and len(texts) == len(values) else None


def _literal_text(node: exp.Expr) -> str | None:
    if isinstance(node, exp.Boolean):
        return "true" if node.this else "false"
    if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal):
        return f"-{node.this.this}"
    return str(node.this) if isinstance(node, exp.Literal) else None
