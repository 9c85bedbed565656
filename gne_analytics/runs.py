"""A run is one immutable folder: built in ``.partial/``, resumed there, renamed when whole.

``runs/<name>-<hash8>/``: the hash is taken over the inputs' bytes, the package's version, the seed and the arguments,
so the same question finds the same folder. Each stage writes its files, then its name into ``stages.json``; a stage
that stands there is not computed again.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from gne_analytics.errors import DataError

T = TypeVar("T")
STAGES = "stages.json"
MANIFEST = "manifest.json"


def run_key(inputs: Mapping[str, object]) -> str:
    """Return the hash of a run's inputs as 64 hex digits; keys are sorted, so order does not matter."""
    text = json.dumps(inputs, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.blake2b(text.encode(), digest_size=32).hexdigest()


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old one or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8", newline="")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Write JSON for people and machines: indented, UTF-8, keys in the order given."""
    write_whole(path, json.dumps(value, ensure_ascii=False, indent=1, default=str) + "\n")


def read_json(path: Path) -> object:
    """Read a JSON file of a run; a broken one is a DataError that names it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; give the folder of a finished run.") from None
    except json.JSONDecodeError as fault:
        raise DataError(f"{path}, line {fault.lineno} is not JSON; run again with --fresh.") from None


class PartialRun:
    """A run under way: a folder in ``.partial`` whose finished stages survive an interruption."""

    def __init__(self, folder: Path, target: Path) -> None:
        self.folder = folder
        self.target = target
        marks = folder / STAGES
        self._done: list[str] = list(json.loads(marks.read_text())) if marks.exists() else []

    def stage(
        self, name: str, compute: Callable[[], T], save: Callable[[Path, T], None], load: Callable[[Path], T]
    ) -> T:
        """Return a stage's result: loaded where it was finished before, else computed, saved and marked."""
        if name in self._done:
            return load(self.folder)
        result = compute()
        save(self.folder, result)
        self._done.append(name)
        write_json(self.folder / STAGES, self._done)
        return result

    def finish(self, manifest: Mapping[str, object], now: datetime) -> Path:
        """Write the manifest, the only file that knows the time, and rename the folder into its place."""
        (self.folder / STAGES).unlink(missing_ok=True)
        write_json(self.folder / MANIFEST, {**manifest, "finished_at": now.isoformat(timespec="seconds")})
        if self.target.exists():  # --fresh: the old run stands until the new one is whole
            old = self.folder.with_name(f"{self.target.name}.old")
            os.replace(self.target, old)
            os.replace(self.folder, self.target)
            shutil.rmtree(old)
        else:
            os.replace(self.folder, self.target)
        return self.target


@contextmanager
def partial_run(runs: Path, name: str, key: str, *, fresh: bool = False) -> Iterator[PartialRun | None]:
    """Open the run ``<name>-<key[:8]>`` below ``runs``; yields None where a finished one with this key is there.

    ``fresh`` computes again; the finished run of the same key is replaced when the new one is whole. Two processes on one run wait for each other.
    """
    target = runs / f"{name}-{key[:8]}"
    folder = runs / ".partial" / target.name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
        elif (target / MANIFEST).exists():
            yield None
            return
        folder.mkdir(exist_ok=True)
        yield PartialRun(folder, target)
