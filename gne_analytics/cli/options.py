"""The arguments that several commands share, spelled once."""

from pathlib import Path
from typing import Annotated

import typer

Source = Annotated[Path, typer.Argument(help="A source.yaml, or a folder that holds one.", show_default=False)]
RunPath = Annotated[Path, typer.Argument(help="The folder of a finished run.", show_default=False)]
Policies = Annotated[Path | None, typer.Option(help="A policy set other than the one that the source names.")]
Seed = Annotated[int, typer.Option(help="Seed of every random draw.")]
Reader = Annotated[
    str, typer.Option("--embedder", help="What reads texts for themes: auto, e5, use, ngrams or openai:MODEL.")
]
Strict = Annotated[bool, typer.Option("--strict", help="One rejected row is an error.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Baseline = Annotated[
    str | None,
    typer.Option(help="Window to compare with: 2013, 2026-10, 2026-W40, 2026-10-01..2026-11-01 or market=TH."),
]
Focus = Annotated[str | None, typer.Option(help="Window to explain, written like --baseline.")]
Metric = Annotated[str | None, typer.Option(help="Metric to explain; overturn_rate where windows are named.")]
Scope = Annotated[
    str | None, typer.Option(help="Rows to look at, e.g. policy_id=counterfeit; quote a value with & or a comma.")
]
By = Annotated[str, typer.Option("--by", help="Who decides: a name that the ledger keeps.")]
Why = Annotated[str, typer.Option("--why", help="The reason, in the decider's own words.")]
