import sys

import polars as pl
import pytest

from benchmarks.causes import fitted
from benchmarks.child import run_child
from benchmarks.rivals import HERE, PEERS, segment_of
from benchmarks.score import Hits, hold
from gne_analytics.evidence.segment import Segment

PATHS = frozenset({"category"})
FOCUS = pl.DataFrame(
    {
        "market": ["ID"] * 50 + ["TH"] * 50,
        "language": ["id"] * 48 + ["en"] * 2 + ["th"] * 50,
        "category": ["beauty/a", "beauty/b", "toys", "toys", "toys"] * 20,
    }
)


def hits(*found: Segment, planted: Segment) -> Hits:
    return hold(found, [planted], FOCUS, PATHS)[0]


def test_another_name_of_the_same_rows_is_right_but_not_by_its_name():
    assert hits(Segment.of(language="id"), planted=Segment.of(market="ID")) == Hits(1, 1, rows=1, names=0)


def test_a_child_of_what_was_planted_is_wrong():
    found = Segment.of(category="beauty/a")
    assert hits(found, planted=Segment.of(category="beauty")) == Hits(1, 1, rows=0, names=0)


def test_telling_a_planted_segment_twice_counts_once():
    told = hits(Segment.of(market="ID"), Segment.of(language="id"), planted=Segment.of(market="ID"))
    assert told == Hits(1, 2, rows=1, names=1)
    assert told.f1 == pytest.approx(2 / 3)


def test_nothing_told_is_an_f1_of_nought():
    assert hits(planted=Segment.of(market="ID")).f1 == 0


def test_the_top_of_a_path_is_a_value_of_the_path():
    assert segment_of({"category_top": "beauty", "market": "ID"}, PATHS) == Segment.of(category="beauty", market="ID")
    assert segment_of({"category_top": "beauty", "category": "beauty/a"}, PATHS) == Segment.of(category="beauty/a")


def test_cost_in_proportion_to_rows_has_exponent_one():
    fit = fitted([(100_000, 1.0), (1_000_000, 10.0), (10_000_000, 100.0)])
    assert fit["exponent"] == pytest.approx(1)
    assert fit["slope"] == pytest.approx(10)
    assert fit["r2"] == pytest.approx(1)


def test_a_child_that_fails_or_takes_too_much_is_said_and_ends():
    fails = run_child([sys.executable, "-c", "raise ValueError('no rows')"], patience=60, most_gb=4)
    assert fails.value is None
    assert "no rows" in fails.why
    busy = run_child([sys.executable, "-c", "while True: pass"], patience=0.5, most_gb=4)
    assert "stopped after" in busy.why
    large = run_child(
        [sys.executable, "-c", "import time; x = b'x' * 300_000_000; time.sleep(60)"], patience=60, most_gb=0.2
    )
    assert "stopped beyond" in large.why


def test_a_child_hands_back_what_it_printed():
    assert run_child([sys.executable, "-c", "print('{\"a\": 1}')"], patience=60, most_gb=4).value == {"a": 1}


@pytest.mark.parametrize("peer", PEERS, ids=lambda p: p.name)
def test_every_peer_has_a_runner_and_pins_itself_without_addresses(peer):
    pins = (HERE / f"{peer.name}.txt").read_text(encoding="utf-8").splitlines()
    assert peer.runner.exists()
    assert any(p.startswith(f"{peer.name}==") for p in pins)
    assert all(p.count("==") == 1 and "/" not in p and "@" not in p for p in pins)
