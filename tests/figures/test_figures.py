"""Every figure: its finding as title, an alt text, intervals drawn, small n greyed, traces that old plotly.js knows."""

from datetime import date
from itertools import pairwise

import polars as pl
import pytest

from gne_analytics import figures
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Counts, Flow, Identification, MixEffect
from gne_analytics.figures.shifts import adds_up
from gne_analytics.figures.theme import BLUE, GREY
from gne_analytics.testing import results

FUNNEL = pl.DataFrame(
    {"stage": ["violations", "appealed", "overturned"], "n": [20_000, 900, 310], "of": [20_000, 20_000, 900]}
)
FRONTIER = pl.DataFrame(
    {
        "wrongful": [900.0, 610.0, 400.0, 950.0],
        "missed": [100.0, 130.0, 300.0, 140.0],
        "label": ["today", "proposed", "strict", "worse"],
        "kind": ["today", "proposed", "candidate", "candidate"],
        "on_frontier": [True, True, True, False],
    }
)
NAMES = {cause.id: str(cause.segment) for cause in results.some_causes()}
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
    "appeals_funnel": lambda: figures.appeals_funnel(FUNNEL),
    "frontier": lambda: figures.frontier(FRONTIER, title="Fewer wrongful cases cost few misses", subtitle="n = 4"),
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
    "funnel": lambda: figures.appeals_funnel(FUNNEL.clear()),
    "frontier": lambda: figures.frontier(FRONTIER.clear(), title="none", subtitle="none"),
}


def trace_of(figure, x):
    return next(t for t in figure.data if t.x is not None and x in list(t.x))


def test_every_public_figure_is_drawn_here():
    assert set(DRAWN) == set(figures.__all__) - {"Words", "words_of"}


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


def test_a_series_between_two_segments_shades_nothing():
    shift = results.a_shift().model_copy(update={"baseline": Segment.of(market="TH"), "focus": Segment.of(market="ID")})
    figure = figures.shift_series(results.a_series(), shift)
    assert not figure.layout.shapes
    assert "market: TH" in figures.words_of(figure).subtitle


def test_the_waterfall_ends_at_the_focus_rate():
    shift, split = results.a_shift(), results.a_decomposition()
    figure = DRAWN["waterfall"]()
    bars = [t for t in figure.data if t.type == "bar"]
    assert adds_up(split)
    assert bars[-1].base[0] + bars[-1].x[0] == pytest.approx(shift.after.rate, abs=1e-12)
    for before, after in pairwise(bars):
        assert before.base[0] + before.x[0] == pytest.approx(after.base[0])


def test_causes_mix_and_residual_of_a_waterfall_differ_by_pattern():
    patterns = [t.marker.pattern.shape for t in DRAWN["waterfall"]().data if t.type == "bar"]
    assert patterns == ["", "", "", "/", "/", "."]


def test_many_small_mix_effects_are_one_step_of_the_waterfall():
    split = results.a_decomposition()
    mix = tuple(MixEffect(dimension=f"d{i}", contribution=0.001 * i) for i in range(8))
    moved = split.residual + sum(m.contribution for m in split.mix) - sum(m.contribution for m in mix)
    figure = figures.waterfall(results.a_shift(), split.model_copy(update={"mix": mix, "residual": moved}), names=NAMES)
    labels = [a.text for a in figure.layout.annotations]
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
