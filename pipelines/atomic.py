"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..flame_motion.errors import BadInput


@contextmanager
def atomic_path(target: str | Path) -> Iterator[str]:
    """Yields a path to write to; what lies there becomes `target` when the block ends well, and vanishes otherwise.

    On Linux the file has no name until then, so that not even a killed process leaves anything behind; elsewhere it is
    a hidden sibling. The folder of `target` is made when missing.
    """
    target = Path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _nameless_file(target.parent)
        hidden = _hidden_sibling(target)
    except OSError as error:
        raise _unwritable(target, error) from error
    try:
        if descriptor is None:
            yield str(hidden)
        else:
            yield _descriptor_path(descriptor)
            # Without a folder descriptor Python calls link(), which would link the symlink itself.
            os.link(_descriptor_path(descriptor), hidden, src_dir_fd=descriptor, follow_symlinks=True)
        os.replace(hidden, target)
    finally:
        if descriptor is not None:
            os.close(descriptor)
        hidden.unlink(missing_ok=True)


def check_writable(target: str | Path) -> None:
    """Raises BadInput now for what `atomic_path(target)` would refuse after minutes of work; makes nothing."""
    target = Path(target)
    if target.is_dir():
        raise BadInput(f"the output {target} is a folder: name a file in it")
    folder = target.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise BadInput(f"the output {target} cannot be written: {folder} is a file, not a folder")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _unwritable(target, error) from error


def refuse_overwriting(inputs: Iterable[object], outputs: Iterable[Path]) -> None:
    """BadInput when an output would take the place of a file that is read. Inputs that are no paths are ignored."""
    for output in outputs:
        for given in inputs:
            if isinstance(given, (str, os.PathLike)) and output.exists() and Path(given).exists():
                if os.path.samefile(given, output):
                    raise BadInput(f"the output {output} is also an input: choose another name")


def _descriptor_path(descriptor: int) -> str:
    """The name under which the kernel lists an open file of this process."""
    return f"/proc/self/fd/{descriptor}"


def _hidden_sibling(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.partial")


def _nameless_file(folder: Path) -> int | None:
    """A descriptor of a file without a name in `folder`; None where the system or file system has no such thing."""
    if not hasattr(os, "O_TMPFILE") or not os.path.isdir("/proc/self/fd"):
        return None
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o666)
    except OSError:
        return None


def _unwritable(target: Path, error: OSError) -> BadInput:
    return BadInput(f"the output {target} cannot be written: {error.strerror or error}")
