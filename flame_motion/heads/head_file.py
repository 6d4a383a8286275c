"""Heads from plain-array files; the built-in one among them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .head import DEFAULT_HEAD, Head

WHOLE = ("faces", "uv_faces", "part", "landmark_faces", "mediapipe_faces")  # arrays of whole numbers


def load_open_head() -> Head:
    """The built-in head that ships with flamecast."""
    return read_head(Path(__file__).with_name("open.npz"), DEFAULT_HEAD)


def read_head(path: Path, name: str) -> Head:
    """A Head from an .npz whose keys are its field names; the id carries the hash of the file's content."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    with np.load(path, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    if "mediapipe" in arrays:
        arrays |= at_vertices(arrays["faces"], arrays["mediapipe"])
    return head_from_arrays(arrays, f"{name}@{digest}")


def head_from_arrays(arrays: Mapping[str, np.ndarray], head_id: str) -> Head:
    """A Head from arrays by its field names, other names left out: whole numbers int64, the rest float32."""
    names = {field.name for field in fields(Head)} & arrays.keys() - {"id", "expression_names"}
    tensors: dict[str, Any] = {
        name: torch.from_numpy(np.asarray(arrays[name], np.int64 if name in WHOLE else np.float32)) for name in names
    }
    expression_names = tuple(str(name) for name in arrays["expression_names"])
    return Head(id=head_id, expression_names=expression_names, **{"pose_correctives": None, **tensors})


def at_vertices(faces: np.ndarray, vertices: np.ndarray) -> dict[str, np.ndarray]:
    """MediaPipe landmarks that are vertices [478] (-1: none), as in the built-in head's file, as places on faces."""
    first = np.full(faces.max() + 1, -1)
    first[faces.ravel()[::-1]] = np.arange(faces.size)[::-1]
    corner = np.where(vertices < 0, -1, first[vertices])
    bary = np.eye(3, dtype=np.float32)[corner % 3]
    return {"mediapipe_faces": np.where(corner < 0, -1, corner // 3), "mediapipe_bary": bary}
