"""Every figure: its finding as title, an alt text, intervals drawn, small n greyed, traces that old plotly.js knows."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gne_analytics import figures
from gne_analytics.evidence.proposals import Flow, Identification
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import CauseKind, Counts, Decomposition, MixEffect
from gne_analytics.figures.shifts import adds_up
from gne_analytics.figures.theme import BLUE, GREY
from gne_analytics.figures.wording import kind_of, sides
from gne_analytics.strategy.frontier import Frontier
from gne_analytics.testing import results
from gne_analytics.testing.said import a_crossing
from gne_analytics.themes import ThemeWeeks

FUNNEL = pl.DataFrame(
    {"stage": ["violations", "appealed", "overturned"], "n": [20_000, 900, 310], "of": [20_000, 20_000, 900]}
)


def a_point(n, wrongful, missed, **more):
    figures = {f"{name}{end}": v + off for name, v in (("wrongful", wrongful), ("missed", missed))
               for end, off in (("", 0.0), ("_lo", -20.0), ("_hi", 25.0))}  # fmt: skip
    places = [{"segment": "market=<b>ID</b>", "today": 0.6, "threshold": 0.6 + n / 100}]
    return {"point": n, "stated": n == 1, "changed": min(n, 1), "reviews": 4.0, "recommendation": "cannot_tell",
            "forbidden": n == 2, "thresholds": places} | figures | more  # fmt: skip


def a_frontier(points=3):
    rows = [a_point(n, -300.0 + 150 * n, 120.0 - 50 * n) for n in range(points)]
    return Frontier("counterfeit", "logo-match", ("market",), pl.DataFrame(rows), (), (), ((),) * points)


BETWEEN = results.a_shift().model_copy(
    update={"baseline": Segment.of(market="TH"), "focus": Segment.of(market="ID")}
)  # two segments, no windows
BOTH_SIDES = pl.concat(
    [
        results.a_series().with_columns(side=pl.lit("baseline")),
        results.a_series().with_columns(side=pl.lit("focus"), k=pl.col("k") // 2, lo=None, hi=None),
    ]
)
NAMES = {cause.id: str(cause.segment) for cause in results.some_causes()}
SAID = ThemeWeeks(
    "signals",
    pl.DataFrame(
        {
            "week": [date(2026, 3, 2) + timedelta(weeks=i // 2) for i in range(8)],
            "theme_id": ["T1", "T2"] * 4,
            "texts": [20, 30, 4, 6, 0, 0, 25, 25],
            "k": [20.0, 30.0, 4.0, 6.0, 0.0, 0.0, 25.0, 25.0],
            "n": [50, 50, 10, 10, 0, 0, 50, 50],
            "share": [0.4, 0.6, 0.4, 0.6, None, None, 0.5, 0.5],
            "lo": [0.28, 0.46, 0.17, 0.31, None, None, 0.37, 0.37],
            "hi": [0.54, 0.72, 0.69, 0.83, None, None, 0.63, 0.63],
        }
    ),
    {"T1": "pasted <b>complaint</b>", "T2": "no clause named"},
)
DRAWN = {
    "shift_series": lambda: figures.shift_series(results.a_series(), results.a_shift(), onset=date(2026, 9, 28)),
    "waterfall": lambda: figures.waterfall(results.a_shift(), results.a_decomposition(), names=NAMES),
    "causes_ranked": lambda: figures.causes_ranked(results.some_causes()),
    "siblings": lambda: figures.siblings(results.some_siblings(), title="Indonesia stands out", subtitle="by market"),
    "backtest_differences": lambda: figures.backtest_differences(results.a_backtest()),
    "flow_bar": lambda: figures.flow_bar(results.a_backtest().flow),
    "identification_bar": lambda: figures.identification_bar(results.a_backtest().identification),
    "guardrails_plot": lambda: figures.guardrails_plot(results.a_backtest().guardrails),
    "themes_bar": lambda: figures.themes_bar(results.some_themes()),
    "themes_weekly": lambda: figures.themes_weekly(SAID),
    "themes_crossed": lambda: figures.themes_crossed(a_crossing()),
    "appeals_funnel": lambda: figures.appeals_funnel(FUNNEL),
    "inside_series": lambda: figures.inside_series(
        results.a_series(),
        results.a_shift(),
        results.some_causes()[0],
        changes=[(date(2026, 8, 3), "another change")],
        matched=results.behind_a_cause().changes,
    ),
    "sides_series": lambda: figures.sides_series(BOTH_SIDES, BETWEEN),
    "frontier": lambda: figures.frontier(a_frontier()),
}
EMPTY = {
    "series": lambda: figures.shift_series(results.a_series().clear(), results.a_shift()),
    "causes": lambda: figures.causes_ranked([]),
    "siblings": lambda: figures.siblings(results.some_siblings().clear(), title="none", subtitle="none"),
    "differences": lambda: figures.backtest_differences(results.a_backtest().model_copy(update={"outcomes": ()})),
    "flow": lambda: figures.flow_bar(Flow()),
    "identification": lambda: figures.identification_bar(Identification()),
    "guardrails": lambda: figures.guardrails_plot(()),
    "themes": lambda: figures.themes_bar(()),
    "weekly": lambda: figures.themes_weekly(ThemeWeeks("signals", SAID.weeks.clear(), {})),
    "crossed": lambda: figures.themes_crossed(a_crossing().model_copy(update={"pairs": ()})),
    "funnel": lambda: figures.appeals_funnel(FUNNEL.clear()),
    "frontier": lambda: figures.frontier(replace(a_frontier(2), by=())),
}


def trace_of(figure, x):
    return next(t for t in figure.data if t.x is not None and x in list(t.x))


def test_every_public_figure_is_drawn_here():
    assert set(DRAWN) == set(figures.__all__) - {"Words", "still", "themes_map", "waterfall_steps", "words_of"}


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_says_its_finding_and_what_lies_behind_it(name):
    figure = DRAWN[name]()
    words = figures.words_of(figure)
    assert words.title
    assert words.subtitle
    assert len(words.alt) > len(words.title)
    assert words.title.split()[0] in figure.layout.title.text
    assert figure.layout.title.subtitle.text


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_draws_only_what_plotly_js_3_knows_too(name):
    assert {trace.type for trace in DRAWN[name]().data} <= {"scatter", "bar"}


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_takes_its_look_from_the_template(name):
    layout = DRAWN[name]().layout
    assert layout.font.color is None
    assert layout.paper_bgcolor is None
    assert layout.template.layout.colorway


@pytest.mark.parametrize("name", EMPTY)
def test_a_figure_of_nothing_is_a_figure_that_says_so(name):
    assert figures.words_of(EMPTY[name]()).title


def test_weeks_without_a_text_break_line_and_band_and_small_weeks_are_hollow():
    figure = DRAWN["themes_weekly"]()
    bands = [t for t in figure.data if t.fill == "toself"]
    lines = [t for t in figure.data if t.mode == "lines+markers"]
    assert len(lines) == 2
    assert len(bands) == 4
    assert all(date(2026, 3, 16) not in band.x for band in bands)
    assert lines[0].y[2] is None
    assert not lines[0].connectgaps
    assert list(lines[0].marker.symbol)[:2] == ["circle", "circle-open"]
    assert any("&lt;b&gt;complaint&lt;/b&gt;" in a.text for a in figure.layout.annotations)


def test_the_title_of_a_series_is_the_shift_itself():
    title = figures.words_of(DRAWN["shift_series"]()).title
    assert title == "Overturn rate in policy: counterfeit rose from 18.2 % to 30.6 %"


def test_immature_weeks_and_small_weeks_are_grey_and_of_another_shape():
    figure = DRAWN["shift_series"]()
    marks = {t.name: t.marker for t in figure.data if t.mode == "markers"}
    immature, small, rate = (next(m for n, m in marks.items() if n.startswith(w)) for w in ("imm", "few", "rate"))
    assert immature.color == small.color == GREY
    assert len({immature.symbol, small.symbol, rate.symbol}) == 3


def test_a_series_shades_its_windows_and_draws_changes_as_lines():
    figure = figures.shift_series(
        results.a_series(), results.a_shift(), changes=[(date(2026, 9, 28), "<i>v7</i> live")]
    )
    texts = [a.text for a in figure.layout.annotations]
    assert {"baseline", "focus", "&lt;i&gt;v7&lt;/i&gt; live"} <= set(texts)
    assert [s.type for s in figure.layout.shapes].count("rect") == 2


def test_a_series_names_only_the_changes_nearest_to_its_onset():
    changes = [(date(2026, 7, day), f"change {day}") for day in range(7, 19)]
    figure = figures.shift_series(results.a_series(), results.a_shift(), changes=changes, onset=date(2026, 7, 10))
    named = {a.text for a in figure.layout.annotations if a.text.startswith("change")}
    assert named == {"change 9", "change 10", "change 11"}
    assert sum(s.type == "line" for s in figure.layout.shapes) == 13


def test_a_series_between_two_segments_draws_both_and_shades_nothing():
    figure = DRAWN["sides_series"]()
    assert not figure.layout.shapes
    assert [t.name for t in figure.data if t.name in ("TH", "ID")] == ["TH", "ID"]
    words = figures.words_of(figure)
    assert "market: TH" in words.subtitle
    assert words.title == "Overturn rate in policy: counterfeit is higher in ID than in TH: 30.6 % against 18.2 %"


def test_the_series_of_a_cause_between_two_segments_has_no_onset():
    figure = figures.inside_series(BOTH_SIDES, BETWEEN, results.some_causes()[0])
    assert not figure.layout.shapes
    assert "16.8 % in TH, 56.3 % in ID" in figures.words_of(figure).title


def test_the_series_of_a_cause_draws_its_onset_with_the_interval_and_names_only_the_changes_that_fit():
    figure = DRAWN["inside_series"]()
    texts = [a.text for a in figure.layout.annotations]
    assert {"onset", "detector logo-v7 live in Indonesia"} <= set(texts)
    assert "another change" not in texts
    cause = results.some_causes()[0]
    assert (*cause.onset_interval,) in [(s.x0, s.x1) for s in figure.layout.shapes if s.type == "rect"]
    assert [s.x0 for s in figure.layout.shapes if s.type == "line" and s.y1 == 1].count(cause.onset) == 2


def test_a_new_segment_is_drawn_as_its_share_of_all_rows():
    cause = results.some_causes()[0].model_copy(update={"kind": CauseKind.NEW_SEGMENT})
    figure = figures.inside_series(results.a_series(), results.a_shift(), cause)
    assert figure.layout.yaxis.title.text == "Share of all rows"
    assert "a new segment: 18.1 % → 30.7 % of all rows" in figures.words_of(figure).title


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (CauseKind.NEW_SEGMENT, "only in ID"),
        (CauseKind.VANISHED_SEGMENT, "only in TH"),
        (CauseKind.PLATFORM_EVENT, "differs throughout"),
        (CauseKind.RATE_SHIFT, "rate differs"),
    ],
)
def test_between_two_segments_nothing_is_new_gone_or_an_event(kind, said):
    cause = results.some_causes()[0].model_copy(update={"kind": kind})
    assert kind_of(cause, BETWEEN) == said
    assert sides(BETWEEN) == ("TH", "ID")


def test_two_segments_whose_cut_names_are_alike_are_there_and_here():
    long = "x" * 60
    shift = BETWEEN.model_copy(
        update={"baseline": Segment.of(market=long + "1"), "focus": Segment.of(market=long + "2")}
    )  # alike for as far as a legend reads
    assert sides(shift) == ("there", "here")


def test_the_waterfall_ends_at_the_focus_rate():
    shift, split = results.a_shift(), results.a_decomposition()
    figure = DRAWN["waterfall"]()
    bars = [t for t in figure.data if t.type == "bar"]
    assert adds_up(split)
    assert bars[-1].base[0] + bars[-1].x[0] == pytest.approx(shift.after.rate, abs=1e-9)
    for before, after in pairwise(bars):
        assert before.base[0] + before.x[0] == pytest.approx(after.base[0])


@given(
    causes=st.lists(st.floats(-0.3, 0.3), max_size=14),
    mix=st.lists(st.floats(-0.3, 0.3), max_size=6),
    before=st.integers(0, 1000),
    after=st.integers(0, 1000),
)
def test_whatever_the_parts_the_steps_lead_from_the_one_rate_to_the_other(causes, mix, before, after):
    shift = results.a_shift().model_copy(update={"before": Counts(k=before, n=1000), "after": Counts(k=after, n=1000)})
    delta = shift.after.rate - shift.before.rate
    split = Decomposition(
        delta=delta,
        causes={f"C{i}": value for i, value in enumerate(causes)},
        mix=tuple(MixEffect(dimension=f"d{i}", contribution=value) for i, value in enumerate(mix)),
        residual=delta - sum(causes) - sum(mix),
    )
    steps = figures.waterfall_steps(shift, split, {})
    assert steps[0].start == shift.before.rate
    assert steps[-1].end == pytest.approx(shift.after.rate, abs=1e-9)
    assert sum(s.value for s in steps) == pytest.approx(delta, abs=1e-9)
    assert all(b.start == a.end for a, b in pairwise(steps))
    assert sum(s.kind == "cause" for s in steps) <= 9


def test_the_ends_of_a_waterfall_say_their_windows_and_rates_and_each_step_its_size():
    texts = [a.text for a in DRAWN["waterfall"]().layout.annotations]
    assert texts[0] == "6 July–6 September 2026  <b>18.2 %</b>"
    assert texts[-1] == "28 September–1 November 2026  <b>30.6 %</b>"
    assert "<b>+7.9 points</b>" in texts[1]


def test_a_shift_that_cannot_be_compared_has_no_waterfall_and_says_so():
    shift = results.a_shift().model_copy(update={"after": Counts(k=0, n=0)})
    split = Decomposition(delta=float("nan"), causes={}, mix=(), residual=float("nan"))
    figure = figures.waterfall(shift, split, names={})
    assert figures.waterfall_steps(shift, split, {}) == ()
    assert "cannot be compared" in figures.words_of(figure).title


def test_siblings_say_both_rates_beside_each_name():
    texts = [a.text for a in DRAWN["siblings"]().layout.annotations]
    assert texts[0] == "ID (the cause)  <b>16.8 % → 56.3 %</b>"


def test_causes_mix_and_residual_of_a_waterfall_differ_by_pattern():
    patterns = [t.marker.pattern.shape for t in DRAWN["waterfall"]().data if t.type == "bar"]
    assert patterns == ["", "", "", "/", "/", "."]


def test_many_small_mix_effects_are_one_step_of_the_waterfall():
    split = results.a_decomposition()
    mix = tuple(MixEffect(dimension=f"d{i}", contribution=0.001 * i) for i in range(8))
    moved = split.residual + sum(m.contribution for m in split.mix) - sum(m.contribution for m in mix)
    figure = figures.waterfall(results.a_shift(), split.model_copy(update={"mix": mix, "residual": moved}), names=NAMES)
    labels = [a.text.split("  <b>")[0] for a in figure.layout.annotations]
    assert [text for text in labels if text.startswith("mix")] == [
        "mix over d7",
        "mix over d6",
        "mix over other dimensions",
    ]


def test_a_candidate_is_hollow_and_small_n_is_grey():
    figure = DRAWN["causes_ranked"]()
    confirmed, candidate = trace_of(figure, 0.391), trace_of(figure, 0.21)
    assert (confirmed.marker.symbol, confirmed.marker.color) == ("circle", BLUE)
    assert (candidate.marker.symbol, candidate.marker.color) == ("circle-open", GREY)


def test_a_small_sibling_is_grey_too():
    frame = results.some_siblings()
    rate = (
        frame.filter((pl.col("value") == "PH") & (pl.col("window") == "focus")).select(pl.col("k") / pl.col("n")).item()
    )
    assert trace_of(figures.siblings(frame, title="t", subtitle="s"), rate).marker.color == GREY


def test_bounds_are_drawn_otherwise_than_intervals():
    figure = DRAWN["backtest_differences"]()
    interval, bounds = trace_of(figure, -428.0), trace_of(figure, -442.0)
    assert (interval.line.dash, bounds.line.dash) == ("solid", "dot")
    assert interval.marker.symbol != bounds.marker.symbol


def test_outcomes_in_other_units_get_a_scale_of_their_own():
    figure = DRAWN["backtest_differences"]()
    assert trace_of(figure, -2_712.0).xaxis != trace_of(figure, -391.0).xaxis


def test_what_no_label_settles_is_hatched():
    hatched = {t.name.split(" ")[0]: bool(t.marker.pattern.shape) for t in DRAWN["identification_bar"]().data}
    assert hatched == {"appeal": False, "audited": False, "estimable": False, "bounded": True, "unknown": True}


def test_verdicts_of_guardrails_differ_by_shape():
    figure = DRAWN["guardrails_plot"]()
    shapes = {t.name: t.marker.symbol for t in figure.data if t.name}
    assert shapes == {"pass": "circle", "cannot tell": "circle-open"}
    margins = [s for s in figure.layout.shapes if s.x0 == s.x1 == 0.02]
    assert len(margins) == 3


def test_the_worst_guardrails_are_drawn_and_all_are_counted():
    one = results.a_backtest().guardrails[0]
    many = [one.model_copy(update={"slice": Segment.of(market=f"M{i}")}) for i in range(30)]
    failing = one.model_copy(update={"verdict": "fail", "slice": Segment.of(market="worst")})
    figure = figures.guardrails_plot([*many, failing], limit=5)
    labels = [a.text for a in figure.layout.annotations]
    assert len(labels) == 5
    assert "worst" in labels[0]
    assert figures.words_of(figure).title == "Guardrails: 1 fail, 30 pass"


def test_themes_are_ranked_by_texts_after_folding():
    assert [a.text for a in DRAWN["themes_bar"]().layout.annotations][-1] == "pasted complaint"


def test_a_rate_of_no_rows_is_left_out_of_a_series():
    frame = results.a_series().with_columns(n=pl.when(pl.int_range(pl.len()) == 3).then(0).otherwise("n"))
    points = [len(t.x) for t in figures.shift_series(frame, results.a_shift()).data if t.mode == "lines"]
    assert 17 in points


def test_a_shift_that_is_none_says_so():
    still = results.a_shift().model_copy(update={"after": Counts(k=1_312, n=7_204)})
    still = still.model_copy(update={"delta": still.delta.model_copy(update={"value": 0.0})})
    assert figures.words_of(figures.shift_series(results.a_series(), still)).title.endswith("did not move")


def test_one_theme_over_weeks_is_told_by_its_peak_and_named_themes_are_limited():
    title = figures.words_of(figures.themes_weekly(SAID, ids=["T1"])).title
    assert "was said most in the week of 23 March 2026, by 50 % of sellers" in title
    assert len([t for t in figures.themes_weekly(SAID, ids=["T1", "T2"], limit=1).data if t.mode != "lines"]) == 1


def test_a_frontier_leads_with_what_the_stated_costs_bring_and_marks_what_capacity_forbids():
    figure = figures.frontier(a_frontier())
    assert "Wrongful -150, missed +70 at" in figure.layout.title.text.replace("\N{MINUS SIGN}", "-")
    (star,) = [t for t in figure.data if t.marker.symbol == "star" and t.error_x.array is not None]
    assert (list(star.x), list(star.error_x.array), list(star.error_y.arrayminus)) == ([-150.0], [25.0], [20.0])
    forbidden = [list(t.x) for t in figure.data if t.marker.symbol == "x" and t.hovertemplate]
    assert forbidden == [[0.0]]
    assert "<b>ID" not in "".join(t.hovertemplate or "" for t in figure.data)


def test_a_frontier_on_which_today_is_best_says_so():
    rows = pl.DataFrame([a_point(1, 0.0, 0.0, changed=0, stated=True)])
    figure = figures.frontier(replace(a_frontier(), table=rows.with_columns(point=pl.lit(0))))
    assert "No other thresholds are better" in figure.layout.title.text
