"""What processes do with memory that they have freed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from flamecast.core.memory import release_free_memory

SCRAPS = """
import os, sys
from flamecast.core.memory import give_memory_back, release_free_memory

def megabytes():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20

give_memory_back()
pieces = [b"x" * 60_000 for _ in range(2000)]  # 120 MB, too small to be mapped each for itself
held = megabytes()
last = pieces[-1]
del pieces  # what is last keeps the heap from shrinking
scattered = megabytes()
release_free_memory()
print(held, scattered, megabytes())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's")
def test_what_lies_free_between_blocks_goes_back_to_the_system():
    answer = subprocess.run([sys.executable, "-c", SCRAPS], capture_output=True, text=True, timeout=60, env=os.environ)
    held, scattered, released = map(int, answer.stdout.split())
    assert scattered > held - 10  # freed, and still held
    assert released < held - 100


def test_releasing_does_no_harm_anywhere():
    release_free_memory()
