"""FLAME model files: the user's own `.pkl`, read safely, converted once to plain arrays under FLAMECAST_HOME/heads."""

from __future__ import annotations

import hashlib
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .errors import BadInput, MissingAsset
from .files import existing_file
from .heads import PARENTS, WHOLE, Head, load_open_head
from .complete import completed
from .npz import load_arrays, save_arrays
from .safe_pickle import as_array, read_pickle

FORMAT_VERSION = 2
VERTICES, FACES, IDENTITY, JOINTS = 5023, 9976, 300, 5
LICENCE_PAGE = "https://flame.is.tue.mpg.de"


def heads_folder() -> Path:
    """Where converted heads live: FLAMECAST_HOME/heads (default ~/.flamecast/heads)."""
    return Path(os.environ.get("FLAMECAST_HOME") or Path.home() / ".flamecast") / "heads"


def load_flame(path: Path) -> Head:
    """The head of a FLAME `.pkl` (converted at first use) or of a converted `.npz`.

    MissingAsset when there is no such file; BadInput when it is not FLAME. Nothing in it is ever run.
    """
    path = Path(os.path.expanduser(path))
    if not os.path.exists(path):
        raise _missing(str(path))
    existing_file(path, "the head file")
    return read_converted(path) if path.suffix == ".npz" else read_converted(_converted(path))


def find_converted(name: str) -> Head:
    """The head called `name` among the files in `heads_folder()`. MissingAsset (FLAME) or BadInput (any other name)."""
    folder = heads_folder()
    if name and "/" not in name and os.sep not in name:
        for file in (folder / f"{name}.npz", folder / f"{name}.pkl"):
            if file.is_file():
                return load_flame(file)
    if "flame" in name.lower() or name.lower().startswith("generic_model"):
        raise _missing(name)
    known = ["open", *sorted({file.stem for ending in ("npz", "pkl") for file in folder.glob(f"*.{ending}")})]
    raise BadInput(f"head {name!r} is not known; there is {', '.join(known)}, or give the path of a FLAME .pkl file")


def _missing(what: str) -> MissingAsset:
    return MissingAsset(
        f"the FLAME model {what} is not here: accept the licence at {LICENCE_PAGE}, download FLAME 2023 Open "
        f"(flame2023_Open.pkl, CC-BY-4.0) or another FLAME model there, and put the .pkl file into {heads_folder()} "
        "or give its path; without it everything works with the built-in head 'open'"
    )


# -- conversion --------------------------------------------------------------------------------------------------------


def _converted(path: Path) -> Path:
    """The plain-array twin of a FLAME `.pkl`, made when it is not there yet."""
    source = _digest(path)
    stem = path.stem.replace("@", "_")
    for name in (stem, f"{stem}-{source[:8]}"):  # two files may share a name: generic_model.pkl is FLAME 2019 and 2020
        target = heads_folder() / f"{name}.npz"
        if not target.exists():
            arrays = completed(load_open_head(), convert(path))
            try:
                # Stored, not deflated: the head's id is this file's hash, and zlib versions differ.
                save_arrays(
                    target,
                    {"format_version": np.array(FORMAT_VERSION), **arrays, "source_sha256": np.array(source)},
                    compress=False,
                )
            except BadInput as error:
                raise BadInput(f"{error}; set FLAMECAST_HOME to a folder for converted heads") from error
            return target
        if str(load_arrays(target).get("source_sha256", "")) == source:
            return target
    raise BadInput(f"{target}: exists and is not the converted {path}; remove it")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def convert(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a `Head` (keys are its field names) from a FLAME `.pkl`. BadInput when it is not FLAME."""
    content = read_pickle(path)
    wanted = {
        "v_template": (VERTICES, 3),
        "f": (FACES, 3),
        "shapedirs": (VERTICES, 3, None),
        "posedirs": (VERTICES, 3, 9 * (JOINTS - 1)),
        "J_regressor": (JOINTS, VERTICES),
        "weights": (VERTICES, JOINTS),
        "kintree_table": (2, JOINTS),
    }
    if missing := sorted(wanted.keys() - content.keys()):
        raise BadInput(f"{path}: not a FLAME model: it lacks {', '.join(missing)}")
    arrays = {name: _checked(path, name, content[name], shape) for name, shape in wanted.items()}
    _check_tree(path, arrays)
    axes = arrays["shapedirs"].shape[-1]
    if axes <= IDENTITY:
        raise BadInput(
            f"{path}: shapedirs: expected {IDENTITY} identity axes and then expression axes, got {axes} in all"
        )
    return {
        "template": arrays["v_template"].astype(np.float32),
        "identity": arrays["shapedirs"][..., :IDENTITY].astype(np.float32),
        "expression": arrays["shapedirs"][..., IDENTITY:].astype(np.float32),
        "expression_names": np.array([f"expression_{k:03d}" for k in range(axes - IDENTITY)]),
        "pose_correctives": arrays["posedirs"].astype(np.float32),
        "joint_regressor": arrays["J_regressor"].astype(np.float32),
        "weights": arrays["weights"].astype(np.float32),
        "faces": arrays["f"].astype(np.int64),
    }


def _checked(path: Path, name: str, value: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    try:
        array = as_array(value, name)
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error
    if array.ndim != len(shape) or any(want not in (None, got) for want, got in zip(shape, array.shape)):
        spelled = ", ".join("K" if size is None else str(size) for size in shape)
        raise BadInput(f"{path}: not FLAME's topology: {name} must be [{spelled}], got {list(array.shape)}")
    if not np.isfinite(array).all():
        raise BadInput(f"{path}: {name} holds NaN or infinite numbers: the file is damaged")
    return array


def _check_tree(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Refuse faces that point nowhere and joints in another order than ours."""
    faces, parents = arrays["f"], arrays["kintree_table"][0].astype(np.int64)
    if faces.min() < 0 or faces.max() >= VERTICES:
        raise BadInput(f"{path}: f must index {VERTICES} vertices, got {faces.min()} to {faces.max()}")
    if tuple(int(parent) for parent in parents[1:]) != PARENTS[1:]:
        raise BadInput(f"{path}: kintree_table: expected the parents {PARENTS[1:]}, got {parents[1:].tolist()}")


def read_converted(path: Path) -> Head:
    """A Head from the arrays of an `.npz` whose keys are its field names; `id` carries the hash of the file."""
    arrays = load_arrays(path)
    optional = {"id", "pose_correctives", "mediapipe_faces", "mediapipe_bary", "landmark_faces", "landmark_bary"}
    if missing := sorted({field.name for field in fields(Head)} - optional - arrays.keys()):
        raise BadInput(f"{path}: not a head: it lacks {', '.join(missing)}")
    names = arrays["expression_names"]
    if names.ndim != 1 or names.dtype.kind != "U":
        raise BadInput(f"{path}: expression_names must be a list of texts, got {names.dtype} {list(names.shape)}")
    values: dict[str, Any] = {"pose_correctives": None}
    for name in {field.name for field in fields(Head)} & arrays.keys() - {"expression_names"}:
        if arrays[name].dtype.kind not in "fiu" or (name != "landmark_bary" and not np.isfinite(arrays[name]).all()):
            raise BadInput(f"{path}: {name} must be finite numbers, got {arrays[name].dtype}")
        values[name] = torch.from_numpy(arrays[name].astype(np.int64 if name in WHOLE else np.float32))
    if "landmark_faces" not in values:
        values |= {
            "landmark_faces": torch.zeros(68, dtype=torch.int64),
            "landmark_bary": torch.full((68, 3), torch.nan),
        }
    digest = str(arrays.get("source_sha256", "")) or _digest(path)
    return Head(
        id=f"{path.stem.replace('@', '_')}@{digest[:8]}",
        expression_names=tuple(str(name) for name in names),
        **values,
    )
