"""The commands of the page on training run as they stand there, on tiny files under the names that it has.

Words are added at its end (fewer steps, smaller networks and pictures) and numbers of people made smaller; nothing else
is changed. Footage is the demo portrait that speaks; textured heads, whose making no test can do, come as samples.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from flamecast.flame_motion import BadInput
from flamecast.pipelines import AnimatePipeline, cli

from .test_docs import PAGES, wav_bytes
from .training.test_completion_heads import Writer
from .training.test_completion_training import folder_of, some_samples

SAID = {"a": "Papa bought a big blue map.", "b": "My mother may buy bananas.", "anna": "But why would we move?"}
SPEECH, TEXT = "copies=1", "pairs=32 held_out=8 width=24 layers=1 heads=2"
TRAINED = "steps=2 batch_size=2 accelerator=cpu precision=32-true validate_every=2"
SMALLER = {  # what is added to a command, by how it begins
    "train speech-lips": f"{TRAINED} {SPEECH} width=24 hidden=8 silent_sounds=2",
    "train speech": f"{TRAINED} {SPEECH}",
    "train text": f"{TRAINED} {TEXT}",
    "train generator-image": f"{TRAINED} preset=tiny",
    "train mouth": f"{TRAINED} critic_from=1",
    "train completion": f"{TRAINED} widths=8,8,8,16 fine=8",
    "prepare generator": "--size 64",
    "prepare mouths": "--frames 12",
}
FEWER = {"--count": "1"}
SECTIONS = re.split(r"^(?=# |## )", PAGES["training"], flags=re.MULTILINE)[1:]
# Minutes even so: `test_docs.py` has the command line parse them.
PARSED = (
    "evaluate speech",
    "evaluate text",
    "evaluate generator",
    "prepare folds",
    "animate",
    "motion --driver speech",
)
BEFORE = {"## Speech": "# Training"}  # whose files a section's commands take


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    """A folder of people who talk."""
    pytest.importorskip("hibari", reason="the voice comes with the extra `voice`")
    folder, pipeline = tmp_path_factory.mktemp("clips"), AnimatePipeline()
    for seed, (name, words) in enumerate(SAID.items()):
        pipeline("demo", say=words, output=folder / f"{name}.mp4", size=256, seed=seed)
    shutil.copy(folder / "b.mp4", folder / "ben.mp4")
    return folder


@pytest.fixture
def desk(clips, tmp_path, monkeypatch) -> Path:
    """A folder with what the page's commands name."""
    for name in ("clips", "CLIPS"):
        shutil.copytree(clips, tmp_path / name, ignore=shutil.ignore_patterns("*.json"))
    for name in ("PHOTOS", "portraits"):
        (tmp_path / name).mkdir()
        Image.fromarray(astronaut()).save(tmp_path / name / "smile.jpg")
    (tmp_path / "avatars").mkdir()
    for name in ("NAME_1", "NAME_2", "anna"):
        Writer().head(tmp_path / "avatars" / f"{name}.glb")
    beat = np.sin(np.arange(24000) * 0.2) * (np.arange(24000) % 4000 < 2500)
    (tmp_path / "line.wav").write_bytes(wav_bytes(beat / 2))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands(section: str) -> list[str]:
    """The commands of a section."""
    return re.findall(r"^    flamecast (.+)$", section, re.MULTILINE)


def run(command: str) -> None:
    """Runs a command at its tiny size; what it names as its output is there afterwards."""
    arguments = shlex.split(command)
    for option, value in FEWER.items():
        if option in arguments:
            arguments[arguments.index(option) + 1] = value
    more = next((words for begin, words in SMALLER.items() if command.startswith(begin)), "")
    if arguments[:2] == ["prepare", "heads"]:  # no face is found on a square: samples as real heads make them
        with pytest.raises(BadInput, match="a face was found in none of 1 photos"):
            cli.app(arguments, standalone_mode=False)
        folder = Path(arguments[arguments.index("-o") + 1])
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        folder_of(some_samples(3), folder, [])
        return
    cli.app([*arguments, *more.split()], standalone_mode=False)
    named = [word.removeprefix("output=") + ".safetensors" for word in arguments if word.startswith("output=")]
    named += [arguments[k + 1] for k, word in enumerate(arguments) if word in ("-o", "--page")]
    for name in named:
        assert Path(name).exists(), f"{command}: there is no {name}"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("title", [section.splitlines()[0] for section in SECTIONS])
def test_the_commands_of_a_section_run(desk, title):
    by_title = {section.splitlines()[0]: section for section in SECTIONS}
    found = commands(by_title[title])
    assert found
    found = [command for command in found if not command.startswith(PARSED)]
    for command in [*commands(by_title.get(BEFORE.get(title, ""), ""))[:1], *found]:
        run(command)


def test_sections_of_the_page_are_found():
    assert len(SECTIONS) == 7 and sum(len(commands(section)) for section in SECTIONS) > 20
