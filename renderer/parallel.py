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
from typing import TypeVar

Made = TypeVar("Made")
_inside = threading.local()  # .busy: this thread is one of several that work side by side already


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def split(kernel: Callable[..., None], count: int, *args: object, pieces: int | None = None) -> None:
    """kernel(start, stop, *args) over 0..count-1, cut into `pieces` ranges (one a core) that run side by side."""
    wanted = min(count, pieces if pieces is not None else cores())
    edges = [count * i // wanted for i in range(wanted + 1)] if count else []
    if wanted <= 1 or cores() == 1 or getattr(_inside, "busy", False):
        for ends in zip(edges[:-1], edges[1:], strict=True):
            kernel(*ends, *args)
        return
    jobs = [_pool(os.getpid()).submit(kernel, *ends, *args) for ends in zip(edges[1:-1], edges[2:], strict=True)]
    kernel(edges[0], edges[1], *args)
    for job in jobs:
        job.result()


@lru_cache(maxsize=1)
def _pool(pid: int) -> ThreadPoolExecutor:
    """One pool a process: threads do not live on in a forked child, hence the key."""
    return ThreadPoolExecutor(max_workers=cores(), thread_name_prefix="flamecast-render")


def ahead(calls: Iterable[Callable[[], Made]], workers: int) -> Iterator[Made]:
    """What the calls return, in their order, while up to `workers` of them run at once, each on one core.

    At most twice as many are begun or waiting to be taken: memory stays flat. Kernels that a call splits run whole.
    """
    if workers <= 1:
        for call in calls:
            yield call()
        return
    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(workers, "flamecast-ahead", _alone) as pool:
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


def _alone() -> None:
    _inside.busy = True
