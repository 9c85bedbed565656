"""Commands that bring data and models: simulate, import dsa, llm check, eval."""

from pathlib import Path
from typing import Annotated

import typer

from gne_analytics.cli.options import Policies, RunPath, Seed

KINDS = "demo, quiet, mixed, incident:<mechanism>[:<severity>] or decoy:<kind>[:<severity>]."
bring = typer.Typer(help="Bring public data in.", no_args_is_help=True)
llm = typer.Typer(help="The language model, if one is configured.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add this file's commands to the application."""
    app.command()(simulate)
    app.command(name="eval")(evaluate)
    app.add_typer(bring, name="import")
    app.add_typer(llm, name="llm")


def simulate(
    out: Annotated[Path, typer.Option(help="Folder of the source to write.", show_default=False)],
    truth: Annotated[Path, typer.Option(help="Folder of its truth, apart from the source.", show_default=False)],
    world: Annotated[str, typer.Option(help=KINDS)] = "demo",
    seed: Seed = 0,
    policies: Policies = None,
    violations: Annotated[int | None, typer.Option(help="About how many violations to aim at.")] = None,
    sellers: Annotated[int | None, typer.Option(help="How many sellers there are.")] = None,
    weeks: Annotated[int | None, typer.Option(help="How many weeks the record has.")] = None,
    top_share: Annotated[float | None, typer.Option(help="Share of all activity that one seller has.")] = None,
    dirty: Annotated[float, typer.Option(help="Share of rows to spoil, to exercise sifting.")] = 0.0,
) -> None:
    """Write a simulated marketplace as a source, and its truth elsewhere."""
    from gne_analytics.cli.console import say
    from gne_analytics.policy.files import load
    from gne_analytics.simulate import simulate as make
    from gne_analytics.simulate import write

    made = make(
        world,
        seed,
        policies=load(policies) if policies else None,
        violations=violations,
        sellers=sellers,
        weeks=weeks,
        top_share=top_share,
        dirty=dirty,
    )
    write(made, out, truth)
    say(f"{made.tables['violations'].height:,} violations written to {out}; the truth is in {truth}.")


@bring.command()
def dsa(
    dump: Annotated[Path, typer.Argument(help="A daily dump of the DSA database (CSV).", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder of the source to write.", show_default=False)],
) -> None:
    """Write the statements of reasons of a daily dump as a source."""
    from gne_analytics.cli.console import say
    from gne_analytics.tables.dsa import import_dsa

    say(import_dsa(dump, out))


@llm.command(name="check")
def llm_check() -> None:
    """Ask the configured model for one word; say plainly whether it can be used."""
    from gne_analytics.agents.model import llm_check as ask
    from gne_analytics.cli.console import say

    say(ask())


def evaluate(run: RunPath) -> None:
    """Check every claim of a run again: references, units, direction, contrast, n."""
    from gne_analytics import workspace
    from gne_analytics.cli.console import say

    say(workspace.open_run(run).evaluate())
