"""Maps on disk, bit for bit: a folder of compressed chunks, one a window of frames.

    maps/
        maps.json      format, frames, fps, the maps there are, and in which frame each chunk begins
        cameras.json   the cameras, as `camera_file` writes them; rays follow from them and are not stored
        000000.npz     the maps of the frames from 0 on: arrays [V, t, H, W, ...] named as in `GeometryMaps`
        000008.npz     ...

The chunks are ordinary `.npz` files (arrays only): `numpy.load` opens them without flamecast.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..cameras.cameras import Cameras
from ..cameras.file import load_cameras, save_cameras
from ..geometry import plucker
from .maps import KINDS, GeometryMaps

FORMAT = 1
LEVEL = 1  # of deflate: higher ones take many times as long and gain a tenth


@dataclass(frozen=True)
class MapFolder:
    """Maps in a folder; `load_maps` opens one."""

    folder: Path
    cameras: Cameras
    fps: float
    frames: int
    starts: tuple[int, ...]  # the first frame of each chunk
    maps: tuple[str, ...]

    def __len__(self) -> int:
        return self.frames

    def __iter__(self) -> Iterator[GeometryMaps]:
        """The chunks in turn, as `stream_maps` gave them."""
        for start in self.starts:
            yield self._chunk(start)

    def read(self, start: int, stop: int) -> GeometryMaps:
        """The frames start..stop-1. Raises ValueError where there are no such frames."""
        if not 0 <= start < stop <= self.frames:
            raise ValueError(f"{self.folder} holds the frames 0..{self.frames - 1}, asked for {start}..{stop - 1}")
        ends = (*self.starts[1:], self.frames)
        parts: dict[str, list[torch.Tensor]] = {name: [] for name in self.maps}
        for first, end in zip(self.starts, ends):
            if first < stop and end > start:
                chunk = self._chunk(first)
                for name in self.maps:
                    parts[name].append(getattr(chunk, name)[:, max(start - first, 0) : stop - first])
        return GeometryMaps(**{name: torch.cat(found, dim=1) for name, found in parts.items()})

    def _chunk(self, start: int) -> GeometryMaps:
        path = self.folder / _name(start)
        try:
            with np.load(path, allow_pickle=False) as arrays:
                found = {name: torch.from_numpy(arrays[name]) for name in self.maps if name != "rays"}
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} holds no chunk of maps: {error}") from error
        count = min([end for end in (*self.starts, self.frames) if end > start]) - start
        expected = (self.cameras.views, count, self.cameras.height, self.cameras.width)
        for name, value in found.items():
            if value.shape != (*expected, *KINDS[name][0]):
                raise ValueError(f"{path}: {name} must have shape {[*expected, *KINDS[name][0]]}, got {[*value.shape]}")
        if "rays" in self.maps:
            rays = plucker(self.cameras.frame_range(start, start + count))
            found["rays"] = rays.expand(self.cameras.views, count, *rays.shape[2:])
        return GeometryMaps(**found)


def save_maps(chunks: Iterable[GeometryMaps], cameras: Cameras, fps: float, folder: str | Path) -> MapFolder:
    """Writes maps as they come, in constant memory. The folder must be there and empty; maps.json is written last, so
    that a folder cut short is none. Raises ValueError for cameras of another size and where nothing came."""
    folder = Path(folder)
    if any(folder.iterdir()):
        raise ValueError(f"{folder} must be empty to take maps")
    start = 0
    starts: list[int] = []
    names: tuple[str, ...] = ()
    for chunk in chunks:
        names = _checked(chunk, cameras, names if starts else None)
        arrays = {name: getattr(chunk, name).detach().cpu().numpy() for name in names if name != "rays"}
        count = getattr(chunk, names[0]).shape[1]
        with zipfile.ZipFile(folder / _name(start), "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as file:
            for name, value in arrays.items():
                with file.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, np.ascontiguousarray(value), allow_pickle=False)
        starts.append(start)
        start += count
    if not starts:
        raise ValueError("maps of no frames cannot be saved")
    save_cameras(cameras, folder / "cameras.json")
    about = {"format": FORMAT, "frames": start, "fps": fps, "maps": list(names), "chunks": starts}
    (folder / "maps.json").write_text(json.dumps(about) + "\n", encoding="utf-8")
    return load_maps(folder)


def load_maps(folder: str | Path) -> MapFolder:
    """Opens a folder that `save_maps` wrote; the chunks are read when they are asked for. Raises ValueError."""
    folder = Path(folder)
    try:
        about = json.loads((folder / "maps.json").read_text(encoding="utf-8"))
        if about["format"] != FORMAT:
            raise ValueError(f"its format is {about['format']!r}, expected {FORMAT}")
        starts, maps = tuple(map(int, about["chunks"])), tuple(map(str, about["maps"]))
        frames, fps = int(about["frames"]), float(about["fps"])
    except (OSError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise ValueError(f"{folder} holds no maps (maps.json: {error})") from error
    unknown = [name for name in maps if name not in KINDS and name != "rays"]
    if unknown or not starts or list(starts) != sorted({0, *starts}) or starts[-1] >= frames:
        raise ValueError(f"{folder} holds no maps (maps.json names {unknown or 'chunks that do not follow'})")
    cameras = load_cameras(folder / "cameras.json")
    return MapFolder(folder, cameras, fps, frames, starts, maps)


def _checked(chunk: GeometryMaps, cameras: Cameras, before: tuple[str, ...] | None) -> tuple[str, ...]:
    """The maps of a chunk, once they are of these cameras' size and the same as in the chunks before."""
    names = chunk.names()
    if not names or (before is not None and names != before):
        raise ValueError(f"every chunk must hold the same maps ({', '.join(before or ['at least one'])}), got {names}")
    count = getattr(chunk, names[0]).shape[1]
    expected = (cameras.views, count, cameras.height, cameras.width)
    for name in names:
        if getattr(chunk, name).shape[:4] != expected:
            raise ValueError(
                f"{name} must have shape {[*expected]} of the cameras, got {[*getattr(chunk, name).shape]}"
            )
    return names


def _name(start: int) -> str:
    return f"{start:06d}.npz"
