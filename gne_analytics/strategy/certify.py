"""A certified threshold: the laxest one whose rate of mistakes is below a limit, by fixed-sequence testing.

Learn then test (Angelopoulos, Bates, Candes, Jordan and Lei 2021): thresholds are tested in an order laid down in
advance, from the strict end to the lax one, each at the whole level, until one is not certified; the chance that any
certified one is over the limit stays at the level, so that all sellers may be used and nothing has to be held back. As
there, the sequence starts anew from several places, which share the level.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from scipy.special import betainc

from gne_analytics.errors import DataError, PolicyError
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Edit, LabelSource
from gne_analytics.metrics.windows import segment_mask
from gne_analytics.policy.files import PolicySet
from gne_analytics.policy.predicates import PATHS
from gne_analytics.policy.resolve import resolve
from gne_analytics.strategy.identify import Floats, Label, effective
from gne_analytics.strategy.places import allowed, segment_place
from gne_analytics.strategy.protected import relaxes
from gne_analytics.strategy.study import Study, study_of
from gne_analytics.tables.record import Record

Mistake = Literal["wrongful_enforcement", "missed_violations"]
TAIL = 0.02
"""Share of the scored cases beyond the lowest and the highest threshold tested, unless told otherwise."""
STARTS = 5
"""Places at which the sequence starts, the strict end among them; each has its share of the level."""


@dataclass(frozen=True, repr=False)
class Certified:
    """The laxest threshold that is certified, and the tests that led to it."""

    policy: str
    rule: str
    segment: Segment
    mistake: Mistake
    limit: float
    level: float
    threshold: float | None
    """None: no threshold is certified."""
    tests: pl.DataFrame
    """threshold (in the order of the tests), cases, labels (effective), rate, p, certified."""
    edits: tuple[Edit, ...]
    """What sets it; empty where none is certified, it is today's, or the policy is protected and might be relaxed."""
    limits: tuple[str, ...]
    evidence: tuple[str, ...]

    def __repr__(self) -> str:
        where = f" in {self.segment}" if self.segment.depth else ""
        what = self.mistake.replace("_", " ")
        if self.threshold is None:
            head = f"{self.rule}{where}: no threshold is certified to keep {what} below {self.limit:.1%}"
        else:
            head = f"{self.rule}{where}: {self.threshold:g} keeps {what} below {self.limit:.1%}"
        return "\n".join([f"{head} (level {self.level:g}).", *self.limits])


def certify(
    record: Record | Study,
    policies: PolicySet | None = None,
    *,
    policy: str,
    rule: str,
    store: EvidenceStore,
    limit: float,
    mistake: Mistake = "wrongful_enforcement",
    segment: Segment | None = None,
    level: float = 0.05,
    thresholds: Sequence[float] | None = None,
    label: Label = "final_decision",
) -> Certified:
    """Return the laxest threshold of a rule, or of a segment, whose rate of mistakes is certified below a limit.

    ``wrongful_enforcement``: the share of legitimate ones among the cases that the rule enforces by itself; the lax end
    is the lowest threshold. ``missed_violations``: the share that it leaves alone of the violations it scored; the lax
    end is the highest. A case sent to a person is not enforced by the rule itself, nor left alone.

    The p-value of a threshold is the binomial tail at the limit for the labels there are (decided appeals, audits by
    the inverse of their probability), at Kish's effective number (Korn and Graubard 1998). Where audits could not have
    been drawn on either side of a threshold, it is not certified.

    Args:
        record: what happened, or the record already replayed.
        policies: today's policy set; not needed beside a study.
        policy: the policy.
        rule: its rule, live and with a threshold.
        store: where the figures are recorded.
        limit: the rate not to be reached, in (0, 1).
        mistake: which rate.
        segment: whose cases; none: all of the rule.
        level: the chance that the certified threshold is over the limit after all.
        thresholds: what to test; by default steps of a hundredth where the scores lie, which no label has a say in.
        label: the target, as in ``backtest``.

    Example:
        >>> certify(record, policies, policy="counterfeit", rule="logo-match", limit=0.1, store=store)
        ... # doctest: +SKIP
    """
    if not (0 < limit < 1 and 0 < level < 1):
        raise PolicyError(f"limit and level lie between 0 and 1; got {limit:g} and {level:g}.")
    study = study_of(record, policies)
    owner = study.policies.policy(policy)
    own = owner.rule(rule)
    place = segment_place(study, own, segment or Segment({}))
    rows = _labelled(study, own.id, place.segment, label)
    if rows.is_empty():
        raise DataError(
            f"no case in {place.segment} has a score that rule {rule!r} reads, so there is nothing to test."
        )
    grid = np.array(allowed(owner, own, thresholds))
    if thresholds is None:
        grid = grid[(grid >= rows["score"].quantile(TAIL)) & (grid <= rows["score"].quantile(1 - TAIL))]
    order = grid[::-1] if mistake == "wrongful_enforcement" else grid
    tested = [_test(rows, value, mistake, limit) for value in order]
    certified = fixed_sequence(np.array([t["p"] for t in tested]), level)
    tests = pl.DataFrame(tested).with_columns(certified=pl.Series(certified, dtype=pl.Boolean))
    best = float(order[np.flatnonzero(certified)[-1]]) if certified.any() else None
    edits: tuple[Edit, ...] = ()
    limits = ["For the cases of this record: other weeks may hold others. Labels stand for cases by their probability."]
    if best is not None and best != place.today:
        edit = place.edit(best, owner, own, [], f"{mistake} certified below the limit")
        if owner.protected and relaxes(edit, study.policies):
            limits.append("The policy is protected, and the threshold might relax it: no edit is offered.")
        else:
            edits = (edit,)
    if best is None:
        limits.append(_why_none(tests))
    evidence: tuple[str, ...] = ()
    if best is not None:
        row = tests.filter(pl.col("threshold") == best).row(0, named=True)
        found = store.add(
            row["rate"], "rate", denominator=row["cases"], tool="certify", filter=f"{rule} at {best:g}",
            arguments={"limit": limit, "level": level, "mistake": mistake, "label": label},
            label_source=LabelSource.AUDIT,
        )  # fmt: skip
        evidence = (found.id, store.add(best, "score", tool="certify").id)
    return Certified(policy, rule, place.segment, mistake, limit, level, best, tests, edits, tuple(limits), evidence)


def fixed_sequence(p: Floats, level: float, starts: int = STARTS) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which hypotheses of an ordered sequence are rejected, family-wise at a level.

    From each of some evenly spaced starts every next one is rejected whose p is at most the start's share of the level,
    up to the first that is not (Angelopoulos et al. 2021, algorithm 1).

    Example:
        >>> fixed_sequence(np.array([0.001, 0.5, 0.001]), 0.05, starts=1).tolist()
        [True, False, False]
    """
    firsts = np.unique(np.linspace(0, len(p), min(starts, len(p)), endpoint=False).astype(int))
    rejected = np.zeros(len(p), np.bool_)
    for first in firsts:
        fails = np.flatnonzero(~(p[first:] <= level / len(firsts)))
        rejected[first : first + (fails[0] if len(fails) else len(p) - first)] = True
    return rejected


def _labelled(study: Study, rule_id: str, segment: Segment, label: Label) -> pl.DataFrame:
    """Return a rule's scored cases: score, reviewed where it fires, weight (0: no label), settled, violating."""
    rule = study.policies.policy(study.policy_of_rule[rule_id]).rule(rule_id)
    scores = study.population.scores
    if segment.depth:
        scores = scores.filter(segment_mask(segment, PATHS))
    said = resolve(rule, scores, study.day)
    mine = scores.hstack(said.select("applies", "exempt", "human_review")).filter("applies", ~pl.col("exempt"))
    truth = study.population.cases.select("case_id", "decided_violating", "audit_violating", "audit_prob")
    settled = pl.col("decided_violating").is_not_null() if label == "final_decision" else pl.lit(False)
    audited = ~settled & pl.col("audit_violating").is_not_null()
    return mine.join(truth, on="case_id", how="left").select(
        pl.col("score").cast(pl.Float64),
        reviewed=pl.col("human_review"),
        weight=pl.when(settled).then(1.0).when(audited).then(1 / pl.col("audit_prob")).otherwise(0.0),
        settled=settled,
        violating=pl.when(settled).then("decided_violating").otherwise("audit_violating"),
    )


def _test(rows: pl.DataFrame, threshold: float, mistake: Mistake, limit: float) -> dict[str, float]:
    """Test one threshold: is the rate of mistakes at or over the limit?"""
    fires = rows["score"].to_numpy() >= threshold
    weight = rows["weight"].to_numpy()
    violating = rows["violating"].fill_null(0.0).to_numpy()
    if mistake == "wrongful_enforcement":
        alone = fires & ~rows["reviewed"].to_numpy()
        base, wrong, sides = np.where(alone, weight, 0.0), 1 - violating, [alone]
    else:
        base, wrong, sides = weight * violating, np.where(fires, 0.0, 1.0), [fires, ~fires]
    n = effective(base)
    rate = float((base * wrong).sum() / base.sum()) if base.sum() > 0 else float("nan")
    blind = any(_blind(weight[side], rows["settled"].to_numpy()[side]) for side in sides)
    p = 1.0 if not n or blind else float(betainc(max(n * (1 - rate), 1e-12), n * rate + 1, 1 - limit))
    return {"threshold": float(threshold), "cases": float(fires.sum()), "labels": n, "rate": rate, "p": p}


def _blind(weight: Floats, settled: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> bool:
    """Say whether audits fall short of a side's open cases by over four standard errors: part had no chance of one."""
    drawn = weight[~settled & (weight > 0)]
    reach = float(drawn.sum()) + 4 * float(np.sqrt((drawn * (drawn - 1)).sum()))
    return int((~settled).sum()) > reach


def _why_none(tests: pl.DataFrame) -> str:
    if tests["p"].min() == 1.0:
        return "Audits reach none of the thresholds on every side; audits drawn from all scored cases would settle it."
    return "More labels would: the rate is not low enough, or not known well enough, at any threshold tested."
