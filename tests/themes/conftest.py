"""A small marketplace of complaints: four subjects, five languages, many sellers."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from zlib import crc32

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from gne_analytics.tables.derived import FOLDS, fold_of
from gne_analytics.themes import Themes, fit_themes
from gne_analytics.themes.embedders import Vectors, unit_length
from gne_analytics.themes.views import FACTS, bare_facts

SUBJECTS = {
    "invoice": [
        ("en", "I sent the purchase {a} invoice and nobody {b} read it"),
        ("en", "the {a} invoice of my supplier was {b} ignored"),
        ("es", "envié la factura {a} de compra y nadie la {b} leyó"),
        ("id", "saya sudah kirim faktur {a} pembelian dan {b} tidak dibaca"),
    ],
    "logo": [
        ("en", "there is no brand logo {a} on this shirt, the machine {b} is wrong"),
        ("en", "your system saw a logo {a} in the pattern {b} of the shirt"),
        ("th", "ไม่มีโลโก้แบรนด์ {a} บนเสื้อ ระบบ {b} อ่านผิด"),
        ("zh", "这件衬衫上没有{a}品牌标志，系统{b}识别错误"),
    ],
    "rule": [
        ("en", "which rule {a} did I break, the notice names {b} no clause"),
        ("en", "please tell me the rule {a} and the clause {b} that I broke"),
        ("es", "qué regla {a} he roto, el aviso no nombra {b} la cláusula"),
    ],
    "money": [
        ("en", "my family {a} lives from this shop, please {b} have mercy"),
        ("en", "this shop is my only income {a} and my family {b} is hungry"),
        ("id", "toko ini satu-satunya penghasilan {a} keluarga saya, {b} tolong"),
    ],
}
FILL_A = ["", "really", "again", "today", "honestly", "dear team", "twice", "already", "since May", "as shown"]
FILL_B = ["", "here", "now", "still", "at all", "of mine", "ever", "sadly"]


@pytest.fixture(scope="session")
def complaints() -> pl.DataFrame:
    """About 400 texts with the subject they were made from and who won."""
    rows = []
    for subject, patterns in SUBJECTS.items():
        for (language, pattern), a, b in itertools.product(patterns, FILL_A, FILL_B[:3]):
            rows.append({"subject": subject, "language": language, "text": pattern.format(a=a, b=b)})
    frame = pl.DataFrame(rows).with_row_index("n")
    return frame.select(
        "subject",
        "language",
        "text",
        id=pl.format("A{}", pl.col("n").cast(pl.String).str.zfill(4)),
        unit=pl.format("S{}", pl.col("n") * 7919 % 61),
        overturned=pl.when(pl.col("n") % 5 > 0).then((pl.col("subject") == "logo") & (pl.col("n") % 3 > 0)),
    )


class Subjects:
    """An embedder that knows the four subjects, so that tests of what comes after it are of that alone."""

    id = "subjects-1"
    heard = (r"invoice|factura|faktur", r"logo|โลโก้|标志", r"rule|regla", r"family|income|keluarga|toko")

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """A direction per subject, and noise that is the text's own."""
        own = [np.random.default_rng(crc32(text.encode())).normal(0, 0.16, 24) for text in texts]
        said = [[float(bool(re.search(subject, text))) for subject in self.heard] for text in texts]
        vectors = np.array(own, dtype=np.float32)
        vectors[:, :4] += np.array(said, dtype=np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="session")
def told(complaints: pl.DataFrame) -> Themes:
    """Themes of the complaints with a record behind them.

    Complaints of a logo come from Thailand twice as often as others, and end well where a photo is offered.
    """
    rng = np.random.default_rng(4)
    often = pl.concat([complaints.with_columns(pl.col("id") + suffix) for suffix in ("", "b", "c")])
    n, logo = often.height, (often["subject"] == "logo").to_numpy()
    photo = rng.random(n) < 0.5
    rows = often.with_columns(
        unit=pl.Series([f"S{i}" for i in rng.integers(0, 240, n)]),
        overturned=pl.Series(rng.random(n) < np.where(logo & photo, 0.85, 0.2)),
    )
    found = fit_themes(rows, "seller_text", embedder=Subjects(), centre_languages=False)
    day = [date(2026, 1, 5) + timedelta(days=int(d)) for d in rng.integers(0, 112, n)]
    about = rows.select("id", "unit", "overturned", violation_id=pl.lit("V-") + pl.col("id")).with_columns(
        fold=pl.Series([fold_of(u) for u in rows["unit"]], dtype=pl.Int64),
        event_date=pl.Series(day),
        event_week=pl.Series(day).dt.truncate("1w"),
        appealed=pl.lit(None, pl.Boolean),
        evidence=pl.Series([["photo"] if p else [] for p in photo]),
        market=pl.Series(np.where(rng.random(n) < np.where(logo, 0.6, 0.3), "TH", "ID")),
    )
    return replace(found, about=about.select(*FACTS, "market"))


class BySubject:
    """An embedder that knows the subjects: the first three entries of a vector say which one a text is about."""

    id = "by-subject"

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return vectors of length one."""
        rows = []
        for text in texts:
            noise = np.random.default_rng(crc32(text.encode())).normal(0, 0.02, 8)
            rows.append(np.concatenate([[float(s in text) for s in SAID], noise]))
        return unit_length(np.asarray(rows, dtype=np.float32))


class Argmax:
    """A clusterer that reads the subject off the vector."""

    labels_ = np.zeros(0, dtype=np.int64)

    def fit(self, X: Vectors) -> "Argmax":  # noqa: N803 - scikit-learn's name
        """Label each text with its subject."""
        self.labels_ = X[:, : len(SAID)].argmax(axis=1).astype(np.int64)
        return self


SAID = ("invoice", "logo", "rule")


@pytest.fixture(scope="session")
def voices() -> Themes:
    """Three themes of 1,500 texts with a planted record: what stands where, grows, and overturns.

    Logo texts come from TH, are new in the last weeks and overturn; inside them those with a photo overturn, and those
    that say “kindly” do not. Rule texts are upheld. The market of the others and the colour of all are drawn by lot.
    """
    rng = np.random.default_rng(5)
    n = 1500
    weeks = rng.integers(0, 16, n)
    subject = np.where((weeks >= 12) & (rng.random(n) < 0.4), 1, rng.integers(0, 3, n))
    photo, kindly = rng.random(n) < 0.5, rng.random(n) < 0.5
    chance = np.where(subject == 1, 0.4 + 0.4 * photo - 0.35 * kindly, np.where(subject == 2, 0.05, 0.3))
    words = ["please", "look", "again", "shop", "team", "order", "seller", "photo", "item", "listing", "buyer"]
    text = [
        f"the {SAID[s]} {' '.join(rng.choice(words, 3, replace=False))} {'kindly' if k else 'quickly'} {i}x"
        for i, (s, k) in enumerate(zip(subject, kindly, strict=True))
    ]
    frame = pl.DataFrame({
        "id": [f"A{i:05}" for i in range(n)], "text": text, "language": ["en"] * n,
        "unit": [f"S{u:03}" for u in rng.integers(0, 300, n)], "overturned": rng.random(n) < chance,
    })  # fmt: skip
    found = fit_themes(frame, "seller_text", embedder=BySubject(), clusterer=Argmax(), centre_languages=False)
    day = [date(2026, 1, 5) + timedelta(days=int(7 * w)) for w in weeks]
    about = bare_facts(frame).with_columns(
        violation_id=pl.format("V{}", pl.col("id")), fold=pl.col("unit").str.slice(1).cast(pl.Int64) % FOLDS,
        event_date=pl.Series(day), event_week=pl.Series(day), overturned=frame["overturned"],
        evidence=pl.Series([["photo"] if p else [] for p in photo], dtype=pl.List(pl.String)),
        market=pl.Series(np.where((subject == 1) & (rng.random(n) < 0.8), "TH", rng.choice(["ID", "GB"], n))),
        colour=pl.Series(rng.choice(["red", "blue", "green"], n)),
    )  # fmt: skip
    return replace(found, about=about)
