"""What README, the pages and CONTRIBUTING show works as it stands there."""

from __future__ import annotations

import io
import json
import pickle
import re
import shlex
import subprocess
import sys
import wave
from importlib.metadata import distributions
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from skimage.data import astronaut

from flamecast.configs.load import load_config
from flamecast.core import extras
from flamecast.flame_motion import FlameSequence, load_head
from flamecast.flame_motion.edit import EFFECTS, apply_edit
from flamecast.flame_motion.edit.controls import control_names
from flamecast.flame_motion.edit.keyframes import EASES
from flamecast.flame_motion.media.video_writer import VideoWriter
from flamecast.flame_motion.retargeting.regions import REGIONS
from flamecast.pipelines import AnimatePipeline, cli
from flamecast.pipelines.batch import run_batch
from flamecast.renderer import PLAIN_MAPS, SOURCE_MAPS
from flamecast.renderer.cameras.paths import camera_path
from flamecast.training.train import TRAININGS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {page.stem: page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs").glob("*.md"))}
RUN = {"README": README} | {name: PAGES[name] for name in ("text", "speech", "video", "editing", "geometry")}
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """What stands between fences that name this language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [body for name, body in found if name == language]


def wav_bytes(samples: np.ndarray) -> bytes:
    """Samples -1..1 at 16 kHz as a WAV file."""
    memory = io.BytesIO()
    with wave.open(memory, "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return memory.getvalue()


def write_driver(file: Path, frames: int) -> None:
    """A video of a face that goes to and fro."""
    with VideoWriter(file, 25) as writer:
        for frame in range(frames):
            left = 60 + 2 * min(frame % 24, 24 - frame % 24)
            writer.write(np.ascontiguousarray(astronaut()[:320, left : left + 320]))


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Path:
    """A folder with the files that the documents speak of."""
    Image.fromarray(astronaut()).save(tmp_path / "photo.jpg", quality=95)
    write_driver(tmp_path / "driver.mp4", 6)
    beat = np.sin(np.arange(24000) * 0.2) * (np.arange(24000) % 4000 < 2500)
    (tmp_path / "talk.wav").write_bytes(wav_bytes(beat / 2))
    keys = [{"time": 0, "edits": {"yaw": 0}}, {"time": 2, "edits": {"yaw": "15deg", "smile": 0.5}}]
    (tmp_path / "keys.json").write_text(json.dumps(keys))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_commands(text: str, language: str) -> int:
    """Runs every flamecast command in a text's blocks of a language; each leaves its output. How many there are."""
    lines = [line for block in blocks(text, language) for line in block.splitlines()]
    commands = [line for line in lines if "flamecast " in line and not line.startswith(("make", "git"))]
    for command in commands:
        program, *arguments = shlex.split(command)
        assert Path(program).name == "flamecast"
        cli.app(arguments, standalone_mode=False)
        assert Path(arguments[arguments.index("-o") + 1]).stat().st_size > 0
    return len(commands)


@pytest.mark.parametrize("page", [pytest.param(page, marks=[pytest.mark.slow] * (page != "README")) for page in RUN])
def test_the_commands_run(desk, page):
    if page == "speech":
        write_driver(desk / "driver.mp4", 60)  # a style is that of two seconds or more
    assert run_commands(RUN[page], "") > 3


def test_the_batch_of_the_readme_runs(desk):
    (jobs,) = blocks(README.split("## Many at once")[1].split("## ")[0], "json")
    lines = [json.loads(line) | {"seconds": 0.2} for line in jobs.splitlines()]
    (desk / "jobs.jsonl").write_text("\n".join(map(json.dumps, lines)))
    done = run_batch(desk / "jobs.jsonl")
    assert not done.problems and {file.name for file in done.files} == {"a.mp4", "a.json", "b.npz", "b.json"}


def test_the_commands_of_the_pages_are_understood():
    """Parsed by the command line itself, and not run: they take hours, or serve until they are ended."""
    program, seen = typer.main.get_command(cli.app), 0
    for text in PAGES.values():
        for line in re.findall(r"^    flamecast (.+)$", text, re.MULTILINE):
            name, *arguments = shlex.split(line)
            command = program.get_command(None, name)
            given = command.make_context(name, arguments).params
            if name == "train":
                key = given["name"].replace("-", "_")
                load_config(key, TRAININGS[key][0], given["changes"])
            seen += 1
    assert seen > 20


@pytest.mark.slow
def test_the_commands_for_flame_heads_run(desk, flame_pickle, monkeypatch):
    monkeypatch.setenv("FLAMECAST_HOME", str(desk / "home"))
    (desk / "flame2023_Open.pkl").write_bytes(pickle.dumps(flame_pickle, 2))
    assert run_commands(PAGES["geometry"], "sh") == 2
    assert (desk / "home" / "heads" / "flame2023_Open.npz").exists()


def test_the_python_of_the_readme_runs(desk):
    space: dict = {}
    for block in blocks(README, "python"):
        exec(compile(block, "README.md", "exec"), space)
    assert (desk / "out.mp4").stat().st_size > 0 and (desk / "motion.npz").stat().st_size > 0
    assert space["frames"].shape == (6, 1, 512, 512, 3) and space["vertices"].shape[0] == 6


@pytest.mark.parametrize("page", ["text", "speech", "video", "geometry"])
def test_the_python_of_the_pages_runs(desk, page):
    FlameSequence.neutral(frames=2, fps=25).save("motion.npz")
    (block,) = blocks(PAGES[page], "python")
    exec(compile(block, f"{page}.md", "exec"), {})


def test_the_client_of_the_readme_is_the_one_that_is_tested():
    """`tests/pipelines/test_app_api.py` runs that of the page on embedding against a server."""
    (client,) = blocks(README, "py")
    assert client in blocks(PAGES["embedding"], "py")
    assert len([line for line in client.splitlines() if line.strip()]) <= 12  # "ten lines", with its imports


def test_what_the_documents_show_is_there():
    """Links to files of the repository, and pictures, from wherever they stand."""
    seen = 0
    for file in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))):
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", file.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (file.parent / target).exists(), f"{file.name}: {target}"
                seen += 1
    assert seen > 30


def test_the_report_of_the_page_is_the_report():
    table = PAGES["video"].split("## The report")[1].split("## ")[0]
    named = {key for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for key in re.findall(r"`(\w+)`", row)}
    done = AnimatePipeline()("demo", motion="demo", seconds=0.04, size=64)
    assert named == {"flamecast", *done.report}


def test_every_example_of_an_option_in_the_readme_works(desk):
    head = load_head()
    still = FlameSequence.neutral(frames=2, fps=25)
    table = README.split("Those used most:")[1].split("Exit codes:")[0]
    specs = re.findall(r"`((?:orbit|arc|dolly|zoom):[^`]+)`", table)
    assert len(specs) > 2 and all(len(camera_path(spec, 4).yaw) == 4 for spec in specs)
    (keys,) = re.findall(r"`(\[\{.*?\}\])`", table)
    (desk / "keys.json").write_text(keys)
    assert len(apply_edit(still, "keys.json")) == 2
    names = re.findall(r"`(\w+)`", table.split("added to every frame:")[1].split("and the names of ARKit")[0])
    assert len(names) > 5 and set(names) <= {*control_names(head), "gaze"}


def test_every_edit_of_the_page_works(desk):
    text = PAGES["editing"].split("# Editing motion")[1].split("## To and from")[0]
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    pairs = [pair for row in rows for pair in re.findall(r"`(\w+=[^`]+)`", row)]
    assert len(pairs) > 8 and {pair.partition("=")[0] for pair in pairs} > {*EFFECTS, "only"}
    still = FlameSequence.neutral(frames=75, fps=25)
    for pair in pairs:
        assert len(apply_edit(still, pair)) == (50 if pair == "speed=1.5" else 75)
    assert set(re.findall(r"`(\w+)`", text.split("| `only=mouth` |")[1].split("or to several")[0])) == set(REGIONS)
    assert set(re.findall(r"`(\w+)`", text.split("eased curves;")[1].split("|")[0])) == set(EASES)
    (file,) = blocks(text, "json")
    (desk / "keys.json").write_text(file)
    assert len(apply_edit(still, "keys.json")) == 75


def test_the_camera_path_of_the_page_works(desk):
    (file,) = blocks(PAGES["geometry"].split("## Cameras")[1].split("## Maps")[0], "json")
    (desk / "path.json").write_text(file)
    path = camera_path("path.json", 76, fps=25)
    assert path.yaw.max() > 29 and path.yaw[-1] == -30 and path.zoom[-1] == 1.4


def test_the_maps_of_the_page_are_all_there_are():
    table = PAGES["geometry"].split("## Maps")[1].split("The source is")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == {*PLAIN_MAPS, *SOURCE_MAPS}


def test_the_figures_of_the_readme_are_those_of_the_card():
    card = json.loads((ROOT / "flame_motion" / "heads" / "open.json").read_text(encoding="utf-8"))
    assert f"{card['metrics']['people']} people" in README


def test_every_command_and_option_of_the_documents_exists():
    everything = README + "".join(PAGES.values())
    commands = typer.main.get_command(cli.app).commands
    assert set(re.findall(r"`flamecast ([a-z]+)", everything)) <= commands.keys()
    verbs = [verb for command in commands.values() for verb in (command, *getattr(command, "commands", {}).values())]
    options = {option for verb in verbs for parameter in verb.params for option in parameter.opts}
    named = set(re.findall(r"`(--[a-z-]+)", everything))
    assert named and named <= options, named - options


def test_the_driver_of_contributing_is_short_and_works():
    (block,) = blocks(CONTRIBUTING, "python")
    assert len([line for line in block.splitlines() if line.strip()]) <= 15
    space: dict = {}
    exec(compile(block, "CONTRIBUTING.md", "exec"), space)
    driver = space["NodDriver"]
    motion = driver(degrees=8.0)(driver.open("2.0"), seed=0).motion
    assert isinstance(motion, FlameSequence) and len(motion) == 50
    assert np.isclose(motion.neck[:, 0].max(), np.radians(8.0), rtol=0.01)


def test_the_package_of_contributing_installs_as_it_stands_there(tmp_path):
    pytest.importorskip("setuptools", reason="nothing is fetched here: setuptools has to be there")
    package = tmp_path / "package"
    package.mkdir()
    (package / "nodding.py").write_text(blocks(CONTRIBUTING, "python")[0])
    (package / "pyproject.toml").write_text(blocks(CONTRIBUTING, "toml")[0])
    install = ["-m", "pip", "install", "-q", "--no-index", "--no-build-isolation", "--no-deps", "--target"]
    done = subprocess.run(
        [sys.executable, *install, str(tmp_path / "made"), str(package)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (point,) = [point for each in distributions(path=[str(tmp_path / "made")]) for point in each.entry_points]
    assert (point.group, point.name, point.value) == ("flamecast.drivers", "nod", "nodding:NodDriver")


@pytest.mark.slow
def test_a_command_says_nothing_but_its_files(desk):
    """No bars of libraries, no warnings that nobody can mend."""
    made = [sys.executable, "-c", "from flamecast.pipelines.cli import main; main()"]
    arguments = ["motion", "--text", "she nods", "--seconds", "0.2", "-o", "nods.npz"]
    done = subprocess.run([*made, *arguments], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0 and done.stdout == "nods.npz\nnods.json\n"
    assert [line for line in done.stderr.splitlines() if not line.startswith("compiling")] == []


def test_every_exit_code_is_in_the_readme():
    said = README.split("Exit codes:")[1].split("\n\n")[0]
    assert {"0", "1", "2", "3", "130", "143"} == set(re.findall(r"\b\d+\b", said))


def test_an_extra_is_installed_by_the_command_of_the_readme(monkeypatch):
    """As a checkout, or from an index where it came from one."""
    monkeypatch.setattr(extras, "_checkout", lambda: "/home/me/flamecast")
    assert extras.how_to_install("voice") == 'pip install -e "/home/me/flamecast[voice]"'
    monkeypatch.setattr(extras, "_checkout", lambda: None)
    assert extras.how_to_install("voice") == 'pip install "flamecast[voice]"'
