"""A driver and a generator of another package drive the command line, without a line of this repository changed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Literal

import av
import pytest

from flamecast.core.plugins import options_from_text
from flamecast.flame_motion import BadInput
from flamecast.pipelines import cli

PACKAGE = """
import math
import numpy as np
from flamecast.flame_motion import Driven, FlameSequence, Waveform, load_head


class Nod:
    def __init__(self, degrees: float = 8.0, loud: bool = True):
        self.degrees, self.loud = degrees, loud

    @staticmethod
    def open(text):
        return float(text)

    def __call__(self, signal, *, seed=0, progress=None):
        motion = FlameSequence.neutral(frames=round(signal * 20), fps=20.0, head=load_head().id)
        for k in range(len(motion)):
            motion.neck[k, 0] = math.radians(self.degrees) * math.sin(k / 3)
            if progress is not None:
                progress("nod", k + 1, len(motion))
        tone = 0.5 * np.sin(np.arange(round(signal * 16000)) * 2 * np.pi * 440 / 16000).astype(np.float32)
        return Driven(motion, {"degrees": self.degrees}, Waveform(tone, 16000) if self.loud else None, ["nodded"])


class Grey:
    def __init__(self, level: int = 128):
        self.level = level

    def __call__(self, portrait, motion, cameras=None, *, seed=0, progress=None):
        height, width = portrait.image.shape[:2]
        for k in range(len(motion)):
            yield np.full((1, height, width, 3), self.level, np.uint8)
            if progress is not None:
                progress("generate", k + 1, len(motion))
"""
ENTRIES = """[flamecast.drivers]
nod = nodding:Nod

[flamecast.generators]
grey = nodding:Grey
"""


@pytest.fixture
def package(tmp_path, write_package) -> Path:
    return write_package(tmp_path / "site", "nodding", PACKAGE, ENTRIES)


def _run(package: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = (
        "from contextlib import contextmanager\nfrom flamecast.pipelines import cli, console\n"
        "@contextmanager\ndef watched():\n    yield lambda *step: print('told', *step)\n"
        "console.watched = watched; cli.main()\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{package}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=package.parent, env=environment, capture_output=True, text=True, timeout=120)


def test_they_animate_end_to_end_with_progress_and_sound(package, tmp_path):
    what = ("--driver", "nod", "--signal", "1.5", "--driver-option", "degrees=12", "--generator", "grey")
    run = _run(package, "animate", "demo", *what, "--generator-option", "level=77", "--size", "64", "-o", "a.mp4")
    assert run.returncode == 0, run.stderr
    assert "told nod 30 30" in run.stdout and "told generate 30 30" in run.stdout and "note: nodded" in run.stderr
    with av.open(str(tmp_path / "a.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        container.seek(0)
        sound = sum(frame.samples for frame in container.decode(audio=0))
    assert len(frames) == 30 and abs(int(frames[9].mean()) - 77) <= 2
    assert abs(sound / 48000 - 1.5) < 0.05
    report = json.loads((tmp_path / "a.json").read_text())
    assert report["driver"] == {"kind": "nod", "signal": "1.5", "fps": 20.0, "frames": 30, "degrees": 12.0}
    assert report["generator"] == "grey"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["--driver", "shake", "--signal", "1"],
            "there is no driver 'shake'; known are: idle, mix, nod, speech, text, video",
        ),
        (["--driver", "nod"], "driver and signal belong together"),
        (
            ["--driver", "nod", "--signal", "1", "--driver-option", "speed=2"],
            "no option 'speed'; known are: degrees, loud",
        ),
        (["--driver", "nod", "--signal", "1", "--driver-option", "loud=perhaps"], "loud must be bool, got 'perhaps'"),
        (["--motion", "demo", "--generator", "grey", "--generator-option", "level=x"], "level must be int, got 'x'"),
    ],
)
def test_what_they_cannot_use_is_one_sentence(package, monkeypatch, arguments, says):
    monkeypatch.syspath_prepend(package)
    monkeypatch.delitem(sys.modules, "nodding", raising=False)
    monkeypatch.chdir(package.parent)
    with pytest.raises(BadInput, match=re.escape(says)):
        cli.app(["animate", "demo", *arguments, "-o", "a.mp4"], standalone_mode=False)
    assert os.listdir() == ["site"]


def test_options_are_read_as_they_are_annotated():
    def made(
        size: int, share: float = 0.5, on: bool = False, how: Literal["a", "b"] = "a", most: int | None = None
    ): ...

    given = ["size=3", "share=1e-2", "on=yes", "how=b", "most=none"]
    assert options_from_text(made, given, "it") == {"size": 3, "share": 0.01, "on": True, "how": "b", "most": None}
    for wrong, says in (
        ("how=c", "how must be 'a' or 'b'"),
        ("size", "as name=value"),
        ("size=1.5", "size must be int"),
    ):
        with pytest.raises(BadInput, match=says):
            options_from_text(made, [wrong], "it")
