"""An explanation shows itself: its pieces add up, two segments have words of their own, nothing hostile runs."""

import json
import re
import warnings
from dataclasses import replace
from html.parser import HTMLParser

import polars as pl
import pytest

from gne_analytics.causes.explain import Explanation
from gne_analytics.errors import DataError
from gne_analytics.evidence.segment import Segment
from gne_analytics.figures import words_of
from gne_analytics.release.traceable import untraced
from gne_analytics.workspace import Workspace
from gne_analytics.workspace.explained import Explained

from .conftest import BETWEEN, IN_TIME, ONSET, TOYS, planted_record

HOSTILE = '<script>alert("7")</script>'
TURNED = "\u202eabc הלוגו שלנו"
IN_TIME_WORDS = re.compile(
    r"\b(before|after|onset|rose|fell|began|new segment|vanished|platform|moved)\b", re.IGNORECASE
)


class Page(HTMLParser):
    """Collects every tag, every address and what is read."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.addresses, self.said, self._skip = [], [], [], 0
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self._skip += tag in ("style", "script")
        self.addresses += [v for k, v in attrs if k in ("src", "href", "srcset", "action") and v]

    def handle_endtag(self, tag):
        self._skip -= tag in ("style", "script")

    def handle_data(self, data):
        if not self._skip:
            self.said.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.said).split())


def explained(record, **windows):
    ws = Workspace(record)
    return ws.explain(ws.shifts(**windows)[0])


def test_an_explanation_is_still_the_explanation_as_json(moved):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told = json.loads(moved.model_dump_json())
    assert set(told) == set(Explanation.model_fields)
    assert Explanation.model_validate(told).causes == moved.causes
    assert isinstance(moved.model_copy(update={"notes": ("x",)}), Explained)


def test_the_steps_add_up_to_the_shift_in_time_and_between_segments(moved, between):
    for one in (moved, between):
        steps = one.steps()
        assert steps["adds"].sum() == pytest.approx(one.shift.delta.value, abs=1e-9)
        assert steps["from"][0] == one.shift.before.rate
        assert steps["to"][-1] == pytest.approx(one.shift.after.rate, abs=1e-9)
        assert {"cause", "mix", "residual"} <= set(steps["kind"])


def test_the_table_holds_what_an_analyst_ranks_by(moved):
    (row,) = moved.table().to_dicts()
    assert row["segment"] == "category: toys, market: ID"
    assert (row["kind"], row["status"]) == ("rate moved", "confirmed")
    assert row["lo"] < row["effect"] < row["hi"]
    assert row["contribution"] == moved.decomposition.causes[row["id"]]
    assert row["n_focus"] == moved.causes[0].after.n
    assert row["onset"] == moved.causes[0].onset


def test_a_cause_is_named_by_rank_id_or_itself(moved):
    cause = moved.causes[0]
    assert moved.cause(1) is moved.cause(cause.id) is moved.cause(cause) is cause
    with pytest.raises(DataError, match=r"there are 1 \(category=toys & market=ID\)"):
        moved.cause(7)


def test_the_series_of_a_cause_draws_its_onset_and_names_the_change_that_fits_alone(moved):
    figure = moved.series(1)
    texts = [a.text for a in figure.layout.annotations]
    assert {"onset", "toy detector v9"} <= set(texts)
    assert "a new shift plan" not in texts
    assert abs((moved.causes[0].onset - ONSET.date()).days) <= 7


def test_siblings_lie_along_the_dimension_in_which_the_cause_stands_out_or_another_that_is_named(moved):
    assert words_of(moved.siblings(1, along="market")).subtitle.startswith("Along market, within category: toys")
    assert words_of(moved.siblings(1)).subtitle.startswith(("Along market", "Along category"))
    with pytest.raises(DataError, match="name one of category, market"):
        moved.siblings(1, along="queue")


def test_siblings_and_names_count_what_the_cause_counts(moved, between):
    for one in (moved, between):
        cause, part = one.causes[0], one.part().inside[one.causes[0].id]
        held = part.siblings.filter("in_cause").group_by("window").agg(pl.col("k").sum(), pl.col("n").sum())
        counts = {window: (k, n) for window, k, n in held.select("window", "k", "n").iter_rows()}
        assert counts == {
            "baseline": (cause.before.k, cause.before.n), "focus": (cause.after.k, cause.after.n),
        }  # fmt: skip
        own = part.names[0]
        assert (own.how, own.shared) == ("named", 1.0)
        assert (own.before.k, own.after.n) == (cause.before.k, cause.after.n)
        assert all(0 < name.shared <= 1 for name in part.names)


def test_a_path_has_siblings_at_the_level_that_the_cause_names():
    beauty = pl.col("category").str.starts_with("beauty/") & (pl.col("decided_at") >= ONSET)
    one = explained(planted_record(beauty), **IN_TIME)
    assert one.causes[0].segment == Segment.of(category="beauty")
    assert set(one.part().inside[one.causes[0].id].siblings["value"]) == {"beauty", "toys"}


def test_examples_are_rows_of_the_segment_most_of_them_such_as_moved_it_each_of_another_seller(moved):
    rows = moved.rows(1, limit=6)
    assert rows["counted"].to_list() == [True] * 4 + [False] * 2
    behind = moved.rows(1)
    held = behind.filter(pl.col("id").is_in(rows["id"].to_list()))
    assert held["focus"].all()
    assert set(held["market"]) == {"ID"}
    assert held["unit"].n_unique() == 6
    assert not [c for c in rows.columns if "seller_id" in c or c == "unit"]


def test_examples_of_a_fall_are_rows_that_do_not_count():
    one = explained(planted_record(TOYS & (pl.col("decided_at") < ONSET)), **IN_TIME)
    assert one.causes[0].effect.value < 0
    assert one.rows(1, limit=6)["counted"].to_list() == [False] * 4 + [True] * 2


def test_the_output_of_a_notebook_stands_for_itself_and_runs_nothing(moved):
    html = moved._repr_html_()
    page = Page(html)
    assert "script" not in page.tags
    assert page.addresses == []
    assert "http://" not in html.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert "url(" not in html.replace("url(#", "")
    assert page.tags.count("svg") == 3
    assert len(html) < 200_000
    for shown in ("Causes", "leave-out", "Siblings along", "Rival descriptions", "Example rows", "Changes that fit"):
        assert shown in page.text


def test_the_page_opens_offline_and_every_digit_has_its_evidence(moved, between, tmp_path):
    for one in (moved, between):
        html = one.write(tmp_path / "why.html").read_text(encoding="utf-8")
        assert untraced(html, one._store) == ()
        assert [a for a in Page(html).addresses if not a.startswith("#")] == []
        assert html.count("plotly.js v") == 1
        assert html.count('class="plot"') == 5


def test_two_segments_are_compared_in_their_own_words_without_before_after_or_onset(between):
    cause = between.causes[0]
    assert cause.segment == Segment.of(category="toys")
    assert cause.onset is None
    text = Page(between._repr_html_()).text
    assert "Overturn rate is higher in ID than in TH" in text
    assert {"n TH", "n ID"} <= set(re.findall(r"n (?:TH|ID)", text))
    assert not IN_TIME_WORDS.findall(text)
    assert [t.name for t in between.series(1).data if t.name in ("TH", "ID")] == ["TH", "ID"]
    assert not between.series(1).layout.shapes


def test_the_page_of_two_segments_says_nothing_of_time_either(between):
    page = re.sub(r'<section id="evidence">.*', "", between.html(), flags=re.DOTALL)
    assert not IN_TIME_WORDS.findall(Page(page).text)


def test_what_restates_the_segments_compared_may_not_explain_them():
    tied = {"th": "th", "en": "en"}
    record = planted_record(TOYS)
    violations = record.violations.with_columns(
        language=pl.when(pl.col("market") == "ID").then(pl.lit("id")).otherwise(pl.col("language").replace(tied))
    )
    rows = violations.filter((pl.col("market") == "ID") | (pl.col("language") != "id"))
    one = explained(replace(record, violations=rows), **BETWEEN)
    assert "share few of its values" in one.refused["language"]
    assert one.causes[0].segment == Segment.of(category="toys")


def test_the_difference_of_everything_is_told_once_and_has_no_siblings():
    one = explained(planted_record(pl.col("market") == "ID"), **BETWEEN)
    (row,) = one.table().to_dicts()
    assert (row["segment"], row["kind"]) == ("everything", "differs throughout")
    assert one.part().inside[row["id"]].siblings is None
    with pytest.raises(DataError, match="no siblings"):
        one.siblings(1)
    assert not IN_TIME_WORDS.findall(Page(one._repr_html_()).text)


def test_no_cause_is_said_calmly():
    one = explained(planted_record(pl.lit(False), n=1_500), **IN_TIME)
    assert one.causes == ()
    assert "No segment explains it" in Page(one._repr_html_()).text
    assert "No segment explains it" in Page(one.html()).text
    assert one.table().is_empty()


def test_a_shift_of_too_few_rows_was_not_searched_and_says_so():
    one = explained(planted_record(pl.lit(False), n=60), baseline="market=GB", focus="market=ID")
    for html in (one._repr_html_(), one.html()):
        assert "It was not searched" in Page(html).text
        assert "No segment explains it" not in Page(html).text


def test_without_a_unit_each_cause_is_a_candidate_and_the_reason_stands_there():
    one = explained(planted_record(TOYS & (pl.col("decided_at") >= ONSET), unit=False), **IN_TIME)
    assert {c.status for c in one.causes} == {"candidate"}
    assert "declares no unit" in Page(one._repr_html_()).text
    assert one.rows(1, limit=6).height == 6


@pytest.fixture(scope="module")
def hostile():
    values = {
        "category": {"toys": f"{HOSTILE} =HYPERLINK(evil) {TURNED} " + "long name " * 12},
        "language": {"id": "עברית"},
    }
    texts = f"{TURNED} <img src=x onerror=alert(1)> =HYPERLINK(evil) mail a@b.example {HOSTILE} " + "long " * 90
    return explained(planted_record(TOYS & (pl.col("decided_at") >= ONSET), texts=texts, values=values), **IN_TIME)


def test_hostile_names_and_texts_are_escaped_cut_redacted_and_shut_in(hostile):
    for html in (hostile._repr_html_(), re.sub(r"<script.*?</script>", "", hostile.html(), flags=re.DOTALL)):
        page = Page(html)
        assert not {"script", "img"} & set(page.tags)
        assert HOSTILE not in html
        assert "a@b.example" not in html
        assert "[email]" in page.text
        assert "<bdi" in html
    examples = hostile.rows(1, limit=6)
    said = examples["what the seller says"]
    assert not any("\u202e" in text for text in said)
    assert said.str.len_chars().max() <= 140


def test_ten_causes_are_all_ranked_and_the_first_shown_in_full(moved):
    cause = moved.causes[0]
    many = tuple(cause.model_copy(update={"id": f"C{i}", "rank": i, "contribution": 0.001}) for i in range(1, 11))
    split = moved.decomposition.model_copy(
        update={"causes": {c.id: 0.001 for c in many}, "residual": moved.shift.delta.value - 0.01, "mix": ()}
    )
    ten = moved.model_copy(update={"causes": many, "decomposition": split})
    page = Page(ten._repr_html_())
    assert ten.table().height == 10
    assert page.text.count("rate moved") == 10 + 5  # each ranked, five of them shown
    assert "5 more: .series(rank)" in page.text
    assert ten.steps()["step"].to_list()[-2:] == ["2 other causes", "not explained"]
    assert ten.steps()["adds"].sum() == pytest.approx(moved.shift.delta.value, abs=1e-9)


def test_example_rows_show_what_names_the_segment_and_the_text_before_other_columns(moved):
    columns = moved.rows(1, limit=6).columns
    assert columns[:6] == ["id", "day", "counted", "category", "market", "what the seller says"]
    assert len(columns) > 6


def test_the_page_says_how_rows_were_chosen_what_a_change_was_and_keeps_its_columns_on_a_phone(moved):
    html = re.sub(r"<script.*?</script>", "", moved.html(), flags=re.DOTALL)
    assert "The latest rows of the focus window, no two of one unit: two in three count" in html
    assert 'data-label="What"><bdi data-source="name">toy detector v9</bdi>' in html
    for column in ("Change inside", "Leave-out", "Contribution", "Rows shared", "what the seller says"):
        assert f'data-label="{column}"' in html
    assert "The latest rows of the focus window" in Page(moved._repr_html_()).text


def test_without_a_table_of_changes_no_line_is_said_to_be_a_change():
    record = planted_record(TOYS & (pl.col("decided_at") >= ONSET))
    one = explained(replace(record, changes=record.changes.clear()), **IN_TIME)
    for html in (one.html(), one._repr_html_()):
        assert "no change of the world is recorded near it" in html
        assert "in orange" not in re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)


def test_a_difference_that_may_be_chance_says_so_under_its_headline():
    one = explained(planted_record(pl.lit(False), n=1_500), **BETWEEN)
    assert not one.shift.significant
    said = "The difference is not shown to be beyond chance."
    assert said in Page(one.html()).text
    assert said in Page(one._repr_html_()).text
