"""Bad input from the command line: exit 2, one clear sentence on the error stream, nothing written."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flamecast.core.npz import load_arrays
from flamecast.flame_motion import FlameSequence
from flamecast.flame_motion.media.video_writer import VideoWriter
from flamecast.pipelines import cli

LONG = 300 * "n"
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
    (folder / "taken.json").mkdir()
    (folder / "taken_overlay.png").mkdir()
    (folder / "taken_0001.obj").mkdir()
    (folder / "text.csv").write_text("a letter\n" * 50)
    (folder / "photo.csv").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    (folder / "header.csv").write_text("Timecode,BlendShapeCount,JawOpen\n")
    (folder / "percent.csv").write_text("Timecode,BlendShapeCount,JawOpen\n00:00:00:00,61,80\n")
    _hostile_motions(folder)
    return folder


class _Fires:
    """What a pickle can do when it is loaded: here it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def _hostile_motions(folder: Path) -> None:
    still = FlameSequence.neutral(frames=4, fps=25)
    still.save(folder / "still.npz")
    arrays = load_arrays(folder / "still.npz")
    for name, change in {
        "nan": {"neck": np.full((4, 3), np.nan, np.float32)},
        "huge": {"translation": np.full((4, 3), 1e30, np.float32)},
        "wide": {"expression": np.zeros((4, 2), np.float32)},
        "rush": {"fps": np.array(1e9)},
        "slow": {"fps": np.array(1e-9)},
        "stranger": {"head": np.array("flame2023@deadbeef")},
        "older": {"head": np.array("open@deadbeef")},
        "thief": {"head": np.array("/etc/passwd.pkl")},
    }.items():
        np.savez(folder / f"{name}.npz", **{**arrays, **change})
    np.savez(folder / "pickled.npz", **{**arrays, "neck": np.array([_Fires(folder / "fired")], dtype=object)})
    whole = (folder / "still.npz").read_bytes()
    (folder / "cut.npz").write_bytes(whole[: len(whole) // 2])
    film = (folder / "grey.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(film[: film.index(b"moov") - 4] + film[film.index(b"mdat") - 4 :])  # no index


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
        ([*DEMO, "--face", "7"], "the photo shows 1"),
        ([*DEMO, "--seed", "-1"], "seed"),
        ([*DEMO, "--seconds", "0"], "seconds"),
        ([*DEMO, "--seconds", "nan"], "seconds"),
        ([*DEMO, "--size", "100000"], "64 to 4096"),
        ([*DEMO, "--camera", "fly:3"], "orbit"),
        ([*DEMO, "--camera", "dolly:1e9"], "0.1 to 10"),
        ([*DEMO, "--views", "left"], "yaw"),
        ([*DEMO, "--views", ",".join(map(str, range(99)))], "at most 32"),
        ([*DEMO, "--views", "0,0"], "differ"),
        ([*DEMO, "--generator", "magic"], "warp"),
        ([*DEMO, "--edit", "smirkle=1"], "smirkle"),
        ([*DEMO, "--edit", "smile=1e30"], "1e30"),
        ([*DEMO, "--edit", "none.json"], "does not exist"),
        ([*DEMO, "--edit", "yaw=3", "--edit", "gian=2"], "did you mean gain"),
        ([*DEMO, "--edit", "gain=2,only=mouht"], "did you mean mouth"),
        ([*DEMO, "--mix", "mouth"], "expected region=motion.npz"),
        ([*DEMO, "--mix", "mouht=other.npz"], "did you mean mouth"),
        ([*DEMO, "--mix", "mouth=other.npz"], "motion file"),
        ([*DEMO, "--mix", "mouth=thief.npz"], "names a file as its head"),
        (["animate", "demo", "-o", "out.mp4"], "nothing drives the portrait: give a video, a motion, text"),
        ([*DEMO, "--video", "grey.mp4"], "video and motion"),
        (["animate", "demo", "--text", "nods", "--seconds", "0", "-o", "out.mp4"], "seconds must be a number above 0"),
        (["animate", "demo", "--text", "word " * 2000, "-o", "out.mp4"], "at most 2000 characters, got 10000"),
        (
            ["animate", "demo", "--text", "nods; blinks; nods; winks; nods", "--seconds", "1", "-o", "out.mp4"],
            "too many",
        ),
        (["animate", "demo", "--text", "0s: nods; 9s: blinks", "-o", "out.mp4"], "within the clip of 4 s"),
        (["animate", "demo", "--text", "2s: nods; 1s: blinks", "-o", "out.mp4"], "expected times that rise"),
        ([*DEMO, "--keep", "head"], "keep goes with text"),
        ([*DEMO, "--text", "nods", "--keep", "ears"], "keep 'ears': expected head"),
        ([*DEMO, "--text", "nods", "--keep", "99s"], "expected times from 0 to 5 s"),
        ([*DEMO, "--text", "nods", "--keyframes", "none.json"], "keyframes alone"),
        ([*DEMO, "--text", "nods", "--mix", "nose=text"], "no region 'nose'"),
        ([*DEMO, "--mix", "head=text"], "mix goes with text"),
        (["animate", "demo", "--speech", "a.wav", "-o", "out.mp4"], "the recording a.wav does not exist"),
        (["animate", "demo", "--speech", "text.mp4", "-o", "out.mp4"], "text.mp4: "),
        (
            ["animate", "demo", "--speech", "a.wav", "--say", "hello", "-o", "out.mp4"],
            "speech and say cannot drive at once",
        ),
        (["animate", "demo", "--say", " ", "-o", "out.mp4"], "say: expected words to speak"),
        ([*DEMO, "--lips", "1.5"], "lips goes with the driver speech"),
        ([*DEMO, "--blinks", "-1"], "blinks must be 0 to 2, got -1"),
        (["prepare", "speech", "text.mp4", "-o", "footage"], "none of 1 clips can be used"),
        (["evaluate", "speech", "--data", "nowhere"], "expected a folder with footage"),
        (["evaluate", "video", "none.mp4", "--truth", "grey.mp4"], "none.mp4 does not exist"),
        (["evaluate", "video", "grey.mp4", "--truth", "text.mp4"], "text.mp4: "),
        (["evaluate", "video", "grey.mp4", "--truth", "sound.mp4"], "no picture"),
        (["evaluate", "video", "grey.mp4", "--truth", "grey.mp4"], "no face is found in any of the 5 frames"),
        (["evaluate", "video", "grey.mp4", "--truth", "grey.mp4", "--page", "page"], "must end in .html"),
        (["evaluate", "video", "grey.mp4"], "--truth"),
        (["evaluate", "heads", "none.npz"], "the heads none.npz are not there"),
        (["evaluate", "heads", "other.npz"], "other.npz is no textured head"),
        (["evaluate", "heads", "text.jpg"], "text.jpg"),
        (["evaluate", "heads", "other.npz", "--angles", "left"], "degrees between commas"),
        (["evaluate", "scorecard"], "expected clips, heads or both"),
        (["evaluate", "scorecard", "--clip", "grey.mp4", "--other", "mine"], "expected NAME=FOLDER"),
        (["evaluate"], "video, heads, scorecard, text, speech"),
        (["train", "speech-lips", "data=nowhere"], "expected a folder with footage"),
        (["animate", "demo", "--motion", "demo", "-o", "out.gif"], ".mp4"),
        (["animate", "demo", "--motion", "demo", "-o", "file/out.mp4"], "not a folder"),
        (["animate", "demo", "--motion", "demo", "-o", "/proc/out.mp4"], "cannot be written"),
        (["animate", "demo", "--motion", "demo", "-o", "folder.mp4"], "is a folder"),
        (["animate", "demo", "--motion", "demo", "-o", "taken.mp4"], "taken.json is a folder"),
        (["animate", "demo", "--motion", "demo", "-o", f"{LONG}.mp4"], "name too long"),
        (["animate", "demo", "--motion", "demo", "-o", "out"], "no ending"),
        (["animate", f"{LONG}.jpg", "--motion", "demo", "-o", "out.mp4"], "name too long"),
        (["animate", "none.jpg", "--motion", "demo", "-o", "out.mp4"], "does not exist"),
        (["animate", ".", "--motion", "demo", "-o", "out.mp4"], "folder"),
        (["animate", "empty.png", "--motion", "demo", "-o", "out.mp4"], "empty"),
        (["animate", "text.jpg", "--motion", "demo", "-o", "out.mp4"], "text"),
        (["animate", "grey.mp4", "--motion", "demo", "-o", "out.mp4"], "video"),
        (["animate", "wall.png", "--motion", "demo", "-o", "out.mp4"], "face"),
        (["animate", "demo", "--video", "none.mp4", "-o", "out.mp4"], "does not exist"),
        (["animate", "demo", "--video", "folder.mp4", "-o", "out.mp4"], "folder"),
        (["animate", "demo", "--video", "empty.mp4", "-o", "out.mp4"], "empty"),
        (["animate", "demo", "--video", "cut.mp4", "-o", "out.mp4"], "cut off"),
        (["animate", "demo", "--video", "wall.png", "-o", "out.mp4"], "single picture"),
        (["animate", "demo", "--video", f"{LONG}.mp4", "-o", "out.mp4"], "name too long"),
        (["animate", "demo", "--video", "text.mp4", "-o", "out.mp4"], "media file"),
        (["animate", "demo", "--video", "sound.mp4", "-o", "out.mp4"], "no picture"),
        (["animate", "demo", "--video", "grey.mp4", "-o", "out.mp4"], "face"),
        (["animate", "demo", "--motion", "none.npz", "-o", "out.mp4"], "npz"),
        (["animate", "demo", "--motion", "other.npz", "-o", "out.mp4"], "motion file"),
        (["animate", "demo", "--motion", "cut.npz", "-o", "out.mp4"], "cannot be read"),
        (["animate", "demo", "--motion", "nan.npz", "-o", "out.mp4"], "neck: expected finite numbers"),
        (["animate", "demo", "--motion", "huge.npz", "-o", "out.mp4"], "translation: expected numbers within"),
        (["animate", "demo", "--motion", "wide.npz", "-o", "out.mp4"], "damaged"),
        (["animate", "demo", "--motion", "rush.npz", "-o", "out.mp4"], "1e+09 frames a second"),
        (["animate", "demo", "--motion", "slow.npz", "--fps", "25", "-o", "out.mp4"], "1e-09 frames a second"),
        (["animate", "demo", "--motion", "thief.npz", "-o", "out.mp4"], "made for head /etc/passwd.pkl"),
        (["animate", "demo", "--video", "grey.mp4", "-o", "grey.mp4"], "also an input"),
        (["fit", "wall.png", "-o", "wall.npz", "--face", "-1"], "face"),
        (["motion", "--video", "grey.mp4", "-o", "out.npz"], "face"),
        (["motion", "--video", "grey.mp4", "-o", "out.mp4"], ".npz"),
        (["motion", "--video", "grey.mp4", "-o", "taken.npz"], "taken.json is a folder"),
        (["fit", "wall.png", "-o", "out.npz"], "face"),
        (["fit", "wall.png", "-o", "taken.npz"], "taken_overlay.png is a folder"),
        (
            ["export", "demo", "-o", "out.fbx"],
            ".glb, .gltf, .csv, .obj, .ply, .vrm, .html, .portrait, .style.json, got .fbx",
        ),
        (["export", "demo", "-o", "out"], "no ending"),
        (["export", "demo", "-o", "file/out.glb"], "not a folder"),
        (["export", "demo", "-o", "/proc/out.glb"], "cannot be written"),
        (["export", "demo", "-o", "taken.obj"], "taken_0001.obj is a folder"),
        (["export", "demo", "-o", "out.obj", "--frame", "999"], "the frames 0 to 124"),
        (["export", "demo", "-o", "out.obj", "--frame", "-1"], "the frames 0 to 124"),
        (["export", "demo", "-o", "out.obj", "--fps", "0"], "fps"),
        (["export", "demo", "-o", "out.obj", "--edit", "smirkle=1"], "smirkle"),
        (["export", "demo", "-o", "out.glb", "--motion", "demo", "--edit", "smirkle=1"], "smirkle"),
        (["export", "demo", "-o", "out.glb", "--head", "nobody"], "'nobody' is not known"),
        (["export", "none.npz", "-o", "out.glb"], "does not exist"),
        (["export", "wall.png", "-o", "out.glb"], "face"),
        (["export", "wall.png", "-o", "out.csv"], "cannot be read"),
        (["export", "demo", "-o", "out.csv", "--material", "pbr"], "material goes with a portrait"),
        (["export", "demo", "-o", "out.glb", "--motion", "none.npz"], "none.npz does not exist"),
        (["export", "other.npz", "-o", "out.glb"], "motion file"),
        (["export", "cut.npz", "-o", "out.glb"], "cannot be read"),
        (["export", "nan.npz", "-o", "out.csv"], "neck: expected finite numbers"),
        (["export", "huge.npz", "-o", "out.ply"], "translation: expected numbers within"),
        (["export", "wide.npz", "-o", "out.glb"], "damaged"),
        (["export", "wide.npz", "-o", "out.csv"], "damaged"),
        (["export", "wide.npz", "-o", "out.obj"], "damaged"),
        (["export", "pickled.npz", "-o", "out.glb"], "pickled Python objects, which are never loaded"),
        (["export", "text.csv", "-o", "out.glb"], "ARKit's blend shapes"),
        (["export", "photo.csv", "-o", "out.glb"], "not text"),
        (["export", "header.csv", "-o", "out.glb"], "no row"),
        (["export", "percent.csv", "-o", "out.glb"], "percent"),
        (["export", "header.csv", "-o", "header.csv"], "also an input"),
        (["motion", "--motion", "header.csv", "-o", "out.npz"], "no row"),
        (["motion", "--motion", "demo", "--video", "grey.mp4", "-o", "out.npz"], "video and motion"),
        (["animate", "demo", "--motion", "text.csv", "-o", "out.mp4"], "ARKit's blend shapes"),
        (["head", "-o", "out.jpg"], ".png"),
        (["head", "nobody", "-o", "out.png"], "'nobody' is not known"),
        (["head", "other.npz", "-o", "out.png"], "not a head"),
        (["head", "-o", "out.png", "--axes", "smirkle"], "smirkle"),
        (["head", "-o", "out.png", "--axes", "identity_99"], "identity_00 to identity_"),
        (["head", "-o", "out.png", "--axes", ""], "no such control"),
    ],
    ids=lambda value: " ".join(value)[:80] if isinstance(value, list) else "",
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


@pytest.mark.parametrize(
    ("name", "words"), [("stranger", "FLAME model flame2023"), ("older", "open@deadbeef is not here")]
)
@pytest.mark.parametrize("option", ["--motion", "--mix"])
def test_a_motion_for_a_head_that_is_not_here_exits_3(name, words, option, media, here):
    given = [option, f"{name}.npz"] if option == "--motion" else ["--motion", "demo", option, f"mouth={name}.npz"]
    code, _, errors = here(["animate", "demo", *given, "-o", "out.mp4"], media)
    assert code == 3 and words in errors and errors.count("\n") == 1, errors


def test_a_missing_asset_exits_3(tmp_path):
    code, _, errors = run([*DEMO, "--head", "FLAME2023_open.pkl"], tmp_path)
    assert code == 3 and "FLAME2023_open.pkl" in errors and "Traceback" not in errors


def test_a_missing_system_library_says_what_to_install(tmp_path):
    code = (
        "import sys\n"
        "class Slim:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name in ('cv2', 'mediapipe'):\n"
        "            raise ImportError('libGL.so.1: cannot open shared object file: No such file or directory')\n"
        "sys.meta_path.insert(0, Slim())\n"
        "sys.argv = ['flamecast', 'animate', 'demo', '--motion', 'demo', '-o', 'out.mp4']\n"
        "from flamecast.pipelines.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 3 and "apt install libgl1 libglib2.0-0" in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1 and os.listdir(tmp_path) == []


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
    assert code == 0 and all(
        name in output for name in ("animate", "motion", "fit", "export", "head", "bench", "doctor")
    )


def test_odd_names_and_plain_terminals_are_no_trouble(tmp_path):
    name = os.fsdecode(b"odd\xff.mp4")  # no text in any encoding
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    options = ["--motion", "demo", "--seconds", "0.1", "--size", "64"]
    command = [sys.executable, "-c", "from flamecast.pipelines.cli import main; main()"]
    for arguments in (["animate", "demo", *options, "-o", name], ["doctor"]):
        done = subprocess.run([*command, *arguments], capture_output=True, cwd=tmp_path, env=environment)
        assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr
    assert sorted(os.listdir(tmp_path)) == sorted([name, os.fsdecode(b"odd\xff.json")])
    assert json.loads((tmp_path / os.fsdecode(b"odd\xff.json")).read_text("utf-8"))["videos"] == [name]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="sets a limit that only some systems have")
def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path):
    """A file that may not grow beyond 4 KiB stands for it. The kernels, whose files are larger, are compiled before."""
    (tmp_path / "before").mkdir()
    few = ["animate", "demo", "--motion", "demo", "--seconds", "0.1", "-o", "out.mp4"]
    assert run(few, tmp_path / "before")[0] == 0
    shutil.rmtree(tmp_path / "before")
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "from flamecast.pipelines.cli import main; main()"
    )
    command = [sys.executable, "-c", code, "animate", "demo", "--motion", "demo", "--seconds", "1", "-o", "out.mp4"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=100)
    assert done.returncode == 2 and "cannot be written" in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert os.listdir(tmp_path) == []


def test_doctor_finds_this_machine_well(tmp_path):
    code, output, errors = run(["doctor"], tmp_path)
    assert code == 0, output + errors
    assert "mediapipe" in output and "H.264" in output and "does not load" not in output
