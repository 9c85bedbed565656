"""Between two refits: give a week's texts their themes, and let a theme be born of those that fit none.

Assigning to old centres hides what is new. Distance alone tells little of a single text, so a birth needs three things
of a local cluster: its texts are unlike everything said before, they are like one another, and it grows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from html import escape
from pathlib import Path
from textwrap import shorten

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gne_analytics.evidence.types import Theme
from gne_analytics.themes.auto import not_learnt, unread
from gne_analytics.themes.cache import Progress
from gne_analytics.themes.embedders import Embedder, Vectors, unit_length
from gne_analytics.themes.fit import fit_themes
from gne_analytics.themes.graph import SMALLEST, Labels
from gne_analytics.themes.lineage import apart
from gne_analytics.themes.model import ThemeModel, assignments, read, reader_of
from gne_analytics.themes.texts import Corpus, corpus, said_by, voter
from gne_analytics.themes.weeks import dated

RECENT_WEEKS = 2
"""The weeks in which a theme is born; all earlier ones given are the past."""
BORN_TEXTS = 5
BORN_SELLERS = 3
"""A theme is born of at least so many texts, one seller's copies counted once, of at least so many sellers."""
STRANGE = 0.25
"""A text is strange when its likeness to the past is under this quantile of what the past's texts have among them."""
GROWTH_LEVEL = 0.01
"""Chance, over all clusters looked at, that one without growth is taken for a new theme."""
ALIKE = 0.75
"""Clusters of strange texts are joined down to this share of the likeness that texts of a known theme have."""
LOOKED_AT = 4_000
"""Strange texts that are clustered; of more, so many are drawn by content hash."""
COMPARED = 20_000
"""Texts of the past with which they are compared; of more, so many are drawn by content hash."""
_BLOCK = 2048

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Update:
    """The themes of a week's texts, and the model with what was born."""

    model: ThemeModel
    assignments: pl.DataFrame = field(repr=False)
    """As of ``assign``, for every text given, the newborn themes among them."""
    births: tuple[Theme, ...]
    since: date
    """First day of the weeks in which a theme could be born."""
    strange: int
    """Distinct recent texts unlike the past."""
    campaigns: pl.DataFrame = field(repr=False)
    """New texts that several sellers paste: too few wordings for a theme. campaign (id of its first text), texts (a
    seller's copies count once), sellers, theme_id, text; most pasted first."""
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """How many texts were given their theme, and each birth in a line."""
        lines = [
            f"{self.model.view}: {self.assignments.height:,} texts, {len(self.model.themes)} themes, "
            f"{len(self.births)} born since {self.since:%Y-%m-%d}; {self.strange:,} texts unlike what was said before"
        ]
        lines += [f"  born: {t.id}  {said_by(t.folded, t.units)}: {t.label}" for t in self.births]
        lines += [
            f"  pasted by {sellers:,} sellers, {texts:,} times: {shorten(text, 80, placeholder=' …')}"
            for texts, sellers, text in self.campaigns.head(5).select("texts", "sellers", "text").iter_rows()
        ]
        return "\n".join([*lines, *self.notes])

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.summary())}</pre>"


def update(
    model: ThemeModel,
    texts: pl.DataFrame,
    *,
    as_of: date | None = None,
    recent_weeks: int = RECENT_WEEKS,
    embedder: Embedder | None = None,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> Update:
    """Give texts their themes, and let a theme be born of recent ones that are new, alike and growing in number.

    Args:
        model: fitted or loaded.
        texts: as for ``fit_themes``, with event_date: the recent weeks and some weeks before, with which they are
            compared (the model keeps no texts). Undated texts are of the past.
        as_of: the last day; the last day of the texts where not given. Later texts are left out.
        recent_weeks: the weeks before it in which a theme may be born.
        embedder: that of the model, where it is not one by name.
        cache_dir: where embeddings are kept by content: the past costs nothing.
        progress: called with (done, to do) while texts are embedded.

    Raises:
        DataError: no dates, or what ``assign`` raises. ModelError: an embeddings endpoint failed; the model is as it
            was, and what was embedded is kept.
    """
    days = dated(texts, model.view)
    last = as_of or max(days["day"].drop_nulls().to_list(), default=date.max)
    since = last - timedelta(weeks=recent_weeks) + timedelta(days=1)
    days = days.filter(pl.col("day").is_null() | (pl.col("day") <= last))
    kept = texts.with_columns(pl.col("id").cast(pl.String)).join(days, on="id", how="semi")
    found = corpus(kept, model.view)
    placed = read(model, found, embedder, cache_dir, progress)
    told = _Told(found, days, since)
    looked = _strange(placed, told)
    clusters = _born(model, placed, told, looked)
    alone = () if told.past.any() else ("No earlier texts were given to compare with: no birth can be told.",)
    grown = model
    if clusters:
        grown = _with(model, kept, found, placed, clusters, reader_of(model, embedder), cache_dir)
    stands = grown.leaves.nearest(placed)
    assigned = assignments(found, stands.theme, stands.similarity, grown)
    born = grown.themes[len(model.themes) :]
    notes = (*alone, *not_learnt(unread(reader_of(model, embedder), found.texts)))
    return Update(grown, assigned, born, since, len(looked), _campaigns(found, told, assigned), notes)


def _campaigns(found: Corpus, told: "_Told", assigned: pl.DataFrame) -> pl.DataFrame:
    """Texts first said recently, by so many sellers that the week's volume does not explain it."""
    level = GROWTH_LEVEL / max(int((told.recent > 0).sum()), 1)
    groups = [
        g for g in np.flatnonzero((told.recent >= BORN_TEXTS) & (told.past == 0))
        if told.sellers(np.array([g])) >= BORN_SELLERS and told.grows(np.array([g]), level)
    ]  # fmt: skip
    texts = pl.DataFrame(
        [(int(g), int(told.recent[g]), told.sellers(np.array([g])), found.texts[g]) for g in groups],
        schema={"group": pl.Int64, "texts": pl.Int64, "sellers": pl.Int64, "text": pl.String}, orient="row",
    )  # fmt: skip
    first = found.rows.select("id", "group").unique("group", keep="first", maintain_order=True)
    named = texts.join(first, on="group").join(assigned.select("id", "theme_id"), on="id")
    columns = (pl.col("id").alias("campaign"), "texts", "sellers", "theme_id", "text")
    return named.select(columns).sort(["texts", "campaign"], descending=[True, False])


class _Told:
    """Who said each distinct text, recently and before."""

    def __init__(self, found: Corpus, days: pl.DataFrame, since: date) -> None:
        rows = found.rows.drop_nulls("group").join(days, on="id", how="left").with_columns(
            late=(pl.col("day") >= since).fill_null(value=False), voice=voter()
        )  # fmt: skip
        weeks = (pl.col("day") - pl.lit(since)).dt.total_days() // 7
        self.rows = rows.select("group", "late", "voice", week=weeks).unique()
        self.volumes = self._votes(self.rows)
        self.recent, self.past = np.zeros(found.n), np.zeros(found.n)
        for votes, late in ((self.recent, True), (self.past, False)):
            counts = self.rows.filter(pl.col("late") == late).group_by("group").agg(n=pl.col("voice").n_unique())
            votes[counts["group"].to_numpy()] = counts["n"].to_numpy()

    def sellers(self, groups: Labels) -> int:
        """How many sellers said one of these texts recently."""
        return self.rows.filter(pl.col("late") & pl.col("group").is_in(groups.tolist()))["voice"].n_unique()

    def grows(self, groups: Labels, level: float) -> bool:
        """Whether more sellers said one of these texts recently than all volumes foretell (binomial, one-sided).

        A seller has one vote a week, whatever its wordings.
        """
        from scipy.stats import binom

        late, early = self._votes(self.rows.filter(pl.col("group").is_in(groups.tolist())))
        return bool(binom.sf(late - 1, late + early, self.volumes[0] / sum(self.volumes)) <= level)

    @staticmethod
    def _votes(rows: pl.DataFrame) -> tuple[int, int]:
        late = rows.select("late", "voice", "week").unique()["late"].sum()
        return int(late), rows.select("late", "voice", "week").n_unique() - int(late)


def _strange(placed: Vectors, told: _Told) -> Labels:
    """Distinct texts first said recently whose nearest text of the past is farther than those of the past have one."""
    fresh = np.flatnonzero((told.recent > 0) & (told.past == 0))
    before = np.flatnonzero(told.past > 0)[:COMPARED]
    if len(fresh) == 0 or len(before) < SMALLEST:
        return fresh[:0]
    past = placed[before]
    usual = np.quantile(_nearest(past, np.arange(len(past)), past, itself=True), STRANGE)
    return fresh[_nearest(placed, fresh, past) < usual][:LOOKED_AT]


def _nearest(placed: Vectors, rows: Labels, others: Vectors, *, itself: bool = False) -> Floats:
    """Of some rows, the likeness to the nearest of others; in blocks, so that no large matrix is made."""
    best = np.empty(len(rows))
    for start in range(0, len(rows), _BLOCK):
        block = placed[rows[start : start + _BLOCK]] @ others.T
        if itself:
            block[np.arange(len(block)), start + np.arange(len(block))] = -1
        best[start : start + len(block)] = block.max(axis=1)
    return best


def _born(model: ThemeModel, placed: Vectors, told: _Told, looked: Labels) -> list[Labels]:
    """Clusters of strange texts that are alike, many, of several sellers, apart from known themes, and growing."""
    if len(looked) < SMALLEST:
        return []
    known = _nearest(placed, np.arange(len(placed)), model.leaves.themes)
    usual = float(np.median(known[told.past > 0]))
    clusters = _clusters(placed[looked], ALIKE * usual**2)
    able = [m for m in (looked[c] for c in clusters) if _many(m, told) and apart(placed[m], known[m])]
    level = GROWTH_LEVEL / max(len(clusters), 1)
    return [members for members in able if _grows(members, placed, told, level)]


def _clusters(vectors: Vectors, alike: float) -> list[Labels]:
    """Average linkage, cut where the mean cosine between two clusters falls under ``alike``."""
    from scipy.cluster.hierarchy import fcluster, linkage

    tree = linkage(vectors.astype(np.float64), "average", metric="cosine")
    labels = fcluster(np.maximum(tree, 0), 1 - alike, criterion="distance")
    groups = (np.flatnonzero(labels == name) for name in np.unique(labels))
    return [group for group in groups if len(group) >= SMALLEST]


def _many(members: Labels, told: _Told) -> bool:
    return told.recent[members].sum() >= BORN_TEXTS and told.sellers(members) >= BORN_SELLERS


def _grows(members: Labels, placed: Vectors, told: _Told, level: float) -> bool:
    """Of what is said within the cluster's reach, more is recent than the weeks' volumes foretell."""
    near = placed @ _centre(placed, members) >= _reach(placed, members)
    return told.grows(np.flatnonzero(near), level)


def _centre(placed: Vectors, members: Labels) -> Vectors:
    centre: Vectors = unit_length(placed[members].sum(axis=0, keepdims=True))[0]
    return centre


def _reach(placed: Vectors, members: Labels) -> float:
    """Tukey's lower fence of the likeness to the centre."""
    q1, q3 = np.quantile(placed[members] @ _centre(placed, members), [0.25, 0.75])
    return float(q1 - 1.5 * (q3 - q1))


class _Given:
    """A clusterer that was told the themes."""

    def __init__(self, labels: Labels) -> None:
        self.labels_ = labels

    def fit(self, X: Vectors, y: object = None) -> "_Given":  # noqa: ARG002, N803
        """Keep to them."""
        self.labels_ = self.labels_[: len(X)]
        return self


def _with(
    model: ThemeModel, kept: pl.DataFrame, found: Corpus, placed: Vectors, clusters: Sequence[Labels],
    reader: Embedder, cache_dir: Path | None,
) -> ThemeModel:  # fmt: skip
    """Add the newborn to the model; what a reader is told of them is taken from a fit with the themes given."""
    leaves = model.leaves.with_new([_centre(placed, members) for members in clusters])
    # A handful of texts does not know its own breadth yet: no newborn is narrower than its elders are.
    elder = float(np.median(model.floors))
    floors = (*model.floors, *(min(_reach(placed, members), elder) for members in clusters))
    given = _Given(leaves.nearest(placed).theme)
    fitted = fit_themes(kept, model.view, embedder=reader, clusterer=given, cache_dir=cache_dir)
    by_row = found.rows.select("id", "group").join(fitted.assignments.select("id", "theme_id"), on="id")
    name_of = dict(by_row.drop_nulls().unique("group").select("group", "theme_id").iter_rows())
    told = {theme.id: theme for theme in fitted.themes}
    born = []
    for number, members in enumerate(clusters, model.next_number):
        names = [name_of[int(i)] for i in members]
        theme = told[max(sorted(set(names)), key=names.count)]
        born.append(theme.model_copy(update={"id": f"{model.view}-{number:02d}"}))
    return replace(
        model,
        themes=(*model.themes, *born),
        leaves=leaves,
        floors=floors,
        issued=model.next_number - 1 + len(born),
    )
