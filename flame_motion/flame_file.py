"""FLAME model files: the user's own `.pkl`, read safely, converted once to plain arrays under FLAMECAST_HOME/heads."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .complete import completed
from .errors import BadInput, MissingAsset
from .files import existing_file
from .heads import PARENTS, WHOLE, Head, load_open_head
from .npz import load_arrays, save_arrays
from .safe_pickle import as_array, read_pickle

FORMAT_VERSION = 2
# What a FLAME file gives; the rest of a Head is computed (see `complete`).
GIVEN = ("template", "identity", "expression", "expression_names", "pose_correctives", "joint_regressor", "weights",
         "faces")  # fmt: skip
OPTIONAL = {"id", "pose_correctives", "mediapipe_faces", "mediapipe_bary", "landmark_faces", "landmark_bary"}
VERTICES, FACES, IDENTITY, JOINTS = 5023, 9976, 300, 5
OPEN_SHA256 = "e75a0990728ba038c7da2a420ae4396f7ddd7781366c13026066c5b24f127623"  # flame2023_Open.pkl
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
    """The plain-array twin of a FLAME `.pkl`, made when it is not there yet or was made by another version."""
    source = _digest(path)
    stem = path.stem.replace("@", "_")
    for name in (stem, f"{stem}-{source[:8]}"):  # two files may share a name: generic_model.pkl is FLAME 2019 and 2020
        target = heads_folder() / f"{name}.npz"
        known = _cached(target)
        if known is None or (str(known["source_sha256"]) == source and _outdated(known)):
            _keep(target, completed(load_open_head(), convert(path)), source)
            return target
        if str(known["source_sha256"]) == source:
            return target
    raise BadInput(f"{target}: exists and is not the converted {path}; remove it")


def _cached(target: Path) -> dict[str, np.ndarray] | None:
    """What was converted before; None when nothing was, or what is there cannot be read (it is made again then)."""
    if not target.exists():
        return None
    try:
        arrays = load_arrays(target)
    except BadInput:
        return None
    return {"source_sha256": np.array(""), **arrays}


def _outdated(arrays: dict[str, np.ndarray]) -> bool:
    """Whether a converted head was completed by another version of this program, or from another built-in head."""
    made = int(arrays.get("format_version", 0)), str(arrays.get("completed_with", ""))
    return made != (FORMAT_VERSION, load_open_head().id)


def _keep(target: Path, arrays: dict[str, np.ndarray], source: str) -> None:
    """Write a converted head. Stored, not deflated: it is read at every start."""
    about = {
        "format_version": np.array(FORMAT_VERSION),
        "completed_with": np.array(load_open_head().id),
        "source_sha256": np.array(source),
        "model": np.array(model_name(source)),
    }
    try:
        save_arrays(target, {**arrays, **about}, compress=False)
    except BadInput as error:
        raise BadInput(f"{error}; set FLAMECAST_HOME to a folder for converted heads") from error


def model_name(source: str) -> str:
    """Which model a file of this sha256 is. Only FLAME 2023 Open is told apart: it alone may be used commercially."""
    if source == OPEN_SHA256:
        return "FLAME 2023 Open (CC-BY-4.0; read the conditions on its page)"
    return f"a FLAME model, 2020 or 2023 (non-commercial unless its licence at {LICENCE_PAGE} says otherwise)"


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
    """A Head from the arrays of an `.npz` whose keys are its field names.

    `id` carries the hash of the FLAME file it was made from (so that completing it anew does not make it another
    head), or that of the `.npz` itself. A head converted by another version is completed again.
    """
    arrays = load_arrays(path)
    source = str(arrays.get("source_sha256", ""))
    _check_head_arrays(path, arrays)
    if source and _outdated(arrays):
        arrays = completed(load_open_head(), {name: arrays[name] for name in GIVEN})
        with suppress(BadInput):  # a folder that may only be read: complete it at every start
            _keep(path, arrays, source)
    names = {field.name for field in fields(Head)} & arrays.keys() - {"expression_names", "id"}
    values: dict[str, Any] = {
        name: torch.from_numpy(arrays[name].astype(np.int64 if name in WHOLE else np.float32)) for name in names
    }
    if "landmark_faces" not in values:
        values |= {"landmark_faces": torch.zeros(68).long(), "landmark_bary": torch.full((68, 3), torch.nan)}
    return Head(
        id=f"{path.stem.replace('@', '_')}@{(source or _digest(path))[:8]}",
        expression_names=tuple(str(name) for name in arrays["expression_names"]),
        **{"pose_correctives": None, **values},
    )


def _check_head_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """BadInput unless these are a head's arrays: nothing lacking, finite numbers, faces that point somewhere."""
    needed = {field.name for field in fields(Head)} - OPTIONAL
    if missing := sorted(needed - arrays.keys()):
        raise BadInput(f"{path}: not a head: it lacks {', '.join(missing)}")
    names = arrays["expression_names"]
    if names.ndim != 1 or names.dtype.kind != "U":
        raise BadInput(f"{path}: expression_names must be a list of texts, got {names.dtype} {list(names.shape)}")
    for name in sorted({field.name for field in fields(Head)} & arrays.keys() - {"expression_names", "id"}):
        if arrays[name].dtype.kind not in "fiu":
            raise BadInput(f"{path}: {name} must be numbers, got {arrays[name].dtype}")
        if name != "landmark_bary" and not np.isfinite(arrays[name]).all():
            raise BadInput(f"{path}: {name} holds NaN or infinite numbers: the file is damaged")
    for name, limit in (("faces", len(arrays["template"])), ("uv_faces", len(arrays["uv"]))):
        if arrays[name].size and not 0 <= arrays[name].min() <= arrays[name].max() < limit:
            raise BadInput(f"{path}: {name} must count from 0 to {limit - 1}, got numbers beyond: the file is damaged")
