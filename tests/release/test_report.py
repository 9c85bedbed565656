"""The report: traceable, offline, escaped, readable when there is little to say."""

import json
import re
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import polars as pl
import pytest

from gne_analytics.evidence.proposals import Contribution, Recommendation
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Estimate, Interval
from gne_analytics.release.report import ProposalPart, ReportInput, report_html, write_report
from gne_analytics.release.traceable import untraced
from gne_analytics.strategy.experiment import plan_experiment
from gne_analytics.testing.results import a_proposal, a_report
from gne_analytics.testing.said import HOSTILE, some_themes


@pytest.fixture
def run():
    return a_report()


@pytest.fixture(scope="module")
def told():
    """A report that nobody writes to again."""
    return a_report()


@pytest.fixture(scope="module")
def html(told):
    return report_html(told)


def without_plotly(html):
    return re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)


def bare(run, **changes):
    empty = ReportInput(
        title="Quiet", source="demo", as_of=run.as_of, version=run.version, seed=0, store=EvidenceStore()
    )
    return replace(empty, **changes)


class Outline(HTMLParser):
    """Collects headings, tables without caption and plots without words."""

    def __init__(self, html):
        super().__init__()
        self.levels, self.tables, self.captions, self.silent, self.ids = [], 0, 0, 0, []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if re.fullmatch(r"h[1-6]", tag):
            self.levels.append(int(tag[1]))
        self.tables += tag == "table"
        self.captions += tag == "caption"
        self.silent += given.get("role") == "img" and not given.get("aria-label")
        if "id" in given:
            self.ids.append(given["id"])


def test_no_digit_in_a_report_lacks_an_evidence_id(html, told):
    assert untraced(html, told.store) == ()


def test_a_digit_smuggled_into_the_prose_is_found(html, told):
    forged = html.replace("In short", "In short: 3 things", 1)
    assert [found.text for found in untraced(forged, told.store)] == ["In short: 3 things"]


def test_a_number_changed_after_the_fact_is_found(html, told):
    forged = html.replace(">18.2 %</a>", ">12.8 %</a>", 1)
    assert forged != html
    assert "is no form of" in untraced(forged, told.store)[0].fault


def test_names_full_of_digits_need_no_evidence_of_their_own(run):
    numbered = replace(run, title="Report 7", source="src-2026", store=EvidenceStore(), findings=())
    cause = (
        run.shifts[0].causes[0].model_copy(update={"segment": Segment.of({"2nd <dim>": "99 % & more"}), "owner": "q9"})
    )
    numbered = replace(numbered, shifts=(replace(run.shifts[0], causes=(cause,)),))
    html = report_html(numbered)
    assert untraced(html, numbered.store) == ()
    assert "99 % &amp; more" in html


def test_every_number_links_to_its_row(html):
    cited = set(re.findall(r'data-ev="(E\d+)"', html))
    assert len(cited) > 50
    assert cited <= set(re.findall(r'<tr id="(E\d+)"', html))
    assert cited == set(re.findall(r'href="#(E\d+)"', html))


def test_the_appendix_lists_all_evidence(html, told):
    assert re.findall(r'<tr id="(E\d+)"', html) == [e.id for e in told.store]


def test_plotly_stands_in_the_page_once_and_nothing_is_fetched(html):
    assert html.count("plotly.js v") == 1
    assert "default-src 'none'" in html
    page = without_plotly(html)
    assert not re.search(r'(?:src|href)="(?!#)', page)
    assert "http://" not in page
    assert "https://" not in page
    assert "@import" not in page
    assert "url(" not in page


def test_the_report_stays_under_six_megabytes(tmp_path, run):
    written = write_report(tmp_path / "report.html", run)
    assert written.size == (tmp_path / "report.html").stat().st_size < 6_000_000


def test_hostile_texts_are_escaped_everywhere(run):
    themes = (some_themes()[0].model_copy(update={"label": HOSTILE, "terms": (HOSTILE,)}),)
    proposal = a_proposal().model_copy(update={"title": HOSTILE, "owner": HOSTILE})
    cases = run.proposals[0].examples.with_columns(case_id=pl.lit(HOSTILE), market=pl.lit(HOSTILE))
    part = ProposalPart(proposal, run.proposals[0].backtest, HOSTILE, examples=cases)
    shift = replace(run.shifts[0], changes=((run.as_of.date(), HOSTILE),), refused={HOSTILE: HOSTILE})
    hostile = replace(run, title=HOSTILE, source=HOSTILE, themes=themes, proposals=(part,), shifts=(shift,))
    page = report_html(hostile)
    assert '<script>alert("7")' not in page
    assert "<b>refund" not in page
    assert untraced(page, hostile.store) == ()


@pytest.mark.parametrize(("weeks", "said"), [(9, "needs"), (None, "the record does not tell")])
def test_an_experiment_says_its_weeks_its_correlation_and_how_sellers_are_assigned(run, weeks, said):
    plan = plan_experiment("cure_rate", 0.1, rows_per_unit=4).model_copy(update={"weeks": weeks})
    part = ProposalPart(a_proposal().model_copy(update={"experiment": plan}))
    planned = replace(run, proposals=(part,))
    page = report_html(planned)
    for words in (said, "correlation of one seller's rows that is assumed", "blake2b-512"):
        assert words in page
    assert untraced(page, planned.store) == ()


def test_a_json_block_cannot_end_its_script(run):
    shift = replace(run.shifts[0], changes=((run.as_of.date(), "</script><script>alert(1)//"),))
    page = report_html(replace(run, shifts=(shift,)))
    block = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL)
    assert len(json.loads(block.group(1))["plots"]) == page.count('class="plot"')


def test_headings_descend_tables_have_captions_and_figures_have_words(html):
    outline = Outline(without_plotly(html))
    assert outline.levels[0] == 1
    assert outline.levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(outline.levels))
    assert outline.tables == outline.captions > 5
    assert outline.silent == 0
    assert len(outline.ids) == len(set(outline.ids))


def test_the_first_screen_answers_the_four_questions(html):
    first = html[html.index('id="headline"') : html.index("<nav")]
    for question in ("What moved", "Why", "What we propose", "How sure"):
        assert f"<dt>{question}</dt>" in first
    words = re.sub(r"<[^>]+>", " ", first).split()
    assert len(words) < 280  # seventy seconds at the pace of careful reading


def test_filters_date_and_version_are_printed(run):
    page = report_html(replace(run, arguments={"baseline": "2013", "focus": "2015"}))
    for shown in ("15 November 2026", "0.1.0", "baseline", "2013", "2015"):
        assert shown in page


def test_a_quiet_run_says_plainly_that_nothing_moved(run):
    quiet = bare(run)
    page = report_html(quiet)
    assert "Nothing moved beyond chance" in page
    assert "No change of the policy config is proposed" in page
    assert "No row was rejected" in page
    assert "plotly.js v" not in page
    assert untraced(page, quiet.store) == ()


def test_stages_that_did_not_run_are_named_with_their_reason(run):
    why = "No policy set was given; add policies: to source.yaml."
    page = report_html(bare(run, stages_off={"propose": why, "backtest": why}))
    assert page.count(why) >= 2
    assert "What did not run" in page


def test_a_shift_without_causes_series_or_findings_reads_well(run):
    alone = replace(run.shifts[0], causes=(), decomposition=None, series=None, inside={}, refused={})
    part = ProposalPart(a_proposal(), None)
    small = bare(run, shifts=(alone,), proposals=(part,))
    page = report_html(small)
    assert "No segment explains it" in page
    assert "The last two weeks are immature" in page
    assert untraced(page, small.store) == ()


def test_causes_without_findings_show_their_reasons_and_rivals(run):
    page = report_html(replace(run, findings=(), store=EvidenceStore()))
    assert "What speaks for it" in page
    assert "these lie at all scores" in page


def test_a_cause_shows_its_series_its_siblings_its_rival_names_and_example_rows(html):
    cause = html[html.index('aria-label="Causes"') :]
    for shown in (
        "The line in purple is the onset, its shade the interval; lines in orange are the changes that fit",
        "The segment beside its siblings",
        "Rival descriptions",
        "nearly the same rows",
        "Example rows of the segment",
        "הלוגו הוא של המותג שלנו",
    ):
        assert shown in cause


def test_the_waterfall_stands_in_numbers_too_and_leads_from_rate_to_rate(html):
    table = html[html.index('aria-label="How it adds up"') :]
    table = table[: table.index("</table>")]
    cells = [re.sub(r"<[^>]+>", "", c) for c in re.findall(r"<td>(.*?)</td>", table)]
    assert cells[2].startswith("18.2 %")
    assert cells[-1].startswith("30.6 %")
    assert cells[-2] == "+12.4 points"
    steps = [float(c.removesuffix(" points").replace("−", "-")) for c in cells[4:-3:3]]
    assert sum(steps) == pytest.approx(12.4, abs=0.05 * len(steps))


def test_a_report_between_two_segments_names_them_where_it_would_say_before_and_after(run):
    part = run.shifts[0]
    shift = part.shift.model_copy(update={"baseline": Segment.of(market="TH"), "focus": Segment.of(market="ID")})
    timeless = {"onset": None, "onset_interval": None, "changes": (), "mechanism_reasons": ()}
    causes = tuple(c.model_copy(update=timeless) for c in part.causes)
    between = replace(run, shifts=(replace(part, shift=shift, causes=causes, series=None, inside={}),), findings=())
    section = re.search(r'<section id="shifts">.*?</section>', report_html(between), re.DOTALL)[0]
    assert "TH</bdi></th>" in section
    assert "rate differs" in section
    text = (
        re.sub(r"<[^>]+>", " ", section).replace("What moved, and why", "").replace("known only after the decision", "")
    )
    assert not re.search(r"\b(before|after|onset|rose|fell|moved)\b", text, re.IGNORECASE)


def test_shifts_beyond_the_third_are_folded_away_with_their_headline(run):
    part = run.shifts[0]
    parts = tuple(replace(part, shift=part.shift.model_copy(update={"id": f"S{i}"})) for i in range(5))
    many = replace(run, shifts=parts)
    page = report_html(many)
    assert page.count('<article class="shift">') == 5
    assert page.count('<article class="shift"><details>') == 2
    assert untraced(page, many.store) == ()


def test_a_proposal_of_a_later_shift_is_named_on_the_first_screen(run):
    orphaned = tuple(f.model_copy(update={"cause_id": "S9-C9"}) if f.proposal_id else f for f in run.findings)
    page = report_html(replace(run, findings=orphaned))
    first = page[page.index('id="headline"') : page.index("<nav")]
    assert "<dt>What we propose</dt>" not in first
    assert "Proposed for" in first[first.index("<p>Also:</p>") :]


def test_the_funnel_rising_themes_and_real_cases_are_shown(html):
    for words in ("From violation to reversal", "pouches, mint, school", "candidate breaks", "c-902"):
        assert words in html


def test_audits_are_planned_where_a_proposal_is_not_recommended(run):
    part = run.proposals[0]
    for verdict, shown in ((Recommendation.REFUSE, True), (Recommendation.RECOMMEND, False)):
        proposal = part.proposal.model_copy(update={"recommendation": verdict})
        page = report_html(replace(run, proposals=(replace(part, proposal=proposal),)))
        assert ("The audits that would settle it" in page) is shown


def test_of_several_edits_each_is_shown_with_what_it_brings_and_what_the_others_bring_without_it(run, html):
    part = run.proposals[0]
    interval = Interval(lo=-900.0, hi=-100.0)
    alone, without = (Estimate(value=v, interval=interval, n=4_100) for v in (-512.0, -301.0))
    second = part.proposal.edits[0].model_copy(update={"rule": "replica-wording"})
    several = part.proposal.model_copy(
        update={
            "edits": (*part.proposal.edits, second),
            "contributions": tuple(Contribution(edit=i, alone=alone, without=without) for i in range(2)),
        }
    )
    shown = replace(run, proposals=(replace(part, proposal=several), *run.proposals[1:]))
    page = report_html(shown)
    table = re.search(r"What each edit brings to the loss.*?</table>", page, re.DOTALL)[0]
    assert table.count("512") == table.count("301") == 2
    assert "replica-wording" in table
    assert untraced(page, shown.store) == ()
    assert "What each edit brings" not in html


def test_rejects_are_counted_by_reason_with_examples(html):
    assert "appeal without its violation" in html
    assert "ap-17, ap-18" in html


def test_the_usual_numbers_are_shown_and_disowned(html):
    at = html.index("The usual numbers")
    assert "share overturned among appeals" in html[at:]


def test_same_input_gives_the_same_bytes():
    assert report_html(a_report()) == report_html(a_report())


@pytest.mark.browser
def test_the_page_draws_its_figures_offline_without_a_word_of_complaint(tmp_path, run, chromium):
    path = tmp_path / "report.html"
    write_report(path, run)
    quiet = "--disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update"
    flags = ["--headless", "--no-sandbox", "--disable-sync", *quiet.split(), f"--user-data-dir={tmp_path / 'profile'}"]
    look = ["--virtual-time-budget=4000", "--enable-logging=stderr", "--dump-dom", path.as_uri()]
    shown = subprocess.run([chromium, *flags, *look], capture_output=True, text=True, timeout=120, check=True)  # noqa: S603
    assert "CONSOLE" not in shown.stderr
    drawn = set(re.findall(r'id="plot-(\d+)"[^>]*js-plotly-plot|js-plotly-plot[^>]*id="plot-(\d+)"', shown.stdout))
    assert len(drawn) >= 8


def test_themes_over_weeks_and_crossed_views_are_shown_with_counts_and_chance(html, run):
    assert "Themes over weeks" in html
    assert "chance alone would give" in html
    table = html[html.index("Pairs of themes that meet") :].split("</table>")[0]
    assert table.count("<tr>") == 1 + len(run.crossed.meeting)
    assert "By chance" in table


def test_without_a_pair_beyond_chance_or_a_second_week_neither_is_shown(run):
    still = replace(run, crossed=run.crossed.model_copy(update={"pairs": ()}), weeks=None)
    page = report_html(still)
    assert "Themes over weeks" not in page
    assert "chance alone" not in page
