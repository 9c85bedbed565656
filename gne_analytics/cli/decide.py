"""Commands of the policy owner: canary, approve, reject, release, verify, rollback, ledger check."""

from pathlib import Path
from typing import Annotated

import typer

from gne_analytics.cli.options import AsJson, By, RunPath, Source, Why

ledger = typer.Typer(help="The record of who decided what.", no_args_is_help=True)
ProposalId = Annotated[str, typer.Argument(help="Id of a proposal, as the report prints it.", show_default=False)]
ReleasePath = Annotated[Path, typer.Argument(help="The folder of a release.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add this file's commands to the application."""
    for command in (canary, approve, reject, release, verify, rollback):
        app.command()(command)
    app.add_typer(ledger, name="ledger")


def canary(run: RunPath, proposal: ProposalId, json: AsJson = False) -> None:
    """Which sellers see a proposal first, by a stated hash, what is watched and for how long; nothing is launched."""
    from gne_analytics import workspace
    from gne_analytics.cli.console import say_json
    from gne_analytics.cli.telling import say_canary

    plan = workspace.open_run(run).canary_plan(proposal)
    if json:
        say_json(plan.model_dump(mode="json"))
    else:
        say_canary(plan)


def approve(run: RunPath, proposal: ProposalId, by: By, why: Why) -> None:
    """Sign a proposal; the ledger beside the policy set keeps it, bound to the config and the evidence seen."""
    from gne_analytics import workspace
    from gne_analytics.cli.console import say

    say(workspace.open_run(run).approve(proposal, by=by, why=why))


def reject(run: RunPath, proposal: ProposalId, by: By, why: Why) -> None:
    """Turn a proposal down, with the reason."""
    from gne_analytics import workspace
    from gne_analytics.cli.console import say

    say(workspace.open_run(run).reject(proposal, by=by, why=why))


def release(
    run: RunPath,
    to: Annotated[Path, typer.Option(help="Folder to write the release to.", show_default=False)],
    by: By,
) -> None:
    """Write the approved proposals as final configs, patch and evidence pack."""
    from gne_analytics import workspace
    from gne_analytics.cli.console import say

    folder = workspace.open_run(run).release(to=to, by=by)
    say(f"Released to {folder}: updated configs, release.patch and the evidence pack.")


def verify(release: ReleasePath, source: Source, by: By) -> None:
    """After launch: is the release in force, and what moved since? The answer is kept in the ledger."""
    from gne_analytics import workspace
    from gne_analytics.cli.console import say

    say(workspace.open(source).verify(release, by=by))


def rollback(
    release: ReleasePath,
    to: Annotated[Path, typer.Option(help="Folder to write the restored configs to.", show_default=False)],
    by: By,
    why: Why,
) -> None:
    """Write the configs as they were before a release, and say so in the ledger."""
    from gne_analytics.cli.console import say
    from gne_analytics.release.export import rollback as undo

    say(f"Rolled back; the configs as they were are in {undo(release, to=to, by=by, why=why)}.")


@ledger.command()
def check(policies: Annotated[Path, typer.Argument(help="The folder of a policy set.", show_default=False)]) -> None:
    """Check the ledger's chain: nothing changed, nothing cut out."""
    from gne_analytics.cli.console import say
    from gne_analytics.release.ledger import Ledger

    say(Ledger.beside(policies).check())
