"""nvdiffrast's rasterizer, where it is installed; on CUDA only.

Its clip space is OpenGL's, as ours: -w <= z is beyond the near plane, and nothing is ever beyond the far plane because
z = w - 2 near < w.  Its first row lies at y = -w, which we call the top, so nothing is flipped.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from .rasterize import require_package

TILE = 8  # px; versions before 0.3.2 take only pictures whose sides are multiples of it


def rasterize(clip: Tensor, faces: Tensor, height: int, width: int) -> Tensor:
    """The seen triangle [B, H, W] int32 of clip [B, N, 4] and faces [F, 3]; see `rasterize` for the rules.

    It snaps corners to a fraction of a pixel: pixels on edges may differ from other back ends. Raises ValueError for
    tensors that are not on a CUDA device.
    """
    require_package("nvdiffrast")
    if not clip.is_cuda:
        raise ValueError(f"the nvdiffrast rasterizer needs tensors on a CUDA device, got clip on {clip.device}")
    from nvdiffrast import torch as nvdiffrast

    points, size = padded(clip.detach().float(), height, width)
    triangles = faces.to(clip.device, torch.int32).contiguous()
    seen, _ = nvdiffrast.rasterize(_context(clip.device), points.contiguous(), triangles, size, grad_db=False)
    # Channels are u, v, z/w and the triangle's number from 1 on, 0 where there is none.
    return seen[:, :height, :width, 3].int() - 1


def padded(clip: Tensor, height: int, width: int) -> tuple[Tensor, tuple[int, int]]:
    """Clip space [B, N, 4] of a picture with rows and columns added below and to the right, and its (height, width).

    The sides become multiples of TILE and every pixel stays where it was: with s = old / new side,
    (x'/w + 1) = (x/w + 1) s, so x' = x s + w (s - 1).
    """
    size = -(-height // TILE) * TILE, -(-width // TILE) * TILE
    x, y, z, w = clip.unbind(dim=-1)
    across, down = width / size[1], height / size[0]
    return torch.stack([x * across + w * (across - 1.0), y * down + w * (down - 1.0), z, w], dim=-1), size


@cache
def _context(device: torch.device) -> Any:
    """nvdiffrast's state for a device; making one is slow."""
    from nvdiffrast import torch as nvdiffrast

    return nvdiffrast.RasterizeCudaContext(device=device)
