"""Text to a checked syntax tree: sqlglot parses, a whitelist of nodes and arguments decides what is ours.

Whatever sqlglot learns to parse tomorrow stays refused until it is named in ``ALLOWED``: sqlglot keeps meaning in
arguments too (``NOT LIKE`` is a ``Like`` with ``negate``), so arguments are listed beside their nodes.
"""

from typing import Final

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType
from sqlglot.tokens import Tokenizer as SqlTokenizer

from gne_analytics.errors import PolicyError

MAX_LENGTH: Final = 4_000
"""Characters that a predicate may have."""
MAX_DEPTH: Final = 32
"""Levels of nesting that a predicate may have; a chain of ANDs is one level."""

BINARY: Final = frozenset({"this", "expression"})
ALLOWED: Final[dict[type[exp.Expr], frozenset[str]]] = {
    exp.And: BINARY,
    exp.Or: BINARY,
    exp.Not: frozenset({"this"}),
    exp.Paren: frozenset({"this"}),
    exp.EQ: BINARY,
    exp.NEQ: BINARY,
    exp.LT: BINARY,
    exp.LTE: BINARY,
    exp.GT: BINARY,
    exp.GTE: BINARY,
    exp.In: frozenset({"this", "expressions"}),
    exp.Between: frozenset({"this", "low", "high"}),
    exp.Is: BINARY,
    exp.Like: BINARY | {"negate"},
    exp.ILike: BINARY | {"negate"},
    exp.Glob: BINARY | {"negate"},  # our UNDER, see Rules
    exp.Lower: frozenset({"this"}),
    exp.Coalesce: frozenset({"this", "expressions"}),
    exp.Add: BINARY,
    exp.Sub: BINARY,
    exp.Mul: BINARY,
    exp.Div: BINARY | {"typed", "safe"},  # sqlglot notes the dialect's own division there; ours is true division
    exp.Neg: frozenset({"this"}),
    exp.Column: frozenset({"this"}),
    exp.Identifier: frozenset({"this", "quoted"}),
    exp.Literal: frozenset({"this", "is_string"}),
    exp.Boolean: frozenset({"this"}),
    exp.Null: frozenset(),
}
GRAMMAR: Final = (
    "AND, OR, NOT, comparisons, IN, BETWEEN, IS NULL, LIKE, ILIKE, UNDER, lower, coalesce, + - * /, columns, literals"
)


class Rules(Dialect):
    """SQL's tokens, with UNDER in the place of GLOB: a binary operator that takes NOT in front, as LIKE does."""

    class Tokenizer(SqlTokenizer):
        """The default tokenizer with one keyword exchanged."""

        KEYWORDS = {  # noqa: RUF012 - sqlglot reads the class attribute
            **{word: token for word, token in SqlTokenizer.KEYWORDS.items() if token != TokenType.GLOB},
            "UNDER": TokenType.GLOB,
        }


RESERVED: Final = frozenset(Rules.Tokenizer.KEYWORDS)


def parse(text: str) -> exp.Expr:
    """Return the syntax tree of a predicate, every node of it known to us, or raise PolicyError.

    ``x NOT LIKE y`` comes back as ``NOT (x LIKE y)``, so that negation has one form.
    """
    if len(text) > MAX_LENGTH:
        raise refusal(text, f"has {len(text)} characters; {MAX_LENGTH} is the limit")
    if not text.strip():
        raise refusal(text, "is empty; leave the key out instead")
    try:
        trees = Rules().parse(text)
        if len(trees) != 1 or trees[0] is None:
            raise refusal(text, "must be one condition; ';' is not part of the language")
        check(trees[0], text)
    except SqlglotError as error:
        raise refusal(text, f"cannot be read: {first_line(error)}") from None
    except RecursionError:
        raise refusal(text, f"is nested too deep; {MAX_DEPTH} levels is the limit") from None
    return trees[0].transform(_negation_outside)


def _negation_outside(node: exp.Expr) -> exp.Expr:
    if not node.args.get("negate"):
        return node
    plain = node.copy()
    plain.set("negate", None)
    return exp.Not(this=plain)


def check(tree: exp.Expr, text: str) -> None:
    """Refuse unknown nodes, unknown arguments, comments and deep nesting."""
    stack = [(tree, 1)]
    while stack:
        node, depth = stack.pop()
        allowed = ALLOWED.get(type(node))
        if allowed is None or any(value for key, value in node.args.items() if key not in allowed):
            raise refusal(text, f"uses {node.sql()!r}, which is not in the language; it has {GRAMMAR}")
        if node.comments:
            raise refusal(text, "holds a comment; write it in the YAML, beside the key")
        if depth > MAX_DEPTH:
            raise refusal(text, f"is nested too deep; {MAX_DEPTH} levels is the limit")
        chained = isinstance(node, exp.Connector)
        stack += [
            (child, depth if chained and type(child) is type(node) else depth + 1) for child in node.iter_expressions()
        ]


def refusal(text: str, problem: str) -> PolicyError:
    """Quote the predicate, cut to a line, and say what is wrong with it."""
    shown = text if len(text) <= 120 else text[:117] + "..."
    return PolicyError(f"predicate {shown!r} {problem}.")


def first_line(error: SqlglotError) -> str:
    """Return sqlglot's message without its position lines and terminal colours."""
    message = str(error).splitlines()[0] if str(error) else "syntax error"
    if message.startswith("Required keyword"):
        return "a value is missing beside an operator"
    return message.split(". Line")[0].rstrip(".")
