"""Footage as shards: tar files in WebDataset's layout, one a clip, each `.npz` member a photo and a window.

A window is what is made of the photo at once: V views of T frames in a row, V T pictures, frames running fastest. A
pair is a window of one picture.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...core.files import PathLike, atomic_path
from ...flame_motion import BadInput

INDEX = "index.json"
PICTURES = ("source", "warped", "target")  # uint8 [S, S, 3]; the rest is half precision
# All but the source with an axis of V T pictures before.
ARRAYS = (*PICTURES, "visible", "depth", "normal", "flow", "rays", "landmarks", "motion", "weight")


def write_shard(path: Path, pairs: Iterable[dict[str, np.ndarray]]) -> int:
    """Writes one clip's windows, each `ARRAYS` by name; how many. The same windows make the same bytes."""
    count = 0
    with atomic_path(path) as file, tarfile.open(file, "w") as tar:
        for count, pair in enumerate(pairs, 1):
            buffer = io.BytesIO()
            np.savez_compressed(buffer, **{name: pair[name] for name in ARRAYS})
            member = tarfile.TarInfo(f"{path.stem}_{count - 1:05d}.npz")
            member.size = buffer.tell()
            buffer.seek(0)
            tar.addfile(member, buffer)
    return count


def write_index(folder: Path, told: dict[str, Any]) -> Path:
    """What became of each clip, by its name: person, pairs, views and frames of a window, or why it is left out."""
    with atomic_path(folder / INDEX) as file:
        Path(file).write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return folder / INDEX


def read_index(folder: PathLike) -> dict[str, Any]:
    """What `write_index` wrote. BadInput for a folder without."""
    path = Path(folder) / INDEX
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(told, dict):
            raise ValueError("not an object")
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{folder}: expected a folder that `flamecast prepare generator` made, with {INDEX} ({error})"
        ) from None
    return told


def window_of(folder: PathLike) -> tuple[int, int]:
    """Views and frames of the windows in a folder. BadInput where clips differ."""
    found = {
        (entry.get("views", 1), entry.get("frames", 1)) for entry in read_index(folder).values() if "pairs" in entry
    }
    if len(found) > 1:
        raise BadInput(f"{folder}: windows of {' and '.join(f'{v} views x {t} frames' for v, t in sorted(found))}")
    return found.pop() if found else (1, 1)


def read_pairs(folder: PathLike, people: Iterable[str] | None = None, without: Iterable[str] = ()) -> dict[str, Tensor]:
    """All windows of some people (all when None), stacked by name: pictures uint8, the rest half. BadInput.

    A shard that is not whole is named; delete it, and preparing again makes it anew.
    """
    told, left_out, wanted = read_index(folder), set(without), None if people is None else set(people)
    known = {entry["person"] for entry in told.values() if "person" in entry}
    if unknown := sorted((left_out | (wanted or set())) - known):
        raise BadInput(f"{folder}: nobody is called {unknown[0]!r}; there are {', '.join(sorted(known))}")
    rows: dict[str, list[np.ndarray]] = {name: [] for name in ARRAYS}
    for clip, entry in sorted(told.items()):
        person = entry.get("person")
        if person is None or person in left_out or (wanted is not None and person not in wanted):
            continue
        path = Path(folder) / f"{clip}.tar"
        try:
            with tarfile.open(path) as tar:
                for member in tar:
                    with np.load(io.BytesIO(tar.extractfile(member).read()), allow_pickle=False) as pair:  # type: ignore[union-attr]
                        for name in ARRAYS:
                            rows[name].append(pair[name])
        except (OSError, tarfile.TarError, ValueError, KeyError, EOFError, AttributeError) as error:
            raise BadInput(
                f"{path} is no whole shard ({type(error).__name__}): delete it, and `flamecast prepare generator` again"
            ) from None
    if not rows["target"]:
        raise BadInput(f"{folder}: no pairs are left")
    return {name: torch.from_numpy(np.stack(values)) for name, values in rows.items()}


def as_given(pairs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Windows as a network takes them: float32, a row a picture, pictures [B, 3, S, S] 0..1."""
    each = pairs["target"].shape[1]
    rows = {name: values.flatten(0, 1) for name, values in pairs.items() if name != "source"}
    rows["source"] = pairs["source"].repeat_interleave(each, 0)
    picture = lambda x: x.permute(0, 3, 1, 2).float() / 255  # noqa: E731
    return {name: picture(values) if name in PICTURES else values.float() for name, values in rows.items()}
