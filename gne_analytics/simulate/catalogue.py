"""The furniture of the simulated marketplace: markets, categories, detectors, queues, goods.

Plain data. Shares need not add up to one; they are normalised where they are used.
"""

from dataclasses import dataclass

MARKETS: dict[str, tuple[float, str]] = {
    "ID": (0.24, "id"),
    "TH": (0.14, "th"),
    "VN": (0.14, "vi"),
    "PH": (0.10, "en"),
    "MY": (0.07, "en"),
    "SG": (0.04, "en"),
    "US": (0.07, "en"),
    "GB": (0.05, "en"),
    "ES": (0.05, "es"),
    "MX": (0.05, "es"),
    "DE": (0.03, "de"),
    "SA": (0.02, "ar"),
}
"""Market -> share of listings, language of its buyers."""

NEW_MARKETS: tuple[tuple[str, str], ...] = (("CO", "es"), ("AE", "ar"), ("AT", "de"))
"""Markets that only a `new_segment` decoy opens."""

HOME_OF_CROSS_BORDER = ("CN", "zh")
"""Cross-border sellers live here and write in its language."""

CATEGORIES: dict[str, float] = {
    "beauty/skin-care": 0.09,
    "beauty/sun-care": 0.05,
    "beauty/make-up": 0.06,
    "beauty/fragrance": 0.05,
    "fashion/bags": 0.09,
    "fashion/shoes": 0.09,
    "fashion/watches": 0.05,
    "fashion/clothing": 0.07,
    "electronics/phones": 0.05,
    "electronics/audio": 0.06,
    "electronics/accessories": 0.08,
    "health/supplements": 0.09,
    "health/weight-management": 0.05,
    "health/medical-devices": 0.03,
    "toys/figures": 0.04,
    "toys/baby": 0.03,
    "home/kitchen": 0.05,
    "home/decor": 0.03,
    "sports/outdoor": 0.04,
    "food/beverages": 0.03,
}

NEW_CATEGORY = "digital/gift-cards"
"""A category that only a `new_segment` decoy opens."""


@dataclass(frozen=True)
class Detector:
    """One detector: what it looks at, how much it sees, how well it tells right from wrong."""

    name: str
    policy: str
    share: float
    object_types: tuple[str, ...]
    groups: tuple[str, ...]
    """Top categories it fires in most; empty for all alike."""
    prevalence: float
    """Share of its judged cases that truly violate."""
    versions: tuple[str, str]
    """The old version and the one that is rolled out during the record."""
    separation: float = 2.2
    """Distance of the mean logit score between violating and legitimate cases, in logits."""


HEALTH = "misleading-health-claims"
DETECTORS: tuple[Detector, ...] = (
    Detector("logo_match", "counterfeit", 0.17, ("listing",), ("fashion", "electronics", "toys"), 0.36, ("v6", "v7")),
    Detector("replica_text", "counterfeit", 0.10, ("listing",), ("fashion", "beauty"), 0.34, ("r2", "r3")),
    Detector("live_logo", "counterfeit", 0.05, ("live", "video"), ("fashion", "beauty"), 0.32, ("k1", "k2"), 2.0),
    Detector("medicine_text", "prohibited-goods", 0.08, ("listing",), ("health", "beauty"), 0.34, ("m4", "m5")),
    Detector("weapon_image", "prohibited-goods", 0.06, ("listing",), ("sports", "toys", "home"), 0.30, ("w8", "w9")),
    Detector("wildlife_match", "prohibited-goods", 0.02, ("listing",), ("home", "fashion"), 0.30, ("f1", "f2")),
    Detector("claims_text", HEALTH, 0.17, ("listing",), ("health", "beauty", "food"), 0.36, ("c3", "c4")),
    Detector("live_speech", HEALTH, 0.05, ("live", "video"), ("health", "beauty"), 0.34, ("s1", "s2"), 1.9),
    Detector("ad_disclosure", "undisclosed-ads", 0.08, ("video", "live"), (), 0.34, ("a5", "a6"), 2.0),
    Detector("account_graph", "account-integrity", 0.03, ("account",), (), 0.40, ("g2", "g3"), 2.6),
    Detector("order_pattern", "account-integrity", 0.04, ("order",), (), 0.36, ("o1", "o2"), 2.4),
    Detector("minor_safety", "child-safety", 0.02, ("listing", "video"), ("toys", "fashion"), 0.32, ("n3", "n4"), 2.8),
    Detector("price_bait", "misleading-listing", 0.07, ("listing",), ("electronics", "home"), 0.36, ("p2", "p3")),
    Detector("keyword_stuffing", "misleading-listing", 0.06, ("listing",), (), 0.38, ("q1", "q2"), 2.0),
)  # fmt: skip

POLICY_OF: dict[str, str] = {d.name: d.policy for d in DETECTORS}

QUEUES: dict[str, tuple[str, ...]] = {
    "counterfeit": ("ip-jakarta", "ip-manila"),
    "prohibited-goods": ("regulated-hanoi", "regulated-manila"),
    "misleading-health-claims": ("claims-bangkok", "claims-jakarta"),
    "undisclosed-ads": ("creator-manila",),
    "account-integrity": ("risk-singapore", "risk-manila"),
    "child-safety": ("child-safety",),
    "misleading-listing": ("quality-jakarta",),
}
WRONG_QUEUE = "general-intake"
"""Where a routing incident sends cases that specialists should see."""
REVIEWERS_PER_QUEUE = 9

TIERS: dict[str, float] = {
    "new": 0.26,
    "standard": 0.42,
    "preferred": 0.16,
    "brand_authorised": 0.11,
    "licensed_pharmacy": 0.05,
}
ACCOUNT_TYPES: dict[str, float] = {"individual": 0.52, "business": 0.36, "creator": 0.10, "brand": 0.02}

BRANDS: tuple[str, ...] = (
    "Aurelle", "Nordvik", "Kaimana", "Solenne", "Tavoro", "Hikari", "Bravura", "Lumora", "Zentro", "Oakmere",
    "Velluto", "Pixelar", "Sunhara", "Orivita", "Marisol", "Kestrel", "Junora", "Halcyon", "Dermavie", "Yukara",
)  # fmt: skip

GOODS: dict[str, tuple[str, ...]] = {
    "beauty/skin-care": ("whitening serum 30 ml", "retinol night cream", "snail mucin essence", "aloe gel 300 ml"),
    "beauty/sun-care": ("sunscreen SPF 50+ 50 ml", "sun stick", "after-sun gel", "tone-up sun cream"),
    "beauty/make-up": ("cushion foundation", "lip tint set of 6", "eyeshadow palette", "setting spray"),
    "beauty/fragrance": ("eau de parfum 100 ml", "perfume decant 10 ml", "body mist", "perfume tester"),
    "fashion/bags": ("leather tote bag", "crossbody bag", "canvas backpack", "card holder"),
    "fashion/shoes": ("running shoes", "slip-on sneakers", "leather loafers", "kids' sandals"),
    "fashion/watches": ("automatic watch 40 mm", "quartz watch steel strap", "smart band", "watch strap 20 mm"),
    "fashion/clothing": ("oversized t-shirt", "windbreaker", "batik shirt", "football jersey"),
    "electronics/phones": ("smartphone 256 GB", "refurbished phone 128 GB", "feature phone", "phone bundle"),
    "electronics/audio": ("wireless earbuds", "over-ear headphones", "bluetooth speaker", "karaoke microphone"),
    "electronics/accessories": ("charger 25 W", "phone case", "USB-C cable 2 m", "power bank 20000 mAh"),
    "health/supplements": (
        "collagen powder 60 sachets",
        "herbal capsules",
        "multivitamin 100 tablets",
        "honey ginseng",
    ),
    "health/weight-management": ("slimming tea 30 bags", "meal shake vanilla", "fat burner capsules", "detox patches"),
    "health/medical-devices": ("blood pressure monitor", "glucose strips", "TENS massager", "oximeter"),
    "toys/figures": ("collectible figure", "building bricks set", "scale car model", "blind box"),
    "toys/baby": ("baby rocker", "infant pillow", "teether", "baby carrier"),
    "home/kitchen": ("chef's knife 20 cm", "non-stick pan", "lunch box", "vacuum flask"),
    "home/decor": ("carved figurine", "wall clock", "LED strip 5 m", "incense holder"),
    "sports/outdoor": ("multi-tool", "camping knife", "hiking pack 40 l", "fishing rod"),
    "food/beverages": ("instant coffee 3-in-1", "herbal tea", "bird's nest drink", "protein water"),
    NEW_CATEGORY: ("game credit 500", "store card 50", "streaming card", "phone top-up 20"),
}

WRONG_EVIDENCE: tuple[str, ...] = ("chat_screenshot", "product_photo", "social_media_link")
"""What sellers send when nobody told them what to send."""
