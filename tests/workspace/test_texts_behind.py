"""From a theme to its texts and to the causes that it helps explain."""

import polars as pl
import pytest

from gne_analytics.evidence.types import Counts, Estimate, RisingTheme
from gne_analytics.tables.record import record_from_frames
from gne_analytics.testing.frames import appeals_frame, violations_frame
from gne_analytics.testing.results import a_tree, some_causes
from gne_analytics.workspace.behind import causes_of_node, texts_of_node


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
