"""What is known of each case that a policy change touches: the standing of its truth, in a fixed order.

1. ``appeal_decided`` the final decision of its appeal (only under the label ``final_decision``);
2. ``audited``        a label by quality assurance;
3. ``estimable``      its domain holds enough audits drawn with a known probability;
4. ``modelled``       none of its like was audited, but cases of other scores bound its chance (``monotone``);
5. ``unidentified``   nothing is known: worst case, anywhere between violating and not.

A domain is flow cell (with its policy) x appealed or not x score band. Bands are cut so that each keeps enough labels,
and where one side of appealed or not holds too few, both share theirs: audits carry their probabilities, so a coarser
domain costs precision and no bias. Both look at scores and audits, never at what the audits found.
"""

from collections.abc import Iterable
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gne_analytics.evidence.proposals import Identification

Label = Literal["final_decision", "latent"]
Floats = NDArray[np.float64]

MIN_LABELS = 30
"""Effective audit labels that a domain needs before its other cases count as estimable."""
MAX_BANDS = 5
"""At most so many score bands a domain is cut into."""
NONE_BY_CHANCE = 10.4
"""Where so many audits are foretold, none is drawn in 3 of 100,000 records: as rare as four standard errors."""
ORDERED = ("score", "event_date")
"""What audits may have reached only from a value on, or up to one."""
STANDINGS = ("appeal_decided", "audited", "estimable", "modelled", "unidentified")
NEEDED = ("case_id", "cell", "appealed", "decided_violating", "audit_violating", "audit_prob", "score")


def effective(weights: Floats) -> float:
    """Return Kish's effective number of labels, (sum w)^2 / sum w^2; zero for none."""
    squares = float(np.square(weights).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def identify(affected: pl.DataFrame, label: Label = "final_decision", *, min_labels: int = MIN_LABELS) -> pl.DataFrame:
    """Give every affected case its standing, what is known of it, and the domain its label is shared in.

    Needs the columns of ``NEEDED``, ``cell`` being the flow cell (policy and what happens to the case); cases that are
    ``unreached``, where that column is there, are never estimable. Adds
    ``standing``, ``known`` (1 violating, 0 not, null when not known one by one),
    ``weight`` (inverse sampling probability of an audited case), ``domain`` (Int64, -1 where the appeal settles it).
    """
    frame = with_labels(affected, label)
    parts = [frame.filter("settled").with_columns(domain=pl.lit(-1, pl.Int64), standing=pl.lit("appeal_decided"))]
    first = 0
    for cell in frame.filter(~pl.col("settled")).partition_by("cell", maintain_order=True):
        for part in _sides(cell, min_labels):
            banded = _band(part.sort("score", "case_id", nulls_last=True), first, min_labels)
            first += banded["domain"].n_unique()
            parts.append(banded)
    return pl.concat(parts).drop("settled")


def with_labels(cases: pl.DataFrame, label: Label) -> pl.DataFrame:
    """Add ``settled`` (by its appeal), ``weight`` (of an audited case that is not settled) and ``known``."""
    settled = pl.col("decided_violating").is_not_null() if label == "final_decision" else pl.lit(False)
    return cases.with_columns(
        settled=settled,
        weight=pl.when(pl.col("audit_violating").is_not_null() & ~settled).then(1 / pl.col("audit_prob")),
    ).with_columns(known=pl.when("settled").then("decided_violating").otherwise("audit_violating"))


def _sides(cell: pl.DataFrame, min_labels: int) -> list[pl.DataFrame]:
    """Part a flow cell by appealed or not, unless a side lacks labels that both together have."""
    sides = cell.partition_by("appealed", maintain_order=True)
    enough = [effective(side["weight"].drop_nulls().to_numpy()) >= min_labels for side in sides]
    together = effective(cell["weight"].drop_nulls().to_numpy()) >= min_labels
    return [cell] if together and not all(enough) else sides


def _band(part: pl.DataFrame, first: int, min_labels: int) -> pl.DataFrame:
    """Cut one flow cell into as many score bands as its audits carry, and say which of its cases are estimable."""
    weight = part["weight"].fill_null(0.0).to_numpy()
    scores = part["score"].fill_null(-1.0).to_numpy().astype(np.float64)
    bands = cut_bands(scores, weight, min(MAX_BANDS, int(effective(weight) // min_labels)), min_labels)
    standing = np.full(len(part), "unidentified", dtype=object)
    gone = part["unreached"].to_numpy() if "unreached" in part.columns else np.zeros(len(part), np.bool_)
    short = falls_short(np.flatnonzero(~gone), weight)
    for band in np.unique(bands):
        inside = np.flatnonzero(bands == band)
        if effective(weight[inside]) >= min_labels:
            reached = inside[~gone[inside]]
            standing[reached] = "estimable"
            if short or falls_short(reached, weight):
                standing[_uncovered(reached, weight)] = "unidentified"
    standing[weight > 0] = "audited"
    return part.with_columns(domain=pl.Series(bands + first), standing=pl.Series(standing, dtype=pl.String))


def cut_bands(scores: Floats, weight: Floats, most: int, min_labels: int) -> NDArray[np.int64]:
    """Return each score's band, 0 upwards: at most so many, each with enough effective labels."""
    for k in range(most, 1, -1):
        cuts = np.quantile(scores[weight > 0], np.arange(1, k) / k)
        bands = np.searchsorted(np.unique(cuts), scores, side="right").astype(np.int64)
        if all(effective(weight[bands == b]) >= min_labels for b in np.unique(bands)):
            return np.unique(bands, return_inverse=True)[1].astype(np.int64)
    return np.zeros(len(scores), np.int64)


def unreached(cases: pl.DataFrame, kinds: Iterable[str]) -> pl.Series:
    """Say which of all cases are of a kind that no audit met, though chance would have let some: a Boolean a row.

    A kind is a value of one of the columns named, or what lies beyond the audited cases in one of ``ORDERED``, among
    cases enforced or not. Audits are foretold at the effective labels per case that the weights stand for, so that an
    often audited stratum tells nothing of a rarely audited one. Without this a group that no audit was ever to reach
    hides among others in the chance of their weights (``_uncovered``), and is taken to be as they are.
    """
    gone = pl.Series("unreached", np.zeros(cases.height, np.bool_))
    drawn = cases["audit_violating"].is_not_null()
    for enforced in (True, False):
        side = (cases["enforced"] == enforced).fill_null(False)
        weight = (1 / cases["audit_prob"]).filter(side & drawn).to_numpy()
        if not weight.size:
            continue
        fewest = NONE_BY_CHANCE * float(weight.sum()) / effective(weight)
        for kind in _kinds(cases, side & drawn, kinds):
            told = pl.DataFrame({"kind": kind, "drawn": drawn}).filter(side).group_by("kind")
            counts = told.agg(n=pl.len(), labels=pl.col("drawn").sum())
            missed = counts.filter(pl.col("labels") == 0, pl.col("n") > fewest)["kind"]
            if missed.len():
                gone |= side & kind.is_in(missed.implode(), nulls_equal=True)
    return gone


def _kinds(cases: pl.DataFrame, audited: pl.Series, names: Iterable[str]) -> list[pl.Series]:
    """Return each case's kind, in one way after another."""
    kinds = [cases[name] for name in names if name in cases.columns and not name.endswith("_id")]
    for name in ORDERED:
        labelled = cases[name].filter(audited).drop_nulls() if name in cases.columns else pl.Series()
        if labelled.len():
            low, high = labelled.min(), labelled.max()
            kinds.append((cases[name] > high).cast(pl.Int8) - (cases[name] < low).cast(pl.Int8))
    return kinds


def falls_short(inside: NDArray[np.int64], weight: Floats) -> bool:
    """Say whether part of some cases had no chance of an audit, by four standard errors.

    The inverse probabilities of the audited cases add up to the cases that could have been drawn.
    """
    return len(inside) > reach_of(weight[inside], errors=4)


def _uncovered(inside: NDArray[np.int64], weight: Floats) -> NDArray[np.int64]:
    """Return as many cases of a band as its audits do not stand for; which ones cannot be said.

    By as much as their weights fall short of the band, and two standard errors more, so that it is seldom too few.
    """
    missing = int(max(0.0, np.ceil(len(inside) - reach_of(weight[inside], errors=-2))))
    return np.asarray(inside[weight[inside] == 0][:missing], np.int64)


def reach_of(weight: Floats, errors: float) -> float:
    """Return how many cases audits of such weights stand for, some standard errors up or down."""
    return float(weight.sum()) + errors * float(np.sqrt((weight * np.maximum(weight - 1, 0)).sum()))


def count_standings(identified: pl.DataFrame) -> Identification:
    """Count the affected cases by standing."""
    counts = dict(identified.group_by("standing").agg(pl.len()).iter_rows())
    return Identification(**{name: int(counts.get(name, 0)) for name in STANDINGS})
