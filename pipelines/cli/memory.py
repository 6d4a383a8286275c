"""What becomes of free memory: commands that stream give it back, training keeps it; and no garbage while loading."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # the numbers of mallopt's parameters in malloc.h


def give_memory_back() -> None:
    """Tells glibc to give large freed blocks back at once, and to keep few pools.

    Left alone it raises its threshold for that as it goes, and a long video takes a quarter more memory than a short
    one.
    """
    _tell({MMAP_THRESHOLD: 4 << 20, TRIM_THRESHOLD: 32 << 20, ARENA_MAX: 2})


def keep_memory() -> None:
    """Tells glibc to keep what is freed for the next step: asking anew for every tensor takes 2.7 times as long."""
    _tell({MMAP_THRESHOLD: 1 << 30, TRIM_THRESHOLD: (1 << 31) - 1})


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
    """Elsewhere than on Linux there is nothing to tell."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # musl has none
        return
    for parameter, value in settings.items():
        mallopt(parameter, value)
