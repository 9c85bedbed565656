"""The made-up run reads like one that the loop made."""

import gne_analytics as gne
from gne_analytics.testing.runs import write_a_run


def test_a_made_up_run_opens_and_holds_what_it_was_told(tmp_path):
    told = write_a_run(tmp_path / "run")
    run = gne.open_run(tmp_path / "run")
    assert [s.id for s in run.shifts] == [part.shift.id for part in told.shifts]
    assert run.findings == list(told.findings)
    assert run.backtest(run.proposals[0].id) == told.proposals[0].backtest
    assert run.table("series").height == 18
    assert "counterfeit" in run.summary()
