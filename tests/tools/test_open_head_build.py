"""The command that makes the built-in head: it starts, and knows the arrays of the file that ships."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
MODULES = sorted(path.stem for path in (TOOLS / "open_head").glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("name", MODULES)
def test_every_module_of_the_script_can_be_imported(name):
    assert importlib.import_module(f"open_head.{name}").__doc__


def test_the_command_says_how_it_is_used():
    command = [sys.executable, "-m", "open_head.build", "--help"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(TOOLS)}, capture_output=True, text=True)
    assert done.returncode == 0 and "--footage" in done.stdout and "--cache" in done.stdout, done.stderr


def test_its_readme_names_every_module():
    text = (TOOLS / "open_head" / "README.md").read_text()
    assert all(f"`{name}`" in text for name in MODULES if name != "build")
