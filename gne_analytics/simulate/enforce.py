"""From decisions to the violations table: human review, times, contents, facts, notices."""

import numpy as np
import polars as pl

from gne_analytics.policy.files import PolicySet
from gne_analytics.simulate.catalogue import BRANDS, GOODS
from gne_analytics.simulate.draws import Bools, Floats, Knobs, Noise, pick

FACTS: dict[str, tuple[str, ...]] = {
    "counterfeit.logo": ("mark of {brand} in image {n}", "embroidered mark like {brand}'s, image {n}"),
    "counterfeit.replica-wording": ("wording 'mirror quality' beside {brand}", "title says 1:1 {brand}"),
    "counterfeit.live": ("host shows covered {brand} mark at minute {n}", "{brand} named aloud at minute {n}"),
    "prohibited.medicine": ("listed substance in the description", "prescription product in image {n}"),
    "prohibited.weapons": ("locking blade in image {n}", "realistic replica in image {n}"),
    "prohibited.wildlife": ("material looks like ivory, image {n}", "species named in the title"),
    "health-claims.cure": ("claim to cure in the description, line {n}", "disease named in image {n}"),
    "health-claims.weight-loss": ("promised loss of weight, line {n}", "before-and-after pictures, image {n}"),
    "health-claims.live": ("spoken claim at minute {n}", "testimonial read aloud at minute {n}"),
    "undisclosed.paid-promotion": ("discount code in the caption, no label", "tagged shop link, no label, second {n}"),
    "integrity.linked-accounts": ("payout account shared with a suspended shop", "same device and warehouse, {n} days"),
    "integrity.fake-orders": ("{n} reviews from one subnet", "empty parcels in {n} orders"),
    "child-safety.minors": ("inclined sleeper in image {n}", "drawstring near the neck, image {n}"),
    "misleading.price": (
        "price of the cheapest option shown for the main goods",
        "reference price raised {n} days before",
    ),
    "misleading.keywords": ("{n} rival brands in the title", "title lists words unrelated to the goods"),
}
AUTHORITY_SHARE = 0.004
STYLES = (
    "original {b} {g}",
    "{b} {g} ready stock",
    "{g} {b} free shipping",
    "new {g} {b} 2026",
    "{g}, {b} style",
    "{g}",
)
STYLE_SHARES = (0.2, 0.25, 0.15, 0.12, 0.13, 0.15)


def enforce(
    cases: pl.DataFrame, decisions: pl.DataFrame, violating: Bools, rerouted: Bools, noise: Noise, knobs: Knobs
) -> pl.DataFrame:
    """Put the decided cases past the reviewers and return what stands of them.

    A reviewer enforces 97 in 100 true violations and, when nothing is amiss, 14 in 100 legitimate cases.
    """
    fired = decisions["action"].is_not_null().to_numpy()
    reviewed = fired & decisions["review"].fill_null(False).to_numpy()
    wrong = 0.14 + knobs["reviewer_fp"] + np.where(rerouted, knobs["reviewer_fp_rerouted"], 0.0)
    confirms = noise.uniform("review") < np.where(violating, 0.97, np.clip(wrong, 0, 0.95))
    ordered = violating & (noise.uniform("authority") < AUTHORITY_SHARE)
    enforced = (fired & (~reviewed | confirms)) | (ordered & fired)
    delay = np.where(reviewed, noise.heavy("review.delay", 5 * 3600, 0.9), 20 + 200 * noise.uniform("decision.delay"))
    reported = noise.uniform("source")
    source = np.where(ordered, "authority", np.where(reported < 0.09, "user_report", "own_initiative"))
    source = np.where((reported > 0.975) & ~ordered, "trusted_flagger", source)
    return decisions.with_columns(
        enforced=pl.Series(enforced),
        reviewed=pl.Series(reviewed),
        confirms=pl.Series(confirms),
        ordered=pl.Series(ordered),
        source_type=pl.Series(source.tolist(), dtype=pl.String),
        decided_seconds=pl.Series(np.floor(cases["seconds"].to_numpy() + delay)),
    )


def parents(cases: pl.DataFrame, enforced: pl.Series) -> pl.Series:
    """The case whose account action took this listing with it; null for a case that stands by itself."""
    burst = ["stream", "burst"]
    acted = cases.with_columns(enforced=enforced).filter("enforced", pl.col("detector") == "account_graph")
    heads = acted.filter(pl.col("rank") == 0).select(*burst, parent="case_id")
    child = (pl.col("rank") > 0) & (pl.col("detector") == "account_graph") & pl.col("enforced")
    return (
        cases.with_columns(enforced=enforced)
        .join(heads, on=burst, how="left", maintain_order="left")
        .select(pl.when(child).then("parent"))
        .to_series()
    )


def contents(cases: pl.DataFrame, noise: Noise) -> pl.DataFrame:
    """Return brand, product and content_text per case, alike within a burst as sellers' catalogues are."""
    same = cases["burst"].to_numpy()
    brand = np.array(BRANDS, dtype=object)[(same * 7 + (noise.uniform("brand") < 0.15) * 3) % len(BRANDS)]
    goods = {f"{path}:{i}": name for path, names in GOODS.items() for i, name in enumerate(names)}
    style = np.array(STYLES, dtype=object)[pick(noise.uniform("style"), np.array(STYLE_SHARES))]
    return (
        cases.select("category")
        .with_columns(
            which=pl.Series((noise.uniform("content") * 4).astype(np.int64)).cast(pl.String),
            brand=pl.Series(brand.tolist(), dtype=pl.String),
            style=pl.Series(style.tolist(), dtype=pl.String),
        )
        .with_columns(product=pl.concat_str(["category", "which"], separator=":").replace_strict(goods, default="item"))
        .select(
            "brand",
            "product",
            content_text=pl.col("style")
            .str.replace("{b}", pl.col("brand"), literal=True)
            .str.replace("{g}", pl.col("product"), literal=True),
        )
    )


def facts(clauses: pl.Series, brands: pl.Series, noise_u: Floats) -> list[str]:
    """Write what was seen, per violation."""
    return [
        FACTS[clause][int(u * 2)].format(brand=brand, n=1 + int(u * 1e4) % 6) if clause in FACTS else "see clause"
        for clause, brand, u in zip(clauses, brands, noise_u, strict=True)
    ]


def notice_text(policies: PolicySet, rows: pl.DataFrame) -> list[str]:
    """Render each violation's notice (template, language, clause, facts, action); English where the set has no other.

    Placeholders that only the moment of sending can fill stay as they are.
    """
    texts = {key: notice.text for key, notice in policies.notices.items()}
    clause_text = {c.id: c.text for p in policies.policies.values() for c in p.clauses}
    out = []
    for template, language, clause, found, action in rows.iter_rows():
        text = texts.get(f"{template}.{language}", texts.get(f"{template}.en", ""))
        filled = text.replace("{{clause_text}}", clause_text.get(clause, "")).replace("{{facts}}", found)
        out.append(filled.replace("{{action}}", action))
    return out
