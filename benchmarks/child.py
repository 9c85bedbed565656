"""Child processes: one measurement each, watched for time and memory."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Outcome:
    """What a child printed as JSON, or why it printed nothing."""

    value: dict[str, Any] | None
    why: str = ""


def run_child(command: Sequence[str], *, patience: float, most_gb: float) -> Outcome:
    """Run a command to its end, or stop it after ``patience`` seconds of CPU or beyond ``most_gb`` of memory."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        child = subprocess.Popen(command, stdout=out, stderr=err, cwd=ROOT, env=env)
        try:
            why = _watch(child, patience, most_gb)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        out.seek(0)
        err.seek(0)
        if why:
            return Outcome(None, why)
        if child.returncode:
            last = err.read().strip().splitlines()[-1:] or [f"exit code {child.returncode}"]
            return Outcome(None, last[0][:200])
        return Outcome(json.loads(out.read().strip().splitlines()[-1]))


def _watch(child: subprocess.Popen[Any], patience: float, most_gb: float) -> str:
    """Wait for a child; returns why it must be stopped, or nothing when it ended by itself."""
    start = time.monotonic()
    while child.poll() is None:
        spent, held = _spent(child.pid)
        if (spent if spent is not None else time.monotonic() - start) > patience:
            return f"stopped after {patience:.0f} s of CPU"
        if held > most_gb:
            return f"stopped beyond {most_gb:.0f} GB"
        time.sleep(0.2)
    return ""


def _spent(pid: int) -> tuple[float | None, float]:
    """CPU seconds and resident GB of a running process, where the system tells."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    except OSError:
        return None, 0.0
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    return (int(stat[11]) + int(stat[12])) / ticks, int(stat[21]) * page / 1e9
