"""One torch thread for fitting and drawing: their operations are small; the cores belong to numba and MediaPipe."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_lock = threading.Lock()
_inside = 0  # how many threads want one thread now
_before = 1  # torch's own count, as the first of them found it
_mine = threading.local()  # .depth: how often this thread is inside


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Also a decorator. Torch's workers spin while they wait: beside busy threads tracking took 15 times as long.

    Torch keeps a count a thread, and gives new threads the one set last, by whichever thread. So what a thread finds
    as it enters may be another's cap: all go back to what the first found, each on leaving.
    """
    global _inside, _before
    depth = getattr(_mine, "depth", 0)
    with _lock:
        if depth == 0:
            if _inside == 0:
                _before = torch.get_num_threads()
            _inside += 1
            torch.set_num_threads(1)
    _mine.depth = depth + 1
    try:
        yield
    finally:
        _mine.depth = depth
        with _lock:
            if depth == 0:
                _inside -= 1
                torch.set_num_threads(_before)
