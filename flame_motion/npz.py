"""Arrays to and from `.npz`: nothing is unpickled, nothing is left half-written, equal arrays give equal bytes."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from .errors import BadInput

# One fixed date inside the archive, so that equal arrays make equal files.
EPOCH = (1980, 1, 1, 0, 0, 0)
# Far above anything of ours (a FLAME file is 0.05 GB), far below what exhausts a laptop.
MOST_BYTES = 4 << 30


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A binary file that appears at `path` when the block ends well, and not at all when it does not.

    Raises BadInput where the folder is missing or cannot be written.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise IsADirectoryError("it is a folder; add a file name")
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise BadInput(f"cannot write {path}: {error.strerror or error}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        # mkstemp makes files for their owner only; the target gets what any new file would have.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        os.replace(name, path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise BadInput(f"cannot write {path}: {error.strerror or error}") from error
        raise


def save_arrays(path: str | os.PathLike[str], arrays: dict[str, np.ndarray], *, compress: bool = True) -> None:
    """Write named arrays (numbers, booleans or fixed-length text; never objects) to `path` as it is spelled."""
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with written_whole(path) as file, zipfile.ZipFile(file, "w", method) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", EPOCH)
            entry.compress_type = method
            with archive.open(entry, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)


def _check_member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, what: str) -> None:
    """Refuse a member whose header asks for objects or for more bytes than are there, before anything is built."""
    place = f"{what}: {entry.filename}"
    with archive.open(entry) as member:
        version = np.lib.format.read_magic(member)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(member)
        if dtype.hasobject:
            raise BadInput(f"{place} holds pickled Python objects, which are never loaded; only arrays are")
        needed = dtype.itemsize * int(np.prod(shape, dtype=object)) + member.tell()
    if needed != entry.file_size:
        raise BadInput(f"{place} should hold {needed} bytes and holds {entry.file_size}: it is damaged")


def load_arrays(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Every array of an `.npz`. BadInput for anything else: missing, not an archive, truncated, pickled, oversized."""
    path = Path(path)
    if not path.is_file():
        raise BadInput(f"{path}: expected an .npz file, found {'a folder' if path.is_dir() else 'nothing there'}")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if entry.filename.endswith(".npy")]
            if sum(entry.file_size for entry in entries) > MOST_BYTES:
                raise BadInput(f"{path}: its arrays unpack to more than {MOST_BYTES >> 30} GB: refused")
            arrays = {}
            for entry in entries:
                _check_member(archive, entry, str(path))
                with archive.open(entry) as member:
                    arrays[entry.filename[: -len(".npy")]] = np.lib.format.read_array(member, allow_pickle=False)
            return arrays
    except BadInput:
        raise
    except Exception as error:  # a hostile archive can fail anywhere in zlib, zipfile or numpy's header parser
        raise BadInput(f"{path}: expected an .npz archive of arrays, and it cannot be read as one ({error})") from error
