"""Risk sensing: what rises without a policy, rates that leave their own past, drafts of new clauses."""

from gne_analytics.sensing.alarms import rate_alarms
from gne_analytics.sensing.drafts import draft_for_gap
from gne_analytics.sensing.emerging import emerging

__all__ = ["draft_for_gap", "emerging", "rate_alarms"]
