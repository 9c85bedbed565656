"""A small marketplace of complaints: four subjects, five languages, many sellers."""

import itertools

import polars as pl
import pytest

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
