"""Where a text belongs: in the nearest of the finest themes, and so in the theme that holds that one.

This is the one way to place a text that was not clustered. A theme may have several kernels; its own centre then lies
between them, where no text is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gne_analytics.themes.embedders import Vectors
from gne_analytics.themes.graph import Labels

PLACED_AT_ONCE = 4_096


@dataclass(frozen=True)
class Nearest:
    """Per text its leaf, the leaf's theme, and the cosine to that theme's centre."""

    leaf: Labels
    theme: Labels
    similarity: NDArray[np.float32]


@dataclass(frozen=True)
class Leaves:
    """The centres of all leaves of the hierarchy, of length one, and of the themes that they are parts of."""

    centres: Vectors
    owner: Labels
    """The theme of each leaf."""
    themes: Vectors
    """The centre of each theme."""

    @classmethod
    def whole(cls, themes: Vectors) -> "Leaves":
        """Themes that are known by their centre alone: each is its only leaf."""
        return cls(themes, np.arange(len(themes), dtype=np.int64), themes)

    def nearest(self, placed: Vectors) -> Nearest:
        """Give texts their leaf, each by itself: what else is in the block means nothing."""
        n = len(placed)
        leaf, similarity = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.float32)
        for start in range(0, n, PLACED_AT_ONCE):
            part = slice(start, start + PLACED_AT_ONCE)
            leaf[part] = (placed[part] @ self.centres.T).argmax(axis=1)
            similarity[part] = np.einsum("ij,ij->i", placed[part], self.themes[self.owner[leaf[part]]])
        return Nearest(leaf, self.owner[leaf], similarity)

    def renumbered(self, themes: Labels, leaves: Labels) -> "Leaves":
        """The same in another order: of themes, and of leaves."""
        return Leaves(self.centres[leaves], np.argsort(themes)[self.owner][leaves], self.themes[themes])

    def with_new(self, centres: Sequence[Vectors]) -> "Leaves":
        """Add themes of one leaf each."""
        new = np.stack(list(centres)).astype(np.float32)
        numbers = np.arange(len(self.themes), len(self.themes) + len(new), dtype=np.int64)
        return Leaves(
            np.vstack([self.centres, new]), np.concatenate([self.owner, numbers]), np.vstack([self.themes, new])
        )
