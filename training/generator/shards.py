"""Examples as shards: tar files in WebDataset's layout, one a clip, each `.npz` member a photo and a window."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...core.files import PathLike, atomic_path
from ...flame_motion import BadInput

INDEX = "index.json"
PICTURES = ("source", "warped", "target")  # uint8 [S, S, 3]; the rest is half precision
# All but the source have an axis of V T pictures before these.
ARRAYS = (*PICTURES, "visible", "depth", "normal", "flow", "rays", "landmarks", "motion", "weight")


def write_shard(path: Path, examples: Iterable[dict[str, np.ndarray]]) -> int:
    """Writes one clip's examples, `ARRAYS` by name each; returns how many. Equal examples make equal bytes."""
    count = 0
    with atomic_path(path) as file, tarfile.open(file, "w") as tar:
        for count, example in enumerate(examples, 1):
            buffer = io.BytesIO()
            np.savez_compressed(buffer, **{name: example[name] for name in ARRAYS})
            member = tarfile.TarInfo(f"{path.stem}_{count - 1:05d}.npz")
            member.size = buffer.tell()
            buffer.seek(0)
            tar.addfile(member, buffer)
    return count


def write_index(folder: Path, clips: dict[str, Any]) -> Path:
    """Writes what became of each clip: person, pairs (examples), views and frames, or why it is left out."""
    with atomic_path(folder / INDEX) as file:
        Path(file).write_text(json.dumps(clips, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return folder / INDEX


def read_index(folder: PathLike) -> dict[str, Any]:
    """What `write_index` wrote. BadInput for a folder without."""
    path = Path(folder) / INDEX
    try:
        clips = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(clips, dict):
            raise ValueError("not an object")
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{folder}: expected a folder that `flamecast prepare generator` made, with {INDEX} ({error})"
        ) from None
    return clips


def window_of(folder: PathLike) -> tuple[int, int]:
    """Views and frames of the windows in a folder. BadInput where clips differ."""
    found = {
        (entry.get("views", 1), entry.get("frames", 1)) for entry in read_index(folder).values() if "pairs" in entry
    }
    if len(found) > 1:
        raise BadInput(f"{folder}: windows of {' and '.join(f'{v} views x {t} frames' for v, t in sorted(found))}")
    return found.pop() if found else (1, 1)


def read_examples(
    folder: PathLike, people: Iterable[str] | None = None, without: Iterable[str] = ()
) -> dict[str, Tensor]:
    """All examples of some people (all when None), stacked by name: pictures uint8, the rest half. BadInput.

    A shard that is not whole is named; delete it, and preparing again makes it anew.
    """
    clips, left_out, wanted = read_index(folder), set(without), None if people is None else set(people)
    known = {entry["person"] for entry in clips.values() if "person" in entry}
    if unknown := sorted((left_out | (wanted or set())) - known):
        raise BadInput(f"{folder}: nobody is called {unknown[0]!r}; there are {', '.join(sorted(known))}")
    taken = known - left_out if wanted is None else wanted - left_out
    rows: dict[str, list[np.ndarray]] = {name: [] for name in ARRAYS}
    for clip, entry in sorted(clips.items()):
        if entry.get("person") in taken:
            for example in _read_shard(Path(folder) / f"{clip}.tar"):
                for name in ARRAYS:
                    rows[name].append(example[name])
    if not rows["target"]:
        raise BadInput(f"{folder}: no pairs are left")
    return {name: torch.from_numpy(np.stack(values)) for name, values in rows.items()}


def _read_shard(path: Path) -> Iterator[dict[str, np.ndarray]]:
    """The examples of a shard. BadInput where it is not whole."""
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                with np.load(io.BytesIO(tar.extractfile(member).read()), allow_pickle=False) as example:  # type: ignore[union-attr]
                    yield {name: example[name] for name in ARRAYS}
    except (OSError, tarfile.TarError, ValueError, KeyError, EOFError, AttributeError) as error:
        raise BadInput(
            f"{path} is no whole shard ({type(error).__name__}): delete it, and `flamecast prepare generator` again"
        ) from None


def rows_of(examples: dict[str, Tensor]) -> dict[str, Tensor]:
    """Examples as a network's inputs: float32, a row a picture, pictures [B, 3, S, S] 0..1."""
    each = examples["target"].shape[1]
    rows = {name: values.flatten(0, 1) for name, values in examples.items() if name != "source"}
    rows["source"] = examples["source"].repeat_interleave(each, 0)
    picture = lambda x: x.permute(0, 3, 1, 2).float() / 255  # noqa: E731
    return {name: picture(values) if name in PICTURES else values.float() for name, values in rows.items()}
