"""Many tests at once: adjusted p-values, which at or under a level are among what may be said."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def benjamini_hochberg(p: npt.ArrayLike) -> Floats:
    """Return adjusted p-values that hold the share of false discoveries to a level, in the order given.

    Benjamini and Hochberg (1995); under positive dependence too, Benjamini and Yekutieli (2001).

    Example:
        >>> benjamini_hochberg([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.04, 0.04]
    """
    from scipy.stats import false_discovery_control

    found: Floats = false_discovery_control(np.asarray(p, dtype=np.float64))
    return found


def holm(p: npt.ArrayLike) -> Floats:
    """Return adjusted p-values that hold the chance of any false one to a level, in the order given; Holm (1979).

    Example:
        >>> holm([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    adjusted = np.empty(values.size)
    adjusted[order] = np.maximum.accumulate(np.minimum(values[order] * np.arange(values.size, 0, -1), 1.0))
    return adjusted
