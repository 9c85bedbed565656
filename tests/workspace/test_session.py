"""The workspace: the front door's verbs on small records."""

import polars as pl
import pytest

from gne_analytics.errors import DataError, PolicyError
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Cause, CauseKind, Counts, Edit, Estimate
from gne_analytics.metrics.observations import observe
from gne_analytics.tables.record import record_from_frames
from gne_analytics.testing.frames import record
from gne_analytics.testing.policies import small_policy_set
from gne_analytics.workspace import Workspace
from gne_analytics.workspace.behind import series_of
from gne_analytics.workspace.handover import in_scope

from .conftest import ONSET, TOYS, planted_record


@pytest.fixture
def ws():
    return Workspace(record(400), small_policy_set())


def test_a_quiet_record_has_no_shift(ws):
    assert ws.shifts() == []


def test_two_windows_give_the_shift_between_them(ws):
    (shift,) = ws.shifts(baseline="market=TH", focus="market=ID")
    assert shift.metric == "overturn_rate"
    mature = observe(ws.record, "overturn_rate", Segment.of(market="TH")).frame.filter("matured")
    assert shift.before.n == mature.height
    assert ws.explain(shift) is ws.explain(shift)


def test_a_scope_of_any_dimension_is_searched_for_what_moved_in_it():
    ws = Workspace(planted_record(TOYS & (pl.col("decided_at") >= ONSET)))
    found = ws.shifts(metric="overturn_rate", scope="market=ID")
    assert found
    assert all(s.scope.values("market") == ("ID",) and s.delta.value > 0 for s in found)
    assert ws.shifts(metric="overturn_rate", scope="market=TH") == []
    assert ws.explain(found[0]).causes[0].segment.values("category") == ("toys",)


def test_one_window_alone_is_a_data_error(ws):
    with pytest.raises(DataError, match="both --baseline and --focus"):
        ws.shifts(baseline="2026-01")


def test_an_unknown_metric_or_view_is_a_data_error_that_names_the_nearest(ws):
    with pytest.raises(DataError, match="overturn_rate"):
        ws.shifts(metric="overtrun_rate")
    with pytest.raises(DataError, match="appeals"):
        ws.themes("apeals")


def test_without_a_policy_set_a_proposal_is_a_policy_error_that_says_what_to_add():
    with pytest.raises(PolicyError, match="policies"):
        Workspace(record(50)).propose([])


def test_an_edit_for_a_cause_holds_to_the_rows_of_its_shift():
    counts = Counts(k=1, n=2)
    cause = Cause(
        id="c", shift_id="s", rank=1, segment=Segment.of(market="ID"), kind=CauseKind.RATE_SHIFT, status="candidate",
        before=counts, after=counts, effect=Estimate(value=0.1), leave_out=0.0, contribution=0.0,
    )  # fmt: skip
    assert in_scope(cause, Segment.of(policy_id="counterfeit")).segment == Segment.of(
        market="ID", policy_id="counterfeit"
    )


def test_a_series_counts_every_row_once(ws):
    observed = observe(ws.record, "appeal_rate")
    series = series_of(observed)
    assert series["n"].sum() == observed.frame["n"].sum()
    assert series.filter(pl.col("lo") > pl.col("hi")).is_empty()


def test_dicts_that_spell_edits_are_edits_and_what_is_none_is_named_by_its_place(ws):
    spelt = {"kind": "set_threshold", "policy": "counterfeit", "rule": "logo-match", "old": 0.7, "new": 0.8}
    assert ws.backtest([spelt]).flow == ws.backtest([Edit(**spelt)]).flow
    with pytest.raises(DataError, match=r"edit 0\.kind: .*docs/edits.md"):
        ws.backtest([{**spelt, "kind": "set_treshold"}])


def test_ones_own_edits_become_a_proposal_that_is_judged_on_unseen_sellers(ws):
    edit = Edit(kind="set_threshold", policy="counterfeit", rule="logo-match", old=0.7, new=0.8)
    made = ws.proposal([edit])
    assert (made.title, made.owner) == ("Set the threshold of logo-match to 0.8", "ip-policy")
    assert made.rollback[0].new == 0.7
    assert ws.backtest(made).cases < ws.backtest([edit]).cases
    assert ws.canary_plan([edit]).proposal == made.id
    other = edit.model_copy(update={"policy": "misleading-health-claims", "rule": "cure-claim"})
    with pytest.raises(PolicyError, match="one policy's edits"):
        ws.proposal([edit, other])


def test_a_backtest_of_no_edits_changes_nothing(ws):
    assert ws.backtest([]).flow.released == 0


@pytest.fixture
def told(ws, tmp_path, monkeypatch):
    """A workspace whose appeals have words, and the folder of a model of their themes."""
    from gne_analytics.themes import fit_themes, save, texts_of

    monkeypatch.setenv("GNE_CACHE", str(tmp_path / "cache"))
    said = ["there is no brand logo on this shirt", "which rule did I break in the notice"]
    texts = [f"{said[i % 2]} {chr(97 + i % 23) * 3} {chr(97 + i % 19) * 4}" for i in range(ws.record.appeals.height)]
    violations, appeals = ws.record.violations, ws.record.appeals.with_columns(reason_text=pl.Series(texts))
    ws = Workspace(record_from_frames({"violations": violations, "appeals": appeals}))
    save(fit_themes(texts_of(ws.record, "appeals"), "seller_text", embedder="ngrams").model, tmp_path / "model")
    return ws, tmp_path / "model"


def test_themes_of_a_saved_model_are_refitted_and_are_the_workspaces_from_then_on(told):
    ws, folder = told
    again = ws.refit_themes(folder)
    assert again.lineage.kept_share == 1
    assert ws.themes("appeals") is again.themes
    assert ws.theme_weeks("appeals").weeks["n"].sum() > 0


def test_new_texts_are_given_the_themes_of_a_saved_model(told):
    ws, folder = told
    found = ws.update_themes(folder)
    assert found.assignments.height == ws.record.appeals.height
    late = ws.update_themes(folder, since=found.since)
    assert 0 < late.assignments.height < found.assignments.height


def test_the_cases_of_crossed_views_are_asked_for_by_rank(told):
    ws, _ = told
    reasons = pl.Series(
        [f"the {'logo' if i % 2 else 'clause'} was read wrongly" for i in range(ws.record.appeals.height)]
    )
    tables = {"violations": ws.record.violations, "appeals": ws.record.appeals.with_columns(outcome_reason=reasons)}
    ws = Workspace(record_from_frames(tables), embedder="ngrams")
    crossed = ws.crossed()
    assert ws.crossed_rows(crossed).height >= crossed.pairs[0].k > 0
    with pytest.raises(DataError, match="There is no pair 0"):
        ws.crossed_rows(crossed, 0)


def test_a_folder_without_a_theme_model_is_a_data_error(ws, tmp_path):
    with pytest.raises(DataError, match="no theme model"):
        ws.update_themes(tmp_path)


@pytest.mark.parametrize("wrong", ["foo", ["a shift"], None])
def test_explain_says_what_it_takes(wrong):
    with pytest.raises(DataError, match=r"explain takes one shift, such as ws.shifts\(\)\[0\], not"):
        Workspace(record(50)).explain(wrong)
