import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gne_analytics.evidence.claims import Claim, ClaimError, Finding, FindingKind
from gne_analytics.evidence.render import number, percent, points, render, render_finding
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Interval


@pytest.mark.parametrize(
    ("share", "n", "shown"),
    [
        (0.9997, None, "over 99.9 %"),
        (1.0, None, "100 %"),
        (0.0, None, "0 %"),
        (0.0003, None, "under 0.1 %"),
        (0.412, None, "41.2 %"),
        (0.412, 34, "41 %"),
        (0.997, 34, "over 99 %"),
        (1.3, None, "130.0 %"),
    ],
)
def test_percentages_are_rounded_without_lying_at_the_ends(share, n, shown):
    assert percent(share, n) == shown


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_only_exactly_all_reads_as_100_percent_and_only_nothing_as_0(share):
    assert percent(share) not in {"0 %", "100 %", "0.0 %", "100.0 %"} or 100 * share in (0.0, 100.0)


@pytest.mark.parametrize(
    ("difference", "shown"),
    [
        (0.084, "+8.4 points"),
        (-0.084, "−8.4 points"),
        (0.0035, "+0.35 points"),
        (0.00996, "+1.0 points"),
        (0.0, "0 points"),
    ],
)
def test_points_carry_their_sign(difference, shown):
    assert points(difference) == shown


@given(st.floats(-1e9, 1e9))
def test_numbers_keep_three_significant_digits(value):
    shown = float(number(value).replace(",", "").replace("−", "-"))
    assert shown == pytest.approx(value, rel=0.006, abs=1e-6)


@pytest.mark.parametrize(
    ("unit", "value", "form", "shown"),
    [
        ("count", 12345, "n", "12,345"),
        ("ratio", 2.34, "x", "2.3 times"),
        ("days", 1, "", "1 day"),
        ("hours", 36.5, "", "36.5 hours"),
        ("score", 0.82, "", "0.82"),
        ("money", 1234.4, "", "1,234 in cost units"),
        ("date", "2026-11-02", "", "2 November 2026"),
        ("name", "v7", "", "v7"),
        ("constant", 0.02, "", "0.02"),
        ("constant", 0.02, "pct", "2.0 %"),
    ],
)
def test_every_unit_has_its_format(unit, value, form, shown):
    store = EvidenceStore()
    assert render(store.add(value, unit).ref(form), store) == shown


def test_money_names_its_currency():
    store = EvidenceStore()
    assert render(store.add(12.5, "money", arguments={"currency": "EUR"}).ref(), store) == "EUR 12.5"


def test_an_interval_speaks_its_values_unit_and_an_unusual_level():
    store = EvidenceStore()
    rate = store.add(0.4, "rate", numerator=400, denominator=1000, interval=Interval(lo=0.37, hi=0.43))
    rise = store.add(0.08, "points", interval=Interval(lo=-0.001, hi=0.09, level=0.9))
    assert render(f"{rate.ref('of')}: {rate.ref('ci')}", store) == "400 of 1,000: 37.0 % to 43.0 %"
    assert render(rise.ref("ci"), store) == "−0.10 to +9.0 points at 90.0 %"


def test_n_of_a_rate_is_its_denominator():
    store = EvidenceStore()
    assert render(store.add(0.5, "rate", numerator=600, denominator=1200).ref("n"), store) == "1,200"


def test_what_could_not_be_computed_is_said_so():
    store = EvidenceStore()
    assert render(store.add(float("nan"), "rate").ref(), store) == "not known"


def test_html_escapes_words_and_names_and_ties_each_figure_to_its_evidence():
    store = EvidenceStore()
    name = store.add("<script>alert(1)</script>", "name")
    assert render(f"a < b in {name.ref()} & so on", store, "html") == (
        'a &lt; b in <span class="ev" data-ev="E1">&lt;script&gt;alert(1)&lt;/script&gt;</span> &amp; so on'
    )


@given(st.text(max_size=40), st.text(min_size=1, max_size=20))
def test_no_digit_is_shown_outside_a_span_of_evidence(text, name):
    store = EvidenceStore()
    template = f"{text} {store.add(name, 'name').ref()} {store.add(0.5, 'rate').ref()}"
    try:
        html = render(template, store, "html")
    except ClaimError:
        return
    outside = re.sub(r'<span class="ev" data-ev="E\d+">[^<]*</span>', "", html)
    assert not any(c.isnumeric() for c in re.sub(r"&#x?\w+;", "", outside))


@pytest.mark.parametrize("template", ["up 3 points", "{{E9:pct}}", "{{oops}}"])
def test_rendering_refuses_what_cannot_be_traced(template):
    with pytest.raises(ClaimError, match="is refused"):
        render(template, EvidenceStore())


def test_a_finding_renders_as_title_and_paragraph():
    store = EvidenceStore()
    rose = store.add(0.03, "points")
    finding = Finding(
        id="f",
        kind=FindingKind.SHIFT,
        title=Claim(template="Overturns rose"),
        claims=(Claim(template=f"By {rose.ref('points')}."), Claim(template="So far.")),
    )
    assert render_finding(finding, store) == "Overturns rose\nBy 3.0 points. So far."
    assert render_finding(finding, store, "html").startswith("<h3>Overturns rose</h3>\n<p>By <span")
