import math
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gne_analytics.errors import DataError
from gne_analytics.evidence.store import EvidenceStore, Unit
from gne_analytics.evidence.types import Interval, LabelSource


def test_ids_count_up_from_e1():
    store = EvidenceStore()
    assert [store.add(x, "count").id for x in (3, 4, 5)] == ["E1", "E2", "E3"]


def test_the_same_content_is_the_same_record():
    store = EvidenceStore()
    first = store.add(0.5, "rate", numerator=1, denominator=2, filter="market = 'TH'", arguments={"seed": 0})
    again = store.add(
        np.float64(0.5), Unit.RATE, numerator=1, denominator=2, filter="market = 'TH'", arguments={"seed": 0}
    )
    assert again is first
    assert len(store) == 1


def test_another_filter_is_another_record():
    store = EvidenceStore()
    assert store.add(0.5, "rate", filter="a").id != store.add(0.5, "rate", filter="b").id


def test_what_cannot_be_computed_is_kept_as_none():
    store = EvidenceStore()
    assert store.add(math.nan, "rate", numerator=0, denominator=0).value is None
    assert store.add(1.5, "ratio", interval=Interval(lo=1.0, hi=math.inf)).interval is None


def test_dates_are_kept_as_iso_text():
    assert EvidenceStore().add(date(2026, 11, 2), "date").value == "2026-11-02"


def test_a_word_is_no_rate():
    with pytest.raises(TypeError, match="must be a number"):
        EvidenceStore().add("many", "rate")


def test_an_unknown_unit_is_refused():
    with pytest.raises(ValueError, match="furlong"):
        EvidenceStore().add(1, "furlong")


def test_get_names_the_nearest_id():
    store = EvidenceStore()
    store.add(1, "count")
    with pytest.raises(KeyError, match="did you mean 'E1'"):
        store.get("E11")


@given(
    st.lists(
        st.tuples(
            st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.integers(-(10**6), 10**6)),
            st.sampled_from([u for u in Unit if u not in {Unit.DATE, Unit.NAME}]),
            st.text(max_size=20),
        ),
        max_size=12,
    )
)
def test_json_gives_the_same_store_again(rows):
    store = EvidenceStore()
    for value, unit, rows_filter in rows:
        store.add(value, unit, filter=rows_filter, label_source=LabelSource.AUDIT)
    back = EvidenceStore.from_json(store.to_json())
    assert back.items() == store.items()
    assert [back.add(v, u, filter=f, label_source="audit").id for v, u, f in rows] == [
        store.add(v, u, filter=f, label_source="audit").id for v, u, f in rows
    ]


@pytest.mark.parametrize("text", ["", "[{]", '[{"id": "E1"}]', "3"])
def test_a_broken_file_is_a_data_error(text):
    with pytest.raises(DataError, match="evidence file"):
        EvidenceStore.from_json(text)


def test_a_record_out_of_order_is_a_data_error():
    store = EvidenceStore()
    store.add(1, "count")
    with pytest.raises(DataError, match="E7 where E1"):
        EvidenceStore.from_json(store.to_json().replace('"E1"', '"E7"'))
