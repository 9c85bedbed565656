"""Bounds for cases that no audit could reach: the chance of a violation does not fall with the score.

Cases of the same segment and detector version with higher scores bound a case's chance from above, such with lower
scores from below. Labelled cases are cut into windows of neighbouring scores; the nearest whole window on either side
is the bound, with its own sampling error. Nothing is bounded unless the labelled windows bear the order out.

Windows are cut by scores and weights alone, so which one bounds a case does not depend on what audits found.
Source: monotone treatment response, Manski (1997); windows of about n^(2/3) labels, Brunk (1970).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import norm

from gne_analytics.strategy.identify import MIN_LABELS, Floats, Label, cut_bands, effective, reach_of, with_labels

VERSION = ("detector", "detector_version")
"""Scores of two versions of a detector are never compared."""
SEGMENT = "market"
"""Cases of a market with enough labels are bounded by their own alone; the other markets together."""
OWN_SEGMENT = 4
"""So many times the labels of a domain make a segment stand alone."""
MAX_WINDOWS = 10
REACH = 0.9
"""The share of all cases of these scores that the bounded ones must be: a chosen few need not be like the rest."""
FALL_LEVEL = 0.1
"""Level, over all pairs of windows, at which a fall of the chance with the score is held to be shown."""
RISE_LEVEL = 0.05
"""Level at which the chance must be shown to rise with the score over all windows."""


@dataclass(frozen=True)
class Bounded:
    """Identified cases, of which some are now ``modelled``, and the labelled cases that bound them."""

    identified: pl.DataFrame
    """With ``floor``, ``ceiling`` (shares), ``floor_labels``, ``ceiling_labels`` and ``floor_window``,
    ``ceiling_window`` (-1: none, so zero or one) of every modelled case."""
    windows: pl.DataFrame
    """One row per labelled case of a window: window, weight, known, and the columns of the reference."""


@dataclass(frozen=True)
class _Window:
    low: float
    high: float
    share: float
    labels: float
    covered: bool


def bound_by_score(
    identified: pl.DataFrame,
    reference: pl.DataFrame,
    label: Label = "final_decision",
    *,
    min_labels: int = MIN_LABELS,
) -> Bounded:
    """Bound the unidentified cases of domains without enough audits by labelled cases of other scores.

    Args:
        identified: what ``identify`` returns, with ``enforced``.
        reference: all cases of the segment, those of ``identified`` too, with the columns ``identify`` needs and
            ``enforced``; ``detector``, ``detector_version``, ``market`` and ``human`` are used where both have them.
        label: the target.
        min_labels: effective labels that a window needs.

    A case that today's policy leaves alone is compared with all cases of other scores; one that is enforced with such
    alone that are enforced, by a person or not, and appealed or not, as it is.
    """
    orphans = (pl.col("standing") == "unidentified") & ~(pl.col("standing") == "estimable").any().over("domain")
    orphans &= pl.col("score").is_not_null()
    if not identified.select(orphans.any()).item():
        return Bounded(identified, _used([], np.empty((0, 6))))
    bare = with_labels(reference, label).filter(pl.col("score").is_not_null())
    labels = bare.with_columns(weight=pl.when("settled").then(1.0).otherwise("weight"))
    ours, labels = _grouped(identified, labels, min_labels)
    candidates = ours.with_row_index("_row").filter(orphans)
    bounds = np.full((identified.height, 6), np.nan)
    bounds[:, 4:] = -1
    used: list[pl.DataFrame] = []
    first = 0
    for (group, side), mine in candidates.partition_by("_group", "_side", as_dict=True, maintain_order=True).items():
        own = pl.col("_group") == group
        like = labels.filter(own if side == "" else own & (pl.col("_side") == side))
        affected = ours.filter(own & (pl.col("_side") == side))
        if not _representative(mine, affected, like):
            continue
        banded = _windows(like, min_labels)
        found = [_window(part, like) for part in banded.partition_by("window", maintain_order=True)]
        nearest = _nearest(mine["score"].to_numpy(), found)
        others = ~np.isin(np.arange(len(found)), nearest[:, 4:])
        if not is_monotone(np.array([w.share for w in found]), np.array([w.labels for w in found]), others):
            continue
        nearest[:, 4:] += np.where(nearest[:, 4:] >= 0, first, 0)
        bounds[mine["_row"].to_numpy()] = nearest
        used.append(banded.with_columns(pl.col("window") + first))
        first += len(found)
    return Bounded(_modelled(identified, bounds), _used(used, bounds))


def _grouped(identified: pl.DataFrame, reference: pl.DataFrame, min_labels: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Name each case's group (detector version, segment) and side (enforced how; empty: not enforced)."""
    shared = set(identified.columns) & set(reference.columns)
    version = _joined([c for c in VERSION if c in shared])
    sides = [c for c in ("appealed", "human") if c in shared]
    side = pl.when("enforced").then(pl.concat_str(pl.lit("enforced"), _joined(sides))).otherwise(pl.lit(""))
    if SEGMENT not in shared:
        return tuple(f.with_columns(_group=version, _side=side) for f in (identified, reference))  # type: ignore[return-value]
    whole = _joined([c for c in (*VERSION, SEGMENT) if c in shared])
    labels = reference.group_by(whole.alias("_group")).agg(
        (pl.col("weight").sum().pow(2) / pl.col("weight").pow(2).sum()).alias("n")
    )
    alone = labels.filter(pl.col("n") >= OWN_SEGMENT * min_labels)["_group"]
    group = pl.when(whole.is_in(alone.implode())).then(whole).otherwise(version)
    return identified.with_columns(_group=group, _side=side), reference.with_columns(_group=group, _side=side)


def _joined(columns: Sequence[str]) -> pl.Expr:
    parts = [pl.col(c).cast(pl.String).fill_null("") for c in columns]
    return pl.concat_str(parts, separator="\x1f") if parts else pl.lit("all")


def _representative(mine: pl.DataFrame, affected: pl.DataFrame, like: pl.DataFrame) -> bool:
    """Say whether the affected cases are nearly all that there are between the scores of those to be bounded."""
    band = pl.col("score").is_between(mine["score"].min(), mine["score"].max())
    return affected.filter(band).height >= REACH * like.filter(band).height


def _windows(like: pl.DataFrame, min_labels: int) -> pl.DataFrame:
    """Return the labelled cases with their window."""
    labelled = like.filter(pl.col("weight").is_not_null()).sort("score", "case_id")
    weight, scores = labelled["weight"].to_numpy(), labelled["score"].to_numpy()
    total = effective(weight)
    most = min(MAX_WINDOWS, int(total / max(min_labels, total ** (2 / 3), 1.0)))
    return labelled.with_columns(window=pl.Series(cut_bands(scores, weight, most, min_labels), dtype=pl.Int64))


def _window(part: pl.DataFrame, like: pl.DataFrame) -> _Window:
    weight, known = part["weight"].to_numpy(), part["known"].to_numpy()
    low, high = float(part["score"][0]), float(part["score"][-1])
    cases = int(like["score"].is_between(low, high).sum())
    share = float((weight * known).sum() / weight.sum())
    return _Window(low, high, share, effective(weight), reach_of(weight, errors=4) >= cases)


def is_monotone(shares: Floats, labels: Floats, others: NDArray[np.bool_]) -> bool:
    """Say whether shares of windows of rising scores bear out that the chance does not fall with the score.

    No window may lie below an earlier one by more than chance (all pairs, Bonferroni at ``FALL_LEVEL``), and over the
    windows that bound nothing (``others``) the trend must rise beyond chance (Cochran and Armitage, one-sided at
    ``RISE_LEVEL``): a score that tells nothing of the labelled cases is not trusted beyond them. The bounding windows
    are left out of the latter, since it would pick the worlds in which they lie low by chance.
    """
    if others.sum() < 2:
        return False
    lower, upper = np.triu_indices(len(shares), 1)
    pooled = (shares * labels)[lower] + (shares * labels)[upper]
    pooled = pooled / (labels[lower] + labels[upper])
    error = np.sqrt(np.maximum(pooled * (1 - pooled), 1e-12) * (1 / labels[lower] + 1 / labels[upper]))
    falls = (shares[lower] - shares[upper]) / error
    if falls.max() > norm.isf(FALL_LEVEL / len(lower)):
        return False
    rank, shares, labels = np.flatnonzero(others).astype(float), shares[others], labels[others]
    overall = float(np.average(shares, weights=labels))
    centred = rank - np.average(rank, weights=labels)
    spread = np.sqrt(overall * (1 - overall) * (labels * centred**2).sum())
    return bool(spread > 0 and (labels * centred * shares).sum() / spread > norm.isf(RISE_LEVEL))


def _nearest(scores: Floats, windows: list[_Window]) -> Floats:
    """Return floor, ceiling, their labels and their windows, of each score, from the nearest whole windows."""
    numbers = np.array([i for i, w in enumerate(windows) if w.covered], np.int64)
    usable = [windows[i] for i in numbers]
    share = np.array([w.share for w in usable] + [np.nan])
    labels = np.array([w.labels for w in usable] + [np.inf])
    number = np.append(numbers, -1)
    below = np.searchsorted([w.high for w in usable], scores, side="right") - 1
    above = np.searchsorted([w.low for w in usable], scores, side="left")
    floor = np.where(below >= 0, share[below], 0.0)
    ceiling = np.where(above < len(usable), share[above], 1.0)
    found = np.column_stack([floor, ceiling, labels[below], labels[above], number[below], number[above]])
    crossed = floor > ceiling
    found[crossed] = found[crossed][:, [1, 0, 3, 2, 5, 4]]
    return found


def _modelled(identified: pl.DataFrame, bounds: Floats) -> pl.DataFrame:
    """Give bounded cases their standing, and a domain for each flow cell and pair of windows."""
    names = ("floor", "ceiling", "floor_labels", "ceiling_labels", "floor_window", "ceiling_window")
    columns = [pl.Series(n, bounds[:, i]).fill_nan(None) for i, n in enumerate(names)]
    frame = identified.with_columns(columns).with_columns(pl.col("floor_window", "ceiling_window").cast(pl.Int64))
    bounded = (pl.col("floor_window") >= 0) | (pl.col("ceiling_window") >= 0)
    pair = pl.struct("cell", "floor_window", "ceiling_window").rank("dense").cast(pl.Int64)
    return frame.with_columns(
        standing=pl.when(bounded).then(pl.lit("modelled")).otherwise("standing"),
        domain=pl.when(bounded).then(pl.col("domain").max() + pair).otherwise("domain"),
    )


def _used(banded: list[pl.DataFrame], bounds: Floats) -> pl.DataFrame:
    if not banded:
        return pl.DataFrame(schema={"window": pl.Int64, "weight": pl.Float64, "known": pl.Float64})
    windows: NDArray[np.float64] = np.unique(bounds[:, 4:])
    return pl.concat(banded).filter(pl.col("window").is_in(windows.astype(int).tolist()))
