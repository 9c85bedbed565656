"""Themes with their outcome in view: which overturn, which are upheld, and what tells the two apart inside a theme.

Found on one half of the sellers, verified on the other: the stored folds decide who is in which.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gne_analytics.evidence.render import number, percent, points
from gne_analytics.evidence.segment import Frozen
from gne_analytics.evidence.types import Counts, Estimate
from gne_analytics.metrics.discoveries import benjamini_hochberg
from gne_analytics.metrics.intervals import Difference, rate_difference, t_two_sided
from gne_analytics.tables.derived import FOLDS, fold_of
from gne_analytics.themes.graph import Labels
from gne_analytics.themes.keyness import LEVEL, log_odds, p_two_sided
from gne_analytics.themes.places import Places
from gne_analytics.themes.segments import spelt
from gne_analytics.themes.texts import unit_codes, voter
from gne_analytics.themes.tokens import function_words, prune, words
from gne_analytics.themes.views import FACTS

HELD_OUT = FOLDS // 2
"""Sellers of this fold and above verify, the others search."""
LEAST_DECIDED = 20
"""Decided texts that a theme needs in either half, and a sign on either side of it."""
SCREEN = 0.1
"""Unadjusted p on the searching half at which a theme or a sign goes to the other half, which alone decides."""
MOST_TERMS = 300
"""Words of a theme that are compared, the most frequent ones."""
CANDIDATES = 10
"""Signs of a theme that go to the held-out half, strongest first."""
NOTHING = "nothing"
WHOLE = ""
"""Stands for the whole view among the ids of its themes."""

Mask = NDArray[np.bool_]
Kind = Literal["term", "evidence", "segment"]


class Group(Protocol):
    """A theme, or a node of the hierarchy."""

    @property
    def id(self) -> str:
        """Its id, as it stands in the groups of the texts."""
        ...

    @property
    def label(self) -> str:
        """Its name."""
        ...


class Sign(Frozen):
    """Something by which overturned and upheld differ inside a theme, verified on held-out sellers."""

    kind: Kind
    name: str
    """The dimension of a segment; else the kind."""
    value: str
    having: Counts
    """Overturned of decided among held-out texts that have it."""
    lacking: Counts
    effect: Estimate
    """Share overturned of those that have it less that of those that lack it; held-out sellers, clustered by seller."""
    q: float
    """Adjusted p over all signs that went to the held-out half."""

    def __str__(self) -> str:
        who = {
            "term": f"texts that say “{self.value}”",
            "evidence": f"texts that offer {self.value.replace('_', ' ')}",
            "segment": f"{spelt(self.name)} {self.value}",
        }[self.kind]
        return (
            f"{who}: {percent(self.having.rate, self.having.n)} overturned of {number(self.having.n)}, "
            f"{percent(self.lacking.rate, self.lacking.n)} of the other {number(self.lacking.n)} "
            f"({_between(self.effect)})"
        )


class ThemeOutcome(Frozen):
    """How the decided texts of one theme ended."""

    theme_id: str
    label: str
    tends: Literal["overturned", "upheld", ""]
    """What it is more often than the other themes, verified on held-out sellers; empty where neither holds."""
    decided: Counts
    """Overturned of all decided texts."""
    against_rest: Estimate
    """Share overturned less that of the other themes, on held-out sellers."""
    q: float
    signs: tuple[Sign, ...] = ()

    def __str__(self) -> str:
        if self.against_rest.interval is None or self.against_rest.interval.method == "not estimable":
            return f"“{self.label}”: too few decided to tell."
        told = f"{percent(self.decided.rate, self.decided.n)} of {number(self.decided.n)} decided were overturned"
        than = {"overturned": "more than in other themes", "upheld": "less than in other themes"}.get(
            self.tends, "no verified difference from other themes"
        )
        return f"“{self.label}”: {told}, {than} ({_between(self.against_rest)})."


class Outcomes(Frozen):
    """The outcomes of all themes of a view, those that overturn most first."""

    view: str
    themes: tuple[ThemeOutcome, ...]
    signs: tuple[Sign, ...] = ()
    """What tells overturned from upheld in the whole view."""
    notes: tuple[str, ...] = ()

    def of(self, theme_id: str) -> ThemeOutcome | None:
        """Return what is known of one theme; None where too little of it was decided."""
        return next((t for t in self.themes if t.theme_id == theme_id), None)

    def named(self, themes: Sequence[Group]) -> "Outcomes":
        """Return the same with the labels of themes as they are now."""
        labels = {t.id: t.label for t in themes}
        told = tuple(t.model_copy(update={"label": labels.get(t.theme_id, t.label)}) for t in self.themes)
        return self.model_copy(update={"themes": told})

    def table(self) -> pl.DataFrame:
        """Return one row per sign, and one per theme without a sign."""
        rows = [
            {
                "theme_id": t.theme_id, "label": t.label, "tends": t.tends, "overturned": t.decided.k,
                "decided": t.decided.n, "against_rest": t.against_rest.value, "kind": s.kind if s else None,
                "name": s.name if s else None, "value": s.value if s else None, "effect": s.effect.value if s else None,
                "lo": s.effect.interval.lo if s and s.effect.interval else None,
                "hi": s.effect.interval.hi if s and s.effect.interval else None,
                "n": s.having.n if s else None, "q": s.q if s else None,
            }
            for t in self.themes for s in (t.signs or (None,))
        ]  # fmt: skip
        return pl.DataFrame(rows, infer_schema_length=None)

    def summary(self) -> str:
        """Every theme in a line, its signs below it."""
        lines = [line for t in self.themes for line in (str(t), *(f"  {s}" for s in t.signs))]
        whole = ["In the whole view:", *(f"  {s}" for s in self.signs)] if self.signs else []
        return "\n".join([*whole, *lines, *self.notes])

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.summary())}</pre>"


UNDECIDED = "No text of this view has a final outcome in a record; those of a bare frame are not compared."


def theme_outcomes(view: str, groups: Sequence[Group], places: Places, texts: pl.DataFrame) -> Outcomes:
    """Compare the outcomes of themes, and of texts inside each and in the whole view.

    ``texts`` has id, group (the id of a theme) and the columns of `views.about_texts`.

    Every difference is found on the searching half of the sellers and reported from the held-out half, whose
    false-discovery control alone decides. A sign that stands in the same texts as a stronger one, or in all but these,
    is left out.
    """
    words_of = places.corpus.rows.select("id", text=pl.col("group"))
    rows = texts.drop_nulls(["group", "overturned"]).join(words_of, on="id", maintain_order="left")
    if rows.is_empty():
        return Outcomes(view=view, themes=(), notes=(UNDECIDED,))
    rows = rows.with_columns(
        voter=voter(),
        fold=pl.coalesce("fold", pl.coalesce("unit", "id").map_elements(fold_of, return_dtype=pl.Int64)),
    )
    decided = _Decided(rows)
    within = {g.id: decided.group == g.id for g in groups}
    tested = [g for g in groups if decided.enough(within[g.id], ~within[g.id])]
    leads = [decided.apart(within[g.id], ~within[g.id]) for g in tested]
    dims = [d for d in texts.columns if d not in (*FACTS, "group")]
    parts = {WHOLE: decided, **{g.id: _Decided(rows.filter(pl.col("group") == g.id)) for g in tested}}
    signs = _signs(parts, places, dims)
    found = np.array([_p(search) <= SCREEN for search, _ in leads], dtype=bool)
    q_held = np.ones(len(tested))
    q_held[found] = benjamini_hochberg([_p(held) for (_, held), ok in zip(leads, found, strict=True) if ok])
    told = []
    for theme, (search, held), q in zip(tested, leads, q_held, strict=True):
        sure = q <= LEVEL and np.sign(search.value) == np.sign(held.value)
        inside = within[theme.id]
        told.append(ThemeOutcome(
            theme_id=theme.id, label=theme.label, decided=decided.counts(inside),
            tends=("overturned" if held.value > 0 else "upheld") if sure else "",
            against_rest=held.estimate(int((inside & decided.held).sum()), "held-out sellers, clustered by seller"),
            q=float(q), signs=tuple(signs.get(theme.id, ())),
        ))  # fmt: skip
    told.sort(key=lambda t: (-t.decided.rate, t.theme_id))
    return Outcomes(
        view=view, themes=tuple(told), signs=tuple(signs.get(WHOLE, ())), notes=_notes(groups, tested, rows)
    )


def _notes(themes: Sequence[Group], tested: Sequence[Group], rows: pl.DataFrame) -> tuple[str, ...]:
    notes = ["Differences between texts are no effects: what is offered and who offers it are not drawn by lot."]
    if tested:
        notes.append(
            "An interval is of one theme alone. A difference is verified if the searching half of the sellers shows it "
            f"first and the held-out half confirms it, at a false-discovery level of {LEVEL} over all that were shown."
        )
    if (few := len(themes) - len(tested)) > 0:
        notes.append(
            f"Not judged, since one half of the sellers has fewer than {LEAST_DECIDED} of its decided texts: "
            f"{few:,} of {len(themes):,} themes."
        )
    if rows["unit"].null_count() == rows.height:
        notes.append("No seller is known, so the halves are of texts, and intervals take texts as independent.")
    return tuple(notes)


class _Decided:
    """The decided texts of a theme, or of all, as arrays."""

    def __init__(self, rows: pl.DataFrame) -> None:
        self.rows = rows
        self.group = rows["group"].to_numpy()
        self.over: Mask = rows["overturned"].cast(pl.Boolean).to_numpy()
        self.held: Mask = (rows["fold"] >= HELD_OUT).to_numpy()
        self._unit = unit_codes(rows)
        self._voter: Labels = rows["voter"].rank("dense").to_numpy().astype(np.int64) - 1

    def enough(self, has: Mask, lacks: Mask) -> bool:
        """Whether either half holds enough texts that have it and that lack it."""
        halves = (self.held, ~self.held)
        return min(int((side & half).sum()) for side in (has, lacks) for half in halves) >= LEAST_DECIDED

    def apart(self, has: Mask, lacks: Mask) -> tuple[Difference, Difference]:
        """The share overturned of those that have it less that of those that lack it: searching half, held-out half."""
        return self._difference(has, lacks, ~self.held), self._difference(has, lacks, self.held)

    def _difference(self, has: Mask, lacks: Mask, half: Mask) -> Difference:
        k, one, none = (side[half].astype(np.float64) for side in (self.over, has, lacks))
        unit = None if self._unit is None else np.unique(self._unit[half], return_inverse=True)[1]
        return rate_difference(k * none, none, k * one, one, unit)

    def counts(self, part: Mask) -> Counts:
        """Overturned of decided."""
        return Counts(k=int(self.over[part].sum()), n=int(part.sum()), units=self.votes(part))

    def votes(self, part: Mask) -> int:
        """Sellers, one vote each."""
        return len(np.unique(self._voter[part]))


@dataclass(frozen=True)
class _Lead:
    """A sign as it is looked for: which of the decided texts of its theme have it, and which are known to lack it."""

    group: str
    kind: Kind
    name: str
    value: str
    has: Mask
    lacks: Mask

    @property
    def parting(self) -> bytes:
        """How it parts the texts, whichever side is said to have it."""
        return min(self.has.tobytes(), self.lacks.tobytes())


def _signs(parts: Mapping[str, _Decided], places: Places, dims: Sequence[str]) -> dict[str, list[Sign]]:
    leads: list[_Lead] = []
    p: list[float] = []
    for group, part in parts.items():
        for family in _families(group, part, places, dims):
            if not family:
                continue
            known = family[0].has | family[0].lacks
            over, up = (~part.held & known & side for side in (part.over, ~part.over))
            inside, outside = ([part.votes(lead.has & side) for lead in family] for side in (over, up))
            ratio, error = log_odds(inside, outside, part.votes(over), part.votes(up))
            leads += family
            p += p_two_sided(ratio / error).tolist()
    sent: list[_Lead] = []
    taken: dict[str, list[bytes]] = {}
    for i in np.argsort(np.asarray(p), kind="stable"):
        same = taken.setdefault(leads[i].group, [])
        if p[i] <= SCREEN and len(same) < CANDIDATES and leads[i].parting not in same:
            same.append(leads[i].parting)
            sent.append(leads[i])
    return _verified(sent, parts)


def _verified(sent: Sequence[_Lead], parts: Mapping[str, _Decided]) -> dict[str, list[Sign]]:
    apart = [parts[lead.group].apart(lead.has, lead.lacks) for lead in sent]
    kept: dict[str, list[Sign]] = {}
    for lead, (search, held), q in zip(sent, apart, benjamini_hochberg([_p(h) for _, h in apart]), strict=True):
        if q > LEVEL or np.sign(search.value) != np.sign(held.value):
            continue
        part = parts[lead.group]
        having, lacking = part.counts(lead.has & part.held), part.counts(lead.lacks & part.held)
        kept.setdefault(lead.group, []).append(Sign(
            kind=lead.kind, name=lead.name, value=lead.value, having=having, lacking=lacking,
            effect=held.estimate(having.n + lacking.n, "held-out sellers, clustered by seller"), q=float(q),
        ))  # fmt: skip
    for group, signs in kept.items():
        said = {s.value: s.having.n for s in signs if s.kind == "term"}
        whole = set(prune(said, said))
        kept[group] = sorted(
            (s for s in signs if s.kind != "term" or s.value in whole), key=lambda s: (-abs(s.effect.value), s.value)
        )
    return kept


def _families(group: str, part: _Decided, places: Places, dims: Sequence[str]) -> Iterator[list[_Lead]]:
    """What is looked at together: the terms, the kinds of evidence, the values of each dimension."""
    said = [frozenset(words(places.corpus.texts[g])) - function_words() for g in part.rows["text"]]
    yield _held_by(group, "term", "term", said, part)
    offered = part.rows["evidence"]
    if offered.null_count() < len(offered):
        lists = [frozenset(x) or frozenset({NOTHING}) if x is not None else None for x in offered.to_list()]
        yield _held_by(group, "evidence", "evidence", lists, part)
    for dim in dims:
        values = [frozenset({v}) if v is not None else None for v in part.rows[dim].to_list()]
        yield _held_by(group, "segment", dim, values, part)


def _held_by(
    group: str, kind: Kind, name: str, values: Sequence[frozenset[str] | None], part: _Decided
) -> list[_Lead]:  # fmt: skip
    """The leads of one kind, one for each way to part the texts.

    A text of which nothing is known (None) neither has nor lacks any.
    """
    known = np.array([held is not None for held in values], dtype=bool)
    where: dict[str, list[int]] = {}
    for row, held in enumerate(values):
        for value in held or ():
            where.setdefault(value, []).append(row)
    often = [v for v in where if len(where[v]) >= 2 * LEAST_DECIDED]
    often.sort(key=lambda v: (v == NOTHING, -len(where[v]), v))  # what is offered speaks, not that nothing else is
    leads: dict[bytes, _Lead] = {}
    for value in often[:MOST_TERMS]:
        has = np.zeros(len(values), dtype=bool)
        has[where[value]] = True
        if part.enough(has, known & ~has):
            lead = _Lead(group, kind, name, value, has, known & ~has)
            leads.setdefault(lead.parting, lead)
    return list(leads.values())


def _p(difference: Difference) -> float:
    return t_two_sided(difference.z, difference.dof) if np.isfinite(difference.se) else 1.0


def _between(effect: Estimate) -> str:
    if effect.interval is None:
        return "no interval"
    return f"difference {points(effect.interval.lo)} to {points(effect.interval.hi)} on held-out sellers"
