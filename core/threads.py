"""One torch thread for fitting and drawing: their operations are small; the cores belong to numba and MediaPipe."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

# Torch holds a count for each thread and one for the process, which a thread takes over when it first meets torch;
# `torch.set_num_threads` writes both. So a call puts back its own thread's count, and the last call the process's.
_lock = threading.Lock()
_here = threading.local()  # .depth: how many calls this thread is in
_open = 0  # threads that are inside
_process = 0  # the process's count when the first of them entered


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Also a decorator. Torch's workers spin while they wait: beside busy threads tracking took 15 times as long.

    Calls may nest and, in several threads, overlap in any order: each runs on one torch thread, and when the last has
    left every count is what it was. A thread that first meets torch in here leaves with the process's count.
    """
    depth = getattr(_here, "depth", 0)
    own = _enter() if depth == 0 else 1
    _here.depth = depth + 1
    try:
        yield
    finally:
        _here.depth = depth
        if depth == 0:
            _leave(own)


def _enter() -> int:
    """Cap this thread and those that will start; what this thread's count is to be afterwards."""
    global _open, _process
    with _lock:
        own = torch.get_num_threads()
        if _open == 0:
            _process = _fresh_count()
        elif own == 1:  # a new thread, which took over the cap of another call
            own = _process
        _open += 1
        torch.set_num_threads(1)
    return own


def _leave(own: int) -> None:
    """Give this thread its count back, and the process its own when nobody else is inside."""
    global _open
    with _lock:
        _open -= 1
        process = 1 if _open else _process
        torch.set_num_threads(own)
        if process != own:
            _in_new_thread(lambda: torch.set_num_threads(process))


def _fresh_count() -> int:
    """The process's count: what a new thread sees."""
    seen: list[int] = []
    _in_new_thread(lambda: seen.append(torch.get_num_threads()))
    return seen[0]


def _in_new_thread(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
