"""What pyproject.toml promises: every package is listed, every plug-in of ours loads, the pins cover the needs."""

from __future__ import annotations

import re
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ROOMS = ("configs", "core", "drivers", "flame_motion", "generator", "pipelines", "renderer", "training")
GROUPS = ("flamecast.drivers", "flamecast.generators", "flamecast.rasterizers", "flamecast.heads")


def test_every_folder_of_python_files_is_a_listed_package():
    folders = {path.parent.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    named = {"flamecast." + ".".join(folder.parts): folder.as_posix() for folder in folders}
    assert PROJECT["tool"]["setuptools"]["package-dir"] == named
    assert sorted(PROJECT["tool"]["setuptools"]["packages"]) == sorted(named)


def test_every_file_that_a_room_needs_goes_along_when_it_is_installed():
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["*"]
    packages = {ROOT / folder for folder in PROJECT["tool"]["setuptools"]["package-dir"].values()}
    for room in ROOMS:
        for path in (ROOT / room).rglob("*"):
            if path.is_dir() or path.suffix in (".py", ".pyc") or "__pycache__" in path.parts:
                continue
            package = next(folder for folder in path.parents if folder in packages)
            assert any(path in package.glob(pattern) for pattern in patterns), f"{path} is in no installed package"


@pytest.mark.parametrize("group", GROUPS)
def test_every_plug_in_of_ours_is_registered_and_loads(group):
    declared = PROJECT["project"]["entry-points"][group]
    installed = {point.name: point for point in entry_points(group=group)}
    for name, value in declared.items():
        assert installed[name].value == value
        assert callable(installed[name].load())


def test_every_requirement_is_pinned():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = {re.split(r"[=;\s]", line)[0] for line in lines if line and not line.startswith("#")}
    extras = PROJECT["project"]["optional-dependencies"]
    needed = PROJECT["project"]["dependencies"] + extras["flame"] + extras["test"]
    names = {re.split(r"[<>=!~\[; ]", need)[0].lower() for need in needed}
    assert names <= pins
    assert "torchvision" not in pins
