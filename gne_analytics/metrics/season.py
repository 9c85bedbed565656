"""Seasons: recurring peaks, found from the history before an onset."""
from dataclasses import dataclass

@dataclass(frozen=True)
class Season:
    period: int

def contrasts(): ...
