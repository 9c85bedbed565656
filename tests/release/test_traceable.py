"""The walk that proves a report's numbers: it passes what is bound and finds each way of breaking the rule."""

import pytest

from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.release.traceable import untraced


@pytest.fixture
def store():
    store = EvidenceStore()
    store.add(0.412, "rate", numerator=412, denominator=1000)
    return store


def page(body, rows=("E1",)):
    appendix = "".join(f'<tr id="{row}" data-source="evidence"><td>{row} 412</td></tr>' for row in rows)
    return f"<html><body>{body}<table>{appendix}</table></body></html>"


@pytest.mark.parametrize(
    "body",
    [
        '<p>The rate is <a data-ev="E1" href="#E1">41.2 %</a>.</p>',
        '<p>That is <a data-ev="E1" href="#E1">412 of 1,000</a>.</p>',
        '<pre data-source="config">value: <b>0.82</b></pre>',
        '<div data-source="figure" aria-label="rose to 41.2 %"></div>',
        "<style>p { margin: 3px }</style><script>let x = 7;</script><p>No number.</p><br>",
    ],
)
def test_a_bound_number_passes(store, body):
    assert untraced(page(body), store) == ()


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<p>The rate is 41.2 %.</p>", "holds a digit without evidence"),
        ("<p>The rate is &#52;1 %.</p>", "holds a digit without evidence"),
        ("<p>About ½ of them.</p>", "holds a digit without evidence"),
        ('<p><a data-ev="E1">41.3 %</a></p>', "is no form of E1"),
        ('<p><a data-ev="E1">41.2 %</a> of 9</p>', "holds a digit without evidence"),
        ('<p><a data-ev="E7">41.2 %</a></p>', "not in the store"),
        ('<p data-source="rumour">41.2 %</p>', "is no known source"),
        ('<img alt="41.2 %">', "attribute alt"),
        ('<div aria-label="rose by 3"></div>', "attribute aria-label"),
        ("<p>text</div>", "closes an element"),
    ],
)
def test_a_number_without_evidence_is_found(store, body, fault):
    assert any(fault in str(found) for found in untraced(page(body), store))


def test_a_citation_without_its_row_is_found(store):
    html = page('<p><a data-ev="E1" href="#E1">41.2 %</a></p>', rows=())
    assert [str(found) for found in untraced(html, store)] == [
        "appendix: 'E1': cited, but the appendix has no such row"
    ]
