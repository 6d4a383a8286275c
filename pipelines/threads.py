"""One torch thread while a pipeline runs: its operations are small, and the cores belong to numba and MediaPipe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Also usable as a decorator. Torch's workers spin while they wait; beside other threads that doubled run times."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
