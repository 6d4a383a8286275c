"""What becomes of free memory: processes that stream give it back, training keeps it; and no garbage while loading."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # the numbers of mallopt's parameters in malloc.h


def give_memory_back() -> None:
    """Tells glibc to give large freed blocks back at once, and to keep few pools.

    Left alone it raises its threshold for that as it goes, and a long video takes a quarter more memory than a short
    one. For every process: those that are started do not take it over.
    """
    _tell({MMAP_THRESHOLD: 4 << 20, TRIM_THRESHOLD: 32 << 20, ARENA_MAX: 2})


def keep_memory() -> None:
    """Tells glibc to keep what is freed for the next step: asking anew for every tensor takes 2.7 times as long."""
    _tell({MMAP_THRESHOLD: 1 << 30, TRIM_THRESHOLD: (1 << 31) - 1})


def release_free_memory() -> None:
    """Gives the system what is free between blocks in use, too: what a process that waits for its next job holds for
    nothing, 250 MB after some videos. Takes milliseconds."""
    trim = _glibc("malloc_trim")
    if trim is not None:
        trim(0)


@contextmanager
def loading() -> Iterator[None]:
    """For imports: what is loaded stays, so the collector does not look at it, neither meanwhile nor ever after.

    It would do so dozens of times, which takes a sixth of the time that torch and numba need.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _tell(settings: dict[int, int]) -> None:
    mallopt = _glibc("mallopt")
    if mallopt is not None:
        for parameter, value in settings.items():
            mallopt(parameter, value)


def _glibc(name: str) -> Any:
    """A function of glibc; None elsewhere than on Linux, and with musl, which has none of these."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    return getattr(ctypes.CDLL(None), name, None)
