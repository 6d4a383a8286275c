"""Files in and out: inputs that can be read, and outputs that appear whole or not at all."""

from __future__ import annotations

import codecs
import errno
import io
import json
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import BadInput

PathLike = str | os.PathLike[str]  # whatever names a file
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def existing_file(path: PathLike, what: str) -> Path:
    """`path`, when it is a file that can be read and is not empty. BadInput otherwise; `what` begins the sentence."""
    path = Path(path)
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise BadInput(f"{what} {path} is a folder: name a file in it")
        if not stat.S_ISREG(found.st_mode):
            raise BadInput(f"{what} {path} is no regular file: save it to one first")
        if found.st_size == 0:
            raise BadInput(f"{what} {path} is empty (0 bytes)")
        path.open("rb").close()
    except (FileNotFoundError, NotADirectoryError):
        raise BadInput(f"{what} {path} does not exist") from None
    except OSError as error:
        raise BadInput(f"{what} {path} cannot be read: {error.strerror or error}") from error
    return path


def read_json(path: PathLike, what: str, max_bytes: int | None = None) -> Any:
    """The content of a JSON file in UTF-8. BadInput, beginning with `what`, when it is absent, too large or no JSON."""
    file = existing_file(path, what)
    if max_bytes is not None and (size := file.stat().st_size) > max_bytes:
        raise BadInput(f"{what} {path} is too large: expected at most {max_bytes} bytes, got {size}")
    try:
        return json.loads(decoded(file.read_bytes()))
    except UnicodeDecodeError:
        raise BadInput(f"{what} {path} must be JSON, and it is no text in UTF-8") from None
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{what} {path} must be JSON, and it cannot be read as such ({error})") from None


def decoded(content: bytes) -> str:
    """Text as users' programs write it: UTF-8, or UTF-16 where a byte order mark says so. UnicodeDecodeError."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    return content.decode("utf-8-sig")


def lines_of(text: str) -> list[str]:
    """The lines of a text: they end with LF, CR LF or CR, and with no other sign that Unicode has for that."""
    return io.StringIO(text, newline=None).read().removesuffix("\n").split("\n")


def own_folder(name: str) -> Path:
    """A folder of this program's in the user's own: FLAMECAST_HOME/NAME (default ~/.flamecast/NAME); it may be missing.

    RuntimeError where there is neither that variable nor a home.
    """
    return Path(os.environ.get("FLAMECAST_HOME") or Path.home() / ".flamecast") / name


@contextmanager
def atomic_path(target: PathLike, private: bool = False) -> Iterator[str]:
    """Yields a path to write to; what lies there becomes `target` when the block ends well, and vanishes otherwise.

    On Linux the file has no name until then, so that not even a killed process leaves anything behind; elsewhere it is
    a hidden sibling. The folder of `target` is made when missing. private: only this user may ever read the file, or a
    folder made for it. BadInput when it cannot be written, or the disk is full.
    """
    target = Path(target)
    check_writable(target)
    hidden = target.with_name(f".{secrets.token_hex(8)}.partial")
    mode = 0o600 if private else 0o666
    try:
        target.parent.mkdir(0o700 if private else 0o777, parents=True, exist_ok=True)
        descriptor = _nameless_file(target.parent, mode)
        if descriptor is None and private:
            os.close(os.open(hidden, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
    except OSError as error:
        raise _unwritable(target, error) from error
    try:
        yield str(hidden) if descriptor is None else _descriptor_path(descriptor)
        _publish(descriptor, hidden, target, mode)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise _unwritable(target, error) from error
        raise
    finally:
        if descriptor is not None:
            os.close(descriptor)
        hidden.unlink(missing_ok=True)


def check_writable(target: PathLike) -> None:
    """Raises BadInput now for what `atomic_path(target)` would refuse after minutes of work; makes nothing."""
    target = Path(target)
    if os.path.isdir(target):
        raise BadInput(f"the output {target} is a folder: name a file in it")
    folder = target.parent
    while not os.path.exists(folder) and folder != folder.parent:
        folder = folder.parent
    if not os.path.isdir(folder):
        raise BadInput(f"the output {target} cannot be written: {folder} is a file, not a folder")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = f"{folder} takes no new files ({error.strerror or error})"
        raise BadInput(f"the output {target} cannot be written: {reason}") from error
    try:
        target.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass  # a new file
    except OSError as error:  # the name itself: too long, or too many links
        raise _unwritable(target, error) from error


def refuse_overwriting(inputs: Iterable[object], outputs: Iterable[Path]) -> None:
    """BadInput when an output would take the place of a file that is read. Inputs that are no paths are ignored."""
    for output in outputs:
        for given in inputs:
            if isinstance(given, (str, os.PathLike)) and os.path.exists(output) and os.path.exists(given):
                if os.path.samefile(given, output):
                    raise BadInput(f"the output {output} is also an input: choose another name")


def _publish(descriptor: int | None, hidden: Path, target: Path, mode: int) -> None:
    """Gives what was written the name `target`; mode: what it was opened with."""
    try:
        if descriptor is not None:
            source = _descriptor_path(descriptor)
            try:
                # Without a folder descriptor Python calls link(), which would link the symlink itself.
                os.link(source, hidden, src_dir_fd=descriptor, follow_symlinks=True)
            except OSError:  # some network file systems make nameless files and cannot name them
                os.close(os.open(hidden, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
                shutil.copyfile(source, hidden)
        os.replace(hidden, target)
    except OSError as error:
        raise _unwritable(target, error) from error


def _descriptor_path(descriptor: int) -> str:
    """The name under which the kernel lists an open file of this process."""
    return f"/proc/self/fd/{descriptor}"


def _nameless_file(folder: Path, mode: int) -> int | None:
    """A descriptor of a file without a name in `folder`; None where the system or file system has no such thing."""
    if not hasattr(os, "O_TMPFILE") or not os.path.isdir("/proc/self/fd"):
        return None
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR, mode)
    except OSError:
        return None


def _unwritable(target: Path, error: OSError) -> BadInput:
    return BadInput(f"the output {target} cannot be written: {error.strerror or error}")
