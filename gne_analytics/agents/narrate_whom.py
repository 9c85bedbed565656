"""On whom a change falls, in a sentence each: on how few sellers, and who reaches another milestone of the ladder."""

from collections.abc import Mapping

from gne_analytics.agents.phrases import counted, enumerate_words
from gne_analytics.evidence.proposals import Backtest, LadderExposure
from gne_analytics.evidence.store import Evidence, EvidenceStore

SHOWN_MILESTONES = 3
"""Milestones that a sentence names for each way of faring otherwise; a table names all."""
NO_ONE_CHANGES = "No seller's case fares otherwise, so the change falls on nobody."
NO_SELLER = "On how few sellers the change falls cannot be told: the record names no seller of a case that changes."
NO_LADDER = (
    "What it does on the penalty ladder cannot be told: the policy set has no ladder, or the record does not name whom "
    "the ladder counts by."
)


def on_how_few(test: Backtest, store: EvidenceStore) -> str:
    """Return a claim template: on how few sellers the change of a backtest falls, beside their part of all cases."""
    found = test.concentration
    if found is None:
        return NO_SELLER if test.identification.total else NO_ONE_CHANGES

    def said(value: float, unit: str, rows: str) -> Evidence:
        return store.add(value, unit, filter=rows, tool="concentration", arguments={"proposal": test.proposal_id})

    sellers = said(found.sellers, "count", "sellers with a case that fares otherwise").ref()
    of_all = said(found.share_of_cases, "rate", "their share of all cases replayed").ref()
    alike = said(round(found.effective), "count", "effective number of sellers, by Kish").ref()
    shared = f"it is as concentrated as if {alike} {counted(round(found.effective), 'seller')} shared it equally"
    if found.sellers == 1:
        return f"The change falls on {sellers} seller alone, who has {of_all} of all cases."
    if found.sellers <= found.top:
        return f"The change falls on {sellers} sellers, who have {of_all} of all cases; {shared}."
    top = said(found.top, "count", "the sellers with the largest parts of the change").ref()
    of_change = said(found.share_of_change, "rate", "their share of the cases that fare otherwise").ref()
    return (
        f"The change falls on {sellers} sellers. The {top} with the largest parts of it have {of_change} of the cases "
        f"that change, beside {of_all} of all cases; {shared}."
    )


def on_the_ladder(test: Backtest, store: EvidenceStore) -> str:
    """Return a claim template: how many sellers newly, perhaps or no longer reach a milestone of the penalty ladder."""
    found = test.ladder
    if found is None:
        return NO_LADDER
    sellers = _sellers(found.sellers, "all sellers the ladder was replayed for", test, store)
    parts = [
        f"{fate} {_milestones(reached, fate, test, store)}"
        for fate, reached in (
            ("newly reached:", found.newly),
            ("perhaps reached, if reviewers enforce:", found.perhaps),
            ("no longer reached:", found.no_longer),
        )
        if any(reached.values())
    ]
    if not parts:
        return f"Nobody's milestone on the penalty ladder changes, of {sellers} {counted(found.sellers, 'seller')}."
    return f"On the penalty ladder, of {sellers} {counted(found.sellers, 'seller')}: {'; '.join(parts)}."


def milestones_moved(ladder: LadderExposure) -> tuple[tuple[str, int, int, int], ...]:
    """Return (milestone, newly, perhaps, no longer) of every milestone that a seller's ladder differs at, most first.

    A seller who fares otherwise at several milestones counts at each.
    """
    newly, perhaps, no_longer = ladder.newly, ladder.perhaps, ladder.no_longer
    names = {*newly, *perhaps, *no_longer}
    rows = [(name, newly.get(name, 0), perhaps.get(name, 0), no_longer.get(name, 0)) for name in names]
    return tuple(sorted((row for row in rows if any(row[1:])), key=lambda row: (-sum(row[1:]), row[0])))


def _milestones(reached: Mapping[str, int], fate: str, test: Backtest, store: EvidenceStore) -> str:
    largest = sorted(((m, n) for m, n in reached.items() if n), key=lambda item: (-item[1], item[0]))
    said = [
        f"{store.add(name, 'name', tool='ladder').ref()} by {_sellers(n, f'{fate} {name}', test, store)}"
        for name, n in largest[:SHOWN_MILESTONES]
    ]
    rest = ", and others" if len(largest) > SHOWN_MILESTONES else ""
    return enumerate_words(said) if not rest else f"{', '.join(said)}{rest}"


def _sellers(n: int, rows: str, test: Backtest, store: EvidenceStore) -> str:
    return store.add(n, "count", filter=rows, tool="ladder", arguments={"proposal": test.proposal_id}).ref()
