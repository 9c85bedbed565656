"""Two views of the same violations crossed: what do sellers say where reviewers say X?"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import islice

import numpy as np
import polars as pl

from gne_analytics.errors import DataError
from gne_analytics.evidence.render import number, percent
from gne_analytics.evidence.segment import Frozen
from gne_analytics.evidence.types import Estimate, Interval, Theme
from gne_analytics.metrics.discoveries import benjamini_hochberg
from gne_analytics.themes.fit import Themes
from gne_analytics.themes.keyness import LEVEL, Floats

PRIOR = 5.0
"""Votes of a lift of one that stand before the counts of every pair."""
PAIRS = 4
"""Pairs shown of one theme of the other view, so that the surest theme does not hide the others."""
SAYS = {
    "seller_text": "sellers say", "reviewer_rationale": "reviewers say", "facts": "the case is told as",
    "signals": "reports say",
}  # fmt: skip


class Pair(Frozen):
    """A theme of one view beside a theme of the other."""

    one: str
    other: str
    one_label: str
    other_label: str
    k: int
    """Votes for both: sellers with a violation of which the one and the other is said."""
    n_one: int
    n_other: int
    n: int
    expected: float
    """Votes if the two views had nothing to do with each other."""
    lift: Estimate
    """``(k + PRIOR) / (expected + PRIOR)`` with the interval of its gamma posterior."""
    q: float
    """Adjusted p over all pairs."""

    @property
    def sure(self) -> bool:
        """Whether the pair passed the false-discovery control."""
        return self.q <= LEVEL

    @property
    def share(self) -> float:
        """The one's part of what is said where the other is said."""
        return self.k / self.n_other

    @property
    def elsewhere(self) -> float:
        """The one's part of what is said where the other is not."""
        return (self.n_one - self.k) / max(self.n - self.n_other, 1)

    @property
    def by_chance(self) -> str:
        """The votes that chance would give, in words; never nought, which would read as impossible."""
        return number(round(self.expected)) if self.expected >= 1 else "less than one"


@dataclass(frozen=True)
class Side:
    """What crossing needs of a view; `Themes` has it too."""

    view: str
    themes: Sequence[Theme]
    assignments: pl.DataFrame
    """id, theme_id."""
    about: pl.DataFrame | None
    """id, violation_id, unit."""


class Crossed(Frozen):
    """All pairs of themes of two views over the same violations, those that meet more than by chance first."""

    one: str
    other: str
    pairs: tuple[Pair, ...]
    violations: int
    """Violations of which both views have a text in a theme."""
    sellers: int
    tested: int
    """So many pairs went through the false-discovery control."""

    @property
    def meeting(self) -> tuple[Pair, ...]:
        """The pairs that surely meet more often than by chance, strongest first."""
        return tuple(p for p in self.pairs if p.sure and p.lift.value > 1)

    def strongest(self, limit: int = 12) -> tuple[Pair, ...]:
        """Return the first ``PAIRS`` of ``meeting`` of each theme of the other view, the strongest theme first."""
        grouped: dict[str, list[Pair]] = {}
        for pair in self.meeting:
            grouped.setdefault(pair.other, []).append(pair)
        return tuple(islice((p for group in grouped.values() for p in group[:PAIRS]), limit))

    def only_sure(self) -> "Crossed":
        """Return the same without the pairs that did not pass the false-discovery control."""
        return self.model_copy(update={"pairs": tuple(p for p in self.pairs if p.sure)})

    def table(self) -> pl.DataFrame:
        """Return one row per pair, the strongest first."""
        rows = [
            {
                "one": p.one, "other": p.other, "one_label": p.one_label, "other_label": p.other_label, "k": p.k,
                "n_one": p.n_one, "n_other": p.n_other, "expected": p.expected, "lift": p.lift.value,
                "lo": p.lift.interval.lo if p.lift.interval else None,
                "hi": p.lift.interval.hi if p.lift.interval else None, "q": p.q, "sure": p.sure,
            }
            for p in self.pairs
        ]  # fmt: skip
        return pl.DataFrame(rows, infer_schema_length=None)

    def counts(self) -> pl.DataFrame:
        """Return the table of the two views: a row per theme of the one, a column per theme of the other, votes."""
        return self.table().pivot("other", index="one", values="k", sort_columns=True).sort("one").fill_null(0)

    def sentences(self, limit: int = 12) -> list[str]:
        """Say the pairs that surely meet more than by chance, strongest first."""
        return [self._sentence(p) for p in self.meeting[:limit]]

    def _sentence(self, pair: Pair) -> str:
        interval = f" ({pair.lift.interval.lo:.1f} to {pair.lift.interval.hi:.1f})" if pair.lift.interval else ""
        return (
            f"Where {SAYS.get(self.other, self.other)} “{pair.other_label}”, {SAYS.get(self.one, self.one)} "
            f"“{pair.one_label}” {pair.lift.value:.1f} times as often as by chance{interval}: "
            f"{number(pair.k)} of {number(pair.n_other)} votes, {percent(pair.share, pair.n_other)} "
            f"against {percent(pair.elsewhere, pair.n - pair.n_other)} elsewhere."
        )

    def summary(self) -> str:
        """What was crossed, and the surest pairs as sentences."""
        head = (
            f"{self.one} beside {self.other}: {number(self.violations)} violations of {number(self.sellers)} sellers; "
            "one seller has one vote per pair of themes."
        )
        return "\n".join([head, *(self.sentences() or ["No pair meets more often than by chance."])])

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.summary())}</pre>"


def cross(one: Themes | Side, other: Themes | Side) -> Crossed:
    """Cross the themes of two views over the violations that both speak of.

    One seller has one vote per pair of themes, however many violations or copies carry it; where no seller is known,
    each violation votes. Pairs are tested by the hypergeometric distribution given the votes of either theme, two
    sided. Both need the facts of the record (`Workspace.themes` hands them over; a `Side` holds them for a run's
    assignments).

    Raises:
        DataError: the same view twice, no record behind a view, or no violation in both.
    """
    if one.view == other.view:
        raise DataError(f"{one.view!r} is crossed with itself; name two views, e.g. appeals and rationale.")
    both = _said(one, "one").join(_said(other, "other"), on="violation_id")
    if both.is_empty():
        raise DataError(f"{one.view!r} and {other.view!r} speak of no violation in common, so nothing can be crossed.")
    voter = pl.coalesce("unit", "unit_right", pl.concat_str(pl.lit("case "), "violation_id"))
    votes = both.select("one", "other", voter=voter).unique()
    pairs = _pairs(votes, {t.id: t.shown for v in (one, other) for t in v.themes})
    return Crossed(
        one=one.view,
        other=other.view,
        pairs=tuple(sorted(pairs, key=lambda p: (not p.sure, -p.lift.value, p.one, p.other))),
        violations=both["violation_id"].n_unique(),
        sellers=votes["voter"].n_unique(),
        tested=len(pairs),
    )


def _said(themes: Themes | Side, name: str) -> pl.DataFrame:
    if themes.about is None:
        raise DataError(f"no record stands behind the themes of {themes.view!r}; take them from Workspace.themes.")
    held = themes.assignments.filter(pl.col("theme_id").is_not_null()).select("id", pl.col("theme_id").alias(name))
    known = themes.about.select("id", "violation_id", "unit").drop_nulls("violation_id")
    return held.join(known, on="id").drop("id").unique(["violation_id", name], keep="first", maintain_order=True)


def _pairs(votes: pl.DataFrame, labels: dict[str, str]) -> list[Pair]:
    from scipy.stats import hypergeom

    ones, others = (votes[c].unique().sort().to_list() for c in ("one", "other"))
    k = np.zeros((len(ones), len(others)))
    at = [votes[c].replace_strict(names, list(range(len(names))), return_dtype=pl.Int64).to_numpy()
          for c, names in (("one", ones), ("other", others))]  # fmt: skip
    np.add.at(k, (at[0], at[1]), 1.0)
    n, rows, columns = k.sum(), k.sum(axis=1, keepdims=True), k.sum(axis=0, keepdims=True)
    wide, tall = np.broadcast_to(rows, k.shape), np.broadcast_to(columns, k.shape)
    chance = hypergeom(int(n), wide.astype(int), tall.astype(int))
    p = np.minimum(1.0, 2 * np.minimum(chance.cdf(k), chance.sf(k - 1)))
    q = benjamini_hochberg(p.ravel()).reshape(k.shape)
    lift, lo, hi = _lift(k, wide * tall / n)
    return [
        Pair(
            one=a, other=b, one_label=labels[a], other_label=labels[b], k=int(k[i, j]), n_one=int(rows[i, 0]),
            n_other=int(columns[0, j]), n=int(n), expected=float(wide[i, j] * tall[i, j] / n), q=float(q[i, j]),
            lift=Estimate(
                value=float(lift[i, j]), n=int(n),
                interval=Interval(lo=float(lo[i, j]), hi=float(hi[i, j]), method="gamma posterior"),
            ),
        )
        for i, a in enumerate(ones) for j, b in enumerate(others)
    ]  # fmt: skip


def _lift(k: Floats, expected: Floats) -> tuple[Floats, Floats, Floats]:
    """Shrunk lift and its 95 % interval: a gamma prior of mean one and weight PRIOR (after DuMouchel, 1999)."""
    from scipy.special import gammaincinv

    shape, rate = k + PRIOR, expected + PRIOR
    return shape / rate, gammaincinv(shape, 0.025) / rate, gammaincinv(shape, 0.975) / rate
