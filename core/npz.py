"""Arrays to and from `.npz`: nothing is unpickled, nothing is left half-written, equal arrays give equal bytes."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from .errors import BadInput
from .files import PathLike, atomic_path, existing_file

# One fixed date inside the archive, so that equal arrays make equal files.
EPOCH = (1980, 1, 1, 0, 0, 0)
# Far above anything of ours (a FLAME file is 0.05 GB), far below what exhausts a laptop.
MAX_BYTES = 4 << 30


def save_arrays(path: PathLike, arrays: dict[str, np.ndarray], *, compress: bool = True, private: bool = False) -> None:
    """Write named arrays (numbers, booleans or fixed-length text; never objects) to `path` as it is spelled.

    private: only this user may read it. Raises BadInput where nothing can be written.
    """
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with atomic_path(path, private) as hidden, zipfile.ZipFile(hidden, "w", method) as archive:
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


class Arrays(Mapping[str, np.ndarray]):
    """The arrays of an `.npz` by name, each unpacked when it is first asked for: what nobody names costs nothing.

    BadInput for one that is damaged, then.
    """

    def __init__(self, path: Path, entries: dict[str, zipfile.ZipInfo]) -> None:
        self._path, self._entries = path, entries
        self._read: dict[str, np.ndarray] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._read:
            entry = self._entries[name]
            if entry.file_size + sum(array.nbytes for array in self._read.values()) > MAX_BYTES:
                raise BadInput(f"{self._path}: its arrays unpack to more than {MAX_BYTES >> 30} GB: refused")
            with _archive(self._path) as archive, archive.open(entry) as member:
                self._read[name] = np.lib.format.read_array(member, allow_pickle=False)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """A zip file, whose every fault is a BadInput."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except BadInput:
        raise
    except Exception as error:  # a hostile archive can fail anywhere in zlib, zipfile or numpy's header parser
        raise BadInput(f"{path}: expected an .npz archive of arrays, and it cannot be read as one ({error})") from error


def load_arrays(path: PathLike) -> Arrays:
    """The arrays of an `.npz`. BadInput for anything else: missing, not an archive, truncated, pickled."""
    path = existing_file(path, "the .npz file")
    with _archive(path) as archive:
        entries = [entry for entry in archive.infolist() if entry.filename.endswith(".npy")]
        for entry in entries:
            _check_member(archive, entry, str(path))
    return Arrays(path, {entry.filename[: -len(".npy")]: entry for entry in entries})
