"""Start the dashboard: a marimo app that reads a run."""

import os
import sys
from pathlib import Path

from gne_analytics.errors import DataError
from gne_analytics.workspace.folder import MANIFEST

APP = Path(__file__).parents[2] / "dashboards" / "loop.py"


def newest_run(runs: Path) -> Path:
    """Return the run of a folder of runs that was finished last."""
    done = sorted(runs.glob(f"*/{MANIFEST}"), key=lambda p: p.stat().st_mtime)
    if not done:
        raise DataError(f"{runs} holds no finished run; type gne demo, or gne run SOURCE.")
    return done[-1].parent


def serve(run: Path | None, *, port: int, headless: bool) -> None:
    """Serve the dashboard of a run on localhost until it is interrupted."""
    folder = run or newest_run(Path("demo-out/runs"))
    if not (folder / MANIFEST).exists():
        raise DataError(f"{folder} is not the folder of a finished run.")
    command = [sys.executable, "-m", "marimo", "run", str(APP), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--headless"] if headless else []
    environment = {**os.environ, "GNE_RUN": str(folder.resolve()), "MARIMO_SKIP_UPDATE_CHECK": "1"}
    os.execve(sys.executable, command, environment)  # noqa: S606 - our own app; signals reach it, no child is left
