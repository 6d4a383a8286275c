"""One torch thread for fitting and drawing: their operations are small; the cores belong to numba and MediaPipe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Also a decorator. Torch's workers spin while they wait: beside busy threads tracking took 15 times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
