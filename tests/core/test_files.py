"""Inputs that can be read or are refused in one sentence; outputs that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from flamecast.core import files
from flamecast.core.files import atomic_path, check_writable, existing_file, refuse_overwriting
from flamecast.core.npz import load_arrays, save_arrays
from flamecast.flame_motion import BadInput

LONG = 300 * "n"


def test_a_file_that_can_be_read_is_its_path(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    assert existing_file(str(tmp_path / "a"), "the file") == tmp_path / "a"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("none", "does not exist"),
        ("empty/below", "does not exist"),
        (".", "is a folder"),
        ("empty", "is empty"),
        (LONG, "cannot be read: File name too long"),
        pytest.param("/dev/zero", "no regular file", marks=pytest.mark.skipif(os.name != "posix", reason="posix")),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(tmp_path, name, says):
    (tmp_path / "empty").touch()
    with pytest.raises(BadInput, match=f"^the photo .*{says}") as caught:
        existing_file(tmp_path / name, "the photo")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadInput, match="no regular file"):
        existing_file(tmp_path / "pipe", "the video")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read and write everything")
def test_permissions_are_said(tmp_path):
    (tmp_path / "secret").write_bytes(b"1")
    (tmp_path / "secret").chmod(0)
    with pytest.raises(BadInput, match="cannot be read: Permission denied"):
        existing_file(tmp_path / "secret", "the photo")
    tmp_path.chmod(0o500)
    with pytest.raises(BadInput, match="takes no new files .Permission denied"):
        check_writable(tmp_path / "a.mp4")


# -- out ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["as it is", "no nameless files", "no links"])
def system(request, monkeypatch) -> str:
    """This machine, and what others lack."""
    if request.param == "no nameless files":
        monkeypatch.setattr(files, "_nameless_file", lambda folder, mode: None)
    if request.param == "no links":

        def link(*arguments, **options):
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", link)
    return request.param


def test_what_was_written_appears_whole_at_the_end(system, tmp_path):
    target = tmp_path / "new" / "folder" / "a.txt"
    for text in ("first", "second"):
        with atomic_path(target) as hidden:
            Path(hidden).write_text(text)
            assert not target.exists() or target.read_text() == "first"
        assert target.read_text() == text and os.listdir(target.parent) == ["a.txt"]
    mask = os.umask(0)
    os.umask(mask)
    assert target.stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_private_file_was_never_open_to_others(system, tmp_path):
    before = os.umask(0)
    try:
        with atomic_path(tmp_path / "own" / "a.txt", private=True) as hidden:
            Path(hidden).write_text("mine")
            assert os.stat(hidden).st_mode & 0o777 == 0o600
    finally:
        os.umask(before)
    assert (tmp_path / "own" / "a.txt").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "own").stat().st_mode & 0o777 == 0o700


def test_a_failure_leaves_the_old_file_and_nothing_else(system, tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as hidden:
        Path(hidden).write_text("half")
        raise RuntimeError
    assert target.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has files without a name")
def test_a_process_killed_while_it_saves_arrays_leaves_nothing(tmp_path):
    code = (
        "import sys, time, zipfile, numpy as np; from flamecast.core import npz\n"
        "class Slow(zipfile.ZipFile):\n"
        "    def close(self):\n"
        "        print('written', flush=True); time.sleep(60)\n"
        "npz.zipfile.ZipFile = Slow\n"
        "npz.save_arrays(sys.argv[1], {'a': np.zeros(9999)})\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.npz")]
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None and child.stdout.readline() == b"written\n"
        child.send_signal(signal.SIGKILL)
        assert child.wait(timeout=30) != 0
    finally:
        child.kill()
        child.stdout.close()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", [".", "file/a.npz", "file/folder/a.npz", f"{LONG}.npz", "/proc/a.npz"])
def test_what_cannot_be_written_is_refused_before_and_after_the_work(tmp_path, name):
    (tmp_path / "file").touch()
    for attempt in (check_writable, lambda target: save_arrays(target, {"a": np.zeros(1)})):
        with pytest.raises(BadInput, match="^the output .*(cannot be written|is a folder)") as caught:
            attempt(tmp_path / name)
        assert "\n" not in str(caught.value) and os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_said_in_one_sentence(tmp_path, number):
    with pytest.raises(BadInput, match=f"cannot be written: {os.strerror(number)}"), atomic_path(tmp_path / "a"):
        raise OSError(number, os.strerror(number))
    with pytest.raises(OSError, match="Input/output"), atomic_path(tmp_path / "a"):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    assert os.listdir(tmp_path) == []


def test_the_longest_name_there_is_can_be_written(tmp_path):
    target = tmp_path / (251 * "m" + ".npz")
    save_arrays(target, {"a": np.arange(3)})
    assert load_arrays(target)["a"].tolist() == [0, 1, 2] and os.listdir(tmp_path) == [target.name]


def test_an_input_is_not_overwritten(tmp_path):
    (tmp_path / "a").touch()
    (tmp_path / "link").symlink_to("a")
    for given in (tmp_path / "a", str(tmp_path / "link")):
        with pytest.raises(BadInput, match="also an input"):
            refuse_overwriting([given], [tmp_path / "a"])
    refuse_overwriting([tmp_path / "b", None, np.zeros(3), LONG], [tmp_path / "a", tmp_path / "c"])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the list .* is empty"),
        (b"{", "must be JSON, and it cannot be read as such"),
        (b"[" * 100_000, "must be JSON, and it cannot be read as such"),
        (b"\xff\xfe[", "must be JSON, and it is no text in UTF-8"),
        (b"[" + b" " * 200, "too large: expected at most 100 bytes, got 201"),
    ],
)
def test_what_is_no_json_is_one_sentence(tmp_path, content, says):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(BadInput, match=says):
        files.read_json(tmp_path / "a.json", "the list", 100 if b" " in content else None)


def test_what_nobody_names_of_an_archive_is_not_unpacked(tmp_path):
    path = tmp_path / "a.npz"
    save_arrays(path, {"wanted": np.arange(3), "extra": np.zeros(50_000_000, np.uint8)})
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    try:
        arrays = load_arrays(path)
        assert set(arrays) == {"wanted", "extra"} and arrays["wanted"].tolist() == [0, 1, 2]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    assert load_arrays(path)["wanted"].tolist() == [0, 1, 2]
    with pytest.raises(BadInput, match="cannot be read as one"):
        load_arrays(path)["extra"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_may_begin_with_a_byte_order_mark(tmp_path, encoding):
    (tmp_path / "a.json").write_bytes('{"name": "Müller"}'.encode(encoding))
    assert files.read_json(tmp_path / "a.json", "the list") == {"name": "Müller"}


def test_lines_end_where_editors_end_them():
    assert files.lines_of("a\nb\r\nc\rd\n") == ["a", "b", "c", "d"]
    assert files.lines_of("she nods,\u2028then\x0bsmiles\x85") == ["she nods,\u2028then\x0bsmiles\x85"]
