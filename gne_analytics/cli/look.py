"""Commands that look: check, shifts, explain, themes, propose, backtest, frontier, investigate."""

from pathlib import Path
from typing import Annotated

import typer

from gne_analytics.cli.options import (
    AsJson,
    Baseline,
    Focus,
    Metric,
    Policies,
    Reader,
    RunPath,
    Scope,
    Seed,
    Source,
    Strict,
)
from gne_analytics.errors import DataError
from gne_analytics.evidence.proposals import Proposal
from gne_analytics.strategy.frontier import POINTS
from gne_analytics.strategy.identify import Label


def register(app: typer.Typer) -> None:
    """Add this file's commands to the application."""
    for command in (check, shifts, explain, themes, propose, backtest, frontier, investigate):
        app.command()(command)


def check(source: Source, policies: Policies = None) -> None:
    """Validate tables and policy set, run the policies' own tests; any fault is exit code 2."""
    from gne_analytics import workspace
    from gne_analytics.cli.console import say, say_rejects, table

    ws = workspace.open(source, policies=policies)
    say(ws.describe())
    say_rejects(ws.record.rejects)
    off = [c for c in ws.record.capabilities if not c.on]
    for name in ws.record.empty_columns():
        say(f"Column {name} is empty in every row, so it explains nothing.")
    if off:
        rows = [[c.name, c.why_off, ", ".join(c.turned_on_by)] for c in off]
        table("Off, and what would turn it on", ["capability", "why", "add"], rows)
    say(ws.check_policies())
    if ws.record.rejects.height:
        raise DataError(f"{ws.record.rejects.height:,} rows are at fault, as listed above; mend the extract.")


def shifts(
    source: Source,
    baseline: Baseline = None,
    focus: Focus = None,
    metric: Metric = None,
    scope: Scope = None,
    seed: Seed = 0,
    strict: Strict = False,
    json: AsJson = False,
) -> None:
    """What moved beyond chance, over every policy and metric; or between two windows that you name."""
    from gne_analytics import workspace
    from gne_analytics.cli.console import say, say_json
    from gne_analytics.cli.telling import nothing_moved

    ws = workspace.open(source, seed=seed, strict=strict)
    found = ws.shifts(baseline=baseline, focus=focus, metric=metric, scope=scope)
    if json:
        say_json([s.model_dump(mode="json") for s in found])
        return
    for shift in found:
        say(ws.text_of(shift) + "\n")
    if not found:
        say(nothing_moved(ws.unjudged(metric=metric, scope=scope)))


def explain(
    source: Source,
    baseline: Baseline = None,
    focus: Focus = None,
    metric: Metric = None,
    scope: Scope = None,
    html: Annotated[Path | None, typer.Option(help="Write all of it as one page that opens offline.")] = None,
    seed: Seed = 0,
    strict: Strict = False,
    json: AsJson = False,
) -> None:
    """Where and why a metric moved; without windows, the strongest shift that the record holds."""
    from gne_analytics import workspace
    from gne_analytics.cli.console import say, say_json
    from gne_analytics.cli.telling import nothing_moved, say_explained

    if html is not None and html.is_dir():
        raise DataError(f"--html {html} is a folder; name a file, such as {html / 'why.html'}.")
    ws = workspace.open(source, seed=seed, strict=strict)
    found = ws.shifts(baseline=baseline, focus=focus, metric=metric, scope=scope)
    if not found:
        why = ws.unjudged(metric=metric, scope=scope)
        if json:
            say_json({"shift": None, "causes": [], "not_judged": why.reasons})
        else:
            say(nothing_moved(why, f"No page was written to {html}: there is no shift to explain." if html else ""))
        return
    explained = ws.explain(found[0])
    if html is not None:
        explained.write(html)
    if json:
        say_json(explained.document())
        return
    say_explained(explained, ws.store)
    if html is not None:
        say(f"The page lies at {html}.")


MANY = 20
"""Themes beyond which a table is no overview."""


def themes(
    source: Source,
    view: Annotated[str, typer.Option(help="appeals, rationale, violations or signals.")] = "appeals",
    seed: Seed = 0,
    strict: Strict = False,
    json: AsJson = False,
    embedder: Reader = "auto",
    about: Annotated[
        int | None, typer.Option(min=1, help="About so many themes, coarser or finer than those fitted.")
    ] = None,
) -> None:
    """What sellers, reviewers and users say, clustered."""
    from gne_analytics import workspace
    from gne_analytics.cli.console import progress, say, say_json, table

    ws = workspace.open(source, seed=seed, strict=strict, embedder=embedder)
    with progress() as watch:
        found = ws.themes(view, progress=watch)
    shown = found.themes if about is None else found.at(about)
    if json:
        say_json([t.model_dump(mode="json") for t in shown])
        return
    table(
        f"Themes in {view}",
        ["theme", "texts", "distinct", "sellers", "label", "terms"],
        [[t.id, f"{t.size:,}", f"{t.folded:,}", f"{t.units:,}", t.shown, ", ".join(t.terms[:6])] for t in shown],
        right=("texts", "distinct", "sellers"),
    )
    say(f"{found.assignments.height:,} texts. Distinct: a seller's own copies counted once; themes are ranked by it.")
    if about is None and len(shown) > MANY:
        say(f"Fewer, coarser themes: --about {MANY}.")
    for note in found.notes:
        say(note)


def propose(
    source: Source, policies: Policies = None, seed: Seed = 0, strict: Strict = False, json: AsJson = False
) -> None:
    """Typed edits for the causes found, each with its backtest."""
    from gne_analytics import workspace
    from gne_analytics.cli.console import say, say_json

    ws = workspace.open(source, policies=policies, seed=seed, strict=strict)
    proposals = ws.propose()
    if json:
        say_json([p.model_dump(mode="json") for p in proposals])
        return
    for proposal in proposals:
        say(ws.text_of(proposal) + "\n")
    if not proposals:
        say("Nothing to propose.")


def backtest(
    source: Source,
    edits: Annotated[Path, typer.Option(help="A JSON file: a list of edits, a proposal, or several.")],
    policies: Policies = None,
    label: Annotated[Label, typer.Option(help="Whose word is the truth.")] = "final_decision",
    seed: Seed = 0,
    strict: Strict = False,
    json: AsJson = False,
) -> None:
    """What a change of the policy set would have done on the record, and what cannot be known.

    A list of edits is one change, judged on all sellers. A proposal of a run is judged as the run judged it: on the
    sellers that its search did not see, from its first day on; of several each by itself.
    """
    from gne_analytics import workspace
    from gne_analytics.cli.console import say, say_json

    ws = workspace.open(source, policies=policies, seed=seed, strict=strict)
    changes = workspace.read_changes(edits)
    results = [ws.backtest(change, label=label) for change in changes]
    if json:
        told = [result.model_dump(mode="json") for result in results]
        say_json(told[0] if len(told) == 1 else told)
        return
    for change, result in zip(changes, results, strict=True):
        if isinstance(change, Proposal):
            say(f"PROPOSAL {change.id}: {change.title}\n")
        say(ws.text_of(result))


def frontier(
    source: Source,
    policy: Annotated[str, typer.Option(help="Id of the policy.")],
    rule: Annotated[str, typer.Option(help="Id of its rule, live and with a threshold.")],
    by: Annotated[
        list[str] | None, typer.Option(help="Give each value of this column a threshold of its own; repeat for more.")
    ] = None,
    points: Annotated[
        int, typer.Option(min=2, help="Replay at most so many points; each takes about a second.")
    ] = POINTS,
    policies: Policies = None,
    seed: Seed = 0,
    strict: Strict = False,
    json: AsJson = False,
) -> None:
    """What a rule's thresholds can trade: wrongful enforcement against missed violations and reviews."""
    from gne_analytics import workspace
    from gne_analytics.cli.console import say, say_json
    from gne_analytics.cli.telling import say_table
    from gne_analytics.workspace.traded import points_table, thresholds_table

    ws = workspace.open(source, policies=policies, seed=seed, strict=strict)
    found = ws.frontier(policy, rule, by or (), points=points)
    if json:
        say_json({"points": found.table.to_dicts(), "stated": found.stated, "limits": found.limits})
        return
    say(found.summary() + "\n")
    say_table(points_table(found))
    say_table(thresholds_table(found))


CauseId = Annotated[str, typer.Argument(help="Id of a cause, as the report prints it.", show_default=False)]


def investigate(run: RunPath, cause: CauseId) -> None:
    """Everything a run knows of one cause: evidence, rivals, what would tell them apart."""
    from gne_analytics import workspace
    from gne_analytics.cli.console import say

    say(workspace.open_run(run).dossier(cause))
