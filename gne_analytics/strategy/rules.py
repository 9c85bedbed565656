"""A policy set in the kernel's terms: predicates to signature bits, thresholds to edges."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import narwhals as nw
import polars as pl

from gne_analytics.policy.files import PolicySet
from gne_analytics.policy.model import ALWAYS, Rule, Status
from gne_analytics.policy.predicates import compile as compile_predicate
from gne_analytics.strategy.cells import CellRule
from gne_analytics.strategy.rows import Condition


@dataclass(frozen=True)
class Compiled:
    """The live rules of one or several policy sets over one list of predicates."""

    rules: tuple[tuple[CellRule, ...], ...]
    """One tuple per policy set, in the order in which the sets were given."""
    predicates: Mapping[str, Condition]
    edges: tuple[float, ...]


def compile_rules(sets: Sequence[PolicySet], schema: Mapping[str, pl.DataType], at: date) -> Compiled:
    """Compile the live rules of policy sets, so that one pass over the cases serves them all.

    Exemptions that have expired at ``at`` are left out. Predicates are read as replay reads them: an exemption holds
    only where it surely does, a review also where it cannot be told.
    """
    book = _Book(schema)
    rules = tuple(
        tuple(book.rule(rule, at) for _, rule in policies.rules() if rule.status is Status.LIVE) for policies in sets
    )
    return Compiled(rules, book.predicates, tuple(sorted(book.edges)))


class _Book:
    """Numbers predicates as they are met and gathers the edges."""

    def __init__(self, schema: Mapping[str, pl.DataType]) -> None:
        self.schema = schema
        self.predicates: dict[str, Condition] = {}
        self.edges: set[float] = set()

    def bit(self, text: str, reading: str = "holds") -> int:
        key = f"{reading}: {text}"
        if key not in self.predicates:
            predicate = compile_predicate(text, self.schema)
            readings = {"holds": predicate.expr, "surely": predicate.certain, "perhaps": predicate.possible}
            self.predicates[key] = Condition(readings[reading](), predicate.columns)
        return list(self.predicates).index(key)

    def rule(self, rule: Rule, at: date) -> CellRule:
        when = [self.bit(text) for text in rule.when]
        if rule.detector is not None:
            when.append(self.bit(f"detector = '{rule.detector.replace(chr(39), chr(39) * 2)}'"))
        overrides = rule.threshold.overrides if rule.threshold else ()
        if rule.threshold:
            self.edges |= {rule.threshold.default, *(o.value for o in overrides)}
        return CellRule(
            name=rule.id,
            when=tuple(when),
            default=rule.threshold.default if rule.threshold else None,
            overrides=tuple((self.bit(o.match), o.value, o.priority) for o in overrides),
            exempt=tuple(self.bit(e.match, "surely") for e in rule.exemptions if e.expires is None or e.expires >= at),
            review=self._review(rule),
            scored=rule.detector is not None,
            rank=rule.action.strictness + 1,
        )

    def _review(self, rule: Rule) -> int | None:
        if rule.human_review is None:
            return None
        if rule.human_review != ALWAYS:
            return self.bit(rule.human_review, "perhaps")
        self.predicates.setdefault("always", Condition(nw.lit(True)))
        return list(self.predicates).index("always")
