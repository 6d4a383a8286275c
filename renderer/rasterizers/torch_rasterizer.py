"""The slow, obvious rasterizer: every triangle against every pixel.  The oracle of the other back ends."""

from __future__ import annotations

import torch
from torch import Tensor

EDGE_ON = 1e-13  # a triangle whose area in the picture is below this (normalised units) is seen edge-on
TESTS_AT_ONCE = 4_000_000  # triangle-pixel pairs held in memory together


def rasterize(clip: Tensor, faces: Tensor, height: int, width: int) -> Tensor:
    """The seen triangle [B, H, W] int32 of clip [B, N, 4] and faces [F, 3]; see `rasterize` for the rules."""
    x = (2.0 * torch.arange(width, dtype=torch.float64, device=clip.device) + 1.0) / width - 1.0
    y = ((2.0 * torch.arange(height, dtype=torch.float64, device=clip.device) + 1.0) / height - 1.0)[:, None]
    corners = clip.float().double()[:, faces.long()]  # [B, F, 3, 4]
    triangles = torch.full((clip.shape[0], height, width), -1, dtype=torch.int32, device=clip.device)
    chunk = max(1, TESTS_AT_ONCE // (height * width))
    for b in range(clip.shape[0]):
        nearest = torch.zeros(height, width, device=clip.device)
        for first in range(0, faces.shape[0], chunk):
            inverse = _inverse_depth(corners[b, first : first + chunk], x, y)  # [f, H, W]
            best, which = inverse.max(dim=0)
            # max gives any one of several equal triangles; the rule wants the lowest
            which = (inverse == best).to(torch.uint8).argmax(dim=0)
            closer = best > nearest
            nearest[closer] = best[closer]
            triangles[b][closer] = (which[closer] + first).int()
    return triangles


def _inverse_depth(corners: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """1/w, float32 [F, H, W], of the triangles with corners [F, 3, 4] float64 at the pixel centres; 0 outside them."""
    v = corners[..., [0, 1, 3]]
    edges = _cross(v[:, [1, 2, 0]], v[:, [2, 0, 1]])[..., None, None]  # [F, 3 edges, 3 (a, b, c), 1, 1]
    first = v[:, 0, :, None, None]
    det = (edges[:, 0, 0] * first[:, 0] + edges[:, 0, 1] * first[:, 1]) + edges[:, 0, 2] * first[:, 2]
    plane = (edges[:, 0] + edges[:, 1] + edges[:, 2]) / det[:, None]  # 1/w over the picture
    inverse = (plane[:, 0] * x + (plane[:, 1] * y + plane[:, 2])).float()
    e = edges[:, :, 0] * x + (edges[:, :, 1] * y + edges[:, :, 2])  # [F, 3, H, W]
    e = e * torch.where(det > 0, 1.0, -1.0)[:, None]
    beyond = (corners[..., 2] + corners[..., 3])[..., None, None]  # >= 0 beyond the near plane
    seen = (e >= 0).all(dim=1) & (((e[:, 0] * beyond[:, 0] + e[:, 1] * beyond[:, 1]) + e[:, 2] * beyond[:, 2]) >= 0)
    seen &= det.abs() > EDGE_ON * v[..., 2].prod(dim=1).abs()[:, None, None]
    return torch.where(seen, inverse, torch.zeros_like(inverse))


def _cross(u: Tensor, v: Tensor) -> Tensor:
    """u x v over the last axis.  Not torch.linalg.cross: that fuses multiply and add, and rounds differently."""
    a, b = u[..., [1, 2, 0]], u[..., [2, 0, 1]]
    c, d = v[..., [2, 0, 1]], v[..., [1, 2, 0]]
    return a * c - b * d
