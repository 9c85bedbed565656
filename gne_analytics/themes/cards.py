"""A card for each theme: who says it, where it is said more than elsewhere, whether it grows, how it ends."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from html import escape
from types import MappingProxyType

import numpy as np
import polars as pl
from pydantic import Field

from gne_analytics.evidence.render import number, percent, points
from gne_analytics.evidence.segment import Frozen
from gne_analytics.evidence.types import Counts, Estimate, Theme
from gne_analytics.metrics.discoveries import benjamini_hochberg
from gne_analytics.metrics.intervals import rate, rate_difference, t_two_sided
from gne_analytics.themes.keyness import LEVEL, Floats
from gne_analytics.themes.segments import ThemeSegment, segments_of
from gne_analytics.themes.texts import said_by, unit_codes, voter
from gne_analytics.themes.views import FACTS

RECENT_WEEKS = 4
EARLIER_WEEKS = 12
LEAST_TEXTS = 10
"""Texts of the view that either span needs."""
SHOWN = 8
STEADY, LOOSE = 0.75, 0.5
"""Hennig's reading of a mean Jaccard: a stable theme; under the second it dissolves."""


class ThemeCard(Frozen):
    """All that is known of one theme, for a reader."""

    theme: Theme
    segments: tuple[ThemeSegment, ...] = ()
    """What passed the false-discovery control, over-represented first, strongest first."""
    markets: Mapping[str, int] = Field(default_factory=dict)
    """Market -> texts, largest first."""
    effective_sellers: float | None = None
    """``1 / sum p^2`` over sellers' shares of the texts (Hill's number of order two): 1 where one seller writes all."""
    largest_seller: float | None = None
    """The largest seller's share of the texts."""
    campaigns: int = 0
    """Near-identical texts that several sellers paste, each counted once."""
    pasted: int = 0
    """Texts that are such a paste."""
    recent: Counts | None = None
    """Texts of the theme among those of the view in the last RECENT_WEEKS weeks."""
    earlier: Counts | None = None
    """The same in the EARLIER_WEEKS before."""
    growth: Estimate | None = None
    """Recent less earlier share, its interval clustered by seller."""
    growth_q: float | None = None
    """Adjusted p of the growth over all themes of the view (Benjamini and Hochberg)."""
    appeal: Estimate | None = None
    """Share appealed, of violations whose time to appeal is over."""
    stability: float | None = None
    """Mean best Jaccard with a theme of the neighbouring cuts (Hennig, 2007); None where there is no rival cut."""
    share: float = 0.0
    """Of the view's texts, after folding."""

    @property
    def more(self) -> tuple[ThemeSegment, ...]:
        """Where the theme stands out, strongest first; of values with the same votes (a clause and its rule), one."""
        first: dict[tuple[int, int, int, int], ThemeSegment] = {}
        for found in self.segments:
            if found.odds.value > 1:
                first.setdefault((found.k, found.n, found.k_rest, found.n_rest), found)
        return tuple(first.values())

    def lines(self) -> tuple[tuple[str, str], ...]:
        """What the card says, question by question, in plain text."""
        told = (
            ("How large", self._size()),
            ("Copies", self._copies()),
            ("Who says it", self._who()),
            ("Where", _listed(self.markets, self.theme.size)),
            ("Languages", _listed(self.theme.languages, self.theme.size)),
            ("More than elsewhere", "; ".join(str(s) for s in self.more[:SHOWN])),
            ("Growth", self._growth()),
            ("Appealed", _rate(self.appeal, "violations")),
            ("Overturned", _rate(self.theme.overturn, "decided")),
            ("Steadiness", self._steady()),
        )
        return tuple((question, answer) for question, answer in told if answer)

    def summary(self) -> str:
        """The card as text."""
        head = f"{self.theme.id}  {self.theme.shown}"
        return "\n".join([head, f"  terms: {', '.join(self.theme.terms)}", *(f"  {q}: {a}" for q, a in self.lines())])

    def _size(self) -> str:
        return f"{said_by(self.theme.folded, self.theme.units)}, {percent(self.share)} of all"

    def _copies(self) -> str:
        away = self.theme.size - self.theme.folded
        folded = f"{number(away)} near-identical texts of the same seller are folded and count once"
        pasted = f"{number(self.pasted)} texts are copies of {number(self.campaigns)} that several sellers paste"
        return "; ".join((folded if away else "no seller repeats a text", pasted if self.pasted else "no campaign"))

    def _who(self) -> str:
        if self.effective_sellers is None or self.largest_seller is None:
            return ""
        return (
            f"as spread as {number(round(self.effective_sellers))} sellers who write equally much; the largest one "
            f"wrote {percent(self.largest_seller)}"
        )

    @property
    def grew(self) -> bool | None:
        """Whether it surely grew (true) or shrank (false) among all themes of its view; None where neither is sure."""
        sure = self.growth is not None and self.growth_q is not None and self.growth_q <= LEVEL
        return self.growth.value > 0 if sure and self.growth is not None else None

    def _growth(self) -> str:
        if self.growth is None or self.growth.interval is None or self.recent is None or self.earlier is None:
            return ""
        lo, hi = self.growth.interval.lo, self.growth.interval.hi
        alone = "no change beyond what chance gives so many themes" if lo > 0 or hi < 0 else "no change beyond chance"
        how = alone if self.grew is None else "grew" if self.grew else "shrank"
        return (
            f"{how}: {percent(self.recent.rate, self.recent.n)} of the texts of the last {RECENT_WEEKS} weeks, "
            f"{percent(self.earlier.rate, self.earlier.n)} of the {EARLIER_WEEKS} before "
            f"(difference {points(lo)} to {points(hi)})"
        )

    def _steady(self) -> str:
        if self.stability is None:
            return ""
        kind = "steady" if self.stability >= STEADY else "loose" if self.stability >= LOOSE else "dissolves"
        return f"{kind}: neighbouring cuts hold {percent(self.stability)} of it together"

    def _repr_html_(self) -> str:
        rows = "".join(f"<dt>{escape(q)}</dt><dd><bdi>{escape(a)}</bdi></dd>" for q, a in self.lines())
        quoted = "".join(f"<li><bdi>{escape(text)}</bdi></li>" for text in self.theme.exemplars)
        terms = ", ".join(f"<bdi>{escape(term)}</bdi>" for term in self.theme.terms)
        return (
            f'<article class="gne-card"><h3><bdi>{escape(self.theme.shown)}</bdi> <small>{escape(self.theme.id)}'
            f"</small></h3><p>{terms}</p><dl>{rows}</dl><h4>Typical texts, redacted, of different sellers</h4>"
            f"<ul>{quoted}</ul></article>"
        )


def theme_cards(
    themes: Sequence[Theme],
    assignments: pl.DataFrame,
    about: pl.DataFrame,
    stability: Mapping[str, float] = MappingProxyType({}),
) -> tuple[ThemeCard, ...]:
    """Return a card for each theme, in the order given.

    ``assignments`` are those of the fit, ``about`` is what the record knows of each text (`views.about_texts`),
    ``stability`` is by theme (`places.stability`). In shares of segments one seller has one vote per theme and value;
    where no seller is known, each text is its own. Copies are folded first (`texts.folded_into`).
    """
    rows = assignments.filter(pl.col("theme_id").is_not_null()).join(about, on="id", how="left", maintain_order="left")
    rows = rows.with_columns(voter=voter())
    votes = rows.filter(pl.col("folded_into").is_null())
    found = segments_of(votes, [d for d in about.columns if d not in FACTS])
    grown = _growth(votes, [t.id for t in themes])
    cards = []
    for theme in themes:
        own = rows.filter(pl.col("theme_id") == theme.id)
        effective, largest = _spread(own)
        copies = own.drop_nulls("campaign")
        recent, earlier, growth, growth_q = grown.get(theme.id, (None, None, None, None))
        cards.append(ThemeCard(
            theme=theme, segments=tuple(found.get(theme.id, ())), markets=_markets(own), effective_sellers=effective,
            largest_seller=largest, campaigns=copies["campaign"].n_unique(), pasted=copies.height, recent=recent,
            earlier=earlier, growth=growth, growth_q=growth_q, appeal=_appeal(own),
            stability=stability.get(theme.id), share=theme.folded / max(votes.height, 1),
        ))  # fmt: skip
    return tuple(cards)


def card_table(cards: Sequence[ThemeCard]) -> pl.DataFrame:
    """Return the cards as rows, one per theme: size, spread, growth, rates with intervals, where it stands out."""

    def row(card: ThemeCard) -> dict[str, object]:
        theme, top = card.theme, next(iter(card.more), None)
        return {
            "theme_id": theme.id, "label": theme.label, "texts": theme.folded, "sellers": theme.units,
            "effective_sellers": card.effective_sellers, "growth": card.growth.value if card.growth else None,
            **_limits("growth", card.growth), "growth_q": card.growth_q,
            "appealed": card.appeal.value if card.appeal else None, **_limits("appealed", card.appeal),
            "overturned": theme.overturn.value if theme.overturn else None,
            **_limits("overturned", theme.overturn), "decided": theme.overturn.n if theme.overturn else None,
            "stability": card.stability, "stands_out": f"{top.dimension}={top.value}" if top else None,
        }  # fmt: skip

    return pl.DataFrame([row(card) for card in cards], infer_schema_length=None)


def _limits(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    interval = estimate.interval if estimate else None
    return {f"{name}_lo": interval.lo if interval else None, f"{name}_hi": interval.hi if interval else None}


def _spread(own: pl.DataFrame) -> tuple[float | None, float | None]:
    """Kish's effective number of sellers, and the largest one's share; counts stay whole, so that no order shows."""
    per_seller = own.drop_nulls("unit").group_by("unit").len()["len"].to_numpy().astype(np.int64)
    if not per_seller.size:
        return None, None
    texts = int(per_seller.sum())
    return texts**2 / int((per_seller**2).sum()), int(per_seller.max()) / texts


def _markets(own: pl.DataFrame) -> dict[str, int]:
    if "market" not in own.columns:
        return {}
    return dict(Counter(own["market"].drop_nulls().sort().to_list()).most_common())


def _appeal(own: pl.DataFrame) -> Estimate | None:
    known = own.drop_nulls("appealed")
    return None if known.is_empty() else rate(_floats(known["appealed"]), np.ones(known.height), unit_codes(known))


def _floats(series: pl.Series) -> Floats:
    return series.cast(pl.Float64).to_numpy()


def _growth(votes: pl.DataFrame, names: Sequence[str]) -> dict[str, tuple[Counts, Counts, Estimate, float]]:
    dated = votes.drop_nulls("event_date")
    if dated.is_empty():
        return {}
    end = pl.lit(dated["event_date"].max()) + timedelta(days=1)
    age = (end - pl.col("event_date")).dt.total_days()
    dated = dated.filter(age <= 7 * (RECENT_WEEKS + EARLIER_WEEKS)).with_columns(late=age <= 7 * RECENT_WEEKS)
    late, unit = dated["late"].to_numpy(), unit_codes(dated)
    sides = [np.where(side, 1.0, 0.0) for side in (~late, late)]
    if min(side.sum() for side in sides) < LEAST_TEXTS:
        return {}
    said = [_floats(dated["theme_id"] == name) for name in names]
    changes = [rate_difference(k * sides[0], sides[0], k * sides[1], sides[1], unit) for k in said]
    q = benjamini_hochberg([t_two_sided(c.z, c.dof) if np.isfinite(c.se) else 1.0 for c in changes])
    found = {}
    for name, k, change, adjusted in zip(names, said, changes, q, strict=True):
        earlier, recent = (Counts(k=int((k * side).sum()), n=int(side.sum())) for side in sides)
        found[name] = (recent, earlier, change.estimate(dated.height, "clustered by seller"), float(adjusted))
    return found


def _listed(counts: Mapping[str, int], total: int, most: int = 5) -> str:
    first = [f"{name} {percent(n / total, total)}" for name, n in list(counts.items())[:most]]
    left = len(counts) - len(first)
    return ", ".join([*first, *([f"{left} more"] if left else [])])


def _rate(estimate: Estimate | None, of: str) -> str:
    if estimate is None or estimate.interval is None:
        return ""
    lo, hi = percent(estimate.interval.lo, estimate.n), percent(estimate.interval.hi, estimate.n)
    return f"{percent(estimate.value, estimate.n)} of {number(estimate.n)} {of} (95 % interval {lo} to {hi})"
