"""The server's folder: nobody else's to read, gone at the end, and removed by the next server where one was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from flamecast.pipelines.app.own_folder import own_folder

SERVER = """
import sys, time
from flamecast.pipelines.app.own_folder import own_folder
with own_folder() as folder:
    (folder / "visitor-1").mkdir()
    (folder / "visitor-1" / "photo.png").write_bytes(b"a portrait")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def servers(tmp_path, monkeypatch):
    """Starts processes that hold a folder with a portrait, all in one temporary folder; ends them."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = []

    def start() -> tuple[subprocess.Popen, Path]:
        environment = {**os.environ, "TMPDIR": str(tmp_path)}
        process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True, env=environment)
        made.append(process)
        return process, Path(process.stdout.readline().strip())

    yield start
    for process in made:
        process.kill()
        process.wait()
        process.stdout.close()


def test_what_a_killed_server_left_is_removed_and_what_another_uses_stays(servers, tmp_path):
    killed, left = servers()
    _, used = servers()
    assert (left / "visitor-1" / "photo.png").is_file()
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    with own_folder() as own:
        assert not left.exists() and (used / "visitor-1" / "photo.png").is_file()
        assert own.parent == tmp_path and own.stat().st_mode & 0o077 == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([used.name, f"{used.name}.lock"])


def test_what_only_looks_like_a_servers_stays(tmp_path, monkeypatch):
    """A folder without a lock, and one that a link of that name leads to."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "mine").write_text("mine")
    (tmp_path / "flamecast-app-notes").mkdir()
    (tmp_path / "flamecast-app-x").symlink_to(kept)
    (tmp_path / "flamecast-app-x.lock").touch()
    with own_folder():
        assert (kept / "mine").is_file() and (tmp_path / "flamecast-app-notes").is_dir()
