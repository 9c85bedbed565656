"""What other stages know and causes may use: frames that the workspace hands over."""

from dataclasses import dataclass

import polars as pl

from gne_analytics.evidence.segment import Segment
from gne_analytics.metrics.windows import segment_mask


@dataclass(frozen=True)
class MechanismContext:
    """Frames beside the observations, each optional; what is absent is not held against any mechanism.

    All carry the dimensions they have and event_date, so that a segment and a period select rows in them.
    """

    cases: pl.DataFrame | None = None
    """`metrics.cases.case_frame`: violations with score, threshold_at_decision, queue, and what became of appeals."""
    audits: pl.DataFrame | None = None
    """Audits joined to their cases: violating (bool), audit_prob, case_id."""
    signals: pl.DataFrame | None = None
    """The signals table: violation_id is null where no policy caught it."""
    themes: pl.DataFrame | None = None
    """One row per text: id (of its violation), theme_id, label, and folded_into (null for a text of its own)."""
    signal_themes: pl.DataFrame | None = None
    """The same of signals: id (of the signal), theme_id, label, folded_into."""
    paths: frozenset[str] = frozenset({"category"})

    def rows(self, frame: pl.DataFrame | None, segment: Segment) -> pl.DataFrame | None:
        """The rows of a frame inside a segment, None when the frame is absent or cannot tell the segment."""
        if frame is None or any(d not in frame.columns for d in segment.dimensions):
            return None
        return frame.filter(segment_mask(segment, self.paths))
