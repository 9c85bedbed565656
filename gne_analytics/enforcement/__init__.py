"""Risk assessment and enforcement: replay of a policy set over a record, and the penalty ladder."""
