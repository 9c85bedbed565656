"""Commands that run the loop: demo, run, digest, serve."""

from pathlib import Path
from typing import Annotated

import typer

from gne_analytics.cli.options import Baseline, Focus, Metric, Policies, Reader, RunPath, Scope, Seed, Source, Strict

Runs = Annotated[Path, typer.Option(help="Folder that holds the runs.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Compute again even if this run is there.")]


def register(app: typer.Typer) -> None:
    """Add this file's commands to the application."""
    for command in (demo, run, digest, serve):
        app.command()(command)


def demo(
    out: Annotated[Path, typer.Option(help="Folder to work in.")] = Path("demo-out"),
    seed: Seed = 0,
    fresh: Fresh = False,
) -> None:
    """Run the whole loop on the demo marketplace, sign what it recommends, release it, and say where all lies."""
    from gne_analytics.cli.console import progress, say
    from gne_analytics.workspace.demo import sign_and_release, working_copy
    from gne_analytics.workspace.session import open as open_source

    source = working_copy(out)
    with progress() as watch:
        ws = open_source(source, seed=seed)
        done = ws.run(out / "runs", fresh=fresh, progress=watch)
    say(f"\n{ws.describe()}\n")
    say(done.summary() + "\n")
    say("WHAT ITS OWNER SIGNED")
    signed, released = sign_and_release(done, out / "release")
    for line in signed or ["- nothing is recommended, so nothing was signed."]:
        say(line)
    say("\nWHERE IT LIES")
    say(f"- report:   {done.report}")
    say(f"- drafts:   {done.path / 'proposed'} and {done.path / 'proposed.patch'}")
    if released:
        say(f"- release:  {released}: updated configs, release.patch, evidence pack")
    say(f"- decisions: {source / 'policy' / 'ledger.ndjson'}")
    say("\nNext: make serve, or open notebooks/01_the_loop.ipynb.")


def run(
    source: Source,
    baseline: Baseline = None,
    focus: Focus = None,
    metric: Metric = None,
    scope: Scope = None,
    policies: Policies = None,
    runs: Runs = Path("runs"),
    seed: Seed = 0,
    strict: Strict = False,
    fresh: Fresh = False,
    embedder: Reader = "auto",
) -> None:
    """Run the loop on a source: findings, proposals with backtests, draft configs, patch and report."""
    from gne_analytics import workspace
    from gne_analytics.cli.console import progress, say, say_rejects, table

    with progress() as watch:
        ws = workspace.open(source, policies=policies, seed=seed, strict=strict, embedder=embedder)
        done = ws.run(runs, baseline=baseline, focus=focus, metric=metric, scope=scope, fresh=fresh, progress=watch)
    say(ws.describe())
    say_rejects(ws.record.rejects)
    say()
    say(done.summary())
    for stage, why in done.stages_off.items():
        say(f"\n{stage}: off, {why}")
    say()
    if done.causes:
        table("Causes", ["id", "status", "segment"], [[c.id, c.status, str(c.segment)] for c in done.causes])
    if done.proposals:
        table("Proposals", ["id", "verdict", "title"], [[p.id, p.recommendation, p.title] for p in done.proposals])
    say(f"\nReport: {done.report}")
    if done.proposals:
        say(f"Drafts: {done.path / 'proposed'}; patch: {done.path / 'proposed.patch'}")


def digest(run: RunPath) -> None:
    """Print what a run found, in plain words."""
    from gne_analytics import workspace
    from gne_analytics.cli.console import say

    say(workspace.open_run(run).summary())


def serve(
    run: Annotated[
        Path | None, typer.Argument(help="The folder of a run; the demo's newest where none is given.")
    ] = None,
    port: Annotated[int, typer.Option(help="Port on localhost.")] = 2718,
    headless: Annotated[bool, typer.Option("--headless", help="Do not open a browser.")] = False,
) -> None:
    """Serve the dashboard on http://localhost."""
    from gne_analytics.workspace.serve import serve as start

    start(run, port=port, headless=headless)
