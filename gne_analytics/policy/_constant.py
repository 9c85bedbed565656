"""Is a predicate the same for every case? Decided on a small world of representative values."""

import re
from itertools import pairwise, product
from typing import Final

from sqlglot import exp

MAX_CASES: Final = 4_096
Value = str | float | bool | None


def constant_value(tree: exp.Expr) -> bool | None:
    """Return the value that a predicate has for every case, or None when it differs between cases or cannot be told.

    Conditions that compare a column with literals cannot tell apart two values that lie between the same literals, so
    one value of each kind, and null, decides them all. Anything richer (LIKE, arithmetic, two columns) is taken as an
    atom that may be true or false, which finds ``p OR NOT p`` and no false alarm that SQL could disprove.
    """
    worlds = _worlds(tree)
    if worlds is None:
        return None
    names = sorted(worlds)
    seen: set[bool] = set()
    for combination in product(*(worlds[name] for name in names)):
        seen.add(_holds(tree, dict(zip(names, combination, strict=True))))
        if len(seen) == 2:
            return None
    return seen.pop() if seen else None


def _worlds(tree: exp.Expr) -> dict[str, list[Value]] | None:
    """Return representatives for every column and every opaque atom; None when there are too many to try."""
    literals: dict[str, set[Value]] = {}
    opaque: set[str] = set()
    for atom in _atoms(tree):
        column = _column_of(atom)
        if column is None:
            opaque.add(_key(atom))
        else:
            literals.setdefault(column, set()).update(_literals(atom))
    worlds: dict[str, list[Value]] = {key: [False, True] for key in opaque}
    total = 2 ** len(opaque)
    for name, values in literals.items():
        kinds = {type(v) is str for v in values if not isinstance(v, bool)}
        if len(kinds) > 1 or (kinds and any(isinstance(v, bool) for v in values)):
            return None
        worlds[name] = _representatives(values)
        total *= len(worlds[name])
        if total > MAX_CASES:
            return None
    return worlds if total <= MAX_CASES else None


def _representatives(values: set[Value]) -> list[Value]:
    texts = sorted(v for v in values if isinstance(v, str))
    numbers = sorted(float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool))
    if texts:  # "" is below all, value + NUL right above it, value + "/x" below it as a path
        return [None, *{"", *texts, *(t + "\0" for t in texts), *(t + "/x" for t in texts)}]
    if numbers:
        between = [(a + b) / 2 for a, b in pairwise(numbers)]
        return [None, float("-inf"), *numbers, *between, float("inf")]
    return [None, False, True]


def _atoms(node: exp.Expr) -> list[exp.Expr]:
    if isinstance(node, exp.Paren | exp.Not):
        return _atoms(node.this)
    if isinstance(node, exp.Connector):
        return [atom for part in node.flatten() for atom in _atoms(part)]
    return [node]


def _column_of(atom: exp.Expr) -> str | None:
    """Return the column of an atom that compares one column with literals only."""
    if isinstance(atom, exp.Column):
        return str(atom.name)
    simple = isinstance(
        atom, exp.EQ | exp.NEQ | exp.LT | exp.LTE | exp.GT | exp.GTE | exp.In | exp.Between | exp.Is | exp.Glob
    )
    sides = [child for child in atom.iter_expressions() if not isinstance(child, exp.Null)]
    columns = [side for side in sides if isinstance(side, exp.Column)]
    others = [side for side in sides if not isinstance(side, exp.Column)]
    return str(columns[0].name) if simple and len(columns) == 1 and all(map(_is_literal, others)) else None


def _is_literal(node: exp.Expr) -> bool:
    inner = node.this if isinstance(node, exp.Neg) else node
    return isinstance(inner, exp.Literal | exp.Boolean)


def _literals(atom: exp.Expr) -> list[Value]:
    return [_value(child) for child in atom.iter_expressions() if _is_literal(child)]


def _value(node: exp.Expr) -> Value:
    if isinstance(node, exp.Neg):
        return -float(node.this.this)
    if isinstance(node, exp.Boolean):
        return bool(node.this)
    return str(node.this) if node.is_string else float(node.this)


def _key(atom: exp.Expr) -> str:
    """Name an opaque atom, the same for the same text."""
    return "atom:" + re.sub(r"\s+", " ", atom.sql())


def _holds(node: exp.Expr, case: dict[str, Value]) -> bool:
    """Evaluate a predicate on one case of the small world."""
    if isinstance(node, exp.Paren):
        return _holds(node.this, case)
    if isinstance(node, exp.Not):
        return not _holds(node.this, case)
    if isinstance(node, exp.And):
        return all(_holds(part, case) for part in node.flatten())
    if isinstance(node, exp.Or):
        return any(_holds(part, case) for part in node.flatten())
    column = _column_of(node)
    if column is None:
        return bool(case[_key(node)])
    found = case[column]
    if isinstance(node, exp.Is):
        return found is None
    if found is None:
        return False
    if isinstance(node, exp.Column):
        return bool(found)
    return _compares(node, found)


def _compares(node: exp.Expr, found: str | float | bool) -> bool:
    mirrored = isinstance(getattr(node, "expression", None), exp.Column)
    limits = [v for v in _literals(node) if v is not None]
    if isinstance(node, exp.In):
        return found in limits
    if isinstance(node, exp.Between):
        low, high = limits
        return bool(low <= found <= high)  # type: ignore[operator]
    limit = limits[0]
    if isinstance(node, exp.Glob):
        return found == limit or str(found).startswith(f"{limit}/")
    if isinstance(node, exp.EQ | exp.NEQ):
        return (found == limit) == isinstance(node, exp.EQ)
    left, right = (limit, found) if mirrored else (found, limit)
    if isinstance(node, exp.LT | exp.LTE):
        return bool(left < right or (isinstance(node, exp.LTE) and left == right))  # type: ignore[operator]
    return bool(left > right or (isinstance(node, exp.GTE) and left == right))  # type: ignore[operator]
