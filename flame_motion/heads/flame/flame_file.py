"""What a FLAME `.pkl` holds, as the arrays of a `Head`. Nothing in it is ever run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ....core.errors import BadInput
from ..head import PARENTS
from .safe_pickle import as_array, read_pickle
from .topology import FACES, IDENTITY, JOINTS, VERTICES

OPEN_SHA256 = "e75a0990728ba038c7da2a420ae4396f7ddd7781366c13026066c5b24f127623"  # flame2023_Open.pkl
LICENCE_PAGE = "https://flame.is.tue.mpg.de"
# What a FLAME file gives; the rest of a Head is computed (see `complete`).
GIVEN = ("template", "identity", "expression", "expression_names", "pose_correctives", "joint_regressor", "weights",
         "faces")  # fmt: skip


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


def model_name(source: str) -> str:
    """Which model a file of this sha256 is. Only FLAME 2023 Open is recognised: it alone may be used commercially."""
    if source == OPEN_SHA256:
        return "FLAME 2023 Open (CC-BY-4.0; read the conditions on its page)"
    return f"a FLAME model, 2020 or 2023 (non-commercial unless its licence at {LICENCE_PAGE} says otherwise)"
