"""FLAME heads by name or file: the user's own `.pkl` converted once to plain arrays under FLAMECAST_HOME/heads."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

import numpy as np

from ....core.errors import BadInput, MissingAsset
from ....core.files import existing_file, own_folder
from ....core.npz import load_arrays, save_arrays
from ..head import DEFAULT_HEAD, Head
from ..head_file import head_from_arrays, load_open_head
from .flame_file import GIVEN, LICENCE_PAGE, convert, model_name

FORMAT_VERSION = 2
OPTIONAL = {"id", "pose_correctives", "mediapipe_faces", "mediapipe_bary", "landmark_faces", "landmark_bary", "prior"}


def heads_folder() -> Path:
    """Where converted heads live: FLAMECAST_HOME/heads (default ~/.flamecast/heads)."""
    return own_folder("heads")


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
    known = [DEFAULT_HEAD, *sorted({file.stem for ending in ("npz", "pkl") for file in folder.glob(f"*.{ending}")})]
    raise BadInput(f"head {name!r} is not known; there is {', '.join(known)}, or give the path of a FLAME .pkl file")


def _missing(what: str) -> MissingAsset:
    return MissingAsset(
        f"the FLAME model {what} is not here: accept the licence at {LICENCE_PAGE}, download FLAME 2023 Open "
        f"(flame2023_Open.pkl, CC-BY-4.0) or another FLAME model there, and put the .pkl file into {heads_folder()} "
        "or give its path; without it everything works with the built-in head 'open'"
    )


# -- converting --------------------------------------------------------------------------------------------------------


def _converted(path: Path) -> Path:
    """The plain-array twin of a FLAME `.pkl`, made when it is not there yet or was made by another version."""
    source = _digest(path)
    stem = path.stem.replace("@", "_")
    for name in (stem, f"{stem}-{source[:8]}"):  # two files may share a name: generic_model.pkl is FLAME 2019 and 2020
        target = heads_folder() / f"{name}.npz"
        known = _cached(target)
        if known is None or (str(known["source_sha256"]) == source and _outdated(known)):
            from .complete import completed

            _keep(target, completed(load_open_head(), convert(path)), source)
            return target
        if str(known["source_sha256"]) == source:
            return target
    raise BadInput(f"{target}: exists and is not the converted {path}; remove it")


def _cached(target: Path) -> dict[str, np.ndarray] | None:
    """The arrays converted before; None when there are none, or they cannot be read (they are made again then)."""
    if not target.exists():
        return None
    try:
        arrays = load_arrays(target)
    except BadInput:
        return None
    return {"source_sha256": np.array(""), **arrays}


def _outdated(arrays: Mapping[str, np.ndarray]) -> bool:
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


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# -- reading what was converted ----------------------------------------------------------------------------------------


def read_converted(path: Path) -> Head:
    """A Head from the arrays of an `.npz` whose keys are its field names.

    `id` carries the hash of the FLAME file it was made from (so that completing it anew does not make it another
    head), or that of the `.npz` itself. A head converted by another version is completed again.
    """
    arrays: Mapping[str, np.ndarray] = load_arrays(path)
    source = str(arrays.get("source_sha256", ""))
    _check_head_arrays(path, arrays)
    if source and _outdated(arrays):
        from .complete import completed

        arrays = completed(load_open_head(), {name: arrays[name] for name in GIVEN})
        with suppress(BadInput):  # a folder that may only be read: complete it at every start
            _keep(path, arrays, source)
    if "landmark_faces" not in arrays:
        unknown = {"landmark_faces": np.zeros(68, np.int64), "landmark_bary": np.full((68, 3), np.nan)}
        arrays = {**arrays, **unknown}
    return head_from_arrays(arrays, f"{path.stem.replace('@', '_')}@{(source or _digest(path))[:8]}")


def _check_head_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
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
