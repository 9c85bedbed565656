"""5c Proposals: candidates, backtest, guardrails and the plan of audits that would settle what is unknown."""
