"""What sets one side apart from another: log odds with an informative Dirichlet prior.

Monroe, Colaresi and Quinn (2008), section 3.5.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

PRIOR = 50.0
"""Votes of the pooled shares that stand before the counts on either side."""
LEVEL = 0.05
"""False-discovery level of everything that is said of themes."""
Z95 = 1.959963984540054


def log_odds(inside: npt.ArrayLike, outside: npt.ArrayLike, n_inside: float, n_outside: float) -> tuple[Floats, Floats]:
    """Return the shrunk log odds ratio of each value, inside over outside, and its standard error.

    ``inside`` and ``outside`` count the votes of each value, of ``n_inside`` and ``n_outside`` in all. The prior is
    ``PRIOR`` votes spread as both sides together: it pulls what few say to a ratio of one. The error keeps the terms of
    the complements, which the paper drops since words are rare and values of a dimension are not. A value without a
    vote, and a side without any, give zero with an infinite error.

    Example:
        >>> ratio, error = log_odds([30, 70], [100, 900], 100, 1000)
        >>> bool(0.5 < ratio[0] < np.log(30 * 900 / (70 * 100)))
        True
    """
    one, two = np.asarray(inside, dtype=np.float64), np.asarray(outside, dtype=np.float64)
    both = n_inside + n_outside
    if min(n_inside, n_outside) <= 0:
        return np.zeros_like(one), np.full_like(one, np.inf)
    prior = PRIOR * (one + two) / both
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log((one + prior) / (n_inside + PRIOR - one - prior)) - np.log(
            (two + prior) / (n_outside + PRIOR - two - prior)
        )
        error = np.sqrt(
            1 / (one + prior) + 1 / (n_inside + PRIOR - one - prior)
            + 1 / (two + prior) + 1 / (n_outside + PRIOR - two - prior)
        )  # fmt: skip
    told = (one + two > 0) & np.isfinite(ratio)
    return np.where(told, ratio, 0.0), np.where(told, error, np.inf)


def p_two_sided(z: Floats) -> Floats:
    """Return the two-sided p-values of normal scores."""
    from scipy.special import ndtr

    found: Floats = 2 * ndtr(-np.abs(z))
    return found
