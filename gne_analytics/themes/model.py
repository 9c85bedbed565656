"""A fitted theme model: an artefact of arrays and JSON, read by eye, loaded without running anything."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from re import fullmatch

import numpy as np
import polars as pl

from gne_analytics.errors import DataError
from gne_analytics.evidence.types import Theme
from gne_analytics.themes.auto import STRANGE, Auto, reading
from gne_analytics.themes.cache import Progress
from gne_analytics.themes.embedders import Embedder, Vectors, make_embedder, unit_length
from gne_analytics.themes.leaves import Leaves
from gne_analytics.themes.texts import Corpus, folded_into

VERSION = 2
READ_AT_ONCE = 20_000
_AUTO = "auto_"
WITHOUT_LEAVES = 1
"""The version whose models know themes by their centres alone; it is still read, so that ids live on."""


@dataclass(frozen=True)
class ThemeModel:
    """Everything that is needed to give a new text its theme."""

    view: str
    themes: tuple[Theme, ...] = field(repr=False)
    leaves: Leaves = field(repr=False)
    """Where texts are placed: the centres of themes and of the finest themes within them."""
    mean: Vectors = field(repr=False)
    """What is subtracted from every vector before it is compared: the fit's mean."""
    floors: tuple[float, ...] = field(repr=False)
    """Per theme, the similarity under which a text is flagged as far from it (Tukey's lower fence)."""
    embedder_name: str
    embedder_id: str
    seed: int
    auto: Auto | None = field(default=None, repr=False)
    """What the default embedder learnt."""
    language_means: dict[str, Vectors] = field(default_factory=dict, repr=False)
    """Where the fit centred each language: its mean."""
    issued: int = 0
    """The highest number that a theme's id ever bore here; one that died is not given again. 0: as many as themes."""

    @property
    def next_number(self) -> int:
        """The number of the next theme to be born."""
        return max(self.issued, len(self.themes)) + 1

    def place(self, vectors: Vectors, languages: list[str | None]) -> Vectors:
        """Move vectors into the space of the leaves."""
        return place(vectors, self.mean, self.language_means, languages)

    def told(self, theme: np.ndarray, similarity: np.ndarray) -> pl.DataFrame:
        """Return theme_id, similarity, and low_similarity: whether it is under the theme's floor."""
        ids = np.array([t.id for t in self.themes], dtype=object)
        low = similarity < np.array(self.floors)[theme]
        return pl.DataFrame(
            {"theme_id": pl.Series(ids[theme], dtype=pl.String), "similarity": similarity.astype(np.float64),
             "low_similarity": low}
        )  # fmt: skip


def place(vectors: Vectors, mean: Vectors, by_language: dict[str, Vectors], languages: list[str | None]) -> Vectors:
    """Subtract the language's mean where it is known, else the general one, and scale to length one."""
    if not by_language:
        return unit_length(vectors - mean)
    base = np.stack([by_language.get(language or "", mean) for language in languages])
    return unit_length(vectors - base)


def reader_of(model: ThemeModel, embedder: Embedder | None = None) -> Embedder:
    """Return the embedder that the model was fitted with; another one than that is a DataError."""
    reader = embedder or model.auto or make_embedder(model.embedder_name)
    if reader.id != model.embedder_id:
        raise DataError(
            f"the theme model of {model.view!r} was fitted with the embedder {model.embedder_id!r}, "
            f"not {reader.id!r}; fit it again or install that version."
        )
    return reader


def blocks_of(
    model: ThemeModel, found: Corpus, embedder: Embedder | None = None, cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> Iterator[Vectors]:  # fmt: skip
    """Yield the distinct texts' vectors in the space of the model's leaves, READ_AT_ONCE at a time, as a fit does.

    What the cache holds is not read anew. Texts of a language that the fit has not seen are placed by the general mean.
    """
    reader, languages = reader_of(model, embedder), languages_of(found)
    for start in range(0, found.n, READ_AT_ONCE):
        part = slice(start, start + READ_AT_ONCE)
        strange = 0 if start else STRANGE
        yield model.place(reading(reader, found.texts[part], cache_dir, progress, strange), languages[part])


def read(
    model: ThemeModel, found: Corpus, embedder: Embedder | None = None, cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> Vectors:  # fmt: skip
    """Return what `blocks_of` yields in one piece."""
    return np.concatenate(list(blocks_of(model, found, embedder, cache_dir, progress)))


def languages_of(found: Corpus) -> list[str | None]:
    """Return the most frequent language of each distinct text (ties: the first by name), None where unknown."""
    known = found.rows.drop_nulls(["group", "language"]).group_by("group", "language").len()
    first = known.sort("group", "len", "language", descending=[False, True, False]).unique("group", keep="first")
    languages: list[str | None] = [None] * found.n
    for group, language in first.select("group", "language").iter_rows():
        languages[group] = language
    return languages


def assignments(found: Corpus, theme: np.ndarray, similarity: np.ndarray, model: ThemeModel) -> pl.DataFrame:
    """Spread the themes of distinct texts over the rows; a row without a word has none."""
    per_text = model.told(theme, similarity).with_columns(group=pl.int_range(found.n))
    rows = folded_into(found.rows).join(per_text, on="group", how="left", maintain_order="left")
    columns = ("id", "theme_id", "similarity", "low_similarity", "folded_into", "campaign")
    return rows.with_columns(pl.col("low_similarity").fill_null(value=True)).select(columns)


def save(model: ThemeModel, folder: Path) -> None:
    """Write the model as ``model.json`` and the file of arrays that it names; a crash leaves the older model whole."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, np.ndarray] = {
        "centroids": model.leaves.themes, "leaf_centres": model.leaves.centres, "owner": model.leaves.owner,
        "mean": model.mean,
    }  # fmt: skip
    languages = sorted(model.language_means)
    if languages:
        arrays["language_means"] = np.stack([model.language_means[name] for name in languages])
    if model.auto is not None:
        arrays |= {_AUTO + name: part for name, part in model.auto.arrays().items()}
    held = f"arrays-{_digest(arrays)}.npz"
    card = {
        "version": VERSION,
        "arrays": held,
        "view": model.view,
        "seed": model.seed,
        "issued": model.issued,
        "embedder": {"name": model.embedder_name, "id": model.embedder_id},
        "languages": languages,
        "floors": list(model.floors),
        "themes": [theme.model_dump(mode="json") for theme in model.themes],
    }
    partial = folder / ".arrays.partial"
    with partial.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    partial.replace(folder / held)
    (folder / ".model.partial").write_text(json.dumps(card, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    (folder / ".model.partial").replace(folder / "model.json")
    for older in folder.glob("arrays*.npz"):
        if older.name != held:
            older.unlink()


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    found = blake2b(digest_size=8)
    for name, array in arrays.items():
        found.update(f"{name} {array.dtype} {array.shape} ".encode() + array.tobytes())
    return found.hexdigest()


def load(folder: Path, cache_dir: Path | None = None) -> ThemeModel:
    """Read a model that ``save`` wrote; a folder that is none is a DataError."""
    folder = Path(folder)
    try:
        card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        held = str(card.get("arrays", "arrays.npz"))
        if not fullmatch(r"arrays(-[0-9a-f]+)?\.npz", held):
            raise ValueError(f"{held!r} is no file of arrays")
        with np.load(folder / held, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        if card["version"] not in (VERSION, WITHOUT_LEAVES):
            raise DataError(f"{folder} holds a theme model of version {card['version']}; fit it again.")
        if "fused_e5_mean" in arrays:
            raise DataError(f"{folder} holds themes of an older default embedder; fit them again.")
        learnt = {name.removeprefix(_AUTO): part for name, part in arrays.items() if name.startswith(_AUTO)}
        if card["embedder"]["name"] == "auto" and not learnt:
            raise ValueError("what its embedder learnt is missing")
        leaves = _leaves(arrays, card["version"])
        if not len(card["themes"]) == len(card["floors"]) == len(leaves.themes):
            raise ValueError("its arrays are not those of its themes")
        return ThemeModel(
            view=card["view"],
            themes=tuple(Theme.model_validate(theme) for theme in card["themes"]),
            leaves=leaves,
            mean=arrays["mean"],
            floors=tuple(card["floors"]),
            embedder_name=card["embedder"]["name"],
            embedder_id=card["embedder"]["id"],
            seed=int(card["seed"]),
            issued=int(card.get("issued", 0)),
            auto=Auto(**learnt, cache_dir=cache_dir) if learnt else None,
            language_means=dict(zip(card["languages"], arrays.get("language_means", ()), strict=True)),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder} holds no theme model that can be read ({error}); fit the themes again.") from error


def _leaves(arrays: dict[str, np.ndarray], version: int) -> Leaves:
    if version == WITHOUT_LEAVES:
        return Leaves.whole(arrays["centroids"])
    leaves = Leaves(arrays["leaf_centres"], arrays["owner"], arrays["centroids"])
    if leaves.owner.shape != leaves.centres.shape[:1] or set(leaves.owner.tolist()) != set(range(len(leaves.themes))):
        raise ValueError("its leaves are not those of its themes")
    return leaves
