"""A still picture: the figure itself as SVG, well formed, in the ink of the page, with nothing that runs."""

import re
from xml.etree import ElementTree as ET

import pytest

from gne_analytics.evidence.segment import Segment
from gne_analytics.figures import causes_ranked, inside_series, siblings, still, waterfall
from gne_analytics.testing import results
from gne_analytics.testing.said import HOSTILE

CAUSES = results.some_causes()
NAMES = {c.id: str(c.segment) for c in CAUSES}
FIGURES = {
    "waterfall": lambda: waterfall(results.a_shift(), results.a_decomposition(), names=NAMES),
    "series": lambda: inside_series(results.a_series(), results.a_shift(), CAUSES[0]),
    "siblings": lambda: siblings(results.some_siblings(), title="ID stands out", subtitle="by market"),
    "causes": lambda: causes_ranked(CAUSES),
}
SVG = "{http://www.w3.org/2000/svg}"


def drawn(name):
    return ET.fromstring(still(FIGURES[name]()))  # noqa: S314 - our own


def words(root):
    return ["".join(t.itertext()).replace("\u00a0", " ") for t in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("name", FIGURES)
def test_a_still_picture_is_well_formed_and_says_what_it_shows(name):
    root = drawn(name)
    assert root.tag == f"{SVG}svg"
    assert root.get("aria-label")
    assert root.get("fill") == "currentColor"
    assert not [e.tag for e in root.iter() if e.tag.removeprefix(SVG) in {"script", "image", "a", "foreignObject"}]


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_of_a_still_picture_lies_outside_it(name):
    root = drawn(name)
    width, height = float(root.get("width")), float(root.get("height"))
    for kind, x, y in (("rect", "x", "y"), ("circle", "cx", "cy"), ("text", "x", "y")):
        for e in root.iter(f"{SVG}{kind}"):
            assert -1 <= float(e.get(x)) <= width + 1
            assert -1 <= float(e.get(y)) <= height + 1


def test_the_bars_of_a_still_waterfall_touch_end_to_end_in_the_figures_own_sizes():
    bars = [e for e in drawn("waterfall").iter(f"{SVG}rect") if e.get("stroke")]
    spans = [(float(b.get("x")), float(b.get("x")) + float(b.get("width"))) for b in bars]
    values = [t.x[0] for t in FIGURES["waterfall"]().data if t.type == "bar"]
    scale = (spans[0][1] - spans[0][0]) / values[0]
    assert [hi - lo for lo, hi in spans] == pytest.approx([abs(v) * scale for v in values], abs=1.6)
    for (a, b), (c, d), first, second in zip(spans, spans[1:], values, values[1:], strict=False):
        end, start = (b if first > 0 else a), (c if second > 0 else d)
        assert start == pytest.approx(end, abs=1.6)


def test_every_row_is_labelled_with_its_size():
    said = words(drawn("waterfall"))
    assert any(text.startswith("market=ID") or "market=ID" in text for text in said)
    assert "mix over market  +1.2 points" in said


def test_what_a_label_says_is_escaped_whatever_it_holds():
    cause = CAUSES[0].model_copy(update={"segment": Segment.of({"<i>x</i>": HOSTILE + "\u202e" + "<b>&amp;"})})
    picture = still(causes_ranked([cause]))
    root = ET.fromstring(picture)  # noqa: S314 - our own
    assert "<script" not in picture
    assert "\u202e" not in picture
    assert not [e for e in root.iter() if e.tag == f"{SVG}script"]


def test_days_are_months_on_the_axis_and_shares_are_percentages():
    said = words(drawn("series"))
    assert {"Aug 2026", "Sep 2026", "Oct 2026", "20%"} <= set(said)


def test_a_figure_of_nothing_is_a_still_picture_too():
    assert re.match("<svg", still(causes_ranked([])))
