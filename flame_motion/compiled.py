"""Compiling this room's kernels with numba, kept on disk where there is a place for that.

The renderer, which knows nothing of this room, has its own `compiled`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def compiled(signature: Any, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit` for a kernel: compiled when its module is imported, without the GIL, dividing by zero as numpy does.

    Where nothing can be kept (installed by root, run by a user without a home) every start compiles again.
    """
    from numba import njit

    def decorate(function: Callable[..., Any]) -> Any:
        settings = {"nogil": True, "error_model": "numpy", **options}
        try:
            return njit(signature, cache=True, **settings)(function)
        except (RuntimeError, OSError):  # numba finds no folder it may write to
            return njit(signature, **settings)(function)

    return decorate
