"""Runs numba kernels on all cores from a pool of ordinary threads.

The kernels release the GIL and take (start, stop, ...).  This compiles several times faster than numba's own parallel
mode, may be called from several threads at once (numba's default layer may not) and survives a fork.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any, TypeVar

Result = TypeVar("Result")

_THREAD = threading.local()  # is_worker: whether this thread is one of a pool of ours

WARP = threading.Lock()  # warp-lang compiles and loads kernels at their first launch, and does not expect threads


def cores() -> int:
    """How many cores a call may use: all that the process may, or one in a thread that has one to itself."""
    if getattr(_THREAD, "is_worker", False):
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def split(kernel: Callable[..., None], count: int, *args: object, pieces: int | None = None) -> None:
    """kernel(start, stop, *args) over 0..count-1, cut into `pieces` ranges (one a core) that run side by side.

    All threads of a process share one pool: many callers together take no more than `cores()` workers, and each waits
    for its own ranges only. A kernel must write the same whichever ranges it is given, or be given a number of pieces
    that does not depend on the cores. A `split` inside a kernel runs in that worker alone: workers that waited for
    workers would wait forever.
    """
    wanted = min(count, pieces if pieces is not None else cores())
    edges = [count * i // wanted for i in range(wanted + 1)] if wanted > 1 else [0, count]
    ranges = list(zip(edges[:-1], edges[1:], strict=True)) if count else []
    shared = [] if getattr(_THREAD, "is_worker", False) else ranges[1:]
    jobs = [_pool(os.getpid()).submit(kernel, *ends, *args) for ends in shared]
    for ends in ranges[: len(ranges) - len(jobs)]:
        kernel(*ends, *args)
    for job in jobs:
        job.result()


def _become_worker() -> None:
    _THREAD.is_worker = True


@lru_cache(maxsize=1)
def _pool(pid: int) -> ThreadPoolExecutor:
    """One pool a process: threads do not live on in a forked child, hence the key."""
    return ThreadPoolExecutor(cores(), thread_name_prefix="flamecast-render", initializer=_become_worker)


def read_ahead(items: Iterable[Result], count: int = 3) -> Iterator[Result]:
    """The items in order, each read in one other thread while up to `count` before it wait to be taken.

    For what decodes or draws without the interpreter lock. An error of the items is raised where they are taken.
    """
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1, "flamecast-reading") as pool:
        waiting: deque[Future[Any]] = deque(pool.submit(next, iterator, end) for _ in range(count))
        try:
            while (item := waiting.popleft().result()) is not end:
                waiting.append(pool.submit(next, iterator, end))
                yield item
        finally:
            for future in waiting:
                future.cancel()


def ahead(calls: Iterable[Callable[[], Result]], workers: int) -> Iterator[Result]:
    """The calls' results in order, while up to `workers` calls run at once, each on one core.

    At most twice as many are running or waiting to be taken, so memory stays flat. `split` inside a call does not
    split.
    """
    if workers <= 1:
        for call in calls:
            yield call()
        return
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers, "flamecast-ahead", _become_worker) as pool:
        try:
            for call in calls:
                waiting.append(pool.submit(call))
                if len(waiting) >= 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
