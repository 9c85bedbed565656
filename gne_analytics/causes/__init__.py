"""Where and why a metric moved: cube, baseline, search, verification, decomposition, onset, mechanism."""

from gne_analytics.causes.context import MechanismContext
from gne_analytics.causes.explain import Explanation, explain, explain_all

__all__ = ["Explanation", "MechanismContext", "explain", "explain_all"]
