"""Kernels compile where their code can be cached and where it cannot."""

from __future__ import annotations

import errno
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest
from numba import types
from numba.core.caching import IndexDataCacheFile

from flamecast.core.compiled import compiled, scratch

HALF = """
from numba import types
from flamecast.core.compiled import compiled

@compiled(types.float64(types.float64))
def half(a):
    return a / 2

@compiled(types.float64(types.float64))
def quarter(a):
    return half(half(a))

print(quarter(2.0))
"""


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


@pytest.mark.parametrize("door", ["save", "load"])
def test_a_kernel_runs_on_a_full_disk_and_beside_a_cache_that_cannot_be_read(door, monkeypatch):
    def fails(self, *arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(IndexDataCacheFile, door, fails)

    @compiled(types.float64(types.float64))
    def twice(a):
        return 2 * a

    assert twice(1.5) == 3 and len(twice.signatures) == 1


def test_what_compiles_says_so_once_and_says_nothing_when_it_is_read_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "kernels.py").write_text(HALF)
    said = []
    for _ in range(2):
        command = [sys.executable, "kernels.py"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout == "0.5\n"
        said.append(done.stderr.splitlines())
    first, second = said
    assert len(first) == 1 and "compiling" in first[0] and second == []


def test_scratch_memory_is_each_threads_own_and_used_again():
    first = scratch("a picture", (4, 6))
    assert first.shape == (4, 6) and first.dtype == np.float32 and first.flags.c_contiguous
    again, other = scratch("a picture", (3, 5)), scratch("another", (4, 6))
    assert np.shares_memory(first, again) and not np.shares_memory(first, other)
    larger = scratch("a picture", (5, 6))
    assert not np.shares_memory(first, larger) and np.shares_memory(larger, scratch("a picture", (5, 6)))
    assert scratch("a picture", (5, 6), np.int32).dtype == np.int32
    with ThreadPoolExecutor(1) as pool:
        elsewhere = pool.submit(scratch, "another", (4, 6)).result()
    assert not np.shares_memory(other, elsewhere)
