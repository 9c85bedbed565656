"""One thread of BLAS for work that is done in blocks on all cores: its own wait by spinning, which costs the others."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

from threadpoolctl import threadpool_limits

_alone = RLock()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS for the work inside; a second thread waits, since the limit is the process's and would outlive both.

    What is inside uses all cores as it is, so waiting costs little.
    """
    with _alone, threadpool_limits(1, user_api="blas"):
        yield
