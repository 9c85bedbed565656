"""Drafts of words: clauses, notices, evidence. They are a start for their owner, who writes the final text."""

import re

import polars as pl

from gne_analytics.evidence.types import Cause, Edit, EditKind
from gne_analytics.metrics.definitions import DECIDED
from gne_analytics.metrics.windows import segment_mask
from gne_analytics.policy.model import Clause, Policy
from gne_analytics.policy.predicates import PATHS
from gne_analytics.strategy.candidates import slug
from gne_analytics.strategy.study import Study

DRAFT = "DRAFT"
"""Marks every drafted sentence, so that none leaves by oversight."""
MIN_PROOFS = 5
"""Decided appeals with a kind of proof before it is asked for."""


def draft_edits(kinds: tuple[EditKind, ...], cause: Cause, policy: Policy, study: Study) -> tuple[Edit, ...]:
    """Draft the edits of words that a lever names; kinds for which the record offers nothing are left out."""
    reason = f"{cause.mechanism.value} in {cause.segment}"
    found: list[Edit] = []
    for kind in kinds:
        if kind is EditKind.EDIT_CLAUSE:
            found += _clause(cause, policy, reason)
        elif kind is EditKind.SET_EVIDENCE:
            found += _evidence(cause, policy, study, reason)
        elif kind is EditKind.EDIT_NOTICE:
            found += _notices(cause, policy, study, reason, [e.new for e in found if e.kind is EditKind.SET_EVIDENCE])
        elif kind is EditKind.ADD_CLAUSE:
            found += _new_clause(cause, policy, study, reason)
    return tuple(found)


def _clause(cause: Cause, policy: Policy, reason: str) -> list[Edit]:
    """Ask for a line between the cases that reviewers now decide both ways."""
    named = cause.segment.values("clause_id")
    rules = cause.segment.values("rule_id")
    wanted = named[0] if named else next((r.clause for r in policy.rules if r.id in rules), policy.clauses[0].id)
    clause = next((c for c in policy.clauses if c.id == wanted), None)
    if clause is None:
        return []
    line = f"{DRAFT}: say on which side like cases in {_plain(cause.segment)} fall"
    return [
        Edit(
            kind=EditKind.EDIT_CLAUSE, policy=policy.id, clause=clause.id, reason=reason,
            old={"excludes": list(clause.excludes)}, new={"excludes": [*clause.excludes, line]},
        )
    ]  # fmt: skip


def _evidence(cause: Cause, policy: Policy, study: Study, reason: str) -> list[Edit]:
    """Add the proof for which nobody asks and that successful appeals carry more often than failed ones."""
    appeals = study.record.appeals
    if "evidence" not in appeals.columns:
        return []
    cases = _inside(cause, study).select("violation_id")
    rows = appeals.join(cases, on="violation_id", how="semi").with_columns(won=pl.col("outcome") == "overturned")
    rows = rows.filter(pl.col("outcome").is_in(list(DECIDED)) & (pl.col("evidence").list.len() > 0))
    average = rows.select(pl.col("won").mean()).item()
    proofs = (
        rows.explode("evidence")
        .filter(~pl.col("evidence").is_in(list(policy.appeal.evidence)))
        .group_by("evidence")
        .agg(won=pl.col("won").mean(), n=pl.len())
        .filter((pl.col("n") >= MIN_PROOFS) & (pl.col("won") > average))
        .sort("won", "evidence", descending=[True, False])
    )
    if proofs.is_empty():
        return []
    old = list(policy.appeal.evidence)
    return [
        Edit(
            kind=EditKind.SET_EVIDENCE,
            policy=policy.id,
            old=old,
            new=[*old, _plain(proofs["evidence"][0])],
            reason=reason,
        )
    ]


def _notices(cause: Cause, policy: Policy, study: Study, reason: str, evidence: list[object]) -> list[Edit]:
    """Append a drafted line to the notices in the segment's languages (all, when it names none)."""
    if policy.notice is None:
        return []
    languages = set(cause.segment.values("language"))
    asked = evidence[-1] if evidence else list(policy.appeal.evidence)
    # Kinds of evidence come from the appeals: only letters, digits and blanks may enter a notice.
    plain = [_plain(e).replace("_", " ") for e in asked] if isinstance(asked, list) else []
    proof = ", ".join(plain)
    line = f"<!-- {DRAFT}: name the rule and what to do first"
    line += f"; ask for: {proof} -->" if proof else " -->"
    found = []
    for notice in study.policies.notices.values():
        if notice.template == policy.notice.template and (not languages or notice.language in languages):
            new = notice.text.rstrip("\n") + f"\n\n{line}\n"
            found.append(
                Edit(
                    kind=EditKind.EDIT_NOTICE, policy=policy.id, item=notice.id, old=notice.text, new=new, reason=reason
                )
            )
    return found


def _plain(text: object) -> str:
    """Leave letters, digits, blanks and the signs of a segment: what comes from outside goes into a config here."""
    return re.sub(r"[^\w =&/.,-]", "", str(text))


def _new_clause(cause: Cause, policy: Policy, study: Study, reason: str) -> list[Edit]:
    """Draft a clause for the new kind of harm and a rule in status draft, which acts on nothing."""
    known = study.population.attributes
    segment = cause.segment.model_copy(
        update={"root": {d: v for d, v in cause.segment.items() if d in known and d != "detector"}}
    )
    if not study.can_name(segment):
        return []
    name = slug(segment, [c.id.rsplit(".", 1)[-1] for c in policy.clauses])
    clause = Clause(id=f"{policy.id}.{name}", text=f"{DRAFT}: what signals report in {_plain(segment)}.")
    rule = {
        "id": f"draft-{name}", "clause": clause.id, "status": "draft",
        "when": [study.predicate(segment)], "action": "warn", "points": 0,
    }  # fmt: skip
    return [
        Edit(kind=EditKind.ADD_CLAUSE, policy=policy.id, clause=clause.id, reason=reason,
             new={"id": clause.id, "text": clause.text}),
        Edit(kind=EditKind.ADD_RULE, policy=policy.id, rule=str(rule["id"]), reason=reason, new=rule),
    ]  # fmt: skip


def _inside(cause: Cause, study: Study) -> pl.DataFrame:
    cases = study.population.cases.filter("enforced")
    known = {d: v for d, v in cause.segment.items() if d in cases.columns}
    known |= {f"logged_{d}": v for d, v in cause.segment.items() if f"logged_{d}" in cases.columns}
    known = {d: v for d, v in known.items() if f"logged_{d}" not in known}
    return cases.filter(segment_mask(cause.segment.model_copy(update={"root": known}), PATHS))
