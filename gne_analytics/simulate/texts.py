"""The words of sellers and reviewers, composed from phrase banks (``phrases/<language>.yaml``)."""

import random
import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Any

from ruamel.yaml import YAML

from gne_analytics.simulate.catalogue import BRANDS

BASE: dict[str, float] = {
    "income": 1.0,
    "others_sell": 0.8,
    "competitor": 0.6,
    "which_rule": 0.7,
    "what_happened": 0.35,
}
"""Reasons that any policy draws."""
BY_POLICY: dict[str, dict[str, float]] = {
    "counterfeit": {"misread": 1.6, "own_brand": 1.1, "authorised": 1.0, "second_hand": 0.9, "evidence": 1.8},
    "prohibited-goods": {"licence": 2.6, "misread": 1.2, "evidence": 0.9, "translation": 0.6},
    "misleading-health-claims": {
        "label_claim": 2.8,
        "corrected": 1.2,
        "translation": 0.6,
        "licence": 0.8,
        "evidence": 0.6,
    },
    "undisclosed-ads": {"disclosed": 3.0, "corrected": 1.0},
    "account-integrity": {"not_me": 3.2, "evidence": 0.8},
    "child-safety": {"misread": 1.4, "evidence": 1.2, "licence": 0.6},
    "misleading-listing": {"price_true": 2.4, "corrected": 1.6, "translation": 0.4},
}
GUILTY: dict[str, float] = {"apology": 2.2, "income": 1.4, "corrected": 0.6, "competitor": 0.5}
"""What violating sellers say more often."""
CODES: dict[str, str] = {
    "misread": "detection_mistake",
    "own_brand": "rights_owner",
    "authorised": "authorised_seller",
    "second_hand": "genuine_item",
    "evidence": "documents_attached",
    "licence": "documents_attached",
    "which_rule": "unclear_decision",
    "what_happened": "unclear_decision",
    "corrected": "corrected",
    "not_me": "not_my_account",
    "disclosed": "detection_mistake",
    "label_claim": "detection_mistake",
    "price_true": "detection_mistake",
}
"""The form's coarse menu; other reasons go under ``other``."""
FIRST_DAY = date(2026, 1, 5)
"""The dates in texts lie after it."""
EMOJI = ("🙏", "😭", "😡", "🙏🙏🙏", "!!!", "...", "😢", "👍")
NEIGHBOURS = str.maketrans("aeioustrn", "sriuidyeb")
LATIN = re.compile(r"[A-Za-z]{4,}")


@lru_cache(maxsize=32)
def bank(name: str) -> dict[str, list[str]]:
    """Read a language's phrases flat: openings, closings, one_word, one entry per reason; English for others."""
    read = _phrases(name if name in languages() else "en")
    return {**{k: v for k, v in read.items() if k != "reasons"}, **read["reasons"]}


@lru_cache(maxsize=1)
def languages() -> tuple[str, ...]:
    """The languages that have a bank of their own; any other seller writes English."""
    names = [p.name.removesuffix(".yaml") for p in (files("gne_analytics.simulate") / "phrases").iterdir()]
    return tuple(sorted(n for n in names if len(n) == 2))


def reason_weights(policy: str, violating: bool, pushed: Mapping[str, float]) -> dict[str, float]:
    """How likely each reason is, given policy, truth and what an incident makes people say."""
    weights = dict(BASE)
    for reason, weight in BY_POLICY[policy].items():
        weights[reason] = weights.get(reason, 0.0) + weight * (0.55 if violating else 1.3)
    for reason, weight in GUILTY.items() if violating else ():
        weights[reason] = weights.get(reason, 0.0) + weight
    total = sum(weights.values())
    for reason, share in pushed.items():
        share = min(share, 0.85)
        weights[reason] = weights.get(reason, 0.0) + total * share / (1 - share)
    return weights


def reason_code(reason: str, chance: random.Random) -> str | None:
    """The menu entry that a seller picks: the fitting one mostly, else ``other``, or none."""
    if chance.random() < 0.08:
        return None
    return CODES.get(reason, "other") if chance.random() < 0.85 else "other"


def compose(language: str, reasons: list[str], slots: Mapping[str, str], chance: random.Random) -> str | None:
    """Write one appeal: empty, one word, or one to three reasons with greeting, plea, emoji and slips of the finger."""
    phrases = bank(language)
    u = chance.random()
    if u < 0.04:
        return None
    if u < 0.09:
        return chance.choice(phrases["one_word"])
    parts = [chance.choice(phrases["openings"])] if chance.random() < 0.4 else []
    for reason in reasons:
        parts.append(chance.choice(phrases[reason]))
        if chance.random() < 0.25:
            parts.append(chance.choice(phrases[reason]))
    if chance.random() < 0.45:
        parts.append(chance.choice(phrases["closings"]))
    text = " ".join(dict.fromkeys(parts)).format_map(slots)
    return roughen(text, chance)


def roughen(text: str, chance: random.Random) -> str:
    """Add what hurried typing adds: lower case, lost and doubled letters, shouting, emoji."""
    if chance.random() < 0.3:
        text = text.lower()
    elif chance.random() < 0.04:
        text = text.upper()
    if chance.random() < 0.35:
        text = LATIN.sub(lambda m: _slip(m.group(), chance) if chance.random() < 0.12 else m.group(), text)
    if chance.random() < 0.15:
        text = f"{text} {chance.choice(EMOJI)}"
    if chance.random() < 0.1:
        text = text.rstrip(".!。")
    return text


def paste(language: str, slots: Mapping[str, str], chance: random.Random, template: str) -> str:
    """Write a campaign's appeal: the same text with an order number and a small change."""
    text = template.format_map(slots)
    if chance.random() < 0.25:
        text = text.replace(".", " .", 1)
    if chance.random() < 0.2:
        text = f"{text} {bank(language)['closings'][0]}"
    return text


def reviewer_note(outcome: str, reason: str, chance: random.Random) -> str | None:
    """Write a reviewer's rationale; none for what was not decided on the merits."""
    side = "overturned" if outcome in {"overturned", "partially_overturned"} else "upheld"
    if outcome not in {"overturned", "partially_overturned", "upheld", "modified"} or chance.random() < 0.1:
        return None
    notes: dict[str, list[str]] = _phrases("reviewers")[side]
    return chance.choice(notes.get(reason, notes["other"]) if chance.random() < 0.8 else notes["other"])


def _slip(word: str, chance: random.Random) -> str:
    at = chance.randrange(1, len(word))
    return chance.choice(
        (
            word[:at] + word[at + 1 :],
            word[:at] + word[at - 1] + word[at:],
            word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :],
            word[:at] + word[at].translate(NEIGHBOURS) + word[at + 1 :],
        )
    )


def signal(topic: str, kind: str, chance: random.Random) -> str:
    """Write a report from outside on a policy's matter or on a gap's; test buys and authorities write carefully."""
    gaps = gap_topics()
    phrases = _phrases("signals")[topic] if topic not in gaps else gaps[topic]["signals"]
    text = chance.choice(phrases).format(brand=chance.choice(BRANDS), product="item")
    if kind == "test_buy":
        return f"Test purchase {chance.randrange(1000, 9999)}: {text}"
    return text if kind == "authority" else roughen(text, chance)


def gap_topics() -> dict[str, dict[str, Any]]:
    """The new harms that a taxonomy gap may bring: name -> policy, category, detector, clause text, reports."""
    return _phrases("gaps")


@lru_cache(maxsize=8)
def _phrases(name: str) -> dict[str, Any]:
    text = (files("gne_analytics.simulate") / "phrases" / f"{name}.yaml").read_text(encoding="utf-8")
    read: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    return read
