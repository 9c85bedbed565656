"""Results in a terminal: an explanation with what lies behind each cause, the plan of a canary, tables of words."""

from gne_analytics.agents.summary import full_text
from gne_analytics.cli.console import say, table
from gne_analytics.evidence.render import number, percent
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.metrics.judged import Unjudged
from gne_analytics.strategy.canary import CanaryPlan
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


def say_canary(plan: CanaryPlan) -> None:
    """Print a canary's plan: who and how long, what is watched, and how to tell that one's own code assigns alike."""
    scope = f", over the cases where {plan.scope}" if plan.scope.depth else ""
    say(
        f"{percent(plan.share)} of all values of {plan.unit} see {plan.proposal} first, from {plan.start} for "
        f"{plan.weeks} weeks{scope}. The chance that any interval of any week misses its truth is at most "
        f"{percent(plan.level)}."
    )
    if not plan.decides:
        say(
            "The record's traffic is too thin to refute harm at these margins in that time: expect it to end "
            "undecided, unless the share or the margins are larger."
        )
    if plan.blind:
        say(f"Not in the record, so nothing is ever rolled out by it: {', '.join(plan.blind).replace('_', ' ')}.")
    watched = [[w.metric.replace("_", " "), w.role, w.worse, number(w.margin)] for w in plan.watched]
    table("What is watched", ["metric", "role", "worse", "margin"], watched, right=("margin",))
    say(f"\nWho is in it, with the salt {plan.salt}: {plan.rule}")
    vectors = [[repr(v.unit), str(v.bucket), v.arm] for v in plan.vectors]
    table("So your own code must say", [plan.unit, "bucket", "arm"], vectors, right=("bucket",))


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
