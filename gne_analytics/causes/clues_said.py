"""Clues in what is said: texts that are pasted, proofs that come, what appeals and reversals give as reasons."""

from collections.abc import Callable, Mapping
from math import sqrt

import polars as pl

from gne_analytics.causes.scene import ENOUGH, Clue, Scene, Share, rise, shares, unit

SUPPLIED = {
    "reversed_on_proof": "say that the recipient brought what proved the case",
    "reversed_on_word": "say that the recipient explained, or mended it once told",
}
TIMES = 5
"""A wording that stands so often is pasted."""
AGAIN = 2.0
"""And so often by each of its sellers, on the mean."""
PARTS = ((0, 40), (30, 40), (-1, 40))
"""Beginning, middle and end of a text: where they start, and their letters."""
BUSIEST = 15
SAY: Mapping[str, str] = {
    "says_misread": "say that the item was taken for something else",
    "says_permission": "say that the seller had permission",
    "says_unclear": "ask what rule was meant, or why",
    "says_proof": "speak of proof",
}
"""What appeals that hold the words of a clue say."""
WORDS: Mapping[str, tuple[str, ...]] = {
    "says_misread": (
        "mistake", "misread", "misidentif", "wrong item", "not a logo", "false positive", "wrongly flagged",
        "incorrectly flagged", "wrongly detected", "misdetect", "system error", "mix-up", "mixed up",
        "por error", "equivocad", "keliru", "salah deteksi", "nhầm", "irrtum", "falsch erkannt", "engano", "erreur",
    ),
    "says_permission": (
        "authorised", "authorized", "authoris", "authoriz", "permission", "licence", "license", "licensed",
        "rights_owner", "rights owner", "brand owner", "official distributor", "autorizad", "permiso", "resmi", "izin",
        "ủy quyền", "giấy phép", "berechtigt", "lizenz", "autorisé",
    ),
    "says_unclear": (
        "unclear", "which rule", "which_rule", "what rule", "which policy", "what happened", "what_happened",
        "don't understand", "do not understand", "not explained", "no explanation", "no reason", "why was", "vague",
        "ambiguous", "qué norma", "qué regla", "no entiendo", "aturan mana", "tidak jelas", "quy định nào", "không rõ",
        "welche regel", "unklar", "quelle règle", "qual regra",
    ),
    "says_proof": (
        "invoice", "receipt", "document", "proof", "certificate", "evidence", "factura", "comprobante", "bukti",
        "hóa đơn", "chứng từ", "rechnung", "nachweis", "facture",
    ),
}  # fmt: skip
"""Clue -> parts of words that speak for it, in reason codes, labels of themes and texts."""
REVERSED: Mapping[str, tuple[str, ...]] = {
    "reversed_on_proof": (
        "proof", "document", "invoice", "certificate", "evidence provided", "provided evidence", "supplied", "verified",
        "verification", "licence shown", "identity", "ticket",
    ),
    "reversed_on_word": (
        "explain", "understood", "understands", "unaware", "did not know", "didn't know", "not aware", "misunderst",
        "renam", "username", "changed name", "will comply", "agreed", "agrees", "promis", "clarif", "good faith",
        "corrected",
    ),
}  # fmt: skip
"""Clue -> parts of words in the reason of a reversal: the recipient brought a proof, or needed but to be told."""


def _pasted(scene: Scene) -> dict[str, Clue]:
    out: dict[str, Clue] = {}
    said = [_written(f) for f in (*scene.sides, *scene.rest)]
    past = said[0] if said[0].height >= ENOUGH else said[2]
    if said[1].height >= ENOUGH and past.height >= ENOUGH:
        after = repeated(past, said[1])
        share = scene.share(after, said[1].height, "appeals whose text was pasted")
        out["pasted"] = Clue(
            unit((after.value - after.variance**0.5) / 0.2), f"{share} of its appeals are the same text pasted."
        )
    if "seller_id" in scene.after.columns and "filed_at" in scene.after.columns:
        filed = [f.filter(pl.col("filed_at").is_not_null(), pl.col("seller_id").is_not_null()) for f in scene.sides]
        if min(f.height for f in filed) >= 2 * BUSIEST:
            least = min(f.height for f in filed)
            top = [_busiest(f, least) for f in filed]
            share = scene.share(top[1], filed[1].height, "appeals of the busiest sellers")
            out["few_sellers"] = Clue(unit(rise(top[0], top[1]) / 0.2), f"Few sellers file {share} of its appeals.")
    return out


def _written(frame: pl.DataFrame) -> pl.DataFrame:
    """Appeal texts of some length, letters alone, beside their seller."""
    if "said" not in frame.columns:
        return pl.DataFrame(schema={"text": pl.String, "seller": pl.String})
    seller = pl.col("seller_id").cast(pl.String) if "seller_id" in frame.columns else pl.lit(None, pl.String)
    return frame.filter(pl.col("said").str.len_chars() > 20).select(
        text=pl.col("said").str.to_lowercase().str.replace_all(r"[\W\d_]+", ""), seller=seller
    )


def _busiest(frame: pl.DataFrame, size: int) -> Share:
    """What part of the appeals the busiest sellers filed, over equally many appeals on either side."""
    drawn = frame.sample(size, seed=0) if frame.height > size else frame
    counts = drawn["seller_id"].value_counts()["count"]
    return Share(float(counts.top_k(min(BUSIEST, len(counts))).sum()), float(size))


def repeated(before: pl.DataFrame, after: pl.DataFrame) -> Share:
    """Of texts, those of a wording that stands far oftener than before and that single sellers sent again and again.

    A pasted text often differs in a greeting, a number or a plea, so its beginning, its middle and its end are looked
    at. What many sellers wrote once is no paste: people in one plight say alike things.
    """
    pasted = pl.repeat(False, after.height, eager=True)
    for start, length in PARTS:
        part = pl.col("text").str.slice(start, length) if start >= 0 else pl.col("text").str.tail(length)
        old, new = (f.with_columns(part=part).filter(pl.col("part").str.len_chars() >= 15) for f in (before, after))
        was = old.group_by("part").agg(old=pl.len() / max(before.height, 1))
        now = new.group_by("part").agg(
            n=pl.len(), sellers=pl.col("seller").n_unique(), named=pl.col("seller").is_not_null().any()
        ).join(was, on="part", how="left")  # fmt: skip
        share = pl.col("n") / after.height
        grown = share - pl.col("old").fill_null(0.0) > 0.5 * share
        again = ~pl.col("named") | (pl.col("n") >= AGAIN * pl.col("sellers"))
        wordings = now.filter((pl.col("n") >= TIMES) & grown & again)["part"]
        pasted = pasted | after.select(part.is_in(wordings.implode())).to_series()
    return Share.of(pasted)


def _proof(scene: Scene) -> dict[str, Clue]:
    kinds = [_proofs(f) for f in (*scene.sides, *scene.rest)]
    if min(p.height for p in kinds[:2]) < 2 * ENOUGH:
        return {}
    mix = [shares(p, "proof") if p.height else {} for p in kinds]
    moved = _distance(mix[0], mix[1]) - _luck(mix[0], kinds[0].height, kinds[1].height)
    if min(p.height for p in kinds[2:]) >= 2 * ENOUGH:
        moved -= max(0.0, _distance(mix[2], mix[3]) - _luck(mix[2], kinds[2].height, kinds[3].height))
    return {"proof_changed": Clue(unit(moved / 0.15), "Other kinds of documents come with its appeals.")}


def _proofs(frame: pl.DataFrame) -> pl.DataFrame:
    if "proof" not in frame.columns or frame.schema["proof"] != pl.List(pl.String):
        return pl.DataFrame(schema={"proof": pl.String})
    own = frame.filter(pl.col("proof").is_not_null()).select("proof")
    return own.explode("proof", empty_as_null=True).with_columns(pl.col("proof").fill_null("(none)"))


def _distance(a: Mapping[str, float], b: Mapping[str, float]) -> float:
    return sum(abs(a.get(v, 0.0) - b.get(v, 0.0)) for v in {*a, *b}) / 2


def _luck(mix: Mapping[str, float], n: int, m: int) -> float:
    """The distance that two samples of one mix are expected to have, and a little more."""
    each = sqrt(1 / n + 1 / m)
    return 1.3 * sum(0.4 * sqrt(p * (1 - p)) * each for p in mix.values())


def _topics(scene: Scene) -> dict[str, Clue]:
    """What sellers say: by the form's menu, by the labels of themes where there are any, by the words themselves."""
    out: dict[str, Clue] = {}
    sources = [[_heard(f, how, scene.themes) for f in (*scene.sides, *scene.rest)] for how in ("code", "theme", "text")]
    for clue, words in WORDS.items():
        best: tuple[float, Share] | None = None
        for said in sources:
            if min(len(s) for s in said[:2]) < ENOUGH:
                continue
            hit = [Share.of(s.str.contains_any(list(words))) for s in said]
            up = rise(hit[0], hit[1], (hit[2], hit[3]))
            if best is None or up > best[0]:
                best = up, hit[1]
        if best is not None:
            share = scene.share(best[1], round(best[1].n), f"appeals: {clue.removeprefix('says_')}")
            out[clue] = Clue(unit(best[0] / 0.15), f"{share} of its appeals {SAY[clue]}.")
    return out


def _heard(frame: pl.DataFrame, how: str, themes: pl.DataFrame | None) -> pl.Series:
    none = pl.Series([], dtype=pl.String)
    if how == "theme":
        if themes is None or "violation_id" not in frame.columns:
            return none
        own = themes.filter(pl.col("id").is_in(frame["violation_id"].implode()))
        return own["label"].drop_nulls().str.to_lowercase()
    column = "appeal_reason_code" if how == "code" else "said"
    if column not in frame.columns:
        return none
    return frame[column].drop_nulls().cast(pl.String).str.to_lowercase()


def _reversals(scene: Scene) -> dict[str, Clue]:
    """What the record gives as the reason of reversals, beside those before and elsewhere.

    A reason that is not found is absent: house styles differ, and their silence speaks against nothing.
    """
    if "reversal_reason" not in scene.after.columns:
        return {}
    said = [f["reversal_reason"].drop_nulls().cast(pl.String).str.to_lowercase() for f in (*scene.sides, *scene.rest)]
    if len(said[1]) < ENOUGH:
        return {}
    out = {}
    for clue, words in REVERSED.items():
        hit = [Share.of(s.str.contains_any(list(words))) for s in said]
        other = Share(hit[0].k + hit[2].k, hit[0].n + hit[2].n)
        up = rise(other, hit[1]) if other.n >= ENOUGH else hit[1].value - hit[1].variance ** 0.5 - 0.3
        if up > 0:
            share = scene.share(hit[1], len(said[1]), f"reversals: {clue.removeprefix('reversed_')}")
            out[clue] = Clue(unit(up / 0.25), f"{share} of its reversals {SUPPLIED[clue]}.")
    return out


_Looks = tuple[Callable[[Scene], dict[str, Clue]], ...]
TEXTS: _Looks = (_pasted, _proof, _topics)
REVERSALS: _Looks = (_reversals,)
