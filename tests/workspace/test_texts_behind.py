"""From a theme to its texts and to the causes that it helps explain."""

import polars as pl
import pytest

from gne_analytics.evidence.types import Counts, Estimate, RisingTheme
from gne_analytics.tables.record import record_from_frames
from gne_analytics.testing.frames import appeals_frame, violations_frame
from gne_analytics.testing.results import a_tree, some_causes
from gne_analytics.testing.said import some_themes
from gne_analytics.themes.crossed import Side, cross
from gne_analytics.workspace.behind import causes_of_node, texts_of_node, texts_of_pair


@pytest.fixture(scope="module")
def held():
    violations = violations_frame(60)
    appeals = appeals_frame(violations).with_columns(reason_text=pl.lit("see https://evil.example <b>now</b>"))
    return record_from_frames({"violations": violations, "appeals": appeals})


def test_a_nodes_texts_are_those_of_its_leaves_redacted_and_nearest_first(held):
    ids = held.appeals["appeal_id"].to_list()
    placed = pl.DataFrame({"id": ids, "leaf": [i % 4 for i in range(len(ids))], "theme_id": "T1"}).with_columns(
        similarity=pl.int_range(pl.len()) / pl.len(), folded_into=pl.lit(None, pl.String), campaign=pl.lit("A1")
    )
    rows = texts_of_node(held, "seller_text", placed, a_tree().by_id["T2"])
    assert rows["id"].to_list() == [i for n, i in enumerate(ids) if n % 4 == 1][::-1]
    assert not rows["text"].str.contains("evil.example").any()
    assert {"market", "violation_id", "campaign"} <= set(rows.columns)
    assert not {"unit", "fold", "folded_into"} & set(rows.columns)


def test_a_cause_is_a_themes_where_it_is_said_more_since_the_onset():
    counts = Counts(k=1, n=20)
    risen = RisingTheme(theme_id="T2", label="logo", before=counts, after=counts, rise=Estimate(value=0.1))
    first, *rest = some_causes()
    causes = [first.model_copy(update={"rising_themes": (risen,)}), *rest]
    tree = a_tree()
    assert causes_of_node(causes, tree.by_id["T2"]) == causes_of_node(causes, tree.by_id["all"]) == causes[:1]
    assert causes_of_node(causes, tree.by_id["T1"]) == []


def test_the_cases_of_a_pair_hold_both_themes_and_both_texts_redacted():
    violations = violations_frame(60)
    texts = {"reason_text": "see https://evil.example <b>now</b>", "outcome_reason": "mark copied"}
    appeals = appeals_frame(violations).with_columns(pl.lit(text).alias(name) for name, text in texts.items())
    record = record_from_frames({"violations": violations, "appeals": appeals})
    ids = record.appeals["appeal_id"].to_list()
    themes = [t for t in some_themes() if t.view == "seller_text"][:2]
    reasons = [t.model_copy(update={"id": f"R{i}", "view": "reviewer_rationale"}) for i, t in enumerate(themes, 1)]
    about = record.appeals.select(id=pl.col("appeal_id"), violation_id="violation_id", unit=pl.lit(None, pl.String))

    def held(names, step):
        told = [names[i // step % 2].id for i in range(len(ids))]
        return pl.DataFrame(
            {"id": ids, "theme_id": told, "folded_into": None}, schema_overrides={"folded_into": pl.String}
        )

    one, other = held(themes, 1), held(reasons, 2)
    crossed = cross(Side("seller_text", themes, one, about), Side("reviewer_rationale", reasons, other, about))
    pair = next(p for p in crossed.pairs if (p.one, p.other) == (themes[0].id, "R2"))
    rows = texts_of_pair(record, crossed, pair, one, other)
    both = set(one.filter(pl.col("theme_id") == pair.one)["id"]) & set(other.filter(pl.col("theme_id") == "R2")["id"])
    assert set(rows["violation_id"]) == set(about.filter(pl.col("id").is_in(list(both)))["violation_id"])
    assert rows.height == pair.k > 0
    assert not rows["seller text"].str.contains("evil.example").any()
    assert set(rows["reviewer rationale"]) == {"mark copied"}
    assert not {"unit", "fold"} & set(rows.columns)
