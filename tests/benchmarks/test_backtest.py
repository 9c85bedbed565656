"""The speed benchmark of the backtest: its three replays count alike."""

from benchmarks.backtest import candidates, measure


def test_cells_and_both_naive_replays_count_alike_for_every_kind_of_change():
    for coded in (False, True):
        found = measure(20_000, 12, 12, coded)
        assert found["cells"] > 1_000
        assert min(found["what_if_ms"], found["peak_gb"]) > 0
        assert {"speedup_polars", "speedup_pandas"} <= set(found)


def test_candidates_differ_in_more_than_a_threshold():
    rules = [rule for policy in candidates(40) for rule in policy.values()]
    assert len({len(r.overrides) for r in rules}) == len({len(r.exempt) for r in rules}) == 2
    assert len({r.review for r in rules}) > 1
