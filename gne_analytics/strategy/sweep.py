"""The Lagrangian sweep: which option each segment takes, as the price of one mistake against the other goes up.

Segments do not overlap, so that their differences add up and a weighted sum of the outcomes is least where it is least
in every segment by itself. Per segment each option is a line in the weight; their lower envelope gives the exact
weights at which it changes its option, and all segments' changes in order give every vertex of the lower convex hull of
all combinations. Combinations that lie above the hull are no sweep's, and are left out. Source: Everett (1963).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gne_analytics.strategy.estimate import Floats

REVIEW_PRICES = (1.0, 0.01, 4.0, 16.0)
"""A review's price in the sweeps, in terms of the stated one: as stated, next to nothing, and dearer."""
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Options:
    """What one segment can do: option x (wrongful enforcement, missed violations, reviews), differences to today.

    Option 0 is today's; of options that do alike the first is taken, so they stand in order of simplicity.
    """

    outcomes: Floats


@dataclass(frozen=True)
class Choice:
    """One point of the frontier: the option of every segment, and the weights of wrongful enforcement it is best at."""

    options: tuple[int, ...]
    weights: tuple[float, float]
    """From 0 (missed violations alone count) to 1; 0.5 is the stated costs."""
    review_price: float


def envelope(slopes: Floats, intercepts: Floats) -> list[tuple[float, int]]:
    """Return the lower envelope of lines over (0, 1): from which weight on which line is the lowest.

    Example:
        >>> envelope(np.array([-1.0, 0.0, 1.0]), np.array([1.0, 0.4, 0.0]))
        [(0.0, 2), (0.4, 1), (0.6, 0)]
    """
    first = np.lexsort((np.arange(len(slopes)), slopes, intercepts))[0]
    at, current, found = 0.0, int(first), [(0.0, int(first))]
    while True:
        falls = slopes < slopes[current] - TOLERANCE
        if not falls.any():
            return found
        gap = intercepts - intercepts[current]
        meets = np.where(falls, gap / np.where(falls, slopes[current] - slopes, 1.0), np.inf)
        nearest = max(at, float(meets.min()))
        if nearest >= 1 - TOLERANCE:
            return found
        tied = np.flatnonzero(meets <= nearest + TOLERANCE)
        current = int(tied[np.lexsort((tied, slopes[tied]))[0]])
        if nearest <= at + TOLERANCE and len(found) > 0:
            found[-1] = (at, current)
        else:
            at = nearest
            found.append((at, current))


def sweep(segments: Sequence[Options], costs: tuple[float, float, float]) -> list[Choice]:
    """Return every point of the frontier, from the fewest wrongful enforcements to the fewest missed violations.

    Args:
        segments: the options of each segment.
        costs: what a wrongful enforcement, a missed violation and a review cost. A mistake that costs nothing counts
            for one, so that the frontier is drawn all the same.
    """
    wrong, missed = (cost if cost > 0 else 1.0 for cost in costs[:2])
    reviewed = any(np.ptp(s.outcomes[:, 2]) > 0 for s in segments)
    made: dict[tuple[int, ...], Choice] = {}
    for price in REVIEW_PRICES if reviewed and costs[2] > 0 else (1.0,):
        walks = [_walk(s.outcomes, wrong, missed, price * costs[2] / 2) for s in segments]
        for choice in _merged(walks, price):
            made.setdefault(choice.options, choice)
    totals = {options: total(segments, options) for options in made}
    return [made[o] for o in sorted(made, key=lambda o: tuple(totals[o]))]


def total(segments: Sequence[Options], options: Sequence[int]) -> Floats:
    """Add up the outcomes of one option per segment."""
    return np.asarray(sum((s.outcomes[o] for s, o in zip(segments, options, strict=True)), np.zeros(3)), np.float64)


def _walk(outcomes: Floats, wrong: float, missed: float, review: float) -> list[tuple[float, int]]:
    """Return a segment's options by weight w, least in ``w wrong W + (1 - w) missed M + review R``."""
    at_zero = missed * outcomes[:, 1] + review * outcomes[:, 2]
    return envelope(wrong * outcomes[:, 0] - missed * outcomes[:, 1], at_zero)


def _merged(walks: Sequence[Sequence[tuple[float, int]]], price: float) -> list[Choice]:
    """Walk all segments at once: between two neighbouring changes of any of them nothing changes."""
    changes = sorted({at for walk in walks for at, _ in walk})
    starts = [at for i, at in enumerate(changes) if i == 0 or at > changes[i - 1] + TOLERANCE]
    position: Mapping[int, list[float]] = {i: [at for at, _ in walk] for i, walk in enumerate(walks)}
    found = []
    for start, end in zip(starts, [*starts[1:], 1.0], strict=True):
        middle = (start + end) / 2
        options = tuple(
            walk[int(np.searchsorted(position[i], middle, side="right")) - 1][1] for i, walk in enumerate(walks)
        )
        found.append(Choice(options, (start, end), price))
    return found
