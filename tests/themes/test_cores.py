"""BLAS is limited while work in blocks is done, and no longer."""

from threading import Event, Thread

import numpy as np
from threadpoolctl import threadpool_info

from gne_analytics.themes.cores import one_blas_thread


def blas() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_two_at_once_leave_blas_as_it_was() -> None:
    np.eye(2) @ np.eye(2)  # a BLAS is there to be limited
    left = blas()
    inside, second_asks = Event(), Event()
    seen: list[set[int]] = []

    def first() -> None:
        with one_blas_thread():
            inside.set()
            second_asks.wait(10)
            seen.append(blas())

    def second() -> None:
        inside.wait(10)
        second_asks.set()
        with one_blas_thread(), one_blas_thread():
            seen.append(blas())

    threads = [Thread(target=first), Thread(target=second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [{1}, {1}]
    assert blas() == left
