"""What a finished run holds: JSON results with their schemas, tables, rejects, drafts of the configs, the report."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from pydantic import TypeAdapter

from gne_analytics import __version__
from gne_analytics.agents.phrases import MECHANISMS, capital, spell_segment
from gne_analytics.atomic import write_json
from gne_analytics.causes.explain import Explanation
from gne_analytics.errors import DataError, PolicyError
from gne_analytics.evidence.claims import Finding
from gne_analytics.evidence.proposals import Backtest, Proposal, Recommendation
from gne_analytics.evidence.store import Evidence
from gne_analytics.evidence.types import Cause, Decomposition, Shift, Theme
from gne_analytics.release.report import ProposalPart, ReportInput, ShiftPart, write_report
from gne_analytics.strategy.moved import first_moved
from gne_analytics.strategy.propose import Referral
from gne_analytics.tables.contract import TABLES
from gne_analytics.themes.cards import ThemeCard
from gne_analytics.themes.crossed import Crossed
from gne_analytics.themes.hierarchy import Hierarchy
from gne_analytics.themes.outcomes import Outcomes
from gne_analytics.workspace.behind import part_of
from gne_analytics.workspace.handover import crossed_of, rising_of, weeks_of
from gne_analytics.workspace.session import REPLAY

if TYPE_CHECKING:
    from gne_analytics.strategy.frontier import Frontier
    from gne_analytics.themes.weeks import ThemeWeeks
    from gne_analytics.workspace.loop import Proposals, Said, Told
    from gne_analytics.workspace.session import Workspace

KINDS: Mapping[str, TypeAdapter[object]] = {
    "shifts": TypeAdapter(list[Shift]),
    "causes": TypeAdapter(list[Cause]),
    "decompositions": TypeAdapter(dict[str, Decomposition]),
    "themes": TypeAdapter(list[Theme]),
    "theme_cards": TypeAdapter(list[ThemeCard]),
    "theme_trees": TypeAdapter(list[Hierarchy]),
    "theme_outcomes": TypeAdapter(list[Outcomes]),
    "theme_crossed": TypeAdapter(list[Crossed]),
    "proposals": TypeAdapter(list[Proposal]),
    "backtests": TypeAdapter(list[Backtest]),
    "findings": TypeAdapter(list[Finding]),
    "evidence": TypeAdapter(list[Evidence]),
}
"""JSON file of a run -> what it holds; each has its schema in ``schemas/``."""
DETAILED = 3
"""Causes of a shift that its report shows with series, siblings, other names and rows."""
EXAMPLES = 5
"""Real cases shown in each bucket of a proposal."""
LOSING = 5
"""Sellers shown who lose the most by a proposal."""
DRAWN, POINTS = 1, 5
"""Proposals that move a threshold whose rule's frontier a report draws, those first that may be signed, and the points
of each: a point takes a second."""


def json_schema(name: str) -> dict[str, object]:
    """Return the JSON Schema of a file of a run, by its stem."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **KINDS[name].json_schema()}


def write_run(
    folder: Path,
    ws: Workspace,
    arguments: Mapping[str, str | None],
    shifts: Sequence[Shift],
    explanations: Sequence[Explanation],
    said: Mapping[str, Said],
    offered: Proposals,
    told: Told,
) -> None:
    """Write everything that a run holds into its folder, but for the manifest."""
    parts = tuple(_parts(ws, shifts, explanations))
    themes = [t for view in said.values() for t in view.themes]
    weeks, crossed = weeks_of(ws.record, said), crossed_of(ws.record, said)
    _write_tables(folder / "tables", parts, said, weeks, crossed)
    _write_rejects(folder, ws.record.rejects)
    patches = _write_drafts(folder, ws, offered)
    title = told.findings[0].title.template if told.findings else ""
    write_report(
        folder / "report.html",
        ReportInput(
            title=_rendered(ws, title),
            source=ws.record.name,
            as_of=ws.record.as_of,
            version=__version__,
            seed=ws.seed,
            store=ws.store,
            timezone=ws.record.timezone,
            arguments={k: v for k, v in arguments.items() if v},
            findings=told.findings,
            shifts=parts,
            themes=tuple(themes),
            weeks=next(iter(weeks.values()), None),
            crossed=crossed,
            rising=rising_of(ws.record, said.get("signals")),
            funnel=ws.funnel() if ws.record.has("appeals") else None,
            proposals=tuple(_proposal_part(ws, p, offered, patches.get(p.id, "")) for p in offered.proposals),
            referrals=tuple(_referral(r, explanations, ws) for r in offered.referrals),
            stages_off=stages_off(ws),
            rows={t: ws.record.table(t).height for t in TABLES if ws.record.has(t)},
            rejects=ws.record.rejects,
            capabilities=ws.record.capabilities,
            notes=(*told.notes, *(_undated(w) for w in weeks.values() if w.undated)),
        ),
    )
    results = {
        "shifts": shifts,
        "causes": [c for e in explanations for c in e.causes],
        "decompositions": {e.shift.id: e.decomposition for e in explanations},
        "themes": themes,
        "theme_cards": [card for view in said.values() for card in view.cards],
        "theme_trees": [view.tree for view in said.values() if view.tree is not None],
        "theme_outcomes": [view.outcomes for view in said.values() if view.outcomes is not None],
        "theme_crossed": [crossed.only_sure()] if crossed is not None else [],
        "proposals": offered.proposals,
        "backtests": offered.backtests,
        "findings": told.findings,
        "evidence": ws.store.items(),  # after the report, which binds the numbers of its tables
    }
    for name, result in results.items():
        write_json(folder / f"{name}.json", json.loads(TypeAdapter(object).dump_json(result)))
        write_json(folder / "schemas" / f"{name}.schema.json", json_schema(name))
    write_json(folder / "referrals.json", [r.model_dump(mode="json") for r in offered.referrals])
    write_json(folder / "stages_off.json", stages_off(ws))


def stages_off(ws: Workspace) -> dict[str, str]:
    """Say which stages cannot run on this source, and what would turn them on."""
    off: dict[str, str] = {}
    if ws.policies is None:
        reason = "the source names no policy set; add `policies: <folder>` to it, or give --policies"
        off = dict.fromkeys(("proposals", "backtest", "release"), reason)
    elif not ws.record.can(REPLAY):
        off = {"backtest": next(c.why_off for c in ws.record.capabilities if c.name == REPLAY)}
    named = {"verification on held-out units": "verification", "themes of appeals": "themes of appeals"}
    off |= {named[c.name]: c.why_off for c in ws.record.capabilities if not c.on and c.name in named}
    return off


def _parts(ws: Workspace, shifts: Sequence[Shift], explanations: Sequence[Explanation]) -> Iterator[ShiftPart]:
    explained = {e.shift.id: e for e in explanations}
    for shift in shifts:
        if shift.id in explained:
            yield part_of(ws.record, explained[shift.id], detailed=DETAILED)


def _proposal_part(ws: Workspace, proposal: Proposal, offered: Proposals, patch: str) -> ProposalPart:
    test = _test_of(proposal, offered)
    if test is None:
        return ProposalPart(proposal, patch=patch)
    plan = ws.audit_plan(proposal)
    examples, losing = ws.counterexamples(proposal, limit=EXAMPLES), ws.losing_sellers(proposal, limit=LOSING)
    whole = ws.backtest(proposal.model_copy(update={"since": None})) if proposal.since else None
    return ProposalPart(proposal, test, patch, plan, examples, losing, *_frontier(ws, proposal, offered), whole)


def _frontier(ws: Workspace, proposal: Proposal, offered: Proposals) -> tuple[Frontier | None, str]:
    """Return the frontier of the rule that a proposal moves a threshold of, or why there is none to draw."""
    movers = [p for p in offered.proposals if first_moved(p.edits)]
    if proposal not in movers[:DRAWN]:
        return None, ""
    try:
        return ws.frontier_beside(proposal, points=POINTS), ""
    except (DataError, PolicyError) as fault:
        return None, str(fault)


def _write_tables(
    folder: Path, parts: Sequence[ShiftPart], said: Mapping[str, Said], weeks: Mapping[str, ThemeWeeks],
    crossed: Crossed | None,
) -> None:  # fmt: skip
    folder.mkdir(exist_ok=True)
    series = [p.series.with_columns(shift_id=pl.lit(p.shift.id)) for p in parts if p.series is not None]
    if series:
        pl.concat(series, how="diagonal").write_parquet(folder / "series.parquet")
    for view, found in said.items():
        found.assignments.write_parquet(folder / f"themes_{view}.parquet")
        if found.spots is not None:
            found.spots.write_parquet(folder / f"map_{view}.parquet")
    for view, over in weeks.items():
        over.weeks.write_parquet(folder / f"weeks_{view}.parquet")
    if crossed is not None:
        crossed.table().write_parquet(folder / "crossed.parquet")


def _undated(weeks: ThemeWeeks) -> str:
    return f"{weeks.undated:,} texts of the view {weeks.view.replace('_', ' ')} have no day and are in no week."


def _write_rejects(folder: Path, rejects: pl.DataFrame) -> None:
    rejects.write_parquet(folder / "rejects.parquet")
    write_json(
        folder / "rejects.json", rejects.group_by("table", "reason").len("rows").sort("table", "reason").to_dicts()
    )


def _write_drafts(folder: Path, ws: Workspace, offered: Proposals) -> dict[str, str]:
    if ws.policies is None:
        return {}
    from gne_analytics.release.export import patch_of, write_proposed

    write_proposed(folder, ws.policies, offered.proposals)
    recommended = [p for p in offered.proposals if p.recommendation is Recommendation.RECOMMEND]
    write_json(folder / "canary.json", {p.id: _canary(ws, p) for p in recommended})
    return {p.id: patch_of(ws.policies, p) for p in offered.proposals}


def _canary(ws: Workspace, proposal: Proposal) -> object:
    """Return a proposal's canary plan as JSON, or why the record allows none."""
    try:
        return ws.canary_plan(proposal).model_dump(mode="json")
    except DataError as error:
        return {"off": str(error)}


def _referral(referral: Referral, explanations: Sequence[Explanation], ws: Workspace) -> str:
    """Write a referral as a claim template: the segment, its mechanism, who owns it and why no edit answers it."""
    segment = next(c.segment for e in explanations for c in e.causes if c.id == referral.cause_id)
    place = ws.store.add(capital(spell_segment(segment)), "name").ref()
    owner = f"the owner of the {referral.owner}" if referral.owner else "nobody named"
    return f"{place}: {MECHANISMS[referral.mechanism]}. Who can mend it: {owner}. {referral.why}"


def _test_of(proposal: Proposal, offered: Proposals) -> Backtest | None:
    return next((b for b in offered.backtests if b.proposal_id == proposal.id), None)


def _rendered(ws: Workspace, template: str) -> str:
    from gne_analytics.evidence.render import render

    return render(template, ws.store) if template else "Nothing to report"
