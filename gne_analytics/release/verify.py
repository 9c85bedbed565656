"""After launch: is a release in force, and what do the rows decided since say of it?

Decided since means after the release was written. Two questions, both on the record alone: do the logged decisions of
the touched rules agree with the released configs, and did the overturn rate of the touched policies move? A fall of the
overturn rate is no proof of an improvement: fewer or other cases may be appealed. Audits would settle it.
"""

from datetime import date
from pathlib import Path

import polars as pl

from gne_analytics.enforcement.replay import replay
from gne_analytics.errors import DataError, PolicyError
from gne_analytics.evidence.render import render
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Estimate, LabelSource
from gne_analytics.metrics.intervals import rate, rate_difference
from gne_analytics.metrics.observations import observe
from gne_analytics.policy.files import PolicySet, load
from gne_analytics.release.export import CONFIGS, Manifest, read_manifest
from gne_analytics.release.ledger import Act, Clock, Ledger, now
from gne_analytics.tables.record import Record

MIN_ROWS = 30
"""Fewer rows since the release tell nothing."""
IN_FORCE = 0.95
"""Agreement of log and released configs below which the release is not in force."""


def verify(release: Path, record: Record, *, by: str, clock: Clock = now) -> str:
    """Say in plain words whether a release is in force and what moved since, and write that in the ledger.

    The sentences name their counts and intervals. A record that ends before the release is a DataError.
    """
    manifest = read_manifest(release)
    since = manifest.at.date()
    if record.as_of.date() <= since:
        raise DataError(
            f"The record ends on {record.as_of:%Y-%m-%d}, before anything was decided under {release.name} of {since}; "
            "verify with a later extract."
        )
    store = EvidenceStore()
    lines = [_in_force(manifest, load(release / CONFIGS), record, since, store)]
    lines += [_moved(policy, record, since, store) for policy in _policies(manifest)]
    text = "\n".join(render(line, store) for line in lines)
    ledger = Ledger.beside(manifest.policies_path, clock)
    ledger.append_all(Act.VERIFIED, [s.subject for s in manifest.proposals], who=by, why=text)
    return text


def _policies(manifest: Manifest) -> list[str]:
    return sorted({e.policy for s in manifest.proposals for e in s.edits})


def _in_force(manifest: Manifest, released: PolicySet, record: Record, since: date, store: EvidenceStore) -> str:
    rules = sorted({e.rule for s in manifest.proposals for e in s.edits if e.rule})
    needed = {"rule_id", "score", "detector"}
    if not rules or not needed <= set(record.violations.columns):
        return "Whether the release is in force cannot be told: its edits touch no rule, or the record logs none."
    logged = record.violations.filter((pl.col("event_date") > since) & pl.col("rule_id").is_in(rules))
    if logged.height < MIN_ROWS:
        few = store.add(logged.height, "count", tool="verify")
        return f"Too few cases of the touched rules were decided since ({few.ref()}) to tell whether it is in force."
    cases = logged.with_columns(case_id=pl.col("violation_id"), assessed_at=pl.col("decided_at"))
    try:
        fired = replay(released, cases).firings.filter(pl.col("rule_id").is_in(rules))
    except PolicyError as error:  # a predicate reads a column that this record does not have
        return f"Whether the release is in force cannot be told: {store.add(str(error).rstrip('.'), 'name').ref()}."
    agreed = logged.join(fired, left_on=["violation_id", "rule_id"], right_on=["case_id", "rule_id"], how="semi").height
    share = agreed / logged.height
    seen = store.add(share, "rate", numerator=agreed, denominator=logged.height, tool="verify", filter=f"after {since}")
    verdict = "The release is in force" if share >= IN_FORCE else "The release is not in force everywhere"
    return f"{verdict}: its configs make {seen.ref('of')} decisions of the touched rules since ({seen.ref('pct')})."


def _moved(policy: str, record: Record, since: date, store: EvidenceStore) -> str:
    name = store.add(policy, "name").ref()
    try:
        seen = observe(record, "overturn_rate", Segment.of(policy_id=policy))
    except DataError as error:
        return f"The overturn rate of {name} cannot be followed: {store.add(str(error).rstrip('.'), 'name').ref()}."
    rows = seen.frame.filter("matured")
    before, after = rows.filter(pl.col("event_date") <= since), rows.filter(pl.col("event_date") > since)
    if min(before.height, after.height) < MIN_ROWS:
        few = store.add(after.height, "count", tool="verify")
        return (
            f"Too few decided appeals of {name} are mature since ({few.ref()}) to tell whether its overturn rate moved."
        )
    then, later = _shown(before, store, f"{policy} until {since}"), _shown(after, store, f"{policy} after {since}")
    estimate = _difference(before, after, clustered=seen.unit is not None)
    moved = store.add(estimate.value, "points", interval=estimate.interval, tool="verify", filter=policy)
    span = f" (interval {moved.ref('ci')})" if moved.interval else ""
    return (
        f"The overturn rate of {name} went from {then} to {later}, {moved.ref('pp')}{span}; "
        "that alone is no proof of an improvement, audits would settle it."
    )


def _shown(rows: pl.DataFrame, store: EvidenceStore, where: str) -> str:
    estimate = rate(rows["k"].to_numpy().astype(float), rows["n"].to_numpy().astype(float))
    return store.add(
        estimate.value,
        "rate",
        numerator=rows["k"].sum(),
        denominator=rows["n"].sum(),
        interval=estimate.interval,
        filter=where,
        tool="verify",
        label_source=LabelSource.APPEAL_FINAL,
    ).ref("pct")


def _difference(before: pl.DataFrame, after: pl.DataFrame, *, clustered: bool) -> Estimate:
    rows = pl.concat([before.with_columns(late=pl.lit(0)), after.with_columns(late=pl.lit(1))])
    k, n, late = (rows[c].to_numpy().astype(float) for c in ("k", "n", "late"))
    units = rows["unit"].fill_null("(missing)").rank("dense").to_numpy().astype(int) - 1 if clustered else None
    difference = rate_difference(k * (1 - late), n * (1 - late), k * late, n * late, units)
    return difference.estimate(after.height, "cluster-robust" if clustered else "binomial")
