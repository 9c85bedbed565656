"""Embedders for tests: they need no model and tell what they were asked."""

from collections.abc import Sequence

from gne_analytics.themes.embedders import Ngrams, Vectors


class Counting(Ngrams):
    """N-grams that remember what they were asked to read."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Embed texts, and keep them."""
        self.asked += texts
        return super().encode(texts)
