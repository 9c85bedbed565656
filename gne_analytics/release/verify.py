"""After launch: is a release in force, and what do the rows decided since say of it?

Decided since means after the release was written. Two questions, both on the record alone. Where the released configs
and those of before decide a case differently, enforced or passed, with which does the log agree? And did the overturn
rate of the touched policies move? A fall of the overturn rate is no proof of an improvement: fewer or other cases may
be appealed. Audits would settle it.
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
from gne_analytics.policy.edits import applied
from gne_analytics.policy.files import PolicySet, load
from gne_analytics.release.export import CONFIGS, Manifest, read_manifest
from gne_analytics.release.ledger import Act, Clock, Ledger, now
from gne_analytics.strategy.population import build_population
from gne_analytics.tables.record import Record

MIN_ROWS = 30
"""Fewer cases that are decided differently, or rows, since the release tell nothing."""
IN_FORCE = 0.95
"""Agreement of log and released configs, where they differ from before, below which it is not in force."""


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
    """Compare the log with the configs of before and of the release, on the cases since that the two decide apart."""
    if not any({"score", "detector"} <= set(frame.columns) for frame in (record.violations, record.assessments)):
        return "Whether the release is in force cannot be told: the record logs no scores."
    population = build_population(record)
    held = {c for frame in (record.violations, record.assessments) if not frame.is_empty() for c in frame.columns}
    absent = [c for c in population.attributes if c not in held and c != "detector"]  # a predicate must not read null
    scores = population.scores.filter(pl.col("event_date") > since).drop(absent)
    try:
        before = replay(applied(released, manifest.undo), scores).decisions
        after = replay(released, scores).decisions
    except PolicyError as error:  # a predicate reads a column that this record does not have
        return f"Whether the release is in force cannot be told: {store.add(str(error).rstrip('.'), 'name').ref()}."
    told = ["action", "rule_id", "review"]
    cases = population.cases.join(before.select("case_id", *told), on="case_id")
    cases = cases.join(after.select("case_id", *told), on="case_id", suffix="_then")
    passed = cases.filter(~pl.col("enforced")).height
    cases = cases.filter(pl.any_horizontal(pl.col(c).ne_missing(pl.col(f"{c}_then")) for c in told))
    if cases.height < MIN_ROWS:
        few = store.add(cases.height, "count", tool="verify", filter=f"after {since}")
        return (
            f"Too few cases since are decided differently by the release ({few.ref()}) to tell whether it is in force."
        )
    as_then, as_before = (
        int(cases.select(_agrees(cases.columns, *s).sum()).item()) for s in (("_then", ""), ("", "_then"))
    )
    seen, old = (
        store.add(n / cases.height, "rate", numerator=n, denominator=cases.height, tool="verify", filter=where)
        for n, where in ((as_then, f"as released, after {since}"), (as_before, f"as before, after {since}"))
    )
    counts = (
        f"of the cases since that it decides differently, the log agrees with the release on {seen.ref('of')} "
        f"({seen.ref('pct')}), with the configs of before on {old.ref('of')} ({old.ref('pct')})"
    )
    if as_then / cases.height < IN_FORCE:
        everywhere = "" if as_then / cases.height <= 1 - IN_FORCE else " everywhere"
        return f"The release is not in force{everywhere}: {counts}."
    if as_before / cases.height >= IN_FORCE:
        return f"Whether the release is in force cannot be told, the log fits both: {counts}."
    if not passed:
        return f"Whether the release is in force cannot be told, the record holds no passed cases since: {counts}."
    return f"The release is in force: {counts}."


def _agrees(columns: list[str], mine: str, other: str) -> pl.Expr:
    """Say where the log does not contradict one of two configs in what sets them apart; a null in the log never does.

    A case that goes to a person may end either way.
    """
    acts, review = pl.col(f"action{mine}").is_not_null(), pl.col(f"review{mine}")
    both = acts & pl.col(f"action{other}").is_not_null()
    same = ~(both & (review != pl.col(f"review{other}"))) | (pl.col("human") == review).fill_null(True)
    for name, apart in (("rule_id", pl.lit(True)), ("action", pl.col("action") != pl.col("action_then"))):
        if f"logged_{name}" in columns:
            said = pl.col(f"logged_{name}").cast(pl.String) == pl.col(f"{name}{mine}").cast(pl.String)
            same &= ~(both & apart if name == "action" else apart) | said.fill_null(True)
    return pl.when(pl.col("enforced")).then(acts & same).otherwise(~acts | review).fill_null(False)


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
