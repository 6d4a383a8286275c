"""From "which triangle" to values: perspective-correct interpolation, differentiable in torch, and its numba twin.

Both recompute the barycentrics from the triangle map.  With corners v_k = (x, y, w) in clip space and u_k = v_k minus
w_k times the pixel centre, e_0 = u_1 x u_2 (2D) and so on, and the weights are e_k / sum(e): the share of each corner
in the surface point behind the pixel centre, whatever the perspective, also across the near plane.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..rasterizers.rasterize import check_faces


@dataclass(frozen=True, eq=False)
class Covered:
    """The P pixels of a triangle map [B, H, W] that show a triangle, and where in their triangle they lie."""

    picture: Tensor  # [P] int, index in B
    row: Tensor  # [P] int
    column: Tensor  # [P] int
    triangle: Tensor  # [P] int, index in F
    weights: Tensor  # [P, 3] barycentrics, perspective-correct, differentiable with respect to clip
    shape: tuple[int, int, int]  # B, H, W

    def values(self, attributes: Tensor, attribute_faces: Tensor) -> Tensor:
        """Attributes [B or 1, M, C] of corners [F, 3] -> [P, C]."""
        corners = attribute_faces.long()[self.triangle]  # [P, 3]
        picture = self.picture if attributes.shape[0] > 1 else torch.zeros_like(self.picture)
        return (self.weights[..., None] * attributes[picture[:, None], corners]).sum(dim=1)

    def spread(self, values: Tensor) -> Tensor:
        """Values [P, ...] -> maps [B, H, W, ...], 0 where nothing is seen."""
        maps = values.new_zeros(*self.shape, *values.shape[1:])
        return maps.index_put((self.picture, self.row, self.column), values)


def cover(triangles: Tensor, clip: Tensor, faces: Tensor) -> Covered:
    """The seen pixels of `triangles` [B, H, W] with their weights, from clip [B, N, 4] and faces [F, 3]."""
    _check(triangles, clip, faces)
    batch, height, width = triangles.shape
    picture, row, column = (triangles >= 0).nonzero(as_tuple=True)
    triangle = triangles[picture, row, column].long()
    corners = clip[picture[:, None], faces.long()[triangle]]  # [P, 3, 4]
    # float64: on triangles the size of a pixel the differences of float32 products would lose most of their digits
    corners = corners.double()
    x = (2.0 * column.double() + 1.0) / width - 1.0
    y = (2.0 * row.double() + 1.0) / height - 1.0
    u = corners[..., 0] - x[:, None] * corners[..., 3]
    v = corners[..., 1] - y[:, None] * corners[..., 3]
    after, before = [1, 2, 0], [2, 0, 1]
    edges = u[:, after] * v[:, before] - u[:, before] * v[:, after]
    weights = (edges / edges.sum(dim=1, keepdim=True)).to(clip.dtype)
    return Covered(picture, row, column, triangle, weights, (batch, height, width))


def interpolate(
    triangles: Tensor, clip: Tensor, faces: Tensor, attributes: Tensor, attribute_faces: Tensor | None = None
) -> Tensor:
    """Attributes of vertices -> maps [B, H, W, C], 0 where nothing is seen; differentiable in clip and attributes.

    triangles [B, H, W] from `rasterize`, clip [B, N, 4], faces [F, 3]; attributes [B or 1, M, C] are indexed by
    `attribute_faces` [F, 3], which are `faces` unless given: uv go with uv_faces, and values of their own for every
    corner are [1, 3F, C] with arange(3F).reshape(F, 3).
    """
    index = faces if attribute_faces is None else attribute_faces
    _check_attributes(triangles, faces, attributes, index)
    covered = cover(triangles, clip, faces)
    return covered.spread(covered.values(attributes, index))


def interpolate_fast(
    triangles: np.ndarray | Tensor,
    clip: np.ndarray | Tensor,
    faces: np.ndarray | Tensor,
    attributes: np.ndarray | Tensor,
    attribute_faces: np.ndarray | Tensor | None = None,
    out: np.ndarray | None = None,
    unit: bool = False,
) -> np.ndarray:
    """`interpolate` on the CPU, without gradients, on all cores; numpy arrays or CPU tensors in, float32 array out.

    Nothing is copied where triangles are int32, faces int32 and the rest float32, all contiguous; `out`
    [B, H, W, C] float32 is filled and returned where given (every pixel is written); `unit` scales each value vector to
    length 1.
    """
    from ...core.parallel import split
    from .interpolate_kernel import interpolate_rows

    seen, points = _array(triangles, np.int32), _array(clip, np.float32)
    values, index = _array(attributes, np.float32), _array(faces, np.int32)
    value_index = index if attribute_faces is None else _array(attribute_faces, np.int32)
    _check(seen, points, index)
    _check_attributes(seen, index, values, value_index)
    shape = (*seen.shape, values.shape[-1])
    if out is None:
        out = np.empty(shape, np.float32)
    elif out.shape != shape or out.dtype != np.float32 or not out.flags.c_contiguous:
        raise ValueError(f"out must be contiguous float32 with shape {list(shape)}, got {out.dtype} {list(out.shape)}")
    split(interpolate_rows, seen.shape[0] * seen.shape[1], seen, points, index, values, value_index, unit, out)
    return out


def _array(value: np.ndarray | Tensor, dtype: type) -> np.ndarray:
    plain = value.detach().numpy() if isinstance(value, Tensor) else value
    return np.ascontiguousarray(plain, dtype)


def _check(triangles: Tensor | np.ndarray, clip: Tensor | np.ndarray, faces: Tensor | np.ndarray) -> None:
    if triangles.ndim != 3:
        raise ValueError(f"triangles must have shape [B, H, W], got {list(triangles.shape)}")
    if clip.ndim != 3 or clip.shape[-1] != 4 or clip.shape[0] != triangles.shape[0]:
        raise ValueError(f"clip must have shape [{triangles.shape[0]}, N, 4], got {list(clip.shape)}")
    check_faces("faces", faces, clip.shape[1])


def _check_attributes(
    triangles: Tensor | np.ndarray,
    faces: Tensor | np.ndarray,
    attributes: Tensor | np.ndarray,
    attribute_faces: Tensor | np.ndarray,
) -> None:
    if attributes.ndim != 3 or attributes.shape[0] not in (1, triangles.shape[0]):
        raise ValueError(f"attributes must have shape [{triangles.shape[0]} or 1, M, C], got {list(attributes.shape)}")
    check_faces("attribute_faces", attribute_faces, attributes.shape[1])
    if attribute_faces.shape != faces.shape:
        raise ValueError(
            f"attribute_faces must have the shape of faces {list(faces.shape)}, got {list(attribute_faces.shape)}"
        )
