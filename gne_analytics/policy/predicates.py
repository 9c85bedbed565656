"""Rule predicates: restricted SQL, compiled once to a narwhals expression that is never null.

Two-valued logic: a comparison with null is false *before* NOT, so ``NOT market = 'ID'`` holds where market is null and
``market <> 'ID'`` does not. ``category UNDER 'beauty'`` is the path ``beauty`` and all below it. Division by zero is
null, and so is NaN where the column's type is given. The grammar is in ``_grammar``; the same expression runs on
Polars, DuckDB and PySpark.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import Enum
from functools import lru_cache
from typing import Final

import narwhals as nw
import polars as pl
from sqlglot import exp

from gne_analytics.errors import did_you_mean
from gne_analytics.policy._constant import constant_value
from gne_analytics.policy._grammar import parse, refusal
from gne_analytics.policy.segments import PATHS, predicate_of, segment_of

__all__ = ["PATHS", "Dtype", "Predicate", "compile", "predicate_of", "segment_of"]

Dtype = pl.DataType | type[pl.DataType] | nw.dtypes.DType
"""A column's type, Polars' or narwhals'."""
Value = str | int | float | bool | date | datetime

COMPARISONS: Final[dict[type[exp.Expr], Callable[[nw.Expr, nw.Expr], nw.Expr]]] = {
    exp.EQ: lambda left, right: left == right,
    exp.NEQ: lambda left, right: left != right,
    exp.LT: lambda left, right: left < right,
    exp.LTE: lambda left, right: left <= right,
    exp.GT: lambda left, right: left > right,
    exp.GTE: lambda left, right: left >= right,
}
ARITHMETIC: Final[dict[type[exp.Expr], Callable[[nw.Expr, nw.Expr], nw.Expr]]] = {
    exp.Add: lambda left, right: left + right,
    exp.Sub: lambda left, right: left - right,
    exp.Mul: lambda left, right: left * right,
    exp.Div: lambda left, right: left / nw.when(right != 0).then(right),
}
KINDS: Final = {"String": "text", "Categorical": "text", "Enum": "text", "Boolean": "true/false"}


@dataclass(frozen=True)
class Predicate:
    """A compiled predicate: its text, the columns it reads and its expressions."""

    text: str
    columns: tuple[str, ...]
    _holds: nw.Expr = field(repr=False, compare=False)
    _surely: nw.Expr = field(repr=False, compare=False)
    _surely_not: nw.Expr = field(repr=False, compare=False)

    def expr(self) -> nw.Expr:
        """Return the narwhals expression, true or false on every row, never null."""
        return self._holds

    def certain(self) -> nw.Expr:
        """Return where it holds whatever the unknown values are: a null in an exemption exempts nobody."""
        return self._surely

    def possible(self) -> nw.Expr:
        """Return where it holds or cannot be told: a null in ``human_review`` routes to review."""
        return ~self._surely_not

    def mask(self, frame: pl.DataFrame) -> pl.Series:
        """Return one Boolean per row of a Polars frame."""
        return nw.from_native(frame).select(_holds=self._holds).to_native()["_holds"]


def compile(text: str, columns: Mapping[str, Dtype] | Iterable[str] | None = None) -> Predicate:  # noqa: A001 - as re.compile
    """Compile a predicate, or raise PolicyError that quotes it and says what to write instead.

    Args:
        text: restricted SQL, e.g. ``market = 'ID' AND category UNDER 'beauty'``.
        columns: the columns it may read. With their types (a schema) comparisons of unlike kinds are refused, ISO dates
            compare with date columns, and numbers are cast to the column's own type, so that ``score < 0.7`` on
            Float32 is exact on every engine. None: any column, types unchecked.

    Example:
        >>> compile("NOT market = 'ID'").mask(pl.DataFrame({"market": ["ID", "TH", None]})).to_list()
        [False, True, True]
    """
    if columns is None:
        return _compile(text, None)
    if isinstance(columns, Mapping):
        return _compile(text, tuple((str(name), dtype) for name, dtype in columns.items()))
    return _compile(text, tuple((str(name), None) for name in columns))


@lru_cache(maxsize=4_096)
def _compile(text: str, columns: tuple[tuple[str, Dtype | None], ...] | None) -> Predicate:
    tree = parse(text)
    names = tuple(sorted({column.name for column in tree.find_all(exp.Column)}))
    if not names:
        raise refusal(
            text, "reads no column, so it is the same for every case; leave the key out or set status: retired"
        )
    known = None if columns is None else dict(columns)
    for name in names if known is not None else ():
        if name not in (known or {}):
            raise refusal(text, f"names the unknown column {name!r}{did_you_mean(name, known or {})}")
    compiler = _Compiler(text, {name: dtype for name, dtype in (known or {}).items() if dtype is not None})
    holds, surely, surely_not = (compiler.condition(tree, reading) for reading in Reading)
    always = constant_value(tree)
    if always is not None:
        word = "true" if always else "false"
        raise refusal(text, f"is {word} for every case; leave the key out or set status: retired")
    return Predicate(text, names, holds, surely, surely_not)


class Reading(Enum):
    """How a condition treats what is unknown: false before NOT, or as Kleene's third value."""

    HOLDS = "holds"
    SURELY = "surely"
    SURELY_NOT = "surely_not"


OPPOSITE: Final = {Reading.SURELY: Reading.SURELY_NOT, Reading.SURELY_NOT: Reading.SURELY}


@dataclass(frozen=True)
class _Compiler:
    """Reads a tree as conditions, as atoms (null where unknown) and as values."""

    text: str
    dtypes: Mapping[str, Dtype]

    def condition(self, node: exp.Expr, reading: Reading) -> nw.Expr:
        """Return a Boolean expression without nulls."""
        if isinstance(node, exp.Paren):
            return self.condition(node.this, reading)
        if isinstance(node, exp.Connector):
            parts = [self.condition(part, reading) for part in node.flatten()]
            every = isinstance(node, exp.And) != (reading is Reading.SURELY_NOT)
            return (nw.all_horizontal if every else nw.any_horizontal)(*parts, ignore_nulls=False)
        if isinstance(node, exp.Not):
            if reading in OPPOSITE:
                return self.condition(node.this, OPPOSITE[reading])
            return ~self.condition(node.this, reading)
        atom = self.atom(node)
        return (~atom if reading is Reading.SURELY_NOT else atom).fill_null(False)

    def atom(self, node: exp.Expr) -> nw.Expr:
        """Return one comparison, null where an input is."""
        if type(node) in COMPARISONS:
            return self.comparison(node)
        if isinstance(node, exp.Between):
            low, high = node.args["low"], node.args["high"]
            return self.compare(exp.GTE, node.this, low) & self.compare(exp.LTE, node.this, high)
        if isinstance(node, exp.In):
            return self.membership(node)
        if isinstance(node, exp.Is):
            return self.is_null(node)
        if isinstance(node, exp.Glob):
            return self.under(node)
        if isinstance(node, exp.Like | exp.ILike):
            return self.like(node)
        if isinstance(node, exp.Column | exp.Coalesce) and self.kind(node) in (None, "true/false"):
            return self.value(node)
        raise refusal(self.text, f"has {node.sql()!r} where a condition should stand; compare it with something")

    def comparison(self, node: exp.Expr) -> nw.Expr:
        """Compare two values, at least one of them read from the case."""
        if node.this == node.expression and node.this.find(exp.Column):
            raise refusal(self.text, f"compares {node.this.sql()!r} with itself; for 'is known' write IS NOT NULL")
        return self.compare(type(node), node.this, node.expression)

    def compare(self, operator: type[exp.Expr], left: exp.Expr, right: exp.Expr) -> nw.Expr:
        """Compare left with right; null where either is."""
        if not (left.find(exp.Column) or right.find(exp.Column)):
            raise refusal(self.text, f"compares {left.sql()} with {right.sql()}, the same for every case")
        self.agree(left, right)
        if operator not in (exp.EQ, exp.NEQ) and "true/false" in (self.kind(left), self.kind(right)):
            raise refusal(self.text, f"orders {left.sql()!r} and {right.sql()!r}, which are true or false")
        return COMPARISONS[operator](self.value(left, beside=right), self.value(right, beside=left))

    def membership(self, node: exp.In) -> nw.Expr:
        """Return whether a value is one of a list of literals."""
        items: Sequence[exp.Expr] = node.expressions
        if not items or not node.this.find(exp.Column):
            raise refusal(self.text, f"has {node.sql()!r}; write column IN ('a', 'b')")
        matches = [self.compare(exp.EQ, node.this, item) for item in items]
        return matches[0] if len(matches) == 1 else nw.any_horizontal(*matches, ignore_nulls=False)

    def is_null(self, node: exp.Is) -> nw.Expr:
        """Return whether a value is unknown."""
        if not isinstance(node.expression, exp.Null) or not node.this.find(exp.Column):
            raise refusal(self.text, f"has {node.sql()!r}; write column IS NULL or IS NOT NULL")
        return self.value(node.this).is_null()

    def like(self, node: exp.Like | exp.ILike) -> nw.Expr:
        """Match SQL's wildcards: % any run of characters, _ one."""
        pattern = self.pattern_text(node)
        flags = "(?is)" if isinstance(node, exp.ILike) else "(?s)"
        body = "".join({"%": ".*", "_": "."}.get(c, re.escape(c) if c.isascii() else c) for c in pattern)
        return self.text_value(node.this).str.contains(f"{flags}^{body}$")

    def under(self, node: exp.Glob) -> nw.Expr:
        """Match a path and everything below it."""
        path = self.pattern_text(node)
        if not path or path.startswith("/") or path.endswith("/"):
            raise refusal(
                self.text, f"has the path {path!r}; write it without a slash at its ends, e.g. 'beauty/sun-care'"
            )
        value = self.text_value(node.this)
        return (value == path) | value.str.starts_with(path + "/")

    def pattern_text(self, node: exp.Expr) -> str:
        """Return the literal on the right of LIKE or UNDER."""
        if not (isinstance(node.expression, exp.Literal) and node.expression.is_string and node.this.find(exp.Column)):
            raise refusal(
                self.text, f"has {node.sql(dialect='')!r}; a column stands on the left, a quoted text on the right"
            )
        return str(node.expression.this)

    def text_value(self, node: exp.Expr) -> nw.Expr:
        """Return a value that must be text, as text (categories are cast)."""
        if self.kind(node) not in (None, "text"):
            raise refusal(self.text, f"reads {node.sql()!r} as text, but it is a {self.kind(node)}")
        value = self.value(node)
        return value.cast(nw.String) if any(c.name in self.dtypes for c in node.find_all(exp.Column)) else value

    def value(self, node: exp.Expr, beside: exp.Expr | None = None) -> nw.Expr:
        """Return a value expression, null where an input is null; ``beside`` is what it is compared with."""
        constant = literal_value(node)
        if constant is not None:
            return self.constant(constant, beside)
        if isinstance(node, exp.Paren):
            return self.value(node.this, beside)
        if isinstance(node, exp.Column):
            floating = _name(self.dtypes.get(node.name, "")).startswith("Float")
            return nw.col(node.name).fill_nan(None) if floating else nw.col(node.name)
        if isinstance(node, exp.Lower):
            return self.text_value(node.this).str.to_lowercase()
        if isinstance(node, exp.Coalesce):
            parts = [node.this, *node.expressions]
            for part in parts[1:]:
                self.agree(parts[0], part)
            return nw.coalesce(*(self.value(part, beside=parts[0]) for part in parts))
        if isinstance(node, exp.Neg):
            return self.constant(0, None) - self.number(node.this)
        if type(node) in ARITHMETIC:
            return ARITHMETIC[type(node)](self.number(node.this), self.number(node.expression))
        if isinstance(node, exp.Null):
            raise refusal(self.text, "compares with NULL, which never holds; write IS NULL or IS NOT NULL")
        raise refusal(self.text, f"uses the condition {node.sql()!r} as a value")

    def number(self, node: exp.Expr) -> nw.Expr:
        """Return a value that must be a number."""
        if self.kind(node) not in (None, "number"):
            raise refusal(self.text, f"calculates with {node.sql()!r}, which is a {self.kind(node)}")
        return self.value(node)

    def constant(self, value: Value, beside: exp.Expr | None) -> nw.Expr:
        """Return a literal in the type of the column that it is compared with."""
        dtype = self.dtypes.get(beside.name) if isinstance(beside, exp.Column) else None
        name = _name(dtype) if dtype is not None else ""
        if name == "Float32" and isinstance(value, int | float):
            return nw.lit(float(value), nw.Float32())
        if name in ("Date", "Datetime") and isinstance(value, str):
            moment = self.moment(value)
            if name == "Date":
                return nw.lit(moment.date())
            return nw.lit(moment.replace(tzinfo=UTC) if getattr(dtype, "time_zone", None) else moment)
        return nw.lit(value)

    def moment(self, text: str) -> datetime:
        """Read an ISO date or time."""
        try:
            return datetime.fromisoformat(text).replace(tzinfo=None)
        except ValueError:
            raise refusal(self.text, f"compares a date with {text!r}; write it as '2026-10-31'") from None

    def agree(self, left: exp.Expr, right: exp.Expr) -> None:
        """Refuse to compare unlike kinds, and say how to write what was meant."""
        a, b = self.kind(left), self.kind(right)
        if a is None or b is None or a == b:
            return
        if {a, b} == {"date", "text"} and (literal_value(left) or literal_value(right)):
            return
        hint = "numbers have no quotes" if literal_value(right) is not None and b == "text" else "texts are quoted"
        raise refusal(self.text, f"compares {left.sql()} ({a}) with {right.sql()} ({b}); {hint}")

    def kind(self, node: exp.Expr) -> str | None:
        """Return number, text, true/false or date; None when the column's type is not given."""
        if isinstance(node, exp.Column):
            dtype = self.dtypes.get(node.name)
            return None if dtype is None else self.kind_of(node.name, dtype)
        if isinstance(node, exp.Paren):
            return self.kind(node.this)
        if isinstance(node, exp.Literal):
            return "text" if node.is_string else "number"
        if isinstance(node, exp.Boolean):
            return "true/false"
        if isinstance(node, exp.Lower):
            return "text"
        if isinstance(node, exp.Neg) or type(node) in ARITHMETIC:
            return "number"
        if isinstance(node, exp.Coalesce):
            return next((k for k in map(self.kind, [node.this, *node.expressions]) if k), None)
        return None

    def kind_of(self, column: str, dtype: Dtype) -> str | None:
        """Translate a column's type to the word that errors use."""
        name = _name(dtype)
        if name in KINDS:
            return KINDS[name]
        if name in ("Date", "Datetime"):
            return "date"
        if name in ("Null", "Unknown"):
            return None
        if re.match(r"U?Int|Float|Decimal", name):
            return "number"
        raise refusal(self.text, f"reads {column!r}, a column of type {name}, which no predicate can")


def literal_value(node: exp.Expr) -> Value | None:
    """Return the Python value of a literal, negative numbers included; None for anything else."""
    if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal) and not node.this.is_string:
        inner = literal_value(node.this)
        return -inner if isinstance(inner, int | float) else None
    if isinstance(node, exp.Boolean):
        return bool(node.this)
    if not isinstance(node, exp.Literal):
        return None
    if node.is_string:
        return str(node.this)
    number = float(node.this)
    return int(node.this) if re.fullmatch(r"\d{1,18}", str(node.this)) else number


def _name(dtype: Dtype | str) -> str:
    return str(dtype).split("(")[0]
