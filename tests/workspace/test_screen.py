"""What a screen says of a run: nothing hostile runs, every figure names its evidence, exports say what they are."""

import re

import polars as pl
import pytest

from gne_analytics.evidence.types import Edit, EditKind
from gne_analytics.strategy.moved import threshold_set
from gne_analytics.testing.results import a_backtest, a_proposal, a_tree, some_losing_sellers
from gne_analytics.testing.runs import write_a_run
from gne_analytics.testing.said import HOSTILE, a_crossing, some_themes
from gne_analytics.workspace.run import open_run
from gne_analytics.workspace.screen import (
    address,
    audits_table,
    badge,
    cards,
    cases_table,
    crossed_table,
    edits_table,
    links_list,
    node_card,
    nodes_table,
    on_whom,
    outcome_card,
    pair_said,
    patch,
    proposal_cards,
    table,
    themes_table,
    tiles,
    with_threshold,
)
from gne_analytics.workspace.sheet import sheet


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("screen") / "run"
    write_a_run(folder)
    return open_run(folder)


def test_tiles_count_what_the_run_holds(run):
    shown = tiles(run)
    for n, name in ((len(run.shifts), "shift"), (len(run.causes), "cause"), (len(run.proposals), "proposal")):
        assert f"<strong>{n}</strong> {name}{'' if n == 1 else 's'}<" in shown


def test_a_card_links_to_its_shift_and_its_figures_name_their_evidence(run):
    shown = cards(run, {run.shifts[0].id: "?view=shift&shift=S1"})
    assert 'href="?view=shift&amp;shift=S1"' in shown
    assert shown.count('title="Evidence E') == shown.count('data-ev="E') > 0


def test_proposals_carry_the_badge_of_their_recommendation(run):
    shown = proposal_cards(run, {p.id: f"?proposal={p.id}" for p in run.proposals})
    assert all(f'class="gne-badge {p.recommendation.value}"' in shown for p in run.proposals)


def test_hostile_texts_in_tables_and_patches_are_escaped():
    assert "<script" not in table([{"example": HOSTILE}], HOSTILE)
    assert "<script" not in patch(f"+{HOSTILE}")
    assert "<script" not in badge(HOSTILE)


def test_tables_redact_texts_and_say_what_is_not_known():
    shown = table([{"example": "write to jo@shop.example", "score": None}], "Examples")
    assert "[email]" in shown
    assert "not known" in shown


def test_a_table_without_rows_says_so():
    assert "Examples: none." in table([], "Examples")


def test_added_and_removed_lines_of_a_patch_are_told_apart():
    shown = patch("-old\n+new")
    assert '<span class="removed">-old</span><span class="added">+new</span>' in shown


def test_an_address_keeps_its_state_and_leaves_out_what_is_empty():
    assert address(run="/a b", view="cause", cause="", shift="x&y") == "?run=/a+b&view=cause&shift=x%26y"


@pytest.mark.parametrize("new", [0.8, {"id": "o", "match": "market = 'ID'", "value": 0.8}])
def test_a_threshold_can_be_moved_and_read_back(new):
    edit = Edit(kind=EditKind.SET_THRESHOLD, policy="p", rule="r", new=new)
    assert threshold_set(edit) == 0.8
    assert threshold_set(with_threshold(edit, 0.7)) == 0.7


def test_an_edit_of_another_kind_has_no_threshold():
    assert threshold_set(Edit(kind=EditKind.SET_POINTS, policy="p", rule="r", new=8)) is None


def test_a_sheet_says_run_date_version_and_filter_and_holds_no_formula(run):
    frame = pl.DataFrame({"=id": ["=1+1", "plain"], "n": [-1, 2]})
    lines = sheet(run, frame, {"segment": "=evil"}).splitlines()
    about = dict(line.split(",", 1) for line in lines[: lines.index("")])
    assert about["run"] == run.path.name
    assert about["record up to"] == str(run.manifest["as_of"])[:10]
    assert about["segment"] == "'=evil"
    assert {"version", "rows"} <= set(about)
    assert lines[lines.index("") + 1 :] == ["'=id,n", "'=1+1,-1", "plain,2"]


def test_themes_of_a_level_link_to_their_cards_and_hostile_labels_are_text():
    nodes = [n.model_copy(update={"label": f"<script>{n.id}"}) for n in a_tree().level(1)]
    shown = nodes_table(nodes, {n.id: f"?view=themes&theme={n.id}" for n in nodes}) + node_card(nodes[0])
    assert 'href="?view=themes&amp;theme=T1"' in shown
    assert "<script>" not in shown
    assert links_list("Causes", {}) == outcome_card(None) == ""
    assert "<b>" not in links_list("Causes", {"<b>": "?view=cause&cause=<b>"})


def test_a_run_reads_its_trees_and_cards_and_has_none_where_an_older_version_wrote_none(run):
    assert run.theme_trees == [a_tree()]
    assert [c.theme for c in run.theme_cards] == run.themes
    assert run.theme_outcomes == []


def test_pairs_of_crossed_views_are_a_table_of_links_and_a_sentence_each():
    crossed = a_crossing()
    links = {(p.one, p.other): f"?theme={p.one}&with={p.other}" for p in crossed.pairs}
    shown = crossed_table(crossed, links)
    assert shown.count("<a href=") == len(crossed.meeting) == 2
    assert 'href="?theme=T1&amp;with=R1"' in shown
    assert f"<td>{crossed.meeting[0].k}</td><td>{crossed.meeting[0].by_chance}</td>" in shown
    told = pair_said(crossed, crossed.meeting[0])
    assert "chance alone would give" in told
    assert "<script" not in shown + told


def test_a_run_hands_over_its_weeks_and_its_crossed_views(run):
    assert [c.one for c in run.theme_crossed] == ["seller_text"]
    weeks = run.theme_weeks("seller_text")
    assert weeks.labels["T1"] == "authorised reseller, invoice attached"
    assert len(weeks.empty) == 1
    assert run.theme_weeks("signals") is None


def test_on_whom_a_proposal_falls_is_shown_by_milestone_and_seller_with_ids_whole_and_escaped():
    shown = on_whom(a_backtest(), some_losing_sellers())
    assert "of 2,911 sellers" in shown
    assert shown.index("first-warning") < shown.index("suspended-7d")
    assert '<bdi class="short">c-71</bdi>, <bdi class="short">c-70</bdi>' in shown
    assert "<script" not in shown


def test_without_a_backtest_or_the_record_nothing_is_claimed_on_whom_it_falls():
    assert on_whom(None) == on_whom(a_backtest().model_copy(update={"ladder": None})) == ""
    assert "No seller of the record" in on_whom(None, some_losing_sellers().clear())


def test_ids_of_a_table_stay_whole_where_texts_are_redacted():
    row = {"case_id": "C00035060", "text": "call 00 35 06 00 11"}
    shown = table([row], "Cases", ids=("case_id",))
    assert "C00035060" in shown
    assert "00 35 06" not in shown


def test_cases_and_audits_are_told_in_words():
    examples = pl.DataFrame(
        {
            "bucket": ["candidate_fixes"], "case_id": ["C00033123"], "violating": [0.0],
            "label_source": ["appeal_final"], "score": [0.679],
            "state_today": ["automatic"], "state_proposed": ["nothing"],
        }
    )  # fmt: skip
    shown = cases_table(examples)
    assert "candidate fixes" in shown
    assert "C00033123" in shown
    assert "legitimate" in shown
    strata = pl.DataFrame({"cell": ["counterfeit|released|-1|0"], "cases": [412], "audits": [60]})
    assert "counterfeit: released" in audits_table(strata)


def test_themes_are_sorted_by_size_and_edits_name_their_place():
    shown = themes_table([t for t in some_themes() if t.view == "seller_text"], "seller_text")
    sizes = sorted((t.folded for t in some_themes() if t.view == "seller_text"), reverse=True)
    assert [int(n.replace(",", "")) for n in re.findall(r"</bdi></td><td>([\d,]+)</td>", shown)][: len(sizes)] == sizes
    assert "<script" not in shown
    assert "counterfeit / logo-match" in edits_table(a_proposal().edits)
