"""Seller and creator appeals: funnel, consistency of decisions, triage of what is pending."""

from gne_analytics.appeals.consistency import split_decisions
from gne_analytics.appeals.funnel import funnel
from gne_analytics.appeals.triage import Triage, triage

__all__ = ["Triage", "funnel", "split_decisions", "triage"]
