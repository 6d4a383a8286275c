"""`AnimateRequest`: every value is checked where it is given, and the sentence names it; a field arrives everywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, make_dataclass
from pathlib import Path

import av
import numpy as np
import pytest

from flamecast.core.options import check_options, flat, option, options_of
from flamecast.flame_motion import BadInput
from flamecast.pipelines.opening import open_signal
from flamecast.pipelines.request import AnimateRequest, Clip, Drive, all_options

ROOT = Path(__file__).parents[2]


def test_numbers_of_numpy_are_numbers():
    request = AnimateRequest.of(size=np.int64(128), fps=np.float32(25), seconds=1)
    assert request.view.size == 128 and request.clip.seconds == 1.0 and request.edit is None
    assert type(request.view.size) is int and type(request.clip.fps) is float


def test_options_may_be_true_or_false():
    @dataclass(frozen=True)
    class Some:
        loud: "bool" = option(False, "Loud.")  # noqa: UP037

        def __post_init__(self):
            check_options(self)

    assert Some(True).loud is True and options_of(Some)["loud"].parse("yes") is True
    with pytest.raises(BadInput, match="loud must be bool, got 1"):
        Some(1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"sise": 1}, "no option sise; known are: photo, output, video"),
        ({"size": "512"}, "size must be int, got '512'"),
        ({"size": None}, "size must be int, got None"),
        ({"size": 512.5}, "size must be int, got 512.5"),
        ({"size": 63}, "size must be 64 to 4096 px, got 63"),
        ({"face": True}, "face must be int, got True"),
        ({"face": -1}, "face must be 0"),
        ({"seed": -1}, "seed must be 0 to 9007199254740991, got -1"),
        ({"seed": 10**30}, "seed must be 0 to 9007199254740991, got 1000000"),
        ({"lips": 2.5}, "lips must be 0 to 2, got 2.5"),
        ({"strength": -0.5}, "strength must be 0 to 2, got -0.5"),
        ({"head_motion": float("nan")}, "head_motion must be 0 to 2, got nan"),
        ({"fps": "25"}, "fps must be float . None, got '25'"),
        ({"fps": float("nan")}, "fps must be 1 to 240 Hz, got nan"),
        ({"motion_fps": 0.5}, "motion_fps must be 1 to 240 Hz, got 0.5"),
        ({"seconds": 0}, "seconds must be a number above 0, got 0"),
        ({"seconds": float("inf")}, "seconds must be a number above 0, got inf"),
        ({"mode": None}, "mode must be str, got None"),
        ({"mode": "sideways"}, "mode must be relative or absolute, got 'sideways'"),
        ({"views": [-30, 30]}, "views must be str . None, got"),
        ({"text": 5}, "text must be str . None, got 5"),
    ],
)
def test_a_wrong_value_is_named(given, says):
    with pytest.raises(BadInput, match=says):
        AnimateRequest.of(**given)


def test_defaults_stand_in_the_fields_alone():
    assert flat(AnimateRequest.of()) == {name: each.default for name, each in options_of(AnimateRequest).items()}
    assert all(each.help.endswith(".") for each in all_options().values())


# A field that a driver of another package declares: one line in its options, one where it is used.
PACKAGE = """
import math
from dataclasses import dataclass
from flamecast.core.options import option


@dataclass(frozen=True)
class NodOptions:
    depth: float = option(8.0, "How deep it nods.", unit="deg", minimum=0, maximum=30)


class Nod:
    open = float

    def __call__(self, signal, *, seed=0, progress=None, options=NodOptions()):
        from flamecast.flame_motion import Driven, FlameSequence, load_head

        motion = FlameSequence.neutral(frames=round(signal * 25), fps=25.0, head=load_head().id)
        motion.neck[:, 0] = math.radians(options.depth)
        return Driven(motion)


@dataclass(frozen=True)
class GreyOptions:
    level: int = option(128, "How light it is.", minimum=0, maximum=255)


class Grey:
    def __call__(self, portrait, motion, cameras=None, *, seed=0, progress=None, options=GreyOptions()):
        import numpy as np

        height, width = portrait.image.shape[:2]
        yield from (np.full((1, height, width, 3), options.level, np.uint8) for _ in range(len(motion)))
"""
ENTRIES = """[flamecast.drivers]
nod = nodding:Nod

[flamecast.driver_options]
nod = nodding:NodOptions

[flamecast.generators]
grey = nodding:Grey

[flamecast.generator_options]
grey = nodding:GreyOptions
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory, write_package) -> dict[str, str]:
    """The environment in which a package with that driver is installed."""
    folder = write_package(tmp_path_factory.mktemp("site"), "nodding", PACKAGE, ENTRIES)
    path = os.pathsep.join([str(folder), str(ROOT / "integrations" / "comfyui"), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "COLUMNS": "200"}


def _flamecast(plugin: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from flamecast.pipelines.cli import main; main()", *arguments]
    return subprocess.run(command, cwd=folder, env=plugin, capture_output=True, text=True, timeout=100)


def test_a_declared_option_is_in_the_help(plugin, tmp_path):
    for command in ("animate", "motion"):
        shown = _flamecast(plugin, tmp_path, command, "--help").stdout
        assert "--depth" in shown and "How deep it nods (0 to 30 deg)." in shown and "[default: 8.0]" in shown


def test_a_declared_option_drives_and_is_reported(plugin, tmp_path):
    signal = ("--driver", "nod", "--signal", "0.2")
    run = _flamecast(plugin, tmp_path, "motion", *signal, "--depth", "12", "-o", "m.npz")
    assert run.returncode == 0, run.stderr
    assert json.loads((tmp_path / "m.json").read_text())["options"]["depth"] == 12.0
    with np.load(tmp_path / "m.npz") as file:
        assert np.allclose(file["neck"][:, 0], np.radians(12))


def test_a_declared_option_is_checked_and_belongs_to_its_driver(plugin, tmp_path):
    out = ("-o", "m.npz")
    run = _flamecast(plugin, tmp_path, "motion", "--driver", "nod", "--signal", "1", "--depth", "31", *out)
    assert run.returncode == 2 and "depth must be 0 to 30 deg, got 31" in run.stderr
    run = _flamecast(plugin, tmp_path, "motion", "--motion", "demo", "--depth", "12", *out)
    assert run.returncode == 2 and "depth goes with the driver nod" in run.stderr
    assert os.listdir(tmp_path) == []


def test_a_declared_option_is_a_key_of_batches_and_presets(plugin, tmp_path):
    job = {"command": "motion", "driver": "nod", "signal": "0.2", "output": "b.npz", "depth": 5}
    (tmp_path / "jobs.jsonl").write_text(json.dumps(job) + "\n")
    run = _flamecast(plugin, tmp_path, "motion", "--batch", "jobs.jsonl")
    assert run.returncode == 0, run.stderr
    assert json.loads((tmp_path / "b.json").read_text())["options"]["depth"] == 5.0
    code = (
        "from flamecast.configs.load import load_config; from flamecast.pipelines.cli.options import preset_target\n"
        "print(load_config('p.yaml', preset_target()))"
    )
    (tmp_path / "p.yaml").write_text("depth: 7\nsize: 256\n")
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=plugin, capture_output=True, text=True)
    assert run.stdout.strip() == "{'depth': 7.0, 'size': 256}", run.stderr


def test_a_declared_option_is_an_input_of_comfyui(plugin, tmp_path):
    code = "import json, nodes; print(json.dumps(nodes.driver_inputs('nod')))"
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=plugin, capture_output=True, text=True)
    kind, facts = json.loads(run.stdout.splitlines()[-1])["depth"]
    assert kind == "FLOAT" and (facts["min"], facts["max"], facts["default"]) == (0, 30, 8.0) and facts["tooltip"]


def test_a_generator_declares_options_the_same_way(plugin, tmp_path):
    job = ("animate", "demo", "--motion", "demo", "--seconds", "0.1", "--size", "64", "-o", "a.mp4")
    run = _flamecast(plugin, tmp_path, *job, "--generator", "grey", "--level", "77")
    assert run.returncode == 0, run.stderr
    with av.open(str(tmp_path / "a.mp4")) as container:
        picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert abs(float(picture.mean()) - 77) < 2
    assert json.loads((tmp_path / "a.json").read_text())["options"]["level"] == 77
    run = _flamecast(plugin, tmp_path, *job, "--level", "77")
    assert run.returncode == 2 and "level goes with the generator grey" in run.stderr


BROKEN = """
from dataclasses import dataclass
from flamecast.core.options import option


@dataclass(frozen=True)
class Unreadable:
    shape: "NowhereDefined" = option(None, "A type that only a type checker knows.")


@dataclass(frozen=True)
class Steps:
    steps: int = option(20, "How many steps.", minimum=1, maximum=1000)
    head: str = option("a", "A name that a pipeline has already.")
    batch: int = option(1, "A name that a command has already.", minimum=1)
    context: int = option(1, "What every command is called with.", minimum=1)
"""


def test_names_that_are_taken_and_classes_that_cannot_be_used_break_nothing(tmp_path):
    """Two plug-ins with one option's name, a name of a pipeline's, and a class whose annotation nobody can read."""
    (tmp_path / "odd.py").write_text(BROKEN)
    facts = tmp_path / "odd-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n")
    drivers = "[flamecast.driver_options]\na = odd:Steps\nbad = odd:Unreadable\n"
    (facts / "entry_points.txt").write_text(f"{drivers}[flamecast.generator_options]\nb = odd:Steps\n")
    code = (
        "import json\nfrom flamecast.pipelines.request import AnimateRequest, all_options\n"
        "from flamecast.pipelines.cli import main  # the commands can be made of them\n"
        "one = AnimateRequest.of(steps=5, b_steps=900, a_head='x', seed=3)\n"
        "print(json.dumps([one.drive.options, one.options, one.report()['seed'], list(all_options())]))"
    )
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    drivers, generators, seed, names = json.loads(run.stdout)
    assert drivers == {"a": {"steps": 5, "head": "x"}} and generators == {"b": {"steps": 900}} and seed == 3
    assert {"steps", "a_head", "a_batch", "a_context", "b_steps", "b_head", "b_batch"} <= set(
        names
    ) and "shape" not in names


@pytest.mark.parametrize(
    ("facts", "value", "says"),
    [
        ({"maximum": 3}, 4, "x must be at most 3, got 4"),
        ({"above": 0, "maximum": 3}, 4, "x must be a number above 0 and at most 3, got 4"),
        ({"minimum": 1}, 0, "x must be 1 or more, got 0"),
    ],
)
def test_a_range_of_any_kind_is_said(facts, value, says):
    (found,) = options_of(make_dataclass("Some", [("x", float, option(1.0, "X.", **facts))])).values()
    with pytest.raises(BadInput, match=says):
        found.check(value)
    assert found.check(2) == 2.0


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"driver": "video"}, "driver and signal belong together"),
        ({"text": "nods", "motion": "demo", "mix": "head=text,head=b.npz"}, "mix head: given twice"),
        ({"driver": "nodder", "signal": "a"}, "no driver 'nodder'"),
    ],
)
def test_what_cannot_drive_is_refused_in_a_sentence(spec, says):
    mix = spec.pop("mix", None)
    with pytest.raises(BadInput, match=says):
        open_signal(Drive(**spec), Clip(), mix)
