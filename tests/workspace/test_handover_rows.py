"""The rows and the series behind a cause are those of its segment alone."""

from gne_analytics.evidence.segment import Segment
from gne_analytics.metrics.observations import make_shift, observe
from gne_analytics.metrics.windows import parse_window
from gne_analytics.simulate import simulate
from gne_analytics.tables.record import record_from_frames
from gne_analytics.testing.results import a_report
from gne_analytics.workspace.behind import rows_of, series_of, series_within


def test_rows_and_series_hold_the_segment_alone():
    observed = observe(record_from_frames(simulate("quiet", 0, violations=600).tables), "overturn_rate")
    market = observed.frame["market"].mode().sort()[0]
    segment = Segment.of(market=market)
    inside = observed.frame.filter(observed.frame["market"] == market)
    assert series_within(observed, segment)["n"].sum() == inside.drop_nulls("event_week")["n"].sum()
    assert series_within(observed, segment)["n"].sum() < series_of(observed)["n"].sum()
    months = sorted(inside["event_date"].drop_nulls().dt.strftime("%Y-%m").unique())
    shift = make_shift(observed, parse_window(months[0]), parse_window(months[1]))
    cause = a_report().shifts[0].causes[0].model_copy(update={"segment": segment})
    rows = rows_of(observed, shift, cause)
    assert rows["market"].unique().to_list() == [market]
    assert set(rows["event_date"].dt.strftime("%Y-%m")) <= set(months[:2])
