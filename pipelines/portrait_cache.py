"""Fitted portraits kept on the user's disk and found by what is in the photo's file, so that a photo is fitted once.

Commands keep them for who runs them, in FLAMECAST_HOME/portraits, which only the user may read; the page keeps a
visitor's among that visitor's own files, and they go with these. The least recently used go when together they are too
large. Whatever is wrong with one, it is made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from ..core.files import own_folder
from ..core.npz import load_arrays, save_arrays
from ..flame_motion import BadInput, load_head
from ..generator import Portrait

FORMAT = 1
MAX_BYTES = 512 << 20  # of all that is kept: a dozen photos of 12 million pixels, or hundreds of small ones
_LARGEST_PHOTO = 200 << 20  # bytes that are read to tell photos apart; one of more is fitted each time
_NAME = re.compile(r"[0-9a-f]{64}\.npz")  # ours in that folder: nothing else there is ever touched
_PACKAGES = (  # of what a fit is computed with
    "flamecast", "mediapipe", "numba", "numpy", "opencv-contrib-python", "pillow", "scikit-image", "scipy", "torch",
)  # fmt: skip
_ROOMS = ("core", "flame_motion", "renderer", "generator")  # whose code and weights decide how a photo is fitted
_CODE = (".py", ".json", ".npz", ".safetensors")


@dataclass(frozen=True)
class KeptPortrait:
    """Where the fitted portrait of one photo is kept, whether it is there yet or not."""

    photo: str
    face: int
    head: str
    file: Path

    @classmethod
    def of(cls, photo: object, face: int, head: str, folder: Path | None = None) -> KeptPortrait | None:
        """The place for a photo's file, or `demo`; None for what is no such file, and where there is no home.

        folder: where it is kept instead of the home.
        """
        if not isinstance(photo, (str, os.PathLike)) or str(photo).endswith(".npz"):
            return None
        try:
            name = _name(str(photo), face, head)
            return cls(str(photo), face, head, (folder or own_folder("portraits")) / f"{name}.npz")
        except (OSError, RuntimeError):  # what is wrong with the photo is said by who reads it
            return None

    def load(self) -> tuple[Portrait, list[str]] | None:
        """The portrait and what to know of its fit; None where it is not there, or not whole."""
        try:
            data = load_arrays(self.file)
            found = Portrait.from_arrays(data, self.file), [str(note) for note in data["notes"]]
            os.utime(self.file)  # used just now
        except (BadInput, KeyError, OSError):
            return None
        return found

    def save(self, portrait: Portrait, notes: list[str]) -> None:
        """Keeps it, and lets older ones go. Where it cannot be kept, or the photo was saved meanwhile, nothing is."""
        with contextlib.suppress(OSError, BadInput):
            if _name(self.photo, self.face, self.head) != self.file.stem:
                return
            arrays = portrait.arrays() | {"notes": np.array(notes, dtype=np.str_)}
            if sum(array.nbytes for array in arrays.values()) < MAX_BYTES:
                save_arrays(self.file, arrays, compress=False, private=True)
                _let_go(self.file.parent, MAX_BYTES)


def kept_portraits() -> tuple[Path, int, int]:
    """The folder of the portraits that are kept, how many there are, and their bytes together. RuntimeError."""
    folder = own_folder("portraits")
    sizes = [found.st_size for _, found in _entries(folder)]
    return folder, len(sizes), sum(sizes)


def _let_go(folder: Path, most: int) -> None:
    """Removes the least recently used of a folder until they hold at most that many bytes."""
    entries = sorted(_entries(folder), key=lambda entry: entry[1].st_mtime_ns)
    total = sum(found.st_size for _, found in entries)
    for file, found in entries:
        if total <= most:
            return
        file.unlink(missing_ok=True)
        total -= found.st_size


def _entries(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """The portraits in a folder; another process may remove some meanwhile."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as found:
        for entry in found:
            if _NAME.fullmatch(entry.name):
                with contextlib.suppress(FileNotFoundError):
                    yield Path(entry.path), entry.stat(follow_symlinks=False)


def _name(photo: str, face: int, head: str) -> str:
    """A name made of all that decides what the fit is: the photo's bytes, which face, the head, code and weights.

    OSError where the photo cannot be read, or is too large.
    """
    digest = hashlib.sha256(repr((FORMAT, photo == "demo", face, load_head(head).id, _versions(), _code())).encode())
    if photo != "demo":
        if not os.path.isfile(photo) or os.path.getsize(photo) > _LARGEST_PHOTO:
            raise OSError(f"{photo} is not read twice")
        with open(photo, "rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    return digest.hexdigest()


def _versions() -> list[str]:
    found = []
    for package in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found.append(f"{package} {version(package)}")
    return found


def _code() -> list[tuple[str, int, int]]:
    """Name, size and time of every file that a fit depends on: who changes the code gets no fit of the old one."""
    found = []
    for room in _ROOMS:
        for folder, _, names in os.walk(Path(__file__).parents[1] / room):
            for name in names:
                if name.endswith(_CODE):
                    status = os.stat(os.path.join(folder, name))
                    found.append((name, status.st_size, status.st_mtime_ns))
    return sorted(found)
