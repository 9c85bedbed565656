"""The waterfall tells the mix over other dimensions once."""

from gne_analytics.causes.decompose import OTHER
from gne_analytics.evidence.types import MixEffect
from gne_analytics.figures import waterfall
from gne_analytics.testing.results import a_report


def test_the_mix_over_other_dimensions_is_one_step():
    part = a_report().shifts[0]
    sizes = {"market": 0.01, OTHER: 0.008, "queue": 0.002, "language": 0.001}
    mix = tuple(MixEffect(dimension=name, contribution=size) for name, size in sizes.items())
    figure = waterfall(part.shift, part.decomposition.model_copy(update={"mix": mix}), names={})
    steps = [a.text for a in figure.layout.annotations if "mix over" in a.text]
    assert [s.split("  <b>")[0] for s in steps] == ["mix over market", "mix over queue", "mix over other dimensions"]
