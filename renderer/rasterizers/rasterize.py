"""Which triangle is seen at each pixel?  One question, several back ends, chosen by name.

A back end is a function of the entry point group `flamecast.rasterizers`:

    def rasterize(clip, faces, height, width): ...
        # [B, N, 4] clip space, [F, 3] int -> [B, H, W] int32 on clip's device, -1 where nothing is seen

The rules every back end keeps, so that all give the same picture:
- a pixel is seen at its centre; a centre on an edge belongs to the triangle (inclusive), from either side of it;
- the nearest triangle wins, by 1/w rounded to float32, and among equals the one with the lowest index;
- nothing with z < -w (before the near plane) is seen, and triangles that cross that plane are seen beyond it;
- triangles without area, seen edge-on, or with a NaN in them are not seen.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ...core.errors import BadInput
from ...core.extras import how_to_install
from ...core.plugins import registered

DEFAULT_RASTERIZER = "auto"  # see `resolved`
GROUP = "flamecast.rasterizers"
BUILT_IN = {name: f"{name}_rasterizer:rasterize" for name in ("numba", "torch", "cuda", "pytorch3d", "nvdiffrast")}

_FROM_SOURCE = "it has no wheel on PyPI, build it from"
# What some of the built-in back ends need beyond flamecast's own requirements, and how to get it.
OPTIONAL = {
    "cuda": ("warp", how_to_install("cuda")),
    "pytorch3d": ("pytorch3d", f"{_FROM_SOURCE} https://github.com/facebookresearch/pytorch3d"),
    "nvdiffrast": ("nvdiffrast", f"{_FROM_SOURCE} https://github.com/NVlabs/nvdiffrast"),
}


class Rasterizer(Protocol):
    """A back end."""

    def __call__(self, clip: Tensor, faces: Tensor, height: int, width: int) -> Tensor:
        """clip [B, N, 4], faces [F, 3] -> the seen triangle [B, H, W] int32, -1 empty."""
        ...


def rasterize(clip: Tensor, faces: Tensor, height: int, width: int, backend: str = DEFAULT_RASTERIZER) -> Tensor:
    """The triangle seen at each pixel, [B, H, W] int32 on the device of `clip`, -1 where there is none.

    clip [B, N, 4] is clip space as `cameras.clip` makes it (its first axes flattened), faces [F, 3] vertex indices.
    "auto" is `cuda` for CUDA tensors where its package is installed, else `numba`.
    Raises ValueError for a wrong shape, a vertex index out of range or an unknown back end, ImportError where the
    package of a back end is not installed.
    """
    if clip.ndim != 3 or clip.shape[-1] != 4 or not clip.is_floating_point():
        raise ValueError(f"clip must be float with shape [B, N, 4], got {clip.dtype} {list(clip.shape)}")
    check_faces("faces", faces, clip.shape[1])
    if height < 1 or width < 1:
        raise ValueError(f"height and width must be positive, got {height} x {width}")
    draw = load_rasterizer(resolved(backend, clip.is_cuda))
    if not len(clip) or not len(faces):  # no back end need think of it
        return torch.full((len(clip), height, width), -1, dtype=torch.int32, device=clip.device)
    with torch.no_grad():
        return draw(clip.detach(), faces, height, width)


def rasterizer_names() -> tuple[str, ...]:
    """Every registered back end, whether or not it loads."""
    return tuple(_registered())


def load_rasterizer(name: str = DEFAULT_RASTERIZER) -> Rasterizer:
    """The back end of that name; "auto" is the fastest one on the CPU.

    Raises BadInput for an unknown name or a plug-in that does not load.
    """
    known = _registered()
    name = resolved(name)
    if name not in known:
        raise BadInput(f"rasterizer {name!r} is unknown; known are auto, {', '.join(known)}")
    try:
        return known[name].load()
    except Exception as error:  # a plug-in may fail in any way
        raise BadInput(f"rasterizer {name!r} ({known[name].value}) does not load: {error}") from error


def resolved(name: str, on_gpu: bool = False) -> str:
    """The back end that "auto" stands for; every other name is its own."""
    if name != DEFAULT_RASTERIZER:
        return name
    return "cuda" if on_gpu and not missing("cuda") else "numba"


def missing(name: str) -> str:
    """How to get the package that a built-in back end needs and this machine lacks; empty where nothing is missing."""
    package, advice = OPTIONAL.get(name, ("", ""))
    found = find_spec(package) if package else None
    # a mere folder of that name, in the working directory say, has no origin
    return advice if package and (found is None or found.origin is None) else ""


def require_package(name: str) -> None:
    """Raises ImportError, with what to do, where the package that a built-in back end needs is not installed."""
    if missing(name):
        raise ImportError(f"the {name} rasterizer needs the package {OPTIONAL[name][0]}: {missing(name)}")


def check_faces(name: str, faces: Tensor | np.ndarray, points: int) -> None:
    """Raises ValueError unless `faces` is [F, 3] whole numbers, each below `points`."""
    if faces.ndim != 2 or faces.shape[-1] != 3 or "int" not in str(faces.dtype):
        raise ValueError(f"{name} must be whole numbers with shape [F, 3], got {faces.dtype} {list(faces.shape)}")
    if len(faces) and (int(faces.min()) < 0 or int(faces.max()) >= points):
        raise ValueError(f"{name} must name points 0..{points - 1}, got {int(faces.min())}..{int(faces.max())}")


@lru_cache(maxsize=1)
def _registered() -> dict[str, EntryPoint]:
    """Entry points of the built-in back ends, which need no installed metadata, and of plug-ins."""
    built_in = [EntryPoint(name, f"{__package__}.{where}", GROUP) for name, where in BUILT_IN.items()]
    plugged = [point for name, point in registered(GROUP).items() if name not in BUILT_IN]
    return {point.name: point for point in [*built_in, *plugged]}
