"""Give new texts their themes a batch at a time, each by itself: neither its neighbours nor the batch mean anything."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from gne_analytics.themes.auto import reading, unread
from gne_analytics.themes.cache import Progress
from gne_analytics.themes.embedders import Embedder
from gne_analytics.themes.model import ThemeModel, reader_of
from gne_analytics.themes.texts import checked, clean, corpus, folded_into, skeleton

BATCH = 8_192
"""Rows of which vectors are held at once."""
TOLD = {"theme_id": pl.String(), "similarity": pl.Float64(), "low_similarity": pl.Boolean()}
"""What is told of each text."""


def assign(
    model: ThemeModel,
    texts: pl.DataFrame,
    *,
    embedder: Embedder | None = None,
    cache_dir: Path | None = None,
    guess: bool = False,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Give each new text the theme of the nearest leaf, as the fit does beyond its sample.

    Theme and similarity of a row follow from its text and language alone, so that they are the same in any batch and
    on any engine (`engines.with_themes`). A row without a word (null, empty, emoji) has no theme.

    Args:
        model: fitted or loaded.
        texts: id and text, and unit and language where known.
        embedder: that of the model, where it is not one by name.
        cache_dir: where embeddings are kept by content: only texts that it has not seen are read.
        guess: texts in a language that the fast embedder does not know are guessed from their letters, not read by the
            slow one: for millions of them, at a price in accuracy. A model fitted on few texts (`auto.FEW`) has all
            texts read by both all the same.
        progress: called with (done, to do), in rows.

    Returns:
        id, theme_id, similarity, low_similarity, folded_into, campaign, in order of id.

    Raises:
        DataError: no text column, no row, no word, ids repeated, another embedder than the model's.
        ModelError: an embeddings endpoint failed; what was embedded is kept.
    """
    reader = reader_of(model, embedder)
    folded = folded_into(corpus(texts, model.view).rows).select("folded_into", "campaign")
    rows = checked(texts, model.view)
    parts = []
    for start in range(0, rows.height, BATCH):
        part = rows[start : start + BATCH]
        watch = None if progress is None else _within(progress, start, part.height, rows.height)
        parts.append(
            themes_of(model, reader, part["text"].to_list(), part["language"].to_list(), cache_dir, guess, watch)
        )
        if progress is not None:
            progress(start + part.height, rows.height)
    return pl.concat([rows.select("id"), pl.concat(parts), folded], how="horizontal")


def themes_of(
    model: ThemeModel, reader: Embedder, texts: Sequence[str | None], languages: Sequence[str | None],
    cache_dir: Path | None = None, guess: bool = False, progress: Progress | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Return the columns of TOLD for some texts, in their order; ``reader`` is ``reader_of(model)``."""
    read = [clean(text or "") for text in texts]
    worded = [i for i, text in enumerate(read) if skeleton(text)]
    if not worded:
        return pl.DataFrame([(None, None, True)] * len(read), schema=TOLD, orient="row")
    known = {text: place for place, text in enumerate(dict.fromkeys(read[i] for i in worded))}
    vectors = reading(reader, list(known), cache_dir, progress, strange=0 if guess else len(known))
    rows_in = [known[read[i]] for i in worded]
    dark = unread(reader, list(known))[rows_in]
    placed = model.place(vectors[rows_in], [languages[i] for i in worded])
    found = model.leaves.nearest(placed)
    told = model.told(found.theme, found.similarity).with_columns(
        pl.col("low_similarity") | pl.Series(dark), row=pl.Series(worded, dtype=pl.Int64)
    )
    rows = pl.DataFrame({"row": pl.int_range(len(read), eager=True)})
    every = rows.join(told, on="row", how="left", maintain_order="left")
    return every.select(*TOLD).with_columns(pl.col("low_similarity").fill_null(value=True))


def _within(progress: Progress, start: int, rows: int, of: int) -> Progress:
    """A part's progress as that of the whole."""
    return lambda done, todo: progress(start + rows * done // max(todo, 1), of)
