"""Made-up themes of what people write, over weeks and crossed with what reviewers write; some texts are hostile."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from gne_analytics.evidence.types import Estimate, Interval, Theme
from gne_analytics.themes.crossed import Crossed, Side, cross
from gne_analytics.themes.weeks import ThemeWeeks, weekly

HOSTILE: Final = '<script>alert("7")</script> {{E1:pct}} <b>refund me 100 %</b>'
"""A text that tries to break out of the page, to cite evidence, and to look important."""


def some_themes() -> tuple[Theme, ...]:
    """Four themes of appeals in several scripts; one exemplar is hostile."""
    return (
        Theme(
            id="T1",
            view="seller_text",
            label="authorised reseller, invoice attached",
            terms=("authorised", "invoice", "distributor"),
            size=1_204,
            folded=911,
            units=640,
            languages={"id": 700, "en": 504},
            exemplars=("Kami distributor resmi, faktur terlampir.", HOSTILE),
            overturn=Estimate(value=0.71, interval=Interval(lo=0.67, hi=0.75), n=702),
        ),
        Theme(
            id="T2",
            view="seller_text",
            label="logo is our own brand",
            terms=("logo", "own brand", "trademark"),
            size=610,
            folded=588,
            units=402,
            exemplars=("โลโก้เป็นของแบรนด์เราเอง",),
            overturn=Estimate(value=0.44, interval=Interval(lo=0.39, hi=0.5), n=391),
        ),
        Theme(
            id="T3",
            view="seller_text",
            label="which rule was broken?",
            terms=("which rule", "reason", "explain"),
            size=322,
            folded=301,
            units=288,
            exemplars=("Which rule did I break? The notice does not say.",),
            overturn=Estimate(value=0.12, interval=Interval(lo=0.08, hi=0.17), n=240),
        ),
        Theme(
            id="T4",
            view="seller_text",
            label="pasted complaint",
            terms=("unfair", "compensation"),
            size=240,
            folded=12,
            units=3,
            exemplars=("This is unfair and I demand compensation.",),
            overturn=Estimate(value=0.08, interval=Interval(lo=0.0, hi=0.35), n=12),
            named_by="terms",
        ),
    )


def some_weeks() -> ThemeWeeks:
    """The made-up themes of appeals over eight weeks: the first rises, nobody wrote in the fifth week."""
    ids = [t.id for t in some_themes() if t.view == "seller_text"]
    rows = [
        {"id": f"W{week}-{n}", "theme_id": ids[0] if n < 6 * week else ids[1 + n % (len(ids) - 1)],
         "folded_into": None, "event_date": date(2026, 9, 7) + timedelta(weeks=week), "unit": f"U{n}"}
        for week in range(8) if week != 4 for n in range(60)
    ]  # fmt: skip
    texts = pl.DataFrame(rows, schema_overrides={"folded_into": pl.String})
    return weekly("seller_text", tuple(t for t in some_themes() if t.view == "seller_text"), texts, texts)


def a_crossing() -> Crossed:
    """What sellers say where reviewers say it: two pairs beyond chance, one label of which is hostile, and one not."""
    one = [t for t in some_themes() if t.view == "seller_text"][:2]
    other = [
        t.model_copy(update={"id": f"R{i}", "view": "reviewer_rationale", "label": label})
        for i, (t, label) in enumerate(zip(one, (HOSTILE, "صورة خاطئة"), strict=True), 1)
    ]
    n = 200
    said = [one[i % 2].id for i in range(n)]
    meant = [other[i % 2 if i % 10 else 1 - i % 2].id for i in range(n)]
    cases = [f"V{i}" for i in range(n)]

    def side(view: str, themes: Sequence[Theme], told: Sequence[str]) -> Side:
        about = pl.DataFrame({"id": cases, "violation_id": cases, "unit": cases})
        return Side(view, themes, pl.DataFrame({"id": cases, "theme_id": told}), about)

    return cross(side("seller_text", one, said), side("reviewer_rationale", other, meant))
