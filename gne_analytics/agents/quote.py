"""Sentences that another stage wrote: taken as claims where they pass the check, else kept whole as named evidence."""

from gne_analytics.evidence.claims import check_template
from gne_analytics.evidence.store import EvidenceStore


def quoted(sentence: str, store: EvidenceStore, tool: str) -> str:
    """Return the sentence as a template; one with an untraceable figure becomes a reference to itself.

    Nothing that limits a result is dropped for its form: the sentence is recorded as what the tool said, so that even
    its digits lead a reader to the record.
    """
    if not sentence or not check_template(sentence, store, words=False):
        return sentence
    return store.add(sentence, "name", tool=tool, arguments={"quoted": True}).ref()
