"""Candidates: typed edits for one cause and one rule, their values searched over cells of the sellers to search on."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from typing import TypeVar

import numpy as np
import polars as pl

from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Edit, EditKind
from gne_analytics.metrics.windows import segment_mask
from gne_analytics.policy.model import ALWAYS, Override, Policy, Rule
from gne_analytics.policy.predicates import PATHS, segment_of
from gne_analytics.policy.resolve import resolve
from gne_analytics.strategy.arena import Arena, build_arena
from gne_analytics.strategy.cells import CellRule
from gne_analytics.strategy.estimate import Reviewers
from gne_analytics.strategy.study import Study

STEP, REACH_UP, REACH_DOWN = 0.01, 30, 20
"""Thresholds tried: so many steps above and below today's."""
T = TypeVar("T")

NEAR_ALL = 0.9
MAX_SIGNATURES = 24
CONTRIBUTES = 0.05
"""The share of a joint gain that an edit must bring to be part of a proposal."""
WORTH = 0.9
"""A simpler candidate is taken when it brings this share of the best one's gain."""


@dataclass(frozen=True)
class Target:
    """Where a cause can be mended: a rule, and the segment in columns that a predicate may name."""

    policy: Policy
    rule: Rule
    segment: Segment
    cases: int
    """Enforced cases of the cause's segment that the rule decides."""
    all_of_rule: bool
    """The segment holds nearly every case of the rule, so the rule itself is edited."""
    since: date | None = None


@dataclass(frozen=True)
class Candidate:
    """Edits and their in-sample loss, which chooses and is never reported."""

    edits: tuple[Edit, ...]
    in_sample: float


def targets_of(segment: Segment, study: Study, since: date | None = None, share: float = 0.05) -> list[Target]:
    """Return the rules that decide a segment's enforced cases, each with what a predicate can say of it.

    A segment that no predicate can name (a queue, a template) gives a rule only where it holds nearly all of its cases;
    the empty segment gives none, since it would edit every rule there is.
    """
    if not segment.depth:
        return []
    cases = study.population.cases.filter("enforced").join(
        study.today.decisions.select("case_id", rule_today="rule_id"), on="case_id", how="left"
    )
    logged = {d: f"logged_{d}" for d in segment.dimensions if f"logged_{d}" in cases.columns}
    named = {logged.get(d, d): v for d, v in segment.items() if logged.get(d, d) in cases.columns}
    inside = cases.filter(segment_mask(Segment(named), PATHS) & pl.col("rule_today").is_not_null())
    attributes = Segment({d: v for d, v in segment.items() if d in study.population.attributes and d != "detector"})
    nameable = study.can_name(attributes)
    found = []
    for rule_id, n in (
        inside.group_by("rule_today").agg(n=pl.len()).sort("n", "rule_today", descending=[True, False]).iter_rows()
    ):
        if n < share * inside.height:
            continue
        policy = study.policies.policy(study.policy_of_rule[rule_id])
        whole = cases.filter(pl.col("rule_today") == rule_id)
        near_all = whole.filter(segment_mask(Segment(named), PATHS)).height >= NEAR_ALL * whole.height
        if near_all or nameable:
            found.append(Target(policy, policy.rule(rule_id), attributes, int(n), near_all, since))
    return found


def search_thresholds(target: Target, study: Study, reviewers: Reviewers, reason: str, lower: bool) -> list[Candidate]:
    """Search a threshold of the segment, or of the rule where the segment is nearly all of it."""
    rule = target.rule
    if rule.threshold is None:
        return []
    today, override = _threshold_now(target, study)
    grid = _grid(today, rule.threshold.default, lower)
    if target.all_of_rule and override is None:
        arena = build_arena(study, target.policy, rule, [], grid, reviewers, target.since)
        edit = _edit(target, EditKind.SET_THRESHOLD, reason, old=rule.threshold.default)
        return _evaluate(arena, grid, lambda v: arena.with_default(v), lambda v: edit.model_copy(update={"new": v}))
    match = override.match if override else study.predicate(target.segment)
    priority = max((o.priority for o in rule.threshold.overrides), default=-1) + 1
    arena = build_arena(study, target.policy, rule, [match], grid, reviewers, target.since)
    if override:
        edit = _edit(target, EditKind.SET_OVERRIDE, reason, item=override.id, old=override.value)
        return _evaluate(
            arena, grid, lambda v: arena.with_override(match, v, priority), lambda v: edit.model_copy(update={"new": v})
        )
    new = {"id": slug(target.segment, [o.id for o in rule.threshold.overrides]), "match": match}
    rest = {"priority": priority, "reason": reason} if priority else {"reason": reason}
    edit = _edit(target, EditKind.ADD_OVERRIDE, reason)
    return _evaluate(
        arena,
        grid,
        lambda v: arena.with_override(match, v, priority),
        lambda v: edit.model_copy(update={"new": {**new, "value": v, **rest}}),
    )


def search_exemptions(
    target: Target, study: Study, reviewers: Reviewers, reason: str, signatures: Mapping[str, Segment]
) -> list[Candidate]:
    """Search an exemption among signatures (predicate -> segment)."""
    texts = list(signatures)
    arena = build_arena(study, target.policy, target.rule, texts, [], reviewers, target.since)
    taken = [e.id for e in target.rule.exemptions]

    def edit(text: str) -> Edit:
        new = {
            "id": f"ex-{slug(signatures[text], [t.removeprefix('ex-') for t in taken])}",
            "match": text,
            "reason": reason,
        }
        return _edit(target, EditKind.ADD_EXEMPTION, reason).model_copy(update={"new": new})

    return _evaluate(arena, texts, arena.with_exemption, edit)


def search_reviews(target: Target, study: Study, reviewers: Reviewers, reason: str) -> list[Candidate]:
    """Search which of the segment's cases a person should decide: all, or those under a score."""
    rule = target.rule
    if rule.human_review == ALWAYS or rule.threshold is None or not study.can_name(target.segment):
        return []
    inside = study.predicate(target.segment)
    today, _ = _threshold_now(target, study)
    cuts = [round(c, 2) for c in np.arange(today + 0.05, 0.99, 0.05)]
    wanted = [_bracketed(inside), *(f"{_bracketed(inside)} AND score < {c:g}" for c in cuts)]
    texts = [f"{_bracketed(rule.human_review)} OR ({w})" if rule.human_review else w for w in wanted]
    arena = build_arena(study, target.policy, rule, texts, [], reviewers, target.since)
    edit = _edit(target, EditKind.SET_HUMAN_REVIEW, reason, old=rule.human_review)
    return _evaluate(arena, texts, arena.with_review, lambda t: edit.model_copy(update={"new": t}))


def signatures_of(targets: Sequence[Target], study: Study) -> dict[str, Segment]:
    """Return what an exemption may name: a segment's own conditions, and one more seen on its overturned cases."""
    if not targets or not targets[0].segment.depth:
        return {}
    return {study.predicate(s): s for s in _signatures(targets[0], study) if study.can_name(s)}


def joined(candidates: Sequence[Sequence[Candidate]]) -> list[Candidate]:
    """Join like candidates of several rules, the n-th with the n-th; a rule where it brings next to nothing stays out.

    Rules that read different detectors decide different cases, so that their losses add up.
    """
    made = []
    for several in zip(*candidates, strict=True):
        gains = [c for c in several if c.in_sample < 0]
        total = sum(c.in_sample for c in gains)
        kept = [c for c in gains if c.in_sample <= CONTRIBUTES * total]
        if kept:
            made.append(Candidate(tuple(e for c in kept for e in c.edits), sum(c.in_sample for c in kept)))
    return made


def choose(candidates: Sequence[Candidate]) -> Candidate | None:
    """Return the first candidate, in order of simplicity, that comes near the best; None where none lowers the loss.

    What is searched on some sellers must hold on others, and a simpler edit that does nearly as well holds more often.
    """
    best = min((c.in_sample for c in candidates), default=0.0)
    return next((c for c in candidates if best < 0 and c.in_sample <= WORTH * best), None)


def _evaluate(
    arena: Arena, values: Sequence[T], change: Callable[[T], tuple[CellRule, ...]], edit: Callable[[T], Edit]
) -> list[Candidate]:
    return [Candidate((edit(v),), arena.loss(change(v))) for v in values]


def _edit(target: Target, kind: EditKind, reason: str, item: str | None = None, old: object = None) -> Edit:
    return Edit(kind=kind, policy=target.policy.id, rule=target.rule.id, item=item, old=old, reason=reason)


def _grid(today: float, default: float, lower: bool) -> list[float]:
    """Return the thresholds to try: the rule's own first, which undoes what sets a segment apart, then the nearest."""
    steps = range(-REACH_DOWN if lower else 1, REACH_UP + 1)
    values = [v for v in (round(today + STEP * i, 2) for i in steps) if 0.02 <= v <= 0.99 and v != today]
    return sorted(values, key=lambda v: (v != default, abs(v - today)))


def _threshold_now(target: Target, study: Study) -> tuple[float, Override | None]:
    """Return the segment's commonest threshold, and the override behind it where that is made for this segment."""
    rule = target.rule
    rows = study.population.scores.filter(segment_mask(target.segment, PATHS))
    said = rows.select("case_id").hstack(resolve(rule, rows, study.day)).filter("applies")
    default = rule.threshold.default if rule.threshold else 0.0
    if said.is_empty():
        return default, None
    value, name, n = said.group_by("threshold", "override_id").agg(n=pl.len()).sort("n", "threshold").row(-1)
    override = next((o for o in (rule.threshold.overrides if rule.threshold else ()) if o.id == name), None)
    if override is None or n < NEAR_ALL * said.height:
        return float(value), None
    same = segment_of(override.match)
    everywhere = resolve(rule, study.population.scores, study.day).filter(pl.col("override_id") == name).height
    made_for_it = same == target.segment or n >= NEAR_ALL * everywhere
    return float(value), override if made_for_it else None


def _signatures(target: Target, study: Study) -> Iterator[Segment]:
    """Yield the parts of the segment, then the segment with one observed value more."""
    items = list(target.segment.items())
    seen = 0
    for depth in range(len(items), 0, -1):
        for part in combinations(items, depth):
            seen += 1
            yield Segment(dict(part))
    cases = study.population.cases.filter(
        segment_mask(target.segment, PATHS) & (pl.col("part") == 0) & (pl.col("decided_violating") == 0)
    )
    free = [d for d in study.population.attributes if d not in target.segment.dimensions and not d.endswith("_id")]
    for dimension in free:
        values = cases[dimension].drop_nulls().cast(pl.String).value_counts(sort=True).head(2)
        for value, n in values.iter_rows():
            if n >= max(3, 0.3 * cases.height) and seen < MAX_SIGNATURES and dimension != "detector":
                seen += 1
                yield Segment({**target.segment.root, dimension: (value,)})


def _bracketed(text: str) -> str:
    return f"({text})" if re.search(r"\b(or|and)\b", text, re.IGNORECASE) else text


def slug(segment: Segment, taken: Sequence[str]) -> str:
    """Return a readable id for a segment that no other item of the rule has, e.g. ``id-beauty``."""
    words = "-".join(v for _, values in segment.items() for v in values[:2])
    base = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:48] or "segment"
    name, i = base, 2
    while name in taken:
        name, i = f"{base}-{i}", i + 1
    return name
