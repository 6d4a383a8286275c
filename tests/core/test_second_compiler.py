"""Kernels that a second process compiles are found by the first, which needs nobody."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

KERNEL = """
from numba import types
from flamecast.core.compiled import compiled

@compiled(types.float64(types.float64))
def {name}(a):
    return a / {number}
"""
FIRST = """
from flamecast.core import second_compiler
second_compiler.cores = lambda: {cores}
second_compiler.compile_beside({beside})
import halves
process = second_compiler._second.process
print("second", process is not None, process.pid if process else 0)
import thirds, quarters
print("found", [len(kernel.stats.cache_hits) for kernel in (halves.half, thirds.third, quarters.quarter)])
assert (halves.half(6.0), thirds.third(6.0), quarters.quarter(6.0)) == (3.0, 2.0, 1.5)
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """run(modules that a second process compiles, cores): what the first says of them."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    for number, (module, name) in enumerate((("halves", "half"), ("thirds", "third"), ("quarters", "quarter")), 2):
        (tmp_path / f"{module}.py").write_text(KERNEL.format(name=name, number=number))
    (tmp_path / "endless.py").write_text("import time; time.sleep(100)")

    def call(beside: str, cores: int = 2) -> dict[str, str]:
        (tmp_path / "first.py").write_text(FIRST.format(beside=beside, cores=cores))
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "first.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100
        )
        assert done.returncode == 0, done.stderr
        return dict(line.split(" ", 1) for line in done.stdout.splitlines())

    return call


def test_what_the_second_process_compiled_the_first_finds(run):
    said = run("'thirds', 'quarters'")
    assert said["second"].startswith("True") and said["found"] == "[0, 1, 1]"
    again = run("'thirds', 'quarters'")
    assert again == {"second": "False 0", "found": "[1, 1, 1]"}  # all is there: nobody is started


@pytest.mark.parametrize("beside", ["'nowhere', 'thirds'", "'thirds', 'nowhere', 'quarters'"])
def test_one_that_fails_is_not_waited_for(run, beside):
    assert run(beside)["found"] in ("[0, 0, 0]", "[0, 1, 0]")


def test_where_there_is_one_core_there_is_one_process(run):
    assert run("'thirds'", cores=1) == {"second": "False 0", "found": "[0, 0, 0]"}


def test_what_is_not_needed_is_given_up_at_the_end(run):
    pid = int(run("'thirds', 'endless'")["second"].split()[1])
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()
