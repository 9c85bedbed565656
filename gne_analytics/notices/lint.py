"""What a notice must tell: lint of templates, and completeness of the notices in a record.

The elements follow Article 17 of the EU's Digital Services Act (statement of reasons): the facts, the contractual
ground, whether automated means were used, the redress; and what an appeal needs: which proof, and until when.

A template tells an element by a placeholder, or in its own words, which no program can read in every language: then its
owner says so in a comment, ``<!-- tells: proof asked for, redress -->``, which ``render`` drops.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from gne_analytics.errors import PolicyError, did_you_mean
from gne_analytics.policy.files import PolicySet
from gne_analytics.policy.model import Notice

ELEMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "policy": ("policy_title", "policy", "policy_id"),
    "ground": ("clause_text", "clause", "clause_id"),
    "facts": ("facts", "content_text"),
    "automated means": ("automated", "automated_decision", "automated_detection"),
    "proof asked for": ("evidence", "proof"),
    "appeal window": ("appeal_days", "appeal_deadline"),
    "redress": ("redress", "appeal_link"),
}
"""What a notice tells -> the placeholders that tell it."""
TELLS: Final = re.compile(r"<!--\s*tells:(.*?)-->", re.DOTALL)
"""The comment by which an owner says what the words tell."""
RECORD: Final[Mapping[str, str]] = {
    "notice sent": "notice_text",
    "facts": "facts",
    "ground": "clause_id",
    "automated means": "automated_decision",
}
"""What a record shows of a notice's completeness -> the column of violations that shows it."""


@dataclass(frozen=True)
class Gap:
    """Something that a notice does not tell."""

    notice: str
    """``<template>.<language>``."""
    element: str
    fix: str
    """What to write."""

    def __str__(self) -> str:
        return f"notices/{self.notice}.md does not tell the {self.element}; {self.fix}."


def lint(notice: Notice) -> tuple[Gap, ...]:
    """Return what a notice's template leaves out, in the order of ``ELEMENTS``; empty when it tells all."""
    held, worded = set(notice.placeholders), _worded(notice)
    return tuple(
        Gap(notice.id, element, f"write {{{{{names[0]}}}}}, or say in a 'tells' comment that the words do")
        for element, names in ELEMENTS.items()
        if element not in worded and not held & set(names)
    )


def _worded(notice: Notice) -> set[str]:
    told = {name.strip() for names in TELLS.findall(notice.text) for name in names.split(",")}
    unknown = sorted(told - set(ELEMENTS))
    if unknown:
        hint = did_you_mean(unknown[0], ELEMENTS)
        raise PolicyError(
            f"notices/{notice.id}.md: its 'tells' comment names {unknown[0]!r}, which is no element{hint}."
        )
    return told


def lint_all(policies: PolicySet) -> tuple[Gap, ...]:
    """Lint every notice of a set; a translation must also tell what its siblings tell."""
    gaps = [gap for notice in policies.notices.values() for gap in lint(notice)]
    for notice in policies.notices.values():
        siblings = [other for other in policies.notices.values() if other.template == notice.template]
        missing = {name for other in siblings for name in other.placeholders} - set(notice.placeholders)
        told = {name for names in ELEMENTS.values() for name in names}
        gaps += [
            Gap(notice.id, f"field {name!r} that other languages tell", f"write {{{{{name}}}}}")
            for name in sorted(missing - told)
        ]
    return tuple(gaps)


def completeness(violations: pl.DataFrame, by: str = "policy_id") -> pl.DataFrame:
    """Return how many violations tell each element, by policy: by, element, n, told, share; the emptiest first.

    An element whose column the record lacks has a null share: unknown, not zero. A blank text does not count.
    """
    parts = []
    for element, column in RECORD.items():
        told = pl.lit(None, pl.UInt32)
        if column in violations.columns:
            told = (pl.col(column).cast(pl.String).str.strip_chars().fill_null("") != "").sum().cast(pl.UInt32)
        parts.append(violations.group_by(by).agg(element=pl.lit(element).first(), n=pl.len(), told=told.first()))
    counts = pl.concat(parts).with_columns(share=pl.col("told") / pl.col("n"))
    return counts.sort("share", by, "element", nulls_last=True)
