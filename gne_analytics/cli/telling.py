"""An explanation in a terminal: in words, as tables, and what lies behind each cause."""

from gne_analytics.agents.summary import full_text
from gne_analytics.cli.console import say, table
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.metrics.judged import Unjudged
from gne_analytics.workspace.explained import Explained
from gne_analytics.workspace.told import Table, causes_table, headline, steps_table, tables_of

DETAILED = 5
"""Causes whose siblings, rival names and rows are printed; of the others the table tells."""


def say_explained(explained: Explained, store: EvidenceStore) -> None:
    """Print an explanation: what moved, the ranked causes, how it adds up, and what lies behind each cause."""
    told = explained.findings()
    say(full_text([f for f in told if not f.cause_id], store))
    say()
    if explained.causes:
        say_table(causes_table(explained))
    say_table(steps_table(explained))
    part = explained.part(DETAILED)
    for cause in explained.causes[:DETAILED]:
        say(headline(cause, explained.shift))
        say(full_text([f for f in told if f.cause_id == cause.id], store))
        say()
        for shown in tables_of(cause, part.inside[cause.id], explained.shift):
            say_table(shown)
    left = len(explained.causes) - DETAILED
    if left > 0:
        say(f"And {left} more, in the table of causes above; --html FILE shows what lies behind all.")


def nothing_moved(unjudged: Unjudged, more: str = "") -> str:
    """Say that nothing moved, or that it cannot be judged, and of each metric that cannot be judged why not."""
    head = "It cannot be judged whether anything moved." if unjudged.everything else "Nothing moved beyond chance."
    return "\n".join([head, *(f"- {text}" for text in unjudged.sentences()), *([more] if more else [])])


def say_table(shown: Table) -> None:
    """Print a table of words with its note; one without rows is its note alone."""
    if shown.rows:
        table(shown.title, shown.columns, shown.rows, right=tuple(shown.right))
    if shown.note:
        say(shown.note)
    say()
