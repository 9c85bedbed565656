"""A label of the causes' figure opens the address it is given."""

from gne_analytics.figures import causes_ranked
from gne_analytics.testing.results import a_report


def test_each_label_of_the_causes_is_a_link_to_its_own_address():
    causes = a_report().shifts[0].causes
    figure = causes_ranked(causes, links={c.id: f'?view=cause&cause={c.id}"' for c in causes})
    ranked = sorted(causes, key=lambda c: c.rank)
    for label, cause in zip(figure.layout.annotations, ranked, strict=False):
        assert label.text.startswith(f'<a href="?view=cause&amp;cause={cause.id}&quot;" target="_self">')
    assert not any("<a " in a.text for a in causes_ranked(causes).layout.annotations)
