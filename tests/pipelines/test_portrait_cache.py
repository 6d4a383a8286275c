"""Fitted portraits that commands keep: they change no bit, are the user's alone, bounded, and never in the way."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from flamecast.core.npz import load_arrays
from flamecast.flame_motion import BadInput
from flamecast.generator import Portrait, portrait_fit
from flamecast.generator.portrait import TURNED
from flamecast.pipelines import AnimatePipeline, cli, portrait_cache
from flamecast.pipelines.app.job_runner import JobRunner
from flamecast.pipelines.fit import open_portrait, write_fit
from flamecast.pipelines.live import run
from flamecast.pipelines.portrait_cache import KeptPortrait, kept_portraits

WHAT = {"motion": "demo", "seconds": 0.12, "size": 96}


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Where portraits are kept in this test."""
    monkeypatch.setenv("FLAMECAST_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "portraits"


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    return open_portrait("demo")[0]


@pytest.fixture
def lying(tmp_path) -> Path:
    """A photo whose face lies on its side, which is said."""
    file = tmp_path / "lying.png"
    Image.fromarray(np.rot90(astronaut()[:400, 60:400])).save(file)
    return file


def blind(monkeypatch) -> None:
    """From here on nobody looks at a photo."""

    def detector(self):
        raise AssertionError("the photo was looked at")

    monkeypatch.setattr(AnimatePipeline, "_detector", detector)


def test_a_kept_portrait_makes_the_same_video_to_the_bit(folder, lying, monkeypatch):
    plain = AnimatePipeline()(lying, **WHAT)
    assert not folder.exists()
    first = AnimatePipeline(cache=True)(lying, **WHAT)
    blind(monkeypatch)
    second = AnimatePipeline(cache=True)(lying, **WHAT)
    for made in (first, second):
        assert made.frames.tobytes() == plain.frames.tobytes()
        assert made.problems == plain.problems and TURNED[3] in made.problems
        assert made.report["fit_error_percent"] == plain.report["fit_error_percent"]


def test_every_array_comes_back_as_it_was(folder, portrait):
    kept = KeptPortrait.of("demo", 0, "open")
    kept.save(portrait, ["a note", ""])
    back, notes = kept.load()
    assert notes == ["a note", ""]
    before, after = portrait.arrays(), back.arrays()
    assert before.keys() == after.keys()
    assert all(a.dtype == after[n].dtype and a.tobytes() == after[n].tobytes() for n, a in before.items())


def test_what_changes_the_fit_changes_the_name(folder, lying, monkeypatch):
    name = lambda *of: KeptPortrait.of(*of).file.name  # noqa: E731
    names = [name(lying, 0, "open"), name(lying, 1, "open"), name("demo", 0, "open")]
    copy = lying.with_name("copy.png")
    copy.write_bytes(lying.read_bytes())
    assert name(str(copy), 0, "open") == names[0]  # it goes by what is in it
    copy.write_bytes(lying.read_bytes() + b"\0")
    names.append(name(copy, 0, "open"))
    monkeypatch.setattr(portrait_cache, "_code", lambda: [("fit.py", 1, 2)])
    names.append(name(lying, 0, "open"))
    monkeypatch.setattr(portrait_cache, "version", lambda package: "9")
    names.append(name(lying, 0, "open"))
    assert len(set(names)) == len(names)


def test_an_empty_file_is_not_the_demo(folder, tmp_path):
    (tmp_path / "empty.png").touch()
    names = [KeptPortrait.of(photo, 0, "open") for photo in ("demo", tmp_path / "empty.png")]
    assert names[0] and names[1] and names[0].file != names[1].file


def test_what_is_no_photo_file_has_no_place(folder, tmp_path, portrait, monkeypatch):
    os.mkfifo(tmp_path / "pipe.png")
    for photo in (astronaut(), portrait, tmp_path / "me.npz", tmp_path / "absent.png", tmp_path, tmp_path / "pipe.png"):
        assert KeptPortrait.of(photo, 0, "open") is None
    monkeypatch.setattr(portrait_cache, "_LARGEST_PHOTO", 10)
    (tmp_path / "large.png").write_bytes(bytes(11))
    assert KeptPortrait.of(tmp_path / "large.png", 0, "open") is None


@pytest.mark.parametrize("harm", ["truncated", "empty", "junk", "one bit", "another's arrays", "a folder"])
def test_one_that_is_not_whole_is_as_if_it_were_not_there(folder, portrait, harm):
    kept = KeptPortrait.of("demo", 0, "open")
    kept.save(portrait, [])
    content = bytearray(kept.file.read_bytes())
    content[len(content) // 3] ^= 4
    if harm == "another's arrays":
        np.savez(kept.file, notes=np.zeros(2))
    elif harm == "a folder":
        kept.file.unlink()
        kept.file.mkdir()
    else:
        whole = {"truncated": content[: len(content) // 2], "empty": b"", "junk": b"PK" * 999, "one bit": content}
        kept.file.write_bytes(whole[harm])
    assert kept.load() is None
    kept.save(portrait, [])  # and is made again, where that can be
    assert (kept.load() is None) == (harm == "a folder")


def test_the_least_recently_used_go_and_nothing_else(folder, portrait, monkeypatch):
    folder.mkdir(parents=True)
    (folder / "holiday.npz").write_bytes(bytes(100))
    photos = [KeptPortrait("demo", face, "open", KeptPortrait.of("demo", face, "open").file) for face in range(4)]
    photos[0].save(portrait, [])
    size = photos[0].file.stat().st_size
    monkeypatch.setattr(portrait_cache, "MAX_BYTES", round(3.5 * size))
    for age, kept in enumerate(photos[1:3]):
        kept.save(portrait, [])
        os.utime(kept.file, (1000 + age, 1000 + age))
    os.utime(photos[0].file, (500, 500))
    assert photos[0].load() is not None  # now the last used
    photos[3].save(portrait, [])
    assert [kept.file.exists() for kept in photos] == [True, False, True, True]
    assert (folder / "holiday.npz").exists()
    assert kept_portraits() == (folder, 3, 3 * size)
    monkeypatch.setattr(portrait_cache, "MAX_BYTES", size // 2)
    photos[1].save(portrait, [])  # larger than all may be: it is not kept, and takes no other's place
    assert kept_portraits()[1] == 3


def test_only_the_user_may_read_them(folder, portrait):
    before = os.umask(0)
    try:
        KeptPortrait.of("demo", 0, "open").save(portrait, [])
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [file.stat().st_mode & 0o777 for file in folder.iterdir()] == [0o600]


def test_where_nothing_can_be_kept_nothing_is_lost(folder, portrait, tmp_path, monkeypatch):
    folder.parent.mkdir()
    folder.write_text("a file where the folder should be")
    kept = KeptPortrait.of("demo", 0, "open")
    kept.save(portrait, [])
    assert kept.load() is None and kept_portraits()[1] == 0


def test_a_photo_saved_during_its_fit_is_not_kept(folder, portrait, lying):
    kept = KeptPortrait.of(lying, 0, "open")
    lying.write_bytes(lying.read_bytes() + b"\0")
    kept.save(portrait, [])
    assert not folder.exists()


def test_many_at_once_find_a_whole_one_or_none(folder, portrait, monkeypatch):
    places = [KeptPortrait.of("demo", face, "open") for face in range(3)]
    places[0].save(portrait, [])
    monkeypatch.setattr(portrait_cache, "MAX_BYTES", round(1.5 * places[0].file.stat().st_size))  # each drives one out
    expected, start = portrait.offsets.numpy().tobytes(), threading.Barrier(3)

    def use(number: int) -> list[bool]:
        start.wait()
        found = []
        for turn in range(6):
            kept = places[(number + turn) % 3]
            kept.save(portrait, [])
            loaded = kept.load()
            found.append(loaded is None or loaded[0].offsets.numpy().tobytes() == expected)
        return found

    with ThreadPoolExecutor(3) as pool:
        assert all(all(found) for found in pool.map(use, range(3)))
    assert [name for name in os.listdir(folder) if not name.endswith(".npz")] == []
    assert all(len(load_arrays(folder / name)) for name in os.listdir(folder))


def test_animate_caches_a_portrait_unless_no_cache(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FLAMECAST_NATIVE_LOGS", "1")
    monkeypatch.chdir(tmp_path)
    command = ["flamecast", "animate", "demo", "--motion", "demo", "--seconds", "0.04", "--size", "64", "-o", "o.mp4"]
    for more, count in ((["--no-cache"], 0), ([], 1)):
        monkeypatch.setattr(sys, "argv", [*command, *more])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert not end.value.code, capsys.readouterr().err
        assert kept_portraits()[1] == count


@pytest.mark.parametrize(
    "command",
    [
        ["fit", "demo", "-o", "me.npz"],
        ["render", "demo", "--photo", "demo", "--maps", "mask", "--seconds", "0.04", "--size", "64", "-o", "maps"],
        ["export", "demo", "-o", "me.glb"],
        ["live", "demo", "--folder", "absent"],
    ],
    ids=lambda command: command[0],
)
def test_every_command_takes_the_kept_portrait_unless_no_cache(
    folder, portrait, command, tmp_path, monkeypatch, capsys
):
    def looks(*given):
        raise BadInput("the photo was looked at")

    monkeypatch.setattr(portrait_fit, "find_faces", looks)
    monkeypatch.setattr(run, "_check_folder", lambda folder: None)
    monkeypatch.setattr(run, "_open_media", ends)  # live has its portrait by then
    monkeypatch.setenv("FLAMECAST_NATIVE_LOGS", "1")
    monkeypatch.chdir(tmp_path)
    KeptPortrait.of("demo", 0, "open").save(portrait, [])
    for more, code in ((["--no-cache"], 2), ([], None)):
        monkeypatch.setattr(sys, "argv", ["flamecast", *command, *more])
        with pytest.raises(SystemExit) as end:
            cli.main()
        said = capsys.readouterr().err
        assert (end.value.code or None) == code, said
        assert ("the photo was looked at" in said) == (code == 2)
    if command[0] == "fit":
        assert Portrait.load("me.npz").offsets.equal(portrait.offsets)


def ends(*given):
    """Instead of a session of live."""
    raise SystemExit(0)


def test_a_fitted_portrait_is_cached_only_where_asked(folder, tmp_path, portrait):
    write_fit("demo", tmp_path / "me.npz")
    assert not folder.exists()
    write_fit("demo", tmp_path / "me.npz", cache=True)
    kept, _ = KeptPortrait.of("demo", 0, "open").load()
    assert kept.offsets.equal(portrait.offsets)


def test_servers_keep_none(folder):
    assert AnimatePipeline().cache is JobRunner().pipeline.cache is False
