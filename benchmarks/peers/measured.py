"""Run a function warm and say what it cost: used by every runner, ours too; the standard library alone.

CPU seconds are user and system time of the process with all its threads (time.process_time) and of the children that it
waited for (os.times). The peak is the kernel's high-water mark of resident memory (VmHWM) after the first run, reading
and imports included.
"""

import os
import resource
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any


def cpu() -> float:
    """CPU seconds of this process, its threads and its children so far."""
    spent = os.times()
    return time.process_time() + spent.children_user + spent.children_system


def peak_gb() -> float:
    """The most memory that this process has held so far, in units of 10^9 bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would count what the parent held when it started us
        line = next(x for x in status.read_text(encoding="utf-8").splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e9
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def measure(run: Callable[[], Any], repeat: int) -> tuple[Any, dict[str, Any]]:
    """Run once, to warm up, then ``repeat`` times, and return the last result with what each measured run cost.

    With ``repeat`` 0 the one run is measured, cold.
    """
    start, clock = cpu(), time.perf_counter()
    result = run()
    first, wall = cpu() - start, time.perf_counter() - clock
    cost: dict[str, Any] = {"cold_cpu": first, "wall": wall, "peak_gb": peak_gb(), "cpu": []}
    for _ in range(repeat):
        start = cpu()
        result = run()
        cost["cpu"].append(cpu() - start)
    cost["cpu"] = cost["cpu"] or [first]
    return result, cost


def versions(*packages: str) -> dict[str, str]:
    """The installed versions of some packages."""
    return {"python": sys.version.split()[0], **{p: version(p) for p in packages}}
