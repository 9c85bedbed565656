"""Work on all cores at once, and one thread of BLAS for it: BLAS's own wait by spinning, which costs the others."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import RLock
from typing import TypeVar

from threadpoolctl import threadpool_limits

Job = TypeVar("Job")
Done = TypeVar("Done")
_alone = RLock()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS for the work inside; a second thread waits, since the limit is the process's and would outlive both.

    What is inside uses all cores as it is, so waiting costs little.
    """
    with _alone, threadpool_limits(1, user_api="blas"):
        yield


def at_once(run: Callable[[Job], Done], jobs: Iterable[Job]) -> list[Done]:
    """Run jobs, a thread for each core, in numpy and Leiden, which leave the interpreter free; results in order."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(run, jobs))
