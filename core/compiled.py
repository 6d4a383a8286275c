"""Compiling kernels with numba, kept on disk where there is a place for that, and room for what they write."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from . import second_compiler

_KEPT = threading.local()  # .arrays: the memory of `scratch` by name
_log = logging.getLogger("flamecast")


def compiled(signature: Any, counted: bool = True, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit` for a kernel: compiled when its module is imported, without the GIL, dividing by zero as numpy does.

    The machine code is cached beside the module or in the user's cache folder. Where neither can be written (installed
    by root, run by a user without a home; a full disk) every start compiles again; NUMBA_CACHE_DIR names a place.

    counted: whether references to arrays are counted, as a kernel that makes arrays needs. Where helpers are inlined
    they are counted for every pixel, with locked instructions that two threads wait for.
    """
    from numba import njit
    from numba.core import event

    def decorate(function: Callable[..., Any]) -> Any:
        settings = {"nogil": True, "error_model": "numpy", "_nrt": counted, **options}
        try:
            kernel = njit(cache=True, **settings)(function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            kernel = njit(**settings)(function)
        second_compiler.wait_for(function.__module__)
        try:
            with event.install_listener("numba:compile", _notice(kernel.stats.cache_path is not None)):
                kernel.compile(signature)
        except OSError:  # of the cache: a full disk, or files that belong to somebody else
            if not kernel.overloads:  # it could not be read; otherwise all is done but for keeping it
                kernel = njit(signature, **settings)(function)
        kernel.disable_compile()
        return kernel

    return decorate


@lru_cache(maxsize=2)
def _notice(kept: bool) -> Any:
    """When numba first compiles something in this process, instead of reading it from its cache: logs a line, and has
    the second process start where what that compiles is `kept`."""
    from numba.core import event

    class Notice(event.Listener):
        said = False

        def on_start(self, event: Any) -> None:
            if not self.said:
                self.said = True
                if kept:
                    second_compiler.start()
                _log.warning("compiling what fits and draws for this machine: up to half a minute, the first time")

        def on_end(self, event: Any) -> None:
            pass

    return Notice()


def inlined(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit` for what kernels call for every pixel: part of their machine code, for whatever types they give it.

    It cannot be called from Python, and compiles in four fifths of the time for that.
    """
    from numba import njit

    without = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return njit(nogil=True, error_model="numpy", forceinline=True, **without, **options)


def empty(shape: tuple[int, ...], dtype: type = np.float32) -> np.ndarray:
    """An uninitialised array for a kernel to fill. Not torch.empty: numpy asks for large pages, and fresh memory, which
    the system hands out page by page, then takes a third of the time to fill."""
    return np.empty(shape, dtype)


def scratch(name: str, shape: tuple[int, ...], dtype: type = np.float32) -> np.ndarray:
    """An uninitialised array of this thread's own, whose memory is used again at the next call with that name.

    For what is as large as a picture, is needed for every frame, and is done with before the thread asks again: the
    system takes as long to hand out fresh memory as a kernel to fill it.
    """
    kept = _KEPT.__dict__.setdefault("arrays", {})
    count = math.prod(shape)
    if name not in kept or len(kept[name]) < count or kept[name].dtype != dtype:
        kept[name] = np.empty(count, dtype)
    return kept[name][:count].reshape(shape)
