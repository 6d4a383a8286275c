"""Runs numba kernels on all cores from a pool of ordinary threads.

The kernels release the GIL and take (start, stop, ...).  This compiles several times faster than numba's own parallel
mode, may be called from several threads at once (numba's default layer may not) and survives a fork.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def split(kernel: Callable[..., None], count: int, *args: object, pieces: int | None = None) -> None:
    """kernel(start, stop, *args) over 0..count-1, cut into `pieces` ranges (one a core) that run side by side."""
    wanted = min(count, pieces if pieces is not None else cores())
    if wanted <= 1:
        if count:
            kernel(0, count, *args)
        return
    edges = [count * i // wanted for i in range(wanted + 1)]
    jobs = [_pool(os.getpid()).submit(kernel, *ends, *args) for ends in zip(edges[1:-1], edges[2:], strict=True)]
    kernel(edges[0], edges[1], *args)
    for job in jobs:
        job.result()


@lru_cache(maxsize=1)
def _pool(pid: int) -> ThreadPoolExecutor:
    """One pool a process: threads do not live on in a forked child, hence the key."""
    return ThreadPoolExecutor(max_workers=cores(), thread_name_prefix="flamecast-render")
