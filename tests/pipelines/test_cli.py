"""Bad input from the command line: exit 2, one clear sentence on the error stream, nothing written."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flamecast.pipelines import cli
from flamecast.pipelines.media import VideoWriter

DEMO = ["animate", "demo", "--motion", "demo", "-o", "out.mp4"]


def run(arguments: list[str], folder: Path) -> tuple[int, str, str]:
    """(exit code, output, errors) of `flamecast ARGUMENTS` in `folder`."""
    code = "import sys; from flamecast.pipelines.cli import main; main()"
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=300)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def here(monkeypatch, capsys) -> Iterator[Callable[[list[str], Path], tuple[int, str, str]]]:
    """Like `run`, in this process: importing torch for every line of the table would take minutes."""
    on_term = signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("FLAMECAST_NATIVE_LOGS", "1")

    def call(arguments: list[str], folder: Path) -> tuple[int, str, str]:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["flamecast", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        output, errors = capsys.readouterr()
        return int(end.value.code or 0), output, errors

    yield call
    signal.signal(signal.SIGTERM, on_term)


@pytest.fixture(scope="module")
def media(tmp_path_factory) -> Path:
    """A folder of things that are not what they should be."""
    folder = tmp_path_factory.mktemp("media")
    (folder / "empty.mp4").touch()
    (folder / "empty.png").touch()
    (folder / "text.jpg").write_text("a letter\n" * 50)
    (folder / "text.mp4").write_text("a letter\n" * 50)
    (folder / "folder.mp4").mkdir()
    with VideoWriter(folder / "grey.mp4", 25) as writer:
        for _ in range(5):
            writer.write(np.full((64, 64, 3), 128, np.uint8))
    Image.new("RGB", (200, 200), (120, 130, 140)).save(folder / "wall.png")
    _sound_only(folder / "sound.mp4")
    np.savez(folder / "other.npz", something=np.zeros(3))
    (folder / "file").touch()
    return folder


def _sound_only(path: Path) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux([*stream.encode(frame), *stream.encode(None)])


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["animate"], "photo"),
        (["animate", "demo", "--motion", "demo"], "output"),
        (["frobnicate"], "frobnicate"),
        ([*DEMO, "--size", "many"], "size"),
        ([*DEMO, "--size", "3"], "64 to 4096"),
        ([*DEMO, "--mode", "sideways"], "relative or absolute"),
        ([*DEMO, "--framing", "foot"], "photo or face"),
        ([*DEMO, "--seconds", "-1"], "seconds"),
        ([*DEMO, "--fps", "0"], "fps"),
        ([*DEMO, "--fps", "1e9"], "240"),
        ([*DEMO, "--face", "-1"], "face"),
        ([*DEMO, "--camera", "fly:3"], "orbit"),
        ([*DEMO, "--views", "left"], "yaw"),
        ([*DEMO, "--views", "0,0"], "differ"),
        ([*DEMO, "--generator", "magic"], "warp"),
        ([*DEMO, "--edit", "smirkle=1"], "smirkle"),
        (["animate", "demo", "-o", "out.mp4"], "video or motion"),
        ([*DEMO, "--video", "grey.mp4"], "video and motion"),
        (["animate", "demo", "--text", "nods", "-o", "out.mp4"], "text is not built yet"),
        (["animate", "demo", "--speech", "a.wav", "-o", "out.mp4"], "speech is not built yet"),
        (["animate", "demo", "--motion", "demo", "-o", "out.gif"], ".mp4"),
        (["animate", "demo", "--motion", "demo", "-o", "file/out.mp4"], "not a folder"),
        (["animate", "demo", "--motion", "demo", "-o", "/proc/out.mp4"], "cannot be written"),
        (["animate", "none.jpg", "--motion", "demo", "-o", "out.mp4"], "does not exist"),
        (["animate", ".", "--motion", "demo", "-o", "out.mp4"], "folder"),
        (["animate", "empty.png", "--motion", "demo", "-o", "out.mp4"], "empty"),
        (["animate", "text.jpg", "--motion", "demo", "-o", "out.mp4"], "text"),
        (["animate", "grey.mp4", "--motion", "demo", "-o", "out.mp4"], "video"),
        (["animate", "wall.png", "--motion", "demo", "-o", "out.mp4"], "face"),
        (["animate", "demo", "--video", "none.mp4", "-o", "out.mp4"], "no such file"),
        (["animate", "demo", "--video", "folder.mp4", "-o", "out.mp4"], "folder"),
        (["animate", "demo", "--video", "empty.mp4", "-o", "out.mp4"], "empty"),
        (["animate", "demo", "--video", "text.mp4", "-o", "out.mp4"], "media file"),
        (["animate", "demo", "--video", "sound.mp4", "-o", "out.mp4"], "no picture"),
        (["animate", "demo", "--video", "grey.mp4", "-o", "out.mp4"], "face"),
        (["animate", "demo", "--motion", "none.npz", "-o", "out.mp4"], "npz"),
        (["animate", "demo", "--motion", "other.npz", "-o", "out.mp4"], "motion file"),
        (["animate", "demo", "--video", "grey.mp4", "-o", "grey.mp4"], "also an input"),
        (["fit", "wall.png", "-o", "wall.npz", "--face", "-1"], "face"),
        (["motion", "--video", "grey.mp4", "-o", "out.npz"], "face"),
        (["motion", "--video", "grey.mp4", "-o", "out.mp4"], ".npz"),
        (["fit", "wall.png", "-o", "out.npz"], "face"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_sentence_exit_2_and_no_file(arguments, words, media, here):
    before = sorted(media.iterdir())
    code, output, errors = here(arguments, media)
    assert code == 2, errors
    assert words in errors and errors.count("\n") == 1 and errors.startswith("flamecast: "), errors
    assert output == "" and sorted(media.iterdir()) == before


def test_a_process_says_it_without_any_native_noise(media):
    code, output, errors = run(["animate", "wall.png", "--motion", "demo", "-o", "out.mp4"], media)
    assert code == 2 and output == "" and errors.startswith("flamecast: ") and errors.count("\n") == 1


def test_a_missing_asset_exits_3(tmp_path):
    code, _, errors = run([*DEMO, "--head", "FLAME2023_open.pkl"], tmp_path)
    assert code == 3 and "FLAME2023_open.pkl" in errors and "Traceback" not in errors


def test_our_own_fault_keeps_its_traceback_and_exits_1(tmp_path):
    code = (
        "import sys; from flamecast.pipelines import cli, doctor\n"
        "def broken(): raise RuntimeError('ours')\n"
        "doctor.print_report = broken\n"
        "sys.argv = ['flamecast', 'doctor']; cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" in done.stderr and "ours" in done.stderr


def test_help_names_every_command(tmp_path):
    code, output, _ = run(["--help"], tmp_path)
    assert code == 0 and all(name in output for name in ("animate", "motion", "fit", "bench", "doctor"))


def test_doctor_finds_this_machine_well(tmp_path):
    code, output, errors = run(["doctor"], tmp_path)
    assert code == 0, output + errors
    assert "mediapipe" in output and "H.264" in output and "does not load" not in output
