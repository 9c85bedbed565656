"""How well themes follow labels that they were not told, beside UMAP + HDBSCAN and EVoC on the same vectors.

    GNE_TEXTDATA=DIR python -m benchmarks.themes [--parts sets reading clustering end million] [--seeds 2] [--json FILE]

Fifteen sets are cut from two public ones: banking messages by number and size of their intents, sentences by topic in
one and in thirteen languages, and sentences with their translations, many small and clear groups. All are read by USE
and centred (by language where there are several). The rivals' outliers are given to the nearest centre, which is free
and the only fair way; they run in an environment of their own, made from ``benchmarks/peers/clusterers.txt``. The rule
was settled on these very sets and on others that METHODS.md names. AMI, NMI, ARI as scikit-learn has them.
The other parts measure speed and are told in `benchmarks.themes_scale`.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, normalized_mutual_info_score

from benchmarks.child import run_child
from benchmarks.rivals import CACHE, install
from benchmarks.rivals import CLUSTERERS as RIVALS
from benchmarks.themes_scale import FEW, clustering, end_to_end, million, reading
from gne_analytics.themes.embedders import Use, Vectors, unit_length
from gne_analytics.themes.graph import GraphClusterer, Labels, settle

UNKNOWN_TO_USE = ("ind_Latn", "vie_Latn", "zsm_Latn")
INTENTS = ((10, 1), (20, 2), (40, 3))
SENTENCES = ((100, 13, 7), (89, 13, 8), (150, 6, 9))
"""Sentences, languages, seed."""

Named = tuple[str, Vectors, "np.typing.NDArray[np.str_]"]


PARTS = ("sets", "reading", "clustering", "end", "million")


def main() -> None:
    """Measure the parts that are asked for, print tables, and write the same figures as one JSON object."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--data", type=Path, default=os.environ.get("GNE_TEXTDATA"))
    reader.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    reader.add_argument("--seeds", type=int, default=2)
    reader.add_argument("--ours", action="store_true", help="leave the rivals of the sets out")
    reader.add_argument("--peers", type=Path, default=CACHE, help="folder of the rivals' environments")
    reader.add_argument("--json", type=Path)
    args = reader.parse_args()
    if args.data is None:
        reader.error("point --data or GNE_TEXTDATA at the folder that holds banking77.parquet")
    banking = pl.read_parquet(Path(args.data) / "banking77.parquet")
    texts, label = banking["text"].to_list(), banking["label"].cast(pl.String)
    whole: dict[str, Any] = {}
    if "reading" in args.parts:
        sentences = pl.read_parquet(Path(args.data) / "sib200_16lang.parquet")
        known = sentences.filter(~pl.col("lang").is_in(UNKNOWN_TO_USE)).sample(3_000, seed=1)["text"].to_list()
        print("texts read by USE", flush=True)
        whole |= reading({"messages": texts[:FEW], "sentences": known})
    if "clustering" in args.parts:
        print("100,000 given vectors, 77 labels", flush=True)
        whole |= clustering(Use().encode(texts), label.to_numpy(), args.peers)
    if "end" in args.parts:
        print("10,000 texts, from text to themes", flush=True)
        whole |= end_to_end(texts[:FEW], label.to_list()[:FEW], args.peers)
    if "million" in args.parts:
        print("many short texts, from text to themes", flush=True)
        whole |= million(texts)
    if "sets" in args.parts:
        whole |= quality(Path(args.data), args.seeds, None if args.ours else args.peers)
    print(" ".join(f"{k} {v:.3f}" for k, v in whole.items() if isinstance(v, float)))
    if args.json:
        args.json.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def quality(folder: Path, seeds: int, peers: Path | None) -> dict[str, Any]:
    """Cluster every labelled set by ours and, in an environment in ``peers``, by the rivals; print a line for each."""
    python, why = (None, "left out") if peers is None else install(RIVALS, peers)
    print(f"rivals: {why or python}")
    print(
        f"{'set':16} {'texts':>6} {'labels':>6} {'themes':>6} {'AMI':>6} {'NMI':>6} {'ARI':>6} {'CPU s':>6}  best rival"
    )
    lines = [_line(name, vectors, labels, seeds, python) for name, vectors, labels in sets(folder)]
    known = [x for x in lines if x["ami_best_rival"] is not None]
    return {
        "sets": {x.pop("name"): x for x in lines}, "ami": float(np.mean([x["ami"] for x in lines])),
        "ami_best_rival": float(np.mean([x["ami_best_rival"] for x in known])) if known else None,
        "worst_difference": min((x["ami"] - x["ami_best_rival"] for x in known), default=None),
        "shuffle_ari": float(np.mean([x["shuffle_ari"] for x in lines])), "seeds": seeds,
    }  # fmt: skip


def _line(name: str, vectors: Vectors, labels: Any, seeds: int, python: Path | None) -> dict[str, Any]:
    start = time.process_time()
    found = [GraphClusterer(seed).fit(vectors).labels_ for seed in range(seeds)]
    spent = (time.process_time() - start) / seeds
    order = np.random.default_rng(0).permutation(len(vectors))
    shuffled = np.empty_like(found[0])
    shuffled[order] = GraphClusterer(0).fit(vectors[order]).labels_
    own: dict[str, Any] = {
        "name": name,
        "texts": len(labels),
        "labels": len(np.unique(labels)),
        **scored(labels, found),
    }
    own |= {"cpu": spent, "shuffle_ari": float(adjusted_rand_score(found[0], shuffled)), "rivals": {}}
    for kind in RIVALS.formulations if python else ():
        own["rivals"][kind] = _rival(str(python), kind, vectors, labels, seeds)
    amis = [r["ami"] for r in own["rivals"].values() if "ami" in r]
    own["ami_best_rival"] = max(amis, default=None)
    print(f"{name:16} {own['texts']:6} {own['labels']:6} {own['themes']:6.0f} {own['ami']:6.3f} {own['nmi']:6.3f} "
          f"{own['ari']:6.3f} {spent:6.1f}  {own['ami_best_rival'] or '-'}", flush=True)  # fmt: skip
    return own


def _rival(python: str, kind: str, vectors: Vectors, labels: Any, seeds: int) -> dict[str, Any]:
    """A rival's scores, outliers settled as ours are; or why there are none."""
    with tempfile.TemporaryDirectory(prefix="gne-themes-") as folder:
        file = Path(folder) / "vectors.npy"
        np.save(file, vectors)
        done = run_child((python, str(RIVALS.runner), str(file), kind, str(seeds)), patience=900, most_gb=12)
    if not done.value:
        return {"why": done.why}
    return {**scored(labels, [settle(vectors, np.asarray(x)) for x in done.value["labels"]]), "cpu": done.value["cpu"]}


def scored(labels: Any, found: "list[Labels]") -> dict[str, float]:
    """Mean agreement with the labels, and number of themes, over seeds."""
    measures = {
        "ami": adjusted_mutual_info_score, "nmi": normalized_mutual_info_score, "ari": adjusted_rand_score,
    }  # fmt: skip
    out = {name: float(np.mean([measure(labels, x) for x in found])) for name, measure in measures.items()}
    return {**out, "themes": float(np.mean([len(np.unique(x)) for x in found]))}


def sets(folder: Path) -> Iterator[Named]:
    """The fifteen sets: name, vectors of length one, labels."""
    banking, sib = (pl.read_parquet(folder / f"{name}.parquet") for name in ("banking77", "sib200_16lang"))
    use = Use()
    yield from intents(use.encode(banking["text"].to_list()), banking["label"].cast(pl.String).to_numpy())
    read, language = use.encode(sib["text"].to_list()), sib["lang"].to_numpy()
    topic, sentence = sib["label"].to_numpy(), sib["index_id"].cast(pl.String).to_numpy()
    for one in ("eng_Latn", "deu_Latn", "zho_Hans"):
        yield f"topics {one[:3]}", *_centred(read[language == one], topic[language == one])
    means = {one: read[language == one].mean(axis=0) for one in np.unique(language)}
    centred = unit_length(read - np.stack([means[one] for one in language]))
    yield "topics 16 lang", centred, topic
    known = ~np.isin(language, UNKNOWN_TO_USE)
    some = np.sort(np.random.default_rng(5).permutation(np.flatnonzero(known))[:4000])
    yield "topics 13 lang", centred[some], topic[some]
    names = np.unique(language[known])
    for many, speak, seed in SENTENCES:
        chosen = np.random.default_rng(seed).choice(np.unique(sentence), many, replace=False)
        rows = np.isin(sentence, chosen) & np.isin(language, names[:speak])
        yield f"sentences {many}x{speak}", centred[rows], sentence[rows]
    rows = np.zeros(len(sentence), dtype=bool)
    for j, one in enumerate(np.random.default_rng(11).permutation(np.unique(sentence))[:90]):
        rows[np.flatnonzero((sentence == one) & known)[: max(3, int(13 * 0.97**j))]] = True
    yield "sentences skewed", centred[rows], sentence[rows]


def intents(read: Vectors, label: Any) -> Iterator[Named]:
    """Banking messages: all, some intents, some messages, and intents of very different size."""
    names = np.unique(label)
    yield "intents 77", *_centred(read, label)
    for many, seed in INTENTS:
        rows = np.isin(label, np.random.default_rng(seed).choice(names, many, replace=False))
        yield f"intents {many}", *_centred(read[rows], label[rows])
    rng = np.random.default_rng(4)
    some = np.sort(rng.permutation(len(label))[:3000])
    yield "intents 77 of 3k", *_centred(read[some], label[some])
    held = [np.flatnonzero(label == one) for one in rng.permutation(names)[:50]]
    skewed = np.sort(np.concatenate([x[: max(12, int(len(x) * 0.93**i))] for i, x in enumerate(held)]))
    yield "intents 50 skewed", *_centred(read[skewed], label[skewed])


def _centred(vectors: Vectors, labels: Any) -> tuple[Vectors, Any]:
    return unit_length(vectors - vectors.mean(axis=0)), labels


if __name__ == "__main__":
    main()
