"""What the report's templates ask of the results: groupings, orders and spellings, no HTML and no numbers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Final

import polars as pl

from gne_analytics.agents.narrate_whom import milestones_moved, on_how_few, on_the_ladder
from gne_analytics.agents.phrases import VIEWS
from gne_analytics.evidence.claims import Claim, ClaimKind, Finding, FindingKind
from gne_analytics.evidence.proposals import Backtest, Guardrail, Outcome, Recommendation
from gne_analytics.evidence.render import number, percent, show
from gne_analytics.evidence.store import Evidence
from gne_analytics.evidence.types import Cause, CauseKind, Counts, Edit, Estimate, Interval, Mechanism, Shift
from gne_analytics.figures.causes import inside_title
from gne_analytics.figures.shifts import Step, waterfall_steps
from gne_analytics.figures.wording import dimension, in_time, kind_of, metric_title, moved, named, sides, window
from gne_analytics.metrics.observations import unrankable
from gne_analytics.release.contents import CausePart, OtherName, ProposalPart, ShiftPart
from gne_analytics.strategy.frontier import Frontier
from gne_analytics.themes.crossed import SAYS, Crossed, Pair

__all__ = [
    "dimension", "in_time", "inside_title", "kind_of", "metric_title", "milestones_moved", "moved", "named",
    "on_how_few", "on_the_ladder", "sides", "window",
]  # fmt: skip
"""Spelt for the templates as they are for the figures and the narrator."""

STORIES: Final = 3
"""Shifts that the first screen tells in full; the rest are named below them."""

_QUESTIONS: Final = (
    ("What we see", (ClaimKind.WHAT,)),
    ("Where", (ClaimKind.WHERE,)),
    ("Why", (ClaimKind.WHY,)),
    ("What else it could be", (ClaimKind.RIVAL,)),
    ("What it changes", (ClaimKind.PROPOSAL,)),
    ("How sure", (ClaimKind.CERTAINTY,)),
    ("Limits", (ClaimKind.LIMIT,)),
)
_VERDICTS: Final = {
    Recommendation.RECOMMEND: "recommended",
    Recommendation.CANNOT_TELL: "cannot tell",
    Recommendation.REFUSE: "not recommended",
    Recommendation.EXPERIMENT: "needs an experiment",
}
_UNITS: Final = {"cases": "count", "reviews": "count", "share": "points", "rate": "points", "points": "points"}


@dataclass(frozen=True)
class Story:
    """What the first screen says of one shift: a headline, and an answer to each question of a strategy lead."""

    title: Claim
    answers: tuple[tuple[str, tuple[Claim, ...]], ...]


def stories(findings: Sequence[Finding]) -> tuple[list[Story], list[Claim]]:
    """Tell the first shifts in full, each with its first causes and their proposals; all else by its title."""
    told = [f for f in findings if f.kind in {FindingKind.SHIFT, FindingKind.QUIET}]
    full = [_story(shift, findings) for shift in told[:STORIES]]
    shown = {f.id for shift in told[:STORIES] for f in _proposals_of(shift, findings)}
    offered = [f for f in findings if f.proposal_id and f.id not in shown]
    return full, [f.title for f in (*told[STORIES:], *offered)]


def _causes_of(shift: Finding, findings: Sequence[Finding]) -> list[Finding]:
    return [f for f in findings if shift.shift_id and f.shift_id == shift.shift_id and f.cause_id][:2]


def _proposals_of(shift: Finding, findings: Sequence[Finding]) -> list[Finding]:
    about = {f.cause_id for f in _causes_of(shift, findings)}
    return [f for f in findings if f.proposal_id and f.cause_id in about][:2]


def _story(shift: Finding, findings: Sequence[Finding]) -> Story:
    causes, proposals = _causes_of(shift, findings), _proposals_of(shift, findings)
    answers = (
        ("What moved", shift.of_kind(ClaimKind.WHAT)[: None if shift.kind is FindingKind.QUIET else 1]),
        ("Why", tuple(c for f in causes for c in (f.title, *f.of_kind(ClaimKind.WHY)[:1]))),
        ("What we propose", tuple(c for f in proposals for c in f.of_kind(ClaimKind.PROPOSAL)[:2])),
        ("How sure", tuple(c for f in (*causes[:1], *proposals[:1]) for c in f.of_kind(ClaimKind.CERTAINTY)[:2])),
    )
    once = ((question, tuple({c.template: c for c in claims}.values())) for question, claims in answers)
    return Story(shift.title, tuple((question, claims) for question, claims in once if claims))


def answers(finding: Finding) -> list[tuple[str, tuple[Claim, ...]]]:
    """A finding's claims under the questions they answer; a question without an answer is left out."""
    grouped = [(title, tuple(c for c in finding.claims if c.kind in kinds)) for title, kinds in _QUESTIONS]
    return [(title, claims) for title, claims in grouped if claims]


def about(findings: Sequence[Finding], kind: str, identifier: str) -> list[Finding]:
    """The findings about one result: ``kind`` is shift, cause or proposal."""
    if kind == "shift":
        return [f for f in findings if f.shift_id == identifier and not f.cause_id]
    if kind == "cause":
        return [f for f in findings if f.cause_id == identifier and not f.proposal_id]
    return [f for f in findings if f.proposal_id == identifier]


def of_themes(findings: Sequence[Finding]) -> list[Finding]:
    """The findings about texts: themes and campaigns."""
    return [f for f in findings if f.kind in {FindingKind.THEME, FindingKind.CAMPAIGN}]


def says(name: str) -> str:
    """Who speaks in a view of texts, e.g. sellers say."""
    return SAYS.get(name, spelt(name))


def texts_of(name: str) -> str:
    """What a view of texts holds, e.g. what sellers write in their appeals."""
    return VIEWS.get(name, spelt(name))


def meeting(crossed: Crossed | None) -> tuple[Pair, ...]:
    """The pairs of themes that a report tells of; none where none is beyond chance."""
    return crossed.strongest() if crossed else ()


def said_there(pair: Pair) -> Counts:
    """A pair's votes among all where the other theme is said."""
    return Counts(k=pair.k, n=pair.n_other)


def said_elsewhere(pair: Pair) -> Counts:
    """A pair's theme of the one view among all where the other theme is not said."""
    return Counts(k=pair.n_one - pair.k, n=pair.n - pair.n_other)


def closed(template: str) -> str:
    """A claim as a sentence of its own: with a full stop, where it has none."""
    return template if template.rstrip().endswith((".", "!", "?", ":")) else f"{template.rstrip()}."


def spelt(name: str) -> str:
    """Spell a name of the vocabulary as words."""
    return str(name).replace("_", " ")


def share(row: Mapping[str, float]) -> Estimate:
    """A stage of the funnel as the share of those that could reach it."""
    return _estimate(row, "share", "of")


def times(row: Mapping[str, float]) -> Estimate:
    """A rising theme's weekly volume as a multiple of the weeks before."""
    return _estimate(row, "ratio", "recent")


def _estimate(row: Mapping[str, float | None], value: str, n: str) -> Estimate:
    known, lo, hi = row[value], row["lo"], row["hi"]
    span = Interval(lo=lo, hi=hi) if lo is not None and hi is not None else None
    return Estimate(value=float("nan") if known is None else known, interval=span, n=int(row[n] or 0))


def compared(found: Frontier, test: Backtest) -> list[tuple[str, str, Estimate | None, Estimate | None]]:
    """Outcomes of a proposal beside those of its rule's best point: name, unit, the proposal's and the point's."""
    best = found.backtests[found.stated]
    own, other = ({o.name: o for o in t.outcomes} for t in (test, best))
    return [
        (name, unit_of(own[name]), own[name].difference, other[name].difference if name in other else None)
        for name in own
    ]


def best_of(found: Frontier) -> Backtest:
    """The backtest of the point that is best at the stated costs; it has no outcomes where that is today."""
    return found.backtests[found.stated]


def flow_cell(cell: str) -> str:
    """A stratum of an audit plan in words: its policy and what would happen to its cases."""
    policy, flow, *_ = cell.split("|")
    return f"{policy}: {spelt(flow)}"


def verdict(recommendation: Recommendation) -> str:
    """What the software says of a proposal, in the words of the page."""
    return _VERDICTS[recommendation]


def rows_of(shift: Shift) -> str:
    """The filter behind a shift's numbers."""
    return f"{shift.scope}; {window(shift.baseline)} against {window(shift.focus)}"


def unit_of(outcome: Outcome) -> str:
    """The evidence unit of an outcome's figures; what is neither cases nor shares is cost."""
    return _UNITS.get(outcome.unit, "money" if outcome.name == "loss" or outcome.unit in {"cost", "money"} else "count")


def guard_unit(guardrail: Guardrail) -> str:
    """Guardrails compare shares unless their figures cannot be shares."""
    sizes = (guardrail.margin, guardrail.difference.value)
    return "points" if all(abs(size) <= 1 for size in sizes) else "count"


def place(edit: Edit) -> str:
    """The place that an edit addresses, by ids."""
    return " / ".join(part for part in (edit.policy, edit.rule, edit.clause, edit.item) if part)


def value(content: object) -> str:
    """A value of a config as an owner would read it: text as it stands, a mapping as its lines, the rest as JSON."""
    if content is None:
        return "nothing"
    if isinstance(content, Mapping):
        return "\n".join(f"{key}: {value(part)}" for key, part in content.items())
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, default=str)


@dataclass(frozen=True)
class DiffLine:
    """One line of a patch: added, removed, a place, or context."""

    kind: str
    text: str


def diff_lines(patch: str) -> list[DiffLine]:
    """Split a unified patch into lines that know what they are."""
    return [DiffLine(_kind(line), line) for line in patch.splitlines()]


def _kind(line: str) -> str:
    if line.startswith(("+++", "---", "diff ", "index ")):
        return "file"
    return {"+": "added", "-": "removed", "@": "hunk"}.get(line[:1], "context")


def rejected(rejects: pl.DataFrame | None) -> list[dict[str, object]]:
    """Rejected rows by table, column and reason with their number and up to five keys, the largest group first."""
    if rejects is None or rejects.is_empty():
        return []
    counted = rejects.group_by("table", "column", "reason").agg(
        pl.len().alias("n"), pl.col("key").cast(pl.String).drop_nulls().sort().head(5).alias("keys")
    )
    return counted.sort(["n", "table", "column", "reason"], descending=[True, False, False, False]).to_dicts()


def recommended(proposals: Sequence[ProposalPart]) -> int:
    """How many proposals the software recommends."""
    return sum(part.proposal.recommendation is Recommendation.RECOMMEND for part in proposals)


def reading(cause: Cause) -> str:
    """What a cause is taken for: its mechanism, or its kind where no failing of a policy is behind it."""
    if cause.mechanism is not Mechanism.UNKNOWN:
        return spelt(cause.mechanism)
    return "mechanism not known" if cause.kind is CauseKind.RATE_SHIFT else spelt(cause.kind)


def why(cause: Cause, shift: Shift) -> str:
    """What a cause is taken for; between two segments no mechanism is asked for."""
    if not in_time(shift) and cause.mechanism is Mechanism.UNKNOWN:
        return "not asked between segments"
    return reading(cause)


def about_cause(cause: Cause, shift: Shift) -> str:
    """What a cause is taken for in a headline: its mechanism, or what it is."""
    return kind_of(cause, shift) if not in_time(shift) else reading(cause)


def steps(part: ShiftPart) -> tuple[Step, ...]:
    """The waterfall of a shift; none where it cannot be compared."""
    names = {c.id: named(c.segment) for c in part.causes}
    return waterfall_steps(part.shift, part.decomposition, names) if part.decomposition else ()


def step_kind(step: Step) -> str:
    """What a step of a waterfall is."""
    return {"cause": "cause", "mix": "mix of cases", "residual": "residual"}[step.kind]


def nothing_found(shift: Shift) -> str:
    """Why a shift has no cause: it was not searched, or nothing stands out."""
    if unrankable(shift.before, shift.after):
        return "It was not searched: a rate lies over one, or rests on too few rows."
    what = "change" if in_time(shift) else "difference"
    return f"No segment explains it: the {what} is spread over everything that was looked at, or too small to place."


def descriptions(cause: Cause, behind: CausePart | None) -> dict[str, str]:
    """What each change that fits a cause was, by its id, where the record says more than that."""
    told = behind.changes if behind else ()
    return {c.change_id: text for c, (_, text) in zip(cause.changes, told, strict=False) if text != c.change_id}


def unproven(shift: Shift) -> str:
    """Say of a shift that chance may be behind it; nothing where it is beyond chance, or has no rates."""
    if shift.significant or isnan(shift.delta.value):
        return ""
    return f"The {'move' if in_time(shift) else 'difference'} is not shown to be beyond chance."


def lines_said(cause: Cause, behind: CausePart, near: Sequence[object]) -> str:
    """What the lines in a cause's own series are; ``near`` are the changes near the shift, which may be none."""
    onset = "The line in purple is the onset, its shade the interval" if cause.onset else "No onset is known"
    if not behind.changes and not near:
        return f"{onset}; no change of the world is recorded near it."
    fits = "lines in orange are the changes that fit" if behind.changes else "no change fits; the nearest are in orange"
    return f"{onset}; {fits}, short marks are other changes."


def chosen(cause: Cause, shift: Shift) -> str:
    """How the example rows of a cause were chosen."""
    there, here = sides(shift)
    gone = cause.kind is CauseKind.VANISHED_SEGMENT
    where = (
        f"in {there if gone else here}" if not in_time(shift) else f"of the {'baseline' if gone else 'focus window'}"
    )
    tell = "count" if cause.effect.value >= 0 else "do not count"
    return f"The latest rows {where}, no two of one unit: two in three {tell}, the others for contrast."


def nearness(other: OtherName) -> str:
    """How near a description comes to a cause's own."""
    return {"named": "as named", "same rows": "nearly the same rows", "overlaps": "overlaps in part"}[other.how]


def cell(content: object) -> str:
    """A value of an example row; texts are redacted and cut before they come here."""
    if content is None:
        return "-"
    return ("yes" if content else "no") if isinstance(content, bool) else str(content)


def inside(shift: Shift, cause: Cause) -> str:
    """The filter behind a cause's numbers."""
    return f"{cause.segment}; {rows_of(shift)}"


def guards(guardrails: Sequence[Guardrail]) -> list[Guardrail]:
    """Guardrails, failing ones first, then those that cannot be told."""
    order = {"fail": 0, "cannot_tell": 1, "pass": 2}
    return sorted(guardrails, key=lambda g: (order[g.verdict], g.name, str(g.slice)))


def usual_unit(value: float) -> str:
    """The usual numbers are shares, or counts where they cannot be."""
    return "rate" if 0 <= value <= 1 else "count"


def shown(evidence: Evidence) -> str:
    """A record's value as the appendix shows it."""
    return show(evidence)


def counted(evidence: Evidence) -> str:
    """A record's numerator and denominator; one of them where only one is known."""
    if evidence.denominator is None:
        return ""
    if evidence.numerator is None:
        return f"n = {number(evidence.denominator)}"
    return f"{number(evidence.numerator)} of {number(evidence.denominator)}"


def interval(evidence: Evidence) -> str:
    """A record's interval with its level and method."""
    if evidence.interval is None:
        return ""
    method = f", {evidence.interval.method}" if evidence.interval.method else ""
    return f"{show(evidence, 'ci')} ({percent(evidence.interval.level)}{method})"


def arguments(evidence: Evidence) -> str:
    """The arguments of the computation behind a record."""
    return ", ".join(f"{name}: {value}" for name, value in evidence.arguments.items())
