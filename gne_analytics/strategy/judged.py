"""A proposal and its backtest: edits chosen on some sellers, judged on the others, with a title and a way back."""

from collections.abc import Sequence
from datetime import date

from gne_analytics.evidence.proposals import Backtest, Proposal
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Edit, EditKind
from gne_analytics.policy.edits import inverse
from gne_analytics.policy.model import Policy
from gne_analytics.strategy.backtest import backtest
from gne_analytics.strategy.contributions import contributions
from gne_analytics.strategy.identify import Label
from gne_analytics.strategy.kinds import proposal_id
from gne_analytics.strategy.protected import refuse_relaxed
from gne_analytics.strategy.recommend import NEVER_ALONE
from gne_analytics.strategy.study import Study


def new_proposal(
    edits: Sequence[Edit],
    policy: Policy,
    study: Study,
    rationale: Sequence[str],
    evidence: Sequence[str],
    since: date | None = None,
) -> Proposal:
    """Return a proposal of one policy's edits, yet to be judged; PolicyError for one that may relax a protected policy.

    Args:
        rationale: claim templates.
        evidence: the ids that they cite.
    """
    refuse_relaxed(edits, study.policies)
    return Proposal(
        id=proposal_id(edits, study.policies.hash),
        title=title_of(edits),
        policy=policy.id,
        policy_base=study.policies.hash,
        since=since,
        edits=tuple(edits),
        rollback=inverse(edits, study.policies),
        rationale=(*rationale, NEVER_ALONE),
        owner=policy.owner,
        approvals_needed=policy.approvals_needed,
        evidence=tuple(dict.fromkeys(evidence)),
    )


def judge(
    proposal: Proposal, study: Study, store: EvidenceStore, *, label: Label = "final_decision", seed: int = 0
) -> tuple[Proposal, Backtest]:
    """Let the sellers that a search did not see judge a proposal, and say what each of its edits brings."""
    test = backtest(proposal, study.record, study.policies, store=store, label=label, seed=seed, study=study)
    shares, shown = contributions(proposal.edits, study, store, proposal.since)
    judged = {
        "recommendation": test.recommendation,
        "rationale": (*proposal.rationale, test.why),
        "evidence": tuple(dict.fromkeys((*proposal.evidence, *test.evidence, *shown))),
        "contributions": shares,
    }
    return proposal.model_copy(update=judged), test


TITLES = {
    EditKind.SET_THRESHOLD: "Set the threshold of {rule} to {new}",
    EditKind.SET_OVERRIDE: "Set override {item} of {rule} to {new}",
    EditKind.ADD_OVERRIDE: "Give {rule} a threshold of {value} where {match}",
    EditKind.ADD_EXEMPTION: "Exempt from {rule} where {match}",
    EditKind.SET_HUMAN_REVIEW: "Let a person decide {rule} where {new}",
    EditKind.SET_STATUS: "Set {rule} to {new}",
    EditKind.EDIT_CLAUSE: "Draw the line of clause {clause}",
    EditKind.SET_EVIDENCE: "Ask in {policy} for the proof that succeeds",
    EditKind.EDIT_NOTICE: "Reword notice {item}",
    EditKind.ADD_CLAUSE: "Draft clause {clause}",
    EditKind.ADD_RULE: "Draft rule {rule}",
}


def title_of(edits: Sequence[Edit]) -> str:
    """Name a proposal by its first edit, and say how many more there are."""
    edit = edits[0]
    inside = edit.new if isinstance(edit.new, dict) else {}
    words = {**edit.model_dump(include={"policy", "rule", "clause", "item", "new"}), **{
        k: inside.get(k) for k in ("value", "match")}}  # fmt: skip
    if all(e.rule and (e.kind, e.new) == (edit.kind, edit.new) for e in edits):
        *others, last = [str(e.rule) for e in edits]
        words["rule"], edits = " and ".join([*([", ".join(others)] if others else []), last]), edits[:1]
    title = TITLES.get(edit.kind, "{policy}: " + edit.kind.value.replace("_", " ")).format(**words)
    return title if len(edits) == 1 else f"{title} (and {len(edits) - 1} more)"
