"""A model that knows more than the score narrows an estimate from audits, and can do it no harm.

A cross-fitted model guesses the truth of every estimable case; audits estimate what the guess gets wrong. The guess is
multiplied by lambda, between 0 (audits alone) and 1, so that the variance is smallest. Guesses and lambda of a seller
come from the other sellers' labels. Where the variance does not fall, nothing changes; what the estimate comes to
plays no part in that choice.

Source: Angelopoulos, Duchi and Zrnic (2023), PPI++; the difference estimator of Cassel, Sarndal and Wretman (1976) with
the audits' inverse probabilities.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gne_analytics.strategy.identify import Floats, Label, effective, with_labels

PARTS = 5
"""Parts of the sellers; each is guessed by a model of the others."""
MIN_GAIN = 1.1
"""The model is used where it makes one label worth at least so many."""
MIN_EACH = 10
"""Labels of either truth that a model, and a flow cell that it is used in, need."""
MIN_ASSISTED = 100
"""Effective labels of a flow cell under which a fall of the variance could be luck."""
KNOWN_THEN = ("theme_id", "appealed", "enforced", "human")
"""What is known of a case beside its attributes, and tells of its truth."""


def assist(identified: pl.DataFrame, cases: pl.DataFrame, label: Label, attributes: Sequence[str]) -> pl.DataFrame:
    """Add ``predicted`` (lambda times the guess) and ``gain`` (what a label is worth with it) for ``tally`` to use.

    Args:
        identified: what ``identify`` returns.
        cases: labelled cases to learn from, with the columns ``identify`` needs; ``fold`` or ``unit`` where sellers
            are known.
        label: the target. Under ``latent`` the decision of an appeal is a predictor.
        attributes: columns known at the decision; those that name single things (``_id``) are left out.

    Where no flow cell gains, the frame is returned as it was.
    """
    learned = with_labels(cases, label).filter(pl.col("known").is_in([0.0, 1.0]))
    pooled = pl.col("standing").is_in(["audited", "estimable"])
    wanted = identified.filter(pooled & (pl.col("standing") == "estimable").any().over("domain"))
    violating = int(learned["known"].sum())
    if wanted.is_empty() or min(violating, learned.height - violating) < MIN_EACH:
        return identified
    parts = _parts(wanted, learned)
    guess = _cross_fitted(wanted, learned, parts, _design(wanted, learned, label, attributes))
    tuned, gain = _tuned(wanted, guess, parts[0])
    if gain.max() <= 1:
        return identified
    found = wanted.select("case_id", predicted=pl.Series(tuned), gain=pl.Series(gain))
    frame = identified.join(found, on="case_id", how="left", maintain_order="left")
    return frame.with_columns(pl.col("predicted").fill_null(0.0), pl.col("gain").fill_null(1.0))


def _parts(wanted: pl.DataFrame, learned: pl.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the part of every case of both frames, one for all cases of a seller."""
    shared = [c for c in ("fold", "unit", "case_id") if c in wanted.columns and c in learned.columns]
    key = pl.coalesce(pl.format(c + " {}", pl.col(c)) for c in shared)
    keys = [f.select(key).to_series().to_numpy() for f in (wanted, learned)]
    numbers = np.unique(np.concatenate(keys), return_inverse=True)[1].astype(np.int64) % PARTS
    return numbers[: wanted.height], numbers[wanted.height :]


def _cross_fitted(
    wanted: pl.DataFrame,
    learned: pl.DataFrame,
    parts: tuple[NDArray[np.int64], NDArray[np.int64]],
    design: tuple[Floats, Floats],
) -> Floats:
    """Return the chance of a violation of every wanted case, by a logistic regression of the other parts' labels."""
    from sklearn.linear_model import LogisticRegression  # heavy, and only needed here

    (here, there), (x_wanted, x) = parts, design
    y = learned["known"].to_numpy()
    chance = np.full(wanted.height, float(y.mean()))
    for part in np.unique(here):
        others = there != part
        if 0 < y[others].mean() < 1:
            model = LogisticRegression(max_iter=200).fit(x[others], y[others])
            chance[here == part] = model.predict_proba(x_wanted[here == part])[:, 1]
    return chance


def _design(
    wanted: pl.DataFrame, learned: pl.DataFrame, label: Label, attributes: Sequence[str]
) -> tuple[Floats, Floats]:
    """Code values (rare ones together) as indicators, and the score with its square."""
    from sklearn.preprocessing import OneHotEncoder

    known = [a for a in attributes if not a.endswith("_id")] + list(KNOWN_THEN)
    names = [c for c in dict.fromkeys(known) if c in wanted.columns and c in learned.columns]
    values = [pl.col(c).cast(pl.String).fill_null("") for c in names]
    if "category" in names:
        values.append(pl.col("category").cast(pl.String).fill_null("").str.split("/").list.first().alias("top"))
    if label == "latent":
        values.append(pl.col("decided_violating").cast(pl.String).fill_null(""))
    score = pl.col("score").fill_null(0.0)
    middle, scale = learned.select(score.mean(), score.std().alias("scale")).row(0)
    numbers = [(score - middle) / (scale or 1.0), ((score - middle) / (scale or 1.0)).pow(2).alias("square")]
    coder = OneHotEncoder(min_frequency=MIN_EACH, handle_unknown="infrequent_if_exist", sparse_output=False)
    coder.fit(learned.select(values).to_numpy())
    return tuple(  # type: ignore[return-value]
        np.hstack([f.select(numbers).to_numpy(), coder.transform(f.select(values).to_numpy())])
        for f in (wanted, learned)
    )


def _tuned(wanted: pl.DataFrame, guess: Floats, part: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return lambda times the guess, and the gain, of every case; nought and one in flow cells that do not gain."""
    tuned, gain = np.zeros(wanted.height), np.ones(wanted.height)
    weight = wanted["weight"].fill_null(0.0).to_numpy()
    known = wanted["known"].fill_null(0.0).to_numpy()
    domain = wanted["domain"].rank("dense").to_numpy().astype(np.int64) - 1
    for cell in np.unique(wanted["cell"].to_numpy()):
        inside = wanted["cell"].to_numpy() == cell
        audited = np.flatnonzero(inside & (weight > 0))
        y, w, d = known[audited], weight[audited], domain[audited]
        if effective(w) < MIN_ASSISTED or min(y.sum(), (1 - y).sum()) < MIN_EACH:
            continue
        mine = np.zeros(wanted.height)
        for number in np.unique(part[inside]):
            others = part[audited] != number
            rate = power(y[others], guess[audited][others], w[others], d[others])
            mine[inside & (part == number)] = rate * guess[inside & (part == number)]
        worth = spread(y, w, d) / max(spread(y - mine[audited], w, d), 1e-12)
        if worth >= MIN_GAIN:
            tuned[inside], gain[inside] = mine[inside], worth
    return tuned, gain


def power(y: Floats, guess: Floats, weight: Floats, domain: NDArray[np.int64]) -> float:
    """Return lambda of PPI++, between 0 and 1: the slope of truth on guess within domains, with squared weights."""
    moved, centred = _within(guess, weight, domain), _within(y, weight, domain)
    below = float((weight**2 * moved**2).sum())
    return float(np.clip((weight**2 * moved * centred).sum() / below, 0, 1)) if below > 0 else 0.0


def spread(y: Floats, weight: Floats, domain: NDArray[np.int64]) -> float:
    """Return the design variance of the weighted sum within domains, but for a factor."""
    return float((weight**2 * _within(y, weight, domain) ** 2).sum())


def _within(y: Floats, weight: Floats, domain: NDArray[np.int64]) -> Floats:
    """Take from each value its domain's weighted mean."""
    total = np.bincount(domain, weight)
    mean = np.bincount(domain, weight * y) / np.where(total > 0, total, 1.0)
    return np.asarray(y - mean[domain], np.float64)
