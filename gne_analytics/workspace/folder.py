"""A run is one immutable folder: built in ``.partial/``, resumed there, renamed when whole.

``runs/<name>-<hash8>/``: the hash is taken over the inputs' bytes, the package's version, the seed and the arguments,
so the same question finds the same folder. Each stage keeps its result in ``.stages/``, then its name in ``done.json``
there; a stage that stands in it is not computed again. A finished run has no ``.stages``.
"""

import fcntl
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from gne_analytics.atomic import write_json

T = TypeVar("T")
STAGES = ".stages"
MANIFEST = "manifest.json"


def run_key(inputs: Mapping[str, object]) -> str:
    """Return the hash of a run's inputs as 64 hex digits; keys are sorted, so order does not matter."""
    text = json.dumps(inputs, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.blake2b(text.encode(), digest_size=32).hexdigest()


class PartialRun:
    """A run under way: a folder in ``.partial`` whose finished stages survive an interruption."""

    def __init__(self, folder: Path, target: Path) -> None:
        self.folder = folder
        self.target = target
        self.stages = folder / STAGES
        marks = self.stages / "done.json"
        self._done: list[str] = list(json.loads(marks.read_text())) if marks.exists() else []

    def stage(
        self, name: str, compute: Callable[[], T], save: Callable[[Path, T], None], load: Callable[[Path], T]
    ) -> T:
        """Return a stage's result: loaded where it was finished before, else computed, saved and marked."""
        if name in self._done:
            return load(self.stages)
        result = compute()
        self.stages.mkdir(exist_ok=True)
        save(self.stages, result)
        self._done.append(name)
        write_json(self.stages / "done.json", self._done)
        return result

    def finish(self, manifest: Mapping[str, object], now: datetime) -> Path:
        """Write the manifest, the only file that knows the time, and rename the folder into its place."""
        shutil.rmtree(self.stages, ignore_errors=True)
        write_json(self.folder / MANIFEST, {**manifest, "finished_at": now.isoformat(timespec="seconds")})
        old = _aside(self.folder)
        if self.target.exists():  # --fresh: the old run steps aside, and comes back if this is cut short
            self.target.replace(old)
        self.folder.replace(self.target)
        shutil.rmtree(old, ignore_errors=True)
        return self.target


def _aside(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.old")


@contextmanager
def partial_run(runs: Path, name: str, key: str, *, fresh: bool = False) -> Iterator[PartialRun | None]:
    """Open the run ``<name>-<key[:8]>`` below ``runs``; yields None where a finished one with this key is there.

    ``fresh`` computes again; the finished run of the same key is replaced when the new one is whole. Two processes on
    one run wait for each other.
    """
    target = runs / f"{name}-{key[:8]}"
    folder = runs / ".partial" / target.name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _aside(folder).exists():  # an earlier --fresh was cut short between its two renames, or after them
            if target.exists():
                shutil.rmtree(_aside(folder))
            else:
                _aside(folder).replace(target)
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
        elif (target / MANIFEST).exists():
            yield None
            return
        folder.mkdir(exist_ok=True)
        yield PartialRun(folder, target)
