"""Tracks of FLAME that other programs save, read as `FlameSequence`: VHAP, CAP4D."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...core.errors import BadInput
from ...core.files import PathLike
from ...core.npz import load_arrays
from .. import rotations
from ..heads.head import Head
from ..heads.library import load_head

VHAP_KEYS = ("expr", "rotation", "neck_pose", "jaw_pose", "eyes_pose", "translation")
CAP4D_KEYS = ("expr", "rot", "tra", "eye_rot")
RATE_KEYS = ("fps", "framerate", "videofps")  # in lower case, without underscores


def read_vhap(path: PathLike, head: str | Head) -> dict[str, Any]:
    """The fields, all but `fps`, of a `FlameSequence` from a VHAP track.

    That is `tracked_flame_params_*.npz`, or the `flame_param/` folder of one file a frame that VHAP exports.

    Keys read: `shape [S]` (else zeros), `expr [T,E]`, `rotation`, `neck_pose`, `jaw_pose`, `translation [T,3]`,
    `eyes_pose [T,6]` (left, right). VHAP poses FLAME as we do, so all are taken as they are. Not carried:
    `static_offset`, `dynamic_offset`, texture, lights, cameras. The file does not say its FLAME version: give the
    `head` that was tracked with (an id, name, file or Head). BadInput when the file does not fit it.
    """
    person = load_head(head)
    files = sorted(Path(path).glob("*.npz")) if Path(path).is_dir() else [Path(path)]
    if not files:
        raise BadInput(f"{path}: expected VHAP's .npz files in this folder, found none")
    parts = [load_arrays(file) for file in files]
    for file, part in zip(files, parts, strict=True):
        _check_keys(file, part, "VHAP", VHAP_KEYS)

    def track(name: str, *axes: int) -> Tensor:
        pieces = [_track(file, part, name, *axes) for file, part in zip(files, parts, strict=True)]
        return torch.cat(pieces)

    expression = _fitted(path, "expr", track("expr", -1), person.expression.shape[-1])
    return {
        "shape": _shape(path, parts[0], len(expression), person),
        "expression": expression,
        "rotation": track("rotation", 3),
        "neck": track("neck_pose", 3),
        "jaw": track("jaw_pose", 3),
        "eyes": track("eyes_pose", 6).reshape(-1, 2, 3),
        "eyelids": torch.zeros(len(expression), 2),
        "translation": track("translation", 3),
        "head": person.id,
    }


def read_cap4d(path: PathLike, head: str | Head) -> dict[str, Any]:
    """The fields, all but `fps`, of a `FlameSequence` from a CAP4D `fit.npz`.

    Keys read: `shape [S]` (else zeros), `expr [T,E]` (CAP4D puts a blink shape in the place of its last axis: it
    becomes our eyelids), `rot`, `tra [T,3]`, `eye_rot [T,3]` (both eyes), and where present `neck_rot`, `jaw_rot
    [T,3]`. Cameras are not carried. CAP4D turns the head about the origin and then its torso against it about joint
    0; we turn the torso and then the head at the neck. The head's own motion stays exact, the torso differs by
    where it pivots. CAP4D fits `flame2023_no_jaw.pkl`: give that file (or the id made from it) as `head`.
    """
    person = load_head(head)
    arrays = load_arrays(path)
    _check_keys(path, arrays, "CAP4D", CAP4D_KEYS)
    expression = _track(path, arrays, "expr", -1)
    turn, shift, gaze = (_track(path, arrays, name, 3) for name in ("rot", "tra", "eye_rot"))
    still = torch.zeros_like(turn)
    torso = _track(path, arrays, "neck_rot", 3) if "neck_rot" in arrays else still
    jaw = _track(path, arrays, "jaw_rot", 3) if "jaw_rot" in arrays else still
    _check_lengths(path, expression, turn, shift, gaze, torso, jaw)
    blink = expression[:, -1:].clamp(0, 1)
    shape = _shape(path, arrays, len(expression), person)
    coefficients = _fitted(path, "expr", expression[:, :-1], person.expression.shape[-1])
    root, neck = _joints(person, shape, coefficients)
    body = rotations.compose(turn, torso)
    # Theirs moves a head point x to R x + tra; ours to R (x - neck) + B (neck - root) + root + t, with B = R torso.
    moved = _turned(turn, neck) - _turned(body, neck - root)
    return {
        "shape": shape,
        "expression": coefficients,
        "rotation": body,
        "neck": -torso,
        "jaw": jaw,
        "eyes": gaze[:, None].repeat(1, 2, 1),
        "eyelids": blink.repeat(1, 2),
        "translation": shift + moved - root,
        "head": person.id,
    }


def track_rate(path: PathLike) -> float | None:
    """The rate, Hz, that a VHAP or CAP4D file (or folder: its first file) says; None where it says none.

    Keys: `fps`, `frame_rate`, `video_fps`, in any case; a number or equal ones. BadInput where that is no rate.
    """
    files = sorted(Path(path).glob("*.npz"))[:1] if Path(path).is_dir() else [Path(path)]
    for arrays in map(load_arrays, files):
        for key in (key for key in arrays if key.lower().replace("_", "") in RATE_KEYS):
            array = arrays[key]
            rates = np.unique(array)
            if array.dtype.kind not in "fiu" or len(rates) != 1 or not 0 < rates[0] < np.inf:
                raise BadInput(f"{path}: {key}: expected one number of frames a second above 0, got {array!r:.60}")
            return float(rates[0])
    return None


def _joints(head: Head, shape: Tensor, expression: Tensor) -> tuple[Tensor, Tensor]:
    """Where the root and the neck of this person are before any turn: [T, 3], [T, 3] m."""
    joints = head.joint_regressor[:2] @ (head.template + head.identity @ shape)
    axes = torch.einsum("jn,nce->jce", head.joint_regressor[:2], head.expression)
    root, neck = (joints + torch.einsum("jce,te->tjc", axes, expression)).unbind(1)
    return root, neck


def _turned(axis_angle: Tensor, points: Tensor) -> Tensor:
    """Points [T, 3] turned by axis-angle [T, 3]."""
    return (rotations.matrix_from_axis_angle(axis_angle) @ points[..., None]).squeeze(-1)


def _check_keys(path: PathLike, arrays: Mapping[str, np.ndarray], origin: str, keys: tuple[str, ...]) -> None:
    if missing := [key for key in keys if key not in arrays]:
        has = ", ".join(arrays) or "nothing"
        raise BadInput(f"{path}: not a {origin} file: it lacks {', '.join(missing)} (it has {has})")
    for key in keys:
        if arrays[key].dtype.kind not in "fiu":
            raise BadInput(f"{path}: {key}: expected numbers, got {arrays[key].dtype}")


def _shape(path: PathLike, arrays: Mapping[str, np.ndarray], frames: int, head: Head) -> Tensor:
    """Identity [S] of a file: `shape` as [S], [1, S] or [T, S] of one person; zeros where the file has none."""
    size = head.identity.shape[-1]
    if "shape" not in arrays:
        return torch.zeros(size)
    array = arrays["shape"]
    if array.dtype.kind not in "fiu":
        raise BadInput(f"{path}: shape: expected numbers, got {array.dtype}")
    rows = np.atleast_2d(array)
    if rows.ndim != 2 or rows.shape[0] not in (1, frames) or rows.shape[1] < 1:
        raise BadInput(f"{path}: shape: expected [S], [1, S] or [{frames}, S], got {list(array.shape)}")
    if (rows != rows[:1]).any() and not np.isnan(rows).any():
        raise BadInput(f"{path}: shape: expected one person, and its {frames} frames have different shapes: cut it")
    return _fitted(path, "shape", torch.from_numpy(rows[0].astype(np.float32)), size)


def _track(path: PathLike, arrays: Mapping[str, np.ndarray], name: str, axis: int) -> Tensor:
    """One channel as [T, axis] (-1: any length of at least 1)."""
    array = arrays[name]
    if array.ndim != 2 or array.shape[1] < 1 or (axis != -1 and array.shape[1] != axis):
        raise BadInput(f"{path}: {name}: expected [T, {'E' if axis == -1 else axis}], got {list(array.shape)}")
    return torch.from_numpy(array.astype(np.float32))


def _check_lengths(path: PathLike, *tracks: Tensor) -> None:
    if len(lengths := {len(track) for track in tracks}) != 1:
        raise BadInput(f"{path}: its channels have different numbers of frames: {sorted(lengths)}")


def _fitted(path: PathLike, name: str, values: Tensor, size: int) -> Tensor:
    """Coefficients [..., K] for a head with `size` axes: padded with zeros; cut only where nothing is lost."""
    extra = values[..., size:]
    if bool((extra != 0).any()):
        sizes = f"{name} uses {values.shape[-1]} axes and the head has {size}"
        raise BadInput(f"{path}: {sizes}; load the FLAME it was made with")
    return torch.nn.functional.pad(values[..., :size], (0, max(0, size - values.shape[-1])))
