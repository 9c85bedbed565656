"""Where each language lies in the space of texts: what is taken out so that themes run across languages.

An embedder gives each language a place of its own. The mean of a language's texts is not that place where half of them
speak of what no other language does: taking it out scatters just that theme. So a language is held against the texts of
the others that say the same, as far as it has any.
"""

from collections.abc import Sequence

import numpy as np

from gne_analytics.themes.embedders import Vectors, unit_length
from gne_analytics.themes.graph import Labels

ENOUGH = 20
"""Distinct texts a language needs for a place of its own."""
DRAWN = 300
"""Texts of a language, first by content hash, by which its place is found."""
LIKES = 5
"""A text is held against so many nearest ones of other languages,"""
MATCHED = 0.5
"""and that part of them which is nearest to such decides."""
ROUNDS = 4


def places_of(vectors: Vectors, languages: Sequence[str | None]) -> dict[str, Vectors]:
    """Return the place of each language that has enough texts; none where languages are unknown.

    From the means on, in a few rounds: the mean, over the best matched of a language's texts, of their vector less the
    mean of their nearest texts in other languages, the places of these taken out. One language alone has its mean.
    """
    known = np.array([language or "" for language in languages])
    names, codes = np.unique(known, return_inverse=True)
    rows = [np.flatnonzero(codes == i)[:DRAWN] for i in range(len(names))]
    spoken = [i for i, name in enumerate(names) if name and (codes == i).sum() >= ENOUGH]
    place = {i: vectors[codes == i].mean(axis=0) for i in spoken}
    for _ in range(ROUNDS if len(spoken) > 1 else 0):
        left = {i: vectors[rows[i]] - place[i] for i in spoken}
        place = {i: _place(vectors[rows[i]], left[i], np.vstack([left[j] for j in spoken if j != i])) for i in spoken}
    return {str(names[i]): place[i] for i in spoken}


def _place(own: Vectors, left: Vectors, others: Vectors) -> Vectors:
    """A language's place by its texts, their vectors less its present place, and those of the other languages."""
    likeness = unit_length(left) @ unit_length(others).T
    k = min(LIKES, len(others))
    near = np.argpartition(-likeness, k - 1, axis=1)[:, :k]
    matched = np.argsort(-np.take_along_axis(likeness, near, axis=1).mean(axis=1), kind="stable")
    best = matched[: max(int(MATCHED * len(own)), ENOUGH // 2)]
    found: Vectors = (own[best] - others[near[best]].mean(axis=1)).mean(axis=0)
    return found


def agreement_with_language(theme: Labels, languages: Sequence[str | None]) -> float | None:
    """Return the normalised mutual information of themes and languages, 0 to 1; None under two known languages."""
    known = np.array([language is not None for language in languages])
    spoken = np.array([language or "" for language in languages])[known]
    if len(np.unique(spoken)) < 2:
        return None
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(theme[known], spoken))
