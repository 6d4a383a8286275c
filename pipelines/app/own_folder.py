"""A server's folder among this machine's temporary files; what servers that were killed left there is removed."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX, LOCK = "flamecast-app-", ".lock"


@contextmanager
def own_folder() -> Iterator[Path]:
    """An empty folder that nobody else can read; it is gone at the end.

    Beside it lies a file that this process holds locked: where a process dies in whatever way, its lock is free, and
    the next server removes its folder. (The number of a process would say less: containers count their own.)
    """
    base = Path(tempfile.gettempdir()).resolve()
    remove_left(base)
    folder, lock = _claimed(base)
    try:
        yield folder
    finally:
        _remove(folder, lock)


def remove_left(base: Path) -> None:
    """Removes the folders in `base` whose servers are no more."""
    for path in base.glob(f"{PREFIX}*{LOCK}"):
        try:
            lock = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
        except OSError:  # another user's, or just removed
            continue
        if _locked(lock) and _is_ours(lock):
            _remove(path.with_suffix(""), lock)
        else:
            os.close(lock)


def _claimed(base: Path) -> tuple[Path, int]:
    """A new folder in `base` and the open file that is its lock."""
    while True:
        lock, name = tempfile.mkstemp(LOCK, PREFIX, base)
        if _locked(lock) and os.path.exists(name):  # or another server that starts took it for one that was left
            folder = Path(name).with_suffix("")
            folder.mkdir(mode=0o700)
            return folder, lock
        os.close(lock)


def _remove(folder: Path, lock: int) -> None:
    """Removes a folder, then its lock; where something stays, the lock stays for the next server to find."""
    shutil.rmtree(folder, ignore_errors=True)
    path = folder.with_name(f"{folder.name}{LOCK}")
    if sys.platform == "win32":  # which removes no open file
        os.close(lock)
    if not folder.exists():
        path.unlink(missing_ok=True)
    if sys.platform != "win32":
        os.close(lock)


def _is_ours(file: int) -> bool:
    """Whether an open file belongs to the user who runs this."""
    return sys.platform == "win32" or os.fstat(file).st_uid == os.getuid()


def _locked(file: int) -> bool:
    """Locks an open file until it is closed; False where another process holds it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
