"""Rates with n, interval and label source; cohorts; windows; shifts that moved beyond chance."""

from gne_analytics.metrics.cases import case_frame
from gne_analytics.metrics.counted import count_observations
from gne_analytics.metrics.definitions import METRICS, OUTCOME_ALGEBRA, Metric, available, why_off
from gne_analytics.metrics.intervals import rate, wilson
from gne_analytics.metrics.observations import Observations, make_shift, observe
from gne_analytics.metrics.segments import parse_segment
from gne_analytics.metrics.shifts import find_shifts
from gne_analytics.metrics.windows import parse_window, segment_mask

__all__ = [
    "METRICS",
    "OUTCOME_ALGEBRA",
    "Metric",
    "Observations",
    "available",
    "case_frame",
    "count_observations",
    "find_shifts",
    "make_shift",
    "observe",
    "parse_segment",
    "parse_window",
    "rate",
    "segment_mask",
    "why_off",
    "wilson",
]
