"""Kernels compile where their code can be cached and where it cannot."""

from __future__ import annotations

import numba
import pytest
from numba import types

from flamecast.core.compiled import compiled


def test_a_kernel_runs_where_no_cache_can_be_kept(monkeypatch):
    def no_place(self):
        raise RuntimeError("cannot cache function 'add': no locator available for file 'add.py'")

    monkeypatch.setattr(numba.core.registry.CPUDispatcher, "enable_caching", no_place)

    @compiled(types.float64(types.float64, types.float64))
    def add(a, b):
        return a / b

    assert add(1.0, 4.0) == 0.25 and add(1.0, 0.0) == float("inf")
    assert len(add.signatures) == 1  # compiled when it was made, for this signature alone


def test_another_error_is_not_hidden(monkeypatch):
    def broken(self):
        raise RuntimeError("something else")

    monkeypatch.setattr(numba.core.registry.CPUDispatcher, "enable_caching", broken)
    with pytest.raises(RuntimeError, match="something else"):

        @compiled(types.float64(types.float64))
        def same(a):
            return a
