import re
from datetime import date
from types import SimpleNamespace

import pytest

from gne_analytics.agents.checks import check_finding
from gne_analytics.agents.narrate_proposals import edit_sentence
from gne_analytics.agents.narrator import backtest_finding, narrate
from gne_analytics.agents.phrases import LABEL_SOURCES, moved, short_source
from gne_analytics.agents.summary import full_text, summary
from gne_analytics.evidence.claims import ClaimKind, FindingKind, check_template
from gne_analytics.evidence.render import render, render_finding
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import CauseKind, Counts, Edit, EditKind, Estimate, LabelSource, Mechanism, Period
from gne_analytics.metrics.judged import Unjudged
from gne_analytics.metrics.shifts import CHOSEN, IN_PART_ONLY


@pytest.fixture
def findings(shift, explanation, theme, proposal, backtest, store):
    return narrate([shift], [explanation], [theme], [proposal], [backtest], store)


def text_of(finding, store):
    return render_finding(finding, store)


def told(cause, shift, store):
    alone = SimpleNamespace(shift=shift, causes=(cause,), decomposition=None, notes=())
    return text_of(narrate([shift], [alone], [], [], [], store)[1], store)


def test_each_stage_has_its_finding_in_the_order_of_reading(findings):
    assert [f.kind for f in findings] == ["shift", "cause", "theme", "proposal"]


def test_every_template_passes_the_check_that_a_model_must_pass(findings, store):
    assert [p for f in findings for c in (f.title, *f.claims) for p in check_template(c.template, store)] == []


def test_no_digit_in_the_prose_lacks_its_evidence(findings, store):
    html = " ".join(render_finding(f, store, "html") for f in findings)
    outside = re.sub(r'<span class="ev" data-ev="E\d+">[^<]*</span>|</?h3>|</?p>|&#x?\w+;', "", html)
    assert not re.search(r"\d", outside)


def test_the_shift_says_direction_size_interval_and_counts(findings, store):
    text = text_of(findings[0], store)
    assert "rose from 18.0 % to 31.0 %" in text
    assert "rose by 13.0 points (interval +10.0 to +16.0 points): 180 of 1,000 before, 372 of 1,200 after" in text
    assert "The last 2 weeks are immature" in text


def test_a_fall_is_called_a_fall(shift, store):
    fallen = shift.model_copy(update={"before": shift.after, "after": shift.before, "delta": Estimate(value=-0.13)})
    text = text_of(narrate([fallen], [], [], [], [], store)[0], store)
    assert "fell by 13.0 points:" in text
    assert "rose" not in text


def test_two_segments_are_compared_as_places_not_as_times(shift, store):
    placed = shift.model_copy(update={"baseline": Segment.of(market="TH"), "focus": Segment.of(market="ID")})
    text = text_of(narrate([placed], [], [], [], [], store)[0], store)
    assert "is higher in market ID than in market TH" in text
    assert "before" not in text.splitlines()[1]


def test_a_cause_says_where_since_when_why_and_what_else(findings, store):
    text = text_of(findings[1], store)
    for part in (
        "In category beauty, detector version v7 and market ID, the overturn rate rose from 16.7 % to 73.1 %",
        "takes away +10.0 points of the +13.0 points",
        "began around 14 September 2026",
        "fits best is a detector error",
        "logo-match v7",
        "−1.0 points a window earlier",
        "could also be a threshold that is too low there",
        "Confirmed:",
        "Who can mend it: the owner of the detector",
    ):
        assert part in text


def test_a_candidate_is_never_called_confirmed(cause, shift, store):
    weak = cause.model_copy(update={"status": "candidate", "status_reason": "The source declares no unit"})
    text = told(weak, shift, store)
    assert "A candidate, not confirmed. The source declares no unit." in text
    assert "Confirmed" not in text


def test_an_unknown_mechanism_is_admitted(cause, shift, store):
    dark = cause.model_copy(update={"mechanism": Mechanism.UNKNOWN, "mechanism_reasons": ()})
    assert "Why is not known" in told(dark, shift, store)


@pytest.mark.parametrize("kind", list(CauseKind))
def test_every_kind_of_cause_can_be_told(cause, shift, store, kind):
    assert told(cause.model_copy(update={"kind": kind}), shift, store)


@pytest.mark.parametrize("kind", [k for k in CauseKind if k not in {"rate_shift", "new_segment", "vanished_segment"}])
def test_a_decoy_is_never_typed_as_a_failing_of_policy(cause, shift, store, kind):
    text = told(cause.model_copy(update={"kind": kind, "levers": (), "owner": ""}), shift, store)
    assert "detector error" not in text
    assert "mechanism that fits" not in text


def test_a_new_segment_claims_no_rate_before(cause, shift, store):
    new = cause.model_copy(update={"kind": CauseKind.NEW_SEGMENT, "before": Counts(k=0, n=0)})
    text = told(new, shift, store)
    assert "The baseline has no such cases; now the overturn rate is 73.1 % (190 of 260)" in text
    assert "not known" not in text


def test_a_proposal_says_edits_outcomes_coverage_guardrails_and_signatures(findings, store):
    text = text_of(findings[3], store)
    for part in (
        "a threshold of its own, 0.82, where market = 'ID' AND category UNDER 'beauty'",
        "the threshold goes from 0.7 to 0.74",
        "212 would have been released",
        "Wrongful enforcement: −150 cases (interval −170 to −128)",
        "Missed violations: +40 cases (worst-case bounds 30 to 61)",
        "192 of 212 affected cases",
        "Guardrails: 1 passed, 1 failed, for 0 the record cannot tell. Failed: missed violation, market=TH",
        "until 2 different named people have signed it",
    ):
        assert part in text


@pytest.mark.parametrize("kind", list(EditKind))
def test_every_kind_of_edit_can_be_told(kind, store):
    edit = Edit(kind=kind, policy="p", rule="r", item="i", old=0.5, new={"id": "i", "match": "a = 'b'", "value": 0.7})
    assert check_template(edit_sentence(edit, store), store) == ()


def test_hostile_text_in_a_label_is_escaped_on_screen(theme, store):
    hostile = theme.model_copy(update={"label": "<img src=x onerror=alert(1)>"})
    finding = narrate([], [], [hostile], [], [], store)[-1]
    assert "<img" not in render_finding(finding, store, "html")


def test_nothing_to_say_is_said(store):
    findings = narrate([], [], [], [], [], store)
    assert [f.kind for f in findings] == [FindingKind.QUIET]
    assert "Nothing moved beyond chance" in text_of(findings[0], store)


def test_what_cannot_be_judged_is_said_with_its_figures_and_their_evidence(store):
    reasons = {"overturn_rate": "there are 4 violations with a decided appeal, and it takes 150"}
    (some,) = narrate([], [], [], [], [], store, Unjudged(reasons))
    (none,) = narrate([], [], [], [], [], store, Unjudged(reasons, everything=True))
    for finding in (some, none):
        assert "The overturn rate cannot be judged: there are 4 violations" in text_of(finding, store)
        assert check_finding(finding, store) == ()
    assert "Nothing moved beyond chance" in text_of(some, store)
    assert "Nothing moved" not in text_of(none, store)


def test_one_actor_who_is_the_whole_record_says_nothing_of_the_policy(cause, shift, store):
    one = {"kind": CauseKind.ONE_ACTOR, "mechanism": Mechanism.UNKNOWN}
    counts = {
        "before": shift.before.model_copy(update={"units": 1}),
        "after": shift.after.model_copy(update={"units": 1}),
    }
    alone = told(cause.model_copy(update=one), shift.model_copy(update=counts), store)
    among = told(cause.model_copy(update=one), shift, store)
    assert "One actor is the whole record here" in alone
    assert "no failing of the policy" not in alone
    assert "no failing of the policy" in among


def test_the_same_results_give_the_same_findings(shift, explanation, theme, proposal, backtest):
    stores = EvidenceStore(), EvidenceStore()
    first, again = (narrate([shift], [explanation], [theme], [proposal], [backtest], s) for s in stores)
    assert first == again
    assert stores[0].to_json() == stores[1].to_json()


def test_the_summary_answers_the_four_questions_in_order(findings, store):
    text = summary(findings, store)
    headings = ["What moved", "Why", "What people say", "What it proposes", "How sure it is"]
    assert [line for line in text.splitlines() if not line.startswith(" ") and line] == headings
    assert max(map(len, text.splitlines())) <= 100


def test_the_summary_counts_what_it_leaves_out(shift, store):
    many = [shift.model_copy(update={"id": f"s{i}"}) for i in range(5)]
    assert "and 2 more in the report" in summary(narrate(many, [], [], [], [], store), store)


def test_the_summary_of_a_quiet_record_proposes_nothing(store):
    assert "Nothing is proposed." in summary(narrate([], [], [], [], [], store), store)


def test_one_approval_is_one_person(proposal, store):
    single = proposal.model_copy(update={"approvals_needed": 1})
    certainty = narrate([], [], [], [single], [], store)[-1].of_kind(ClaimKind.CERTAINTY)[0]
    assert render(certainty.template, store).endswith("until 1 named person has signed it.")


def test_a_backtest_alone_can_be_told(backtest, store):
    text = text_of(backtest_finding(backtest, store), store)
    assert "212 would have been released" in text
    assert "It is recommended" in text


def test_the_full_text_holds_every_claim(findings, store):
    text = " ".join(full_text(findings, store).split())
    for finding in findings:
        for claim in finding.claims:
            assert " ".join(render(claim.template, store).split()) in text


def test_windows_read_as_dates_with_a_label_and_without(shift, store):
    bare = {"start": shift.focus.start, "end": shift.focus.end}
    text = text_of(narrate([shift.model_copy(update={"focus": Period(**bare)})], [], [], [], [], store)[0], store)
    assert "From August 2026 to October 2026 the overturn rate" in text


def test_a_metric_that_is_no_rate_by_name_is_called_a_share(shift, store):
    other = shift.model_copy(update={"metric": "signals_without_violation"})
    finding = narrate([other], [], [], [], [], store)[0]
    assert "The share of signals without violation" in text_of(finding, store)
    assert check_finding(finding, store) == ()


def test_the_summary_says_for_how_many_cases_the_truth_is_known(findings, store):
    sure = summary(findings, store).split("How sure it is")[1]
    assert "192 of 212 affected" in " ".join(sure.split())


def test_a_side_without_a_rate_has_no_direction(shift, explanation, store):
    bare = shift.model_copy(
        update={"before": Counts(k=0, n=0), "delta": Estimate(value=float("nan")), "significant": False}
    )
    findings = narrate([bare], [], [], [], [], store)
    text = text_of(findings[0], store)
    assert "cannot be compared with" in text
    assert not re.search(r"\b(rose|fell|higher|lower|did not move)\b", text)
    assert moved(float("nan")) == "went"
    assert check_finding(findings[0], store) == ()
    places = bare.model_copy(update={"baseline": Segment.of(market="TH"), "focus": Segment.of(market="ID")})
    assert "cannot be compared with market TH" in text_of(narrate([places], [], [], [], [], store)[0], store)


def test_a_found_shift_says_once_that_its_windows_flatter(shift, explanation, store):
    found = shift.model_copy(update={"flags": (*shift.flags, CHOSEN)})
    twice = SimpleNamespace(**{**vars(explanation), "shift": found, "notes": (CHOSEN,)})
    finding = narrate([found], [twice], [], [], [], store)[0]
    assert text_of(finding, store).count(CHOSEN) == 1
    assert check_finding(finding, store) == ()


@pytest.mark.parametrize("source", list(LabelSource))
def test_the_summary_names_the_label_source_of_each_move_once(shift, store, source):
    moves = [shift.model_copy(update={"id": i, "label_source": source}) for i in ("s1", "s2")]
    text = " ".join(summary(narrate(moves, [], [], [], [], store), store).split())
    assert text.count(f"after, by {short_source(LABEL_SOURCES[source])}.") == 2


def test_the_summary_names_final_outcomes_of_appeals_in_few_words(findings, store):
    text = " ".join(summary(findings, store).split())
    assert "372 of 1,200 after, by final outcomes of appeals. Why" in text


def test_a_segment_that_is_gone_ended_and_did_not_begin(cause, shift, store):
    gone = told(cause.model_copy(update={"kind": CauseKind.VANISHED_SEGMENT}), shift, store)
    assert "It ended around 14 September 2026" in gone
    assert "began" not in gone


def test_an_onset_of_a_record_of_years_is_a_year(cause, shift, store):
    years = [Period(start=date(y, 1, 1), end=date(y + 1, 1, 1)) for y in (2013, 2015)]
    yearly = cause.model_copy(
        update={"onset": date(2015, 1, 1), "onset_interval": (date(2014, 1, 1), date(2015, 1, 1)), "changes": ()}
    )
    between = shift.model_copy(update={"baseline": years[0], "focus": years[1]})
    assert "It began around 2015, somewhere from 2014 to 2015." in told(yearly, between, store)


def test_the_part_in_which_a_shift_shows_is_named(shift, store):
    part = shift.model_copy(update={"strongest": Segment.of(market="ID"), "flags": (IN_PART_ONLY,)})
    assert "It shows most plainly in market ID." in text_of(narrate([part], [], [], [], [], store)[0], store)


def test_that_there_is_no_unit_is_said_once(shift, store):
    from gne_analytics.causes.explain import Explanation
    from gne_analytics.evidence.types import Decomposition

    flag = "The source declares no unit, so rows are taken as independent and the interval is too narrow."
    note = "The source declares no unit of independence, so no cause is more than a candidate."
    bare = shift.model_copy(update={"flags": (flag,), "before": shift.before.model_copy(update={"units": 0})})
    split = Decomposition(delta=0.13, causes={}, mix=(), residual=0.13)
    found = Explanation(
        shift=bare, causes=(), decomposition=split, dimensions=(), refused={}, notes=(note,)
    )  # fmt: skip
    text = text_of(narrate([bare], [found], [], [], [], store)[0], store)
    assert text.count("declares no unit") == 1
    assert "For the same reason no cause is more than a candidate." in text


def test_the_label_of_the_first_theme_is_said_once(theme, store):
    (finding,) = narrate([], [], [theme], [], [], store)[1:]
    assert text_of(finding, store).count(theme.label) == 1
