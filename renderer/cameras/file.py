"""Camera files: cameras as JSON, for other programs and for `--camera FILE.json`.

    {"version": 1, "convention": "opencv", "height": 512, "width": 512,
     "intrinsics": [[[700, 0, 256], [0, 700, 256], [0, 0, 1]]],
     "camera_from_world": [[[1, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 0.8], [0, 0, 0, 1]]]}

Both matrices are those of `Cameras`, a frame axis after the view axis where a camera moves; "fps" (Hz) may stand
beside them as a note for other programs.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...core.errors import BadInput
from ...core.files import atomic_path, read_json
from .cameras import Cameras

VERSION = 1
CONVENTION = "opencv"
LARGEST = 64_000_000  # bytes of a camera file
_NEEDED = ("version", "convention", "height", "width", "intrinsics", "camera_from_world")
_KNOWN = (*_NEEDED, "fps")


def save_cameras(cameras: Cameras, path: str | os.PathLike[str], fps: float | None = None) -> None:
    """Writes the cameras as float32, which `load_cameras` brings back bit for bit; fps (Hz) is noted beside them.

    The file is there whole or not at all.  Raises ValueError where it cannot be written.
    """
    if fps is not None and not 0.0 < fps < math.inf:
        raise ValueError(f"fps must be a positive number of frames a second, got {fps!r}")
    if cameras.frames == 0:
        raise ValueError("a camera file needs at least one frame, got cameras of 0 frames")
    content = {
        "version": VERSION,
        "convention": CONVENTION,
        **({} if fps is None else {"fps": fps}),
        "height": cameras.height,
        "width": cameras.width,
        "intrinsics": _shortest(cameras.intrinsics),
        "camera_from_world": _shortest(cameras.camera_from_world),
    }
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in content.items())
    with atomic_path(path) as whole:
        Path(whole).write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


def load_cameras(path: str | os.PathLike[str]) -> Cameras:
    """The cameras in a camera file, float32.  BadInput names the file and what was expected in it."""
    return _cameras(path, read_json(path, "the camera file", LARGEST))


def given_cameras(spec: str, views: str | None = None) -> Cameras | None:
    """The cameras of `--camera SPEC` where that is a camera file; None where it is a move or a keyframe file.

    A camera file has its own views: BadInput where `views` are asked for besides.
    """
    if not spec.lower().endswith(".json"):
        return None
    content = read_json(spec, "the file of keyframes or cameras", LARGEST)
    if not isinstance(content, dict) or "camera_from_world" not in content:
        return None
    if views is not None:
        raise BadInput(f"{spec} is a camera file and has its own views: choose either it or --views {views}")
    return _cameras(spec, content)


def _cameras(path: str | os.PathLike[str], content: Any) -> Cameras:
    if not isinstance(content, dict):
        raise BadInput(f"{path}: expected an object with {', '.join(_NEEDED)}, got a {type(content).__name__}")
    for key in content:
        if key not in _KNOWN:
            raise BadInput(f"{path}: there is no {key[:60]!r} in a camera file; known are {', '.join(_KNOWN)}")
    missing = [name for name in _NEEDED if name not in content]
    if missing:
        raise BadInput(f"{path}: expected {', '.join(_NEEDED)}, and {', '.join(missing)} is missing")
    for name, known in (("version", VERSION), ("convention", CONVENTION)):
        if type(content[name]) is not type(known) or content[name] != known:
            raise BadInput(f"{path}: {name}: expected {known!r}, got {content[name]!r}")
    fps = content.get("fps", 1.0)
    if type(fps) not in (int, float) or not 0.0 < fps < math.inf:
        raise BadInput(f"{path}: fps: expected a positive number of frames a second, got {fps!r}")
    matrices = {name: _numbers(f"{path}: {name}", content[name]) for name in ("intrinsics", "camera_from_world")}
    try:
        return Cameras(**matrices, height=content["height"], width=content["width"])
    except ValueError as error:
        raise BadInput(f"{path}: {error}") from None


def _numbers(what: str, value: Any) -> Tensor:
    """Nested lists of finite numbers -> float32."""
    try:
        array = np.array(value, dtype=object)
        if any(type(number) not in (int, float) for number in array.flat):
            raise ValueError
        with np.errstate(over="ignore"):  # what overflows is refused below
            numbers = array.astype(np.float64).astype(np.float32)
    except (ValueError, OverflowError):  # text, null and true, lists of unequal length, numbers past all floats
        raise BadInput(f"{what}: expected matrices of numbers, as nested lists of equal length") from None
    if not np.isfinite(numbers).all():
        raise BadInput(f"{what}: expected finite numbers in the range of a float32, got NaN or a number beyond it")
    return torch.from_numpy(numbers)


def _shortest(value: Tensor) -> list[Any]:
    """Nested lists of floats that print as short as float32 allows (0.1, not 0.10000000149011612)."""
    exact = value.detach().cpu().float().numpy()
    short = exact.astype(str).astype(np.float64)
    # Rounding twice, to float64 and then to float32, may in principle miss: then every digit is written.
    return np.where(short.astype(np.float32) == exact, short, exact.astype(np.float64)).tolist()
