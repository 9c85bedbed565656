"""The typer application: the commands, grouped as the loop runs."""

import typer

from gne_analytics.cli import decide, look, loop, supply

app = typer.Typer(
    name="gne",
    help="From a record of violations and appeals to a policy config that its owner can sign.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

for room in (loop, look, decide, supply):
    room.register(app)


@app.callback(invoke_without_command=True)
def version(show: bool = typer.Option(False, "--version", help="Print the version and stop.")) -> None:
    """From a record of violations and appeals to a policy config that its owner can sign."""
    if show:
        from gne_analytics import __version__

        typer.echo(f"gne_analytics {__version__}")
        raise typer.Exit
