"""What the edited rules reach in the record: no case, only exempt ones, or cases without a score; and is the set stale?

A policy set may be right in form and still say something that nobody meant. Each such thing is a limit of the result.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

import polars as pl

from gne_analytics.evidence.store import Evidence, EvidenceStore
from gne_analytics.evidence.types import Edit
from gne_analytics.policy.edits import applied
from gne_analytics.policy.model import Policy, Rule, Status
from gne_analytics.policy.resolve import resolve
from gne_analytics.strategy.kinds import is_replayable
from gne_analytics.strategy.study import Study

SWALLOWS: Final = 0.9
"""The share of the cases a rule would act on from which on its exemptions are said to swallow it."""

Said = tuple[str, tuple[Evidence, ...]]
"""A claim, and the evidence that it cites."""


def limits_of_reach(
    edits: Sequence[Edit], study: Study, store: EvidenceStore
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Say where an edited rule reaches nothing, or less than it seems to; return claims and the evidence they cite."""
    edits = [edit for edit in edits if is_replayable(edit)]
    proposed = applied(study.policies, edits)
    found: list[Said] = []
    for policy, rule in proposed.rules():
        if rule.status is Status.LIVE and any(e.rule == rule.id and e.policy == policy.id for e in edits):
            found += _of_rule(rule, study, store)
    for name in dict.fromkeys(edit.policy for edit in edits):
        found += _of_revision(study.policies.policy(name), study, store)
    return tuple(said for said, _ in found), tuple(e.id for _, cited in found for e in cited)


def _of_rule(rule: Rule, study: Study, store: EvidenceStore) -> Iterator[Said]:
    cases = study.population.scores
    if rule.detector is not None:
        cases = cases.filter(pl.col("detector").cast(pl.String) == rule.detector)
    name = store.add(rule.id, "name")
    if rule.threshold is not None and (without := int((cases["score"].is_null() | cases["score"].is_nan()).sum())):
        part = _part(without, cases.height, f"{rule.detector} without a score", store)
        yield (
            f"{part.ref('of')} cases of the detector of rule {name.ref()} have no score, so whatever its threshold "
            "it does not act on them.",
            (name, part),
        )
    said = resolve(rule, cases, study.day)
    exempt = resolve(rule.model_copy(update={"exemptions": ()}), cases, study.day)
    would, acts, read = (int(s.sum()) for s in (exempt["fires"], said["fires"], said["applies"]))
    if would and (would - acts) / would >= SWALLOWS:
        part = _part(would - acts, would, f"exempt from {rule.id}", store)
        yield (
            f"The exemptions of rule {name.ref()} take out {part.ref('of')} cases that it would act on, so little or "
            "nothing is left of the rule.",
            (name, part),
        )
    if not would:
        cited = store.add(read, "count", filter=f"read by {rule.id}", tool="replay")
        yield (
            f"Of the {cited.ref()} cases that rule {name.ref()} reads, no case reaches it, so the record does not tell "
            "what it does.",
            (name, cited),
        )
    for item in rule.exemptions:
        if item.expires is not None and item.expires < study.day:
            what, last = store.add(f"{rule.id}, {item.id}", "name"), store.add(item.expires, "date", tool="replay")
            yield (
                f"Exemption {what.ref()} held up to {last.ref()}, before the record's last day, so the replay exempts "
                "no case by it.",
                (what, last),
            )
        elif not resolve(rule.model_copy(update={"exemptions": (item,)}), cases, study.day)["exempt"].any():
            what = store.add(f"{rule.id}, {item.id}", "name")
            cited = store.add(read, "count", filter=f"read by {rule.id}", tool="replay")
            yield (
                f"Exemption {what.ref()} holds for none of the {cited.ref()} cases that the rule reads.",
                (what, cited),
            )
    yield from _of_overrides(rule, said, store)


def _of_overrides(rule: Rule, said: pl.DataFrame, store: EvidenceStore) -> Iterator[Said]:
    counts = said.filter("applies").group_by("override_id").agg(cases=pl.len(), fires=pl.col("fires").sum())
    met = {override: (cases, fires) for override, cases, fires in counts.iter_rows()}
    for override in rule.threshold.overrides if rule.threshold else ():
        cases, fires = met.get(override.id, (0, 0))
        if not fires:
            name, cited = store.add(f"{rule.id}, {override.id}", "name"), store.add(cases, "count", tool="replay")
            yield f"Override {name.ref()} holds for {cited.ref()} cases and lets the rule act on none.", (name, cited)


def _part(count: int, total: int, what: str, store: EvidenceStore) -> Evidence:
    return store.add(count / total, "rate", numerator=count, denominator=total, filter=what, tool="replay")


def _of_revision(policy: Policy, study: Study, store: EvidenceStore) -> Iterator[Said]:
    """Say which cases were decided under a newer revision than the set's: then the set is not the one in force."""
    cases = study.population.cases
    if "logged_policy_revision" not in cases.columns:
        return
    own = cases.filter(pl.col("logged_policy_id").cast(pl.String) == policy.id).select(
        "assessed_at", revision=pl.col("logged_policy_revision").cast(pl.String)
    )
    last = own.filter(pl.col("revision") == policy.revision)["assessed_at"].max()
    seen = own.drop_nulls("revision").group_by("revision").agg(first=pl.col("assessed_at").min(), cases=pl.len())
    newer = [
        (revision, n)
        for revision, first, n in seen.sort("first").iter_rows()
        if revision != policy.revision and _later(revision, policy.revision, last is not None and first > last)
    ]
    if newer:
        count = store.add(sum(n for _, n in newer), "count", filter=f"{policy.id}, newer revision", tool="replay")
        name, set_s, logs = (store.add(text, "name") for text in (policy.id, policy.revision, newer[-1][0]))
        yield (
            f"{count.ref()} cases of policy {name.ref()} were decided under a revision ({logs.ref()}) newer than that "
            f"of this set ({set_s.ref()}), so the set is not the one in force; load the newer one.",
            (count, name, set_s, logs),
        )


def _later(revision: str, other: str, seen_after: bool) -> bool:
    """Compare revisions as dates where both are, else by when they were seen."""
    try:
        return date.fromisoformat(revision) > date.fromisoformat(other)
    except ValueError:
        return seen_after
