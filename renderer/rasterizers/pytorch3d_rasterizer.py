"""PyTorch3D's rasterizer, where it is installed.

Its screen (NDC) has +x to the left and +y up, its short side runs from -1 to 1 and its long side from -r to r with
r = long / short; z is the depth in m.  Both of our axes are turned round, so it is a half turn and not a reflection.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .rasterize import require_package

SMALLEST = 1e-9  # m; keeps x/w finite for corners in the camera's plane, which the near plane cuts off


def rasterize(clip: Tensor, faces: Tensor, height: int, width: int) -> Tensor:
    """The seen triangle [B, H, W] int32 of clip [B, N, 4] and faces [F, 3]; see `rasterize` for the rules.

    In float32, edges are not inclusive and ties are broken otherwise: pixels there may differ from other back ends.
    """
    require_package("pytorch3d")
    from pytorch3d.renderer.mesh.rasterize_meshes import rasterize_meshes
    from pytorch3d.structures import Meshes

    batch, count = clip.shape[0], faces.shape[0]
    points, triangles = clip.detach().float(), faces.to(clip.device).long()
    near = float((points[0, 0, 3] - points[0, 0, 2]).item()) / 2.0  # z = w - 2 near
    seen, *_ = rasterize_meshes(
        Meshes(verts=screen(points, height, width), faces=triangles.expand(batch, -1, -1)),
        image_size=(height, width),
        blur_radius=0.0,
        faces_per_pixel=1,
        max_faces_per_bin=2 * count,  # each may be cut in two; a full bin would drop triangles
        perspective_correct=True,
        cull_backfaces=False,
        z_clip_value=near,
    )
    # Triangles are counted over the whole batch.
    first = count * torch.arange(batch, device=clip.device)[:, None, None]
    return torch.where(seen[..., 0] < 0, -1, seen[..., 0] - first).int()


def screen(clip: Tensor, height: int, width: int) -> Tensor:
    """Clip space [B, N, 4] -> PyTorch3D's screen [B, N, 3]: x to the left, y up, z the depth in m."""
    w = clip[..., 3]
    w = torch.where(w.abs() < SMALLEST, SMALLEST, w)
    short = min(height, width)
    return torch.stack([-clip[..., 0] / w * (width / short), -clip[..., 1] / w * (height / short), w], dim=-1)
