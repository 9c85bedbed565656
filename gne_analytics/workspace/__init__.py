"""Open a source, run the loop, keep the run."""

from gne_analytics.workspace.changes import read_changes
from gne_analytics.workspace.run import Run, open_run
from gne_analytics.workspace.session import Watcher, Workspace, open  # noqa: A004

__all__ = ["Run", "Watcher", "Workspace", "open", "open_run", "read_changes"]
