"""How tests run (bounded in time, from the same random state in any order), and what several rooms test with."""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

# Before torch is loaded, here and in the processes that tests start: its threads would spin while they wait, and beside
# other work everything would take five times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pytest
import torch

from flamecast.flame_motion import Head
from flamecast.flame_motion.heads.flame.register import Registration

from .flame_motion import flame_like

_HOME = tempfile.TemporaryDirectory(prefix="flamecast-tests-")  # the user's own folder of all tests; gone at the end
SLOW_TIMEOUT = 600.0  # s that a test marked slow may take; pyproject.toml says how long the others may


def pytest_configure(config: pytest.Config) -> None:
    config.option.randomly_reset_seed = False  # pytest-randomly shuffles; the seeds are set below
    os.environ["FLAMECAST_HOME"] = _HOME.name  # of this machine's user nothing is found, and nothing left behind


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_TIMEOUT))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Before a test and its fixtures: what came before it, and in which order, changes no number that it draws."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def flame_template() -> dict[str, np.ndarray]:
    """FLAME 2023 Open's template, faces and 60 identity axes (CC-BY-4.0). Skips the test where they are not here."""
    if not flame_like.CORE.exists():
        pytest.skip("FLAME's template is not here (../shared/data/flame)")
    with np.load(flame_like.CORE) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="session")
def flame_registration(flame_template) -> Registration:
    """The built-in head laid over FLAME's template."""
    return flame_like.registration(flame_template)


@pytest.fixture(scope="session")
def flame_pickle(flame_template, flame_registration) -> dict[str, np.ndarray]:
    """What a FLAME file of the head below holds, with 100 expression axes."""
    return flame_like.flame_like_file(flame_template, flame_registration, axes=100)


@pytest.fixture(scope="session")
def flame_head(flame_template, flame_registration) -> Head:
    """A head of FLAME's topology with 60 identity and 63 expression axes, none of which is one of ours."""
    return flame_like.flame_like_head(flame_template, flame_registration, axes=63)


@pytest.fixture(scope="session")
def write_package() -> Callable[[Path, str, str, str], Path]:
    """write_package(folder, name, code, entry_points): makes the folder what installing such a package would leave."""

    def write(folder: Path, name: str, code: str, entry_points: str) -> Path:
        facts = folder / f"{name}-1.0.dist-info"
        facts.mkdir(parents=True)
        (folder / f"{name}.py").write_text(code)
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (facts / "entry_points.txt").write_text(entry_points)
        return folder

    return write


@pytest.fixture
def install_head(tmp_path_factory, monkeypatch, write_package) -> Callable[[Head], None]:
    """install_head(head): `load_head` finds this head by its name and by its id, as that of an installed plug-in."""

    def install(head: Head) -> None:
        name = head.id.partition("@")[0]
        package = f"package_of_{name}"
        entry_points = f"[flamecast.heads]\n{name} = {package}:load\n"
        monkeypatch.syspath_prepend(write_package(tmp_path_factory.mktemp(name), package, "", entry_points))
        module = ModuleType(package)
        module.load = lambda: head  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, package, module)

    return install
