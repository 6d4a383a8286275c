"""Compiling kernels with numba, kept on disk where there is a place for that, and room for what they write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def compiled(signature: Any, counted: bool = True, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit` for a kernel: compiled when its module is imported, without the GIL, dividing by zero as numpy does.

    The machine code is cached beside the module or in the user's cache folder. Where neither can be written (installed
    by root, run by a user without a home) every start compiles again; NUMBA_CACHE_DIR names a place.

    counted: whether references to arrays are counted, as a kernel that makes arrays needs. Where helpers are inlined
    they are counted for every pixel, with locked instructions that two threads wait for.
    """
    from numba import njit

    def decorate(function: Callable[..., Any]) -> Any:
        settings = {"nogil": True, "error_model": "numpy", "_nrt": counted, **options}
        try:
            return njit(signature, cache=True, **settings)(function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            return njit(signature, **settings)(function)

    return decorate


def empty(shape: tuple[int, ...], dtype: type = np.float32) -> np.ndarray:
    """An uninitialised array for a kernel to fill. Not torch.empty: numpy asks for large pages, and fresh memory, which
    the system hands out page by page, then takes a third of the time to fill."""
    return np.empty(shape, dtype)
