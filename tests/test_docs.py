"""What README and CONTRIBUTING show works as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from flamecast.flame_motion import FlameSequence
from flamecast.pipelines import cli
from flamecast.pipelines.media import VideoWriter

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Path:
    """A folder with the files that the documents speak of."""
    Image.fromarray(astronaut()).save(tmp_path / "photo.jpg", quality=95)
    with VideoWriter(tmp_path / "driver.mp4", 25) as writer:
        for frame in range(6):
            writer.write(np.ascontiguousarray(astronaut()[:320, 60 + 2 * frame : 380 + 2 * frame]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_of_the_readme_run(desk):
    lines = [line for block in blocks(README, "") for line in block.splitlines()]
    commands = [line for line in lines if "flamecast " in line and not line.startswith(("make", "git"))]
    assert commands
    for command in commands:
        program, *arguments = shlex.split(command)
        assert Path(program).name == "flamecast"
        cli.app(arguments, standalone_mode=False)
        assert Path(arguments[arguments.index("-o") + 1]).stat().st_size > 0


def test_the_python_of_the_readme_runs(desk):
    (block,) = blocks(README, "python")
    exec(compile(block, "README.md", "exec"), {})
    assert (desk / "out.mp4").stat().st_size > 0


def test_every_command_and_option_of_the_readme_exists():
    commands = {command.name or command.callback.__name__ for command in cli.app.registered_commands}
    assert set(re.findall(r"`flamecast ([a-z]+)", README)) <= commands
    source = (ROOT / "pipelines" / "cli.py").read_text(encoding="utf-8")
    names = {option.replace("-", "_") for option in re.findall(r"`--([a-z-]+)", README)}
    assert names and all(re.search(rf"\b{name}:", source) for name in names), names


def test_the_driver_of_contributing_is_short_and_works():
    (block,) = blocks(CONTRIBUTING, "python")
    assert len([line for line in block.splitlines() if line.strip()]) <= 15
    space: dict = {}
    exec(compile(block, "CONTRIBUTING.md", "exec"), space)
    motion = space["NodDriver"](degrees=8.0)(2.0, seed=0)
    assert isinstance(motion, FlameSequence) and len(motion) == 50
    assert np.isclose(motion.neck[:, 0].max(), np.radians(8.0), rtol=0.01)
